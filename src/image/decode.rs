//! Pixel rule 3: from the bytes of an image file to upright 8-bit RGB.
//!
//! References and generations go through the same rule, and its number is part of every embedding's
//! fingerprint: a change that moves a pixel needs another number. So is what becomes of transparent pixels, the only
//! choice that it leaves.
//!
//! - The format is told by content: JPEG, PNG, WebP, GIF, BMP, TIFF. Others are refused by name.
//! - The orientation of EXIF is applied, all eight, or where EXIF has none that of XMP; an illegal value or a broken
//!   block counts as upright.
//! - Alpha is dropped, and the colours beneath come through; or the picture is laid on white or on black: see
//!   [`Transparency`]. A transparent colour key, and the transparent colour of a GIF, are alpha too.
//! - Palettes and greys are expanded. 16-bit samples become `(v + 128) / 257`, the nearest 8-bit value.
//! - CMYK becomes `(1 - C)(1 - K)` and so on, without a profile. In a JPEG of four components the stored inks
//!   are inverted (Adobe's way, with or without its marker, as Pillow takes them). YCCK is refused.
//! - JPEG is decoded by libjpeg-turbo, as by Pillow: accurate integers, smooth upsampling. JPEG data inside TIFF is not,
//!   and may differ by a few units.
//! - TIFF: greys of 1 to 16 bits, palettes, RGB, CMYK, YCbCr over the full range, greys and RGB with alpha, which is
//!   taken out of colours that were multiplied with it. Other kinds are refused by name.
//! - ICC profiles and gamma are ignored.
//! - Of an animation or a file of several pages the first is taken: of a GIF on its full canvas, what it leaves
//!   open in the colour of its transparent index, else of index 0.
//! - A file that ends early is refused, never filled up; so is a JPEG file that Pillow reads in spite of damage, unless
//!   its picture is whole.
//!
//! But for JPEG inside TIFF, these are the pixels of Pillow's `exif_transpose(image).convert("RGB")`, or of its `alpha_composite` on
//! the ground, save that Pillow clips 16-bit greys at 255.

use super::alpha::{Stored, swaps_sides};
use super::pixels::{Decoded, ImageFault, Rgb, Transparency, name};
use super::probe::read;
use super::{containers, jpeg, tiff};
use crate::error::io_reason;
use crate::input;
use crate::vocabulary::ImageFormat;
use std::path::Path;

/// The number of the rule above.
pub const PIXEL_RULE: u32 = 3;

/// Decodes the bytes of an image file by [`PIXEL_RULE`], without alpha: [`Transparency::Drop`].
///
/// # Errors
/// As [`decode_on`].
pub fn decode(bytes: &[u8]) -> Result<Decoded, ImageFault> {
    decode_on(bytes, Transparency::Drop)
}

/// Decodes the bytes of an image file by [`PIXEL_RULE`].
///
/// # Errors
/// A file that is not an image, of another format or kind, broken, cut, or larger than [`super::MAX_PIXELS`].
pub fn decode_on(bytes: &[u8], transparency: Transparency) -> Result<Decoded, ImageFault> {
    let format = format_of(bytes)?;
    let stored = guarded(format, || stored(format, bytes))?;
    let (seen, appearance) = stored.seen(transparency);
    let seen = seen.upright();
    Ok(Decoded { rgb: seen.rgb, format, notes: seen.notes, appearance })
}

/// The colours of an image file and its alpha, a value a pixel, both upright; `None`: every pixel is opaque.
///
/// # Errors
/// As [`decode_on`].
pub fn layers(bytes: &[u8]) -> Result<(Rgb, Option<Vec<u8>>), ImageFault> {
    let format = format_of(bytes)?;
    let stored = guarded(format, || stored(format, bytes))?.upright();
    Ok((stored.rgb, stored.alpha))
}

/// Format, width and height, upright, of the bytes of an image file; no pixel is decoded.
///
/// # Errors
/// As [`decode_on`], as far as a look at the head can tell.
pub fn head(bytes: &[u8]) -> Result<(ImageFormat, u32, u32), ImageFault> {
    let format = format_of(bytes)?;
    let (width, height, orientation) = guarded(format, || match format {
        ImageFormat::Jpeg => jpeg::head(bytes),
        ImageFormat::Gif => containers::gif_head(bytes),
        other => containers::head(other, bytes),
    })?;
    Ok(if orientation.is_some_and(swaps_sides) { (format, height, width) } else { (format, width, height) })
}

/// What other people's decoders make of a file; they have panicked on broken files, and a broken file must not end
/// the run.
fn guarded<T>(format: ImageFormat, read: impl FnOnce() -> Result<T, ImageFault>) -> Result<T, ImageFault> {
    input::guarded(read)
        .unwrap_or_else(|| Err(ImageFault::unreadable(format!("a broken {} file: its decoder gave up", name(format)))))
}

/// The bytes and the pixels of the image file at `path`.
///
/// # Errors
/// A sentence: it cannot be read, or gives no pixels.
pub fn load(path: &Path) -> Result<(Vec<u8>, Decoded), String> {
    let bytes = read(path).map_err(|e| io_reason(&e))?;
    let decoded = decode(&bytes).map_err(|fault| fault.reason)?;
    Ok((bytes, decoded))
}

/// Tells the format by the first bytes.
///
/// # Errors
/// Another format, by name where it is known.
pub fn format_of(bytes: &[u8]) -> Result<ImageFormat, ImageFault> {
    let is = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let other = if is(0, b"\xff\xd8") {
        return Ok(ImageFormat::Jpeg);
    } else if is(0, b"\x89PNG\r\n\x1a\n") {
        return Ok(ImageFormat::Png);
    } else if is(0, b"RIFF") && is(8, b"WEBP") {
        return Ok(ImageFormat::WebP);
    } else if is(0, b"GIF87a") || is(0, b"GIF89a") {
        return Ok(ImageFormat::Gif);
    } else if is(0, b"BM") {
        return Ok(ImageFormat::Bmp);
    } else if is(0, b"II*\0") || is(0, b"MM\0*") || is(0, b"II+\0") || is(0, b"MM\0+") {
        return Ok(ImageFormat::Tiff);
    } else if is(4, b"ftypavif") || is(4, b"ftypavis") {
        "AVIF"
    } else if is(4, b"ftyphei") || is(4, b"ftyphev") || is(4, b"ftypmif1") || is(4, b"ftypmsf1") {
        "HEIC"
    } else if is(0, b"\0\0\0\x0cjP  ") || is(0, b"\xff\x4f\xff\x51") {
        "JPEG 2000"
    } else if is(0, b"\xff\x0a") || is(0, b"\0\0\0\x0cJXL ") {
        "JPEG XL"
    } else if is(0, b"\0\0\x01\0") {
        "ICO"
    } else if is(0, b"8BPS") {
        "Photoshop"
    } else if is(0, b"%!PS") {
        "PostScript"
    } else if is(0, b"%PDF") {
        "PDF"
    } else if is(0, b"qoif") {
        "QOI"
    } else if is(0, b"DDS ") {
        "DDS"
    } else if is(0, b"\x76\x2f\x31\x01") {
        "OpenEXR"
    } else if is(0, b"#?RADIANCE") {
        "Radiance HDR"
    } else if matches!(bytes, [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n', ..]) {
        "PNM"
    } else if bytes.is_empty() {
        return Err(ImageFault::unreadable("the file is empty".into()));
    } else {
        return Err(ImageFault::unreadable(not_an_image(bytes).into()));
    };
    Err(ImageFault::unreadable(format!("{other} images are not supported (JPEG, PNG, WebP, GIF, BMP and TIFF are)")))
}

/// Says what a file is instead of an image, of the kinds that are left where an image should be.
fn not_an_image(bytes: &[u8]) -> &'static str {
    let head = bytes[..bytes.len().min(1024)].to_ascii_lowercase();
    let text = head.trim_ascii_start();
    let begins = |with: &[&str]| with.iter().any(|with| text.starts_with(with.as_bytes()));
    let contains = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
    if begins(&["version https://git-lfs"]) {
        "not an image but a pointer of Git LFS: `git lfs pull` fetches the image"
    } else if contains(b"<svg") && begins(&["<svg", "<?xml", "<!--", "<!doctype svg"]) {
        "SVG images are not supported (JPEG, PNG, WebP, GIF, BMP and TIFF are)"
    } else if begins(&["<!doctype html", "<html"]) {
        "not an image but a web page: what should have fetched the image was given this instead"
    } else if begins(&["data:image/", "ivborw0kggo", "/9j/", "uklgr", "r0lgod"]) {
        "not an image but base64 text: decode it (`base64 -d`) and write the bytes"
    } else if head.starts_with(b"\x93numpy") {
        "not an image but an array of NumPy: write it as PNG"
    } else if bytes.iter().all(|byte| *byte == 0) {
        "not an image: all its bytes are zero, as after a copy or a download that broke off"
    } else {
        "not an image: its content is none of JPEG, PNG, WebP, GIF, BMP, TIFF"
    }
}

fn stored(format: ImageFormat, bytes: &[u8]) -> Result<Stored, ImageFault> {
    match format {
        ImageFormat::Jpeg => jpeg::decode(bytes),
        ImageFormat::Gif => containers::gif(bytes),
        ImageFormat::Tiff => match tiff::decode(bytes)? {
            (_, Some(stored)) => Ok(stored),
            (page, None) => {
                let mut stored = Stored { orientation: page.orientation, ..containers::still(format, bytes)? };
                if page.is_multiplied() {
                    tiff::separate(&mut stored);
                }
                Ok(stored)
            }
        },
        other => containers::still(other, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::ImageStatus;
    use image::{DynamicImage, ImageBuffer};
    use std::io::Cursor;

    fn encoded(image: impl Into<DynamicImage>, format: image::ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn alpha_is_dropped_and_greys_are_expanded() {
        let rgba = ImageBuffer::from_raw(2, 1, vec![1, 2, 3, 0, 4, 5, 6, 128]).map(DynamicImage::ImageRgba8).unwrap();
        for format in [image::ImageFormat::Png, image::ImageFormat::Tiff, image::ImageFormat::Bmp, image::ImageFormat::WebP] {
            assert_eq!(decode(&encoded(rgba.clone(), format)).unwrap().rgb.pixels, [1, 2, 3, 4, 5, 6], "{format:?}");
        }
        let grey = ImageBuffer::from_raw(2, 1, vec![7, 0, 9, 255]).map(DynamicImage::ImageLumaA8).unwrap();
        assert_eq!(decode(&encoded(grey, image::ImageFormat::Png)).unwrap().rgb.pixels, [7, 7, 7, 9, 9, 9]);
    }

    #[test]
    fn sixteen_bits_become_the_nearest_eight() {
        // 257 times 0, 1 and 255, and the two numbers around the middle between 0 and 257.
        let grey = ImageBuffer::from_raw(5, 1, vec![0_u16, 257, 65535, 128, 129]).map(DynamicImage::ImageLuma16).unwrap();
        let decoded = decode(&encoded(grey, image::ImageFormat::Png)).unwrap();
        let greys: Vec<u8> = decoded.rgb.pixels.chunks(3).map(|pixel| pixel[2]).collect();
        assert_eq!(greys, [0, 1, 255, 0, 1]);
    }

    #[test]
    fn a_gif_is_its_first_frame_on_the_canvas() {
        // 3×1 canvas, palette red green blue white, transparent index 2; a 1×1 frame of index 1 at x = 1; a second.
        let frame = [0x2c, 1, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4c, 0x01, 0];
        let mut file = b"GIF89a\x03\0\x01\0\x81\0\0\xff\0\0\0\xff\0\0\0\xff\xff\xff\xff".to_vec();
        file.extend(b"\x21\xf9\x04\x01\0\0\x02\0");
        file.extend(frame);
        let one = [&file[..], b";"].concat();
        let decoded = decode(&one).unwrap();
        assert_eq!(decoded.rgb.pixels, [0, 0, 255, 0, 255, 0, 0, 0, 255]);
        assert!(decoded.notes.is_empty());
        assert_eq!(decode(&file).unwrap_err().reason, "a broken GIF file: its data ends early");
        file.extend(frame);
        file.push(b';');
        assert_eq!(decode(&file).unwrap().notes, ["it has several frames or pages; the first is taken"]);
    }

    #[test]
    fn cut_files_are_refused() {
        let picture = ImageBuffer::from_fn(40, 30, |x, y| image::Rgb([(x * y) as u8, (x * 5) as u8, (y * 7 + x) as u8]));
        for format in [
            image::ImageFormat::Png,
            image::ImageFormat::Tiff,
            image::ImageFormat::Bmp,
            image::ImageFormat::WebP,
            image::ImageFormat::Gif,
        ] {
            let bytes = encoded(picture.clone(), format);
            assert!(decode(&bytes).is_ok(), "{format:?}");
            for length in [bytes.len() - 1, bytes.len() * 9 / 10, bytes.len() / 2, 20, 12] {
                assert!(decode(&bytes[..length]).is_err(), "{format:?} cut at {length} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let reason = |bytes: &[u8]| decode(bytes).unwrap_err().reason;
        assert!(reason(b"\0\0\0\x20ftypavif").starts_with("AVIF"));
        assert!(reason(b"\0\0\0\x20ftypheic").starts_with("HEIC"));
        assert!(reason(b"P6\n2 2\n255\n").starts_with("PNM"));
        assert!(reason(b"nothing known").starts_with("not an image: its content"));
        for (bytes, said) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"[..], "`git lfs pull`"),
            (b"\n<!DOCTYPE html><html>404</html>", "a web page"),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG images are not supported"),
            (b"iVBORw0KGgoAAAANSUhEUgAA", "base64"),
            (b"data:image/jpeg;base64,/9j/4AAQ", "base64"),
            (b"\x93NUMPY\x01\0v\0{'descr'", "an array of NumPy"),
            (&[0; 4096], "all its bytes are zero"),
        ] {
            assert!(reason(bytes).contains(said), "{}", reason(bytes));
        }
        assert_eq!(reason(b""), "the file is empty");
    }

    #[test]
    fn too_many_pixels_are_refused_from_the_header() {
        let mut header = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        header.extend(20_000_u32.to_le_bytes());
        header.extend(5_001_u32.to_le_bytes());
        header.extend(b"\x01\0\x18\0");
        header.extend([0; 24]);
        assert_eq!(decode(&header).unwrap_err().status, ImageStatus::Oversized);
    }
}

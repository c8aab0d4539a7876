//! The formats whose decoders are other people's: what is asked of them, and what they do not check.

use crate::image::alpha::Stored;
use crate::image::orientation::{PngText, orientation, png_text};
use crate::image::pixels::{ImageFault, MAX_PIXELS, Rgb, check_size, name};
use crate::image::tiff;
use crate::vocabulary::{ImageFormat, ImageStatus};
use image::codecs::{bmp::BmpDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::error::UnsupportedErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, Limits};
use std::io::Cursor;

/// Most memory that a decoder may take besides the pixels.
const DECODER_BYTES: u64 = 64 << 20;

const FIRST_OF_MANY: &str = "it has several frames or pages; the first is taken";

/// Width and height of a PNG, WebP, BMP or TIFF file as stored, and its orientation.
pub fn head(format: ImageFormat, bytes: &[u8]) -> Result<(u32, u32, Option<Orientation>), ImageFault> {
    let fault = |e: ImageError| decoder_fault(format, &e);
    let cursor = Cursor::new(bytes);
    let ((width, height), orientation) = match format {
        ImageFormat::Png => {
            let chunks = PngChunks::walk(bytes)?;
            (png_decoder(bytes)?.dimensions(), chunks.orientation())
        }
        ImageFormat::WebP => {
            let mut decoder = webp_decoder(bytes)?;
            (decoder.dimensions(), webp_orientation(&mut decoder))
        }
        ImageFormat::Tiff => {
            let page = tiff::page(bytes)?;
            (page.size, page.orientation)
        }
        _ => (BmpDecoder::new(cursor).map_err(fault)?.dimensions(), None),
    };
    check_size(name(format), width, height)?;
    Ok((width, height, orientation))
}

/// Decodes a PNG, WebP, BMP or TIFF file; the orientation of a TIFF is for [`tiff`].
pub fn still(format: ImageFormat, bytes: &[u8]) -> Result<Stored, ImageFault> {
    let fault = |e: ImageError| decoder_fault(format, &e);
    let cursor = Cursor::new(bytes);
    match format {
        ImageFormat::Png => {
            let chunks = PngChunks::walk(bytes)?;
            let notes = if chunks.animated { vec![FIRST_OF_MANY] } else { Vec::new() };
            let orientation = chunks.orientation();
            Ok(Stored { orientation, notes, ..pixels(format, png_decoder(bytes)?)? })
        }
        ImageFormat::WebP => {
            let mut decoder = webp_decoder(bytes)?;
            let (width, height) = decoder.dimensions();
            check_size(name(format), width, height)?;
            let orientation = webp_orientation(&mut decoder);
            let mut notes = Vec::new();
            if decoder.has_animation() {
                notes.push(FIRST_OF_MANY);
                // What the first frame leaves open is black, as in libwebp.
                decoder.set_background_color(image::Rgba([0; 4])).map_err(fault)?;
            }
            Ok(Stored { orientation, notes, ..pixels(format, decoder)? })
        }
        ImageFormat::Tiff => {
            let decoder = TiffDecoder::new(cursor).map_err(fault)?;
            let cmyk = matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16);
            let notes = if cmyk { vec!["its CMYK colours are converted without a profile"] } else { Vec::new() };
            Ok(Stored { notes, ..pixels(format, decoder)? })
        }
        _ => pixels(format, BmpDecoder::new(cursor).map_err(fault)?),
    }
}

fn png_decoder(bytes: &[u8]) -> Result<PngDecoder<Cursor<&[u8]>>, ImageFault> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODER_BYTES);
    PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(|e| decoder_fault(ImageFormat::Png, &e))
}

fn webp_decoder(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, ImageFault> {
    let length = bytes.get(4..8).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
    if length + 8 > bytes.len() as u64 {
        return Err(truncated(ImageFormat::WebP));
    }
    WebPDecoder::new(Cursor::new(bytes)).map_err(|e| decoder_fault(ImageFormat::WebP, &e))
}

fn webp_orientation(decoder: &mut WebPDecoder<Cursor<&[u8]>>) -> Option<Orientation> {
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    orientation(exif.as_deref(), xmp.as_deref())
}

fn truncated(format: ImageFormat) -> ImageFault {
    ImageFault::unreadable(format!("a broken {} file: its data ends early", name(format)))
}

fn decoder_fault(format: ImageFormat, error: &ImageError) -> ImageFault {
    match error {
        ImageError::Limits(_) => {
            let reason = format!("a {} file that needs more memory than an image of its size should", name(format));
            ImageFault { status: ImageStatus::Oversized, reason }
        }
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => truncated(format),
        ImageError::Unsupported(e) => match e.kind() {
            UnsupportedErrorKind::GenericFeature(what) => ImageFault::unsupported(format, &what),
            _ => ImageFault::unsupported(format, &e.to_string()),
        },
        ImageError::Decoding(e) => {
            // The source has the reason; the error itself repeats the format.
            let reason = std::error::Error::source(e).map_or_else(|| e.to_string(), ToString::to_string);
            ImageFault::unreadable(format!("a broken {} file: {reason}", name(format)))
        }
        other => ImageFault::unreadable(format!("a broken {} file: {other}", name(format))),
    }
}

/// Runs a decoder and makes its pixels 8-bit RGB, and alpha.
fn pixels(format: ImageFormat, mut decoder: impl ImageDecoder) -> Result<Stored, ImageFault> {
    let fault = |e: ImageError| decoder_fault(format, &e);
    let (width, height) = decoder.dimensions();
    check_size(name(format), width, height)?;
    let mut limits = Limits::no_limits();
    // The picture once as the decoder gives it and once in its own buffers.
    limits.max_alloc = Some(decoder.total_bytes().min(16 * MAX_PIXELS) * 2 + DECODER_BYTES);
    decoder.set_limits(limits).map_err(fault)?;
    let mut alpha = None;
    let pixels = match DynamicImage::from_decoder(decoder).map_err(fault)? {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageRgba8(image) => {
            // In place: a copy would double the memory.
            let mut pixels = image.into_raw();
            let count = pixels.len() / 4;
            alpha = Some(pixels.chunks_exact(4).map(|pixel| pixel[3]).collect());
            for i in 0..count {
                pixels.copy_within(4 * i..4 * i + 3, 3 * i);
            }
            pixels.truncate(3 * count);
            pixels
        }
        DynamicImage::ImageLuma8(image) => image.into_raw().into_iter().flat_map(|grey| [grey; 3]).collect(),
        DynamicImage::ImageLumaA8(image) => {
            alpha = Some(image.pixels().map(|pixel| pixel.0[1]).collect());
            image.pixels().flat_map(|pixel| [pixel.0[0]; 3]).collect()
        }
        DynamicImage::ImageLuma16(image) => image.pixels().flat_map(|pixel| [narrow(pixel.0[0]); 3]).collect(),
        DynamicImage::ImageLumaA16(image) => {
            alpha = Some(image.pixels().map(|pixel| narrow(pixel.0[1])).collect());
            image.pixels().flat_map(|pixel| [narrow(pixel.0[0]); 3]).collect()
        }
        DynamicImage::ImageRgb16(image) => image.into_raw().into_iter().map(narrow).collect(),
        DynamicImage::ImageRgba16(image) => {
            alpha = Some(image.pixels().map(|pixel| narrow(pixel.0[3])).collect());
            image.pixels().flat_map(|pixel| [narrow(pixel.0[0]), narrow(pixel.0[1]), narrow(pixel.0[2])]).collect()
        }
        other => {
            return Err(ImageFault::unsupported(format, &format!("with {:?} samples", other.color())));
        }
    };
    let stored = Stored::opaque(Rgb { width, height, pixels });
    Ok(match alpha {
        Some(alpha) => stored.with_alpha(alpha),
        None => stored,
    })
}

/// The nearest 8-bit value of a 16-bit one.
fn narrow(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// What a walk over the chunks of a PNG finds.
struct PngChunks<'a> {
    exif: Option<&'a [u8]>,
    /// An EXIF block in a text.
    profile: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    animated: bool,
}

impl PngChunks<'_> {
    fn orientation(&self) -> Option<Orientation> {
        orientation(self.exif.or(self.profile.as_deref()), self.xmp.as_deref())
    }

    /// Walks over the chunks to the end mark, reading none: the decoder stops at the last pixel, but EXIF may
    /// follow.
    fn walk(bytes: &[u8]) -> Result<PngChunks<'_>, ImageFault> {
        let mut found = PngChunks { exif: None, profile: None, xmp: None, animated: false };
        let mut rest = bytes.get(8..).unwrap_or_default();
        while let Some(([l3, l2, l1, l0, kind @ ..], body)) = rest.split_first_chunk::<8>() {
            let length = u32::from_be_bytes([*l3, *l2, *l1, *l0]) as usize;
            let (Some(data), Some(after)) = (body.get(..length), body.get(length..).and_then(|crc| crc.get(4..))) else {
                return Err(truncated(ImageFormat::Png));
            };
            match kind {
                b"eXIf" => found.exif = Some(data),
                b"acTL" => found.animated = true,
                b"tEXt" | b"zTXt" | b"iTXt" => match png_text(kind, data) {
                    Some((PngText::Xmp, packet)) => found.xmp = Some(packet),
                    Some((PngText::Exif, block)) => found.profile = Some(block),
                    None => {}
                },
                b"IEND" => return Ok(found),
                _ => {}
            }
            rest = after;
        }
        Err(truncated(ImageFormat::Png))
    }
}

/// Width and height of a GIF's canvas; it has no orientation.
pub fn gif_head(bytes: &[u8]) -> Result<(u32, u32, Option<Orientation>), ImageFault> {
    let decoder = gif_decoder(bytes)?;
    Ok((u32::from(decoder.width()), u32::from(decoder.height()), None))
}

fn gif_decoder(bytes: &[u8]) -> Result<gif::Decoder<&[u8]>, ImageFault> {
    // The size stands first, and is told of first.
    let side = |at: usize| bytes.get(at..)?.first_chunk().map(|b| u32::from(u16::from_le_bytes(*b)));
    let (Some(width), Some(height)) = (side(6), side(8)) else { return Err(truncated(ImageFormat::Gif)) };
    check_size("GIF", width, height)?;
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    options.check_frame_consistency(true);
    options.set_memory_limit(gif::MemoryLimit::Unlimited); // the size is checked before anything is allocated
    options.read_info(bytes).map_err(gif_fault)
}

fn gif_fault(error: gif::DecodingError) -> ImageFault {
    match error {
        gif::DecodingError::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => truncated(ImageFormat::Gif),
        other => ImageFault::unreadable(format!("a broken GIF file: {other}")),
    }
}

/// Decodes the first frame of a GIF on its canvas.
pub fn gif(bytes: &[u8]) -> Result<Stored, ImageFault> {
    let broken = gif_fault;
    let mut decoder = gif_decoder(bytes)?;
    let (width, height) = (decoder.width(), decoder.height());
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder.next_frame_info().map_err(broken)?;
    let Some(frame) = frame else { return Err(ImageFault::unreadable("a GIF file without a frame".into())) };
    let (left, top, frame_width, frame_height) =
        (usize::from(frame.left), usize::from(frame.top), usize::from(frame.width), usize::from(frame.height));
    let palette = frame.palette.clone().or(global);
    // Pillow fills the canvas with the transparent index, else with 0.
    let clear = frame.transparent;
    let open = clear.unwrap_or(0);
    if frame_width == 0 || frame_height == 0 {
        return Err(ImageFault::unreadable("a GIF file whose frame has no pixels".into()));
    }
    let mut indices = vec![0; frame_width * frame_height];
    decoder.read_into_buffer(&mut indices).map_err(broken)?;
    // Without a palette, indices are greys; past its end, black.
    let colour = |index: u8| match &palette {
        Some(palette) => palette.as_chunks::<3>().0.get(usize::from(index)).copied().unwrap_or_default(),
        None => [index; 3],
    };
    let colours: [[u8; 3]; 256] = std::array::from_fn(|index| colour(index as u8));
    let mut pixels: Vec<u8> = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    let mut alpha = Vec::with_capacity(if clear.is_some() { pixels.capacity() / 3 } else { 0 });
    for y in 0..usize::from(height) {
        let row = y.checked_sub(top).and_then(|y| indices.chunks_exact(frame_width).nth(y)).unwrap_or_default();
        for x in 0..usize::from(width) {
            let index = x.checked_sub(left).and_then(|x| row.get(x)).copied().unwrap_or(open);
            pixels.extend(colours[usize::from(index)]);
            if clear.is_some() {
                alpha.push(if clear == Some(index) { 0 } else { u8::MAX });
            }
        }
    }
    let mut notes = Vec::new();
    match rest_of_gif(bytes) {
        Some(1) => {}
        Some(_) => notes.push(FIRST_OF_MANY),
        None => return Err(truncated(ImageFormat::Gif)),
    }
    let stored = Stored::opaque(Rgb { width: u32::from(width), height: u32::from(height), pixels });
    Ok(Stored { notes, ..if clear.is_some() { stored.with_alpha(alpha) } else { stored } })
}

/// Frames of a GIF, by a walk over its blocks; nothing if it ends before its trailer.
fn rest_of_gif(bytes: &[u8]) -> Option<usize> {
    let palette = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + palette(*bytes.get(10)?);
    let mut frames = 0;
    loop {
        match bytes.get(at)? {
            0x3b => return Some(frames),
            0x21 => at += 2,
            0x2c => {
                frames += 1;
                at += 10 + palette(*bytes.get(at + 9)?) + 1;
            }
            _ => return Some(frames.max(1)),
        }
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

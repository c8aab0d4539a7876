//! JPEG: decoded by libjpeg-turbo, after a walk over its segments for what that decoder does not check or tell.
//!
//! The decoder fills what is missing with grey and goes on; here, what it only warns of is an error, unless the picture
//! itself is not in doubt, and a file must hold a picture's end after its last scan. YCCK files are refused by name.

use super::alpha::Stored;
use super::libjpeg::{Failure, Inks, decompress};
use super::orientation::orientation;
use super::pixels::{ImageFault, Rgb, check_size};
use crate::vocabulary::ImageFormat;
use image::metadata::Orientation;

const TRUNCATED: &str = "its data ends early";

/// Most scans of a picture; ten are usual. Each costs as much time as the picture is large, however short it is.
const MOST_SCANS: usize = 100;

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Width and height of the JPEG `data` as stored, and its orientation.
///
/// # Errors
/// A broken file, or a kind that is not read.
pub fn head(data: &[u8]) -> Result<(u32, u32, Option<Orientation>), ImageFault> {
    let outline = JpegOutline::walk(data, true).map_err(broken)?;
    let frame = outline.supported()?;
    Ok((frame.width, frame.height, outline.orientation()))
}

/// Decodes the JPEG `data`.
///
/// # Errors
/// A broken or cut file, or a kind that is not read.
pub fn decode(data: &[u8]) -> Result<Stored, ImageFault> {
    let outline = JpegOutline::walk(data, false).map_err(broken)?;
    let JpegFrame { width, height, components, .. } = *outline.supported()?;
    let inks = if components == 4 { Inks::Cmyk } else { Inks::Rgb };
    let samples = decompress(data, width, height, inks).map_err(|failure| match failure {
        Failure::Cut => broken(TRUNCATED),
        Failure::Broken(why) => broken(&why),
        Failure::Unsupported(kind) => ImageFault::unsupported(ImageFormat::Jpeg, &kind),
        Failure::Memory => ImageFault::unreadable("there is not enough memory to decode it".into()),
    })?;
    let mut notes = Vec::new();
    let pixels = match inks {
        Inks::Rgb => samples.values,
        Inks::Cmyk => {
            notes.push("its CMYK colours are converted without a profile");
            rgb_of_inks(&samples.values)
        }
    };
    if samples.stray_bytes {
        notes.push("it holds bytes that belong to nothing; it may be damaged");
    }
    if samples.guessed_colours {
        notes.push("its Adobe marker has an unknown code for its colours; they are taken for YCbCr");
    }
    Ok(Stored { orientation: outline.orientation(), notes, ..Stored::opaque(Rgb { width, height, pixels }) })
}

/// RGB of inks that are stored inverted, as Pillow rounds it.
fn rgb_of_inks(inks: &[u8]) -> Vec<u8> {
    let rgb = |&[c, m, y, k]: &[u8; 4]| {
        [c, m, y].map(|stored| {
            let product = u32::from(255 - stored) * u32::from(k) + 128;
            k - (((product >> 8) + product) >> 8) as u8
        })
    };
    inks.as_chunks::<4>().0.iter().flat_map(rgb).collect()
}

fn broken(why: &str) -> ImageFault {
    ImageFault::unreadable(format!("a broken JPEG file: {why}"))
}

struct JpegFrame {
    /// Which coding: the low four bits of its marker.
    coding: u8,
    /// Bits of a sample.
    precision: u8,
    width: u32,
    height: u32,
    components: u8,
}

/// What the segments say.
#[derive(Default)]
struct JpegOutline {
    frame: Option<JpegFrame>,
    adobe_transform: Option<u8>,
    scans: usize,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
}

impl JpegOutline {
    /// The frame, if it can be decoded.
    fn supported(&self) -> Result<&JpegFrame, ImageFault> {
        let frame = self.frame.as_ref().ok_or_else(|| broken("it has no picture"))?;
        let unsupported = |what: &str| Err(ImageFault::unsupported(ImageFormat::Jpeg, what));
        match frame.coding {
            0..=2 => {}
            3 => return unsupported("lossless"),
            5..=7 => return unsupported("hierarchical"),
            _ => return unsupported("with arithmetic coding"),
        }
        if frame.precision != 8 {
            return unsupported(&format!("with samples of {} bits", frame.precision));
        }
        if frame.height == 0 && frame.width > 0 {
            return unsupported("with its height behind the picture");
        }
        check_size("JPEG", frame.width, frame.height)?;
        if self.scans > MOST_SCANS {
            return unsupported(&format!("with {} scans, which are over the limit of {MOST_SCANS}", self.scans));
        }
        match frame.components {
            1 | 3 => Ok(frame),
            // Of a code that it does not know the decoder says the same.
            4 if self.adobe_transform.is_some_and(|code| code != 0) => {
                Err(ImageFault::unreadable("JPEG images in YCCK colours are not supported".into()))
            }
            4 => Ok(frame),
            n => unsupported(&format!("with {n} colour components")),
        }
    }

    fn orientation(&self) -> Option<Orientation> {
        orientation(self.exif.as_deref(), self.xmp.as_deref())
    }

    /// Goes from marker to marker up to the end of the picture, or of the head: what stands behind the first scan says
    /// nothing about it.
    fn walk(data: &[u8], only_head: bool) -> Result<JpegOutline, &'static str> {
        let mut outline = JpegOutline::default();
        let mut at = 2; // behind the start of the image
        loop {
            let marker = next_marker(data, &mut at).ok_or(TRUNCATED)?;
            match marker {
                0xd9 if outline.scans == 0 => return Err("it has no picture"),
                0xd9 => return Ok(outline),
                0x01 | 0xd0..=0xd8 => continue, // alone, without a segment
                _ => {}
            }
            let length = data.get(at..at + 2).map(|b| usize::from(b[0]) << 8 | usize::from(b[1])).ok_or(TRUNCATED)?;
            let body = data.get(at + 2..at + length).ok_or(if length < 2 { "a segment without a length" } else { TRUNCATED })?;
            at += length;
            match marker {
                // Frames: not the tables (c4), arithmetic conditioning (cc) and the reserved c8.
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                    let [precision, h1, h0, w1, w0, components, ..] = *body else { return Err("its frame header is short") };
                    let two = |high: u8, low: u8| u32::from(high) << 8 | u32::from(low);
                    let (width, height) = (two(w1, w0), two(h1, h0));
                    outline.frame = Some(JpegFrame { coding: marker & 15, precision, width, height, components });
                }
                0xda if only_head => return Ok(outline),
                0xda => outline.scans += 1,
                0xe1 if outline.scans == 0 && body.starts_with(XMP) => outline.xmp = Some(body[XMP.len()..].to_vec()),
                0xe1 if outline.scans == 0 && outline.exif.is_none() => {
                    outline.exif = body.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec);
                }
                0xee if outline.scans == 0 => {
                    outline.adobe_transform = body.strip_prefix(b"Adobe").and_then(|b| b.get(6).copied())
                }
                _ => {}
            }
        }
    }
}

/// The next marker, past entropy-coded data and fill bytes; `at` ends up behind it.
fn next_marker(data: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += data.get(*at..)?.iter().position(|b| *b == 0xff)? + 1;
        match *data.get(*at)? {
            0x00 | 0xd0..=0xd7 => *at += 1, // a stuffed byte or a restart in a scan
            0xff => {}                      // fill
            marker => {
                *at += 1;
                return Some(marker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;

    fn encoded(width: u32, height: u32) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 5) as u8, (y * 7) as u8, (x * y) as u8]));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&picture).unwrap();
        bytes
    }

    #[test]
    fn a_picture_comes_back_nearly_as_it_went() {
        let jpeg = decode(&encoded(40, 30)).unwrap();
        assert_eq!((jpeg.rgb.width, jpeg.rgb.height), (40, 30));
        let pixel = &jpeg.rgb.pixels[(10 * 40 + 20) * 3..][..3]; // at x 20, y 10
        assert!(pixel.iter().zip([100, 70, 200]).all(|(a, b)| a.abs_diff(b) < 12), "{pixel:?}");
    }

    #[test]
    fn a_cut_picture_is_refused_and_what_follows_it_is_not() {
        let whole = encoded(64, 64);
        for length in [whole.len() - 1, whole.len() - 2, whole.len() / 2, 30, 3] {
            let reason = decode(&whole[..length]).err().unwrap().reason;
            assert!(reason.contains("broken JPEG"), "cut at {length}: {reason}");
        }
        assert!(decode(&[&whole[..], &[7; 100]].concat()).is_ok());
    }

    #[test]
    fn four_components_by_their_marker() {
        // SOI, Adobe marker with transform 2, frame 1×1 of 4 components, an empty scan, EOI.
        let mut file = b"\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x02".to_vec();
        file.extend(b"\xff\xc0\x00\x14\x08\x00\x01\x00\x01\x04\x01\x11\x00\x02\x11\x00\x03\x11\x00\x04\x11\x00");
        file.extend(b"\xff\xda\x00\x02\xff\xd9");
        assert!(decode(&file).err().unwrap().reason.contains("YCCK"));
    }
}

//! A first look at an image file: is it there, what is it, how large, which bytes.

use super::door::Door;
use super::pixels::MAX_PIXELS;
use crate::error::io_reason;
use crate::manifest::{FileState, state_of};
use crate::vocabulary::{ImageFormat, ImageStatus, Outcome, Probe};
use image::ImageDecoder;
use image::metadata::Orientation;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Largest image file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Looks at the file at `path`: reads all its bytes for the hash, but only the header of the image.
pub fn probe(path: &Path) -> Probe {
    look(&Door::default(), path)
}

/// As [`probe`], through a door.
pub(super) fn look(door: &Door, path: &Path) -> Probe {
    let unusable =
        |status, reason| Probe { bytes: None, mtime_ns: None, blake3: None, outcome: Outcome::Unusable(status, reason) };
    let (bytes, mtime_ns) = match state_of(path) {
        FileState::There { bytes, mtime_ns } => (bytes, mtime_ns),
        FileState::Missing(reason) => return unusable(ImageStatus::Missing, reason),
        FileState::Unusable(reason) => return unusable(ImageStatus::Unreadable, reason),
    };
    let there = |blake3, outcome| Probe { bytes: Some(bytes), mtime_ns: Some(mtime_ns), blake3, outcome };
    if bytes > MAX_FILE_BYTES {
        let reason = format!("{} MiB is over the limit of 1 GiB", bytes >> 20);
        return there(None, Outcome::Unusable(ImageStatus::Oversized, reason));
    }
    match hash(door, path) {
        Ok(blake3) => there(Some(blake3), header(door, path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => unusable(ImageStatus::Missing, io_reason(&e)),
        Err(e) => there(None, Outcome::Unusable(ImageStatus::Unreadable, io_reason(&e))),
    }
}

fn hash(door: &Door, path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(door.open(path)?.take(MAX_FILE_BYTES + 1))?;
    Ok(*hasher.finalize().as_bytes())
}

/// All bytes of the image file at `path`.
///
/// # Errors
/// It cannot be read, is no regular file, or is larger than [`MAX_FILE_BYTES`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    Door::default().read(path)
}

fn header(door: &Door, path: &Path) -> Outcome {
    let unreadable = |reason: String| Outcome::Unusable(ImageStatus::Unreadable, reason);
    let reader = match door.open(path) {
        Ok(file) => image::ImageReader::new(BufReader::new(file)),
        Err(e) => return unreadable(io_reason(&e)),
    };
    let mut reader = match reader.with_guessed_format() {
        Ok(reader) => reader,
        Err(e) => return unreadable(io_reason(&e)),
    };
    let format = match reader.format() {
        Some(image::ImageFormat::Jpeg) => ImageFormat::Jpeg,
        Some(image::ImageFormat::Png) => ImageFormat::Png,
        Some(image::ImageFormat::WebP) => ImageFormat::WebP,
        Some(image::ImageFormat::Gif) => ImageFormat::Gif,
        Some(image::ImageFormat::Bmp) => ImageFormat::Bmp,
        Some(image::ImageFormat::Tiff) => ImageFormat::Tiff,
        Some(other) => return unreadable(format!("{other:?} images are not supported")),
        None => return unreadable("no image: its content is none of JPEG, PNG, WebP, GIF, BMP, TIFF".into()),
    };
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(64 << 20);
    reader.limits(limits);
    let size = reader.into_decoder().map(|mut decoder| {
        let (width, height) = decoder.dimensions();
        match decoder.orientation() {
            Ok(Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH) => {
                (height, width)
            }
            _ => (width, height), // a broken EXIF block counts as upright, as it does in decoding
        }
    });
    match size {
        Err(e) => unreadable(format!("a broken {format} file: {e}")),
        Ok((0, _) | (_, 0)) => unreadable(format!("a {format} file without pixels")),
        Ok((width, height)) if u64::from(width) * u64::from(height) > MAX_PIXELS => {
            Outcome::Unusable(ImageStatus::Oversized, format!("{width}×{height} is over the limit of 100 megapixels"))
        }
        Ok((width, height)) => Outcome::Image { format, width, height },
    }
}

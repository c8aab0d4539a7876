//! PNG files of our own: pixels kept as they are.

use super::pixels::Rgb;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::io;

/// The bytes of a PNG file with these pixels; the same pixels give the same bytes.
///
/// # Errors
/// The pixels are not as many as the size says.
pub fn png(rgb: &Rgb) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    encoder.write_image(&rgb.pixels, rgb.width, rgb.height, ExtendedColorType::Rgb8).map_err(io::Error::other)?;
    Ok(bytes)
}

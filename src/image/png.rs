//! Writes PNG files: pixels kept as they are.

use super::pixels::Rgb;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::io;

/// The bytes of a PNG file with these pixels and an alpha value for each; the same pixels give the same bytes.
///
/// # Errors
/// The pixels are not as many as the size says.
pub fn png_with_alpha(rgb: &Rgb, alpha: &[u8]) -> io::Result<Vec<u8>> {
    let pixels: Vec<u8> = rgb.pixels.as_chunks::<3>().0.iter().zip(alpha).flat_map(|([r, g, b], a)| [*r, *g, *b, *a]).collect();
    written(&pixels, rgb, ExtendedColorType::Rgba8)
}

/// The bytes of a PNG file with these pixels; the same pixels give the same bytes.
///
/// # Errors
/// The pixels are not as many as the size says.
pub fn png(rgb: &Rgb) -> io::Result<Vec<u8>> {
    written(&rgb.pixels, rgb, ExtendedColorType::Rgb8)
}

fn written(pixels: &[u8], size: &Rgb, colours: ExtendedColorType) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    encoder.write_image(pixels, size.width, size.height, colours).map_err(io::Error::other)?;
    Ok(bytes)
}

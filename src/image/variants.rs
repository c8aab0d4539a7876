//! The same picture as it might come back: mirrored, small, recompressed.

use crate::image::decode::decode;
use crate::image::filter::Filter;
use crate::image::pixels::Rgb;
use crate::image::resize::resize;
use image::codecs::jpeg::JpegEncoder;

/// The picture with left and right exchanged.
pub fn mirrored(rgb: &Rgb) -> Rgb {
    let mut pixels = Vec::with_capacity(rgb.pixels.len());
    for row in rgb.pixels.chunks_exact((rgb.width as usize * 3).max(1)) {
        pixels.extend(row.as_chunks::<3>().0.iter().rev().flatten());
    }
    Rgb { pixels, ..*rgb }
}

/// The picture with a shorter side of `side` pixels, its shape kept; never enlarged.
pub fn shrunk(rgb: &Rgb, side: u32) -> Rgb {
    let shorter = rgb.width.min(rgb.height);
    if side == 0 || shorter <= side {
        return rgb.clone();
    }
    let scaled = |length: u32| ((u64::from(length) * u64::from(side) / u64::from(shorter)) as u32).max(1);
    resize(rgb, scaled(rgb.width), scaled(rgb.height), Filter::Bicubic)
}

/// The picture written as JPEG of this quality, 1 to 100, and read again.
///
/// # Errors
/// It has no pixels, or more on a side than JPEG can hold.
pub fn recompressed(rgb: &Rgb, quality: u8) -> Result<Rgb, String> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(&rgb.pixels, rgb.width, rgb.height, image::ExtendedColorType::Rgb8)
        .map_err(|e| format!("cannot be written as JPEG: {e}"))?;
    decode(&bytes).map(|decoded| decoded.rgb).map_err(|fault| fault.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Rgb {
        Rgb { width: 2, height: 2, pixels: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] }
    }

    #[test]
    fn a_mirror_turns_each_row_around_and_not_its_colours() {
        assert_eq!(mirrored(&picture()).pixels, [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
        assert_eq!(mirrored(&mirrored(&picture())), picture());
    }

    #[test]
    fn the_shorter_side_decides_and_nothing_grows() {
        let wide = Rgb { width: 90, height: 40, pixels: vec![200; 90 * 40 * 3] };
        let small = shrunk(&wide, 20);
        assert_eq!((small.width, small.height, small.pixels.len()), (45, 20, 45 * 20 * 3));
        assert!(small.pixels.iter().all(|sample| *sample == 200));
        assert_eq!(shrunk(&wide, 40), wide);
        assert_eq!(shrunk(&wide, 500), wide);
    }

    #[test]
    fn jpeg_changes_little_and_keeps_the_size() {
        let ramp = Rgb { width: 32, height: 16, pixels: (0..32 * 16 * 3).map(|n| (n / 7 % 256) as u8).collect() };
        let again = recompressed(&ramp, 75).unwrap();
        assert_eq!((again.width, again.height), (32, 16));
        assert!(again != ramp);
        let far = |quality| {
            recompressed(&ramp, quality)
                .unwrap()
                .pixels
                .iter()
                .zip(&ramp.pixels)
                .map(|(a, b)| u32::from(a.abs_diff(*b)))
                .sum::<u32>()
        };
        assert!(far(10) > far(90), "{} {}", far(10), far(90));
    }
}

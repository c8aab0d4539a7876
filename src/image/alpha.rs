//! Pictures as stored in files, with alpha, and their visible pixels.

use super::pixels::{Appearance, Rgb, Transparency};
use image::metadata::Orientation;

/// Levels by which the samples of a picture of one colour differ at most: lossy formats do not keep a colour exactly.
const ONE_COLOUR: u8 = 8;

/// Pixels below which a picture is not called blank: nothing can be seen in it anyway.
const FEWEST: usize = 64;

/// A picture as a file holds it.
pub struct Stored {
    /// Its colours, those that nobody sees among them.
    pub rgb: Rgb,
    /// One value per pixel, 0 invisible; `None`: all are opaque.
    pub alpha: Option<Vec<u8>>,
    /// Its orientation.
    pub orientation: Option<Orientation>,
    /// What is odd about the file.
    pub notes: Vec<&'static str>,
}

impl Stored {
    /// A picture without alpha.
    pub fn opaque(rgb: Rgb) -> Stored {
        Stored { rgb, alpha: None, orientation: None, notes: Vec::new() }
    }

    /// The same with alpha, which is left out where it says nothing.
    pub fn with_alpha(self, alpha: Vec<u8>) -> Stored {
        let says = alpha.iter().any(|a| *a != u8::MAX);
        Stored { alpha: says.then_some(alpha), ..self }
    }

    /// Turns and flips colours and alpha as the orientation says.
    pub fn upright(mut self) -> Stored {
        let Some(orientation) = self.orientation.take().filter(|o| *o != Orientation::NoTransforms) else { return self };
        let (width, height) = (self.rgb.width, self.rgb.height);
        self.alpha = self.alpha.map(|alpha| turned::<1>(width, height, &alpha, orientation));
        self.rgb.pixels = turned::<3>(width, height, &self.rgb.pixels, orientation);
        if swaps_sides(orientation) {
            (self.rgb.width, self.rgb.height) = (height, width);
        }
        self
    }

    /// Lays the picture on its ground, and says what there is to see.
    pub fn seen(mut self, transparency: Transparency) -> (Stored, Appearance) {
        let mut appearance = Appearance::default();
        if let Some(alpha) = self.alpha.take() {
            appearance.translucent = alpha.iter().filter(|a| **a != u8::MAX).count() as u64;
            appearance.blank = alpha.iter().all(|a| *a == 0);
            match transparency {
                Transparency::Drop => {}
                Transparency::White => lay(&mut self.rgb.pixels, &alpha, u8::MAX),
                Transparency::Black => lay(&mut self.rgb.pixels, &alpha, 0),
            }
        }
        appearance.blank |= is_one_colour(&self.rgb.pixels);
        (self, appearance)
    }
}

/// Lays colours on a ground of one grey, with the arithmetic of Pillow's `alpha_composite`.
fn lay(pixels: &mut [u8], alpha: &[u8], ground: u8) {
    const BITS: u32 = 7;
    for (pixel, alpha) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(alpha) {
        let alpha = u32::from(*alpha);
        if alpha == 255 {
            continue;
        }
        for sample in pixel {
            let sum = (u32::from(*sample) * alpha + u32::from(ground) * (255 - alpha)) << BITS;
            let sum = sum + (0x80 << BITS);
            *sample = ((((sum >> 8) + sum) >> 8) >> BITS) as u8;
        }
    }
}

/// Undoes the multiplication of colours with their alpha, as Pillow does when it reads such samples.
pub fn unmultiply(pixels: &mut [u8], alpha: &[u8]) {
    for (pixel, alpha) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(alpha) {
        match u32::from(*alpha) {
            0 => *pixel = [0; 3],
            255 => {}
            alpha => pixel.iter_mut().for_each(|sample| *sample = (u32::from(*sample) * 255 / alpha).min(255) as u8),
        }
    }
}

/// Whether no two samples of a channel differ by much.
fn is_one_colour(pixels: &[u8]) -> bool {
    const BLOCK: usize = 4096;
    if pixels.len() < 3 * FEWEST {
        return false;
    }
    let (mut least, mut most) = ([u8::MAX; 3], [0; 3]);
    pixels.as_chunks::<3>().0.chunks(BLOCK).all(|block| {
        for pixel in block {
            for channel in 0..3 {
                least[channel] = least[channel].min(pixel[channel]);
                most[channel] = most[channel].max(pixel[channel]);
            }
        }
        // Of an ordinary picture the first block decides.
        least.iter().zip(&most).all(|(least, most)| most - least <= ONE_COLOUR)
    })
}

/// Whether an orientation makes width of height.
pub fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// The pixels of `N` samples each, in the order in which they stand when turned and flipped.
fn turned<const N: usize>(width: u32, height: u32, pixels: &[u8], orientation: Orientation) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let source = pixels.as_chunks::<N>().0;
    // For each row of the result: where it starts in the source, and the step from pixel to pixel.
    let (across, down) = (1_isize, width as isize);
    let (start, step, row_step) = match orientation {
        Orientation::NoTransforms => (0, across, down),
        Orientation::FlipHorizontal => (width - 1, -across, down),
        Orientation::Rotate180 => (width * height - 1, -across, -down),
        Orientation::FlipVertical => (width * (height - 1), across, -down),
        Orientation::Rotate90FlipH => (0, down, across),
        Orientation::Rotate90 => (width * (height - 1), -down, across),
        Orientation::Rotate270FlipH => (width * height - 1, -down, -across),
        Orientation::Rotate270 => (width - 1, down, -across),
    };
    let (out_width, out_height) = if swaps_sides(orientation) { (height, width) } else { (width, height) };
    let mut turned = Vec::with_capacity(pixels.len());
    for y in 0..out_height as isize {
        let first = start as isize + y * row_step;
        turned.extend((0..out_width as isize).flat_map(|x| source[(first + x * step) as usize]));
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_eight_orientations() {
        // 3×2: a b c / d e f.
        let seen = |tag: u8| {
            let pixels = b"abcdef".iter().flat_map(|letter| [*letter; 3]).collect();
            let stored = Stored::opaque(Rgb { width: 3, height: 2, pixels }).with_alpha(b"abcdef".to_vec());
            let stored = Stored { orientation: Orientation::from_exif(tag), ..stored }.upright();
            let letters: Vec<u8> = stored.rgb.pixels.chunks(3).map(|pixel| pixel[0]).collect();
            assert_eq!(stored.alpha.unwrap(), letters, "alpha turns with the colours");
            (stored.rgb.width, String::from_utf8(letters).unwrap())
        };
        let expected = [
            (3, "abcdef"),
            (3, "cbafed"),
            (3, "fedcba"),
            (3, "defabc"),
            (2, "adbecf"),
            (2, "daebfc"),
            (2, "fcebda"),
            (2, "cfbead"),
        ];
        for (tag, (width, letters)) in (1..).zip(expected) {
            assert_eq!(seen(tag), (width, letters.to_owned()), "orientation {tag}");
        }
    }

    #[test]
    fn a_ground_shows_through_by_alpha() {
        let of = |alpha: u8, transparency| {
            let picture = Stored::opaque(Rgb { width: 1, height: 1, pixels: vec![10, 100, 250] }).with_alpha(vec![alpha]);
            let (seen, appearance) = picture.seen(transparency);
            (seen.rgb.pixels, appearance.translucent)
        };
        assert_eq!(of(0, Transparency::Drop), (vec![10, 100, 250], 1));
        assert_eq!(of(0, Transparency::White), (vec![255; 3], 1));
        assert_eq!(of(0, Transparency::Black), (vec![0; 3], 1));
        assert_eq!(of(255, Transparency::White), (vec![10, 100, 250], 0));
        // 128 of 255: (10·128 + 255·127) / 255 = 132.02, (100·128 + …) / 255 = 177.2, 252.5.
        assert_eq!(of(128, Transparency::White), (vec![132, 177, 252], 1));
    }

    #[test]
    fn what_is_blank() {
        let blank = |level: &dyn Fn(usize) -> u8, alpha: Option<u8>| {
            let pixels = (0..100 * 3).map(|i| level(i / 3)).collect();
            let picture = Stored::opaque(Rgb { width: 10, height: 10, pixels });
            let picture = match alpha {
                Some(alpha) => picture.with_alpha(vec![alpha; 100]),
                None => picture,
            };
            picture.seen(Transparency::Drop).1.blank
        };
        assert!(blank(&|_| 0, None) && blank(&|_| 255, None) && blank(&|i| 100 + (i % 9) as u8, None));
        assert!(!blank(&|i| 100 + (i % 10) as u8, None));
        assert!(!blank(&|i| if i == 99 { 200 } else { 0 }, None), "one pixel is something to see");
        assert!(blank(&|i| i as u8, Some(0)) && !blank(&|i| i as u8, Some(1)), "nothing of it is to be seen");
        assert!(!is_one_colour(&[0; 3 * FEWEST - 3]));
    }
}

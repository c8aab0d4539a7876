//! What can be said against a picture without knowing what it shows: too small, blurred, nearly blank; and whether
//! two look alike.
//!
//! All is measured on greys (ITU-R BT.601) at fixed working sizes, so that the numbers do not depend on the resolution.
//!
//! - **Sharpness** is the variance of the Laplacian (J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield
//!   microscopy", 2000) at a long side of 512 pixels at most, in the sharpest of 4 × 4 tiles: a thing before a plain or
//!   a soft background is as sharp as its sharpest part.
//! - **Contrast** is the standard deviation of the greys at that size.
//! - **Looks** are 127 bits: the signs of the 63 lowest frequencies of a 32 × 32 cosine transform against their median
//!   (C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1), and of the 64
//!   differences between neighbours of 9 × 8 pixels. Either alone takes two portraits before white for one another.

use super::filter::Filter;
use super::pixels::Rgb;
use super::resize::resize;

/// Short sides below this, in pixels, are too small: encoders look at 224 × 224.
pub const SMALL: u32 = 128;

/// Sharpness below this is blurred.
pub const BLURRED: f64 = 50.0;

/// Contrast below this, in grey levels, is nearly blank.
pub const BLANK: f64 = 8.0;

/// Bits in which pictures that look alike differ at most.
pub const ALIKE: u32 = 10;

/// Long side, in pixels, at which sharpness and contrast are measured. Nothing is enlarged.
const LONG_SIDE: u32 = 512;

/// Tiles an axis.
const TILES: usize = 4;

/// Side of the square whose frequencies are taken.
const WAVES: usize = 32;

/// Frequencies taken an axis.
const LOW: usize = 8;

/// The measures of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Variance of the Laplacian in the sharpest tile; 0 of a picture of fewer than 3 pixels a side.
    pub sharpness: f64,
    /// Standard deviation of the greys, 0 to 127.5.
    pub contrast: f64,
    /// How it looks.
    pub looks: Looks,
}

/// A picture's perceptual hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks(u128);

impl Looks {
    /// Bits in which two differ: 0 to 127.
    pub fn distance(self, other: Looks) -> u32 {
        (self.0 ^ other.0).count_ones()
    }
}

impl Quality {
    /// Measures a picture.
    pub fn of(rgb: &Rgb) -> Quality {
        let long = rgb.width.max(rgb.height).max(LONG_SIDE);
        let scaled = |side: u32| (u64::from(side) * u64::from(LONG_SIDE)).div_ceil(u64::from(long)) as u32;
        let grey = if long > LONG_SIDE { Grey::at(rgb, scaled(rgb.width), scaled(rgb.height)) } else { Grey::of(rgb) };
        Quality {
            width: rgb.width,
            height: rgb.height,
            sharpness: grey.sharpness(),
            contrast: variance(grey.levels.iter().copied()).sqrt(),
            looks: Looks::of(rgb),
        }
    }

    /// Its shorter side, in pixels.
    pub fn short_side(&self) -> u32 {
        self.width.min(self.height)
    }
}

impl Looks {
    fn of(rgb: &Rgb) -> Looks {
        let small = Grey::at(rgb, 9, 8);
        let gradients = small.levels.chunks(9).flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0]));
        let frequencies = Grey::at(rgb, WAVES as u32, WAVES as u32).low_frequencies();
        let mut sorted = frequencies.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        let bits = frequencies.iter().map(|f| *f > median).chain(gradients);
        Looks(bits.fold(0, |hash, bit| (hash << 1) | u128::from(bit)))
    }
}

/// A picture's greys, 0 to 255.
struct Grey {
    width: usize,
    levels: Vec<f64>,
}

impl Grey {
    fn of(rgb: &Rgb) -> Grey {
        let levels = rgb.pixels.as_chunks::<3>().0.iter();
        let level = |[r, g, b]: &[u8; 3]| f64::from(299 * u32::from(*r) + 587 * u32::from(*g) + 114 * u32::from(*b)) / 1000.0;
        Grey { width: rgb.width as usize, levels: levels.map(level).collect() }
    }

    fn at(rgb: &Rgb, width: u32, height: u32) -> Grey {
        Grey::of(&resize(rgb, width, height, Filter::Bilinear))
    }

    fn sharpness(&self) -> f64 {
        let (width, height) = (self.width, self.levels.len() / self.width);
        if width < 3 || height < 3 {
            return 0.0;
        }
        let at = |x: usize, y: usize| self.levels[y * width + x];
        let laplacian = |x: usize, y: usize| at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y);
        // The inner pixels, those with four neighbours, in tiles.
        let range = |tile: usize, length: usize| 1 + (length - 2) * tile / TILES..1 + (length - 2) * (tile + 1) / TILES;
        let tile = |n: usize| {
            let (columns, rows) = (range(n % TILES, width), range(n / TILES, height));
            variance(rows.flat_map(|y| columns.clone().map(move |x| (x, y))).map(|(x, y)| laplacian(x, y)))
        };
        (0..TILES * TILES).map(tile).fold(0.0, f64::max)
    }

    /// The 63 lowest frequencies but the mean, row by row.
    fn low_frequencies(&self) -> Vec<f64> {
        let wave = |k: usize, x: usize| (std::f64::consts::PI * ((2 * x + 1) * k) as f64 / (2 * WAVES) as f64).cos();
        let waves: Vec<Vec<f64>> = (0..LOW).map(|k| (0..WAVES).map(|x| wave(k, x)).collect()).collect();
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let rows: Vec<Vec<f64>> =
            waves.iter().map(|wave| self.levels.chunks(WAVES).map(|row| product(row, wave)).collect()).collect();
        let both = (0..LOW).flat_map(|v| rows.iter().map(move |row| (v, row))).map(|(v, row)| product(row, &waves[v]));
        both.skip(1).collect()
    }
}

/// Population variance; 0 of nothing.
fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count();
    if n == 0 {
        return 0.0;
    }
    let mean = values.clone().sum::<f64>() / n as f64;
    values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, level: impl Fn(u32, u32) -> u8) -> Rgb {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| [level(x, y); 3]).collect();
        Rgb { width, height, pixels }
    }

    /// Squares of 16 pixels in a quarter of the picture, before a plain ground; `soft`: a ramp at their edges.
    fn squares(x: u32, y: u32, soft: u32) -> u8 {
        let edge = |x: u32| (x % 32).min(31 - x % 32).min(soft.max(1)) * 255 / soft.max(1);
        if x < 128 && y < 128 { (edge(x) * edge(y) / 255) as u8 } else { 255 }
    }

    #[test]
    fn measures_by_hand() {
        // Stripes of 0 and 200, one pixel wide: the Laplacian is ±400, its variance 160,000; the greys deviate by 100.
        let stripes = Quality::of(&picture(10, 10, |x, _| if x % 2 == 0 { 0 } else { 200 }));
        assert_eq!((stripes.sharpness, stripes.contrast, stripes.short_side()), (160_000.0, 100.0, 10));
        let plain = Quality::of(&picture(300, 200, |_, _| 77));
        assert_eq!((plain.sharpness, plain.contrast, plain.short_side()), (0.0, 0.0, 200));
        assert_eq!(Quality::of(&picture(2, 9, |x, _| 255 * x as u8)).sharpness, 0.0);
        // A ramp has no second derivative.
        assert!(Quality::of(&picture(200, 200, |x, _| x as u8)).sharpness < 1e-20);
    }

    #[test]
    fn a_sharp_thing_before_a_plain_ground_is_sharp() {
        let sharp = Quality::of(&picture(512, 512, |x, y| squares(x, y, 1)));
        let soft = Quality::of(&picture(512, 512, |x, y| squares(x, y, 15)));
        assert!(sharp.sharpness > 10.0 * soft.sharpness, "{} {}", sharp.sharpness, soft.sharpness);
        assert!(sharp.contrast > BLANK);
    }

    #[test]
    fn what_is_scaled_looks_alike_and_what_is_mirrored_does_not() {
        let scene = |scale: u32| {
            picture(64 * scale, 48 * scale, move |x, y| {
                let (x, y) = (x / scale, y / scale);
                (((x * 5 + y * 3) % 97) + if x > 40 && y < 20 { 120 } else { 0 } + if x + y > 80 { 30 } else { 0 }) as u8
            })
        };
        let (small, large) = (Quality::of(&scene(4)), Quality::of(&scene(11)));
        assert!(small.looks.distance(large.looks) <= ALIKE, "{}", small.looks.distance(large.looks));
        let pixels = scene(4).pixels;
        let mirrored = picture(256, 192, |x, y| pixels[((y * 256 + 255 - x) * 3) as usize]);
        assert!(small.looks.distance(Quality::of(&mirrored).looks) > 3 * ALIKE);
        assert_eq!(small.looks.distance(small.looks), 0);
    }
}

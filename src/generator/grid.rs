//! Several images in one file, in rows and columns.

use crate::image::Rgb;
use crate::vocabulary::closed_set;

closed_set! {
    /// How the images in a file are arranged.
    Grid, "grid" {
        /// Detected from the file.
        Auto = "auto",
        /// One image.
        Single = "none",
        /// Two images side by side.
        OneByTwo = "1x2",
        /// Two rows of two.
        TwoByTwo = "2x2",
    }
}

/// A seam is this many times as rough as its surroundings.
const ROUGH: f64 = 2.0;

impl Grid {
    /// Returns the number of rows and columns.
    pub fn shape(self) -> (u32, u32) {
        match self {
            Grid::Auto | Grid::Single => (1, 1),
            Grid::OneByTwo => (1, 2),
            Grid::TwoByTwo => (2, 2),
        }
    }

    /// Returns how many images a file holds.
    pub fn tiles(self) -> usize {
        let (rows, columns) = self.shape();
        (rows * columns) as usize
    }

    /// Tells by the seams: where two images meet, neighbouring pixels differ much more than around.
    pub fn detect(rgb: &Rgb) -> Grid {
        let (width, height) = (rgb.width, rgb.height);
        let vertical = width.is_multiple_of(2) && is_seam(width, |x| step(rgb, height, |y| (x, y), |y| (x - 1, y)));
        let horizontal = || height.is_multiple_of(2) && is_seam(height, |y| step(rgb, width, |x| (x, y), |x| (x, y - 1)));
        match vertical {
            true if width == 2 * height => Grid::OneByTwo,
            true if horizontal() => Grid::TwoByTwo,
            _ => Grid::Single,
        }
    }

    /// Returns the images of a file, row by row.
    ///
    /// # Errors
    /// The file's size cannot be divided this way.
    pub fn cut(self, rgb: &Rgb) -> Result<Vec<Rgb>, String> {
        let (rows, columns) = self.shape();
        if !rgb.width.is_multiple_of(columns) || !rgb.height.is_multiple_of(rows) {
            return Err(format!("{}×{} pixels cannot be cut into {self} images", rgb.width, rgb.height));
        }
        let (width, height) = (rgb.width / columns, rgb.height / rows);
        let tile = |row: u32, column: u32| {
            let line = |y: u32| {
                let start = (((row * height + y) * rgb.width + column * width) * 3) as usize;
                &rgb.pixels[start..start + (width * 3) as usize]
            };
            Rgb { width, height, pixels: (0..height).flat_map(line).copied().collect() }
        };
        Ok((0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| tile(r, c)).collect())
    }
}

/// Whether the middle of an axis is a seam, given how rough each place on it is.
fn is_seam(length: u32, rough: impl Fn(u32) -> f64) -> bool {
    const AROUND: u32 = 8;
    let middle = length / 2;
    if middle <= AROUND {
        return false;
    }
    let mut around: Vec<f64> = (middle - AROUND..=middle + AROUND).filter(|at| *at != middle).map(&rough).collect();
    around.sort_by(f64::total_cmp);
    rough(middle) > ROUGH * around[around.len() / 2].max(1.0)
}

/// The mean difference of neighbouring pixels along a line.
fn step(rgb: &Rgb, length: u32, here: impl Fn(u32) -> (u32, u32), before: impl Fn(u32) -> (u32, u32)) -> f64 {
    let at = |(x, y): (u32, u32)| {
        let start = ((y * rgb.width + x) * 3) as usize;
        &rgb.pixels[start..start + 3]
    };
    let differ = |i: u32| at(here(i)).iter().zip(at(before(i))).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
    (0..length).map(differ).sum::<u64>() as f64 / f64::from(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures with a soft texture, of different brightness.
    fn picture(width: u32, height: u32, tile: impl Fn(u32, u32) -> u8) -> Rgb {
        let mut pixels = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let texture = (x as i32 % 8 - 4).abs() + (y as i32 % 8 - 4).abs();
            pixels.extend_from_slice(&[tile(x, y) + texture as u8; 3]);
        }
        Rgb { width, height, pixels }
    }

    #[test]
    fn grids_are_told_by_their_seams() {
        let four = picture(128, 128, |x, y| 40 * (x / 64) as u8 + 80 * (y / 64) as u8);
        assert_eq!(Grid::detect(&four), Grid::TwoByTwo);
        assert_eq!(Grid::detect(&picture(128, 64, |x, _| 40 * (x / 64) as u8)), Grid::OneByTwo);
        assert_eq!(Grid::detect(&picture(128, 128, |_, _| 40)), Grid::Single);
        assert_eq!(Grid::detect(&picture(128, 128, |x, _| 40 * (x / 64) as u8)), Grid::Single, "one seam makes no grid");
        assert_eq!(Grid::detect(&picture(3, 3, |_, _| 0)), Grid::Single);
    }

    #[test]
    fn tiles_come_row_by_row() {
        let pixels = (0..16).flat_map(|i| [i, i, i]).collect();
        let tiles = Grid::TwoByTwo.cut(&Rgb { width: 4, height: 4, pixels }).unwrap();
        let first_of_each: Vec<u8> = tiles.iter().map(|t| t.pixels[0]).collect();
        assert_eq!((first_of_each, tiles[3].pixels[9]), (vec![0, 2, 8, 10], 15));
        assert!(Grid::TwoByTwo.cut(&picture(5, 4, |_, _| 0)).unwrap_err().contains("5×4"));
    }
}

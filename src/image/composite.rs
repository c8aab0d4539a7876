//! Composites: references pasted side by side, so that what an encoder makes of perfect copies can be seen.

use super::filter::Filter;
use super::pixels::Rgb;
use super::resize::resize;

/// Side of a composite in pixels.
const SIDE: u32 = 512;

/// Encoders that resize to 256 and crop 224 keep the middle seven eighths. The references lie within.
const KEPT: [u32; 2] = [7, 8];

/// Grey of the canvas: the middle of the range.
const NEUTRAL: u8 = 128;

/// How the references of a composite lie: in rows from the left, in square tiles, on a square canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    columns: u32,
    rows: u32,
    /// Side of a tile in pixels.
    pub tile: u32,
}

impl Grid {
    /// For so many references, at least one: ⌈√N⌉ columns and as many rows as it takes.
    pub fn of(references: usize) -> Grid {
        let n = u32::try_from(references).unwrap_or(u32::MAX).max(1);
        let columns = (1..).find(|c: &u32| u64::from(*c) * u64::from(*c) >= u64::from(n)).unwrap_or(1);
        Grid { columns, rows: n.div_ceil(columns), tile: (SIDE * KEPT[0] / KEPT[1] / columns).max(1) }
    }

    /// Column and row in pixels of the upper left corner of a tile.
    pub fn place(&self, tile: usize) -> [u32; 2] {
        let at = tile as u32;
        let start = |tiles: u32| SIDE.saturating_sub(tiles * self.tile) / 2;
        [start(self.columns) + at % self.columns * self.tile, start(self.rows) + at / self.columns * self.tile]
    }
}

/// A picture scaled to fit into a square of this side, its aspect kept, on the neutral grey.
pub fn tile(picture: &Rgb, side: u32) -> Rgb {
    let longer = u64::from(picture.width.max(picture.height));
    let scaled = |length: u32| ((u64::from(length) * u64::from(side) + longer / 2) / longer).max(1) as u32;
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    let mut square = canvas(side);
    paste(&mut square, &resize(picture, width, height, Filter::Bicubic), [(side - width) / 2, (side - height) / 2]);
    square
}

/// A tile in the middle of a canvas whose border an encoder's crop may take.
pub fn alone(tile: &Rgb) -> Rgb {
    let mut canvas = canvas((tile.width * KEPT[1]).div_ceil(KEPT[0]));
    let margin = (canvas.width - tile.width) / 2;
    paste(&mut canvas, tile, [margin, margin]);
    canvas
}

/// The tile that [`alone`] put on its canvas.
pub fn taken_out(canvas: &Rgb, side: u32) -> Rgb {
    let margin = (canvas.width.saturating_sub(side) / 2) as usize;
    let (side_bytes, row_bytes) = (side as usize * 3, canvas.width as usize * 3);
    let rows = canvas.pixels.chunks_exact(row_bytes).skip(margin).take(side as usize);
    let pixels = rows.flat_map(|row| &row[margin * 3..margin * 3 + side_bytes]).copied().collect();
    Rgb { width: side, height: side, pixels }
}

/// The tiles together, each in its place.
pub fn composite(tiles: &[Rgb]) -> Rgb {
    let grid = Grid::of(tiles.len());
    let mut whole = canvas(SIDE);
    tiles.iter().enumerate().for_each(|(i, tile)| paste(&mut whole, tile, grid.place(i)));
    whole
}

fn canvas(side: u32) -> Rgb {
    Rgb { width: side, height: side, pixels: vec![NEUTRAL; side as usize * side as usize * 3] }
}

/// Puts a picture on a canvas that is large enough for it.
fn paste(canvas: &mut Rgb, picture: &Rgb, [x, y]: [u32; 2]) {
    let width = picture.width as usize * 3;
    for (row, from) in picture.pixels.chunks_exact(width).enumerate() {
        let at = ((y as usize + row) * canvas.width as usize + x as usize) * 3;
        canvas.pixels[at..at + width].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::decode;
    use crate::image::png;

    fn plain(width: u32, height: u32, grey: u8) -> Rgb {
        Rgb { width, height, pixels: vec![grey; (width * height * 3) as usize] }
    }

    #[test]
    fn grids_are_nearly_square_and_within_the_crop() {
        let shape = |n: usize| {
            let grid = Grid::of(n);
            (grid.columns, grid.rows, grid.tile)
        };
        assert_eq!(shape(1), (1, 1, 448));
        assert_eq!(shape(2), (2, 1, 224));
        assert_eq!((shape(3), shape(4)), ((2, 2, 224), (2, 2, 224)));
        assert_eq!((shape(6), shape(8)), ((3, 2, 149), (3, 3, 149)));
        assert_eq!(shape(10), (4, 3, 112));
        for n in 1..200 {
            let grid = Grid::of(n);
            for i in 0..n {
                // 512 · 1/16 = 32 pixels at each side are the encoder's.
                assert!(grid.place(i).iter().all(|at| *at >= 32 && at + grid.tile <= 480), "tile {i} of {n}");
            }
        }
    }

    #[test]
    fn two_references_side_by_side() {
        // One twice as wide as high, the other as high as wide.
        let tiles = [tile(&plain(600, 300, 10), 224), tile(&plain(50, 50, 250), 224)];
        let whole = composite(&tiles);
        let grey = |x: u32, y: u32| whole.pixels[((y * whole.width + x) * 3) as usize];
        assert_eq!((whole.width, whole.height), (512, 512));
        // Tiles begin at (32, 144) and (256, 144); the wide one fills the middle 112 rows of its own.
        assert_eq!([grey(31, 256), grey(32, 256), grey(255, 256), grey(256, 256), grey(480, 256)], [128, 10, 10, 250, 128]);
        assert_eq!([grey(100, 199), grey(100, 200), grey(100, 311), grey(100, 312)], [128, 10, 10, 128]);
        assert_eq!([grey(300, 143), grey(300, 144), grey(300, 367), grey(300, 368)], [128, 250, 250, 128]);
    }

    #[test]
    fn a_crop_gives_its_tile_back_and_the_file_its_pixels() {
        let tile = tile(&plain(3, 7, 77), 149);
        let crop = alone(&tile);
        assert_eq!((crop.width, crop.height), (171, 171)); // 149 · 8/7, rounded up
        assert_eq!(decode(&png(&crop).unwrap()).unwrap().rgb, crop);
        assert_eq!(taken_out(&crop, 149), tile);
    }

    #[test]
    fn a_line_of_pixels_is_still_a_picture() {
        assert_eq!(tile(&plain(5000, 1, 0), 112).pixels.iter().filter(|p| **p == 0).count(), 112 * 3);
    }
}

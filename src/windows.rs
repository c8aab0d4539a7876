//! Windows: parts of an image, of several sizes and all over it, and how much of each subject is in the best of them.
//!
//! Local similarity needs no detector. Windows are *crops*, each embedded like an image of its own; or *dense*: the
//! network sees the whole image once, and a window is the mean of the cells of its spatial output. A subject's local
//! similarity ℓ is its largest *pool-centred* cosine over the windows. Centring takes the mean of the pool's
//! references off windows and references first, and with it what everything resembles.

use crate::vocabulary::closed_set;

closed_set! {
    /// Which windows are laid over an image: their side is the k-th part of the image's shorter side.
    Pattern, "windows" {
        /// Crops, k = 2, 3: 34 windows.
        Fast = "fast",
        /// Crops, k = 2 to 4: 83 windows. The first 34 are those of `fast`.
        Full = "full",
        /// Crops, k = 2, 4, 5, 6, of which the finer ones lie apart: 109 windows. See [`windows`].
        Fine = "fine",
        /// Means of the cells of a spatial output, k = 2 to 4: 83 windows. Here the side is the k-th part of each side
        /// of the output.
        Dense = "dense",
    }
}

impl Pattern {
    /// The largest k: how many windows fit side by side into the image's shorter side.
    fn finest(self) -> u64 {
        match self {
            Pattern::Fast => 3,
            Pattern::Full | Pattern::Dense => 4,
            Pattern::Fine => 6,
        }
    }

    /// How many windows an image has: the same for every size.
    pub fn count(self) -> usize {
        (2..=self.finest()).map(|k| self.grid(k).count()).sum()
    }

    /// The positions that the windows of a size take, of 2k − 1 along each axis: row and column, row by row.
    fn grid(self, k: u64) -> impl Iterator<Item = (u64, u64)> {
        let takes = move |row: u64, column: u64| match (self, k) {
            (Pattern::Fine, 3) => false,
            (Pattern::Fine, 4 | 6) => (row + column) % 2 == 1,
            (Pattern::Fine, 5) => row % 2 == 1 && column % 2 == 1,
            _ => true,
        };
        (0..2 * k - 1).flat_map(move |row| (0..2 * k - 1).map(move |column| (row, column))).filter(move |at| takes(at.0, at.1))
    }
}

/// Width and height that an image is squashed to for dense windows, in pixels.
pub const DENSE_SIDE: u32 = 448;

/// A part of an upright image, in pixels; `x`, `y` is its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rectangle {
    /// Columns to its left.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Its columns, at least 1.
    pub width: u32,
    /// Its rows, at least 1.
    pub height: u32,
}

impl Rectangle {
    /// Whether the two have a pixel in common.
    pub fn overlaps(self, other: Rectangle) -> bool {
        let meet = |a: u32, length: u32, b: u32, other: u32| a < b + other && b < a + length;
        meet(self.x, self.width, other.x, other.width) && meet(self.y, self.height, other.y, other.height)
    }

    /// It as a box: x, y, width, height.
    pub fn to_box(self) -> [f64; 4] {
        [self.x, self.y, self.width, self.height].map(f64::from)
    }
}

/// The crops of an image of `width` × `height` pixels, the coarsest first and each size row by row: the side is
/// s = ⌊min(width, height) / k⌋, and 2k − 1 positions lie along each axis at ⌊i · (length − s) / (2k − 2)⌋, so that
/// neighbours on the shorter axis share half their area.
///
/// `fine` leaves out what says next to nothing new: all of k = 3, of k = 4 and k = 6 every other position, as the squares of
/// one colour on a chessboard (those at whose row and column, counted from 0, one is odd), and of k = 5 all at which
/// not both are odd.
///
/// Every image has [`Pattern::count`] windows. Where the shorter side has fewer than k pixels the windows are single
/// pixels, some of them more than once; an image of no pixels has no windows. Dense windows lie on cells, not on
/// pixels: see [`cell_windows`]; of `dense` these are the crops of `full`.
pub fn windows(width: u32, height: u32, pattern: Pattern) -> Vec<Rectangle> {
    let shorter = width.min(height);
    if shorter == 0 {
        return Vec::new();
    }
    let mut windows = Vec::with_capacity(pattern.count());
    for k in 2..=pattern.finest() {
        let side = (shorter / k as u32).max(1);
        // Never more than `length`, so that it fits.
        let position = |i: u64, length: u32| (i * u64::from(length - side) / (2 * k - 2)) as u32;
        windows.extend(pattern.grid(k).map(|(row, column)| Rectangle {
            x: position(column, width),
            y: position(row, height),
            width: side,
            height: side,
        }));
    }
    windows
}

/// The dense windows of an output of `columns` × `rows` cells, as rectangles of cells, the coarsest first and each size
/// row by row: for k = 2, 3, 4 a window has max(1, ⌊length/k⌉) cells along each axis, and 2k − 1 positions lie along it
/// at ⌊i · (length − side)/(2k − 2)⌉. Halves are rounded to the even number, as numpy does.
///
/// Every output has 83 windows, some of them more than once where it has few cells; one of no cells has none.
pub fn cell_windows(columns: u32, rows: u32) -> Vec<Rectangle> {
    if columns.min(rows) == 0 {
        return Vec::new();
    }
    let mut windows = Vec::with_capacity(Pattern::Dense.count());
    for k in 2..=Pattern::Dense.finest() as u32 {
        let side = |length: u32| rounded(length, k).max(1);
        let position = |i: u32, length: u32| rounded(i * (length - side(length)), 2 * k - 2);
        windows.extend(Pattern::Dense.grid(k.into()).map(|(row, column)| Rectangle {
            x: position(column as u32, columns),
            y: position(row as u32, rows),
            width: side(columns),
            height: side(rows),
        }));
    }
    windows
}

/// `a` / `b`, rounded to the nearest whole number and halves to the even one.
fn rounded(a: u32, b: u32) -> u32 {
    let (whole, rest) = (a / b, a % b);
    whole + u32::from(2 * rest > b || (2 * rest == b && whole % 2 == 1))
}

/// The pixels of an image of `width` × `height` that a rectangle of cells shows, where `columns` × `rows` cells lie evenly
/// over the whole image: the smallest rectangle of whole pixels that holds them.
pub fn pixels_of(cells: Rectangle, [columns, rows]: [u32; 2], [width, height]: [u32; 2]) -> Rectangle {
    let span = |first: u32, count: u32, cells: u32, pixels: u32| {
        let [first, count, cells, pixels] = [first, count, cells, pixels].map(u64::from);
        let start = first * pixels / cells;
        // At most `pixels`.
        (start as u32, (((first + count) * pixels).div_ceil(cells) - start) as u32)
    };
    let ((x, width), (y, height)) = (span(cells.x, cells.width, columns, width), span(cells.y, cells.height, rows, height));
    Rectangle { x, y, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: u32, y: u32, side: u32) -> Rectangle {
        Rectangle { x, y, width: side, height: side }
    }

    #[test]
    fn the_windows_of_an_image_by_hand() {
        let full = windows(512, 512, Pattern::Full);
        assert_eq!(full.len(), 83);
        // k = 2: side 256 at 0, 128, 256; row by row.
        assert_eq!(
            full[..4].iter().map(|w| (w.x, w.y, w.width)).collect::<Vec<_>>(),
            [(0, 0, 256), (128, 0, 256), (256, 0, 256), (0, 128, 256)]
        );
        // k = 3: side 170 at ⌊i · 342 / 4⌋.
        assert_eq!(
            full[9..14].iter().map(|w| (w.x, w.y, w.height)).collect::<Vec<_>>(),
            [(0, 0, 170), (85, 0, 170), (171, 0, 170), (256, 0, 170), (342, 0, 170)]
        );
        assert_eq!(full[82], square(384, 384, 128));
    }

    #[test]
    fn longer_axes_are_covered_to_their_ends() {
        // 100 × 40: k = 2 gives side 20, columns at ⌊i · 80 / 2⌋, rows at ⌊i · 20 / 2⌋.
        let wide = windows(100, 40, Pattern::Fast);
        assert_eq!(
            wide[..9].iter().map(|w| (w.x, w.y)).collect::<Vec<_>>(),
            [(0, 0), (40, 0), (80, 0), (0, 10), (40, 10), (80, 10), (0, 20), (40, 20), (80, 20)]
        );
        // k = 3: side 13, columns at ⌊i · 87 / 4⌋, rows at ⌊i · 27 / 4⌋.
        assert_eq!([wide[10], wide[14], wide[33]], [square(21, 0, 13), square(0, 6, 13), square(87, 27, 13)]);
        let huge = windows(u32::MAX, u32::MAX, Pattern::Fine);
        let (last, side) = (huge[huge.len() - 1], u32::MAX / 6);
        let next_to_last = (9 * u64::from(u32::MAX - side) / 10) as u32;
        assert_eq!(last, Rectangle { x: next_to_last, ..square(0, u32::MAX - side, side) });
    }

    #[test]
    fn patterns() {
        let [fast, full, fine] = [Pattern::Fast, Pattern::Full, Pattern::Fine].map(|p| windows(640, 427, p));
        assert_eq!((fast.len(), full.len(), fine.len()), (34, 83, 109));
        assert_eq!(full[..34], fast[..]);
        assert_eq!(Pattern::ALL.iter().map(|p| p.count()).collect::<Vec<_>>(), [34, 83, 109, 83]);
        // Of `fine` by hand: 9 of k = 2, 24 of k = 4, 16 of k = 5, 60 of k = 6.
        let sides = |side: u32| fine.iter().filter(|w| w.width == side).collect::<Vec<_>>();
        assert_eq!((fine[..9].to_vec(), sides(142)), (full[..9].to_vec(), vec![]));
        assert_eq!([106, 85, 71].map(|side| sides(side).len()), [24, 16, 60]);
        let fourths = windows(512, 512, Pattern::Fine)[9..].iter().take(6).map(|w| (w.x, w.y)).collect::<Vec<_>>();
        assert_eq!(fourths, [(64, 0), (192, 0), (320, 0), (0, 64), (128, 64), (256, 64)]);
        assert_eq!(windows(500, 500, Pattern::Fine)[33], square(50, 50, 100));
        assert_eq!(("full".parse(), Pattern::Fine.to_string()), (Ok(Pattern::Full), "fine".to_owned()));
    }

    #[test]
    fn windows_that_touch_do_not_overlap() {
        let square = |x, y, side| Square { x, y, side };
        assert!(!square(0, 0, 10).overlaps(square(10, 0, 5)) && !square(10, 0, 5).overlaps(square(0, 0, 10)));
        assert!(square(0, 0, 10).overlaps(square(9, 9, 5)) && square(0, 0, 10).overlaps(square(3, 3, 2)));
        assert!(!square(0, 0, 10).overlaps(square(3, 12, 5)));
    }

    #[test]
    fn tiny_images_have_windows_of_a_pixel() {
        for (width, height) in [(1, 1), (1, 9), (3, 2), (5, 5)] {
            let all = windows(width, height, Pattern::Fine);
            assert_eq!(all.len(), 109);
            for w in all {
                assert!(
                    w.width >= 1 && w.height >= 1 && w.x + w.width <= width && w.y + w.height <= height,
                    "{width}×{height}: {w:?}"
                );
            }
        }
        assert_eq!(windows(3, 3, Pattern::Fast)[0].width, 1);
        assert_eq!(windows(0, 5, Pattern::Full), []);
    }

    #[test]
    fn dense_windows_by_hand() {
        // 14 cells: sides 7, 14/3 → 5, 14/4 = 3.5 → 4. Positions of k = 2: 0, 3.5 → 4, 7; of k = 3: 0, 2.25, 4.5 → 4,
        // 6.75, 9; of k = 4: 10 · i / 6 = 0, 1.67, 3.33, 5, 6.67, 8.33, 10.
        let all = cell_windows(14, 14);
        assert_eq!(all.len(), 83);
        let columns = |from: usize, count: usize| all[from..from + count].iter().map(|w| w.x).collect::<Vec<_>>();
        assert_eq!((columns(0, 3), all[0].width), (vec![0, 4, 7], 7));
        assert_eq!((columns(9, 5), all[9].width), (vec![0, 2, 4, 7, 9], 5));
        assert_eq!((columns(34, 7), all[34].width), (vec![0, 2, 3, 5, 7, 8, 10], 4));
        assert_eq!(all[82], square(10, 10, 4));
        // Each axis has its own side.
        let wide = cell_windows(6, 2);
        assert_eq!(
            (wide[8], wide[82]),
            (Rectangle { x: 3, y: 1, width: 3, height: 1 }, Rectangle { x: 4, y: 1, width: 2, height: 1 })
        );
        for (columns, rows) in [(1, 1), (2, 3), (5, 1), (7, 7), (32, 32), (37, 28)] {
            let all = cell_windows(columns, rows);
            assert_eq!(all.len(), Pattern::Dense.count());
            assert!(all.iter().all(|w| w.width.min(w.height) >= 1 && w.x + w.width <= columns && w.y + w.height <= rows));
            for k in [2_usize, 3, 4] {
                let from = (2..k).map(|k| (2 * k - 1).pow(2)).sum::<usize>();
                let last = all[from + (2 * k - 1).pow(2) - 1];
                assert_eq!((last.x + last.width, last.y + last.height), (columns, rows), "they reach the end");
            }
        }
        assert_eq!(cell_windows(0, 3), []);
    }

    #[test]
    fn cells_are_pixels_of_an_image_that_was_squashed() {
        // 14 cells of 100 pixels: cells 4 to 11 are pixels 28.57 to 78.57.
        let place = pixels_of(Rectangle { x: 4, y: 0, width: 7, height: 7 }, [14, 14], [100, 28]);
        assert_eq!(place, Rectangle { x: 28, y: 0, width: 51, height: 14 });
        // Fewer pixels than cells; and as many pixels as there can be.
        assert_eq!(pixels_of(square(13, 0, 1), [14, 14], [3, 1]), Rectangle { x: 2, y: 0, width: 1, height: 1 });
        let whole = pixels_of(square(0, 0, 14), [14, 14], [u32::MAX, 5]);
        assert_eq!(whole, Rectangle { x: 0, y: 0, width: u32::MAX, height: 5 });
    }
}

//! Windows: squares of several sizes all over an image, and how much of each subject is in the best of them.
//!
//! Local similarity needs no detector. Every window is embedded like an image of its own; a subject's local
//! similarity ℓ is its largest *pool-centred* cosine over the windows. Centring takes the mean of the pool's
//! references off windows and references first, and with it what everything resembles.

use crate::vocabulary::closed_set;

closed_set! {
    /// Which windows are laid over an image: their side is the k-th part of the image's shorter side.
    Pattern, "windows" {
        /// k = 2, 3: 34 windows.
        Fast = "fast",
        /// k = 2 to 4: 83 windows. The first 34 are those of `fast`.
        Full = "full",
        /// k = 2 to 6: 285 windows. The first 83 are those of `full`.
        Fine = "fine",
    }
}

impl Pattern {
    /// The largest k: how many windows fit side by side into the image's shorter side.
    fn finest(self) -> u64 {
        match self {
            Pattern::Fast => 3,
            Pattern::Full => 4,
            Pattern::Fine => 6,
        }
    }

    /// How many windows an image has: the same for every size.
    pub fn count(self) -> usize {
        (2..=self.finest()).map(|k| (2 * k - 1).pow(2) as usize).sum()
    }
}

/// A square of an upright image, in pixels; `x`, `y` is its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Square {
    /// Columns to its left.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Its width and its height, at least 1.
    pub side: u32,
}

impl Square {
    /// Whether the two have a pixel in common.
    pub fn overlaps(self, other: Square) -> bool {
        let meet = |a: u32, b: u32| a < b + other.side && b < a + self.side;
        meet(self.x, other.x) && meet(self.y, other.y)
    }

    /// It as a box: x, y, width, height.
    pub fn to_box(self) -> [f64; 4] {
        [self.x, self.y, self.side, self.side].map(f64::from)
    }
}

/// The windows of an image of `width` × `height` pixels, the coarsest first and each size row by row: the side is
/// s = ⌊min(width, height) / k⌋, and 2k − 1 positions lie along each axis at ⌊i · (length − s) / (2k − 2)⌋, so that
/// neighbours on the shorter axis share half their area.
///
/// Every image has [`Pattern::count`] windows. Where the shorter side has fewer than k pixels the windows are single
/// pixels, some of them more than once; an image of no pixels has no windows.
pub fn windows(width: u32, height: u32, pattern: Pattern) -> Vec<Square> {
    let shorter = width.min(height);
    if shorter == 0 {
        return Vec::new();
    }
    let mut windows = Vec::with_capacity(pattern.count());
    for k in 2..=pattern.finest() {
        let side = (shorter / k as u32).max(1);
        // Never more than `length`, so that it fits.
        let position = |i: u64, length: u32| (i * u64::from(length - side) / (2 * k - 2)) as u32;
        for row in 0..2 * k - 1 {
            let y = position(row, height);
            windows.extend((0..2 * k - 1).map(|column| Square { x: position(column, width), y, side }));
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_of_an_image_by_hand() {
        let full = windows(512, 512, Pattern::Full);
        assert_eq!(full.len(), 83);
        // k = 2: side 256 at 0, 128, 256; row by row.
        assert_eq!(
            full[..4].iter().map(|w| (w.x, w.y, w.side)).collect::<Vec<_>>(),
            [(0, 0, 256), (128, 0, 256), (256, 0, 256), (0, 128, 256)]
        );
        // k = 3: side 170 at ⌊i · 342 / 4⌋.
        assert_eq!(
            full[9..14].iter().map(|w| (w.x, w.y, w.side)).collect::<Vec<_>>(),
            [(0, 0, 170), (85, 0, 170), (171, 0, 170), (256, 0, 170), (342, 0, 170)]
        );
        assert_eq!(full[82], Square { x: 384, y: 384, side: 128 });
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
        assert_eq!([wide[10], wide[14], wide[33]], [(21, 0), (0, 6), (87, 27)].map(|(x, y)| Square { x, y, side: 13 }));
        let huge = windows(u32::MAX, u32::MAX, Pattern::Fine);
        let last = huge[huge.len() - 1];
        assert_eq!(last, Square { x: u32::MAX - u32::MAX / 6, y: u32::MAX - u32::MAX / 6, side: u32::MAX / 6 });
    }

    #[test]
    fn coarser_patterns_are_the_beginning_of_finer_ones() {
        let [fast, full, fine] = [Pattern::Fast, Pattern::Full, Pattern::Fine].map(|p| windows(640, 427, p));
        assert_eq!((fast.len(), full.len(), fine.len()), (34, 83, 285));
        assert_eq!((&full[..34], &fine[..83]), (&fast[..], &full[..]));
        assert_eq!(Pattern::ALL.iter().map(|p| p.count()).collect::<Vec<_>>(), [34, 83, 285]);
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
            assert_eq!(all.len(), 285);
            for w in all {
                assert!(w.side >= 1 && w.x + w.side <= width && w.y + w.side <= height, "{width}×{height}: {w:?}");
            }
        }
        assert_eq!(windows(3, 3, Pattern::Fast)[0].side, 1);
        assert_eq!(windows(0, 5, Pattern::Full), []);
    }
}

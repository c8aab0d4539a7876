//! Assigns each subject a window of its own, so that one backpack cannot count as two.

use super::assignment::{Offers, billionths};
use super::conflicts::Conflicts;
use super::packing::best_choice;

/// The windows of an image, and which of them are one place. The same for all images of a size.
#[derive(Debug, Clone)]
pub struct Places {
    conflicts: Conflicts,
}

impl Places {
    /// Of windows given as boxes: x, y, width, height in pixels. Two that share over a third of the area of the smaller
    /// are one place.
    pub fn new(windows: &[[f64; 4]]) -> Places {
        let one_place = |a: usize, b: usize| {
            let [[ax, ay, aw, ah], [bx, by, bw, bh]] = [windows[a], windows[b]];
            let width = (ax + aw).min(bx + bw) - ax.max(bx);
            let height = (ay + ah).min(by + bh) - ay.max(by);
            3.0 * width.max(0.0) * height.max(0.0) > (aw * ah).min(bw * bh)
        };
        Places { conflicts: Conflicts::new(windows.len(), one_place) }
    }

    /// Whether two windows are one place; a window and itself are not asked about.
    pub fn one_place(&self, a: usize, b: usize) -> bool {
        self.conflicts.with[a][b]
    }

    /// The place of each of `requested`, of each at most one window, no two in one place, so that the sum of their
    /// cosines is as large as can be. `cosines` has a row of `pool` subjects per window ([`super::Compared::cosines`]).
    ///
    /// Exact, with cosines rounded to nine decimals; a window of a cosine of 0 or less is nobody's place. Of equal sums the
    /// first in the order of the subjects, then of the windows; a window comes before none.
    pub fn assign(&self, cosines: &[f64], pool: usize, requested: &[usize]) -> Vec<Option<usize>> {
        let offer = |(window, cosine): (usize, f64)| {
            let gain = billionths(cosine);
            (gain > 0).then_some((window, gain))
        };
        let column =
            |subject: &usize| cosines.iter().skip(*subject).step_by(pool).copied().enumerate().filter_map(offer).collect();
        let offers: Offers = requested.iter().map(column).collect();
        best_choice(&self.conflicts, &offers)
    }
}

/// The subject of the largest cosine: of equals the first; `None` of none.
pub fn most_similar(row: &[f64]) -> Option<usize> {
    row.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(subject, _)| subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::{Pattern, windows};

    /// A row of windows of side 30, each sharing half with the next.
    fn row(count: u32) -> Places {
        Places::new(&(0..count).map(|at| [15.0 * f64::from(at), 0.0, 30.0, 30.0]).collect::<Vec<_>>())
    }

    #[test]
    fn more_than_a_third_of_the_smaller_is_one_place() {
        let places = Places::new(&[
            [0.0, 0.0, 30.0, 30.0],
            [20.0, 0.0, 30.0, 30.0], // shares a third
            [19.0, 0.0, 30.0, 30.0], // shares a little more
            [10.0, 10.0, 6.0, 6.0],  // within
            [60.0, 60.0, 5.0, 5.0],
        ]);
        let with_first: Vec<bool> = (1..5).map(|other| places.one_place(0, other)).collect();
        assert_eq!(with_first, [false, true, true, false]);
        assert!(places.one_place(2, 1) && !places.one_place(1, 3));
    }

    #[test]
    fn one_backpack_is_not_two() {
        // Both subjects are best in window 1; the second gives way to window 3, for 0 and 2 are the same place.
        let cosines = [0.5, 0.6, 0.9, 0.8, 0.4, 0.7, 0.1, 0.5];
        assert_eq!(row(4).assign(&cosines, 2, &[0, 1]), [Some(1), Some(3)]);
        // Windows 0 and 2 are separate places, worth 0.4 + 0.6 against 0.9 alone in a row of three.
        assert_eq!(row(3).assign(&[0.5, 0.6, 0.9, 0.8, 0.4, 0.7], 2, &[0, 1]), [Some(0), Some(2)]);
        // One window: the larger cosine.
        assert_eq!(row(1).assign(&[0.3, 0.4], 2, &[0, 1]), [None, Some(0)]);
        assert_eq!(row(1).assign(&[0.3, 0.4], 2, &[0]), [Some(0)]);
    }

    #[test]
    fn equal_sums_go_in_the_order_of_the_subjects_and_what_is_not_similar_has_no_place() {
        // 0.1 + 0.2 and 0.2 + 0.1; and 0.3 + 0.3 against 0.2 + 0.4, which differ in their last digit.
        assert_eq!(row(3).assign(&[0.2, 0.1, 0.0, 0.0, 0.2, 0.1], 2, &[0, 1]), [Some(0), Some(2)]);
        assert_eq!(row(3).assign(&[0.3, 0.4, 0.0, 0.0, 0.2, 0.3], 2, &[0, 1]), [Some(0), Some(2)]);
        assert_eq!(row(3).assign(&[0.3, 0.4, 0.0, 0.0, 0.2, 0.3], 2, &[1, 0]), [Some(0), Some(2)]);
        assert_eq!(row(2).assign(&[-0.1, 0.0, -0.2, 4e-10], 2, &[0, 1]), [None, None]);
        assert_eq!(row(0).assign(&[], 2, &[0, 1]), [None, None]);
        assert_eq!(row(2).assign(&[0.1, 0.2], 1, &[]), []);
    }

    /// All subjects want the same windows, ten at a time, as a thing in the middle of the picture makes them: no two
    /// in one place, and as many as fit.
    #[test]
    fn subjects_that_all_want_one_place_are_kept_apart() {
        let squares = windows(512, 512, Pattern::Full);
        let places = Places::new(&squares.iter().map(|s| s.to_box()).collect::<Vec<_>>());
        let near = |at: usize| {
            let [x, y, side, _] = squares[at].to_box();
            let away = ((x + side / 2.0 - 250.0).powi(2) + (y + side / 2.0 - 270.0).powi(2)).sqrt();
            (-away / 200.0).exp()
        };
        let cosines: Vec<f64> = (0..83).flat_map(|at| vec![near(at); 10]).collect();
        let found = places.assign(&cosines, 10, &(0..10).collect::<Vec<_>>());
        let found: Vec<usize> = found.into_iter().flatten().collect();
        assert!(found.len() == 10 && found.is_sorted(), "equal subjects in the order of the windows: {found:?}");
        assert!(found.iter().all(|a| found.iter().all(|b| a == b || !places.one_place(*a, *b))));
        let one_window: Vec<f64> = (0..83).flat_map(|at| vec![if at == 40 { 0.9 } else { 0.5 }; 10]).collect();
        let found = places.assign(&one_window, 10, &(0..10).collect::<Vec<_>>());
        assert!(found.contains(&Some(40)) && found.iter().all(Option::is_some), "{found:?}");
        // The 7 × 7 smallest windows hold 4 × 4 apart from each other, and diagonal neighbours, which share a quarter.
    }
}

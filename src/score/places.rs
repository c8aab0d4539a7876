//! One subject, one place: which window is whose, so that one backpack cannot be two.

use super::assignment::Offers;
use super::conflicts::Conflicts;
use super::packing::{best_choice, most_places};
use crate::vocabulary::closed_set;
use std::collections::BTreeMap;

/// Gains are counted in billionths, so that sums that are equal by the decimals are equal.
const UNIT: f64 = 1e9;

closed_set! {
    /// What became of a requested subject.
    Fate, "fate" {
        /// Present, in a place of its own.
        Present = "present",
        /// Present, and in several separate places.
        Doubled = "doubled",
        /// Not present, or only in a place that is another's.
        Missing = "missing",
    }
}

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
    /// cosines is as large as can be. `cosines` has a row of `pool` subjects per window ([`super::Pool::cosines`]).
    ///
    /// Exact, with cosines rounded to nine decimals; a window of a cosine of 0 or less is nobody's place. Of equal sums the
    /// first in the order of the subjects, then of the windows; a window comes before none.
    pub fn assign(&self, cosines: &[f64], pool: usize, requested: &[usize]) -> Vec<Option<usize>> {
        let offer = |(window, cosine): (usize, f64)| {
            let gain = (cosine * UNIT).round() as i64;
            (gain > 0).then_some((window, gain))
        };
        let column =
            |subject: &usize| cosines.iter().skip(*subject).step_by(pool).copied().enumerate().filter_map(offer).collect();
        let offers: Offers = requested.iter().map(column).collect();
        best_choice(&self.conflicts, &offers)
    }

    /// Of each subject of the pool, in how many separate places it is: the largest set of windows no two of which are
    /// one place, whose most similar subject it is, with a cosine of at least `floor`. Exact.
    pub fn copies(&self, cosines: &[f64], pool: usize, floor: f64) -> Vec<usize> {
        let mut windows: Vec<Vec<usize>> = vec![Vec::new(); pool];
        for (window, row) in cosines.chunks_exact(pool.max(1)).enumerate() {
            if let Some(subject) = most_similar(row).filter(|subject| row[*subject] >= floor) {
                windows[subject].push(window);
            }
        }
        windows.iter().map(|windows| most_places(&self.conflicts, windows)).collect()
    }
}

/// The subject of the largest cosine: of equals the first; `None` of none.
pub fn most_similar(row: &[f64]) -> Option<usize> {
    row.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(subject, _)| subject)
}

/// What became of each requested subject, by the verdict on its presence, the place assigned to it and the number
/// of its copies ([`Places::copies`]); `None` where there is no verdict.
pub fn fates(verdicts: &[Option<bool>], places: &[Option<usize>], copies: &[usize]) -> Vec<Option<Fate>> {
    let fate = |((verdict, place), copies): ((&Option<bool>, &Option<usize>), &usize)| {
        verdict.map(|present| match (present && place.is_some(), *copies >= 2) {
            (false, _) => Fate::Missing,
            (true, false) => Fate::Present,
            (true, true) => Fate::Doubled,
        })
    };
    verdicts.iter().zip(places).zip(copies).map(fate).collect()
}

/// How often each requested subject's place resembles which subject of the pool most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confusion {
    counts: BTreeMap<(usize, Option<usize>), u64>,
}

impl Confusion {
    /// Adds one generation: its requested subjects, their places, and its windows' rows of `pool` cosines.
    pub fn add(&mut self, requested: &[usize], places: &[Option<usize>], cosines: &[f64], pool: usize) {
        for (subject, place) in requested.iter().zip(places) {
            let found = place.and_then(|window| most_similar(&cosines[window * pool..][..pool]));
            *self.counts.entry((*subject, found)).or_default() += 1;
        }
    }

    /// Requested and found, with how often; found is `None` for a subject without a place. In ascending order.
    pub fn counts(&self) -> impl Iterator<Item = (usize, Option<usize>, u64)> + '_ {
        self.counts.iter().map(|((requested, found), count)| (*requested, *found, *count))
    }
}

#[cfg(test)]
mod tests {
    use crate::windows::{Pattern, windows};
    use super::*;

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
        assert_eq!(places.copies(&vec![1.0; 83], 1, 0.5), [25]);
    }

    #[test]
    fn copies_are_separate_places_of_one_best_subject() {
        // Subject 0 is best in windows 0, 1, 2 and 4; 1 and its neighbours are one place; window 4 is below the floor.
        let cosines = [0.9, 0.1, 0.8, 0.2, 0.9, 0.3, 0.1, 0.7, 0.4, 0.3];
        assert_eq!(row(5).copies(&cosines, 2, 0.5), [2, 1]);
        assert_eq!(row(5).copies(&cosines, 2, 0.4), [3, 1]);
        assert_eq!(row(5).copies(&cosines, 2, 0.95), [0, 0]);
        assert_eq!(most_similar(&[0.2, 0.5, 0.5]), Some(1));
    }

    #[test]
    fn fates_and_confusions() {
        let verdicts = [Some(true), Some(true), Some(true), Some(false), None];
        let found = fates(&verdicts, &[Some(4), Some(9), None, Some(2), Some(1)], &[1, 2, 2, 1, 3]);
        assert_eq!(found, [Some(Fate::Present), Some(Fate::Doubled), Some(Fate::Missing), Some(Fate::Missing), None]);
        let mut confusion = Confusion::default();
        // The place of subject 2 resembles subject 0; subject 1 has none.
        confusion.add(&[2, 1], &[Some(1), None], &[0.0, 0.0, 0.9, 0.8, 0.1, 0.3], 3);
        confusion.add(&[2], &[Some(0)], &[0.8, 0.1, 0.3], 3);
        assert_eq!(confusion.counts().collect::<Vec<_>>(), [(1, None, 1), (2, Some(0), 2)]);
    }
}

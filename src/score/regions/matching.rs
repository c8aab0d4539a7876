//! One subject, one place: exact pairings of requested subjects and regions.
//!
//! Gains are whole numbers of billionths; each is multiplied by one more than the number of pairs that there can be, and 1
//! is added, so that of equal sums the one of most pairs is the largest.

use super::super::assignment::{Pairing, billionths};
use super::Similarities;

/// π: the pairing of subjects and regions of greatest Σ max(0, s), each with one of the other at most and without a floor,
/// so that min(N, M) are paired unless forbidden pairs stand in the way. Entry i is the region of subject i.
///
/// Exact. Of equal sums it is one of most pairs, which only forbidden pairs can make a difference to; of these the first in
/// the order of the subjects, then of the regions, a region coming before none.
pub fn pair(similarities: &Similarities) -> Vec<Option<usize>> {
    let scale = scale(similarities);
    let gain = |subject, region| similarities.rounded(subject, region).map(|s| s.max(0) * scale + 1);
    Pairing::of(similarities.subjects, similarities.regions, gain).first()
}

/// T: as [`pair`], where N further columns are worth `threshold`, so that no pair below it displaces another: the pairing of
/// greatest Σ (max(0, s) − threshold) among the pairs with s ≥ threshold.
///
/// Of equal sums it is one of most pairs, so that a pair with s = threshold counts as present whatever the order of the
/// subjects, and the number of pairs at a threshold is what it is just below it; of these the first as in [`pair`].
pub fn pair_above(similarities: &Similarities, threshold: f64) -> Vec<Option<usize>> {
    above(similarities, billionths(threshold)).first()
}

/// The number of pairs in T at a threshold in billionths, and the sum of their similarities in billionths, negative ones
/// taken for 0.
pub(super) fn present(similarities: &Similarities, threshold: i64) -> (usize, i64) {
    let pairing = above(similarities, threshold).any();
    let of_pair = |(subject, region): (usize, &Option<usize>)| similarities.rounded(subject, (*region)?);
    pairing.iter().enumerate().filter_map(of_pair).fold((0, 0), |(count, sum), s| (count + 1, sum + s.max(0)))
}

fn above(similarities: &Similarities, threshold: i64) -> Pairing {
    let scale = scale(similarities);
    let gain = |subject, region| {
        let s = similarities.rounded(subject, region).filter(|s| *s >= threshold)?;
        Some((s.max(0) - threshold) * scale + 1)
    };
    Pairing::of(similarities.subjects, similarities.regions, gain)
}

/// One more than the number of pairs that there can be.
fn scale(similarities: &Similarities) -> i64 {
    similarities.subjects.min(similarities.regions) as i64 + 1
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::*;

    type Rows = Vec<Vec<Option<i64>>>;

    fn of(rows: &Rows, regions: usize) -> Similarities {
        Similarities::new(rows.len(), regions, |i, j| rows[i][j].map(|s| s as f64 / 1e9))
    }

    /// The first pairing of greatest gain, then of most pairs, in the order of the rows, then of the columns, none last.
    fn by_trying_all(rows: &[Vec<Option<i64>>], taken: &mut Vec<bool>) -> (i64, usize, Vec<Option<usize>>) {
        let Some((row, rest)) = rows.split_first() else { return (0, 0, Vec::new()) };
        let mut best: Option<(i64, usize, Vec<Option<usize>>)> = None;
        for region in (0..taken.len()).map(Some).chain([None]) {
            let gain = match region {
                Some(region) if taken[region] => continue,
                Some(region) => match row[region] {
                    Some(gain) => gain,
                    None => continue,
                },
                None => 0,
            };
            region.iter().for_each(|region| taken[*region] = true);
            let (sum, pairs, choice) = by_trying_all(rest, taken);
            region.iter().for_each(|region| taken[*region] = false);
            let (sum, pairs) = (sum + gain, pairs + usize::from(region.is_some()));
            if best.as_ref().is_none_or(|best| (sum, pairs) > (best.0, best.1)) {
                best = Some((sum, pairs, [vec![region], choice].concat()));
            }
        }
        best.unwrap()
    }

    /// The same of similarities: all pairs where there is no threshold.
    fn expected(rows: &Rows, regions: usize, threshold: Option<i64>) -> Vec<Option<usize>> {
        let gain = |s: i64| match threshold {
            None => Some(s.max(0)),
            Some(threshold) => (s >= threshold).then(|| s.max(0) - threshold),
        };
        let gains: Rows = rows.iter().map(|row| row.iter().map(|s| s.and_then(gain)).collect()).collect();
        by_trying_all(&gains, &mut vec![false; regions]).2
    }

    /// Cosines from nearly all equal to nearly all different, with negative ones; some pairs may not be, at random or because
    /// subjects and regions are of different kinds.
    fn draw(draws: &mut Random, round: usize, most: usize) -> (Rows, usize) {
        let (subjects, regions) = (draws.below(most + 1), draws.below(most + 1));
        let levels = [1, 2, 3, 10, 1_000_000_000][round % 5];
        let forbidding = round / 5 % 3;
        let kinds: Vec<usize> = (0..subjects + regions).map(|_| draws.below(3)).collect();
        let row = |i: usize, draws: &mut Random| {
            let one = |j: usize| {
                let forbidden = match forbidding {
                    0 => false,
                    1 => draws.below(4) == 0,
                    _ => kinds[i] + kinds[subjects + j] == 1,
                };
                // With 2 levels: -0.5, 0, 0.5 and 1.
                let s = (draws.below(3 * levels / 2 + 1) as i64 - levels as i64 / 2) * (1_000_000_000 / levels as i64);
                (!forbidden).then_some(s)
            };
            (0..regions).map(one).collect()
        };
        ((0..subjects).map(|i| row(i, draws)).collect(), regions)
    }

    #[test]
    fn pairings_are_the_best_of_all_and_of_equals_the_first() {
        let mut draws = Random::new(14);
        for round in 0..10_000 {
            let (rows, regions) = draw(&mut draws, round, 6);
            let similarities = of(&rows, regions);
            assert_eq!(pair(&similarities), expected(&rows, regions, None), "round {round}: {rows:?}");
            let threshold = [-1_000_000_000, -500_000_000, 0, 300_000_000, 500_000_000, 1_000_000_000][draws.below(6)];
            let found = pair_above(&similarities, threshold as f64 / 1e9);
            assert_eq!(found, expected(&rows, regions, Some(threshold)), "round {round}: {threshold}, {rows:?}");
        }
    }

    /// Where nothing is forbidden min(N, M) are paired, and the rule about the number of pairs changes nothing: the pairing is
    /// the first of all those of greatest sum. It is also that above -1.
    #[test]
    fn without_a_floor_all_are_paired() {
        let mut draws = Random::new(15);
        for round in 0..2_000 {
            let (rows, regions) = draw(&mut draws, round, 5);
            let rows: Rows = rows.iter().map(|row| row.iter().map(|s| s.or(Some(0))).collect()).collect();
            let similarities = of(&rows, regions);
            let found = pair(&similarities);
            assert_eq!(found.iter().flatten().count(), rows.len().min(regions));
            assert_eq!(found, pair_above(&similarities, -1.0), "{rows:?}");
            let first = first_of_all(&rows, regions);
            assert_eq!(found, first, "{rows:?}");
        }
    }

    /// Every pairing with its sum, in the order of the tie rule: the first of the greatest.
    fn first_of_all(rows: &Rows, regions: usize) -> Vec<Option<usize>> {
        let mut all: Vec<(i64, Vec<Option<usize>>)> = vec![(0, Vec::new())];
        for row in rows {
            let mut longer = Vec::new();
            for (sum, choice) in &all {
                let free = (0..regions).filter(|region| !choice.contains(&Some(*region)));
                for region in free.map(Some).chain([None]) {
                    let gain = region.and_then(|region| row[region]).map_or(0, |s| s.max(0));
                    longer.push((sum + gain, [choice.clone(), vec![region]].concat()));
                }
            }
            all = longer;
        }
        let most = all.iter().map(|(sum, _)| *sum).max().unwrap();
        all.into_iter().find(|(sum, _)| *sum == most).unwrap().1
    }

    /// Too large to try all. A pair that is worth far more than all others together is in the best pairing; so held to an
    /// earlier region a subject must cost something.
    #[test]
    fn no_subject_could_have_an_earlier_region() {
        const WORTH: i64 = 900_000_000;
        let mut draws = Random::new(16);
        for (subjects, regions, levels) in [(9, 30, 4), (14, 9, 3), (12, 12, 2)] {
            let rows: Rows = (0..subjects)
                .map(|_| (0..regions).map(|_| (draws.below(9) > 0).then(|| draws.below(levels) as i64 * 1_000_000)).collect())
                .collect();
            let found = pair(&of(&rows, regions));
            // What the best pairing is worth besides the pairs held, and how many pairs it has.
            let worth = |held: &Rows| {
                let pairing = pair(&of(held, regions));
                let of_pair = |(i, region): (usize, &Option<usize>)| held[i][(*region)?];
                let sum: i64 = pairing.iter().enumerate().filter_map(of_pair).sum();
                (sum % WORTH, sum / WORTH, pairing.iter().flatten().count())
            };
            let (sum, _, count) = worth(&rows);
            let (mut held, mut pairs, mut tried) = (rows.clone(), 0, 0);
            for subject in 0..subjects {
                let only = |region: Option<usize>| -> Vec<Option<i64>> {
                    (0..regions).map(|j| rows[subject][j].filter(|_| region == Some(j)).map(|s| s + WORTH)).collect()
                };
                for earlier in (0..found[subject].unwrap_or(regions)).filter(|earlier| rows[subject][*earlier].is_some()) {
                    held[subject] = only(Some(earlier));
                    let (other_sum, held_pairs, other_count) = worth(&held);
                    let possible = held_pairs == pairs + 1;
                    assert!(!possible || (other_sum, other_count) < (sum, count), "{subject} could have {earlier}");
                    tried += usize::from(possible);
                }
                held[subject] = only(found[subject]);
                pairs += i64::from(found[subject].is_some());
                assert_eq!(worth(&held), (sum, pairs, count));
            }
            assert!(tried > 10, "{tried}");
        }
    }

    #[test]
    fn by_hand() {
        let similarities = |rows: &[&[f64]]| Similarities::new(rows.len(), rows[0].len(), |i, j| Some(rows[i][j]));
        // The best pair alone is not in the best pairing: 0.8 + 0.7 is more than 0.9 + 0.1.
        assert_eq!(pair(&similarities(&[&[0.9, 0.8], &[0.7, 0.1]])), [Some(1), Some(0)]);
        // At a threshold of 0.75 it is: 0.7 no longer counts.
        assert_eq!(pair_above(&similarities(&[&[0.9, 0.8], &[0.7, 0.1]]), 0.75), [Some(0), None]);
        // Below the threshold is not a pair.
        let both = similarities(&[&[0.6, 0.3], &[0.9, 0.59]]);
        assert_eq!((pair(&both), pair_above(&both, 0.6)), (vec![Some(1), Some(0)], vec![None, Some(0)]));
        // At the threshold is present, whoever comes first.
        let tied = similarities(&[&[0.5, 0.4], &[0.5, 0.3]]);
        assert_eq!(pair_above(&tied, 0.4), [Some(1), Some(0)]);
        let turned = similarities(&[&[0.5, 0.3], &[0.5, 0.4]]);
        assert_eq!(pair_above(&turned, 0.4), [Some(0), Some(1)]);
        // 0.1 + 0.2 and 0.3 + 0 are equal by the decimals.
        assert_eq!(pair(&similarities(&[&[0.1, 0.3], &[0.0, 0.2]])), [Some(0), Some(1)]);
        // Nothing similar is paired all the same, without a floor.
        assert_eq!(pair(&similarities(&[&[-0.2, -0.1], &[-0.3, -0.4]])), [Some(0), Some(1)]);
        // The only region may not be the first subject's.
        let forbidden = Similarities::new(2, 1, |i, _| (i == 1).then_some(-0.5));
        assert_eq!(pair(&forbidden), [None, Some(0)]);
        // Both could have the first; only the first subject could have the other.
        let narrow = Similarities::new(2, 2, |i, j| (i == 0 || j == 0).then_some(0.0));
        assert_eq!(pair(&narrow), [Some(1), Some(0)]);
        assert_eq!(pair(&Similarities::new(2, 0, |_, _| None)), [None, None]);
        assert_eq!(pair(&Similarities::new(0, 2, |_, _| None)), []);
    }

    /// Run alone, with `--nocapture`, for the times.
    #[test]
    fn ten_thousand_regions() {
        let mut draws = Random::new(17);
        for (subjects, regions, levels) in [
            (10, 10_000, 1_000_000_000),
            (10, 10_000, 4),
            (10, 10_000, 1),
            (100, 100, 1_000_000_000),
            (100, 100, 4),
            (300, 100, 4),
        ] {
            let rows: Rows = (0..subjects)
                .map(|_| (0..regions).map(|_| Some(draws.below(levels + 1) as i64 * (1_000_000_000 / levels as i64))).collect())
                .collect();
            let similarities = of(&rows, regions);
            let best_of_3 = |run: &dyn Fn() -> Vec<Option<usize>>| {
                let once = || {
                    let start = std::time::Instant::now();
                    std::hint::black_box(run());
                    start.elapsed()
                };
                (0..3).map(|_| once()).min().unwrap()
            };
            eprintln!(
                "{subjects} × {regions}, {levels} steps: {:?}, at 0.5 {:?}, thresholds {:?}",
                best_of_3(&|| pair(&similarities)),
                best_of_3(&|| pair_above(&similarities, 0.5)),
                best_of_3(&|| super::super::presence_thresholds(&similarities)
                    .iter()
                    .map(|t| Some(t.to_bits() as usize))
                    .collect())
            );
            for pairing in [pair(&similarities), pair_above(&similarities, 0.5)] {
                let mut taken: Vec<usize> = pairing.iter().flatten().copied().collect();
                taken.sort_unstable();
                taken.dedup();
                assert_eq!(taken.len(), subjects.min(regions));
            }
        }
    }
}

//! Intervals of means over clusters: how far a table's number may be off.
//!
//! Images of one prompt that differ in their seed are near-replicates, so the bootstrap draws *prompts* with
//! replacement and their seeds travel along. With few prompts the plain percentile interval is too narrow
//! (some 92 % at 15 prompts for a nominal 95 %); the *expanded* percentile of Hesterberg (2015, "What
//! Teachers Should Know About the Bootstrap", section 5.3.3) takes the quantiles at Φ(−√(n/(n−1)) · t) and
//! its complement instead, t being Student's quantile of n − 1 degrees of freedom for n prompts.

use super::draws::Draws;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::collections::BTreeMap;

/// Times that the clusters are drawn.
pub const REPLICATES: usize = 10_000;

/// What an interval is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// Nominal coverage, in (0, 1); 0.95 usually.
    pub level: f64,
    /// Of the draws: the same seed gives the same interval, on every machine.
    pub seed: u64,
}

impl Default for Confidence {
    fn default() -> Self {
        Confidence { level: 0.95, seed: 0 }
    }
}

/// One measure's values by cluster: their sum and their number.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustered(Vec<(f64, f64)>);

impl Clustered {
    /// Of values with the cluster (from 0) that each belongs to; `None` is a value that does not exist.
    pub fn new(clusters: usize, values: impl Iterator<Item = (usize, Option<f64>)>) -> Clustered {
        let mut sums = vec![(0.0, 0.0); clusters];
        for (cluster, value) in values.filter_map(|(cluster, value)| Some((cluster, value?))) {
            sums[cluster].0 += value;
            sums[cluster].1 += 1.0;
        }
        Clustered(sums)
    }

    /// Which clusters have a value.
    fn filled(&self) -> Vec<bool> {
        self.0.iter().map(|(_, count)| *count > 0.0).collect()
    }
}

/// The interval of each measure's mean over all its values. Measures that have values in the same clusters share
/// their draws. `None` where fewer than two clusters have a value: nothing is known of the spread.
pub fn intervals(measures: &[Clustered], confidence: Confidence) -> Vec<Option<[f64; 2]>> {
    let mut intervals = vec![None; measures.len()];
    let mut alike: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
    for (at, measure) in measures.iter().enumerate() {
        alike.entry(measure.filled()).or_default().push(at);
    }
    for (filled, members) in alike {
        // A cluster without a value is nobody's evidence, and is not drawn.
        let sums: Vec<Vec<(f64, f64)>> = members
            .iter()
            .map(|at| measures[*at].0.iter().zip(&filled).filter(|(_, filled)| **filled).map(|(sum, _)| *sum).collect())
            .collect();
        let Some(tail) = expanded_tail(confidence.level, sums[0].len()) else { continue };
        for (at, mut means) in members.into_iter().zip(replicates(&sums, confidence.seed)) {
            means.sort_by(f64::total_cmp);
            intervals[at] = Some([quantile(&means, tail), quantile(&means, 1.0 - tail)]);
        }
    }
    intervals
}

/// The means of each measure, given as sums and numbers by cluster, over clusters drawn with replacement.
fn replicates(measures: &[Vec<(f64, f64)>], seed: u64) -> Vec<Vec<f64>> {
    let clusters = measures[0].len();
    let mut means: Vec<Vec<f64>> = vec![Vec::with_capacity(REPLICATES); measures.len()];
    let mut draws = Draws::new(seed);
    let mut sums = vec![(0.0, 0.0); measures.len()];
    for _ in 0..REPLICATES {
        sums.fill((0.0, 0.0));
        for _ in 0..clusters {
            let drawn = draws.below(clusters);
            for (sum, measure) in sums.iter_mut().zip(measures) {
                sum.0 += measure[drawn].0;
                sum.1 += measure[drawn].1;
            }
        }
        means.iter_mut().zip(&sums).for_each(|(mean, (sum, count))| mean.push(sum / count));
    }
    means
}

/// The quantile level of the lower end, for n clusters; `None` below two.
pub(super) fn expanded_tail(level: f64, n: usize) -> Option<f64> {
    if n < 2 {
        return None;
    }
    let n = n as f64;
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(f64::midpoint(1.0, level));
    Some(Normal::standard().cdf(-(n / (n - 1.0)).sqrt() * t))
}

/// The quantile of sorted values, at least one, interpolated (type 7 of Hyndman and Fan 1996, R's default).
pub fn quantile(sorted: &[f64], level: f64) -> f64 {
    let at = level * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(usize, f64)], clusters: usize) -> Clustered {
        Clustered::new(clusters, values.iter().map(|(cluster, value)| (*cluster, Some(*value))))
    }

    #[test]
    fn the_expanded_level_is_hesterbergs() {
        // By hand, from tables: t(0.975; 14) = 2.144787, √(15/14) = 1.035098, Φ(−2.220065) = 0.013207.
        assert!((expanded_tail(0.95, 15).unwrap() - 0.013207).abs() < 1e-6);
        // Many clusters: the plain 2.5 %.
        assert!((expanded_tail(0.95, 100_000).unwrap() - 0.025).abs() < 1e-4);
        assert_eq!((expanded_tail(0.95, 1), expanded_tail(0.95, 0)), (None, None));
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|level| quantile(&[1.0, 2.0, 4.0], level)), [1.0, 1.5, 2.0, 4.0]);
    }

    #[test]
    fn two_clusters_span_all_there_is() {
        // Means 0, 0.5, 1 with chances 1/4, 1/2, 1/4, and a tail of Φ(−√2 · 12.7): nothing.
        assert_eq!(intervals(&[of(&[(0, 0.0), (1, 1.0)], 2)], Confidence::default()), [Some([0.0, 1.0])]);
    }

    #[test]
    fn equal_values_have_no_spread_and_one_cluster_no_interval() {
        let equal = of(&[(0, 0.25), (1, 0.25), (2, 0.25)], 3);
        let one = of(&[(1, 0.3), (1, 0.4)], 3);
        let none = of(&[], 3);
        assert_eq!(intervals(&[equal, one, none], Confidence::default()), [Some([0.25, 0.25]), None, None]);
        assert_eq!(intervals(&[], Confidence::default()), []);
    }

    #[test]
    fn clusters_without_a_value_are_not_drawn() {
        let values: Vec<(usize, f64)> = (0..9).map(|k| (3 * k, f64::from((k % 4) as u8))).collect();
        let close: Vec<(usize, f64)> = values.iter().map(|(cluster, value)| (cluster / 3, *value)).collect();
        let both = intervals(&[of(&values, 30), of(&close, 9)], Confidence::default());
        assert_eq!(both[0], both[1]);
    }

    #[test]
    fn seeds_of_a_prompt_are_no_new_evidence() {
        let once: Vec<(usize, f64)> = (0..12).map(|k| (k, f64::from((k % 2) as u8))).collect();
        let thrice: Vec<(usize, f64)> = (0..36).map(|k| (k % 12, f64::from((k % 2) as u8))).collect();
        let confidence = Confidence::default();
        assert_eq!(intervals(&[of(&once, 12)], confidence), intervals(&[of(&thrice, 12)], confidence));
    }

    #[test]
    fn the_binomial_interval_is_met() {
        // 20 clusters, 10 of them 1: the mean of a draw is binomial(20, 0.5) / 20, its tail at 15 clusters and
        // more about 1.5 %; the quantiles there are 5/20 and 15/20 by the binomial table.
        let half: Vec<(usize, f64)> = (0..20).map(|k| (k, f64::from(u8::from(k < 10)))).collect();
        let [low, high] = intervals(&[of(&half, 20)], Confidence::default())[0].unwrap();
        assert_eq!((low, high), (0.25, 0.75));
    }

    /// 15 prompts of three seeds whose values go mostly with the prompt: the interval should hold the truth in
    /// some 95 of 100 trials, and one that takes the 45 images for independent in far fewer.
    #[test]
    fn intervals_cover_the_truth() {
        const TRIALS: usize = 150;
        let mut draws = Draws::new(7);
        let mut normal = || {
            // The sum of twelve uniform numbers is normal enough (Irwin and Hall).
            (0..12).map(|_| draws.below(1 << 53) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0
        };
        let (mut by_prompt, mut by_image) = (0, 0);
        for _ in 0..TRIALS {
            let values: Vec<(usize, f64)> = (0..15)
                .flat_map(|prompt| {
                    let common = 1.5 * normal();
                    [0, 1, 2].map(|_| (prompt, common + normal()))
                })
                .collect();
            let alone: Vec<(usize, f64)> = values.iter().enumerate().map(|(image, (_, value))| (image, *value)).collect();
            let holds = |clusters| {
                let [low, high] = intervals(&[clusters], Confidence::default())[0].unwrap();
                usize::from(low <= 0.0 && 0.0 <= high)
            };
            by_prompt += holds(of(&values, 15));
            by_image += holds(of(&alone, 45));
        }
        // 95 % of 150 is 142.5, its standard deviation 2.7.
        assert!((135..=149).contains(&by_prompt), "{by_prompt} of {TRIALS} by prompt, {by_image} by image");
        assert!(by_image < 132, "{by_image} of {TRIALS}");
    }
}

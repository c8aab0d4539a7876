//! Intervals of means over clusters: how far a table's number may be off.
//!
//! Images of one prompt that differ in their seed are near-replicates, so the bootstrap draws *prompts* with
//! replacement and their seeds travel along. With few prompts the plain percentile interval is too narrow
//! (some 92 % at 15 prompts for a nominal 95 %); the *expanded* percentile of Hesterberg (2015, "What
//! Teachers Should Know About the Bootstrap", section 5.3.3) takes the quantiles at Φ(−√(n/(n−1)) · t) and
//! its complement instead, t being Student's quantile of n − 1 degrees of freedom for n prompts.
//!
//! Where every prompt has the same value the bootstrap shows nothing: each draw gives that value again. Of values that
//! have bounds, as shares have, something can be said all the same. If a share u of all prompts had other values, n
//! prompts would miss them with probability (1 − u)ⁿ; that is at least (1 − level) / 2 as long as u is at most
//! 1 − ((1 − level) / 2)^(1/n). (Clopper and Pearson's bound for 0 of n; 1934, "The Use of Confidence or Fiducial Limits
//! Illustrated in the Case of the Binomial"; with one tail of 5 % it is the *rule of three*, 3/n.) The interval is of the
//! means that there can be if that many prompts have the least value, or the most. Without bounds there is none.

use super::random::Random;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::collections::BTreeMap;

/// Times that the clusters are drawn.
pub const REPLICATES: usize = 10_000;

/// Most measures that are drawn together: the means of each take 80 kB.
const TOGETHER: usize = 128;

/// Means of clusters that differ by no more are the same: cosines are of vectors in float32.
const ROUNDING: f64 = 1e-6;

/// The settings of an interval.
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
pub struct Clustered {
    sums: Vec<(f64, f64)>,
    bounds: Option<[f64; 2]>,
}

impl Clustered {
    /// Of values with the cluster (from 0) that each belongs to; `None` is a value that does not exist.
    pub fn new(clusters: usize, values: impl Iterator<Item = (usize, Option<f64>)>) -> Clustered {
        let mut sums = vec![(0.0, 0.0); clusters];
        for (cluster, value) in values.filter_map(|(cluster, value)| Some((cluster, value?))) {
            sums[cluster].0 += value;
            sums[cluster].1 += 1.0;
        }
        Clustered { sums, bounds: None }
    }

    /// Of clusters that were added up before: sum and number of each.
    pub fn of_sums(sums: Vec<(f64, f64)>) -> Clustered {
        Clustered { sums, bounds: None }
    }

    /// The same, of values that cannot be outside these bounds, as a share cannot be outside 0 and 1.
    pub fn within(self, bounds: Option<[f64; 2]>) -> Clustered {
        Clustered { bounds, ..self }
    }

    /// The clusters that have a value.
    fn filled(&self) -> impl Iterator<Item = (f64, f64)> {
        self.sums.iter().copied().filter(|(_, count)| *count > 0.0)
    }

    /// The mean that every cluster with a value has, if they all have the same but for rounding.
    fn common(&self) -> Option<f64> {
        let mut means = self.filled().map(|(sum, count)| sum / count);
        let first = means.next()?;
        means.all(|mean| (mean - first).abs() <= ROUNDING).then_some(first)
    }

    /// The interval where all of `n` clusters have the same mean.
    fn around(&self, mean: f64, n: usize, level: f64) -> Option<[f64; 2]> {
        let [least, most] = self.bounds.filter(|_| n >= 2)?;
        let otherwise = 1.0 - ((1.0 - level) / 2.0).powf(1.0 / n as f64);
        Some([mean - otherwise * (mean - least), mean + otherwise * (most - mean)])
    }
}

/// The interval of each measure's mean over all its values. Measures that have values in as many clusters share their
/// draws, whether they are of one cell or of several. `None` where nothing is known of the spread: where fewer than two
/// clusters have a value, or where all have the same and it has no bounds.
pub fn intervals(measures: &[Clustered], confidence: Confidence) -> Vec<Option<[f64; 2]>> {
    let mut intervals = vec![None; measures.len()];
    // A cluster without a value is nobody's evidence, and is not drawn.
    let mut alike: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, measure) in measures.iter().enumerate() {
        alike.entry(measure.filled().count()).or_default().push(at);
    }
    for (clusters, members) in alike {
        let Some(tail) = expanded_tail(confidence.level, clusters) else { continue };
        for members in members.chunks(TOGETHER) {
            let sums: Vec<Vec<(f64, f64)>> = members.iter().map(|at| measures[*at].filled().collect()).collect();
            for (at, means) in members.iter().zip(replicates(&sums, confidence.seed)) {
                intervals[*at] = match measures[*at].common() {
                    Some(mean) => measures[*at].around(mean, clusters, confidence.level),
                    None => Some(tails(means, tail)),
                };
            }
        }
    }
    intervals
}

/// The means of each measure over the clusters drawn, [`REPLICATES`] of each. All have values in the same clusters.
pub fn replicate_means(measures: &[Clustered], confidence: Confidence) -> Vec<Vec<f64>> {
    let sums: Vec<Vec<(f64, f64)>> = measures.iter().map(|measure| measure.filled().collect()).collect();
    if sums.first().is_none_or(Vec::is_empty) { vec![Vec::new(); measures.len()] } else { replicates(&sums, confidence.seed) }
}

/// The interval of the mean difference of two measures with as many values in the same clusters, from their
/// [`replicate_means`]: as [`intervals`] of the differences, which are given, without drawing again.
pub fn interval_of_difference(differences: &Clustered, [one, other]: [&[f64]; 2], confidence: Confidence) -> Option<[f64; 2]> {
    let clusters = differences.filled().count();
    match differences.common() {
        Some(mean) => differences.around(mean, clusters, confidence.level),
        None => Some(tails(one.iter().zip(other).map(|(a, b)| a - b).collect(), expanded_tail(confidence.level, clusters)?)),
    }
}

/// The quantiles at `tail` and at its complement, without sorting what lies between.
fn tails(values: Vec<f64>, tail: f64) -> [f64; 2] {
    const EVERY: usize = 16;
    let mut sample: Vec<f64> = values.iter().step_by(EVERY).copied().collect();
    let needed = (tail * values.len() as f64) as usize + 3;
    // Of every 16th value twice as many as are needed of all: what lies beyond the last is more than enough.
    let inner = (2 * needed / EVERY + 8).min(sample.len() - 1);
    let least = *sample.select_nth_unstable_by(inner, f64::total_cmp).1;
    let outer = sample.len() - 1 - inner;
    let most = *sample.select_nth_unstable_by(outer, f64::total_cmp).1;
    let at = |level: f64| level * (values.len() - 1) as f64;
    let mut low: Vec<f64> = values.iter().copied().filter(|v| *v <= least).collect();
    if low.len() < needed {
        low.clone_from(&values);
    }
    let mut high: Vec<f64> = values.iter().copied().filter(|v| *v >= most).collect();
    if high.len() < needed {
        high.clone_from(&values);
    }
    let skipped = values.len() - high.len();
    [selected(&mut low, at(tail)), selected(&mut high, at(1.0 - tail) - skipped as f64)]
}

/// The value at a place in the order of the values, interpolated between the two beside it.
fn selected(values: &mut [f64], at: f64) -> f64 {
    let below = at.floor();
    let (_, value, rest) = values.select_nth_unstable_by(below as usize, f64::total_cmp);
    let next = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(*value);
    *value + (at - below) * (next - *value)
}

/// Clusters drawn at a time: a quarter of a megabyte of them.
const DRAWN: usize = 1 << 16;

/// The means of each measure, given as sums and numbers by cluster, over clusters drawn with replacement.
fn replicates(measures: &[Vec<(f64, f64)>], seed: u64) -> Vec<Vec<f64>> {
    let Some(clusters) = measures.first().map(Vec::len) else { return Vec::new() };
    let is_alike = |one: &Vec<(f64, f64)>, next: &Vec<(f64, f64)>| one.iter().zip(next).all(|(one, next)| one.1 == next.1);
    let mut sets: Vec<Box<dyn Drawn>> = Vec::new();
    for mut alike in measures.chunk_by(is_alike) {
        // A fixed number of sums stays in registers.
        while !alike.is_empty() {
            let some;
            (some, alike) = alike.split_at([16, 8, 4, 2, 1].into_iter().find(|n| *n <= alike.len()).unwrap_or(1));
            sets.push(match some.len() {
                16 => Box::new(Rows::<17>::of(some)),
                8 => Box::new(Rows::<9>::of(some)),
                4 => Box::new(Rows::<5>::of(some)),
                2 => Box::new(Rows::<3>::of(some)),
                _ => Box::new(Rows::<2>::of(some)),
            });
        }
    }
    let mut draws = Random::new(seed);
    let mut left = REPLICATES;
    let at_a_time = (DRAWN / clusters.max(1)).max(1);
    let mut drawn: Vec<u32> = Vec::new();
    while left > 0 {
        let some = at_a_time.min(left);
        left -= some;
        drawn.clear();
        drawn.extend((0..some * clusters).map(|_| draws.below(clusters) as u32));
        for set in &mut sets {
            drawn.chunks_exact(clusters).for_each(|drawn| set.add(drawn));
        }
    }
    sets.into_iter().flat_map(|set| set.means()).collect()
}

/// Measures of which the means over drawn clusters are gathered.
trait Drawn {
    /// Adds the means over these clusters.
    fn add(&mut self, drawn: &[u32]);

    /// Returns the means of each measure.
    fn means(self: Box<Self>) -> Vec<Vec<f64>>;
}

/// Measures, one fewer than `N`, with the same number of values in each cluster.
struct Rows<const N: usize> {
    /// By cluster: the sums of the measures, and that number. What is drawn together lies together.
    clusters: Vec<[f64; N]>,
    means: Vec<Vec<f64>>,
}

impl<const N: usize> Rows<N> {
    fn of(measures: &[Vec<(f64, f64)>]) -> Rows<N> {
        let sum_or_count = |at: usize, m: usize| measures.get(m).map_or(measures[0][at].1, |measure| measure[at].0);
        let clusters = (0..measures[0].len()).map(|at| std::array::from_fn(|m| sum_or_count(at, m))).collect();
        Rows { clusters, means: vec![Vec::with_capacity(REPLICATES); measures.len()] }
    }
}

impl<const N: usize> Drawn for Rows<N> {
    fn add(&mut self, drawn: &[u32]) {
        let mut sums = [0.0; N];
        for at in drawn {
            for (sum, value) in sums.iter_mut().zip(&self.clusters[*at as usize]) {
                *sum += value;
            }
        }
        for (means, sum) in self.means.iter_mut().zip(&sums) {
            means.push(sum / sums[N - 1]);
        }
    }

    fn means(self: Box<Self>) -> Vec<Vec<f64>> {
        self.means
    }
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
        assert_eq!(intervals(&[equal, one, none], Confidence::default()), [None, None, None]);
        assert_eq!(intervals(&[], Confidence::default()), []);
    }

    #[test]
    fn prompts_that_are_all_alike_bound_the_others() {
        let alike = |n: usize, value: f64, bounds: [f64; 2]| {
            let values: Vec<(usize, f64)> = (0..n).flat_map(|k| [(k, value), (k, value)]).collect();
            intervals(&[of(&values, n).within(Some(bounds))], Confidence::default())[0]
        };
        let close = |found: Option<[f64; 2]>, expected: [f64; 2]| {
            let found = found.unwrap();
            assert!((found[0] - expected[0]).abs() < 1e-4 && (found[1] - expected[1]).abs() < 1e-4, "{found:?}");
        };
        // R: binom.test(2, 2)$conf.int, binom.test(0, 2), binom.test(15, 15).
        close(alike(2, 1.0, [0.0, 1.0]), [0.1581, 1.0]);
        close(alike(2, 0.0, [0.0, 1.0]), [0.0, 0.8419]);
        close(alike(15, 1.0, [0.0, 1.0]), [0.7820, 1.0]);
        // By hand: 0.218 of the prompts may be 0 or 1 where 15 are 0.5; -1 or 1 where the differences are 0.
        close(alike(15, 0.5, [0.0, 1.0]), [0.3910, 0.6090]);
        close(alike(15, 0.0, [-1.0, 1.0]), [-0.2180, 0.2180]);
        assert_eq!(alike(1, 1.0, [0.0, 1.0]), None, "one prompt is not like any other");
        // Rounding is not spread.
        let nearly = of(&[(0, 0.1 + 0.2), (1, 0.3)], 2);
        assert_eq!(intervals(&[nearly], Confidence::default()), [None]);
    }

    /// Shares that are nearly always 1: the bootstrap alone would give [1, 1] in most trials, which never holds the truth.
    #[test]
    fn bounds_cover_the_truth() {
        let mut draws = Random::new(5);
        let (mut held, mut alike) = (0, 0);
        for _ in 0..300 {
            let values: Vec<(usize, f64)> = (0..10).map(|k| (k, f64::from(u8::from(draws.below(100) >= 3)))).collect();
            alike += usize::from(values.iter().all(|(_, v)| *v == 1.0));
            let [low, high] = intervals(&[of(&values, 10).within(Some([0.0, 1.0]))], Confidence::default())[0].unwrap();
            held += usize::from(low <= 0.97 && 0.97 <= high);
        }
        assert!(alike > 180, "{alike}");
        assert!(held >= 285, "{held} of 300");
    }

    #[test]
    fn the_tails_are_those_of_all_values_sorted() {
        let mut draws = Random::new(9);
        for (steps, tail) in [(1 << 40, 0.0132), (5, 0.0132), (1 << 40, 0.25), (2, 1e-9), (1 << 40, 0.49)] {
            let values: Vec<f64> = (0..REPLICATES).map(|_| draws.below(steps) as f64 - 2.0).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(tails(values, tail), [quantile(&sorted, tail), quantile(&sorted, 1.0 - tail)], "{steps} {tail}");
        }
    }

    #[test]
    fn an_interval_of_differences_needs_no_draws_of_its_own() {
        let values =
            |shift: usize| -> Vec<(usize, f64)> { (0..20).map(|k| (k, f64::from((k * 7 % (11 + shift)) as u8))).collect() };
        let (a, b) = (of(&values(0), 20), of(&values(2), 20));
        let between: Vec<(usize, f64)> = values(0).iter().zip(values(2)).map(|(a, b)| (a.0, a.1 - b.1)).collect();
        let differences = of(&between, 20);
        let confidence = Confidence::default();
        let means = replicate_means(&[a, b], confidence);
        let [low, high] = interval_of_difference(&differences, [&means[0], &means[1]], confidence).unwrap();
        let [drawn_low, drawn_high] = intervals(&[differences], confidence)[0].unwrap();
        assert!((low - drawn_low).abs() < 1e-12 && (high - drawn_high).abs() < 1e-12);
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
        let mut draws = Random::new(7);
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

//! What is measured of the regions of one image at a threshold, and at which thresholds it changes.

use super::super::assignment::{billionths, similarity_of};
use super::matching::{pair_above, present};
use super::{Similarities, measures};

/// What is measured of one image at a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtThreshold {
    /// |T|: requested subjects that have a region of at least the threshold ([`pair_above`]).
    pub present: usize,
    /// N − |T|.
    pub missing: usize,
    /// M − |T|.
    pub extra: usize,
    /// 1 where there are as many regions as requested subjects, else 0, whatever the threshold (MultiHuman-Testbench).
    pub count_accuracy: f64,
    /// R-SCR, the share of the requested subjects that are missing, in [0, 1]; `None` where nobody is requested.
    pub collapse_rate: Option<f64>,
    /// 2 |T| / (N + M), in [0, 1]; `None` where there is neither a requested subject nor a region.
    pub presence_f1: Option<f64>,
    /// The effective number of identities, in [1, N]: exp of the entropy of the shares that the requested subjects have of
    /// the regions of at least the threshold, each region being its most similar subject's (of equals the first). 0 where no
    /// region reaches the threshold. (M. O. Hill, "Diversity and Evenness", Ecology 54, 1973, his number of order 1.)
    pub identities: f64,
}

/// What is measured of one image at a threshold.
pub fn at_threshold(similarities: &Similarities, threshold: f64) -> AtThreshold {
    let (requested, regions) = (similarities.subjects, similarities.regions);
    let present = pair_above(similarities, threshold).iter().flatten().count();
    AtThreshold {
        present,
        missing: requested - present,
        extra: regions - present,
        count_accuracy: f64::from(u8::from(requested == regions)),
        collapse_rate: (requested > 0).then(|| (requested - present) as f64 / requested as f64),
        presence_f1: (requested + regions > 0).then(|| 2.0 * present as f64 / (requested + regions) as f64),
        identities: identities(similarities, threshold),
    }
}

fn identities(similarities: &Similarities, threshold: f64) -> f64 {
    let mut regions_of = vec![0_usize; similarities.subjects];
    for (region, subject) in measures::most_similar_subjects(similarities).into_iter().enumerate() {
        if let Some(subject) = subject
            && similarities.rounded(subject, region) >= Some(billionths(threshold))
        {
            regions_of[subject] += 1;
        }
    }
    let count: usize = regions_of.iter().sum();
    if count == 0 {
        return 0.0;
    }
    let shares = regions_of.iter().filter(|regions| **regions > 0).map(|regions| *regions as f64 / count as f64);
    let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
    entropy.exp().clamp(1.0, similarities.subjects as f64)
}

/// Up to which thresholds how many subjects are present: N values in descending order, of which at any threshold from 0 on
/// as many are at least the threshold as subjects are present; -1 stands for a subject that never is.
///
/// So R-SCR at a threshold is the share of these values that are below it, as SCR is of the similarities of an image's
/// subjects, and [`Curve::of`](crate::score::Curve::of) these values is the curve of R-SCR, exact.
///
/// The k-th value is what the best k pairs have more than the best k − 1: these sums are concave in k, and T has k pairs
/// where the threshold is at most this value.
pub fn presence_thresholds(similarities: &Similarities) -> Vec<f64> {
    let mut thresholds = vec![-1.0; similarities.subjects];
    // Between two numbers of pairs, of which the best sums are known.
    let mut open = vec![[(0, 0), present(similarities, 0)]];
    while let Some([(fewer, low), (more, high)]) = open.pop() {
        if fewer == more {
            continue;
        }
        // The mean of the values between them, rounded up: all of them are as large only if they are equal.
        let mean = (high - low + (more - fewer) as i64 - 1) / (more - fewer) as i64;
        let (pairs, sum) = present(similarities, mean);
        if pairs == more {
            thresholds[fewer..more].fill(similarity_of(mean));
        } else {
            open.extend([[(fewer, low), (pairs, sum)], [(pairs, sum), (more, high)]]);
        }
    }
    thresholds
}

#[cfg(test)]
mod tests {
    use super::super::super::Curve;
    use super::super::super::random::Random;
    use super::*;

    fn of(rows: &[&[f64]]) -> Similarities {
        Similarities::new(rows.len(), rows[0].len(), |i, j| Some(rows[i][j]))
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn by_hand() {
        // Two subjects, three regions, of which the first two look like the first subject.
        let similarities = of(&[&[0.8, 0.7, 0.1], &[0.2, 0.3, 0.5]]);
        let found = at_threshold(&similarities, 0.5);
        assert_eq!((found.present, found.missing, found.extra), (2, 0, 1));
        assert_eq!((found.count_accuracy, found.collapse_rate, found.presence_f1), (0.0, Some(0.0), Some(0.8)));
        // Shares 2/3 and 1/3: exp H = 3 / 2^(2/3).
        assert!(close(found.identities, 3.0 / 2.0_f64.powf(2.0 / 3.0)), "{found:?}");
        let found = at_threshold(&similarities, 0.51);
        assert_eq!((found.present, found.missing, found.extra), (1, 1, 2));
        assert_eq!((found.collapse_rate, found.presence_f1, found.identities), (Some(0.5), Some(0.4), 1.0));
        let found = at_threshold(&similarities, 0.81);
        assert_eq!((found.present, found.collapse_rate, found.identities), (0, Some(1.0), 0.0));
    }

    #[test]
    fn without_regions_or_subjects() {
        let nothing_found = at_threshold(&Similarities::new(2, 0, |_, _| None), 0.4);
        assert_eq!((nothing_found.missing, nothing_found.extra, nothing_found.count_accuracy), (2, 0, 0.0));
        assert_eq!((nothing_found.collapse_rate, nothing_found.presence_f1), (Some(1.0), Some(0.0)));
        let nobody_requested = at_threshold(&Similarities::new(0, 3, |_, _| None), 0.4);
        assert_eq!((nobody_requested.missing, nobody_requested.extra, nobody_requested.identities), (0, 3, 0.0));
        assert_eq!((nobody_requested.collapse_rate, nobody_requested.presence_f1), (None, Some(0.0)));
        let neither = at_threshold(&Similarities::new(0, 0, |_, _| None), 0.4);
        assert_eq!((neither.count_accuracy, neither.presence_f1), (1.0, None));
    }

    #[test]
    fn thresholds_of_presence_by_hand() {
        // One pair: 0.9. Two: 0.8 + 0.7, which is 0.6 more.
        let similarities = of(&[&[0.9, 0.8], &[0.7, 0.1]]);
        assert_eq!(presence_thresholds(&similarities), [0.9, 0.6]);
        assert_eq!([0.6, 0.61, 0.9, 0.91].map(|t| at_threshold(&similarities, t).present), [2, 1, 1, 0]);
        // Equal values; a negative similarity; a subject without a region.
        assert_eq!(presence_thresholds(&of(&[&[0.5, 0.0], &[0.0, 0.5]])), [0.5, 0.5]);
        assert_eq!(presence_thresholds(&of(&[&[-0.1], &[0.2], &[0.1]])), [0.2, -1.0, -1.0]);
        assert_eq!(presence_thresholds(&of(&[&[-0.1]])), [-1.0]);
        assert_eq!(presence_thresholds(&Similarities::new(1, 0, |_, _| None)), [-1.0]);
        assert!(presence_thresholds(&Similarities::new(0, 1, |_, _| None)).is_empty());
    }

    #[test]
    fn the_curve_is_the_rate_at_every_threshold() {
        let mut draws = Random::new(18);
        for round in 0..400 {
            let (subjects, regions, levels) = (1 + draws.below(7), draws.below(8), [4, 20, 1000][round % 3]);
            let similarities = Similarities::new(subjects, regions, |_, _| {
                (draws.below(6) > 0).then(|| draws.below(levels + 1) as f64 / levels as f64 * 1.2 - 0.2)
            });
            let thresholds = presence_thresholds(&similarities);
            assert!(thresholds.is_sorted_by(|a, b| a >= b) && thresholds.len() == subjects, "{thresholds:?}");
            let curve = Curve::of([thresholds.as_slice()].into_iter()).unwrap();
            let around = thresholds.iter().flat_map(|t| [t - 2e-9, *t, t + 2e-9]);
            for threshold in around.chain((0..=50).map(|t| f64::from(t) / 50.0)).filter(|t| *t >= 0.0) {
                let rate = at_threshold(&similarities, threshold).collapse_rate.unwrap();
                assert!(close(curve.at(threshold), rate), "{threshold}: {similarities:?}");
            }
        }
    }
}

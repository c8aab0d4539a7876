//! What similarities mean: a threshold of an encoder's own, how well requested subjects are told from others, and whether a
//! photo was copied.

use super::super::assignment::billionths;
use super::super::quantile;

/// The share of pairs of different subjects that the default threshold is above.
const DIFFERENT: f64 = 0.99;

/// Two photos whose angle is less, in radians, are one: cosines are of vectors in float32.
const ONE_PHOTO: f64 = 1e-3;

/// τ where none is given: the 99th percentile of the cosines of references of different subjects, interpolated as by NumPy;
/// `None` of none. Sorts them.
///
/// It belongs to the encoder and the subjects: different people average 0.84 in one face encoder and 0.38 in another.
pub fn default_threshold(cosines: &mut [f64]) -> Option<f64> {
    cosines.sort_unstable_by(f64::total_cmp);
    (!cosines.is_empty()).then(|| quantile(cosines, DIFFERENT))
}

/// P(s of requested > s of decoy) + ½ P(equal): the area under the ROC curve, 0.5 where a requested subject's region cannot
/// be told from a decoy's. `None` where either is empty.
///
/// The similarities are those of the pairs in the best pairing of each image with its requested subjects, and with each of its
/// [`decoys`](super::decoys). Exact: by ranks (J. A. Hanley and B. J. McNeil, "The Meaning and Use of the Area under a
/// Receiver Operating Characteristic (ROC) Curve", Radiology 143, 1982).
pub fn auc(requested: &[f64], decoys: &[f64]) -> Option<f64> {
    if requested.is_empty() || decoys.is_empty() {
        return None;
    }
    let mut decoys: Vec<i64> = decoys.iter().copied().map(billionths).collect();
    decoys.sort_unstable();
    // Twice the decoys below, and once the equal ones.
    let twice = |s: &f64| {
        let s = billionths(*s);
        (decoys.partition_point(|decoy| *decoy < s) + decoys.partition_point(|decoy| *decoy <= s)) as u128
    };
    let sum: u128 = requested.iter().map(twice).sum();
    Some(sum as f64 / (2.0 * requested.len() as f64 * decoys.len() as f64))
}

/// How far a region is a copy of the photo that the generator was given, rather than another likeness of the subject:
/// (θ_gt − θ_gr) / θ_tr, θ being the angle between two vectors, from three cosines. 1 is a copy of the photo r that was
/// given, -1 one of the other true photo t, 0 as far from both; in [-1, 1]. (WithAnyone, arXiv 2510.14975, which calls it
/// copy-paste.) `None` where both photos are one.
///
/// g is the subject's region in [`pair`](super::pair); r is the subject's first reference, the one that a generator gets that
/// takes one photo of each subject; t is a further reference of it. With several of these the value is the mean over t. It
/// says nothing of a generator that was given all of them.
pub fn copying(region_and_true: f64, region_and_given: f64, true_and_given: f64) -> Option<f64> {
    let [to_true, to_given, between] =
        [region_and_true, region_and_given, true_and_given].map(|cosine| cosine.clamp(-1.0, 1.0).acos());
    (between >= ONE_PHOTO).then(|| ((to_true - to_given) / between).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::*;

    #[test]
    fn default_thresholds() {
        assert_eq!(default_threshold(&mut []), None);
        assert_eq!(default_threshold(&mut [0.3]), Some(0.3));
        // The 99th percentile of 0, 0.01, …, 1, in any order.
        let mut cosines: Vec<f64> = (0..=100).rev().map(|k| f64::from(k) / 100.0).collect();
        assert!((default_threshold(&mut cosines).unwrap() - 0.99).abs() < 1e-12);
        // Between the last two of three: 0.98 of the way.
        assert!((default_threshold(&mut [0.5, -0.1, 0.1]).unwrap() - (0.1 + 0.98 * 0.4)).abs() < 1e-12);
    }

    #[test]
    fn areas_by_hand() {
        assert_eq!(auc(&[0.8, 0.9], &[0.1, 0.2]), Some(1.0));
        assert_eq!(auc(&[0.1], &[0.2, 0.3]), Some(0.0));
        assert_eq!(auc(&[0.5, 0.5], &[0.5]), Some(0.5));
        assert_eq!(auc(&[0.3], &[0.1 + 0.2]), Some(0.5), "equal by the decimals");
        // 0.5 is above both, 0.2 above one of 0.1 and 0.3: 3 of 4.
        assert_eq!(auc(&[0.5, 0.2], &[0.3, 0.1]), Some(0.75));
        assert_eq!((auc(&[], &[0.1]), auc(&[0.1], &[])), (None, None));
    }

    #[test]
    fn areas_are_those_of_all_pairs() {
        let mut draws = Random::new(20);
        for round in 0..200 {
            let mut values = |n: usize| -> Vec<f64> { (0..n).map(|_| draws.below(7 + 100 * round) as f64 / 1e5).collect() };
            let (requested, decoys) = (values(1 + round % 13), values(1 + round % 29));
            let of_pair = |(a, b): (&f64, &f64)| if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 };
            let all: f64 = requested.iter().flat_map(|a| decoys.iter().map(move |b| (a, b))).map(of_pair).sum();
            assert_eq!(auc(&requested, &decoys), Some(all / (requested.len() * decoys.len()) as f64));
        }
    }

    #[test]
    fn copies_by_hand() {
        let degrees = |angle: f64| angle.to_radians().cos();
        let close = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?}");
        // The region lies between both photos, 60° apart: at the given one, at the other, in the middle, at 20° of it.
        close(copying(degrees(60.0), degrees(0.0), degrees(60.0)), 1.0);
        close(copying(degrees(0.0), degrees(60.0), degrees(60.0)), -1.0);
        close(copying(degrees(30.0), degrees(30.0), degrees(60.0)), 0.0);
        close(copying(degrees(40.0), degrees(20.0), degrees(60.0)), 1.0 / 3.0);
        // Far from both.
        close(copying(degrees(90.0), degrees(90.0), degrees(60.0)), 0.0);
        assert_eq!((copying(0.5, 0.5, 1.0), copying(0.5, 0.4, 1.0 - 1e-8)), (None, None));
    }
}

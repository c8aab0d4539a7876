//! Scores: pure functions of vectors. Opens no file and knows no database.
//!
//! Formulas: *When Identities Collapse* (arXiv 2603.26078), sections 4.1–4.3.
//!
//! ```
//! use msdata::score::{cosine, mean, subject_collapse_rate};
//! assert_eq!(cosine(&[3.0, 4.0], &[3.0, 4.0]), 1.0);
//! assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
//! let similarities = [0.39, 0.40, 0.61];
//! assert_eq!(subject_collapse_rate(&similarities, 0.4), 1.0 / 3.0); // strictly below
//! assert_eq!(mean(&[1.0, 2.0]), 1.5);
//! ```

mod assignment;
mod beyond_words;
mod comparison;
mod conflicts;
mod correlation;
mod curve;
mod duplicates;
mod exact_sum;
mod identification;
mod instrument;
mod interval;
mod local;
mod null;
mod packing;
mod places;
mod presence;
mod presence_interval;
mod random;
mod regions;
mod sign_flip;

pub use beyond_words::{BeyondWords, Requested, beyond_words};
pub use comparison::{groups, holm};
pub use correlation::pearson;
pub use curve::Curve;
pub use duplicates::{NearDuplicate, near_duplicates};
pub use exact_sum::ExactSum;
pub use identification::{Identification, Ranks, identification};
pub use instrument::{Told, Trial};
pub use interval::{Clustered, Confidence, REPLICATES, interval_of_difference, intervals, quantile, replicate_means};
pub use local::{Compared, Local, Pool, pool_mean};
pub use null::OWN_NULL;
pub use places::{Places, most_similar};
pub use presence::{Evidence, NoVerdict, Presence, Question, Request, Requests, calibrated_collapse_rate, presence};
pub use presence_interval::{CollapseIntervals, Unit, presence_intervals};
pub use regions::{
    AtThreshold, DECOYS, Likeness, Paired, RegionMeasures, Similarities, at_threshold, auc, copying, decoys, default_threshold,
    doubled_regions, likenesses, most_similar_subjects, pair, pair_above, paired, presence_thresholds, region_measures,
};
pub use sign_flip::{least_p, sign_flip};

/// Independent sums of a dot product. A fixed number, so that the order of additions, and with it the
/// last digit, is the same on every machine; eight, so that it fills a vector register.
const LANES: usize = 8;

/// Dot product of two vectors of equal length, accumulated in float64.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let mut sums = [0.0_f64; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += f64::from(x[lane]) * f64::from(y[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sums;
    ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)) + rest
}

/// Cosine of two vectors of equal length, neither all zero; in [-1, 1].
///
/// A vector with itself gives exactly 1: the square root is taken of the product of both squared
/// norms, which for equal vectors is exact.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    cosine_with_norms(a, dot(a, a), b, dot(b, b))
}

/// [`cosine`] with the squared norms known.
pub fn cosine_with_norms(a: &[f32], a_squared: f64, b: &[f32], b_squared: f64) -> f64 {
    (dot(a, b) / (a_squared * b_squared).sqrt()).clamp(-1.0, 1.0)
}

/// Arithmetic mean in float64, summed in the order given; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The same of what there is, without holding it; `None` of nothing.
pub fn mean_if_any(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut count = 0_u64;
    let sum: f64 = values.into_iter().inspect(|_| count += 1).sum();
    (count > 0).then(|| sum / count as f64)
}

/// SCR@τ of one image: the share of its subjects whose similarity is strictly below `threshold`
/// (section 4.3).
pub fn subject_collapse_rate(similarities: &[f64], threshold: f64) -> f64 {
    similarities.iter().filter(|s| **s < threshold).count() as f64 / similarities.len() as f64
}

/// A reference vector with its squared norm.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The vector as the model gave it.
    pub vector: Vec<f32>,
    squared: f64,
}

impl Reference {
    /// Keeps `vector` with its squared norm.
    pub fn new(vector: Vec<f32>) -> Reference {
        let squared = dot(&vector, &vector);
        Reference { vector, squared }
    }

    /// Returns the cosine of the two, in [-1, 1].
    pub fn cosine(&self, other: &Reference) -> f64 {
        cosine_with_norms(&self.vector, self.squared, &other.vector, other.squared)
    }
}

/// Similarity of a generation and each of its subjects: per subject the mean of the cosines with its
/// references (one reference is the paper's case); and CLIP-T, the cosine with the prompt, if given.
pub fn score_generation(generation: &[f32], subjects: &[Vec<&Reference>], prompt: Option<&Reference>) -> (Vec<f64>, Option<f64>) {
    let squared = dot(generation, generation);
    let cosine = |r: &Reference| cosine_with_norms(generation, squared, &r.vector, r.squared);
    let of_subject = |references: &Vec<&Reference>| references.iter().map(|r| cosine(r)).sum::<f64>() / references.len() as f64;
    (subjects.iter().map(of_subject).collect(), prompt.map(cosine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_products_use_every_lane_and_the_rest() {
        let a: Vec<f32> = (1..=19).map(|x| x as f32).collect();
        assert_eq!(dot(&a, &a), 2470.0); // 1² + … + 19²
        assert_eq!(dot(&[], &[]), 0.0);
    }

    #[test]
    fn cosine_stays_in_its_range() {
        let long: Vec<f32> = (0..769).map(|i| (i as f32 * 0.7).sin()).collect();
        assert_eq!(cosine(&long, &long), 1.0);
        let opposite: Vec<f32> = long.iter().map(|x| -x).collect();
        assert_eq!(cosine(&long, &opposite), -1.0);
        assert_eq!(cosine(&[1e-30, 0.0], &[1e30, 0.0]), 1.0);
        assert_eq!(cosine(&[3.0, 4.0], &[4.0, 3.0]), 0.96); // 24 / 25
    }

    #[test]
    fn a_subject_with_two_references_is_their_mean() {
        let references = [Reference::new(vec![1.0, 0.0]), Reference::new(vec![0.0, 1.0])];
        let (similarities, clip_t) = score_generation(&[2.0, 0.0], &[references.iter().collect()], None);
        assert_eq!((similarities, clip_t), (vec![0.5], None));
    }

    #[test]
    fn at_the_threshold_a_subject_has_not_collapsed() {
        assert_eq!(subject_collapse_rate(&[0.5, 0.5], 0.5), 0.0);
        assert_eq!(subject_collapse_rate(&[0.49999999, 0.5], 0.5), 0.5);
    }
}

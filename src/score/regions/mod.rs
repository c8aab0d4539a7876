//! Measures of regions: which requested subject is in which region of an image, and how well it can be told there.
//!
//! All similarities are cosines. Where two are compared for a tie, or one with a threshold, they are rounded to nine
//! decimals first, so that values that are equal by the decimals are equal and sums are exact.
//!
//! Kinds of measures: those of a pairing without a floor ([`pair`], [`region_measures`]), and those at a threshold
//! ([`pair_above`], [`at_threshold`]), at which a pair below it is no pair. All of them depend on what a chance pairing
//! would give, so each is held against [`decoys`].

mod calibration;
mod decoys;
mod matching;
mod measures;
mod threshold;

pub use calibration::{auc, copying, default_threshold};
pub use decoys::{DECOYS, decoys};
pub use matching::{pair, pair_above};
pub use measures::{
    Likeness, Paired, RegionMeasures, doubled_regions, likenesses, most_similar_subjects, paired, region_measures,
};
pub use threshold::{AtThreshold, at_threshold, presence_thresholds};

use super::assignment::billionths;

/// Similarities of the requested subjects of an image, in the order of the prompt, and its regions, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarities {
    subjects: usize,
    regions: usize,
    values: Vec<Option<f64>>,
}

impl Similarities {
    /// Of the similarity of each subject and region, a cosine in [-1, 1]. `None`: the pair may not be, because a person
    /// is no object.
    pub fn new(subjects: usize, regions: usize, mut similarity: impl FnMut(usize, usize) -> Option<f64>) -> Similarities {
        let mut values = Vec::with_capacity(subjects * regions);
        for subject in 0..subjects {
            values.extend((0..regions).map(|region| similarity(subject, region)));
        }
        debug_assert!(values.iter().flatten().all(|s| (-1.0..=1.0).contains(s)), "not cosines");
        Similarities { subjects, regions, values }
    }

    /// N, the number of requested subjects.
    pub fn subjects(&self) -> usize {
        self.subjects
    }

    /// M, the number of regions.
    pub fn regions(&self) -> usize {
        self.regions
    }

    /// s of a subject below [`Similarities::subjects`] and a region below [`Similarities::regions`]; `None` where the pair
    /// may not be.
    pub fn get(&self, subject: usize, region: usize) -> Option<f64> {
        self.values[subject * self.regions + region]
    }

    /// [`Similarities::get`] in billionths.
    fn rounded(&self, subject: usize, region: usize) -> Option<i64> {
        self.get(subject, region).map(billionths)
    }
}

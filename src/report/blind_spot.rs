//! Where CLIP sees nothing wrong: images that resemble their references by CLIP-I and have lost every subject.

use super::Snapshot;
use crate::score::quantile;
use std::collections::BTreeMap;

/// An image in the blind spot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlindSpot {
    /// Its place among the generations of the [`Snapshot`].
    pub generation: usize,
    /// Its CLIP-I.
    pub clip_i: f64,
    /// The upper quartile of CLIP-I over all models' images of its subject count.
    pub quartile: f64,
}

/// Images of the models under test whose similarity by `clip` is at least the upper quartile of all such images of
/// the same subject count, while by `identity` every subject is below the threshold. Encoders by their place among
/// the [`Snapshot`], in the order of the generations.
pub fn blind_spot(snapshot: &Snapshot, identity: usize, clip: usize, threshold: f64) -> Vec<BlindSpot> {
    let scores = &snapshot.scores;
    let mut by_count: BTreeMap<usize, Vec<(usize, f64, bool)>> = BTreeMap::new();
    for (at, generation) in snapshot.generations.iter().enumerate() {
        if snapshot.models[generation.model as usize].1 {
            continue;
        }
        let (Some(clip_i), Some(rate)) = (scores.similarity(clip, at), scores.collapse(identity, at, threshold)) else {
            continue;
        };
        let subjects = snapshot.prompts[generation.prompt as usize].subjects.len();
        by_count.entry(subjects).or_default().push((at, clip_i, rate == 1.0));
    }
    let mut found = Vec::new();
    for images in by_count.values() {
        let mut sorted: Vec<f64> = images.iter().map(|(_, clip_i, _)| *clip_i).collect();
        sorted.sort_by(f64::total_cmp);
        let quartile = quantile(&sorted, 0.75);
        let high = images.iter().filter(|(_, clip_i, lost)| *lost && *clip_i >= quartile);
        found.extend(high.map(|(generation, clip_i, _)| BlindSpot { generation: *generation, clip_i: *clip_i, quartile }));
    }
    found.sort_by_key(|image| image.generation);
    found
}

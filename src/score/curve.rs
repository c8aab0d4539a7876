//! The Subject Collapse Rate at every threshold at once: a step function, exact.

use serde::Serialize;
use std::collections::BTreeMap;

/// Mean SCR(τ) of some images as a function of the threshold τ.
///
/// A subject is below every threshold above its own similarity, so SCR is constant between two neighbouring
/// similarities and rises just behind each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// ∫ SCR(τ) dτ over τ from 0 to 1.
    pub area: f64,
    /// [similarity, SCR at every threshold above it, up to and including the next similarity], ascending.
    /// Before the first SCR is 0; the last is 1.
    pub steps: Vec<[f64; 2]>,
}

impl Curve {
    /// Of the similarities of each image's subjects; `None` of no image.
    ///
    /// The area has a closed form: a subject of similarity s is collapsed over a length of 1 − min(max(s, 0), 1)
    /// of the thresholds from 0 to 1, so the area is 1 minus the mean similarity, with negative ones taken
    /// for 0.
    pub fn of<'a>(images: impl Iterator<Item = &'a [f64]>) -> Option<Curve> {
        let (mut count, mut kept) = (0.0, 0.0);
        let mut pairs: Vec<(f64, usize)> = Vec::new();
        for similarities in images.filter(|similarities| !similarities.is_empty()) {
            let subjects = similarities.len();
            count += 1.0;
            kept += similarities.iter().map(|s| s.clamp(0.0, 1.0)).sum::<f64>() / subjects as f64;
            pairs.extend(similarities.iter().map(|s| (*s, subjects)));
        }
        if pairs.is_empty() {
            return None;
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        // Pairs below the threshold by the subject count of their images: whole numbers, which no order of
        // addition changes.
        let mut below: BTreeMap<usize, u64> = BTreeMap::new();
        let mut steps: Vec<[f64; 2]> = Vec::new();
        for equal in pairs.chunk_by(|a, b| a.0 == b.0) {
            equal.iter().for_each(|(_, subjects)| *below.entry(*subjects).or_default() += 1);
            let rate = below.iter().map(|(subjects, pairs)| *pairs as f64 / *subjects as f64).sum::<f64>() / count;
            steps.push([equal[0].0, rate]);
        }
        Some(Curve { area: 1.0 - kept / count, steps })
    }

    /// Mean SCR at a threshold.
    pub fn at(&self, threshold: f64) -> f64 {
        match self.steps.partition_point(|[similarity, _]| *similarity < threshold) {
            0 => 0.0,
            passed => self.steps[passed - 1][1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(images: &[&[f64]]) -> Curve {
        Curve::of(images.iter().copied()).unwrap()
    }

    #[test]
    fn by_hand() {
        // Two images, one of two subjects: the pairs weigh 1/4, 1/4 and 1/2.
        let curve = of(&[&[0.6, 0.2], &[0.4]]);
        assert_eq!(curve.steps, [[0.2, 0.25], [0.4, 0.75], [0.6, 1.0]]);
        // Strictly below: at its own similarity a subject has not collapsed.
        assert_eq!([-1.0, 0.2, 0.3, 0.4, 0.41, 0.6, 1.0].map(|t| curve.at(t)), [0.0, 0.0, 0.25, 0.25, 0.75, 0.75, 1.0]);
        // 0.2 · 0.25 + 0.2 · 0.75 + 0.4 · 1
        assert!((curve.area - 0.6).abs() < 1e-15, "{}", curve.area);
    }

    #[test]
    fn equal_similarities_are_one_step_and_negative_ones_are_always_collapsed() {
        assert_eq!(of(&[&[0.5, 0.5], &[0.5]]), Curve { area: 0.5, steps: vec![[0.5, 1.0]] });
        assert_eq!(of(&[&[-0.5]]), Curve { area: 1.0, steps: vec![[-0.5, 1.0]] });
        assert_eq!(of(&[&[1.0]]).area, 0.0);
    }

    #[test]
    fn no_image_has_no_curve() {
        assert_eq!(Curve::of(std::iter::empty()), None);
        assert_eq!(Curve::of([[].as_slice()].into_iter()), None);
    }

    #[test]
    fn it_is_the_rate_at_every_threshold() {
        let images: Vec<Vec<f64>> = (1..=5).map(|n| (0..n).map(|i| f64::from(i * n % 7) / 7.0).collect()).collect();
        let curve = Curve::of(images.iter().map(Vec::as_slice)).unwrap();
        for threshold in (-10..=110).map(|t| f64::from(t) / 100.0) {
            let mean = images.iter().map(|s| super::super::subject_collapse_rate(s, threshold)).sum::<f64>() / 5.0;
            assert!((curve.at(threshold) - mean).abs() < 1e-12, "{threshold}");
        }
    }
}

//! Models side by side in one cell by one measure, and two of them against each other.

use super::cells::mean_of;
use super::measure::Measure;
use super::numbers::Numbers;
use crate::score::{Clustered, Confidence, interval_of_difference, intervals, mean, replicate_means, sign_flip};
use rayon::prelude::*;
use std::collections::HashMap;

/// Models whose means are drawn together, which share the work of drawing.
const TOGETHER: usize = 16;

/// What several models have in a cell, by one measure: a column of values per model, a line per image (or pair of image
/// and subject) of the cell.
pub(super) struct ContrastColumns {
    /// The prompt of each line, from 0.
    prompts: Vec<u32>,
    columns: HashMap<u32, ContrastColumn>,
    /// The bounds of a difference.
    bounds: Option<[f64; 2]>,
    confidence: Option<Confidence>,
}

struct ContrastColumn {
    values: Numbers,
    /// Columns with values in the same lines have the same number.
    pattern: usize,
    /// Its means over the prompts drawn.
    replicates: Vec<f64>,
}

/// One model against another.
pub(super) struct Contrast {
    pub(super) pairs: u64,
    pub(super) prompts: u64,
    pub(super) only_a: u64,
    pub(super) only_b: u64,
    pub(super) mean_a: Option<f64>,
    pub(super) mean_b: Option<f64>,
    pub(super) difference: Option<f64>,
    pub(super) of_prompts: Option<f64>,
    pub(super) ci: Option<[f64; 2]>,
    pub(super) p: Option<f64>,
}

impl ContrastColumns {
    /// `of_lines` says the prompt of each line; lines of one prompt stand together. Without confidence no difference gets an
    /// interval.
    pub(super) fn new(
        measure: Measure,
        of_lines: &[u32],
        models: Vec<(u32, Numbers)>,
        confidence: Option<Confidence>,
    ) -> ContrastColumns {
        let mut distinct = of_lines.to_vec();
        distinct.dedup();
        let prompts: Vec<u32> = of_lines.iter().map(|prompt| distinct.partition_point(|d| d < prompt) as u32).collect();
        let mut patterns: HashMap<Vec<bool>, usize> = HashMap::new();
        let mut members: Vec<Vec<(u32, Numbers)>> = Vec::new();
        for (model, values) in models {
            let next = patterns.len();
            let pattern = *patterns.entry(values.iter().map(|value| value.is_some()).collect()).or_insert(next);
            if pattern == members.len() {
                members.push(Vec::new());
            }
            members[pattern].push((model, values));
        }
        let mut columns = HashMap::new();
        for (pattern, members) in members.into_iter().enumerate() {
            let clustered: Vec<Clustered> =
                members.iter().map(|(_, values)| Clustered::new(distinct.len(), clusters(&prompts, values.iter()))).collect();
            // A model that has nobody beside it is drawn with each of the others, over what they share.
            let replicates: Vec<Vec<f64>> = match (members.len(), confidence) {
                (1, _) | (_, None) => vec![Vec::new(); members.len()],
                (_, Some(confidence)) => {
                    clustered.par_chunks(TOGETHER).flat_map(|some| replicate_means(some, confidence)).collect()
                }
            };
            for ((model, values), replicates) in members.into_iter().zip(replicates) {
                columns.insert(model, ContrastColumn { values, pattern, replicates });
            }
        }
        let bounds = measure.bounds().map(|[least, most]| [least - most, most - least]);
        ContrastColumns { prompts, columns, bounds, confidence }
    }

    /// The one less the other; `None` where neither has an image.
    pub(super) fn contrast(&self, [a, b]: [u32; 2]) -> Option<Contrast> {
        let (one, other) = (self.columns.get(&a), self.columns.get(&b));
        if one.is_none() && other.is_none() {
            return None;
        }
        let nothing = ContrastColumn { values: Numbers::default(), pattern: usize::MAX, replicates: Vec::new() };
        let (one, other) = (one.unwrap_or(&nothing), other.unwrap_or(&nothing));
        let lines = 0..self.prompts.len();
        let both = || lines.clone().map(|line| Some([one.values.get(line)?, other.values.get(line)?]));
        let differences: Numbers = both().map(|both| both.map(|[a, b]| a - b)).collect();
        let pairs = differences.count();
        let of_prompts = self.by_prompt(&differences);
        let clusters_in_all = self.prompts.last().map_or(0, |last| *last as usize + 1);
        let clustered = Clustered::new(clusters_in_all, clusters(&self.prompts, differences.iter())).within(self.bounds);
        let ci = self.confidence.and_then(|confidence| match one.pattern == other.pattern {
            true if one.replicates.is_empty() || other.replicates.is_empty() => None,
            true => interval_of_difference(&clustered, [&one.replicates, &other.replicates], confidence),
            false => intervals(&[clustered], confidence).into_iter().next().flatten(),
        });
        Some(Contrast {
            pairs,
            prompts: of_prompts.len() as u64,
            only_a: one.values.count() - pairs,
            only_b: other.values.count() - pairs,
            mean_a: mean_of(both().map(|both| both.map(|[a, _]| a))),
            mean_b: mean_of(both().map(|both| both.map(|[_, b]| b))),
            difference: mean_of(differences.iter()),
            of_prompts: (!of_prompts.is_empty()).then(|| mean(&of_prompts)),
            ci,
            p: sign_flip(&of_prompts),
        })
    }

    /// The mean difference of each prompt that has one, in the order of the prompts.
    fn by_prompt(&self, differences: &Numbers) -> Vec<f64> {
        let mut means = Vec::new();
        let mut of_prompt: Vec<f64> = Vec::new();
        for (line, difference) in differences.iter().enumerate() {
            of_prompt.extend(difference);
            if self.prompts.get(line + 1) != Some(&self.prompts[line]) && !of_prompt.is_empty() {
                means.push(mean(&of_prompt));
                of_prompt.clear();
            }
        }
        means
    }
}

fn clusters(prompts: &[u32], values: impl Iterator<Item = Option<f64>>) -> impl Iterator<Item = (usize, Option<f64>)> {
    prompts.iter().map(|prompt| *prompt as usize).zip(values)
}

//! Models side by side in one cell by one measure, and two of them against each other.

use super::cells::mean_of;
use super::measure::Measure;
use crate::score::{Clustered, Confidence, interval_of_difference, intervals, mean, replicate_means, sign_flip};
use rayon::prelude::*;
use std::collections::HashMap;

/// Models whose means are drawn together, which share the work of drawing.
const TOGETHER: usize = 16;

/// What several models have in a cell, by one measure: a column of values per model, a line per image (or pair of image
/// and subject) of the cell.
pub(super) struct ContrastColumns {
    /// The prompt of each line, from 0.
    prompts: Vec<usize>,
    columns: HashMap<u32, ContrastColumn>,
    /// The bounds of a difference.
    bounds: Option<[f64; 2]>,
    confidence: Option<Confidence>,
}

struct ContrastColumn {
    values: Vec<Option<f64>>,
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
        models: Vec<(u32, Vec<Option<f64>>)>,
        confidence: Option<Confidence>,
    ) -> ContrastColumns {
        let mut distinct = of_lines.to_vec();
        distinct.dedup();
        let prompts: Vec<usize> = of_lines.iter().map(|prompt| distinct.partition_point(|d| d < prompt)).collect();
        let mut patterns: HashMap<Vec<bool>, usize> = HashMap::new();
        let mut members: Vec<Vec<(u32, Vec<Option<f64>>)>> = Vec::new();
        for (model, values) in models {
            let next = patterns.len();
            let pattern = *patterns.entry(values.iter().map(Option::is_some).collect()).or_insert(next);
            if pattern == members.len() {
                members.push(Vec::new());
            }
            members[pattern].push((model, values));
        }
        let mut columns = HashMap::new();
        for (pattern, members) in members.into_iter().enumerate() {
            let clustered: Vec<Clustered> =
                members.iter().map(|(_, values)| Clustered::new(distinct.len(), clusters(&prompts, values))).collect();
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
        let nothing = ContrastColumn { values: vec![None; self.prompts.len()], pattern: usize::MAX, replicates: Vec::new() };
        let (one, other) = (self.columns.get(&a), self.columns.get(&b));
        if one.is_none() && other.is_none() {
            return None;
        }
        let (one, other) = (one.unwrap_or(&nothing), other.unwrap_or(&nothing));
        let pair = |(x, y): (&Option<f64>, &Option<f64>)| Some([(*x)?, (*y)?]);
        let both: Vec<Option<[f64; 2]>> = one.values.iter().zip(&other.values).map(pair).collect();
        let side = |k: usize| mean_of(&both.iter().map(|pair| pair.map(|pair| pair[k])).collect::<Vec<_>>());
        let differences: Vec<Option<f64>> = both.iter().map(|pair| pair.map(|[x, y]| x - y)).collect();
        let pairs = differences.iter().flatten().count() as u64;
        let of_prompts = self.by_prompt(&differences);
        let clusters_in_all = self.prompts.last().map_or(0, |last| last + 1);
        let clustered = Clustered::new(clusters_in_all, clusters(&self.prompts, &differences)).within(self.bounds);
        let ci = self.confidence.and_then(|confidence| match one.pattern == other.pattern {
            true if one.replicates.is_empty() || other.replicates.is_empty() => None,
            true => interval_of_difference(&clustered, [&one.replicates, &other.replicates], confidence),
            false => intervals(&[clustered], confidence).into_iter().next().flatten(),
        });
        let scored = |column: &ContrastColumn| column.values.iter().flatten().count() as u64;
        Some(Contrast {
            pairs,
            prompts: of_prompts.len() as u64,
            only_a: scored(one) - pairs,
            only_b: scored(other) - pairs,
            mean_a: side(0),
            mean_b: side(1),
            difference: mean_of(&differences),
            of_prompts: (!of_prompts.is_empty()).then(|| mean(&of_prompts)),
            ci,
            p: sign_flip(&of_prompts),
        })
    }

    /// The mean difference of each prompt that has one, in the order of the prompts.
    fn by_prompt(&self, differences: &[Option<f64>]) -> Vec<f64> {
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

fn clusters<'v>(prompts: &'v [usize], values: &'v [Option<f64>]) -> impl Iterator<Item = (usize, Option<f64>)> + 'v {
    prompts.iter().copied().zip(values.iter().copied())
}

//! What metrics from elsewhere say: of each unit of a report, and of a cell.

use super::cells::{cell_intervals, mean_of};
use super::observations::Observations;
use super::{Measure, Snapshot};
use crate::catalog::GenerationRow;
use crate::score::Confidence;
use crate::vocabulary::{MetricName, MetricRule};
use std::collections::{HashMap, HashSet};

/// A metric with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSnapshot {
    /// Its name.
    pub name: MetricName,
    /// Which way it is better, and its range.
    pub rule: MetricRule,
    /// Whether it has a value for each subject of an image; otherwise it has one for the image.
    pub of_subjects: bool,
    /// By generation row: values of images.
    pub images: HashMap<i64, f64>,
    /// By generation row and place among the snapshot's subjects: values of subjects.
    pub subjects: HashMap<(i64, usize), f64>,
    /// Generation rows with a value that was imported as missing.
    pub missing: Vec<i64>,
    /// Generation rows with a value that is of an image as it no longer is.
    pub stale: Vec<i64>,
}

/// What a metric says of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellMetric {
    /// The metric.
    pub name: MetricName,
    /// Which way it is better, and its range.
    pub rule: MetricRule,
    /// Whether it has a value for each subject of an image.
    pub of_subjects: bool,
    /// The mean; `None` where there is no value.
    pub mean: Option<f64>,
    /// Generations with a value.
    pub images: u64,
    /// The interval of the mean, if intervals were asked for; within, `None` where fewer than two prompts have a value.
    pub ci: Option<Option<[f64; 2]>>,
}

impl Snapshot {
    /// Whether metrics are all that is known of the images: no encoder has a vector of any.
    pub(super) fn is_of_metrics_alone(&self) -> bool {
        self.encoders.is_empty() && !self.metrics.is_empty()
    }
}

impl MetricSnapshot {
    /// Returns the measure that it is, by its place among the snapshot's metrics.
    pub(super) fn measure(&self, at: usize) -> Measure {
        Measure::Metric { at, rule: self.rule, of_subjects: self.of_subjects }
    }

    /// Returns its value for a unit. An image's value is the mean over those of its subjects that have one.
    pub(super) fn of_unit(&self, units: &Observations<'_>, unit: usize, snapshot: &Snapshot) -> Option<f64> {
        let generation = units.fact(unit);
        if !self.of_subjects {
            return self.images.get(&generation.id).copied();
        }
        let requested = &snapshot.prompts[generation.prompt as usize].subjects;
        match &units.ordinal {
            Some(ordinals) => self.subjects.get(&(generation.id, requested[ordinals[unit] as usize])).copied(),
            None => self.of_image(generation.id, requested),
        }
    }

    /// Returns the mean over those of an image's subjects that have a value; of a metric of images, the image's value.
    pub(crate) fn of_image(&self, generation: i64, requested: &[usize]) -> Option<f64> {
        match self.of_subjects {
            true => mean_of(requested.iter().map(|subject| self.subjects.get(&(generation, *subject)).copied())),
            false => self.images.get(&generation).copied(),
        }
    }

    /// Returns what it says of the cell with these units.
    pub(super) fn cell(
        &self,
        units: &Observations<'_>,
        members: &[u32],
        snapshot: &Snapshot,
        confidence: Option<Confidence>,
    ) -> CellMetric {
        let values: Vec<Option<f64>> = members.iter().map(|unit| self.of_unit(units, *unit as usize, snapshot)).collect();
        let has_value = members.iter().zip(&values).filter(|(_, value)| value.is_some());
        let mut with: Vec<u32> = has_value.map(|(unit, _)| units.generation[*unit as usize]).collect();
        with.dedup();
        let ci = confidence.map(|confidence| {
            let prompts: Vec<u32> = members.iter().map(|unit| units.fact(*unit as usize).prompt).collect();
            cell_intervals(&prompts, &[(&values, self.rule.range)], confidence).into_iter().next().flatten()
        });
        CellMetric {
            name: self.name.clone(),
            rule: self.rule,
            of_subjects: self.of_subjects,
            mean: mean_of(values.iter().copied()),
            images: with.len() as u64,
            ci,
        }
    }

    /// Returns in a sentence how many of these generations have no value, and why; and how an image's value comes about.
    /// `None`: there is nothing to say.
    pub(super) fn note(&self, snapshot: &Snapshot, expected: impl Iterator<Item = GenerationRow>) -> Option<String> {
        let expected: Vec<GenerationRow> = expected.collect();
        // A control that nobody measured is not missed.
        let values_of = |g: &GenerationRow| self.of_image(g.id, &snapshot.prompts[g.prompt as usize].subjects);
        let measured: HashSet<u32> = expected.iter().filter(|g| values_of(g).is_some()).map(|g| g.model).collect();
        let is_missed = |model: u32| !snapshot.models[model as usize].1 || measured.contains(&model);
        let (mut all, mut with, mut partly) = (HashSet::new(), 0_usize, 0_usize);
        for generation in expected.into_iter().filter(|g| is_missed(g.model)) {
            all.insert(generation.id);
            let requested = &snapshot.prompts[generation.prompt as usize].subjects;
            with += usize::from(values_of(&generation).is_some());
            let has = |subject: &&usize| self.subjects.contains_key(&(generation.id, **subject));
            let values = requested.iter().filter(has).count();
            partly += usize::from(values > 0 && values < requested.len());
        }
        let of = |rows: &[i64]| rows.iter().filter(|row| all.contains(row)).count();
        let (missing, stale) = (of(&self.missing), of(&self.stale));
        let mut said = Vec::new();
        if with < all.len() {
            said.push(format!("{with} of {} images have a value, and the means are over these", all.len()));
        }
        if missing > 0 {
            said.push(format!("{missing} values were imported as missing"));
        }
        if stale > 0 {
            said.push(format!(
                "{stale} values are of images that have changed since and do not count (`msdata ingest --scores` takes new ones)"
            ));
        }
        if self.of_subjects {
            let partly = if partly > 0 { format!(" ({partly} images have values of only some subjects)") } else { String::new() };
            said.push(format!("the value of an image is the mean over those of its subjects that have one{partly}"));
        }
        (!said.is_empty()).then(|| format!("metric {}: {}", self.name, said.join("; ")))
    }
}

/// Returns a value of a metric as people read it: three decimals, or as a power of ten what they would round away.
pub(super) fn decimal(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.0005 { format!("{value:.1e}") } else { format!("{value:.3}") }
}

//! Pairs the images of two models by prompt and seed, cell by cell.

use super::contrast::{Contrast, ContrastColumns};
use super::keys::Keys;
use super::local::Locals;
use super::measure::Measure;
use super::numbers::Numbers;
use super::observations::Observations;
use super::warnings::{listed, written};
use super::{CompareOptions, Comparison, Key, KeyValue, RegionMeasure, Snapshot, thresholds_mean_something};
use crate::error::{Error, Result};
use crate::score::{Confidence, Question, holm, least_p};
use crate::text::{plain, quote};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The paired images and what was measured on them.
pub(super) struct Pairing<'a> {
    snapshot: &'a Snapshot,
    options: &'a CompareOptions,
    pub(super) identity: &'a str,
    identity_at: usize,
    locals: Option<Locals<'a>>,
    keys: Keys<'a>,
    /// By model, in the order of their names.
    pub(super) sides: BTreeMap<u32, ModelSide<'a>>,
    /// Every line of every cell: prompt, seed and place in the prompt.
    lines: BTreeMap<Vec<i64>, Vec<Line>>,
}

/// Where images of two models meet: prompt, seed and, where images are not compared whole, place in the prompt.
type Line = (u32, i64, u32);

/// A cell's keys, and its contrast for each pair of models.
type CellContrasts = (Vec<(Key, KeyValue)>, Vec<Option<Contrast>>);

/// One model's units, and its cells by the codes of their keys.
pub(super) struct ModelSide<'a> {
    snapshot: &'a Snapshot,
    /// By prompt, seed and place in the prompt.
    units: Observations<'a>,
    /// The units of each cell, ascending.
    pub(super) cells: BTreeMap<Vec<i64>, Vec<u32>>,
    /// Distinct sizes of its images.
    sizes: BTreeSet<[u32; 2]>,
}

impl ModelSide<'_> {
    pub(super) fn prompt(&self, unit: usize) -> u32 {
        self.snapshot.generations.prompt(self.units.generation[unit] as usize)
    }

    fn key(&self, unit: usize) -> Line {
        let generation = self.units.fact(unit);
        (generation.prompt, generation.seed, self.units.place(unit).unwrap_or_default())
    }

    fn len(&self) -> usize {
        self.units.generation.len()
    }

    /// Whether the two have an image of the same line.
    fn meets(&self, other: &ModelSide<'_>) -> bool {
        let (mut one, mut two) = (0, 0);
        while one < self.len() && two < other.len() {
            match self.key(one).cmp(&other.key(two)) {
                Ordering::Less => one += 1,
                Ordering::Greater => two += 1,
                Ordering::Equal => return true,
            }
        }
        false
    }

    /// A cell's values, line by line; lines that it has no unit of have none. Keys of cells are told by the line alone, so
    /// no other cell has a unit of these.
    fn column(&self, units: &[u32], lines: &[Line], value: impl Fn(usize) -> Option<f64>) -> Numbers {
        let mut units = units.iter().map(|unit| *unit as usize).peekable();
        lines.iter().map(|line| units.next_if(|unit| self.key(*unit) == *line).and_then(&value)).collect()
    }

    /// What a measure says of a unit.
    pub(super) fn value(&self, pairing: &Pairing<'_>, measure: Measure, unit: usize) -> Option<f64> {
        let generation = self.units.generation[unit] as usize;
        let of_windows = || {
            let locals = pairing.locals.as_ref()?;
            Some((locals, locals.of_unit(&self.units, unit)?))
        };
        match measure {
            Measure::Scr(threshold) => self.units.collapse(pairing.identity_at, unit, threshold),
            Measure::Similarity(encoder) => self.units.similarity(encoder, unit),
            Measure::ClipT(encoder) => self.units.clip_t(encoder, unit),
            Measure::BeyondWords => of_windows().and_then(|(locals, unit)| locals.beyond_words(unit)),
            Measure::Local => of_windows().map(|(locals, unit)| locals.similarity(unit)),
            Measure::Calibrated(question) => {
                of_windows().and_then(|(locals, unit)| locals.collapse(unit, question, pairing.options.alpha))
            }
            Measure::Auc(encoder) => Some(self.snapshot.baselines.as_ref()?.of.get(encoder)?.identification(generation)?.auc),
            Measure::Region(set, measure) => self.snapshot.regions[set].value(&self.units, unit, measure),
            Measure::Metric { at, .. } => self.snapshot.metrics[at].of_unit(&self.units, unit, self.snapshot),
            // What else needs the pool or the composites is of cells, not of images.
            _ => None,
        }
    }
}

impl Snapshot {
    /// Models under test that are shown, in their order.
    pub(super) fn under_test(&self) -> Vec<u32> {
        let under_test = |model: &u32| !self.models[*model as usize].1 && self.is_shown(*model);
        let mut models: Vec<u32> = (0..self.models.len() as u32).filter(under_test).collect();
        models.sort_by_key(|model| self.order(*model as usize));
        models
    }
}

/// Every pair of some models.
pub(super) fn every_pair(models: &[u32]) -> Vec<[u32; 2]> {
    models.iter().enumerate().flat_map(|(i, a)| models[i + 1..].iter().map(|b| [*a, *b])).collect()
}

impl<'a> Pairing<'a> {
    /// The images of these models.
    pub(super) fn new(snapshot: &'a Snapshot, options: &'a CompareOptions, models: &[u32]) -> Result<Pairing<'a>> {
        if let Some(key) = options.by.iter().find(|key| matches!(key, Key::Model | Key::Size)) {
            return Err(Error::request(
                format!("models cannot be compared by `{key}`: it differs between the two images of a pair"),
                "choose keys of prompts, seeds or subjects",
            ));
        }
        let keys = Keys::new(snapshot);
        let mut sides = BTreeMap::new();
        for model in models.iter().copied().collect::<BTreeSet<u32>>() {
            let units = Observations::new(snapshot, &options.by, snapshot.generations.of_model(model));
            let mut side = ModelSide { snapshot, units, cells: BTreeMap::new(), sizes: BTreeSet::new() };
            for unit in 0..side.len() {
                side.sizes.extend(side.units.fact(unit).size);
                side.cells.entry(side.units.codes(unit, &options.by, &keys).collect()).or_default().push(unit as u32);
            }
            sides.insert(model, side);
        }
        let mut lines: BTreeMap<Vec<i64>, Vec<Line>> = BTreeMap::new();
        for side in sides.values() {
            for (codes, members) in &side.cells {
                let lines = lines.entry(codes.clone()).or_default();
                lines.extend(members.iter().map(|unit| side.key(*unit as usize)));
                lines.sort(); // two ascending runs
                lines.dedup();
            }
        }
        let identity = snapshot.identity.as_str();
        let identity_at = snapshot.identity_place();
        let locals = Locals::new(snapshot, options.alpha);
        Ok(Pairing { snapshot, options, identity, identity_at, locals, keys, sides, lines })
    }

    /// Returns every measure that can be compared and means something, the one that leads first, or the one of that name.
    pub(super) fn measures(&self, wanted: Option<&str>) -> Result<Vec<Measure>> {
        let scr = || self.options.thresholds.values().iter().map(|t| Measure::Scr(*t));
        let scr_is_meant = thresholds_mean_something(self.identity, &self.options.thresholds);
        let mut all: Vec<Measure> = scr().filter(|_| scr_is_meant).collect();
        let encoders = || {
            // The encoder that decides collapse comes first.
            let others = (0..self.snapshot.encoders.len()).filter(|at| *at != self.identity_at);
            std::iter::once(self.identity_at).filter(|at| *at < self.snapshot.encoders.len()).chain(others)
        };
        all.extend(encoders().filter(|_| self.snapshot.baselines.is_some()).map(Measure::Auc));
        all.extend(encoders().map(Measure::Similarity));
        all.extend(encoders().filter(|at| self.snapshot.scores.has_texts(*at)).map(Measure::ClipT));
        if let Some(locals) = &self.locals {
            let mut of_windows = vec![Measure::Calibrated(Question::Present), Measure::Calibrated(Question::Identified)];
            of_windows.extend(locals.has_text_only().then_some(Measure::BeyondWords));
            of_windows.push(Measure::Local);
            // What means the same for every encoder comes first, where it can be said.
            let at = if locals.no_verdict(self.options.alpha).is_none() { 0 } else { all.len() };
            all.splice(at..at, of_windows);
        }
        all.extend(self.snapshot.metrics.iter().enumerate().map(|(at, metric)| metric.measure(at)));
        // What was asked for by name comes first.
        for set in (0..self.snapshot.regions.len()).rev() {
            let measures = [RegionMeasure::Collapse, RegionMeasure::PresenceF1, RegionMeasure::Identity, RegionMeasure::Matched];
            let others = [RegionMeasure::Top1, RegionMeasure::Margin, RegionMeasure::Bleeding, RegionMeasure::Homogenisation];
            all.splice(0..0, measures.into_iter().chain(others).map(|measure| Measure::Region(set, measure)));
        }
        let Some(wanted) = wanted else { return Ok(all) };
        all.extend(scr().filter(|_| !scr_is_meant));
        let names: Vec<String> = all.iter().map(|measure| self.name(*measure)).collect();
        match names.iter().position(|name| name == wanted) {
            Some(at) => Ok(vec![all[at]]),
            None => Err(Error::request(
                format!("there is no measure {}", quote(wanted)),
                format!("there are {} (`--thresholds` adds others)", names.join(", ")),
            )),
        }
    }

    /// Returns the name of a measure.
    pub(super) fn name(&self, measure: Measure) -> String {
        let encoder = match measure {
            Measure::ClipT(at) | Measure::Similarity(at) | Measure::Auc(at) => self.snapshot.encoders[at].1.as_str(),
            Measure::Region(set, _) => self.snapshot.regions[set].set.as_str(),
            Measure::Metric { at, .. } => self.snapshot.metrics[at].name.as_str(),
            _ => self.identity,
        };
        measure.name(encoder, self.options.alpha)
    }

    /// Why `first` leads and not cSCR: no image was searched, or no subject has a verdict.
    pub(super) fn why_not_by_cscr(&self, first: Measure) -> Option<String> {
        let instead = match first {
            Measure::Scr(_) => "the order is by SCR of whole images and not by cSCR",
            Measure::Metric { .. } => return None, // there is nothing else to order by
            Measure::Auc(_) => "the order is by identification AUC of whole images and not by cSCR",
            _ => "the order is by similarity of whole images and not by cSCR",
        };
        let Some(locals) = &self.locals else {
            return Some(format!(
                "{instead}, because no image was searched for each subject: `msdata embed --windows full` does it"
            ));
        };
        let why = locals.no_verdict(self.options.alpha)?;
        Some(format!("{instead}, because no requested subject has a verdict: {why}"))
    }

    pub(super) fn values(&self, codes: &[i64]) -> Vec<(Key, KeyValue)> {
        self.options.by.iter().zip(codes).map(|(key, code)| (*key, self.keys.value(*key, *code))).collect()
    }

    /// Every pair in every cell by every measure: measures outermost, cells innermost.
    pub(super) fn compare(&self, pairs: &[[u32; 2]], measures: &[Measure]) -> Vec<Comparison> {
        let confidence = Some(self.options.confidence);
        measures.iter().flat_map(|measure| self.compare_by(pairs, *measure, confidence)).collect()
    }

    /// Every pair in every cell by a measure, without intervals: they take nearly all the time, and an order needs none, nor do
    /// words.
    pub(super) fn match_up(&self, pairs: &[[u32; 2]], measure: Measure) -> Vec<Comparison> {
        self.compare_by(pairs, measure, None)
    }

    fn compare_by(&self, pairs: &[[u32; 2]], measure: Measure, confidence: Option<Confidence>) -> Vec<Comparison> {
        let models: BTreeSet<u32> = pairs.iter().flatten().copied().collect();
        let mut of_cells: Vec<CellContrasts> = Vec::new();
        for (codes, lines) in &self.lines {
            let column = |model: &u32| {
                let side = &self.sides[model];
                Some((*model, side.column(side.cells.get(codes)?, lines, |unit| side.value(self, measure, unit))))
            };
            let models = models.par_iter().filter_map(column).collect();
            let prompts: Vec<u32> = lines.iter().map(|(prompt, _, _)| *prompt).collect();
            let columns = ContrastColumns::new(measure, &prompts, models, confidence);
            of_cells.push((self.values(codes), pairs.par_iter().map(|pair| columns.contrast(*pair)).collect()));
        }
        let (mut rows, name) = (Vec::new(), self.name(measure));
        for (at, pair) in pairs.iter().enumerate() {
            let [a, b] = pair.map(|model| self.snapshot.models[model as usize].0.as_str());
            let of_cell = |(keys, contrasts): &mut (Vec<(Key, KeyValue)>, Vec<Option<Contrast>>)| {
                Some(Comparison::new([a, b], keys.clone(), (name.as_str(), measure.rule()), contrasts[at].take()?))
            };
            rows.extend(of_cells.iter_mut().filter_map(of_cell));
        }
        let adjusted = holm(&rows.iter().map(|row| row.p).collect::<Vec<_>>());
        rows.iter_mut().zip(adjusted).for_each(|(row, p)| row.p_holm = p);
        rows
    }

    /// Rows that could not show any difference, because Holm's method makes even the least p of so few prompts too
    /// large: how many, and the first.
    pub(super) fn floor_warning(&self, rows: &[Comparison]) -> Option<String> {
        let alpha = 1.0 - self.options.confidence.level;
        let (mut bound, mut first) = (0, None);
        for family in rows.chunk_by(|one, other| one.measure == other.measure) {
            let mut all: Vec<f64> = family.iter().filter_map(|row| row.p).collect();
            all.sort_by(f64::total_cmp);
            for row in family.iter().filter(|row| row.p.is_some()) {
                let least = least_p(row.prompts);
                let adjusted = least * (all.len() - all.partition_point(|p| *p < least)) as f64;
                if adjusted > alpha {
                    bound += 1;
                    first.get_or_insert((row, least, adjusted.min(1.0), all.len()));
                }
            }
        }
        let (row, least, adjusted, tests) = first?;
        let cell = if row.keys.is_empty() { String::new() } else { format!(", {}", written(row.keys.iter())) };
        let prompts = if row.prompts == 1 { "1 prompt gives".to_owned() } else { format!("{} prompts give", row.prompts) };
        Some(format!(
            "rows in which no difference could be told from chance, however large: {bound} of {}, the first {}: {prompts} a p of \
             {least:.1e} at least, and over the {tests} rows of a measure Holm's method makes that {adjusted:.2}; more prompts, \
             larger cells (`--whole`) or fewer models help",
            rows.len(),
            plain(&format!("{} and {}{cell}", row.a, row.b)),
        ))
    }

    /// Pairs of models whose images cannot be paired, or differ in size: how many, and the first.
    pub(super) fn warnings(&self, pairs: &[[u32; 2]]) -> Vec<String> {
        let (mut strangers, mut unlike) = (Vec::new(), Vec::new());
        for [a, b] in pairs {
            let (one, other) = (&self.sides[a], &self.sides[b]);
            let [a, b] = [a, b].map(|model| plain(self.snapshot.models[*model as usize].0.as_str()));
            let (ours, theirs) = (&one.sizes, &other.sizes);
            if !one.meets(other) {
                strangers.push(format!("{a} and {b}"));
            } else if !ours.is_empty() && !theirs.is_empty() && ours != theirs {
                unlike.push(format!("{a} {}, {b} {}", listed(ours), listed(theirs)));
            }
        }
        let mut said = Vec::new();
        if let Some(first) = strangers.first() {
            said.push(format!(
                "pairs of models without an image of the same prompt and seed: {}, the first {first}",
                strangers.len()
            ));
        }
        if let Some(first) = unlike.first() {
            said.push(format!(
                "pairs of models whose images differ in size, which may be a part of a difference: {}, the first {first}",
                unlike.len()
            ));
        }
        said
    }
}

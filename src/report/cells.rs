//! The grouping: one row per generation (or a pair of generation and subject), into cells, with Polars.
//!
//! Polars groups and collects; the means are ours, summed in the order of the rows' keys. A parallel
//! sum would change in its last digit with the number of threads.

use super::ceiling::Ceilings;
use super::keys::Keys;
use super::local::Locals;
use super::local_cells::LocalCells;
use super::observations::{Observations, Scores};
use super::regions::CellWish;
use super::warnings::warnings;
use super::{
    Baseline, Baselines, CellControls, CellMetric, CellRegions, Intervals, Key, KeyValue, Named, Published, RegionMeasure,
    RegionSnapshot, Report, ReportOptions, Row, Snapshot, Thresholds, thresholds_mean_something,
};
use crate::error::{Error, Result};
use crate::score::{Clustered, Confidence, Curve, Identification, intervals};
use polars::prelude::*;

/// Column of the units' positions.
const UNIT: &str = "unit";

/// Makes the report.
///
/// # Errors
/// Nothing says which encoder decides collapse.
pub fn build(snapshot: &Snapshot, options: &ReportOptions) -> Result<Report> {
    let names: Vec<&str> = snapshot.encoders.iter().map(|(_, name)| name.as_str()).collect();
    let identity = snapshot.identity.as_str();
    let scores = Scores::collect(snapshot);
    // A control is shown apart or not at all: it must not enter a mean over models.
    let apart = options.by.contains(&Key::Model);
    let reported = |model: u32| (apart || !snapshot.models[model as usize].1) && snapshot.is_shown(model);
    let units = Observations::new(snapshot, &scores, &options.by, |generation| reported(generation.model));
    let identity_at = names.iter().position(|n| *n == identity).unwrap_or(0);
    let table = CellTable {
        snapshot,
        options,
        identity: identity_at,
        texts: (0..names.len()).filter(|e| scores.has_texts(*e)).collect(),
        similarity: (0..names.len()).map(|e| units.similarity(e)).collect(),
        clip_t: (0..names.len()).map(|e| units.clip_t(e)).collect(),
        scr: options.thresholds.values().iter().map(|t| units.collapse(identity_at, *t)).collect(),
        ceilings: Ceilings::new(snapshot, &scores),
        names: &names,
        scores: &scores,
        units: &units,
    };
    let cells = group(&units, &Keys::new(snapshot), &options.by)
        .map_err(|e| Error::Damaged(format!("the report's grouping failed: {e}")))?;
    let mut warnings = warnings(snapshot, &scores, identity_at, &units, &cells, &options.by);
    let (of_thresholds, saturated) = table.saturation(&cells);
    warnings.extend(of_thresholds);
    let locals = Locals::new(snapshot, options.alpha);
    let of_cells = locals.as_ref().map(|locals| LocalCells::new(locals, &units, &cells, options));
    let mut notes: Vec<String> = locals.iter().flat_map(|locals| locals.notes(options.alpha)).collect();
    if snapshot.baselines.is_none() && !identity.is_empty() && !thresholds_mean_something(identity, &options.thresholds) {
        notes.push("identification was not computed, because there are very many images: `--controls` computes it".into());
    }
    warnings.extend(snapshot.unfound.clone());
    for set in &snapshot.regions {
        let (said, warned) = set.notes(snapshot);
        notes.extend(said);
        warnings.extend(warned);
    }
    let expected = || snapshot.generations.iter().filter(|g| reported(g.model));
    let (generations, unmade) = (expected().count() as u64, expected().filter(|g| g.id < 0).count() as u64);
    let metrics: Vec<Vec<Option<f64>>> = snapshot.metrics.iter().map(|metric| metric.of_units(&units, snapshot)).collect();
    let of_metrics = |members: &[usize]| -> Vec<CellMetric> {
        let all = snapshot.metrics.iter().zip(&metrics);
        all.map(|(metric, values)| metric.cell(&units, members, values, options.confidence)).collect()
    };
    let metric_notes = snapshot.metrics.iter().filter_map(|metric| metric.note(snapshot, expected())).collect();
    let rows: Vec<Row> = cells
        .into_iter()
        .enumerate()
        .map(|(cell, (keys, members))| Row {
            local: of_cells.as_ref().map(|of_cells| of_cells.cell(cell, &members, identity)),
            regions: snapshot.regions.iter().map(|set| region_cell(set, &units, &members, options)).collect(),
            metrics: of_metrics(&members),
            ..table.row(keys, &members)
        })
        .map(|row| if snapshot.is_of_metrics_alone() { row } else { row.with_counts_of_metrics() })
        .collect();
    let scored = snapshot
        .generations
        .iter()
        .enumerate()
        .filter(|(at, g)| reported(g.model) && is_scored(snapshot, &scores, identity_at, *at))
        .count() as u64;
    Ok(Report {
        thresholds: options.thresholds.clone(),
        identity: identity.to_owned(),
        by: options.by.clone(),
        rows,
        published: options.published.then(|| Published::beside(snapshot, &options.by)),
        generations,
        generations_missing: generations - scored,
        generations_waiting: 0,
        generations_unmade: unmade,
        unfinished: snapshot.unfinished.clone(),
        cut_prompts: snapshot.cut_prompts.clone(),
        saturated,
        warnings,
        notes,
        metric_notes,
    })
}

/// Whether a generation counts as scored: by the identity encoder, or where there is no encoder by any metric.
fn is_scored(snapshot: &Snapshot, scores: &Scores, identity: usize, generation: usize) -> bool {
    if !snapshot.is_of_metrics_alone() {
        return scores.similarity(identity, generation).is_some();
    }
    let facts = &snapshot.generations[generation];
    let requested = &snapshot.prompts[facts.prompt as usize].subjects;
    snapshot.metrics.iter().any(|metric| metric.of_image(facts.id, requested).is_some())
}

/// What a region set says of a cell.
fn region_cell(set: &RegionSnapshot, units: &Observations<'_>, members: &[usize], options: &ReportOptions) -> CellRegions {
    let wish = CellWish { controls: options.controls, curve: options.curve };
    let cell = set.cell(units, members, &wish);
    let Some(confidence) = options.confidence else { return cell };
    let prompts: Vec<u32> = members.iter().map(|unit| units.fact(*unit).prompt).collect();
    let values: Vec<Vec<Option<f64>>> = RegionMeasure::ALL
        .iter()
        .map(|measure| {
            let all = set.of_units(units, *measure);
            members.iter().map(|unit| all[*unit]).collect()
        })
        .collect();
    let measures: Vec<BoundedValues<'_>> = RegionMeasure::ALL
        .iter()
        .zip(&values)
        .map(|(measure, values)| (values.as_slice(), if measure.is_share() { SHARE } else { None }))
        .collect();
    let ci = cell_intervals(&prompts, &measures, confidence).try_into().ok();
    CellRegions { ci, ..cell }
}

/// The keys of a cell, and the positions of its units.
pub(super) type CellObservations = (Vec<(Key, KeyValue)>, Vec<usize>);

/// Groups units by the keys, in the order of the keys' values; those of a cell stay in their order.
fn group(units: &Observations<'_>, keys: &Keys<'_>, by: &[Key]) -> PolarsResult<Vec<CellObservations>> {
    let height = units.generation.len();
    let mut columns: Vec<Column> = by.iter().map(|key| Column::new(key.as_str().into(), units.codes(*key, keys))).collect();
    columns.push(Column::new(UNIT.into(), (0..height as u64).collect::<Vec<_>>()));
    let by_columns: Vec<Expr> = by.iter().map(|k| col(k.as_str())).collect();
    let names: Vec<PlSmallStr> = by.iter().map(|k| k.as_str().into()).collect();
    let grouped = DataFrame::new(height, columns)?
        .lazy()
        .group_by_stable(by_columns)
        .agg([col(UNIT)])
        .sort(names, SortMultipleOptions::default())
        .collect()?;
    let lists = grouped.column(UNIT)?.list()?;
    let mut cells = Vec::with_capacity(grouped.height());
    for row in 0..grouped.height() {
        let mut values = Vec::with_capacity(by.len());
        for key in by {
            let code = grouped.column(key.as_str())?.i64()?.get(row).unwrap_or_default();
            values.push((*key, keys.value(*key, code)));
        }
        let members = match lists.get_as_series(row) {
            Some(members) => members.u64()?.iter().flatten().map(|unit| unit as usize).collect(),
            None => Vec::new(),
        };
        cells.push((values, members));
    }
    Ok(cells)
}

/// Every unit's values, and what is made of them for each cell.
pub(super) struct CellTable<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) options: &'a ReportOptions,
    names: &'a [&'a str],
    /// The identity encoder.
    pub(super) identity: usize,
    /// Encoders with texts.
    texts: Vec<usize>,
    scores: &'a Scores,
    pub(super) units: &'a Observations<'a>,
    ceilings: Ceilings<'a>,
    /// [encoder][unit]
    pub(super) similarity: Vec<Vec<Option<f64>>>,
    /// [encoder][unit]
    clip_t: Vec<Vec<Option<f64>>>,
    /// [threshold][unit]
    pub(super) scr: Vec<Vec<Option<f64>>>,
}

impl CellTable<'_> {
    fn row(&self, keys: Vec<(Key, KeyValue)>, members: &[usize]) -> Row {
        let of_cell = |values: &Vec<Option<f64>>| -> Vec<Option<f64>> { members.iter().map(|m| values[*m]).collect() };
        let similarities: Vec<_> = self.similarity.iter().map(of_cell).collect();
        let clip_ts: Vec<_> = self.texts.iter().map(|e| of_cell(&self.clip_t[*e])).collect();
        let rates: Vec<_> = self.scr.iter().map(of_cell).collect();
        let generations: Vec<usize> = members.iter().map(|m| self.units.generation[*m] as usize).collect();
        // Pairs of one generation stand together.
        let count = |values: &[Option<f64>]| {
            let mut with: Vec<usize> = generations.iter().zip(values).filter(|(_, v)| v.is_some()).map(|(g, _)| *g).collect();
            with.dedup();
            with.len() as u64
        };
        // Without an encoder of whole images there is nothing to count, but for images with a metric.
        let with_metric: Vec<Option<f64>> = match self.snapshot.is_of_metrics_alone() {
            true => generations.iter().map(|g| is_scored(self.snapshot, self.scores, self.identity, *g).then_some(0.0)).collect(),
            false => Vec::new(),
        };
        let of_identity = similarities.get(self.identity).unwrap_or(&with_metric).as_slice();
        let images = count(of_identity);
        let subjects_of = |unit: usize| match self.units.ordinal {
            Some(_) => 1,
            None => self.subjects(self.units.generation[unit] as usize),
        };
        let subjects = members.iter().zip(of_identity).filter(|(_, v)| v.is_some()).map(|(m, _)| subjects_of(*m));
        let mut distinct = generations.clone();
        distinct.dedup();
        let named = similarities.iter().zip(self.names).map(|(values, name)| ((*name).to_owned(), count(values)));
        let texts = clip_ts.iter().zip(&self.texts).map(|(values, e)| (format!("clip_t/{}", self.names[*e]), count(values)));
        let scored = named.chain(texts).filter(|(_, n)| *n != images).collect();

        let cosines = similarities.iter().chain(&clip_ts).map(|values| (values.as_slice(), None));
        let measures: Vec<BoundedValues<'_>> = cosines.chain(rates.iter().map(|values| (values.as_slice(), SHARE))).collect();
        let [similarity, clip_t, scr] = self.label(measures.iter().map(|(values, _)| mean_of(values)));
        let ci = self.options.confidence.map(|confidence| {
            let prompts: Vec<u32> = generations.iter().map(|g| self.snapshot.generations[*g].prompt).collect();
            let [similarity, clip_t, scr] = self.label(cell_intervals(&prompts, &measures, confidence).into_iter());
            Intervals { clip_t, similarity, scr }
        });
        // Of N subjects, (1 − SCR) · N are left.
        let left = |values: &Vec<Option<f64>>| {
            let sum: f64 =
                members.iter().zip(values).filter_map(|(m, rate)| Some((1.0 - (*rate)?) * subjects_of(*m) as f64)).sum();
            (images > 0).then(|| sum / images as f64)
        };
        let thresholds = self.options.thresholds.values();
        // Where thresholds mean nothing, identification leads, asked for or not.
        let leads =
            !thresholds_mean_something(self.names.get(self.identity).copied().unwrap_or_default(), &self.options.thresholds);
        let baselines = self.snapshot.baselines.as_ref().filter(|_| self.options.controls || leads);
        let model = distinct.first().map(|g| self.snapshot.generations[*g].model as usize);
        Row {
            control: keys.iter().any(|(key, _)| *key == Key::Model) && model.is_some_and(|m| self.snapshot.models[m].1),
            keys,
            images,
            subjects: subjects.sum(),
            missing: distinct.len() as u64 - images,
            clip_t,
            similarity,
            scr,
            uncollapsed: thresholds.iter().map(|t| Thresholds::name(*t)).zip(rates.iter().map(left)).collect(),
            scored,
            ci,
            controls: baselines.map(|baselines| self.controls(baselines, members, &distinct)),
            curve: self.options.curve.then(|| self.curve(members)),
            local: None,
            regions: Vec::new(),
            metrics: Vec::new(),
        }
    }

    /// How many subjects a generation was asked for.
    fn subjects(&self, generation: usize) -> u64 {
        self.snapshot.prompts[self.snapshot.generations[generation].prompt as usize].subjects.len() as u64
    }

    fn curve(&self, members: &[usize]) -> Option<Curve> {
        match self.units.ordinal {
            Some(_) => {
                let pairs: Vec<f64> = members.iter().filter_map(|m| *self.similarity.get(self.identity)?.get(*m)?).collect();
                Curve::of(pairs.chunks(1))
            }
            None => {
                let of = |m: &usize| self.scores.of_subjects(self.identity, self.units.generation[*m] as usize);
                Curve::of(members.iter().filter_map(of))
            }
        }
    }

    /// Means over a cell's generations; where it is over pairs, similarity and ceiling are means over those.
    fn controls(&self, baselines: &Baselines, members: &[usize], generations: &[usize]) -> CellControls {
        let control =
            |encoder: usize, generation: usize| baselines.of.get(encoder)?.get(&self.snapshot.generations[generation].id);
        let mean = |encoder: usize, pick: &dyn Fn(&Baseline) -> Option<f64>| {
            mean_of(&generations.iter().map(|g| control(encoder, *g).and_then(pick)).collect::<Vec<_>>())
        };
        let identification = mean(self.identity, &|c| Some(c.identification.auc)).map(|auc| Identification {
            auc,
            r_precision: mean(self.identity, &|c| Some(c.identification.r_precision)).unwrap_or_default(),
            mean_rank: mean(self.identity, &|c| Some(c.identification.mean_rank)).unwrap_or_default(),
        });
        let chance = |threshold: f64| {
            let at = baselines.thresholds.iter().position(|known| *known == threshold)?;
            mean(self.identity, &|c| c.chance_scr.get(at).copied())
        };
        let thresholds = self.options.thresholds.values().iter();
        let chance_scr = thresholds.map(|threshold| (Thresholds::name(*threshold), chance(*threshold))).collect();
        let by_encoder = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<Named> {
            self.names.iter().enumerate().map(|(e, name)| ((*name).to_owned(), value(e))).collect()
        };
        let over_units = |value: &dyn Fn(usize, Option<u32>) -> Option<f64>| -> Option<f64> {
            let of = |m: &usize| value(self.units.generation[*m] as usize, self.units.ordinal.as_ref().map(|o| o[*m]));
            mean_of(&members.iter().map(of).collect::<Vec<_>>())
        };
        let scored = |e: usize, g: usize| self.scores.similarity(e, g);
        let ceiling = |e: usize, g: usize, o| scored(e, g).and_then(|_| self.ceilings.composite(e, g, o));
        let single = |e: usize, g: usize, o| scored(e, g).and_then(|_| self.ceilings.single(e, g, o));
        CellControls {
            complete: self.options.controls,
            identification,
            chance_scr,
            auc: by_encoder(&|e| mean(e, &|c| Some(c.identification.auc))),
            chance: by_encoder(&|e| mean(e, &|c| Some(c.chance))),
            ceiling: by_encoder(&|e| over_units(&|g, o| ceiling(e, g, o))),
            single: by_encoder(&|e| over_units(&|g, o| single(e, g, o))),
            normalised: by_encoder(&|e| self.normalised(e, members, &control)),
        }
    }

    /// (similarity − chance) / (ceiling − chance), each a mean over the units that have all three.
    fn normalised<'c>(
        &self,
        encoder: usize,
        members: &[usize],
        control: &impl Fn(usize, usize) -> Option<&'c Baseline>,
    ) -> Option<f64> {
        let of = |m: &usize| {
            let generation = self.units.generation[*m] as usize;
            let ordinal = self.units.ordinal.as_ref().map(|o| o[*m]);
            let ceiling = self.ceilings.composite(encoder, generation, ordinal)?;
            Some([self.similarity[encoder][*m]?, control(encoder, generation)?.chance, ceiling])
        };
        let all: Vec<[f64; 3]> = members.iter().filter_map(of).collect();
        let sums = all.iter().fold([0.0; 3], |sums, values| std::array::from_fn(|k| sums[k] + values[k]));
        let [similarity, chance, ceiling] = sums;
        // Where copies do no better than chance the encoder tells nobody from anybody.
        (ceiling > chance).then(|| (similarity - chance) / (ceiling - chance))
    }

    /// Names measures that stand in the order: similarities, CLIP-T, SCR.
    fn label<T>(&self, mut values: impl Iterator<Item = T>) -> [Vec<(String, T)>; 3] {
        let similarity = self.names.iter().map(|name| (*name).to_owned()).zip(values.by_ref()).collect();
        let clip_t = self.texts.iter().map(|e| self.names[*e].to_owned()).zip(values.by_ref()).collect();
        let scr = self.options.thresholds.values().iter().map(|t| Thresholds::name(*t)).zip(values).collect();
        [similarity, clip_t, scr]
    }
}

/// A measure's values, with the bounds that it cannot leave.
pub(super) type BoundedValues<'v> = (&'v [Option<f64>], Option<[f64; 2]>);

/// The bounds of a share.
pub(super) const SHARE: Option<[f64; 2]> = Some([0.0, 1.0]);

/// The interval of each measure of a cell; `prompts` says which prompt each value belongs to.
pub(super) fn cell_intervals(prompts: &[u32], measures: &[BoundedValues<'_>], confidence: Confidence) -> Vec<Option<[f64; 2]>> {
    let mut distinct: Vec<u32> = prompts.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let clusters: Vec<usize> = prompts.iter().map(|p| distinct.partition_point(|d| d < p)).collect();
    let clustered = |(values, bounds): &BoundedValues<'_>| {
        Clustered::new(distinct.len(), clusters.iter().copied().zip(values.iter().copied())).within(*bounds)
    };
    intervals(&measures.iter().map(clustered).collect::<Vec<_>>(), confidence)
}

/// The mean of what is there; `None` of nothing.
pub(super) fn mean_of(values: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = values.iter().flatten().copied().collect();
    (!values.is_empty()).then(|| crate::score::mean(&values))
}

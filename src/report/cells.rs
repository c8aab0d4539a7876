//! Makes rows of what was tallied; what needs the generations one by one is added beside it.

use super::cell_tally::CellTally;
use super::detail::Detail;
use super::local::Locals;
use super::local_cells::LocalCells;
use super::saturation::saturation;
use super::tally::{Tallied, Tallies, Tally};
use super::warnings::warnings;
use super::{Intervals, Key, Named, Published, Report, ReportOptions, Row, Snapshot, Thresholds, thresholds_mean_something};
use crate::score::{Clustered, Confidence, intervals, mean_if_any};
use rayon::prelude::*;

/// What a report of a snapshot is tallied by; without a look at thresholds, what [`build_cells`] needs.
pub(crate) fn tallied<'o>(snapshot: &Snapshot, options: &'o ReportOptions, looks_at_thresholds: bool) -> Tallied<'o> {
    // Whether a threshold separates anything is seen from an interval too.
    let with_intervals = options.confidence.is_some() || (looks_at_thresholds && snapshot.baselines.is_some());
    Tallied::of(options, with_intervals)
}

/// Makes the report of generations that were tallied; the snapshot holds them too where it holds more than facts.
pub(crate) fn build(snapshot: &Snapshot, options: &ReportOptions, tally: Tally<'_>) -> Report {
    build_with(snapshot, options, tally, true)
}

/// Makes the same without a look for thresholds at which nothing is told apart, which takes as long as intervals do.
pub(crate) fn build_cells(snapshot: &Snapshot, options: &ReportOptions, tally: Tally<'_>) -> Report {
    build_with(snapshot, options, tally, false)
}

fn build_with(snapshot: &Snapshot, options: &ReportOptions, tally: Tally<'_>, looks_at_thresholds: bool) -> Report {
    let tallies = tally.finish();
    let detail = needs_detail(snapshot, options, looks_at_thresholds).then(|| Detail::new(snapshot, options, &tallies));
    assemble(snapshot, options, &tallies, detail.as_ref(), looks_at_thresholds)
}

/// Whether a report needs more than counts and sums: its generations one by one.
fn needs_detail(snapshot: &Snapshot, options: &ReportOptions, looks_at_thresholds: bool) -> bool {
    let has_more = snapshot.local.is_some() || !snapshot.regions.is_empty() || !snapshot.metrics.is_empty();
    let has_controls = looks_at_thresholds || shows_controls(snapshot, options);
    has_more || options.curve || (snapshot.baselines.is_some() && has_controls)
}

/// Whether cells have their controls: where thresholds mean nothing, identification leads, asked for or not.
fn shows_controls(snapshot: &Snapshot, options: &ReportOptions) -> bool {
    options.controls || !thresholds_mean_something(&snapshot.identity, &options.thresholds)
}

fn assemble(
    snapshot: &Snapshot,
    options: &ReportOptions,
    tallies: &Tallies,
    detail: Option<&Detail<'_>>,
    looks_at_thresholds: bool,
) -> Report {
    let identity = snapshot.identity.as_str();
    let table = CellTable {
        snapshot,
        options,
        identity: snapshot.identity_place(),
        names: snapshot.encoders.iter().map(|(_, name)| name.as_str()).collect(),
        texts: &tallies.texts,
        detail,
    };
    let mut warnings = warnings(snapshot, tallies, &options.by);
    let (of_thresholds, saturated) =
        if looks_at_thresholds { saturation(snapshot, options, &tallies.cells, detail) } else { Default::default() };
    warnings.extend(of_thresholds);
    let locals = detail.and_then(|_| Locals::new(snapshot, options.alpha));
    let of_windows = locals.as_ref().zip(detail).map(|(locals, detail)| {
        let cells = LocalCells::new(locals, &detail.units, &detail.members, options);
        (cells, detail)
    });
    let mut notes: Vec<String> = locals.iter().flat_map(|locals| locals.notes(options.alpha)).collect();
    warnings.extend(snapshot.unfound.clone());
    for set in &snapshot.regions {
        let (said, warned) = set.notes(snapshot);
        notes.extend(said);
        warnings.extend(warned);
    }
    let row = |(at, cell): (usize, &CellTally)| {
        let row = Row {
            local: of_windows.as_ref().map(|(windows, detail)| windows.cell(at, &detail.members[at], identity)),
            regions: detail.map(|detail| detail.regions(at)).unwrap_or_default(),
            metrics: detail.map(|detail| detail.metrics(at)).unwrap_or_default(),
            ..table.row(at, cell)
        };
        if snapshot.is_of_metrics_alone() { row } else { row.with_counts_of_metrics() }
    };
    let mut rows: Vec<Row> = tallies.cells.par_iter().enumerate().map(row).collect();
    if let Some(confidence) = options.confidence {
        let found = drawn_together(&tallies.cells, |cells| table.intervals(cells, confidence));
        rows.iter_mut().zip(found).for_each(|(row, found)| row.ci = Some(found));
    }
    let scored = match detail.filter(|_| snapshot.is_of_metrics_alone()) {
        Some(detail) => detail.measured_generations(),
        None => tallies.totals.scored,
    };
    Report {
        thresholds: options.thresholds.clone(),
        identity: identity.to_owned(),
        by: options.by.clone(),
        rows,
        published: options.published.then(|| Published::beside(snapshot, &options.by)),
        generations: tallies.totals.generations,
        generations_missing: tallies.totals.generations - scored,
        generations_waiting: 0,
        generations_unmade: tallies.totals.unmade,
        unfinished: snapshot.unfinished.clone(),
        cut_prompts: snapshot.cut_prompts.clone(),
        saturated,
        warnings,
        notes,
        metric_notes: detail.map(Detail::metric_notes).unwrap_or_default(),
    }
}

/// Makes something of each cell with an interval of it, which takes long where there are many prompts: `of` is given some
/// cells at a time, which can share the drawing.
pub(super) fn drawn_together<C: Sync, T: Send>(cells: &[C], of: impl Fn(&[C]) -> Vec<T> + Send + Sync) -> Vec<T> {
    const MOST: usize = 16;
    let together = (cells.len() / (4 * rayon::current_num_threads())).clamp(1, MOST);
    cells.par_chunks(together).map(of).collect::<Vec<_>>().into_iter().flatten().collect()
}

/// What all cells have in common.
struct CellTable<'a> {
    snapshot: &'a Snapshot,
    options: &'a ReportOptions,
    names: Vec<&'a str>,
    /// The place of the encoder that decides collapse.
    identity: usize,
    /// Encoders with texts.
    texts: &'a [usize],
    detail: Option<&'a Detail<'a>>,
}

impl CellTable<'_> {
    fn row(&self, at: usize, cell: &CellTally) -> Row {
        // Without an encoder of whole images there is nothing to count, but for images with a metric.
        let [images, subjects] = match self.detail.filter(|_| self.snapshot.is_of_metrics_alone()) {
            Some(detail) => detail.measured(at),
            None if self.names.is_empty() => [0, 0],
            None => [cell.scored[self.identity], cell.units(self.identity).1],
        };
        let named = self.names.iter().zip(&cell.scored).map(|(name, count)| ((*name).to_owned(), *count));
        let texts = self.texts.iter().map(|e| (format!("clip_t/{}", self.names[*e]), cell.with_text[*e]));
        let scored = named.chain(texts).filter(|(_, n)| *n != images).collect();
        let thresholds = self.options.thresholds.values();
        let has_identity = !self.names.is_empty();
        let of_thresholds = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<Named> {
            let value = |at: usize| if has_identity { value(at) } else { None };
            thresholds.iter().enumerate().map(|(at, threshold)| (Thresholds::name(*threshold), value(at))).collect()
        };
        let has_controls = shows_controls(self.snapshot, self.options);
        let controls = self.detail.filter(|_| has_controls).and_then(|detail| detail.controls(at));
        Row {
            control: cell.keys.iter().any(|(key, _)| *key == Key::Model) && self.snapshot.models[cell.model as usize].1,
            keys: cell.keys.clone(),
            images,
            subjects,
            missing: cell.generations - images,
            clip_t: self.texts.iter().map(|e| (self.names[*e].to_owned(), cell.clip_t(*e))).collect(),
            similarity: self.names.iter().enumerate().map(|(e, name)| ((*name).to_owned(), cell.similarity(e))).collect(),
            scr: of_thresholds(&|at| cell.scr(at, self.identity)),
            uncollapsed: of_thresholds(&|at| (images > 0).then(|| cell.uncollapsed(at, self.identity) as f64 / images as f64)),
            scored,
            ci: None,
            controls,
            curve: self.detail.filter(|_| self.options.curve).map(|detail| detail.curve(at)),
            local: None,
            regions: Vec::new(),
            metrics: Vec::new(),
        }
    }

    /// Returns the intervals of some cells.
    fn intervals(&self, cells: &[CellTally], confidence: Confidence) -> Vec<Intervals> {
        let thresholds = self.options.thresholds.values();
        let mut measures: Vec<Clustered> = Vec::new();
        for cell in cells {
            measures.extend((0..self.names.len()).map(|e| cell.clustered_similarity(e)));
            measures.extend(self.texts.iter().map(|e| cell.clustered_clip_t(*e)));
            if !self.names.is_empty() {
                measures.extend((0..thresholds.len()).map(|at| cell.clustered_scr(at, self.identity)));
            }
        }
        let mut ends = intervals(&measures, confidence).into_iter();
        let mut of_cell = || {
            let similarity = self.names.iter().map(|name| (*name).to_owned()).zip(ends.by_ref()).collect();
            let clip_t = self.texts.iter().map(|e| self.names[*e].to_owned()).zip(ends.by_ref()).collect();
            // Without an encoder they are there, and empty.
            let scr = thresholds.iter().map(|t| (Thresholds::name(*t), ends.next().flatten())).collect();
            Intervals { clip_t, similarity, scr }
        };
        cells.iter().map(|_| of_cell()).collect()
    }
}

/// A measure's values, with the bounds that it cannot leave.
pub(super) type BoundedValues<'v> = (&'v [Option<f64>], Option<[f64; 2]>);

/// The bounds of a share.
pub(super) const SHARE: Option<[f64; 2]> = Some([0.0, 1.0]);

/// The interval of each measure of a cell; `prompts` says which prompt each value belongs to.
pub(super) fn cell_intervals(prompts: &[u32], measures: &[BoundedValues<'_>], confidence: Confidence) -> Vec<Option<[f64; 2]>> {
    intervals(&clustered_by_prompt(prompts, measures), confidence)
}

/// Each measure of a cell by the prompts that its values belong to.
pub(super) fn clustered_by_prompt(prompts: &[u32], measures: &[BoundedValues<'_>]) -> Vec<Clustered> {
    let mut distinct: Vec<u32> = prompts.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let clusters: Vec<usize> = prompts.iter().map(|p| distinct.partition_point(|d| d < p)).collect();
    let clustered = |(values, bounds): &BoundedValues<'_>| {
        Clustered::new(distinct.len(), clusters.iter().copied().zip(values.iter().copied())).within(*bounds)
    };
    measures.iter().map(clustered).collect()
}

/// The mean of what is there; `None` of nothing.
pub(super) fn mean_of(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    mean_if_any(values.into_iter().flatten())
}

//! What the page says first: who leads and how surely, and which subjects and scenes are hardest.

use crate::error::Result;
use crate::ops::report::figures::FigureOptions;
use crate::page::{Hardest, PageRanking, PageVerdict};
use crate::plot::query_of;
use crate::report::{ALPHA, CompareOptions, Key, KeyValue, Measure, MeasureColumn, Report, Row, Snapshot, compare, leaderboard};
use crate::score::{Confidence, mean};
use std::collections::{BTreeMap, BTreeSet};

/// Reports of the same data set by what the names say.
pub(super) struct VerdictReports<'r> {
    pub(super) by_model: &'r Report,
    /// By model, subject count and scene type.
    pub(super) by_cell: &'r Report,
    /// By subject and model.
    pub(super) by_subject: &'r Report,
}

/// Returns what leads and who; `None` where nothing is scored. `label` names a subject by its id.
pub(super) fn verdict(
    snapshot: &Snapshot,
    drawn: &FigureOptions,
    threshold: f64,
    reports: &VerdictReports<'_>,
    label: impl Fn(&str) -> String,
) -> Result<Option<PageVerdict>> {
    let Some(measure) = reports.by_model.leading(threshold) else { return Ok(None) };
    let options = CompareOptions {
        by: Vec::new(),
        thresholds: drawn.thresholds.clone(),
        identity: drawn.identity.clone(),
        confidence: Confidence::default(),
        measure: Some(measure.name(&reports.by_model.identity, ALPHA)),
        alpha: ALPHA,
        models: drawn.models.clone(),
        ..CompareOptions::default()
    };
    let board = leaderboard(snapshot, &options)?;
    let pairs = compare(snapshot, None, &CompareOptions { measure: None, ..options })?;
    let subject = |row: &Row| row.key(Key::SubjectId).and_then(KeyValue::text).map(&label);
    let scene = |row: &Row| match (row.key(Key::SubjectCount), row.key(Key::SceneType)) {
        (Some(KeyValue::Integer(n)), Some(KeyValue::Text(Some(scene)))) => Some(format!("{n} subjects, {scene}")),
        _ => None,
    };
    // Identification is of images, so a subject is known by its similarity.
    let of_subjects = match measure {
        Measure::Auc(at) => Measure::Similarity(at),
        measure => measure,
    };
    let mut sizes: BTreeMap<u32, BTreeSet<[u32; 2]>> = BTreeMap::new();
    for generation in snapshot.generations.iter().filter(|g| !snapshot.models[g.model as usize].1) {
        sizes.entry(generation.model).or_default().extend(generation.size);
    }
    let sizes_differ = sizes.values().filter(|of| !of.is_empty()).collect::<BTreeSet<_>>().len() > 1;
    Ok(Some(PageVerdict {
        measure,
        board,
        pairs,
        subjects: ranking(reports.by_subject, of_subjects, subject),
        scenes: ranking(reports.by_cell, measure, scene),
        sizes: sizes.into_values().flatten().collect::<BTreeSet<_>>().into_iter().collect(),
        sizes_differ,
    }))
}

/// Returns the cells of a report by their means over the models under test, the hardest first; `None` where the report
/// lacks the measure. Cells are told apart by every key but the model.
fn ranking(report: &Report, measure: Measure, name: impl Fn(&Row) -> Option<String>) -> Option<PageRanking> {
    let column: MeasureColumn = report.columns().into_iter().find(|column| column.measures(measure))?;
    let mut cells: BTreeMap<String, (String, Vec<f64>)> = BTreeMap::new();
    for row in report.rows.iter().filter(|row| !row.control) {
        let (Some(name), Some(value)) = (name(row), column.value(row)) else { continue };
        let keys: Vec<(Key, KeyValue)> = row.keys.iter().filter(|(key, _)| *key != Key::Model).cloned().collect();
        cells.entry(query_of(&keys)).or_insert_with(|| (name, Vec::new())).1.push(value);
    }
    let hardest = |(query, (name, values)): (String, (String, Vec<f64>))| Hardest { name, query, value: mean(&values) };
    let mut all: Vec<Hardest> = cells.into_iter().map(hardest).collect();
    let sign = if column.higher_is_better() { 1.0 } else { -1.0 };
    all.sort_by(|a, b| (sign * a.value).total_cmp(&(sign * b.value)).then_with(|| a.query.cmp(&b.query)));
    (!all.is_empty()).then_some(PageRanking { column, all })
}

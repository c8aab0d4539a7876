//! Thresholds at which nothing is told apart, and cells in which composites of the references are no ceiling: what a
//! reader must not take SCR, or the distance to the ceiling, for.

use super::cell_tally::CellTally;
use super::cells::drawn_together;
use super::detail::Detail;
use super::warnings::{CellWarning, FEW, written};
use super::{Key, KeyValue, ReportOptions, Snapshot, Thresholds, thresholds_mean_something};
use crate::score::{Confidence, intervals};
use crate::text::plain;
use std::collections::{BTreeSet, HashMap};

/// The share of collapsed subjects from which on a composite that holds every reference has itself collapsed.
const COLLAPSED: f64 = 0.5;

/// Returns sentences on thresholds that separate nothing in some cells, because the composite of the references is
/// itself collapsed at them, or because a model is as near to chance as its interval is wide; and on cells in which a
/// model exceeds the composite. Each names the first such cell. Then the thresholds that separate nothing anywhere: where
/// composites are collapsed, or no model is further from chance.
pub(super) fn saturation(
    snapshot: &Snapshot,
    options: &ReportOptions,
    cells: &[CellTally],
    detail: Option<&Detail<'_>>,
) -> (Vec<String>, Vec<f64>) {
    let identity = snapshot.identity_place();
    if snapshot.encoders.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let composites = composites(snapshot, cells);
    let (mut said, mut saturated) = (Vec::new(), Vec::new());
    let meant = thresholds_mean_something(&snapshot.identity, &options.thresholds);
    let is_under_test = |(_, cell): &(usize, &CellTally)| !snapshot.models[cell.model as usize].1;
    let under_test: Vec<(usize, &CellTally)> = cells.iter().enumerate().filter(is_under_test).collect();
    // Of few prompts an interval is so wide that it says nothing of a threshold.
    let has_interval = |cell: &CellTally| meant && detail.is_some() && cell.prompts.len() >= FEW;
    let thresholds = 0..options.thresholds.values().len();
    let spreads = drawn_together(&under_test, |cells| {
        let drawn = cells.iter().filter(|(_, cell)| has_interval(cell));
        let rates = drawn.flat_map(|(_, cell)| thresholds.clone().map(|at| cell.clustered_scr(at, identity)));
        let mut found = intervals(&rates.collect::<Vec<_>>(), Confidence::default()).into_iter();
        let mut of = |cell| if has_interval(cell) { found.by_ref().take(thresholds.len()).collect() } else { Vec::new() };
        cells.iter().map(|(_, cell)| of(cell)).collect()
    });
    for (at, threshold) in options.thresholds.values().iter().enumerate().filter(|_| meant) {
        let (mut collapsed, mut near) = (CellWarning::default(), CellWarning::default());
        let mut met = BTreeSet::new();
        for ((place, cell), spread) in under_test.iter().zip(&spreads) {
            let of_composite = composites.get(&others(&cell.keys)).and_then(|composite| composite.scr(at, identity));
            if let Some(share) = of_composite.filter(|share| *share >= COLLAPSED)
                && met.insert(others(&cell.keys))
            {
                collapsed.note(&without_model(&cell.keys), || per_cent(share));
            }
            let chance = detail.and_then(|detail| detail.chance(at, *place));
            let (Some(rate), Some(chance)) = (cell.scr(at, identity), chance) else { continue };
            let interval = spread.get(at).copied().flatten();
            if interval.is_some_and(|[low, high]| (rate - chance).abs() <= high - low) {
                near.note(&cell.keys, || format!("{}, by chance {}", per_cent(rate), per_cent(chance)));
            }
        }
        let near_everywhere = near.first().is_some_and(|(n, _)| n == under_test.len());
        if collapsed.first().is_some() || near_everywhere {
            saturated.push(*threshold);
        }
        let name = Thresholds::name(*threshold);
        let lead = format!("SCR@{name}: this threshold separates nothing here; read AUC (`--controls`)");
        if let Some((n, first)) = collapsed.first() {
            said.push(format!(
                "{lead}: even the composite of the references is collapsed, in {}, the first {}",
                counted(n),
                plain(first)
            ));
        }
        if let Some((n, first)) = near.first() {
            said.push(format!(
                "{lead}: a model is no further from chance than its interval is wide, in {}, the first {}",
                counted(n),
                plain(first)
            ));
        }
    }
    let mut above = CellWarning::default();
    for (_, cell) in &under_test {
        let of_composite = composites.get(&others(&cell.keys)).and_then(|composite| composite.similarity(identity));
        if let (Some(model), Some(composite)) = (cell.similarity(identity), of_composite)
            && model > composite
        {
            above.note(&cell.keys, || format!("{model:.3}, the composite {composite:.3}"));
        }
    }
    if let Some((n, first)) = above.first() {
        said.push(format!(
            "the composite of the references is no ceiling here: a model's similarity exceeds it in {}, the first {}",
            counted(n),
            plain(first)
        ));
    }
    (said, saturated)
}

/// The cells of composites, by their other keys.
fn composites<'c>(snapshot: &Snapshot, cells: &'c [CellTally]) -> HashMap<String, &'c CellTally> {
    let is_of_composites =
        |cell: &&CellTally| cell.keys.iter().any(|(key, _)| *key == Key::Model) && snapshot.composite == Some(cell.model);
    cells.iter().filter(is_of_composites).map(|cell| (others(&cell.keys), cell)).collect()
}

fn without_model(keys: &[(Key, KeyValue)]) -> Vec<(Key, KeyValue)> {
    keys.iter().filter(|(key, _)| *key != Key::Model).cloned().collect()
}

fn others(keys: &[(Key, KeyValue)]) -> String {
    written(keys.iter().filter(|(key, _)| *key != Key::Model))
}

fn per_cent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn counted(cells: usize) -> String {
    if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") }
}

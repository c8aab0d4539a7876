//! Thresholds at which nothing is told apart, and cells in which composites of the references are no ceiling: what a
//! reader must not take SCR, or the distance to the ceiling, for.

use super::cells::{CellObservations, CellTable, SHARE, cell_intervals, mean_of};
use super::warnings::{CellWarning, FEW, written};
use super::{Key, KeyValue, Thresholds, thresholds_mean_something};
use crate::score::Confidence;
use crate::text::plain;
use std::collections::{BTreeSet, HashMap};

/// The share of collapsed subjects from which on a composite that holds every reference has itself collapsed.
const COLLAPSED: f64 = 0.5;

impl CellTable<'_> {
    /// Returns sentences on thresholds that separate nothing in some cells, because the composite of the references is
    /// itself collapsed at them, or because a model is as near to chance as its interval is wide; and on cells in which a
    /// model exceeds the composite. Each names the first such cell. Then the thresholds that separate nothing anywhere: where
    /// composites are collapsed, or no model is further from chance.
    pub(super) fn saturation(&self, cells: &[CellObservations]) -> (Vec<String>, Vec<f64>) {
        let composites = self.composites(cells);
        let (mut said, mut saturated) = (Vec::new(), Vec::new());
        let meant = thresholds_mean_something(&self.snapshot.identity, &self.options.thresholds);
        let under_test: Vec<&CellObservations> = cells.iter().filter(|(_, members)| !self.is_control(members)).collect();
        for (at, threshold) in self.options.thresholds.values().iter().enumerate().filter(|_| meant) {
            let rate = |members: &[usize]| mean_of(&members.iter().map(|m| self.scr[at][*m]).collect::<Vec<_>>());
            let (mut collapsed, mut near) = (CellWarning::default(), CellWarning::default());
            let mut met = Vec::new();
            for (keys, members) in &under_test {
                let of_composite = composites.get(&others(keys)).and_then(|members| rate(members));
                if let Some(share) = of_composite.filter(|share| *share >= COLLAPSED)
                    && !met.contains(&others(keys))
                {
                    met.push(others(keys));
                    collapsed.note(&without_model(keys), || per_cent(share));
                }
                let (Some(rate), Some(chance)) = (rate(members), self.chance(at, members)) else { continue };
                let prompts: Vec<u32> = members.iter().map(|m| self.units.fact(*m).prompt).collect();
                if prompts.iter().collect::<BTreeSet<_>>().len() < FEW {
                    continue; // so wide an interval says nothing of the threshold
                }
                let values: Vec<Option<f64>> = members.iter().map(|m| self.scr[at][*m]).collect();
                let interval = cell_intervals(&prompts, &[(&values, SHARE)], Confidence::default()).into_iter().next().flatten();
                if interval.is_some_and(|[low, high]| (rate - chance).abs() <= high - low) {
                    near.note(keys, || format!("{}, by chance {}", per_cent(rate), per_cent(chance)));
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
        let similarity = |members: &[usize]| {
            let of_identity = self.similarity.get(self.identity)?;
            mean_of(&members.iter().map(|m| of_identity[*m]).collect::<Vec<_>>())
        };
        let mut above = CellWarning::default();
        for (keys, members) in &under_test {
            let of_composite = composites.get(&others(keys)).and_then(|members| similarity(members));
            if let (Some(model), Some(composite)) = (similarity(members), of_composite)
                && model > composite
            {
                above.note(keys, || format!("{model:.3}, the composite {composite:.3}"));
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
    fn composites<'c>(&self, cells: &'c [CellObservations]) -> HashMap<String, &'c [usize]> {
        let is_composite = |members: &[usize]| {
            let first = members.first().map(|m| self.units.fact(*m).model);
            first.is_some() && first == self.snapshot.composite
        };
        let found =
            cells.iter().filter(|(keys, members)| keys.iter().any(|(key, _)| *key == Key::Model) && is_composite(members));
        found.map(|(keys, members)| (others(keys), members.as_slice())).collect()
    }

    fn is_control(&self, members: &[usize]) -> bool {
        members.first().is_none_or(|m| self.snapshot.models[self.units.fact(*m).model as usize].1)
    }

    /// SCR by chance over the images of a cell, at a threshold by its place.
    fn chance(&self, threshold: usize, members: &[usize]) -> Option<f64> {
        let baselines = self.snapshot.baselines.as_ref()?;
        let wanted = *self.options.thresholds.values().get(threshold)?;
        let at = baselines.thresholds.iter().position(|known| *known == wanted)?;
        let of = |m: &usize| baselines.of.get(self.identity)?.get(&self.units.fact(*m).id)?.chance_scr.get(at).copied();
        mean_of(&members.iter().map(of).collect::<Vec<_>>())
    }
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

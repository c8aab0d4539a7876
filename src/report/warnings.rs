//! What a reader of a table should know of its cells before comparing them.

use super::cell_tally::CellTally;
use super::tally::Tallies;
use super::{Key, KeyValue, Snapshot};
use crate::catalog::UnfinishedRun;
use crate::vocabulary::{COMPOSITE, CROP};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Prompts below which a mean says more about the prompts than about the model.
pub(super) const FEW: usize = 5;

/// Sentences about cells that mix image sizes, that lack prompts which another model has, or that have fewer
/// than five prompts; each names the first such cell.
pub(super) fn warnings(snapshot: &Snapshot, tallies: &Tallies, by: &[Key]) -> Vec<String> {
    let (mut mixed, mut few, mut lacking) = (CellWarning::default(), CellWarning::default(), CellWarning::default());
    // By the cell's other keys: every prompt that some model has.
    let mut of_any_model: BTreeMap<String, HashSet<u32>> = BTreeMap::new();
    let mut seen = Vec::with_capacity(tallies.cells.len());
    for CellTally { keys, prompts, sizes, model, .. } in &tallies.cells {
        if prompts.is_empty() || snapshot.models[*model as usize].1 {
            continue; // nothing to be compared, or a control
        }
        if sizes.len() > 1 {
            mixed.note(keys, || listed(sizes));
        }
        if prompts.len() < FEW && !by.contains(&Key::PromptId) {
            few.note(keys, || prompts.len().to_string());
        }
        let others = written(keys.iter().filter(|(key, _)| *key != Key::Model));
        of_any_model.entry(others.clone()).or_default().extend(prompts);
        seen.push((keys, others, prompts));
    }
    for (keys, others, prompts) in &seen {
        let all = &of_any_model[others];
        if by.contains(&Key::Model) && prompts.len() < all.len() {
            lacking.note(keys, || format!("{} of {}", all.len() - prompts.len(), all.len()));
        }
    }
    let mut said: Vec<String> = snapshot.unfinished.iter().map(UnfinishedRun::in_words).collect();
    let outdated = tallies.totals.outdated_composites;
    if outdated > 0 {
        said.push(format!(
            "{outdated} images of {COMPOSITE} and {CROP} are not of the references that their prompts have now and are in no \
             ceiling; `msdata controls make` makes them again"
        ));
    }
    if let Some((model, prompt, seed)) = tallies.totals.first_blank {
        let n = tallies.totals.blank;
        let images = if n == 1 { "1 image is blank".to_owned() } else { format!("{n} images are blank") };
        let (model, prompt) = (&snapshot.models[model as usize].0, &snapshot.prompts[prompt as usize].prompt_id);
        let key = format!("{model} {prompt} {seed}");
        said.push(format!(
            "{images} (one colour, or nothing visible) and scored like any other, the first {}; `msdata audit` lists them",
            crate::text::plain(&key)
        ));
    }
    mixed.say("mix image sizes, and similarity depends on the size (`--by` with `size` tells them apart)", &mut said);
    lacking.say("lack prompts that another model has, so their means are over other prompts", &mut said);
    few.say("have images of fewer than five prompts", &mut said);
    said
}

/// How many cells something is true of, and the first.
#[derive(Default)]
pub(super) struct CellWarning {
    cells: usize,
    first: String,
}

impl CellWarning {
    pub(super) fn note(&mut self, keys: &[(Key, KeyValue)], what: impl FnOnce() -> String) {
        self.cells += 1;
        if self.cells == 1 {
            self.first = format!("{}: {}", written(keys.iter()), what());
        }
    }

    /// How many cells, and the first in words; `None`: no cell.
    pub(super) fn first(&self) -> Option<(usize, &str)> {
        (self.cells > 0).then_some((self.cells, self.first.as_str()))
    }

    fn say(&self, what: &str, said: &mut Vec<String>) {
        match self.cells {
            0 => {}
            n => said.push(format!("cells that {what}: {n}, the first {}", crate::text::plain(&self.first))),
        }
    }
}

/// The first sizes, and how many more there are.
pub(super) fn listed(sizes: &BTreeSet<[u32; 2]>) -> String {
    const SHOWN: usize = 3;
    let mut words: Vec<String> = sizes.iter().take(SHOWN).map(|[width, height]| format!("{width}x{height}")).collect();
    if sizes.len() > SHOWN {
        words.push(format!("{} more", sizes.len() - SHOWN));
    }
    words.join(", ")
}

pub(super) fn written<'k>(keys: impl Iterator<Item = &'k (Key, KeyValue)>) -> String {
    let value = |value: &KeyValue| match value {
        KeyValue::Integer(n) => n.to_string(),
        KeyValue::Text(text) => text.clone().unwrap_or_else(|| "none".into()),
    };
    let all = keys.map(|(key, v)| format!("{key} {}", value(v))).collect::<Vec<_>>().join(", ");
    if all.is_empty() { "all".into() } else { all }
}

//! Nulls: the values that a requested subject's is held against.

use super::presence::{Evidence, Question, Request, Requests};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Values of a model's own that make a null; with fewer, all models' together do.
pub const OWN_NULL: usize = 100;

/// Subjects whose columns are read together: a cache line of them.
const BLOCK: usize = 16;

/// The null of one subject for one model, or for all models that have none of their own.
pub(super) struct Null<'a> {
    pub(super) question: Question,
    /// The model whose own it is.
    pub(super) own: Option<u32>,
    /// Its values in descending order, as [`NullEntry`]s.
    pub(super) entries: &'a [NullEntry],
    asking: Vec<(NullEntry, usize)>,
}

/// A value and its generation in one number, smaller for larger values.
pub(super) type NullEntry = u64;

fn entry(value: f32, generation: usize) -> NullEntry {
    // Adding 0 makes −0 into 0. Of the bits of a positive number all are turned over, of a negative one all but the
    // sign: unsigned numbers in descending order of the values.
    let bits = (value + 0.0).to_bits();
    let descending = if bits >> 31 == 0 { !bits & 0x7fff_ffff } else { bits };
    (u64::from(descending) << 32) | generation as u64
}

/// The generation of an entry.
pub(super) fn generation(entry: NullEntry) -> usize {
    (entry & 0xffff_ffff) as usize
}

impl Null<'_> {
    /// The requests that are held against it, as a generation and a place in its list, each with how many of the
    /// null's values are as large or larger.
    pub(super) fn asking(&self) -> impl Iterator<Item = ((usize, usize), usize)> + '_ {
        self.asking.iter().map(|(asking, ordinal)| {
            let at_least = self.entries.partition_point(|entry| entry >> 32 <= asking >> 32);
            ((generation(*asking), *ordinal), at_least)
        })
    }

    pub(super) fn evidence(&self, at_least: usize) -> Evidence {
        Evidence { at_least, null: self.entries.len(), own: self.own.is_some() }
    }
}

/// Calls `with` with every null against which a request is held; the results in an order that does not depend on the
/// number of threads.
pub(super) fn each_null<T: Send>(requests: Requests<'_>, with: impl Fn(&Null<'_>) -> T + Sync) -> Vec<T> {
    let Requests { kinds, generations, similarities } = requests;
    let pool = kinds.len();
    let mut asking: Vec<Vec<(usize, usize)>> = vec![Vec::new(); pool];
    // Of each kind, which generations asked for a subject of it.
    let mut asks_kind: BTreeMap<u8, Vec<bool>> = BTreeMap::new();
    for (at, generation) in generations.iter().enumerate() {
        for (ordinal, subject) in generation.subjects.iter().enumerate() {
            asking[*subject as usize].push((at, ordinal));
            if let Some(kind) = kinds[*subject as usize] {
                asks_kind.entry(kind).or_insert_with(|| vec![false; generations.len()])[at] = true;
            }
        }
    }
    let blocks: Vec<Vec<T>> = (0..pool.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let subjects = block * BLOCK..((block + 1) * BLOCK).min(pool);
            let mut columns = vec![Vec::with_capacity(generations.len()); subjects.len()];
            for (at, row) in similarities.chunks_exact(pool).enumerate() {
                columns.iter_mut().zip(&row[subjects.clone()]).for_each(|(column, value)| column.push(entry(*value, at)));
            }
            let mut results = Vec::new();
            for (subject, mut values) in subjects.zip(columns) {
                let asked: Vec<(NullEntry, usize)> =
                    asking[subject].iter().map(|(at, ordinal)| (values[*at], *ordinal)).collect();
                if asked.is_empty() {
                    continue;
                }
                let mut asked_here = asking[subject].iter().map(|(at, _)| *at).peekable();
                values.retain(|entry| asked_here.next_if_eq(&generation(*entry)).is_none());
                values.sort_unstable();
                answer(generations, Question::Present, &values, &asked, &with, &mut results);
                if let Some(asks_kind) = kinds[subject].and_then(|kind| asks_kind.get(&kind)) {
                    values.retain(|entry| asks_kind[generation(*entry)]);
                    answer(generations, Question::Identified, &values, &asked, &with, &mut results);
                }
            }
            results
        })
        .collect();
    blocks.into_iter().flatten().collect()
}

/// Splits a subject's sorted values into the nulls of the models that asked for it.
fn answer<T>(
    generations: &[Request],
    question: Question,
    values: &[NullEntry],
    asked: &[(NullEntry, usize)],
    with: &impl Fn(&Null<'_>) -> T,
    results: &mut Vec<T>,
) {
    let mut by_model: BTreeMap<u32, Vec<(NullEntry, usize)>> = BTreeMap::new();
    for asked in asked {
        by_model.entry(generations[generation(asked.0)].model).or_default().push(*asked);
    }
    let mut own: BTreeMap<u32, Vec<NullEntry>> = by_model.keys().map(|model| (*model, Vec::new())).collect();
    for entry in values {
        if let Some(own) = own.get_mut(&generations[generation(*entry)].model) {
            own.push(*entry);
        }
    }
    let mut others = Vec::new();
    for (model, asking) in by_model {
        match own.get(&model) {
            Some(entries) if entries.len() >= OWN_NULL => {
                results.push(with(&Null { question, own: Some(model), entries, asking }))
            }
            _ => others.extend(asking),
        }
    }
    if !others.is_empty() {
        let pooled: Vec<NullEntry> = values.iter().copied().filter(|entry| generations[generation(*entry)].may_serve).collect();
        results.push(with(&Null { question, own: None, entries: &pooled, asking: others }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_descend_with_the_values() {
        let values = [3.0, 1.5, 1e-30, 0.0, -1e-30, -0.5, -2.0];
        let entries: Vec<u64> = values.iter().map(|value| entry(*value, 5) >> 32).collect();
        assert!(entries.is_sorted_by(|a, b| a < b), "{entries:?}");
        assert_eq!((entry(-0.0, 7), generation(entry(0.3, 7))), (entry(0.0, 7), 7));
    }
}

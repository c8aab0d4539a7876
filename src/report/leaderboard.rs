//! The models in the order of one measure, with those grouped that are not told apart.

use super::arena::{Arena, Side};
use super::cells::{cell_intervals, mean_of};
use super::units::Scores;
use super::{CompareOptions, Comparison, Facts, Key, KeyValue};
use crate::error::{Error, Result};
use crate::score::groups;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeSet;

/// A leaderboard, with what to know of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Leaderboard {
    /// The encoder that decides collapse.
    pub identity: String,
    /// The cells' keys.
    pub by: Vec<Key>,
    /// The measure that ranks.
    pub measure: String,
    /// By cell, best mean first.
    pub rows: Vec<Standing>,
    /// Sentences.
    pub remarks: Vec<String>,
}

/// A model's place in one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The cell.
    pub keys: Vec<(Key, KeyValue)>,
    /// 1 more than the models that are better and told apart from it; `None` without a mean.
    pub rank: Option<u64>,
    /// The model.
    pub model: String,
    /// Letters of the groups that it is in: two models share a letter if and only if they are not told apart.
    pub groups: String,
    /// Its images (or pairs of image and subject).
    pub images: u64,
    /// Its mean over them.
    pub mean: Option<f64>,
    /// The interval of that.
    pub ci: Option<[f64; 2]>,
}

impl Serialize for Standing {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (key, value) in &self.keys {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("rank", &self.rank)?;
        map.serialize_entry("model", &self.model)?;
        map.serialize_entry("groups", &self.groups)?;
        map.serialize_entry("images", &self.images)?;
        map.serialize_entry("mean", &self.mean)?;
        map.serialize_entry("low", &self.ci.map(|[low, _]| low))?;
        map.serialize_entry("high", &self.ci.map(|[_, high]| high))?;
        map.end()
    }
}

/// The models under test by one measure, best first, with those grouped that are not told apart.
///
/// # Errors
/// As [`super::compare`].
pub fn leaderboard(facts: &Facts, options: &CompareOptions) -> Result<Leaderboard> {
    let scores = Scores::collect(facts);
    let arena = Arena::new(facts, &scores, options)?;
    let first = arena.measures(options.measure.as_deref())?.into_iter().next();
    let Some(measure) = first else { return Err(Error::Damaged("a report without measures".into())) };
    let pairs = arena.every_pair();
    let comparisons = arena.compare(&pairs, std::slice::from_ref(&measure));
    let models: Vec<(u32, &Side<'_>, Vec<Option<f64>>)> = arena
        .sides
        .iter()
        .filter(|(model, _)| !facts.models[**model as usize].1)
        .map(|(model, side)| (*model, side, side.values(&arena, measure.kind)))
        .collect();
    let cells: BTreeSet<&Vec<i64>> = models.iter().flat_map(|(_, side, _)| side.cells.keys()).collect();
    let mut rows = Vec::new();
    for codes in cells {
        let keys = arena.values(codes);
        let mut standings: Vec<Standing> = Vec::new();
        for (model, side, values) in &models {
            let members = side.cells.get(codes).map(Vec::as_slice).unwrap_or_default();
            let values: Vec<Option<f64>> = members.iter().map(|m| values[*m]).collect();
            let prompts: Vec<u32> = members.iter().map(|m| side.prompt(*m)).collect();
            let ci = cell_intervals(&prompts, &[&values], options.confidence);
            standings.push(Standing {
                keys: keys.clone(),
                rank: None,
                model: facts.models[*model as usize].0.clone(),
                groups: String::new(),
                images: values.iter().flatten().count() as u64,
                mean: mean_of(&values),
                ci: ci.into_iter().next().flatten(),
            });
        }
        let sign = if measure.kind.lower_is_better() { 1.0 } else { -1.0 };
        // Those without a mean last; by name among equals.
        standings.sort_by(|a, b| {
            let place = |s: &Standing| s.mean.map_or(f64::INFINITY, |mean| sign * mean);
            place(a).total_cmp(&place(b))
        });
        let ranked = standings.iter().take_while(|s| s.mean.is_some()).count();
        let told_apart = |a: usize, b: usize| {
            let names = [standings[a].model.as_str(), standings[b].model.as_str()];
            let of_pair = |c: &&Comparison| {
                c.keys == keys && (names == [c.a.as_str(), c.b.as_str()] || names == [c.b.as_str(), c.a.as_str()])
            };
            let p = comparisons.iter().find(of_pair).and_then(|c| c.p_holm);
            p.is_some_and(|p| p <= 1.0 - options.confidence.level)
        };
        let ranks: Vec<u64> = (0..ranked)
            .map(|at| 1 + (0..at).filter(|b| standings[*b].mean != standings[at].mean && told_apart(*b, at)).count() as u64)
            .collect();
        let sets = groups(ranked, told_apart);
        for (at, rank) in ranks.into_iter().enumerate() {
            standings[at].rank = Some(rank);
            let letters = sets.iter().enumerate().filter(|(_, set)| set.contains(&at)).map(|(i, _)| letter(i));
            standings[at].groups = letters.collect();
        }
        rows.extend(standings);
    }
    Ok(Leaderboard {
        identity: arena.identity.to_owned(),
        by: options.by.clone(),
        measure: measure.name,
        rows,
        remarks: arena.remarks(&pairs),
    })
}

/// a to z, then a2 to z2, and so on.
fn letter(at: usize) -> String {
    let letter = char::from(b'a' + (at % 26) as u8);
    if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26 + 1) }
}

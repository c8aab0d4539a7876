//! The models in the order of one measure, with those grouped that are not told apart.

use super::cells::{clustered_by_prompt, mean_of};
use super::pairing::{Pairing, every_pair};
use super::warnings::written;
use super::{CompareOptions, Comparison, Key, KeyValue, Snapshot};
use crate::error::{Error, Result};
use crate::score::{Clustered, groups, intervals};
use crate::text::plain;
use crate::vocabulary::MetricRule;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::{BTreeSet, HashMap};

/// A leaderboard, with what to know of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Leaderboard {
    /// The encoder that decides collapse.
    pub identity: String,
    /// The cells' keys.
    pub by: Vec<Key>,
    /// The measure that ranks.
    pub measure: String,
    /// What there is to know of it, if it is a metric that was computed elsewhere.
    #[serde(skip)]
    pub metric: Option<MetricRule>,
    /// By cell, best first: no model stands before one that is better and told apart from it, unless they are so in a
    /// circle.
    pub rows: Vec<Standing>,
    /// Whether, in some cell, models have images that others lack. The order is then not that of their means.
    pub unequal: bool,
    /// Sentences.
    pub warnings: Vec<String>,
}

/// A model's place in one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The cell.
    pub keys: Vec<(Key, KeyValue)>,
    /// 1 more than the models that are better, on the images that both have, and told apart from it; `None` without a
    /// mean.
    pub rank: Option<u64>,
    /// The model.
    pub model: String,
    /// Letters of the groups that it is in: two models share a letter if and only if they are not told apart.
    pub groups: String,
    /// How much better it is than the others, on the images that it shares with each: the mean over them of the mean
    /// over prompts. `None` if it shares none.
    pub margin: Option<f64>,
    /// Its images (or pairs of image and subject).
    pub images: u64,
    /// Its mean over all of them, which others may lack.
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
        map.serialize_entry("margin", &self.margin)?;
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
/// The same as for [`super::compare`].
pub fn leaderboard(snapshot: &Snapshot, options: &CompareOptions) -> Result<Leaderboard> {
    let under_test = snapshot.under_test();
    let pairing = Pairing::new(snapshot, options, &under_test)?;
    let first = pairing.measures(options.measure.as_deref())?.into_iter().next();
    let Some(measure) = first else { return Err(Error::Damaged("a report without measures".into())) };
    let not_by_cscr = options.measure.is_none().then(|| pairing.why_not_by_cscr(measure)).flatten();
    let pairs = every_pair(&under_test);
    let comparisons = pairing.match_up(&pairs, measure);
    let cells: BTreeSet<&Vec<i64>> = pairing.sides.values().flat_map(|side| side.cells.keys()).collect();
    let bounds = measure.bounds();
    let mut boards = Vec::new();
    for codes in cells {
        let keys = pairing.values(codes);
        let mut standings: Vec<Standing> = Vec::new();
        let mut clustered: Vec<Clustered> = Vec::new();
        for (model, side) in &pairing.sides {
            let members = || side.cells.get(codes).into_iter().flatten().map(|unit| *unit as usize);
            let values: Vec<Option<f64>> = members().map(|unit| side.value(&pairing, measure, unit)).collect();
            let prompts: Vec<u32> = members().map(|unit| side.prompt(unit)).collect();
            clustered.extend(clustered_by_prompt(&prompts, &[(&values, bounds)]));
            standings.push(Standing {
                keys: keys.clone(),
                rank: None,
                model: snapshot.models[*model as usize].0.to_string(),
                groups: String::new(),
                margin: None,
                images: values.iter().flatten().count() as u64,
                mean: mean_of(values.iter().copied()),
                ci: None,
            });
        }
        // Those with as many prompts are drawn together.
        let ends = intervals(&clustered, options.confidence);
        standings.iter_mut().zip(ends).for_each(|(standing, ends)| standing.ci = ends);
        let matches = Matches::new(&keys, &comparisons, measure.lower_is_better(), 1.0 - options.confidence.level);
        boards.push((matches.unequal(), matches.rank(standings)));
    }
    let mut warnings = pairing.warnings(&pairs);
    warnings.extend(not_by_cscr);
    warnings.extend(pairing.floor_warning(&comparisons));
    warnings.extend(coverage_warning(&comparisons));
    let circles: Vec<&[Standing]> =
        boards.iter().filter(|(_, board)| board.circle).map(|(_, board)| &board.standings[..]).collect();
    if let Some(first) = circles.first().and_then(|standings| standings.first()) {
        let cell =
            if first.keys.is_empty() { String::new() } else { format!(", the first {}", plain(&written(first.keys.iter()))) };
        warnings.push(format!(
            "cells in which models that are told apart are better than one another in a circle, each on other images, so that no \
             order is right: {}{cell}; compare them on the same images",
            circles.len()
        ));
    }
    Ok(Leaderboard {
        identity: pairing.identity.to_owned(),
        by: options.by.clone(),
        measure: pairing.name(measure),
        metric: measure.rule(),
        unequal: boards.iter().any(|(unequal, _)| *unequal),
        rows: boards.into_iter().flat_map(|(_, board)| board.standings).collect(),
        warnings,
    })
}

/// That models were tested on other images than their means are over: how many pairs of models, and the first.
fn coverage_warning(comparisons: &[Comparison]) -> Option<String> {
    let unequal = |c: &&Comparison| c.pairs > 0 && c.only_a + c.only_b > 0;
    let first = comparisons.iter().find(unequal)?;
    let cell = if first.keys.is_empty() { String::new() } else { format!(", {}", written(first.keys.iter())) };
    Some(format!(
        "pairs of models of which one has images that the other lacks: {}, the first {} ({} in common, {} and {} not); the order \
         and the ranks are by the images in common, the means by all",
        comparisons.iter().filter(unequal).count(),
        plain(&format!("{} and {}{cell}", first.a, first.b)),
        first.pairs,
        first.only_a,
        first.only_b,
    ))
}

/// What the models of one cell have been found to be against each other.
struct Matches<'c> {
    of_pairs: HashMap<(&'c str, &'c str), &'c Comparison>,
    lower_is_better: bool,
    alpha: f64,
}

/// The models of a cell in order.
struct Board {
    standings: Vec<Standing>,
    /// Whether there is no order that agrees with every pair told apart.
    circle: bool,
}

impl<'c> Matches<'c> {
    fn new(keys: &[(Key, KeyValue)], comparisons: &'c [Comparison], lower_is_better: bool, alpha: f64) -> Matches<'c> {
        let here = comparisons.iter().filter(|c| c.keys == keys);
        Matches { of_pairs: here.map(|c| ((c.a.as_str(), c.b.as_str()), c)).collect(), lower_is_better, alpha }
    }

    fn unequal(&self) -> bool {
        self.of_pairs.values().any(|c| c.pairs > 0 && c.only_a + c.only_b > 0)
    }

    /// By how much the one is better than the other, as it was tested, and whether they are told apart.
    fn lead(&self, one: &str, other: &str) -> Option<(f64, bool)> {
        let (comparison, sign) = match self.of_pairs.get(&(one, other)) {
            Some(comparison) => (comparison, 1.0),
            None => (self.of_pairs.get(&(other, one))?, -1.0),
        };
        let better = if self.lower_is_better { -sign } else { sign };
        Some((better * comparison.of_prompts?, comparison.p_holm.is_some_and(|p| p <= self.alpha)))
    }

    /// Puts the models in order: the best first of those that no model left is told apart from and better than.
    fn rank(&self, mut standings: Vec<Standing>) -> Board {
        let with_mean = standings.iter().filter(|s| s.mean.is_some()).count();
        standings.sort_by_key(|s| s.mean.is_none()); // stable: by name among themselves
        let without = standings.split_off(with_mean);
        let leads: Vec<Vec<Option<(f64, bool)>>> =
            standings.iter().map(|a| standings.iter().map(|b| self.lead(&a.model, &b.model)).collect()).collect();
        let beats = |a: usize, b: usize| matches!(leads[a][b], Some((lead, true)) if lead > 0.0);
        let beaten_by: Vec<usize> = (0..with_mean).map(|b| (0..with_mean).filter(|a| beats(*a, b)).count()).collect();
        for (at, standing) in standings.iter_mut().enumerate() {
            standing.margin = mean_of(leads[at].iter().map(|lead| lead.map(|(lead, _)| lead)));
            standing.rank = Some(1 + beaten_by[at] as u64);
        }
        // Where all have the same images the order of margins is that of means, but for rounding.
        let unequal = self.unequal();
        let place = |at: usize| {
            let standing = &standings[at];
            let mean = standing.mean.map_or(f64::INFINITY, |mean| if self.lower_is_better { mean } else { -mean });
            let margin = standing.margin.map_or(f64::INFINITY, |margin| -margin);
            [if unequal { margin } else { mean }, mean]
        };
        let mut left: Vec<usize> = (0..with_mean).collect();
        left.sort_by(|a, b| {
            let (a, b) = (place(*a), place(*b));
            a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]))
        });
        let (mut order, mut circle) = (Vec::with_capacity(with_mean), false);
        let mut betters = beaten_by;
        while !left.is_empty() {
            let next = left.iter().position(|at| betters[*at] == 0);
            circle |= next.is_none();
            let next = left.remove(next.unwrap_or(0));
            left.iter().filter(|other| beats(next, **other)).for_each(|other| betters[*other] -= 1);
            order.push(next);
        }
        let sets = groups(with_mean, |a, b| matches!(leads[order[a]][order[b]], Some((_, true))));
        let mut placed: Vec<Option<Standing>> = standings.into_iter().map(Some).collect();
        let mut standings: Vec<Standing> = Vec::with_capacity(with_mean + without.len());
        for (at, standing) in order.iter().filter_map(|at| placed[*at].take()).enumerate() {
            let letters = sets.iter().enumerate().filter(|(_, set)| set.contains(&at)).map(|(i, _)| letter(i));
            standings.push(Standing { groups: letters.collect(), ..standing });
        }
        standings.extend(without);
        Board { standings, circle }
    }
}

/// a to z, then a2 to z2, and so on.
fn letter(at: usize) -> String {
    let letter = char::from(b'a' + (at % 26) as u8);
    if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26 + 1) }
}

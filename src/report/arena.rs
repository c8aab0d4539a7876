//! Where models meet: the images that two of them have of the same prompt and seed, cell by cell.

use super::cells::{cell_intervals, mean_of};
use super::identity::identity_encoder;
use super::keys::Keys;
use super::local::Locals;
use super::remarks::listed;
use super::units::{Scores, Units};
use super::{CompareOptions, Comparison, Facts, Key, KeyValue, Thresholds};
use crate::error::{Error, Result};
use crate::score::{Question, Unit, holm, mean, sign_flip};
use crate::vocabulary::{ModelName, plain, quote};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// SCR at a threshold, by the identity encoder.
    Scr(f64),
    /// Similarity by an encoder, by its place.
    Similarity(usize),
    /// CLIP-T by an encoder, by its place.
    ClipT(usize),
    /// Local similarity by the identity encoder.
    Local,
    /// Calibrated SCR at the options' α, by the identity encoder.
    Calibrated(Question),
}

impl Kind {
    pub(super) fn lower_is_better(self) -> bool {
        matches!(self, Kind::Scr(_) | Kind::Calibrated(_))
    }
}

/// A measure and what it is called.
#[derive(Debug, Clone)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// Everything that meets.
pub(super) struct Arena<'a> {
    facts: &'a Facts,
    options: &'a CompareOptions,
    pub(super) identity: &'a str,
    identity_at: usize,
    scores: &'a Scores,
    locals: Option<Locals<'a>>,
    keys: Keys<'a>,
    /// By model, in the order of their names.
    pub(super) sides: BTreeMap<u32, Side<'a>>,
}

/// One model's units, and its cells by the codes of their keys.
pub(super) struct Side<'a> {
    facts: &'a Facts,
    units: Units<'a>,
    pub(super) cells: BTreeMap<Vec<i64>, Vec<usize>>,
    /// Unit by prompt, seed and place in the prompt.
    at: HashMap<(u32, i64, u32), usize>,
}

impl Side<'_> {
    pub(super) fn prompt(&self, unit: usize) -> u32 {
        self.facts.generations[self.units.generation[unit] as usize].prompt
    }

    fn key(&self, unit: usize) -> (u32, i64, u32) {
        let generation = &self.facts.generations[self.units.generation[unit] as usize];
        (generation.prompt, generation.seed, self.units.ordinal.as_ref().map_or(0, |o| o[unit]))
    }

    pub(super) fn values(&self, arena: &Arena<'_>, kind: Kind) -> Vec<Option<f64>> {
        match kind {
            Kind::Scr(threshold) => self.units.collapse(arena.identity_at, threshold),
            Kind::Similarity(encoder) => self.units.similarity(encoder),
            Kind::ClipT(encoder) => self.units.clip_t(encoder),
            Kind::Local => self.of_windows(arena, |locals, unit| Some(locals.similarity(unit))),
            Kind::Calibrated(question) => {
                self.of_windows(arena, |locals, unit| locals.collapse(unit, question, arena.options.alpha))
            }
        }
    }
}

impl Side<'_> {
    fn of_windows(&self, arena: &Arena<'_>, value: impl Fn(&Locals<'_>, Unit) -> Option<f64>) -> Vec<Option<f64>> {
        match &arena.locals {
            Some(locals) => locals.of_units(&self.units, |unit| value(locals, unit)),
            None => vec![None; self.units.generation.len()],
        }
    }
}

impl<'a> Arena<'a> {
    pub(super) fn new(facts: &'a Facts, scores: &'a Scores, options: &'a CompareOptions) -> Result<Arena<'a>> {
        if let Some(key) = options.by.iter().find(|key| matches!(key, Key::Model | Key::Size)) {
            return Err(Error::request(
                format!("models cannot be compared by `{key}`: it differs between the two images of a pair"),
                "choose keys of prompts, seeds or subjects",
            ));
        }
        let names: Vec<&str> = facts.encoders.iter().map(|(_, name)| name.as_str()).collect();
        let identity = identity_encoder(&names, options.identity.as_deref())?;
        let keys = Keys::new(facts);
        let mut sides = BTreeMap::new();
        for model in 0..facts.models.len() as u32 {
            let units = Units::new(facts, scores, &options.by, |generation| generation.model == model);
            let codes: Vec<Vec<i64>> = options.by.iter().map(|key| units.codes(*key, &keys)).collect();
            let mut side = Side { facts, units, cells: BTreeMap::new(), at: HashMap::new() };
            for unit in 0..side.units.generation.len() {
                side.cells.entry(codes.iter().map(|of_key| of_key[unit]).collect()).or_default().push(unit);
                side.at.insert(side.key(unit), unit);
            }
            sides.insert(model, side);
        }
        let identity_at = names.iter().position(|n| *n == identity).unwrap_or(0);
        let locals = Locals::new(facts, options.alpha);
        Ok(Arena { facts, options, identity, identity_at, scores, locals, keys, sides })
    }

    pub(super) fn model(&self, name: &ModelName) -> Result<u32> {
        let found = self.facts.models.iter().position(|(known, _)| known == name.as_str());
        found.map(|at| at as u32).ok_or_else(|| {
            let known: Vec<&str> = self.facts.models.iter().map(|(known, _)| known.as_str()).collect();
            Error::request(
                format!("there is no model {}", quote(name.as_str())),
                format!("there are {}", plain(&known.join(", "))),
            )
        })
    }

    /// Every pair of models under test.
    pub(super) fn every_pair(&self) -> Vec<[u32; 2]> {
        let models: Vec<u32> = self.sides.keys().copied().filter(|m| !self.facts.models[*m as usize].1).collect();
        models.iter().enumerate().flat_map(|(i, a)| models[i + 1..].iter().map(|b| [*a, *b])).collect()
    }

    /// Every measure, or the one of that name.
    pub(super) fn measures(&self, wanted: Option<&str>) -> Result<Vec<Measure>> {
        let mut all = Vec::new();
        for threshold in self.options.thresholds.values() {
            all.push(Measure { name: format!("scr@{}", Thresholds::name(*threshold)), kind: Kind::Scr(*threshold) });
        }
        let encoders = || self.facts.encoders.iter().enumerate();
        all.extend(encoders().map(|(at, (_, name))| Measure { name: format!("similarity/{name}"), kind: Kind::Similarity(at) }));
        let texts = encoders().filter(|(at, _)| self.scores.has_texts(*at));
        all.extend(texts.map(|(at, (_, name))| Measure { name: format!("clip_t/{name}"), kind: Kind::ClipT(at) }));
        if self.locals.is_some() {
            let alpha = self.options.alpha;
            all.push(Measure { name: format!("local/{}", self.identity), kind: Kind::Local });
            all.push(Measure { name: format!("cscr@{alpha}"), kind: Kind::Calibrated(Question::Present) });
            all.push(Measure { name: format!("cscr_kind@{alpha}"), kind: Kind::Calibrated(Question::Identified) });
        }
        let Some(wanted) = wanted else { return Ok(all) };
        let names: Vec<String> = all.iter().map(|m| m.name.clone()).collect();
        match all.into_iter().find(|measure| measure.name == wanted) {
            Some(measure) => Ok(vec![measure]),
            None => Err(Error::request(
                format!("there is no measure {}", quote(wanted)),
                format!("there are {} (`--thresholds` adds others)", names.join(", ")),
            )),
        }
    }

    pub(super) fn values(&self, codes: &[i64]) -> Vec<(Key, KeyValue)> {
        self.options.by.iter().zip(codes).map(|(key, code)| (*key, self.keys.value(*key, *code))).collect()
    }

    /// Every pair in every cell by every measure: measures outermost, cells innermost.
    pub(super) fn compare(&self, pairs: &[[u32; 2]], measures: &[Measure]) -> Vec<Comparison> {
        let compared: Vec<Vec<Comparison>> = pairs.par_iter().map(|pair| self.compare_pair(*pair, measures)).collect(); // each by measure, cell
        let mut rows = Vec::new();
        for measure in measures {
            let mut family: Vec<Comparison> = compared.iter().flatten().filter(|c| c.measure == measure.name).cloned().collect();
            let adjusted = holm(&family.iter().map(|c| c.p).collect::<Vec<_>>());
            family.iter_mut().zip(adjusted).for_each(|(comparison, p)| comparison.p_holm = p);
            rows.append(&mut family);
        }
        rows
    }

    fn compare_pair(&self, [a, b]: [u32; 2], measures: &[Measure]) -> Vec<Comparison> {
        let (one, other) = (&self.sides[&a], &self.sides[&b]);
        let values: Vec<[Vec<Option<f64>>; 2]> =
            measures.iter().map(|m| [one.values(self, m.kind), other.values(self, m.kind)]).collect();
        let cells: BTreeSet<&Vec<i64>> = one.cells.keys().chain(other.cells.keys()).collect();
        let cells: Vec<&Vec<i64>> = cells.into_iter().collect();
        let of_cell = |codes: &&Vec<i64>| -> Vec<Comparison> {
            let of = |side: &'_ Side<'_>| side.cells.get(*codes).cloned().unwrap_or_default();
            let (ours, theirs) = (of(one), of(other));
            let partners: Vec<Option<usize>> = ours.iter().map(|unit| other.at.get(&one.key(*unit)).copied()).collect();
            let prompts: Vec<u32> = ours.iter().map(|unit| one.prompt(*unit)).collect();
            // Per measure and unit of ours: its value and its partner's.
            let both: Vec<Vec<Option<[f64; 2]>>> = values
                .iter()
                .map(|[ours_of, theirs_of]| {
                    let pair = |(unit, partner): (&usize, &Option<usize>)| Some([ours_of[*unit]?, theirs_of[(*partner)?]?]);
                    ours.iter().zip(&partners).map(pair).collect()
                })
                .collect();
            let differences: Vec<Vec<Option<f64>>> =
                both.iter().map(|pairs| pairs.iter().map(|pair| pair.map(|[x, y]| x - y)).collect()).collect();
            let slices: Vec<&[Option<f64>]> = differences.iter().map(Vec::as_slice).collect();
            let ci = cell_intervals(&prompts, &slices, self.options.confidence);
            let keys = self.values(codes);
            let comparison = |at: usize| {
                let [ours_of, theirs_of] = &values[at];
                let scored = |units: &[usize], of: &[Option<f64>]| units.iter().filter(|u| of[**u].is_some()).count() as u64;
                let pairs = both[at].iter().flatten().count() as u64;
                let side = |k: usize| mean_of(&both[at].iter().map(|pair| pair.map(|pair| pair[k])).collect::<Vec<_>>());
                let of_prompts = by_prompt(&prompts, &differences[at]);
                Comparison {
                    a: self.facts.models[a as usize].0.clone(),
                    b: self.facts.models[b as usize].0.clone(),
                    keys: keys.clone(),
                    measure: measures[at].name.clone(),
                    pairs,
                    prompts: of_prompts.len() as u64,
                    only_a: scored(&ours, ours_of) - pairs,
                    only_b: scored(&theirs, theirs_of) - pairs,
                    mean_a: side(0),
                    mean_b: side(1),
                    difference: mean_of(&differences[at]),
                    ci: ci[at],
                    p: sign_flip(&of_prompts, self.options.confidence.seed),
                    p_holm: None,
                }
            };
            (0..measures.len()).map(comparison).collect()
        };
        cells.par_iter().map(of_cell).collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Pairs of models whose images cannot be paired, or differ in size: how many, and the first.
    pub(super) fn remarks(&self, pairs: &[[u32; 2]]) -> Vec<String> {
        let (mut strangers, mut unlike) = (Vec::new(), Vec::new());
        for [a, b] in pairs {
            let (one, other) = (&self.sides[a], &self.sides[b]);
            let [a, b] = [a, b].map(|model| plain(&self.facts.models[*model as usize].0));
            let sizes = |side: &Side<'_>| -> BTreeSet<[u32; 2]> { side.units.facts().filter_map(|g| g.size).collect() };
            let (ours, theirs) = (sizes(one), sizes(other));
            if !one.at.keys().any(|key| other.at.contains_key(key)) {
                strangers.push(format!("{a} and {b}"));
            } else if !ours.is_empty() && !theirs.is_empty() && ours != theirs {
                unlike.push(format!("{a} {}, {b} {}", listed(&ours), listed(&theirs)));
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

/// The mean difference of each prompt that has one, in the order of the prompts.
fn by_prompt(prompts: &[u32], differences: &[Option<f64>]) -> Vec<f64> {
    let mut of_prompt: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (prompt, difference) in prompts.iter().zip(differences) {
        if let Some(difference) = difference {
            of_prompt.entry(*prompt).or_default().push(*difference);
        }
    }
    of_prompt.values().map(|differences| mean(differences)).collect()
}

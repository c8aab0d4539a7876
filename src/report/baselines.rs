//! Every generation against the whole pool: whom it can be told from, and what it would score by chance.

use super::integers::Integers;
use crate::score::{Identification, Ranks};
use std::collections::BTreeMap;

/// Every generation against the whole pool.
pub struct Baselines {
    /// The thresholds of chance SCR, ascending.
    pub thresholds: Vec<f64>,
    /// Per encoder, in the order of [`Snapshot::encoders`](super::Snapshot::encoders).
    pub of: Vec<EncoderBaselines>,
    /// Chance SCR of whole models at more thresholds, if that was asked for.
    pub curve: ChanceCurve,
}

/// One generation against the whole pool, by one encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Its requested subjects among all.
    pub ranks: Ranks,
    /// Mean similarity with the subjects it was not asked for.
    pub chance: f64,
    /// Per threshold, how many of those are below it.
    pub below: Box<[u64]>,
}

/// The same of every generation, by their places in a [`Snapshot`](super::Snapshot).
#[derive(Debug, Default)]
pub struct EncoderBaselines {
    /// Subjects of the pool.
    pool: u64,
    thresholds: usize,
    /// [generation]: how many subjects were requested; 0: there is no baseline.
    requested: Integers,
    /// [generation]: the other numbers of its ranks.
    twice_wrong: Integers,
    found: Integers,
    /// [generation]
    chance: Vec<f64>,
    /// [generation][threshold]
    below: Integers,
}

impl EncoderBaselines {
    /// Returns the baselines of so many generations against a pool of so many subjects, of which none is known yet, at so
    /// many thresholds.
    pub fn new(generations: usize, pool: usize, thresholds: usize) -> EncoderBaselines {
        EncoderBaselines {
            pool: pool as u64,
            thresholds,
            requested: Integers::zeros(generations),
            twice_wrong: Integers::zeros(generations),
            found: Integers::zeros(generations),
            chance: vec![0.0; generations],
            below: Integers::zeros(generations * thresholds),
        }
    }

    /// Sets that of a generation.
    pub fn put(&mut self, generation: usize, baseline: &Baseline) {
        let Ranks { requested, others: _, twice_wrong, found } = baseline.ranks;
        self.requested.set(generation, requested as i64);
        self.twice_wrong.set(generation, twice_wrong as i64);
        self.found.set(generation, found as i64);
        self.chance[generation] = baseline.chance;
        let begin = generation * self.thresholds;
        (begin..).zip(&baseline.below).for_each(|(at, below)| self.below.set(at, *below as i64));
    }

    /// Returns a generation's requested subjects among all.
    fn ranks(&self, generation: usize) -> Option<Ranks> {
        if generation >= self.chance.len() {
            return None;
        }
        let number = |column: &Integers| column.get(generation) as u64;
        let requested = Some(number(&self.requested)).filter(|requested| *requested > 0)?;
        let (twice_wrong, found) = (number(&self.twice_wrong), number(&self.found));
        Some(Ranks { requested, others: self.pool - requested, twice_wrong, found })
    }

    /// Returns how well a generation's requested subjects are told from the others.
    pub fn identification(&self, generation: usize) -> Option<Identification> {
        self.ranks(generation).map(Identification::of)
    }

    /// Returns its mean similarity with the subjects it was not asked for.
    pub fn chance(&self, generation: usize) -> Option<f64> {
        self.ranks(generation).map(|_| self.chance[generation])
    }

    /// Returns SCR if the image had been asked for those subjects instead, at the threshold of that number.
    pub fn chance_scr(&self, generation: usize, threshold: usize) -> Option<f64> {
        let others = self.ranks(generation)?.others;
        let below = (threshold < self.thresholds).then(|| self.below.get(generation * self.thresholds + threshold))?;
        Some(below as f64 / others as f64)
    }
}

/// SCR of models if their images had been asked for the other subjects of the pool, at many thresholds.
#[derive(Debug, Default)]
pub struct ChanceCurve {
    thresholds: Vec<f64>,
    /// By model and number of others: how many images, and [step]: how many others are not below that many thresholds.
    of: BTreeMap<(u32, u32), (u64, Vec<u64>)>,
}

impl ChanceCurve {
    /// Returns one of no image yet, at these thresholds, ascending.
    pub fn at(thresholds: &[f64]) -> ChanceCurve {
        ChanceCurve { thresholds: thresholds.to_vec(), of: BTreeMap::new() }
    }

    /// Returns how many thresholds each of these similarities is not below; nothing where there are no thresholds.
    pub fn steps(&self, others: &[f64]) -> Vec<usize> {
        let step = |similarity: &f64| self.thresholds.partition_point(|threshold| similarity >= threshold);
        if self.thresholds.is_empty() { Vec::new() } else { others.iter().map(step).collect() }
    }

    /// Adds an image by those of its similarities with the others.
    pub fn add(&mut self, model: u32, steps: &[usize]) {
        if steps.is_empty() {
            return;
        }
        let empty = || (0, vec![0; self.thresholds.len() + 1]);
        let (images, of_step) = self.of.entry((model, steps.len() as u32)).or_insert_with(empty);
        *images += 1;
        steps.iter().for_each(|step| of_step[*step] += 1);
    }

    /// Returns a model's mean at one of the thresholds.
    pub fn chance_scr(&self, model: u32, threshold: f64) -> Option<f64> {
        let at = self.thresholds.iter().position(|known| *known == threshold)?;
        let (mut images, mut sum) = (0, 0.0);
        for ((_, others), (n, of_step)) in self.of.range((model, 0)..=(model, u32::MAX)) {
            images += n;
            sum += of_step[..=at].iter().sum::<u64>() as f64 / f64::from(*others);
        }
        (images > 0).then(|| sum / images as f64)
    }
}

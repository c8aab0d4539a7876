//! Every generation against the whole pool: whom it can be told from, and what it would score by chance.

use crate::score::Identification;
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
    pub identification: Identification,
    /// Mean similarity with the subjects it was not asked for.
    pub chance: f64,
    /// Per threshold, how many of those are below it.
    pub below: Box<[u32]>,
    /// How many there are.
    pub others: u32,
}

/// The same of every generation, by their places in a [`Snapshot`](super::Snapshot).
#[derive(Debug, Default)]
pub struct EncoderBaselines {
    /// [generation]: AUC, R-precision, mean rank, chance; the first is no number where there is no baseline.
    values: Vec<[f64; 4]>,
    others: Vec<u32>,
    /// [generation][threshold]
    below: Vec<u32>,
}

impl EncoderBaselines {
    /// Returns the baselines of so many generations, of which none is known yet, at so many thresholds.
    pub fn new(generations: usize, thresholds: usize) -> EncoderBaselines {
        EncoderBaselines {
            values: vec![[f64::NAN; 4]; generations],
            others: vec![0; generations],
            below: vec![0; generations * thresholds],
        }
    }

    /// Sets that of a generation.
    pub fn put(&mut self, generation: usize, baseline: &Baseline) {
        let (Identification { auc, r_precision, mean_rank }, thresholds) = (baseline.identification, baseline.below.len());
        self.values[generation] = [auc, r_precision, mean_rank, baseline.chance];
        self.others[generation] = baseline.others;
        self.below[generation * thresholds..][..thresholds].copy_from_slice(&baseline.below);
    }

    fn values(&self, generation: usize) -> Option<[f64; 4]> {
        self.values.get(generation).copied().filter(|values| !values[0].is_nan())
    }

    /// Returns a generation's requested subjects among all.
    pub fn identification(&self, generation: usize) -> Option<Identification> {
        self.values(generation).map(|[auc, r_precision, mean_rank, _]| Identification { auc, r_precision, mean_rank })
    }

    /// Returns its mean similarity with the subjects it was not asked for.
    pub fn chance(&self, generation: usize) -> Option<f64> {
        self.values(generation).map(|values| values[3])
    }

    /// Returns SCR if the image had been asked for those subjects instead, at the threshold of that number.
    pub fn chance_scr(&self, generation: usize, threshold: usize) -> Option<f64> {
        self.values(generation)?;
        let thresholds = self.below.len() / self.values.len();
        let below = *self.below[generation * thresholds..][..thresholds].get(threshold)?;
        Some(f64::from(below) / f64::from(self.others[generation]))
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

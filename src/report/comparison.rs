//! Models against each other, on the same prompts and seeds.

use super::contrast::Contrast;
use super::in_words::in_words;
use super::pairing::{Pairing, every_pair};
use super::{Key, KeyValue, ModelSelection, RegionChoice, Snapshot, Thresholds};
use crate::error::Result;
use crate::score::Confidence;
use crate::vocabulary::{MetricRule, ModelName};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What to compare, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareOptions {
    /// Cells by these keys; empty: one cell of everything. Neither `model` nor `size`, which differ between the
    /// images of a pair.
    pub by: Vec<Key>,
    /// The thresholds of SCR.
    pub thresholds: Thresholds,
    /// The encoder that decides collapse; `None`: see [`super::identity_encoder`].
    pub identity: Option<String>,
    /// The intervals; and models are told apart at 1 minus their level.
    pub confidence: Confidence,
    /// Only this measure: `cscr@α`, `cscr_kind@α`, `scr@T`, `auc/ENCODER`, `similarity/ENCODER`, `clip_t/ENCODER`,
    /// `local/ENCODER` or the name of a metric. `None`: all that mean something; on a leaderboard the first of these: cSCR, else SCR at the first
    /// threshold, else AUC.
    pub measure: Option<String>,
    /// The level at which a subject is present, in (0, 1).
    pub alpha: f64,
    /// The models of leaderboards and of every pair, and the names of all.
    pub models: ModelSelection,
    /// Compare by what these region sets say, too.
    pub regions: Vec<RegionChoice>,
    /// τ of region sets; `None`: each has its own.
    pub tau: Option<f64>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        CompareOptions {
            by: vec![Key::SubjectCount],
            thresholds: Thresholds::default(),
            identity: None,
            confidence: Confidence::default(),
            measure: None,
            alpha: super::ALPHA,
            models: ModelSelection::default(),
            regions: Vec::new(),
            tau: None,
        }
    }
}

/// Comparisons, with what to know of them.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Comparisons {
    /// The encoder that decides collapse.
    pub identity: String,
    /// The cells' keys.
    pub by: Vec<Key>,
    /// Nominal coverage of the intervals.
    pub level: f64,
    /// By measure, pair of models, cell.
    pub rows: Vec<Comparison>,
    /// What is to be said of each pair, with the numbers; empty where every pair was compared.
    #[serde(skip)]
    pub words: Vec<String>,
    /// Sentences.
    pub warnings: Vec<String>,
}

/// Two models in one cell by one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The first model.
    pub a: String,
    /// The second model.
    pub b: String,
    /// The cell.
    pub keys: Vec<(Key, KeyValue)>,
    /// `scr@T`, `similarity/ENCODER`, `clip_t/ENCODER`, …, or the name of a metric.
    pub measure: String,
    /// What there is to know of the measure, if it is a metric that was computed elsewhere. Not written.
    pub metric: Option<MetricRule>,
    /// Images (or pairs of image and subject) that both have, of the same prompt and seed.
    pub pairs: u64,
    /// Prompts that they are of.
    pub prompts: u64,
    /// Images scored for the first model without a partner.
    pub only_a: u64,
    /// Images scored for the second model without a partner.
    pub only_b: u64,
    /// Mean of the first model over the pairs.
    pub mean_a: Option<f64>,
    /// Mean of the second model over the pairs.
    pub mean_b: Option<f64>,
    /// Mean of a − b; `None` without pairs.
    pub difference: Option<f64>,
    /// The mean of the prompts' mean differences, which is what is tested: the same where all have as many pairs. Not
    /// written.
    pub of_prompts: Option<f64>,
    /// The interval of the difference by a bootstrap over prompts; `None` with fewer than two, and where all differ by as much and the
    /// measure has no bounds.
    pub ci: Option<[f64; 2]>,
    /// Of the sign-flip test over the prompts' means; `None` without pairs.
    pub p: Option<f64>,
    /// The same by Holm's method, over all rows of this measure.
    pub p_holm: Option<f64>,
}

impl Comparison {
    pub(super) fn new(
        [a, b]: [&str; 2],
        keys: Vec<(Key, KeyValue)>,
        (measure, metric): (&str, Option<MetricRule>),
        contrast: Contrast,
    ) -> Comparison {
        let Contrast { pairs, prompts, only_a, only_b, mean_a, mean_b, difference, of_prompts, ci, p } = contrast;
        let (a, b, measure) = (a.to_owned(), b.to_owned(), measure.to_owned());
        Comparison {
            a,
            b,
            keys,
            measure,
            metric,
            pairs,
            prompts,
            only_a,
            only_b,
            mean_a,
            mean_b,
            difference,
            of_prompts,
            ci,
            p,
            p_holm: None,
        }
    }
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("measure", &self.measure)?;
        map.serialize_entry("a", &self.a)?;
        map.serialize_entry("b", &self.b)?;
        for (key, value) in &self.keys {
            map.serialize_entry(key, value)?;
        }
        for (name, count) in [("pairs", self.pairs), ("prompts", self.prompts), ("only_a", self.only_a), ("only_b", self.only_b)]
        {
            map.serialize_entry(name, &count)?;
        }
        for (name, value) in [("mean_a", self.mean_a), ("mean_b", self.mean_b), ("difference", self.difference)] {
            map.serialize_entry(name, &value)?;
        }
        map.serialize_entry("low", &self.ci.map(|[low, _]| low))?;
        map.serialize_entry("high", &self.ci.map(|[_, high]| high))?;
        map.serialize_entry("p", &self.p)?;
        map.serialize_entry("p_holm", &self.p_holm)?;
        map.end()
    }
}

/// Which models are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared<'a> {
    /// Every pair of models under test.
    EveryPair,
    /// The first with the second.
    Pair(&'a ModelName, &'a ModelName),
    /// Each of the first with the second; where there are none, every other model under test.
    WithBaseline(&'a [ModelName], &'a ModelName),
}

impl<'a> From<Option<[&'a ModelName; 2]>> for Compared<'a> {
    fn from(models: Option<[&'a ModelName; 2]>) -> Compared<'a> {
        match models {
            Some([a, b]) => Compared::Pair(a, b),
            None => Compared::EveryPair,
        }
    }
}

/// Compares models on the images of the same prompts and seeds.
///
/// # Errors
/// There is no such model or measure, a key cannot be compared by, or nothing says which encoder decides
/// collapse.
pub fn compare<'a>(snapshot: &Snapshot, models: impl Into<Compared<'a>>, options: &CompareOptions) -> Result<Comparisons> {
    let models = models.into();
    let place = |name: &ModelName| snapshot.place(options.models.shown(name));
    let pairs = match models {
        Compared::Pair(a, b) => vec![[place(a)?, place(b)?]],
        Compared::EveryPair => every_pair(&snapshot.under_test()),
        Compared::WithBaseline(ours, baseline) => {
            let baseline = place(baseline)?;
            let named: Vec<u32> = ours.iter().map(place).collect::<Result<_>>()?;
            let ours = if named.is_empty() { snapshot.under_test() } else { named };
            ours.into_iter().filter(|model| *model != baseline).map(|model| [model, baseline]).collect()
        }
    };
    let pairing = Pairing::new(snapshot, options, pairs.as_flattened())?;
    let words = match models {
        Compared::EveryPair => Vec::new(),
        _ => in_words(snapshot, &pairs, options)?,
    };
    let measures = pairing.measures(options.measure.as_deref())?;
    let rows = pairing.compare(&pairs, &measures);
    let mut warnings = pairing.warnings(&pairs);
    warnings.extend(pairing.floor_warning(&rows));
    Ok(Comparisons {
        identity: pairing.identity.to_owned(),
        by: options.by.clone(),
        level: options.confidence.level,
        rows,
        words,
        warnings,
    })
}

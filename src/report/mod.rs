//! Reports: scores into tables. Computes no score.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Key`], [`ReportOptions`], [`Report`] and its rows: the structs *are* the JSON |
//! | `thresholds` | [`Thresholds`] |
//! | `identity` | which encoder decides collapse |
//! | `cells` | the grouping, with Polars |
//! | `present` | the table for people, for papers, for programs |

mod cells;
mod identity;
mod present;
mod thresholds;

pub use cells::{Facts, build};
pub use identity::{identity_encoder, is_dinov2};
pub use thresholds::Thresholds;

use crate::score::{Confidence, Identification};
use crate::vocabulary::closed_set;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

closed_set! {
    /// What a report may be grouped by.
    Key, "key" {
        Model = "model",
        SubjectCount = "subject_count",
        SceneType = "scene_type",
        PromptId = "prompt_id",
        Seed = "seed",
        /// An attribute of subjects: a cell is over (generation, subject) pairs.
        Kind = "kind",
        /// An attribute of subjects: a cell is over (generation, subject) pairs.
        SubjectId = "subject_id",
    }
}

impl Key {
    /// Whether cells are over (generation, subject) pairs.
    pub fn is_of_subjects(self) -> bool {
        matches!(self, Key::Kind | Key::SubjectId)
    }
}

/// What to report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOptions {
    /// Group by these, in this order.
    pub by: Vec<Key>,
    /// The thresholds of SCR.
    pub thresholds: Thresholds,
    /// The encoder that decides collapse; `None`: see [`identity_encoder`].
    pub identity: Option<String>,
    /// Intervals of every mean; `None`: none.
    pub confidence: Option<Confidence>,
    /// Whether to add what needs the whole pool: identification and chance SCR.
    pub controls: bool,
}

/// One generation against the whole pool, by the identity encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// Its requested subjects among all.
    pub identification: Identification,
    /// Per threshold, SCR if it had been asked for the subjects it was not asked for.
    pub chance: Vec<f64>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            by: vec![Key::Model, Key::SubjectCount],
            thresholds: Thresholds::default(),
            identity: None,
            confidence: None,
            controls: false,
        }
    }
}

/// A report; serialises as `msdata report --format json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The thresholds of SCR.
    #[serde(serialize_with = "thresholds_as_list")]
    pub thresholds: Thresholds,
    /// The encoder that decides collapse.
    pub identity: String,
    /// The keys grouped by.
    pub by: Vec<Key>,
    /// The cells, in the order of their keys.
    pub rows: Vec<Row>,
    /// Generations that the catalog expects.
    #[serde(skip)]
    pub generations: u64,
    /// Those of them that the identity encoder could not score.
    #[serde(skip)]
    pub generations_missing: u64,
    /// How many prompts each encoder cut at its limit: their CLIP-T is of a part of the text.
    #[serde(skip)]
    pub cut_prompts: Vec<(String, u64)>,
}

/// The value of a key in a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum KeyValue {
    /// A count or a seed.
    Integer(i64),
    /// A name; `None`: a subject without a kind.
    Text(Option<String>),
}

/// A mean with the name of its encoder or threshold; `None` where there was nothing to average.
pub type Named = (String, Option<f64>);

/// A cell: the mean over its generations (or over pairs, grouped by an attribute of subjects).
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The cell's keys.
    pub keys: Vec<(Key, KeyValue)>,
    /// Generations scored by the identity encoder.
    pub images: u64,
    /// Subjects in them.
    pub subjects: u64,
    /// Generations that the catalog expects and the identity encoder could not score.
    pub missing: u64,
    /// Per encoder with texts: mean CLIP-T.
    pub clip_t: Vec<Named>,
    /// Per encoder: mean similarity.
    pub similarity: Vec<Named>,
    /// Per threshold: mean Subject Collapse Rate.
    pub scr: Vec<Named>,
    /// Encoders (and `clip_t/ENCODER`) that scored another number of generations, and how many.
    pub scored: Vec<(String, u64)>,
    /// The interval of each mean, if intervals were asked for.
    pub ci: Option<Intervals>,
    /// Means over the cell's generations, if controls were asked for.
    pub controls: Option<CellControls>,
}

/// The controls of a cell; `None` where no generation has any.
#[derive(Debug, Clone, PartialEq)]
pub struct CellControls {
    /// Mean identification.
    pub identification: Option<Identification>,
    /// Per threshold: mean chance SCR.
    pub chance_scr: Vec<Named>,
}

/// The intervals of a cell, in the order of its means; `None` where fewer than two prompts have a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// Of [`Row::clip_t`].
    pub clip_t: Vec<(String, Option<[f64; 2]>)>,
    /// Of [`Row::similarity`].
    pub similarity: Vec<(String, Option<[f64; 2]>)>,
    /// Of [`Row::scr`].
    pub scr: Vec<(String, Option<[f64; 2]>)>,
}

impl Serialize for Intervals {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(3))?;
        map.serialize_entry("scr", &Pairs(&self.scr))?;
        map.serialize_entry("similarity", &Pairs(&self.similarity))?;
        map.serialize_entry("clip_t", &Pairs(&self.clip_t))?;
        map.end()
    }
}

fn thresholds_as_list<S: Serializer>(t: &Thresholds, s: S) -> Result<S::Ok, S::Error> {
    t.values().serialize(s)
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (key, value) in &self.keys {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("images", &self.images)?;
        map.serialize_entry("subjects", &self.subjects)?;
        map.serialize_entry("missing", &self.missing)?;
        map.serialize_entry("clip_t", &Pairs(&self.clip_t))?;
        map.serialize_entry("similarity", &Pairs(&self.similarity))?;
        map.serialize_entry("scr", &Pairs(&self.scr))?;
        if let Some(ci) = &self.ci {
            map.serialize_entry("ci", ci)?;
        }
        if let Some(controls) = &self.controls {
            let of = |pick: fn(&Identification) -> f64| controls.identification.as_ref().map(pick);
            let identification =
                [("auc", of(|i| i.auc)), ("r_precision", of(|i| i.r_precision)), ("mean_rank", of(|i| i.mean_rank))];
            map.serialize_entry("identification", &Pairs(&identification.map(|(name, value)| (name.to_owned(), value))))?;
            map.serialize_entry("chance_scr", &Pairs(&controls.chance_scr))?;
        }
        if !self.scored.is_empty() {
            map.serialize_entry("scored", &Pairs(&self.scored))?;
        }
        map.end()
    }
}

/// Named values as a JSON object, in order.
struct Pairs<'a, V>(&'a [(String, V)]);

impl<V: Serialize> Serialize for Pairs<'_, V> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

//! A cell of a report: the structs *are* the JSON.

use super::Key;
use crate::score::{Curve, Identification};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The value of a key in a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum KeyValue {
    /// A count or a seed.
    Integer(i64),
    /// A name; `None`: a subject without a kind or a source, a prompt of unknown length, an image of unknown size.
    Text(Option<String>),
}

impl KeyValue {
    /// The name; nothing for a number and for what has none.
    pub fn text(&self) -> Option<&str> {
        match self {
            KeyValue::Text(text) => text.as_deref(),
            KeyValue::Integer(_) => None,
        }
    }
}

/// A mean with the name of its encoder or threshold; `None` where there was nothing to average.
pub type Named = (String, Option<f64>);

/// A cell: the mean over its generations (or over pairs, grouped by an attribute of subjects).
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The cell's keys.
    pub keys: Vec<(Key, KeyValue)>,
    /// Whether its model is a control; such rows come after the models under test.
    pub control: bool,
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
    /// Per threshold: mean number of subjects of an image that have not collapsed.
    pub uncollapsed: Vec<Named>,
    /// Encoders (and `clip_t/ENCODER`) that scored another number of generations, and how many.
    pub scored: Vec<(String, u64)>,
    /// The interval of each mean, if intervals were asked for.
    pub ci: Option<Intervals>,
    /// Means over the cell's generations, if controls were asked for.
    pub controls: Option<CellControls>,
    /// SCR at every threshold, if it was asked for; within, `None` without images.
    pub curve: Option<Option<Curve>>,
}

impl Row {
    /// The value of one of its keys.
    pub fn key(&self, key: Key) -> Option<&KeyValue> {
        self.keys.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

/// The controls of a cell; `None` where no generation has any.
#[derive(Debug, Clone, PartialEq)]
pub struct CellControls {
    /// Mean identification by the identity encoder.
    pub identification: Option<Identification>,
    /// Per threshold: mean chance SCR by the identity encoder.
    pub chance_scr: Vec<Named>,
    /// Per encoder: mean identification AUC.
    pub auc: Vec<Named>,
    /// Per encoder: mean similarity with the subjects of the pool that were *not* asked for.
    pub chance: Vec<Named>,
    /// Per encoder: mean similarity of the composites of the images' prompts.
    pub ceiling: Vec<Named>,
    /// Per encoder: the same where each subject has the image to itself.
    pub single: Vec<Named>,
    /// Per encoder: (similarity − chance) / (ceiling − chance).
    pub normalised: Vec<Named>,
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

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (key, value) in &self.keys {
            map.serialize_entry(key, value)?;
        }
        if self.control {
            map.serialize_entry("control", &true)?;
        }
        map.serialize_entry("images", &self.images)?;
        map.serialize_entry("subjects", &self.subjects)?;
        map.serialize_entry("missing", &self.missing)?;
        map.serialize_entry("clip_t", &Pairs(&self.clip_t))?;
        map.serialize_entry("similarity", &Pairs(&self.similarity))?;
        map.serialize_entry("scr", &Pairs(&self.scr))?;
        map.serialize_entry("uncollapsed", &Pairs(&self.uncollapsed))?;
        if let Some(ci) = &self.ci {
            map.serialize_entry("ci", ci)?;
        }
        if let Some(controls) = &self.controls {
            let of = |pick: fn(&Identification) -> f64| controls.identification.as_ref().map(pick);
            let identification =
                [("auc", of(|i| i.auc)), ("r_precision", of(|i| i.r_precision)), ("mean_rank", of(|i| i.mean_rank))];
            map.serialize_entry("identification", &Pairs(&identification.map(|(name, value)| (name.to_owned(), value))))?;
            map.serialize_entry("chance_scr", &Pairs(&controls.chance_scr))?;
            for (name, values) in controls.by_encoder() {
                map.serialize_entry(name, &Pairs(values))?;
            }
        }
        if let Some(curve) = &self.curve {
            map.serialize_entry("curve", curve)?;
        }
        if !self.scored.is_empty() {
            map.serialize_entry("scored", &Pairs(&self.scored))?;
        }
        map.end()
    }
}

impl Row {
    /// The ceiling by an encoder, by its place.
    pub(super) fn ceiling(&self, encoder: usize) -> Option<f64> {
        self.controls.as_ref()?.ceiling.get(encoder)?.1
    }
}

impl CellControls {
    /// What there is of every image encoder, by its name in JSON and CSV.
    pub(super) fn by_encoder(&self) -> [(&'static str, &[Named]); 5] {
        [
            ("auc", &self.auc),
            ("chance", &self.chance),
            ("ceiling", &self.ceiling),
            ("single", &self.single),
            ("normalised", &self.normalised),
        ]
    }
}

/// Named values as a JSON object, in order.
struct Pairs<'a, V>(&'a [(String, V)]);

impl<V: Serialize> Serialize for Pairs<'_, V> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

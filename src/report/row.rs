//! A cell of a report: the structs *are* the JSON.

use super::{CellMetric, CellRegions, Key};
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
    /// Encoders (and `clip_t/ENCODER`, `metrics/NAME`) that scored another number of generations, and how many.
    pub scored: Vec<(String, u64)>,
    /// The interval of each mean, if intervals were asked for.
    pub ci: Option<Intervals>,
    /// Means over the cell's generations, if controls were asked for.
    pub controls: Option<CellControls>,
    /// SCR at every threshold, if it was asked for; within, `None` without images.
    pub curve: Option<Option<Curve>>,
    /// What the windows say, where images were searched.
    pub local: Option<CellLocal>,
    /// What region sets say, those that were asked for.
    pub regions: Vec<CellRegions>,
    /// What metrics from elsewhere say, by name.
    pub metrics: Vec<CellMetric>,
}

/// What the windows of a cell's images say, by the identity encoder. Means are over the units that were searched.
#[derive(Debug, Clone, PartialEq)]
pub struct CellLocal {
    /// Generations that were searched, with all their subjects in the pool.
    pub images: u64,
    /// Requested subjects without a verdict on their being present: these, and where images are counted their images, are
    /// in no cSCR.
    pub undecided: u64,
    /// The same within their kind.
    pub undecided_in_kind: u64,
    /// Mean local similarity, by the identity encoder's name.
    pub similarity: Vec<Named>,
    /// By α: the mean share of subjects that are not present.
    pub cscr: Vec<Named>,
    /// By α: the mean share of subjects that are not told from others of their kind.
    pub cscr_kind: Vec<Named>,
    /// Share of pairs in which the model is more similar than a text-only control; the outer `None`: there is no such
    /// control.
    pub beyond_words: Option<Option<f64>>,
    /// Mean number of an image's subjects that are in two places or more.
    pub doubled: Option<f64>,
    /// Mean identification by local similarity, if controls were asked for.
    pub identification: Option<Option<Identification>>,
    /// The interval of each mean, if intervals were asked for.
    pub ci: Option<LocalIntervals>,
}

/// The intervals of what the windows say; `None` where fewer than two prompts have a value.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalIntervals {
    /// Of [`CellLocal::similarity`].
    pub similarity: Vec<(String, Option<[f64; 2]>)>,
    /// Of [`CellLocal::cscr`], the nulls resampled too.
    pub cscr: Vec<(String, Option<[f64; 2]>)>,
    /// Of [`CellLocal::cscr_kind`], likewise.
    pub cscr_kind: Vec<(String, Option<[f64; 2]>)>,
    /// Of [`CellLocal::beyond_words`]: one, without a name.
    pub beyond_words: Vec<(String, Option<[f64; 2]>)>,
}

impl Row {
    /// Adds the metrics that have values of another number of generations to [`Row::scored`].
    pub(super) fn with_counts_of_metrics(mut self) -> Row {
        let others = self.metrics.iter().filter(|metric| metric.images != self.images);
        self.scored.extend(others.map(|metric| (format!("metrics/{}", metric.name), metric.images)));
        self
    }

    /// Returns the value of one of its keys.
    pub fn key(&self, key: Key) -> Option<&KeyValue> {
        self.keys.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

/// The controls of a cell; `None` where no generation has any.
#[derive(Debug, Clone, PartialEq)]
pub struct CellControls {
    /// Whether all of it was asked for; otherwise it is here because identification leads, and that alone is shown.
    pub complete: bool,
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
        if !self.metrics.is_empty() {
            let means: Vec<Named> = self.metrics.iter().map(|metric| (metric.name.to_string(), metric.mean)).collect();
            map.serialize_entry("metrics", &Pairs(&means))?;
            if self.metrics.iter().any(|metric| metric.ci.is_some()) {
                let ends: Vec<_> = self.metrics.iter().map(|m| (m.name.to_string(), m.ci.flatten())).collect();
                map.serialize_entry("metrics_ci", &Pairs(&ends))?;
            }
        }
        if let Some(controls) = &self.controls {
            map.serialize_entry("identification", &Pairs(&named_parts(controls.identification.as_ref())))?;
            if controls.complete {
                map.serialize_entry("chance_scr", &Pairs(&controls.chance_scr))?;
            }
            for (name, values) in controls.by_encoder().into_iter().filter(|_| controls.complete) {
                map.serialize_entry(name, &Pairs(values))?;
            }
        }
        if let Some(curve) = &self.curve {
            map.serialize_entry("curve", curve)?;
        }
        if !self.regions.is_empty() {
            map.serialize_entry("regions", &BySet(&self.regions))?;
        }
        if let Some(local) = &self.local {
            map.serialize_entry("local", &Pairs(&local.similarity))?;
            map.serialize_entry("cscr", &Pairs(&local.cscr))?;
            map.serialize_entry("cscr_kind", &Pairs(&local.cscr_kind))?;
            if let Some(share) = &local.beyond_words {
                map.serialize_entry("beyond_words", share)?;
            }
            map.serialize_entry("doubled", &local.doubled)?;
            if let Some(identification) = &local.identification {
                map.serialize_entry("local_identification", &Pairs(&named_parts(identification.as_ref())))?;
            }
            map.serialize_entry("looked_through", &local.images)?;
            map.serialize_entry("undecided", &local.undecided)?;
            map.serialize_entry("undecided_in_kind", &local.undecided_in_kind)?;
            if let Some(ci) = &local.ci {
                map.serialize_entry("local_ci", ci)?;
            }
        }
        if !self.scored.is_empty() {
            map.serialize_entry("scored", &Pairs(&self.scored))?;
        }
        map.end()
    }
}

impl Serialize for LocalIntervals {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(4))?;
        map.serialize_entry("local", &Pairs(&self.similarity))?;
        map.serialize_entry("cscr", &Pairs(&self.cscr))?;
        map.serialize_entry("cscr_kind", &Pairs(&self.cscr_kind))?;
        map.serialize_entry("beyond_words", &self.beyond_words.first().and_then(|(_, interval)| *interval))?;
        map.end()
    }
}

/// The parts of an identification by their names in JSON.
fn named_parts(identification: Option<&Identification>) -> [Named; 3] {
    let of = |pick: fn(&Identification) -> f64| identification.map(pick);
    [("auc", of(|i| i.auc)), ("r_precision", of(|i| i.r_precision)), ("mean_rank", of(|i| i.mean_rank))]
        .map(|(name, value)| (name.to_owned(), value))
}

impl Row {
    /// The identification AUC by an encoder, by its place.
    pub(super) fn auc(&self, encoder: usize) -> Option<f64> {
        self.controls.as_ref()?.auc.get(encoder)?.1
    }

    /// The ceiling by an encoder, by its place.
    pub(super) fn ceiling(&self, encoder: usize) -> Option<f64> {
        self.controls.as_ref()?.ceiling.get(encoder)?.1
    }
}

impl CellLocal {
    /// The names of [`CellLocal::values`] as CSV has them.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = ["looked_through", "undecided", "undecided_in_kind"].map(str::to_owned).to_vec();
        columns.extend(self.similarity.iter().map(|(encoder, _)| format!("local_{encoder}")));
        columns.extend(self.cscr.iter().map(|(alpha, _)| format!("cscr_{alpha}")));
        columns.extend(self.cscr_kind.iter().map(|(alpha, _)| format!("cscr_kind_{alpha}")));
        columns.extend(self.beyond_words.map(|_| "beyond_words".to_owned()));
        columns.push("doubled".into());
        if self.identification.is_some() {
            columns.extend(["local_auc", "local_r_precision", "local_mean_rank"].map(str::to_owned));
        }
        if let Some(ci) = &self.ci {
            let ends = |name: String| [format!("{name}_low"), format!("{name}_high")];
            columns.extend(ci.similarity.iter().flat_map(|(encoder, _)| ends(format!("local_{encoder}"))));
            columns.extend(ci.cscr.iter().flat_map(|(alpha, _)| ends(format!("cscr_{alpha}"))));
            columns.extend(ci.cscr_kind.iter().flat_map(|(alpha, _)| ends(format!("cscr_kind_{alpha}"))));
            columns.extend(self.beyond_words.iter().flat_map(|_| ends("beyond_words".into())));
        }
        columns
    }

    /// Returns every number.
    pub(super) fn values(&self) -> Vec<Option<f64>> {
        let mut values = [self.images, self.undecided, self.undecided_in_kind].map(|count| Some(count as f64)).to_vec();
        values.extend(self.similarity.iter().chain(&self.cscr).chain(&self.cscr_kind).map(|(_, value)| *value));
        values.extend(self.beyond_words);
        values.push(self.doubled);
        if let Some(identification) = &self.identification {
            values.extend(named_parts(identification.as_ref()).map(|(_, value)| value));
        }
        if let Some(ci) = &self.ci {
            let all = ci.similarity.iter().chain(&ci.cscr).chain(&ci.cscr_kind).map(|(_, ends)| *ends);
            let beyond = self.beyond_words.map(|_| ci.beyond_words.first().and_then(|(_, ends)| *ends));
            values.extend(all.chain(beyond).flat_map(|ends| [0, 1].map(|end| ends.map(|ends| ends[end]))));
        }
        values
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

/// What region sets say as a JSON object, by the set's name.
struct BySet<'a>(&'a [CellRegions]);

impl Serialize for BySet<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|cell| (&cell.set, cell)))
    }
}

/// Named values as a JSON object, in order.
struct Pairs<'a, V>(&'a [(String, V)]);

impl<V: Serialize> Serialize for Pairs<'_, V> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

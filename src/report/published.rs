//! The numbers that the paper printed, to be shown beside one's own: only where the data set is the paper's protocol, and
//! never among one's own.

use super::{Key, KeyValue, Snapshot};
use crate::table::Cell;
use crate::text::plain;
use crate::vocabulary::SceneType;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// Where the numbers come from.
const SOURCE: &str = "Table 1 of When Identities Collapse (arXiv:2603.26078)";

/// The encoders that the numbers are by.
const CLIP: &str = "clip-vit-large-patch14";
const DINOV2: &str = "dinov2-small";

/// The threshold of the printed SCR.
const THRESHOLD: &str = "0.4";

const COUNTS: [usize; 5] = [2, 4, 6, 8, 10];

/// Prompts of each subject count and scene type.
const PROMPTS: usize = 5;

/// Seeds of each prompt.
const SEEDS: usize = 3;

/// Most faults of a kind that a reason names.
const NAMED: usize = 3;

/// Table 1: by model, for 2, 4, 6, 8 and 10 subjects, CLIP-T, CLIP-I, DINOv2 and SCR@0.4 in per cent, as printed.
const TABLE: [(&str, [[f64; 4]; 5]); 3] = [
    (
        "MOSAIC",
        [
            [0.261, 0.695, 0.425, 48.9],
            [0.289, 0.586, 0.235, 81.7],
            [0.297, 0.535, 0.164, 90.7],
            [0.302, 0.517, 0.126, 94.7],
            [0.300, 0.504, 0.110, 96.0],
        ],
    ),
    (
        "XVerse",
        [
            [0.268, 0.646, 0.355, 58.9],
            [0.279, 0.593, 0.211, 80.0],
            [0.275, 0.550, 0.142, 93.0],
            [0.276, 0.532, 0.123, 94.4],
            [0.283, 0.524, 0.104, 96.4],
        ],
    ),
    (
        "PSR",
        [
            [0.274, 0.647, 0.325, 63.3],
            [0.292, 0.568, 0.189, 85.6],
            [0.302, 0.537, 0.136, 94.1],
            [0.304, 0.517, 0.117, 95.0],
            [0.309, 0.500, 0.101, 97.8],
        ],
    ),
];

/// The paper's Table 1, or why it does not stand beside this report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Why the numbers cannot be compared with those of the data set, each as a sentence; empty: they can.
    pub why_not: Vec<String>,
}

/// A printed cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedCell {
    /// The model.
    pub model: &'static str,
    /// How many subjects its prompts have.
    pub subject_count: usize,
    /// CLIP-T, by CLIP ViT-L/14.
    pub clip_t: f64,
    /// Similarity by the same.
    pub clip_i: f64,
    /// Similarity by DINOv2 ViT-S/14.
    pub dinov2: f64,
    /// The share of collapsed subjects at τ = 0.4, from 0 to 1.
    pub scr: f64,
}

impl Published {
    /// Returns the table if it can stand beside a report of this snapshot by these keys.
    pub(super) fn beside(snapshot: &Snapshot, by: &[Key]) -> Published {
        let mut why_not = Vec::new();
        let mut keys = by.to_vec();
        keys.sort_unstable();
        if keys != [Key::Model, Key::SubjectCount] {
            why_not.push("it is by model and subject count, and this report is not (`--by model,subject_count`)".to_owned());
        }
        why_not.extend(other_prompts(snapshot));
        why_not.extend(other_images(snapshot));
        why_not.extend(other_encoders(snapshot));
        Published { why_not }
    }

    /// Where the numbers come from.
    pub fn source(&self) -> &'static str {
        SOURCE
    }

    /// Returns the printed cells; none where they cannot be compared.
    pub fn cells(&self) -> Vec<PublishedCell> {
        if !self.why_not.is_empty() {
            return Vec::new();
        }
        let cell = |model, subject_count, [clip_t, clip_i, dinov2, scr]: [f64; 4]| PublishedCell {
            model,
            subject_count,
            clip_t,
            clip_i,
            dinov2,
            scr: scr / 100.0,
        };
        let of_model = |(model, rows): (&'static str, [[f64; 4]; 5])| {
            COUNTS.into_iter().zip(rows).map(move |(count, numbers)| cell(model, count, numbers))
        };
        TABLE.into_iter().flat_map(of_model).collect()
    }

    /// Returns why the table is not shown, in a sentence; `None`: it is.
    pub fn reason(&self) -> Option<String> {
        let why = self.why_not.join("; ");
        (!why.is_empty()).then(|| format!("{SOURCE} is not shown beside these numbers, which are of something else: {why}"))
    }
}

/// Why the prompts are not those of the protocol: 5 of each subject count and scene type.
fn other_prompts(snapshot: &Snapshot) -> Option<String> {
    let mut cells: BTreeMap<(usize, SceneType), usize> = BTreeMap::new();
    for count in COUNTS {
        cells.extend(SceneType::ALL.iter().map(|scene| ((count, *scene), 0)));
    }
    for prompt in &snapshot.prompts {
        *cells.entry((prompt.subjects.len(), prompt.scene_type)).or_default() += 1;
    }
    let is_asked = |(count, _): &(usize, SceneType)| COUNTS.contains(count);
    let wrong = cells.iter().filter(|(cell, prompts)| **prompts != if is_asked(cell) { PROMPTS } else { 0 });
    let wrong: Vec<String> = wrong.map(|((count, scene), prompts)| format!("{prompts} of {count} subjects, {scene}")).collect();
    if wrong.is_empty() {
        return None;
    }
    Some(format!(
        "its 75 prompts are 5 of each of 2, 4, 6, 8 and 10 subjects and each scene type, and the data set has {} ({})",
        snapshot.prompts.len(),
        first(&wrong)
    ))
}

/// Why the images are not those of the protocol: every model under test, every prompt, three seeds.
fn other_images(snapshot: &Snapshot) -> Option<String> {
    let (mut wrong, mut any) = (Vec::new(), false);
    for (model, (name, control)) in (0..).zip(&snapshot.models) {
        let places = snapshot.generations.of_model(model);
        if *control || !snapshot.is_shown(model) || places.is_empty() {
            continue;
        }
        any = true;
        let images = places.len();
        let seeds = places.map(|at| snapshot.generations.get(at).seed).collect::<BTreeSet<i64>>().len();
        if seeds != SEEDS || images != SEEDS * snapshot.prompts.len() {
            let name = plain(name.as_str());
            wrong.push(format!("{name} has {images} images with {seeds} different seed{}", if seeds == 1 { "" } else { "s" }));
        }
    }
    if !any {
        return Some("the data set has no image of a model under test".to_owned());
    }
    (!wrong.is_empty()).then(|| format!("its models made an image of each prompt with each of 3 seeds, and {}", first(&wrong)))
}

/// Why the encoders are not the paper's.
fn other_encoders(snapshot: &Snapshot) -> Option<String> {
    let has = |name: &str| snapshot.encoder_place(name).is_some_and(|encoder| snapshot.scores.has_images(encoder));
    let lacking: Vec<&str> = [DINOV2, CLIP].into_iter().filter(|name| !has(name)).collect();
    if !lacking.is_empty() {
        return Some(format!(
            "it is by {DINOV2} and {CLIP}, and the data set has no scores by {} (`msdata embed --encoder paper`)",
            lacking.join(" and ")
        ));
    }
    (snapshot.identity != DINOV2)
        .then(|| format!("collapse is by {DINOV2}, and here by {} (`--identity {DINOV2}`)", plain(&snapshot.identity)))
}

/// The first of some faults, and how many more there are.
fn first(faults: &[String]) -> String {
    let named = faults.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    if faults.len() > NAMED { format!("{named}; and {} more", faults.len() - NAMED) } else { named }
}

impl PublishedCell {
    /// Returns its number in the column of a flat table.
    pub(super) fn cell(&self, column: &str) -> Cell {
        let named = |prefix: &str, of: &str| column.strip_prefix(prefix) == Some(of);
        match column {
            "model" => Cell::Text(self.model.to_owned()),
            "subject_count" => Cell::Integer(self.subject_count as i64),
            "published" => Cell::Text(SOURCE.to_owned()),
            _ if named("clip_t_", CLIP) => Cell::Real(self.clip_t),
            _ if named("similarity_", CLIP) => Cell::Real(self.clip_i),
            _ if named("similarity_", DINOV2) => Cell::Real(self.dinov2),
            _ if named("scr_", THRESHOLD) => Cell::Real(self.scr),
            _ => Cell::Null,
        }
    }

    /// Returns its keys, in this order.
    pub(super) fn keys(&self, by: &[Key]) -> Vec<KeyValue> {
        let value = |key: &Key| match key {
            Key::SubjectCount => KeyValue::Integer(self.subject_count as i64),
            _ => KeyValue::Text(Some(format!("{} (published)", self.model))),
        };
        by.iter().map(value).collect()
    }

    /// Returns its numbers as printed: CLIP-T, CLIP-I, DINOv2, SCR in per cent.
    pub fn printed(&self) -> [String; 4] {
        let cosine = |x: f64| format!("{x:.3}");
        [cosine(self.clip_t), cosine(self.clip_i), cosine(self.dinov2), format!("{:.1}", self.scr * 100.0)]
    }

    /// Heads of [`PublishedCell::printed`], each with whether more is better.
    pub const HEADS: [(&'static str, bool); 4] = [("CLIP-T", true), ("CLIP-I", true), ("DINOv2", true), ("SCR@0.4 %", false)];
}

impl Serialize for PublishedCell {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let named = |pairs: &[(&'static str, f64)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("subject_count", &self.subject_count)?;
        map.serialize_entry("clip_t", &named(&[(CLIP, self.clip_t)]))?;
        map.serialize_entry("similarity", &named(&[(CLIP, self.clip_i), (DINOV2, self.dinov2)]))?;
        map.serialize_entry("scr", &named(&[(THRESHOLD, self.scr)]))?;
        map.serialize_entry("published", SOURCE)?;
        map.end()
    }
}

impl Serialize for Published {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("source", SOURCE)?;
        match self.why_not.is_empty() {
            true => map.serialize_entry("rows", &self.cells())?,
            false => map.serialize_entry("why_not", &self.why_not)?,
        }
        map.end()
    }
}

//! Images to look at before you believe a table: those that CLIP rates well although every subject is lost, those
//! that copy a reference, those that are there twice, and those in which there is nothing to see.

use crate::catalog::{Content, EncoderRow, VectorPlace, Which};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ops::report::snapshot::Reading;
use crate::ops::score::{Blocks, Needs};
use crate::report::{GenerationPlaces, RegionChoice, RegionMeasure, Snapshot, blind_spot, is_clip, is_dinov2};
use crate::score::{Reference, cosine, near_duplicates, score_generation};
use crate::table::{Cell, Format, Head, TableWriter};
use crate::vocabulary::closed_set;
use crate::watch::Watch;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

closed_set! {
    /// Why an image is listed.
    FlagKind, "flag" {
        /// Its CLIP-I is in the upper quartile of its subject count, and every subject is collapsed.
        BlindSpot = "blind_spot",
        /// It is more similar to a reference of a requested subject than the subject's references are to each
        /// other, or than a given bound.
        Copy = "copy",
        /// Another generation, or a reference, has the same bytes.
        SameBytes = "same_bytes",
        /// Another generation is nearly the same.
        NearDuplicate = "near_duplicate",
        /// There is nothing to see: a single colour, or no visible pixel.
        Blank = "blank",
        /// Of a region set, the image that lacks most requested subjects.
        Missing = "missing",
        /// Of a region set, the image with most regions that are nobody's.
        Extra = "extra",
        /// Of a region set, the image with most regions that resemble a requested subject who has another.
        Clones = "clones",
        /// Of a region set, the image whose regions are most like other requested subjects.
        Bleeding = "bleeding",
        /// Of a region set, the image whose regions are most alike.
        Homogenisation = "homogenisation",
    }
}

/// Below this similarity by DINOv2 a subject is collapsed.
const DINOV2_THRESHOLD: f64 = 0.4;

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditOptions {
    /// The encoder that decides collapse, and whose vectors show copies; `None`: see [`crate::report::identity_encoder`].
    pub identity: Option<String>,
    /// The encoder whose blind spot is listed; `None`: every CLIP encoder.
    pub clip: Option<String>,
    /// A subject below this similarity is collapsed; `None`: 0.4 by DINOv2, for which it was found, and no subject is by
    /// any other encoder.
    pub threshold: Option<f64>,
    /// An image whose cosine with a reference is above this is a copy; `None`: the largest cosine between two references
    /// of the subject.
    pub copy: Option<f64>,
    /// A generation whose cosine with another is at least this is a near-duplicate.
    pub near: f64,
}

impl Default for AuditOptions {
    fn default() -> Self {
        AuditOptions { identity: None, clip: None, threshold: None, copy: None, near: 0.98 }
    }
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// The encoder that decides collapse, and whose vectors show copies.
    pub identity: String,
    /// The listed images, by kind, then by the image's key.
    pub flags: Vec<Flag>,
    /// What could not be looked for, as sentences.
    pub warnings: Vec<String>,
}

/// An image and why it is listed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flag {
    /// Why.
    pub flag: FlagKind,
    /// The image.
    pub image: ImageKey,
    /// The encoder whose vectors show it; `None`: the bytes show it.
    pub encoder: Option<String>,
    /// CLIP-I, or the cosine with the reference or the other image.
    pub value: Option<f64>,
    /// The bound that the value exceeds or reaches.
    pub bound: Option<f64>,
    /// The reference that it resembles: subject and index.
    pub reference: Option<(String, i64)>,
    /// The image that it resembles: the first such image in the order of the keys.
    pub other: Option<ImageKey>,
}

/// The key of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageKey {
    /// The model.
    pub model: String,
    /// The prompt.
    pub prompt_id: String,
    /// The seed.
    pub seed: i64,
}

impl Dataset {
    /// Lists images of the models under test to look at before you believe the tables.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse; or the caller wants to stop.
    pub fn audit(&self, options: &AuditOptions, watch: &mut Watch<'_>) -> Result<Audit> {
        let thresholds = [options.threshold.unwrap_or(DINOV2_THRESHOLD)];
        let snapshot = self.snapshot(options.identity.as_deref(), &Reading::collapse(&thresholds))?;
        let (encoders, identity) = (&snapshot.encoders, &snapshot.identity);
        let names: Vec<&str> = encoders.iter().map(|(_, name)| name.as_str()).collect();
        let place = |wanted: &str| names.iter().position(|name| *name == wanted);
        let clips: Vec<usize> = match &options.clip {
            None => (0..names.len()).filter(|at| is_clip(names[*at])).collect(),
            Some(clip) => vec![place(clip).ok_or_else(|| {
                Error::request(format!("the data set has no image encoder `{clip}`"), format!("it has {}", names.join(", ")))
            })?],
        };
        let identity_at = place(identity).unwrap_or(0);
        let rows = self.catalog.encoders()?;
        let row = rows.iter().find(|row| row.id == encoders[identity_at].0);
        let mut warnings = Vec::new();
        let places = GenerationPlaces::of(&snapshot.generations);
        let mut search = AuditSearch { data: self, snapshot: &snapshot, places, flags: Vec::new() };
        if clips.is_empty() {
            warnings.push(
                "there is no CLIP encoder whose blind spot could be listed (`--clip ENCODER` chooses another encoder)".to_owned(),
            );
        }
        let threshold = options.threshold.or_else(|| is_dinov2(identity).then_some(DINOV2_THRESHOLD));
        if threshold.is_none() && !clips.is_empty() {
            warnings.push(format!(
                "no blind spot is listed, because the threshold {DINOV2_THRESHOLD} was chosen for DINOv2 and means nothing for \
                 {identity}: `--threshold T` gives one that does"
            ));
        }
        for (clip, threshold) in clips.into_iter().filter_map(|clip| Some((clip, threshold?))) {
            for image in blind_spot(&snapshot, identity_at, clip, threshold) {
                search.flags.push(Flag {
                    encoder: Some(names[clip].to_owned()),
                    value: Some(image.clip_i),
                    bound: Some(image.quartile),
                    ..search.flag(FlagKind::BlindSpot, image.generation)
                });
            }
        }
        let same = search.same_bytes()?;
        if let Some(row) = row {
            warnings.extend(search.vectors(row, options, &same, watch)?);
        }
        let blank = self.find_blank(watch)?;
        let mut blank: Vec<usize> = blank.iter().filter_map(|id| search.places.find(*id)).collect();
        blank.sort_unstable();
        blank.retain(|at| !search.is_control(*at));
        let blank: Vec<Flag> = blank.into_iter().map(|at| search.flag(FlagKind::Blank, at)).collect();
        search.flags.extend(blank);
        warnings.extend(search.failures()?);
        let mut flags = search.flags;
        flags.sort_by_key(|flag| flag.flag); // stable: in the order of the keys within each kind
        Ok(Audit { identity: identity.clone(), flags, warnings })
    }
}

struct AuditSearch<'a> {
    data: &'a Dataset,
    snapshot: &'a Snapshot,
    /// Index of each generation's row in the snapshot.
    places: GenerationPlaces<'a>,
    flags: Vec<Flag>,
}

impl AuditSearch<'_> {
    fn key(&self, at: usize) -> ImageKey {
        let generation = self.snapshot.generations.get(at);
        ImageKey {
            model: self.snapshot.models[generation.model as usize].0.to_string(),
            prompt_id: self.snapshot.prompts[generation.prompt as usize].prompt_id.to_string(),
            seed: generation.seed,
        }
    }

    fn flag(&self, flag: FlagKind, at: usize) -> Flag {
        Flag { flag, image: self.key(at), encoder: None, value: None, bound: None, reference: None, other: None }
    }

    fn is_control(&self, at: usize) -> bool {
        self.snapshot.models[self.snapshot.generations.get(at).model as usize].1
    }

    /// Flags the clearest case of each way to fail, by every region set and encoder; returns what could not be looked for.
    fn failures(&mut self) -> Result<Vec<String>> {
        const MODES: [(FlagKind, RegionMeasure); 5] = [
            (FlagKind::Missing, RegionMeasure::Missing),
            (FlagKind::Extra, RegionMeasure::Extra),
            (FlagKind::Clones, RegionMeasure::Doubled),
            (FlagKind::Bleeding, RegionMeasure::Bleeding),
            (FlagKind::Homogenisation, RegionMeasure::Homogenisation),
        ];
        let encoders = self.data.catalog.encoders()?;
        let mut warnings = Vec::new();
        for set in self.data.catalog.region_sets()? {
            for id in self.data.catalog.encoders_of_regions(set.id)? {
                let Some(encoder) = encoders.iter().find(|row| row.id == id) else { continue };
                let choice = RegionChoice { set: set.name.clone(), encoder: Some(encoder.name.clone()) };
                let found = match self.data.region_snapshot(&choice, None, false, self.snapshot) {
                    Err(Error::Request { message, .. }) => {
                        warnings.push(message);
                        continue;
                    }
                    found => found?,
                };
                for (kind, measure) in MODES {
                    let value = |at: usize| found.of.get(&self.snapshot.generations.id(at))?.values[measure as usize];
                    let cases = (0..self.snapshot.generations.len()).filter(|at| !self.is_control(*at));
                    let cases = cases.filter_map(|at| Some((at, value(at)?))).filter(|(_, value)| *value > 0.0);
                    if let Some((at, value)) = cases.reduce(|best, next| if next.1 > best.1 { next } else { best }) {
                        let encoder = Some(format!("{}:{}", set.name, encoder.name));
                        self.flags.push(Flag { encoder, value: Some(value), ..self.flag(kind, at) });
                    }
                }
            }
        }
        Ok(warnings)
    }

    /// Flags images with the bytes of a reference or of an earlier image; returns the latter.
    fn same_bytes(&mut self) -> Result<HashSet<usize>> {
        let subjects: HashMap<i64, &str> = self.snapshot.subjects.iter().map(|s| (s.id, s.subject_id.as_str())).collect();
        let mut found: Vec<(usize, Flag)> = Vec::new();
        let mut repeated = HashSet::new();
        for group in self.data.catalog.same_content()?.chunk_by(|a, b| a.blake3 == b.blake3) {
            let reference = group.iter().find_map(|Content { reference, .. }| *reference);
            let mut images: Vec<usize> = group
                .iter()
                .filter_map(|content| self.places.find(content.generation?))
                .filter(|at| !self.is_control(*at))
                .collect();
            images.sort_unstable();
            for (i, at) in images.iter().enumerate() {
                let other = images.first().filter(|_| i > 0);
                repeated.extend(other.map(|_| *at));
                if other.is_none() && reference.is_none() {
                    continue;
                }
                let reference = reference.and_then(|(subject, index)| Some(((*subjects.get(&subject)?).to_owned(), index)));
                let other = other.map(|first| self.key(*first));
                found.push((*at, Flag { reference, other, ..self.flag(FlagKind::SameBytes, *at) }));
            }
        }
        found.sort_by_key(|(at, _)| *at);
        self.flags.extend(found.into_iter().map(|(_, flag)| flag));
        Ok(repeated)
    }

    /// Flags copies and near-duplicates by an encoder's vectors; returns what could not be looked for.
    fn vectors(
        &mut self,
        encoder: &EncoderRow,
        options: &AuditOptions,
        same: &HashSet<usize>,
        watch: &mut Watch<'_>,
    ) -> Result<Option<String>> {
        let (catalog, store) = (&self.data.catalog, &self.data.store);
        let needs = Needs::read(catalog, encoder)?;
        let pool: HashMap<i64, Vec<Reference>> = needs.pool(store)?.into_iter().collect();
        let bounds: HashMap<i64, Option<f64>> =
            pool.iter().map(|(subject, references)| (*subject, options.copy.or_else(|| closest(references)))).collect();
        let subjects: HashMap<i64, &str> = self.snapshot.subjects.iter().map(|s| (s.id, s.subject_id.as_str())).collect();
        let mut copies: Vec<(usize, Flag)> = Vec::new();
        let mut images: Vec<(usize, VectorPlace)> = Vec::new();
        let mut blocks = Blocks::of(catalog, encoder, Which::Scored)?;
        while let Some(block) = blocks.next(catalog)? {
            watch.check()?;
            let places: Vec<_> = block.iter().map(|candidate| candidate.place).collect();
            let vectors = store.gather(&places, encoder.dimension)?;
            for (candidate, vector) in block.iter().zip(vectors.chunks_exact(encoder.dimension)) {
                let Some(at) = self.places.find(candidate.generation).filter(|at| !self.is_control(*at)) else {
                    continue;
                };
                for subject in needs.requested(candidate.prompt) {
                    let (Some(references), Some(Some(bound))) = (pool.get(subject), bounds.get(subject)) else { continue };
                    let each: Vec<Vec<&Reference>> = references.iter().map(|reference| vec![reference]).collect();
                    let (cosines, _) = score_generation(vector, &each, None);
                    let most = cosines.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
                    if let Some((index, cosine)) = most.filter(|(_, cosine)| *cosine > bound) {
                        let flag = Flag {
                            encoder: Some(encoder.name.to_string()),
                            value: Some(*cosine),
                            bound: Some(*bound),
                            reference: subjects.get(subject).map(|id| ((*id).to_owned(), index as i64)),
                            ..self.flag(FlagKind::Copy, at)
                        };
                        copies.push((at, flag));
                    }
                }
                if !same.contains(&at) {
                    images.push((at, candidate.place));
                }
            }
            watch.report("images", images.len() as u64, Some(self.snapshot.generations.len() as u64));
        }
        copies.sort_by_key(|(at, _)| *at); // stable: subjects in the order of the prompt
        self.flags.extend(copies.into_iter().map(|(_, flag)| flag));

        images.sort_unstable_by_key(|(at, _)| *at);
        let read = |room: &mut Vec<f32>, wanted: &[usize]| {
            watch.check()?;
            store.gather_into(room, &wanted.iter().map(|image| images[*image].1).collect::<Vec<_>>(), encoder.dimension)
        };
        for near in near_duplicates(images.len(), encoder.dimension, options.near, read)? {
            self.flags.push(Flag {
                encoder: Some(encoder.name.to_string()),
                value: Some(near.cosine),
                bound: Some(options.near),
                other: Some(self.key(images[near.earlier].0)),
                ..self.flag(FlagKind::NearDuplicate, images[near.at].0)
            });
        }
        let alone = bounds.values().filter(|bound| bound.is_none()).count();
        Ok((alone > 0).then(|| {
            format!(
                "{alone} of {} subjects have only one reference, so how alike their references are is unknown: copies of them are \
                 not looked for (`--copy BOUND` gives a bound)",
                bounds.len()
            )
        }))
    }
}

/// Returns the largest cosine between two of a subject's references; `None` if there is only one.
fn closest(references: &[Reference]) -> Option<f64> {
    let pairs = references.iter().enumerate().flat_map(|(i, a)| references[i + 1..].iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| cosine(&a.vector, &b.vector)).max_by(f64::total_cmp)
}

impl Audit {
    /// Writes the list in a format.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn write(&self, out: impl Write, format: Format) -> io::Result<()> {
        let columns = [
            "flag",
            "model",
            "prompt_id",
            "seed",
            "encoder",
            "value",
            "bound",
            "subject_id",
            "reference_index",
            "other_model",
            "other_prompt_id",
            "other_seed",
        ];
        let mut table = TableWriter::new(out, format, Head::new(columns.map(str::to_owned).to_vec()))?;
        let text = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
        let integer = |number: Option<i64>| number.map_or(Cell::Null, Cell::Integer);
        let real = |number: Option<f64>| Cell::Real(number.unwrap_or(f64::NAN));
        for flag in &self.flags {
            let (reference, other) = (flag.reference.as_ref(), flag.other.as_ref());
            table.row(&[
                text(Some(flag.flag.as_str())),
                text(Some(&flag.image.model)),
                text(Some(&flag.image.prompt_id)),
                integer(Some(flag.image.seed)),
                text(flag.encoder.as_deref()),
                real(flag.value),
                real(flag.bound),
                text(reference.map(|(subject, _)| subject.as_str())),
                integer(reference.map(|(_, index)| *index)),
                text(other.map(|key| key.model.as_str())),
                text(other.map(|key| key.prompt_id.as_str())),
                integer(other.map(|key| key.seed)),
            ])?;
        }
        table.finish().map(drop)
    }
}

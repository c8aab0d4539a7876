//! Puts finished shards into a data set: after that it is as if one machine had ingested and embedded everything.

use super::ahead::{self, Ahead};
use super::check::check_all;
use super::output::{ShardEncoder, ShardFile, ShardRows, vector};
use super::plan::ShardPlan;
use super::shard_path;
use crate::catalog::{Changes, FoundImage, KnownContent, Merging, NewVector, PartRow, Target, VectorKey, other_encoder};
use crate::dataset::{Dataset, commit};
use crate::embeddings::{PartWriter, Store};
use crate::error::{Error, Result};
use crate::image::PIXEL_RULE;
use crate::ops::embed::{EmbedOptions, IfChanged};
use crate::ops::ingest::IngestOptions;
use crate::ops::ingest::summary::IngestSummary;
use crate::text::plain;
use crate::vocabulary::{EncoderName, ImageStatus, Provenance};
use crate::watch::Watch;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Batches that are decoded before they are merged.
const BATCHES_AHEAD: usize = 2;

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergeSummary {
    /// What became of the rows of the manifests, and what was scored.
    pub ingested: IngestSummary,
    /// Shards merged.
    pub shards: u64,
    /// Images in them.
    pub images: u64,
    /// Vectors put in, by encoder.
    pub vectors: Vec<(EncoderName, u64)>,
    /// Images that the data set has read itself, with other bytes than the shards: what it read stays.
    pub changed: u64,
}

/// An encoder of the shards, in the data set.
struct MergedEncoder {
    row: i64,
    name: EncoderName,
    dimension: usize,
    /// Whether it had vectors before.
    held: bool,
}

impl Dataset {
    /// Takes in the manifests of the plan in `dir`, and the facts and vectors of its shards, without opening an image; then
    /// scores. The shards come in all or none; memory holds one at a time.
    ///
    /// # Errors
    /// A list of every shard that is missing or not what was planned, and of every other fault, by file; nothing was written
    /// then. Or the disk is full, or the caller wants to stop.
    pub fn merge_shards(&mut self, dir: &Path, watch: &mut Watch<'_>) -> Result<MergeSummary> {
        let plan = ShardPlan::read(dir)?;
        check_all(&plan, dir, watch)?;
        let encoders = encoders_of(&plan, dir)?;
        self.check_fit(&plan, &encoders)?;
        let options = options(&plan)?;
        let (ingested, _) = self.take_in(&options, &mut [], false, &[], IfChanged::Refuse, watch)?;
        let mut summary = MergeSummary { ingested, ..MergeSummary::default() };
        let all = plan.shards.iter().map(|shard| shard.rows).sum();
        let changes = self.catalog.begin()?;
        let merged = begin_merge(&changes, &plan, &encoders)?;
        summary.vectors = merged.iter().map(|encoder| (encoder.name.clone(), 0)).collect();
        let mut merge = ShardMerge { changes: &changes, merging: changes.merge(all)?, store: &self.store, encoders: &merged };
        thread::scope(|scope| {
            let (give, ahead) = sync_channel(BATCHES_AHEAD);
            let plan = &plan;
            scope.spawn(move || ahead::read(plan, dir, &give));
            merge.run(&ahead, all, &mut summary, watch)
        })?;
        merge.merging.finish()?;
        commit(changes, &self.store)?;
        if summary.changed > 0 {
            watch.warn(&format!(
                "{} images have changed between the shards and this data set, which keeps what it read; `msdata embed` embeds them",
                summary.changed
            ));
        }
        self.warn_of_duplicates(watch)?;
        self.warn_of_pixels(watch)?;
        summary.ingested.scored = self.score(watch)?;
        summary.ingested.images = self.catalog.tally()?;
        summary.ingested.unusable = self.unusable_images()?;
        Ok(summary)
    }

    /// Refuses what the data set was made otherwise.
    fn check_fit(&self, plan: &ShardPlan, encoders: &[ShardEncoder]) -> Result<()> {
        self.keeps_transparency(&EmbedOptions { transparency: Some(plan.transparency()?), ..EmbedOptions::default() })?;
        for known in self.catalog.encoders()? {
            let Some(here) = encoders.iter().find(|encoder| encoder.name == known.name.as_str()) else { continue };
            if here.fingerprint != known.fingerprint {
                return Err(other_encoder(&known, &here.fingerprint));
            }
        }
        Ok(())
    }
}

/// Makes the encoders of the shards those of the data set.
fn begin_merge(changes: &Changes<'_>, plan: &ShardPlan, encoders: &[ShardEncoder]) -> Result<Vec<MergedEncoder>> {
    changes.set_transparency(plan.transparency()?)?;
    let mut merged = Vec::new();
    for ShardEncoder { name, fingerprint, dimension } in encoders {
        let planned = plan.encoders.iter().find(|planned| planned.name == *name);
        let name = EncoderName::new(name.as_str())
            .map_err(|reason| Error::request(format!("an encoder {reason}"), "give it another name"))?;
        let row = changes.encoder(&name, fingerprint, *dimension)?;
        changes.describe_encoder(row, planned.and_then(|planned| planned.directory.as_deref()), PIXEL_RULE)?;
        changes.set_embeds_whole_images(row, true)?;
        merged.push(MergedEncoder { row, name, dimension: *dimension, held: changes.has_vectors(row)? });
    }
    Ok(merged)
}

/// Shards on their way into a data set.
struct ShardMerge<'a, 'c> {
    changes: &'a Changes<'c>,
    merging: Merging<'a, 'c>,
    store: &'a Store,
    encoders: &'a [MergedEncoder],
}

impl<'a> ShardMerge<'a, '_> {
    /// Merges what is read, to its end.
    fn run(
        &mut self,
        ahead: &Receiver<Result<Ahead>>,
        all: u64,
        summary: &mut MergeSummary,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let mut parts = self.parts()?;
        for read in ahead {
            watch.check()?;
            match read? {
                Ahead::Rows(rows) => self.rows(rows, &mut parts, summary)?,
                Ahead::End => {
                    for (part, (_, vectors)) in parts.into_iter().zip(&mut summary.vectors) {
                        *vectors += part.finish(self.changes, self.store)?;
                    }
                    parts = self.parts()?;
                    summary.shards += 1;
                }
            }
            watch.report("images", summary.images, Some(all));
        }
        Ok(())
    }

    /// Begins a part for each encoder.
    fn parts(&self) -> Result<Vec<NewPart<'a>>> {
        let ids = self.changes.next_part()?..;
        Ok(ids.zip(self.encoders).map(|(id, encoder)| NewPart { id, encoder, writer: None, vectors: Vec::new() }).collect())
    }

    fn rows(&mut self, rows: ShardRows, parts: &mut [NewPart<'_>], summary: &mut MergeSummary) -> Result<()> {
        for (at, (key, found)) in rows.keys.iter().zip(&rows.found).enumerate() {
            summary.images += 1;
            let Some(known) = self.merging.known_content(key)? else { return Err(unknown(key)) };
            let image = known.image;
            if !settle(&self.merging, known, found)? {
                summary.changed += 1;
                continue;
            }
            let (ImageStatus::Ok, Some(source)) = (found.status, found.blake3) else { continue };
            for (part, vectors) in parts.iter_mut().zip(&rows.vectors) {
                match vector(vectors, at) {
                    Some(vector) => part.push(self.changes, self.store, image, source, vector)?,
                    None => {
                        let reason = plain(found.reason.as_deref().unwrap_or_default());
                        self.changes.record_failure(part.encoder.row, image, &source, &reason)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The vectors of a shard by one encoder, on their way into a part.
struct NewPart<'e> {
    id: i64,
    encoder: &'e MergedEncoder,
    writer: Option<PartWriter>,
    vectors: Vec<NewVector>,
}

impl NewPart<'_> {
    /// Adds the vector of an image, unless the data set has one of the same bytes.
    fn push(&mut self, changes: &Changes<'_>, store: &Store, image: i64, source: [u8; 32], vector: &[f32]) -> Result<()> {
        let target = Target::Image(image);
        if self.encoder.held && changes.vector(self.encoder.row, target)?.is_some_and(|(_, of)| of == Some(source)) {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(store.begin(self.id, self.encoder.dimension)?),
        };
        let row = writer.push(vector, Some(source))?;
        self.vectors.push(NewVector { target, row, source: Some(source), truncated: None });
        Ok(())
    }

    /// Registers the part; returns how many vectors are in it.
    fn finish(self, changes: &Changes<'_>, store: &Store) -> Result<u64> {
        let Some(writer) = self.writer else { return Ok(0) };
        let finished = writer.finish()?;
        store.publish(self.id, &finished)?;
        let (rows, bytes, blake3) = (finished.rows, finished.bytes, finished.blake3);
        let part = PartRow { id: self.id, encoder: self.encoder.row, provenance: Provenance::Computed, rows, bytes, blake3 };
        changes.put_part(&part, &self.vectors)?;
        Ok(rows)
    }
}

/// Records what was found out about an image, and returns whether it is what the data set knows: what it has read itself
/// counts more.
fn settle(merging: &Merging<'_, '_>, known: KnownContent, found: &FoundImage) -> Result<bool> {
    let is_same = known.blake3 == found.blake3;
    match known.status {
        ImageStatus::Ok if !is_same => return Ok(false),
        // The data set has only looked at the head of the file; the shards have decoded it.
        ImageStatus::Ok if found.status == ImageStatus::Ok => {}
        _ => merging.record_found(known.image, found)?,
    }
    if let (Some(content), Some(appearance)) = (&found.blake3, found.appearance) {
        merging.record_seen(content, appearance)?;
    }
    Ok(true)
}

fn unknown(key: &VectorKey) -> Error {
    Error::request(
        format!("{key} is not in the data set after its manifests came in"),
        "a later row replaced it: make the plan again with the manifests as they are now",
    )
}

/// Returns the encoders of the shards, whose vectors must have one length each.
fn encoders_of(plan: &ShardPlan, dir: &Path) -> Result<Vec<ShardEncoder>> {
    let mut first: Option<(PathBuf, Vec<ShardEncoder>)> = None;
    for shard in 0..plan.shards.len() {
        let path = shard_path(dir, shard);
        let encoders = ShardFile::open(&path).map_err(|reason| Error::Parquet { path: path.clone(), reason })?.encoders;
        match &first {
            Some((other, known)) if *known != encoders => {
                return Err(Error::request(
                    format!("{} and {} have vectors of different lengths", other.display(), path.display()),
                    "remove the one that is wrong, and run its shard again",
                ));
            }
            Some(_) => {}
            None => first = Some((path, encoders)),
        }
    }
    Ok(first.map(|(_, encoders)| encoders).unwrap_or_default())
}

/// Returns what the plan's manifests are as options of `ingest`.
fn options(plan: &ShardPlan) -> Result<IngestOptions> {
    Ok(IngestOptions {
        subjects: plan.manifests("subjects"),
        prompts: plan.manifests("prompts"),
        generations: plan.manifests("generations"),
        scene_type: plan.scene_type()?,
        columns: plan.columns()?,
        roots: plan.roots.clone(),
        ..IngestOptions::default()
    })
}

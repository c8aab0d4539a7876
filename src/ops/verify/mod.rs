//! Checks every row, file and checksum, and says what is wrong and what to do about it.

mod regions;
pub(crate) mod repair;
mod windows;

use crate::catalog::{Catalog, CatalogFault, EncoderRow, KnownFile, PartRow, Score, Seal, VectorPlace, Which};
use crate::dataset::Dataset;
use crate::embeddings::{PartReader, Store};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::input::{FileState, state_of};
use crate::ops::embed::pixels;
use crate::ops::score::{Blocks, Known, Needs, score_block};
use crate::ops::verify::regions::wrong_region_scores;
use crate::ops::verify::windows::{verify_window_parts, verify_windows};
use crate::text::quote;
use crate::vocabulary::{ImageStatus, Outcome, Probe, Provenance};
use crate::watch::Watch;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Images between two progress reports.
const BLOCK: usize = 4096;

/// Most faults of one sort that are named.
const NAMED: u64 = 100;

/// How thoroughly a data set is checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Depth {
    /// Check rows, and that files are there with their size and time.
    Quick,
    /// Also check this share (above 0, up to 1) of the parts, images and scores as [`Depth::Deep`] does, a different
    /// share each time.
    Sample(f64),
    /// Check every checksum and every image, and compute every score again.
    Deep,
}

/// What a verification found. The data set is sound when there are no faults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// What is wrong, each fault with what to do.
    pub faults: Vec<String>,
    /// What is worth knowing but is not a fault: leftovers, and images that the catalog knows to be missing.
    pub notes: Vec<String>,
    /// What was not checked, and so may be wrong.
    pub unchecked: Vec<String>,
    /// Number of parts checked.
    pub parts: u64,
    /// Number of image files checked.
    pub images: u64,
    /// Number of scores computed again.
    pub scores: u64,
    /// Images whose windows were embedded again.
    pub windows: u64,
}

impl Verification {
    fn fault(&mut self, fault: &CatalogFault) {
        self.faults.push(fault.to_string());
    }
}

/// Chooses what is read; a different choice each time.
struct Chance {
    depth: Depth,
    random: RandomState,
}

impl Chance {
    fn takes(&self, what: u64) -> bool {
        match self.depth {
            Depth::Quick => false,
            Depth::Sample(share) => (self.random.hash_one(what) as f64) < share * 2.0_f64.powi(64),
            Depth::Deep => true,
        }
    }
}

impl Dataset {
    /// Checks the catalog, every part and every image file; with `deep`, also every checksum and score.
    ///
    /// # Errors
    /// The catalog cannot be read at all. Everything else that is wrong is in the [`Verification`].
    pub fn verify(&self, deep: bool, watch: &mut Watch<'_>) -> Result<Verification> {
        self.verify_by(if deep { Depth::Deep } else { Depth::Quick }, watch)
    }

    /// Checks as thoroughly as `depth` says.
    ///
    /// # Errors
    /// Same as [`Dataset::verify`].
    pub fn verify_by(&self, depth: Depth, watch: &mut Watch<'_>) -> Result<Verification> {
        verify(&self.catalog, &self.store, &self.door, depth, watch)
    }
}

/// Checks everything, as thoroughly as `depth` says.
pub fn verify(catalog: &Catalog, store: &Store, door: &Door, depth: Depth, watch: &mut Watch<'_>) -> Result<Verification> {
    let mut found = Verification::default();
    let chance = Chance { depth, random: RandomState::new() };
    verify_rows(catalog, depth, &mut found)?;
    let parts = catalog.parts()?;
    verify_parts(catalog, store, &parts, &chance, watch, &mut found)?;
    let parts = parts.len() as u64 + verify_window_parts(catalog, store, &chance, watch, &mut found)?;
    for path in store.leftovers(&catalog.part_ids()?)? {
        found.notes.push(format!(
            "{} is a leftover of an interrupted run, or kept for a reader; the next command that writes removes it",
            path.display()
        ));
    }
    for path in store.set_aside_parts()? {
        found.notes.push(format!("{} is a damaged part that a repair set aside; nothing needs it", path.display()));
    }
    let read = verify_images(catalog, door, &chance, watch, &mut found)?;
    if depth == Depth::Deep {
        found.faults.extend(pixels::verify(catalog, watch)?);
    }
    if depth != Depth::Quick {
        verify_scores(catalog, store, &chance, watch, &mut found)?;
        verify_windows(catalog, store, door, &chance, watch, &mut found)?;
    }
    if depth != Depth::Deep {
        found.unchecked.push(format!(
            "the bytes of {} parts and {} images, and the scores{}: `msdata verify --deep` reads and computes them all again{}",
            parts - found.parts,
            found.images - read,
            if depth == Depth::Quick { "" } else { " that were not chosen" },
            if depth == Depth::Quick { ", `--sample 5%` some of them" } else { "" },
        ));
    }
    found.parts = parts;
    Ok(found)
}

/// Checks what the catalog alone can tell.
fn verify_rows(catalog: &Catalog, depth: Depth, found: &mut Verification) -> Result<()> {
    let deep = depth != Depth::Quick;
    let checks = catalog.row_checks(deep)?;
    checks.integrity.iter().for_each(|fault| found.fault(fault));
    let (faults, others) = catalog.schema_faults()?;
    faults.iter().for_each(|fault| found.fault(fault));
    found.notes.extend(others.into_iter().map(|other| format!("catalog.sqlite: {other}")));
    match checks.seal {
        Seal::Whole => {}
        Seal::Broken => found.fault(&CatalogFault::new(
            "catalog.sqlite: its rows are not those that msdata wrote: bytes have changed, or another program wrote to it",
            "restore it from a copy and remove the present catalog.sqlite-wal; if the change was yours, `msdata verify --accept` accepts the rows as they are",
        )),
        Seal::Open => found.unchecked.push(
            "the rows of the catalog against their digest: the last command that wrote did not finish, or is still running; \
            the next one that finishes makes the digest"
                .into(),
        ),
    }
    checks.contradictions.iter().for_each(|fault| found.fault(fault));
    let foreign = catalog.foreign_prompt_vectors()?;
    let count = |made_here: bool| foreign.iter().filter(|(.., here)| *here == made_here).count();
    if count(true) > 0 {
        found.fault(&CatalogFault::new(format!("{} vectors of prompts were made from another text", count(true)), REMAKE));
    }
    if count(false) > 0 {
        let what = format!("{} imported vectors of prompts are of another text", count(false));
        found.fault(&CatalogFault::new(what, GIVE_AGAIN));
    }
    let staged = catalog.foreign_staged()?.len();
    if staged > 0 {
        found
            .notes
            .push(format!("{staged} finished vectors that are not yet in a part are for content that has changed; {REMAKE}"));
    }
    let (computed, imported) = catalog.stale_vectors()?;
    if computed > 0 {
        found.notes.push(format!(
            "{computed} vectors are of images that have changed since, and are not used; `msdata embed` makes new ones"
        ));
    }
    if imported > 0 {
        found.notes.push(format!(
            "{imported} imported vectors are of images that have changed since, and are not used; give new ones with \
             `msdata ingest --no-embed --embeddings FILE`"
        ));
    }
    Ok(())
}

const REMAKE: &str = "`msdata verify --repair` removes them, then `msdata embed` and `msdata score` make them again";

const GIVE_AGAIN: &str = "give them again with `msdata ingest --no-embed --embeddings FILE`, or let \
                          `msdata verify --repair --drop-imported` remove them";

/// Returns what is wrong with a part, or nothing. With `read`, also checks its bytes.
pub(crate) fn part_fault(
    catalog: &Catalog,
    store: &Store,
    part: &PartRow,
    dimension: usize,
    read: bool,
) -> Result<Option<String>> {
    let path = store.path(part.id);
    let reader = match store.open(part.id, dimension) {
        Ok(reader) => reader,
        Err(e) => return Ok(Some(without_prefix(&e))),
    };
    if reader.rows() != part.rows {
        return Ok(Some(format!("{} holds {} vectors, but the catalog says {}", path.display(), reader.rows(), part.rows)));
    }
    if !matches!(state_of(&path), FileState::There { bytes, .. } if bytes == part.bytes) {
        return Ok(Some(format!("{} is not {} bytes long", path.display(), part.bytes)));
    }
    if read {
        match reader.blake3() {
            Err(e) => return Ok(Some(e.to_string())),
            Ok(hash) if hash != part.blake3 => {
                return Ok(Some(format!("{} is not what was written: its checksum differs", path.display())));
            }
            Ok(_) => {}
        }
        let foreign = foreign_rows(catalog, part, &reader)?.len();
        if foreign > 0 {
            return Ok(Some(format!("{foreign} vectors of {} are not of the images that the catalog says", path.display())));
        }
    }
    Ok(None)
}

/// Returns the rows of a part whose vector was made from content other than the catalog says.
pub(crate) fn foreign_rows(catalog: &Catalog, part: &PartRow, reader: &PartReader) -> Result<Vec<u32>> {
    let mut sources = reader.sources()?;
    // What the part says of the row before `next`; beyond its last row nothing.
    let (mut next, mut says) = (0_u32, None);
    let mut foreign = Vec::new();
    catalog.each_vector_source(part.id, |vector| {
        while next <= vector.row && (next == 0 || says.is_some()) {
            (next, says) = (next + 1, sources.next().transpose()?);
        }
        // An imported vector of an image that was not yet read has no source; the catalog learnt it later.
        let same = says.is_some_and(|says: Option<[u8; 32]>| says.is_none() || says == vector.source);
        foreign.extend((!same).then_some(vector.row));
        Ok(())
    })?;
    Ok(foreign)
}

/// Returns the text of an error without the prefix that only says that it is one.
fn without_prefix(e: &Error) -> String {
    match e {
        Error::Damaged(what) => what.clone(),
        other => other.to_string(),
    }
}

fn verify_parts(
    catalog: &Catalog,
    store: &Store,
    parts: &[PartRow],
    chance: &Chance,
    watch: &mut Watch<'_>,
    found: &mut Verification,
) -> Result<()> {
    let encoders = catalog.encoders()?;
    // A sample of a few parts has at least one of them.
    let only = parts.iter().min_by_key(|part| chance.random.hash_one(part.id)).map(|part| part.id);
    for (done, part) in (1..).zip(parts) {
        watch.check()?;
        let read = chance.takes(part.id as u64) || (chance.depth != Depth::Quick && only == Some(part.id));
        let dimension = encoders.iter().find(|e| e.id == part.encoder).map_or(0, |e| e.dimension);
        if let Some(what) = part_fault(catalog, store, part, dimension, read)? {
            let then = match part.provenance {
                Provenance::Computed => {
                    "restore the file from a copy; or `msdata verify --repair` removes its vectors, then `msdata embed` and `msdata score` make them again"
                }
                Provenance::Imported => {
                    "restore the file from a copy; or give its vectors again with `msdata ingest --no-embed --embeddings FILE`; or let \
                     `msdata verify --repair --drop-imported` remove them"
                }
            };
            found.fault(&CatalogFault::new(what, then));
        }
        found.parts += u64::from(read);
        watch.report("parts", done, Some(parts.len() as u64));
    }
    Ok(())
}

/// Returns what is wrong with an image that the catalog takes for usable, and whether a plain `ingest` would see it.
fn image_fault(image: &KnownFile, door: &Door, read: bool) -> Option<(&'static str, bool)> {
    match state_of(&image.path) {
        FileState::There { bytes, mtime_ns } => {
            let same = (image.bytes, image.mtime_ns) == (Some(bytes), Some(mtime_ns));
            if !read {
                return (!same).then_some(("has changed since it was read", true));
            }
            let now = door.probe(&image.path);
            if now.blake3 != image.blake3 {
                return Some(("has changed since it was read", !same));
            }
            if !same {
                return Some(("has a different size or time than when it was read", true));
            }
            (!looks_like(image, &now)).then_some(("does not have the format or size that the catalog says", false))
        }
        _ => Some(("is gone", true)),
    }
}

fn looks_like(image: &KnownFile, now: &Probe) -> bool {
    match &now.outcome {
        Outcome::Image { format, width, height } => {
            image.looks == (Some(format.as_str().to_owned()), Some(*width), Some(*height))
        }
        Outcome::Unusable(..) => true, // limits differ between versions; the bytes are the same
    }
}

/// Checks the images; returns how many were read.
fn verify_images(
    catalog: &Catalog,
    door: &Door,
    chance: &Chance,
    watch: &mut Watch<'_>,
    found: &mut Verification,
) -> Result<u64> {
    let total = catalog.image_count()?;
    let (mut after, mut read, mut changed, mut unusable, mut appeared, mut pending) = (0, 0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let mut unseen = false;
    loop {
        watch.check()?;
        let images = catalog.known_files_after(after, BLOCK)?;
        let Some(last) = images.last() else { break };
        after = last.id;
        let looked: Vec<(Option<(&str, bool)>, bool)> = images
            .par_iter()
            .map(|image| match image.status {
                ImageStatus::Ok => (image_fault(image, door, chance.takes(image.id as u64)), false),
                ImageStatus::Missing => (None, matches!(state_of(&image.path), FileState::There { .. })),
                _ => (None, false),
            })
            .collect();
        for (image, (fault, is_there)) in images.iter().zip(looked) {
            appeared += u64::from(is_there);
            pending += u64::from(image.status == ImageStatus::Pending);
            unusable += u64::from(!matches!(image.status, ImageStatus::Ok | ImageStatus::Pending));
            read += u64::from(image.status != ImageStatus::Ok || chance.takes(image.id as u64));
            let Some((what, seen)) = fault else { continue };
            changed += 1;
            unseen |= !seen;
            if changed <= NAMED {
                let what = format!("image {} {what}", quote(&image.path.display().to_string()));
                found.fault(&CatalogFault::new(what, ingest_again(!seen)));
            }
        }
        found.images += images.len() as u64;
        watch.report("images", found.images, Some(total));
    }
    if changed > NAMED {
        found
            .fault(&CatalogFault::new(format!("{} more images have changed or are gone", changed - NAMED), ingest_again(unseen)));
    }
    if pending > 0 {
        found
            .notes
            .push(format!("{pending} images were not read yet, because a run was interrupted; `msdata ingest` continues it"));
    }
    if appeared > 0 {
        found.notes.push(format!("{appeared} missing images have appeared; `msdata ingest` reads them"));
    }
    if unusable > 0 {
        found.notes.push(format!("{unusable} images are missing or unusable, which the catalog knows"));
    }
    Ok(read)
}

fn ingest_again(rehash: bool) -> &'static str {
    if rehash {
        "restore the file from a copy, or `msdata ingest --rehash` accepts it as it is"
    } else {
        "restore the file from a copy, or `msdata ingest` accepts it as it is"
    }
}

/// Returns the scores by an encoder that its vectors do not give, by generation row, and how many were compared: those whose
/// vectors are at chosen places, or all.
pub(crate) fn wrong_scores(
    catalog: &Catalog,
    store: &Store,
    encoder: &EncoderRow,
    chosen: Option<&dyn Fn(VectorPlace) -> bool>,
    watch: &mut Watch<'_>,
) -> Result<(Vec<i64>, u64)> {
    let needs = Needs::read(catalog, encoder)?;
    let mut vectors = Known::default();
    let mut blocks = Blocks::of(catalog, encoder, Which::Scored)?;
    if let Some(chosen) = chosen {
        blocks = blocks.choosing(chosen);
    }
    let (mut wrong, mut checked) = (Vec::new(), 0);
    while let Some(block) = blocks.next(catalog)? {
        watch.check()?;
        let again: HashMap<i64, Score> =
            score_block(&needs, store, &mut vectors, &block)?.into_iter().map(|score| (score.generation, score)).collect();
        let ids: Vec<i64> = block.iter().map(|c| c.generation).collect();
        let known = catalog.scores_of(encoder.id, &ids)?;
        wrong.extend(ids.iter().zip(&known).filter(|(id, known)| again.get(id) != known.as_ref()).map(|(id, _)| *id));
        checked += block.len() as u64;
        watch.report("scores", checked, None);
    }
    Ok((wrong, checked))
}

/// Returns how many generations have everything that a score by an encoder needs, but no score.
fn unscored(catalog: &Catalog, store: &Store, encoder: &EncoderRow) -> Result<u64> {
    let needs = Needs::read(catalog, encoder)?;
    let mut vectors = Known::default();
    let mut blocks = Blocks::of(catalog, encoder, Which::Unscored)?;
    let mut ready = 0;
    while let Some(block) = blocks.next(catalog)? {
        ready += score_block(&needs, store, &mut vectors, &block)?.len() as u64;
    }
    Ok(ready)
}

/// Returns whether an error means that a part cannot be read, or lacks what the catalog says.
pub(crate) fn is_of_a_part(e: &Error) -> bool {
    matches!(e, Error::Damaged(_) | Error::Parquet { .. } | Error::Io { .. })
}

/// Computes scores again: the numbers must match to the last digit.
fn verify_scores(
    catalog: &Catalog,
    store: &Store,
    chance: &Chance,
    watch: &mut Watch<'_>,
    found: &mut Verification,
) -> Result<()> {
    for encoder in catalog.encoders()? {
        let name = quote(encoder.name.as_str());
        let by_chance = |place: VectorPlace| chance.takes((place.part as u64) << 32 | u64::from(place.row));
        let chosen: Option<&dyn Fn(VectorPlace) -> bool> = if chance.depth == Depth::Deep { None } else { Some(&by_chance) };
        let wrong = wrong_scores(catalog, store, &encoder, chosen, watch);
        let ready = if chance.depth == Depth::Deep { unscored(catalog, store, &encoder) } else { Ok(0) };
        let (wrong, checked, ready) = match (wrong, ready) {
            (Ok((wrong, checked)), Ok(ready)) => (wrong, checked, ready),
            (Err(e), _) | (_, Err(e)) if is_of_a_part(&e) => {
                // What is wrong with the part was already named, unless a sample did not choose it.
                if found.faults.is_empty() {
                    found.fault(&CatalogFault::new(without_prefix(&e), "`msdata verify --deep` says what to do"));
                }
                found.unchecked.push(format!("scores by {name}: a vector that they need cannot be read"));
                continue;
            }
            (Err(e), _) | (_, Err(e)) => return Err(e),
        };
        found.scores += checked;
        if !wrong.is_empty() {
            let what = format!("{} scores by {name} are not what their vectors give", wrong.len());
            found.fault(&CatalogFault::new(what, "`msdata verify --repair` removes them, then `msdata score` makes them again"));
        }
        if ready > 0 {
            found.notes.push(format!("{ready} generations could be scored by {name} but are not; `msdata score` scores them"));
        }
    }
    let encoders = catalog.encoders()?;
    for set in catalog.region_sets()? {
        for id in catalog.encoders_of_regions(set.id)? {
            let Some(encoder) = encoders.iter().find(|row| row.id == id) else { continue };
            let (set_name, name) = (quote(set.name.as_str()), quote(encoder.name.as_str()));
            match wrong_region_scores(catalog, store, &set, encoder, |generation| chance.takes(generation), watch) {
                Ok((wrong, checked)) => {
                    found.scores += checked;
                    if !wrong.is_empty() {
                        let what =
                            format!("{} scores of regions {set_name} by {name} are not what their vectors give", wrong.len());
                        let then = "`msdata verify --repair` removes them, then `msdata score` makes them again";
                        found.fault(&CatalogFault::new(what, then));
                    }
                }
                Err(e) if is_of_a_part(&e) => {
                    found
                        .unchecked
                        .push(format!("scores of regions {set_name} by {name}: a vector that they need cannot be read"));
                }
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

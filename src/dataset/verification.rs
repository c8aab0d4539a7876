//! Every row, every file, every checksum: what is wrong and how to mend it.

use super::pixels;
use super::scoring::{Blocks, Needs, score_block};
use crate::catalog::{Catalog, PartRow, Score, Which};
use crate::embeddings::Store;
use crate::error::{Error, Result};
use crate::image::Door;
use crate::manifest::{FileState, state_of};
use crate::vocabulary::{ImageStatus, quote};
use crate::watch::Watch;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// Images between two words to the caller.
const BLOCK: usize = 4096;

/// Faults of one sort that are named one by one.
const NAMED: usize = 100;

/// What a verification found. The data set is sound when there are no faults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// What is wrong, each with how to mend it.
    pub faults: Vec<String>,
    /// What is worth knowing and no fault: missing images that the catalog knows of, left-overs.
    pub notes: Vec<String>,
    /// Parts looked at.
    pub parts: u64,
    /// Image files looked at.
    pub images: u64,
    /// Scores computed again (only a deep verification does).
    pub scores: u64,
}

/// Checks everything; with `deep` reads every part and image, and computes every score again.
pub fn verify(catalog: &Catalog, store: &Store, door: &Door, deep: bool, watch: &mut Watch<'_>) -> Result<Verification> {
    let mut found = Verification::default();
    for fault in catalog.integrity_faults()? {
        found.faults.push(format!("catalog.sqlite: {fault}; restore it from a copy, or make the data set anew and ingest again"));
    }
    for fault in catalog.contradictions()? {
        found.faults.push(format!("catalog.sqlite: {fault}; make the data set anew and ingest again"));
    }
    let parts = catalog.parts()?;
    let ids: Vec<i64> = parts.iter().map(|p| p.id).collect();
    let sound = verify_parts(catalog, store, &parts, deep, watch, &mut found)?;
    for path in store.leftovers(&ids)? {
        found
            .notes
            .push(format!("{} is a left-over of an interrupted run; the next command that writes removes it", path.display()));
    }
    verify_images(catalog, door, deep, watch, &mut found)?;
    if deep {
        found.faults.extend(pixels::verify(catalog, watch)?);
    }
    if deep && sound {
        verify_scores(catalog, store, watch, &mut found)?;
    }
    Ok(found)
}

/// Whether every part can be read.
fn verify_parts(
    catalog: &Catalog,
    store: &Store,
    parts: &[PartRow],
    deep: bool,
    watch: &mut Watch<'_>,
    found: &mut Verification,
) -> Result<bool> {
    let encoders = catalog.encoders()?;
    let faults = found.faults.len();
    for part in parts {
        watch.check()?;
        let path = store.path(part.id);
        let dimension = encoders.iter().find(|e| e.id == part.encoder).map_or(0, |e| e.dimension);
        let fault = match store.open(part.id, dimension) {
            Err(e) => Some(e.to_string()),
            Ok(reader) if reader.rows() != part.rows => {
                Some(format!("{} holds {} vectors; the catalog says {}", path.display(), reader.rows(), part.rows))
            }
            Ok(_) => match state_of(&path) {
                FileState::There { bytes, .. } if bytes == part.bytes => {
                    let changed = deep && hash(&path)? != part.blake3;
                    changed.then(|| format!("{} is not what was written: its checksum differs", path.display()))
                }
                _ => Some(format!("{} is not {} bytes long", path.display(), part.bytes)),
            },
        };
        if let Some(fault) = fault {
            found.faults.push(format!("{fault}; restore the file from a copy, or make the data set anew and ingest again"));
        }
        found.parts += 1;
        watch.report("parts", found.parts, Some(parts.len() as u64));
    }
    Ok(found.faults.len() == faults)
}

fn hash(path: &Path) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let read = File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    read.map_err(Error::io("read", path))?;
    Ok(*hasher.finalize().as_bytes())
}

fn verify_images(catalog: &Catalog, door: &Door, deep: bool, watch: &mut Watch<'_>, found: &mut Verification) -> Result<()> {
    let total = catalog.image_count()?;
    let (mut after, mut changed, mut unusable, mut appeared, mut pending) = (0, 0_u64, 0_u64, 0_u64, 0_u64);
    loop {
        watch.check()?;
        let images = catalog.images_after(after, BLOCK)?;
        let Some(last) = images.last() else { break };
        after = last.id;
        let differs: Vec<Option<&str>> = images
            .par_iter()
            .map(|image| match (image.status, state_of(&image.path)) {
                (ImageStatus::Ok, FileState::There { bytes, mtime_ns }) => {
                    let same = (image.bytes, image.mtime_ns) == (Some(bytes), Some(mtime_ns));
                    let same_bytes = !deep || door.probe(&image.path).blake3 == image.blake3;
                    (!same || !same_bytes).then_some("has changed since it was read")
                }
                (ImageStatus::Ok, _) => Some("is gone"),
                _ => None,
            })
            .collect();
        for (image, differs) in images.iter().zip(differs) {
            appeared +=
                u64::from(image.status == ImageStatus::Missing && matches!(state_of(&image.path), FileState::There { .. }));
            pending += u64::from(image.status == ImageStatus::Pending);
            unusable += u64::from(!matches!(image.status, ImageStatus::Ok | ImageStatus::Pending));
            let Some(differs) = differs else { continue };
            changed += 1;
            if changed <= NAMED as u64 {
                let path = quote(&image.path.display().to_string());
                found.faults.push(format!("image {path} {differs}; `msdata ingest` looks at it again"));
            }
        }
        found.images += images.len() as u64;
        watch.report("images", found.images, Some(total));
    }
    if changed > NAMED as u64 {
        found
            .faults
            .push(format!("{} more images have changed or gone; `msdata ingest` looks at them again", changed - NAMED as u64));
    }
    if pending > 0 {
        found.notes.push(format!("{pending} images were not looked at yet, in an interrupted run; `msdata ingest` goes on"));
    }
    if appeared > 0 {
        found.notes.push(format!("{appeared} missing images have appeared; `msdata ingest` reads them"));
    }
    if unusable > 0 {
        found.notes.push(format!("{unusable} images are missing or unusable, as the catalog knows"));
    }
    Ok(())
}

/// Computes every score again: the numbers must be the same to the last digit.
fn verify_scores(catalog: &Catalog, store: &Store, watch: &mut Watch<'_>, found: &mut Verification) -> Result<()> {
    let mut wrong = 0;
    for encoder in catalog.encoders()? {
        let needs = Needs::read(catalog, &encoder)?;
        let mut blocks = Blocks::of(catalog, &encoder, Which::Scored)?;
        while let Some(block) = blocks.next(catalog)? {
            watch.check()?;
            let again: HashMap<i64, Score> =
                score_block(&needs, store, &block)?.into_iter().map(|score| (score.generation, score)).collect();
            let ids: Vec<i64> = block.iter().map(|c| c.generation).collect();
            let known = catalog.scores_of(encoder.id, &ids)?;
            wrong += ids.iter().zip(&known).filter(|(id, known)| again.get(id) != known.as_ref()).count();
            found.scores += block.len() as u64;
            watch.report("scores", found.scores, None);
        }
    }
    if wrong > 0 {
        found.faults.push(format!("{wrong} scores are not what their vectors give; make the data set anew and ingest again"));
    }
    Ok(())
}

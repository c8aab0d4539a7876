//! How transparent pixels are treated, which is a choice of the data set, and what users should know about pixels.

use crate::catalog::{BlankImage, Catalog, Duplicate};
use crate::dataset::{Dataset, commit};
use crate::error::{Error, Result};
use crate::image::{Appearance, Transparency, decode_on, read};
use crate::ops::embed::EmbedOptions;
use crate::text::{plain, quote};
use crate::watch::Watch;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Images decoded between two progress reports.
const BLOCK: usize = 64;

impl Dataset {
    /// Returns how transparent pixels are treated: chosen at the first embedding, the same for every encoder.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn transparency(&self) -> Result<Transparency> {
        self.catalog.transparency()
    }

    /// Returns how transparent pixels are treated under these options.
    pub(crate) fn transparency_under(&self, options: &EmbedOptions) -> Result<Transparency> {
        options.transparency.map_or_else(|| self.catalog.transparency(), Ok)
    }

    /// Returns whether these options ask for a choice other than the one that vectors in the data set were made with.
    pub(crate) fn changes_transparency(&self, options: &EmbedOptions) -> Result<bool> {
        if self.transparency_under(options)? == self.catalog.transparency()? {
            return Ok(false);
        }
        for encoder in self.catalog.encoders()? {
            if encoder.pixel_rule.is_some() && self.catalog.has_vectors(encoder.id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses a choice other than the one that vectors in the data set were made with.
    pub(crate) fn keeps_transparency(&self, options: &EmbedOptions) -> Result<()> {
        if !self.changes_transparency(options)? {
            return Ok(());
        }
        let (now, then) = (self.transparency_under(options)?, self.catalog.transparency()?);
        Err(Error::request(
            format!(
                "the vectors in the data set were made with `--transparency {then}`, and vectors of two kinds cannot be mixed"
            ),
            format!("`msdata embed --transparency {now}` embeds everything again"),
        ))
    }

    /// Changes the choice: the transaction that records it removes every computed vector with its scores.
    pub(crate) fn change_transparency(&mut self, to: Transparency, watch: &mut Watch<'_>) -> Result<()> {
        let then = self.catalog.transparency()?;
        watch.warn(&format!("transparent pixels: `{to}` instead of `{then}`: everything is embedded again"));
        let encoders = self.catalog.encoders()?;
        let changes = self.catalog.begin()?;
        for encoder in encoders.iter().filter(|e| e.pixel_rule.is_some()) {
            changes.clear_encoder(encoder.id)?;
        }
        changes.set_transparency(to)?;
        commit(changes, &self.store)
    }

    /// Warns about images in which there is nothing to see, and about those whose hidden pixels count.
    pub(crate) fn warn_of_pixels(&self, watch: &mut Watch<'_>) -> Result<()> {
        if let Some(Duplicate { groups, example }) = self.catalog.blank_images()? {
            let images = if groups == 1 { "1 image is blank" } else { &format!("{groups} images are blank") };
            watch.warn(&format!("{images} (a single colour, or nothing visible); the first is {}", plain(&example)));
        }
        if self.catalog.transparency()? == Transparency::Drop
            && let Some(Duplicate { groups, example }) = self.catalog.translucent_images()?
        {
            let images = if groups == 1 { "1 image has" } else { &format!("{groups} images have") };
            watch.warn(&format!(
                "{images} transparent pixels, whose hidden colours count as if they were visible; the first is {}; \
                 `msdata embed --transparency white` lays them on white",
                plain(&example)
            ));
        }
        Ok(())
    }

    /// Decodes images that were never decoded, and records what they look like; returns the number of files.
    pub(crate) fn look_at_pixels(&mut self, watch: &mut Watch<'_>) -> Result<u64> {
        let unseen = self.catalog.unseen_contents()?;
        let transparency = self.catalog.transparency()?;
        let mut done = 0;
        for block in unseen.chunks(BLOCK) {
            watch.check()?;
            let seen: Vec<_> = block.par_iter().map(|(content, path)| appearance(path, content, transparency)).collect();
            let changes = self.catalog.begin()?;
            for ((content, _), appearance) in block.iter().zip(seen) {
                if let Some(appearance) = appearance {
                    changes.record_appearance(content, appearance)?;
                }
            }
            changes.commit()?;
            done += block.len() as u64;
            watch.report("pixels", done, Some(unseen.len() as u64));
        }
        Ok(done)
    }

    /// Returns the rows of generations whose images are blank; images that were never decoded are decoded.
    pub(crate) fn find_blank(&self, watch: &mut Watch<'_>) -> Result<HashSet<i64>> {
        let facts = self.catalog.blank_facts()?;
        let transparency = self.catalog.transparency()?;
        let mut contents: HashMap<[u8; 32], &Path> = HashMap::new();
        for fact in facts.iter().filter(|fact| fact.blank.is_none()) {
            contents.entry(fact.blake3).or_insert(&fact.path);
        }
        let contents: Vec<([u8; 32], &Path)> = contents.into_iter().collect();
        let mut seen: HashMap<[u8; 32], bool> = HashMap::with_capacity(contents.len());
        for block in contents.chunks(BLOCK) {
            watch.check()?;
            // A file that has changed or cannot be read is for `verify` to report.
            let blank = |(content, path): &([u8; 32], &Path)| Some((*content, appearance(path, content, transparency)?.blank));
            seen.par_extend(block.par_iter().filter_map(blank));
            watch.report("images not decoded before", seen.len() as u64, Some(contents.len() as u64));
        }
        let is_blank = |fact: &&BlankImage| fact.blank.or_else(|| seen.get(&fact.blake3).copied()) == Some(true);
        Ok(facts.iter().filter(is_blank).map(|fact| fact.generation).collect())
    }
}

/// Compares what is recorded about pixels with the pixels; returns the faults.
pub(crate) fn verify(catalog: &Catalog, watch: &mut Watch<'_>) -> Result<Vec<String>> {
    let recorded = catalog.appearances()?;
    let transparency = catalog.transparency()?;
    let mut wrong = Vec::new();
    for (n, block) in recorded.chunks(BLOCK).enumerate() {
        watch.check()?;
        wrong.par_extend(block.par_iter().filter_map(|(content, path, recorded)| {
            // A file that has changed is already reported.
            (appearance(path, content, transparency)? != *recorded).then_some(path)
        }));
        watch.report("pixels", (n * BLOCK + block.len()) as u64, Some(recorded.len() as u64));
    }
    let first = wrong.first().map(|path| {
        format!(
            "the catalog is wrong about the pixels of {} images, the first is {}; `msdata embed --retry-failed` \
            reads them again",
            wrong.len(),
            quote(&path.display().to_string())
        )
    });
    Ok(first.into_iter().collect())
}

/// Returns what the pixels of a file are like, if it still has this content and can be read.
pub(crate) fn appearance(path: &Path, content: &[u8; 32], transparency: Transparency) -> Option<Appearance> {
    let bytes = read(path).ok()?;
    (blake3::hash(&bytes).as_bytes() == content).then(|| decode_on(&bytes, transparency).ok())?.map(|d| d.appearance)
}

//! Repairs that lose nothing: what can be made again is removed, so that the next command makes it again.

use crate::catalog::{Catalog, Seal};
use crate::dataset::{Dataset, Lock, catalog_of, commit};
use crate::error::Result;
use crate::layout::CATALOG;
use crate::ops::verify::regions::wrong_region_scores;
use crate::ops::verify::windows::{layout_of, sample, unlike_kept, unlike_seen, window_part_fault};
use crate::ops::verify::{Depth, foreign_rows, is_of_a_part, part_fault, wrong_scores};
use crate::vocabulary::Provenance;
use crate::watch::Watch;
use std::path::Path;

/// What a repair may do besides what loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepairOptions {
    /// Also remove imported vectors whose part is lost: only the user can give them again.
    pub drop_imported: bool,
}

impl Dataset {
    /// Opens the data set in `dir`, repairs what can be repaired, and returns what that was: views and triggers are made as
    /// the schema has them, indices are rebuilt, leftovers removed, and so are computed vectors of damaged parts and scores
    /// that are not what their vectors give. Image files and the user's rows are not touched, and a damaged part keeps its
    /// bytes under another name.
    ///
    /// # Errors
    /// There is no data set in `dir`, another process is writing, rows themselves are damaged, or the disk is full.
    pub fn repair(dir: &Path, options: RepairOptions, watch: &mut Watch<'_>) -> Result<Vec<String>> {
        let path = catalog_of(dir)?;
        let held = Lock::take(dir)?;
        let mut done: Vec<String> =
            Catalog::rebuild_schema(&path)?.into_iter().map(|what| format!("{CATALOG}: {what}")).collect();
        drop(held);
        let mut data = Dataset::open_to_write(dir)?;
        data.rebuild(options, &mut done, watch)?;
        Ok(done)
    }

    /// Accepts the rows of the catalog as they are, whoever wrote them.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub fn accept(&mut self) -> Result<()> {
        self.catalog.accept()
    }

    fn rebuild(&mut self, options: RepairOptions, done: &mut Vec<String>, watch: &mut Watch<'_>) -> Result<()> {
        if self.catalog.check_seal()? == Seal::Broken {
            self.catalog.leave_seal();
        }
        if self.catalog.integrity_faults()?.iter().any(|fault| fault.what.contains("index")) {
            self.catalog.rebuild_indices()?;
            done.push(format!("{CATALOG}: rebuilt its indices"));
        }
        let changes = self.catalog.begin()?;
        done.extend(changes.drop_contradictions()?.into_iter().map(|what| format!("{CATALOG}: {what}")));
        changes.commit()?;
        self.drop_damaged_parts(options, done, watch)?;
        self.drop_damaged_windows(done, watch)?;
        self.drop_foreign_texts(options, done)?;
        self.drop_wrong_scores(done, watch)?;
        self.drop_wrong_regions(done, watch)?;
        self.drop_wrong_windows(done, watch)?;
        let changes = self.catalog.begin()?;
        commit(changes, &self.store)
    }

    fn drop_damaged_parts(&mut self, options: RepairOptions, done: &mut Vec<String>, watch: &mut Watch<'_>) -> Result<()> {
        let encoders = self.catalog.encoders()?;
        for part in self.catalog.parts()? {
            watch.check()?;
            if part.provenance == Provenance::Imported && !options.drop_imported {
                continue;
            }
            let dimension = encoders.iter().find(|e| e.id == part.encoder).map_or(0, |e| e.dimension);
            let Some(fault) = part_fault(&self.catalog, &self.store, &part, dimension, true)? else { continue };
            // If the file is what was written, the catalog is wrong about some of its vectors only.
            let foreign = match self.store.open_checked(part.id, dimension) {
                Ok(reader) if reader.rows() == part.rows => Some(foreign_rows(&self.catalog, &part, &reader)?),
                _ => None,
            };
            let changes = self.catalog.begin()?;
            match foreign {
                Some(rows) if !rows.is_empty() => {
                    changes.forget_rows(part.id, &rows)?;
                    changes.commit()?;
                    done.push(format!("{fault}: removed those vectors"));
                }
                _ => {
                    let vectors = changes.forget_part(part.id)?;
                    changes.commit()?;
                    self.store.vectors().set_aside(part.id)?;
                    done.push(format!("{fault}: removed its {vectors} vectors"));
                }
            }
        }
        Ok(())
    }

    fn drop_foreign_texts(&mut self, options: RepairOptions, done: &mut Vec<String>) -> Result<()> {
        let texts = self.catalog.foreign_prompt_vectors()?;
        let texts: Vec<_> = texts.into_iter().filter(|(.., computed)| *computed || options.drop_imported).collect();
        let staged = self.catalog.foreign_staged()?;
        let changes = self.catalog.begin()?;
        for (encoder, prompt, _) in &texts {
            changes.forget_prompt_vector(*encoder, *prompt)?;
        }
        for (encoder, target) in &staged {
            changes.forget_staged(*encoder, *target)?;
        }
        changes.commit()?;
        if !texts.is_empty() {
            done.push(format!("removed {} vectors of prompts that were made from another text", texts.len()));
        }
        if !staged.is_empty() {
            done.push(format!("removed {} finished vectors of content that has changed", staged.len()));
        }
        Ok(())
    }

    fn drop_wrong_scores(&mut self, done: &mut Vec<String>, watch: &mut Watch<'_>) -> Result<()> {
        for encoder in self.catalog.encoders()? {
            let wrong = match wrong_scores(&self.catalog, &self.store, &encoder, None, watch) {
                Ok((wrong, _)) => wrong,
                // An imported part that is damaged stays, and so do the scores that were made from it.
                Err(e) if is_of_a_part(&e) => continue,
                Err(e) => return Err(e),
            };
            if !wrong.is_empty() {
                let changes = self.catalog.begin()?;
                changes.forget_scores(encoder.id, &wrong)?;
                changes.commit()?;
                done.push(format!("removed {} scores by {}; `msdata score` makes them again", wrong.len(), encoder.name));
            }
        }
        Ok(())
    }

    fn drop_wrong_regions(&mut self, done: &mut Vec<String>, watch: &mut Watch<'_>) -> Result<()> {
        let encoders = self.catalog.encoders()?;
        for set in self.catalog.region_sets()? {
            for id in self.catalog.encoders_of_regions(set.id)? {
                let Some(encoder) = encoders.iter().find(|row| row.id == id) else { continue };
                let wrong = match wrong_region_scores(&self.catalog, &self.store, &set, encoder, |_| true, watch) {
                    Ok((wrong, _)) => wrong,
                    Err(e) if is_of_a_part(&e) => continue,
                    Err(e) => return Err(e),
                };
                if !wrong.is_empty() {
                    let changes = self.catalog.begin()?;
                    changes.forget_region_scores(set.id, encoder.id, &wrong)?;
                    changes.commit()?;
                    done.push(format!(
                        "removed {} scores of regions {} by {}; `msdata score` makes them again",
                        wrong.len(),
                        set.name,
                        encoder.name
                    ));
                }
            }
        }
        Ok(())
    }

    /// Parts of windows go with nothing but themselves: the scores that they gave stay.
    fn drop_damaged_windows(&mut self, done: &mut Vec<String>, watch: &mut Watch<'_>) -> Result<()> {
        let encoders = self.catalog.encoders()?;
        for part in self.catalog.window_parts()? {
            watch.check()?;
            let layout = layout_of(&self.catalog, &encoders, &part)?;
            let Some(fault) = window_part_fault(&self.catalog, &self.store, &part, layout, true)? else { continue };
            let changes = self.catalog.begin()?;
            let images = changes.forget_window_part(part.id)?;
            changes.commit()?;
            self.store.windows().set_aside(part.id)?;
            done.push(format!("{fault}: the windows of {images} images are taken out; their scores stay"));
        }
        Ok(())
    }

    /// Local similarities that are not what kept windows say; and those that images do not bear out, with what was kept
    /// of them.
    fn drop_wrong_windows(&mut self, done: &mut Vec<String>, watch: &mut Watch<'_>) -> Result<()> {
        for encoder in self.catalog.encoders()? {
            let kept = unlike_kept(&self.catalog, &self.store, &encoder, |_| true, watch);
            let (after, limit) = sample(Depth::Deep);
            let seen = unlike_seen(&self.catalog, &self.store, &self.door, &encoder, (&after, limit), watch);
            let (kept, seen) = match (kept, seen) {
                (Ok(kept), Ok(seen)) => (kept, seen.unwrap_or_default()),
                // An imported part that is damaged stays, and so do the scores that were made from it.
                (Err(e), _) | (_, Err(e)) if is_of_a_part(&e) => continue,
                (Err(e), _) | (_, Err(e)) => return Err(e),
            };
            let mut wrong = kept.generations();
            wrong.extend(seen.generations());
            wrong.sort_unstable();
            wrong.dedup();
            if wrong.is_empty() {
                continue;
            }
            let changes = self.catalog.begin()?;
            changes.forget_window_scores(encoder.id, &wrong)?;
            // Where both are wrong, the scores alone are.
            for (source, _) in seen.wrong.iter().filter(|(source, _)| kept.wrong.iter().all(|(other, _)| other != source)) {
                changes.forget_windows(encoder.id, source)?;
            }
            changes.commit()?;
            done.push(format!(
                "the local similarities of {} generations by {} are removed; `msdata embed` makes them again",
                wrong.len(),
                encoder.name
            ));
        }
        Ok(())
    }
}

//! The ceiling: for every prompt, its own references pasted together, and each alone, as images of two control
//! models, which are embedded and scored like any other.

use crate::catalog::{FirstReference, PromptRow, SubjectRow, Tally};
use crate::dataset::{Dataset, commit};
use crate::durable::write_whole;
use crate::error::{Error, Result};
use crate::image::{Door, Grid, Rgb, Transparency, alone, composite, decode, decode_on, png, probe, read, taken_out, tile};
use crate::input::state_of;
use crate::layout::CONTROLS;
use crate::manifest::{Generation, ImagePath, Region};
use crate::ops::embed::{EmbedOptions, EmbedSummary, IfChanged};
use crate::ops::scan;
use crate::text::file_stem;
use crate::text::quote;
use crate::vocabulary::{COMPOSITE, CROP, ModelName};
use crate::watch::Watch;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Pictures between two progress reports.
const BLOCK: usize = 64;

/// What making controls did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControlsSummary {
    /// Prompts that have a composite.
    pub composites: u64,
    /// Prompts that have no composite, because a reference cannot be used.
    pub lacking: u64,
    /// Image files that are new or have changed.
    pub written: u64,
    /// What was embedded.
    pub embedded: EmbedSummary,
    /// Number of (generation, encoder) pairs scored.
    pub scored: u64,
    /// All image files of the data set by state.
    pub images: Tally,
}

impl Dataset {
    /// Makes a composite of every prompt's first references, and a picture of each of them alone, in the data
    /// set's directory `controls`; registers them as generations of the control models `control:composite`
    /// (seed 0) and `control:crop` (the seed is the subject's place in the prompt), embeds them and scores them.
    /// Pictures that are already there, made from the same references, are left alone.
    ///
    /// # Errors
    /// There is no such encoder or no ONNX Runtime, the disk is full, or the caller wants to stop (what was finished is
    /// kept). References that cannot be used are not an error: see [`ControlsSummary::lacking`].
    pub fn make_controls(&mut self, options: &EmbedOptions, watch: &mut Watch<'_>) -> Result<ControlsSummary> {
        let (home, encoders) = self.ready(options, false)?;
        scan::inspect(&mut self.catalog, &self.door, watch)?;
        let (subjects, prompts) = (self.catalog.subjects()?, self.catalog.prompts()?);
        let references = self.catalog.first_references()?.into_iter().map(|r| (r.subject, r)).collect();
        let mut made = Made {
            dir: self.dir.join(CONTROLS),
            subjects: &subjects,
            door: &self.door,
            references,
            transparency: self.transparency_under(options)?,
            faults: HashMap::new(),
            written: 0,
        };
        made.crops(&prompts, watch)?;
        let whole: Vec<&PromptRow> = prompts.iter().filter(|p| p.subjects.iter().all(|s| !made.faults.contains_key(s))).collect();
        made.composites(&whole, watch)?;
        let mut faults: Vec<(String, &String)> =
            made.faults.iter().map(|(at, fault)| (quote(subjects[*at].subject_id.as_str()), fault)).collect();
        faults.sort();
        for (subject, fault) in faults {
            watch.remark(format!("subject {subject}"), &format!("{fault}; its prompts have no composite"));
        }
        watch.say_remarks();

        let changes = self.catalog.begin()?;
        let models = [ModelName::new(COMPOSITE), ModelName::new(CROP)].map(|name| name.map_err(Error::Damaged));
        let [composite, crop] = models;
        let (composite, crop) = (composite?, crop?);
        for prompt in &whole {
            let put =
                |generation: &Generation| changes.put_generation(generation, true, &mut |path| probe(path).blake3).map(drop);
            put(&made.composite_row(&composite, prompt)?)?;
            for ordinal in 0..prompt.subjects.len() {
                put(&made.crop_row(&crop, prompt, ordinal)?)?;
            }
        }
        changes.drop_surplus_crops()?;
        changes.set_control(&composite)?;
        changes.set_control(&crop)?;
        commit(changes, &self.store)?;

        let mut summary = ControlsSummary {
            composites: whole.len() as u64,
            lacking: (prompts.len() - whole.len()) as u64,
            written: made.written,
            ..ControlsSummary::default()
        };
        scan::inspect(&mut self.catalog, &self.door, watch)?;
        summary.embedded = self.embed_by(&encoders, options, &home, IfChanged::Refuse, watch)?;
        summary.scored = self.score(watch)?;
        summary.images = self.catalog.tally()?;
        Ok(summary)
    }
}

/// The pictures being written to disk.
struct Made<'a> {
    dir: PathBuf,
    subjects: &'a [SubjectRow],
    door: &'a Door,
    /// Usable first references, by subject row.
    references: HashMap<i64, FirstReference>,
    /// How transparent pixels are treated.
    transparency: Transparency,
    /// Why a subject's reference cannot be pasted, by subject.
    faults: HashMap<usize, String>,
    written: u64,
}

impl Made<'_> {
    /// Writes each subject alone, at every size that its prompts need.
    fn crops(&mut self, prompts: &[PromptRow], watch: &mut Watch<'_>) -> Result<()> {
        let mut sizes: HashMap<usize, BTreeSet<u32>> = HashMap::new();
        for prompt in prompts {
            let side = Grid::of(prompt.subjects.len()).tile;
            for subject in &prompt.subjects {
                sizes.entry(*subject).or_default().insert(side);
            }
        }
        let mut wanted: Vec<(usize, BTreeSet<u32>)> = sizes.into_iter().collect();
        wanted.sort_unstable();
        let mut done = 0;
        for block in wanted.chunks(BLOCK) {
            watch.check()?;
            let made: Vec<_> = block.par_iter().map(|(subject, sizes)| self.crops_of(*subject, sizes)).collect::<Result<_>>()?;
            for ((subject, _), outcome) in block.iter().zip(made) {
                match outcome {
                    Ok(written) => self.written += written,
                    Err(fault) => {
                        self.faults.insert(*subject, fault);
                    }
                }
            }
            done += block.len() as u64;
            watch.report("references", done, Some(wanted.len() as u64));
        }
        Ok(())
    }

    /// Returns how many files had to be written, or why the reference cannot be used.
    fn crops_of(&self, subject: usize, sizes: &BTreeSet<u32>) -> Result<std::result::Result<u64, String>> {
        let fact = &self.subjects[subject];
        let Some(reference) = self.references.get(&fact.id) else {
            return Ok(Err("its first reference cannot be used".to_owned()));
        };
        let picture = match self.door.read(&reference.path) {
            Err(e) => return Ok(Err(crate::error::io_reason(&e))),
            Ok(bytes) if *blake3::hash(&bytes).as_bytes() != reference.blake3 => {
                return Ok(Err(
                    "its first reference has changed since it was read (`msdata ingest --rehash` reads it again)".to_owned()
                ));
            }
            Ok(bytes) => match decode_on(&bytes, self.transparency) {
                Err(e) => return Ok(Err(e.reason)),
                Ok(decoded) => decoded.rgb,
            },
        };
        let mut written = 0;
        for side in sizes {
            written += u64::from(write(&self.crop_path(subject, *side), &alone(&tile(&picture, *side)))?);
        }
        Ok(Ok(written))
    }

    /// Writes each prompt's subjects together, made from the files of the crops, so that a crop is exactly what the
    /// composite holds.
    fn composites(&mut self, prompts: &[&PromptRow], watch: &mut Watch<'_>) -> Result<()> {
        let mut done = 0;
        for block in prompts.chunks(BLOCK) {
            watch.check()?;
            let made = |prompt: &&PromptRow| {
                let side = Grid::of(prompt.subjects.len()).tile;
                let tiles = prompt.subjects.iter().map(|s| self.tile(*s, side)).collect::<Result<Vec<Rgb>>>()?;
                write(&self.composite_path(prompt.prompt_id.as_str()), &composite(&tiles))
            };
            let written = block.par_iter().map(made).collect::<Result<Vec<bool>>>()?;
            self.written += written.into_iter().filter(|w| *w).count() as u64;
            done += block.len() as u64;
            watch.report("composites", done, Some(prompts.len() as u64));
        }
        Ok(())
    }

    fn tile(&self, subject: usize, side: u32) -> Result<Rgb> {
        let path = self.crop_path(subject, side);
        let bytes = read(&path).map_err(Error::io("read", &path))?;
        let crop = decode(&bytes).map_err(|fault| Error::Damaged(format!("{}: {}", path.display(), fault.reason)))?;
        Ok(taken_out(&crop.rgb, side))
    }

    fn crop_path(&self, subject: usize, side: u32) -> PathBuf {
        self.dir.join("crop").join(format!("{}-{side}.png", file_stem(self.subjects[subject].subject_id.as_str())))
    }

    fn composite_path(&self, prompt_id: &str) -> PathBuf {
        self.dir.join("composite").join(format!("{}.png", file_stem(prompt_id)))
    }

    fn composite_row(&self, model: &ModelName, prompt: &PromptRow) -> Result<Generation> {
        let grid = Grid::of(prompt.subjects.len());
        let region = |(i, subject): (usize, &usize)| {
            let [x, y] = grid.place(i).map(f64::from);
            let side = f64::from(grid.tile);
            Region { subject_id: Some(self.subjects[*subject].subject_id.to_string()), bounds: [x, y, side, side], score: None }
        };
        let regions: Vec<Region> = prompt.subjects.iter().enumerate().map(region).collect();
        self.row(model, prompt, 0, self.composite_path(prompt.prompt_id.as_str()), &prompt.subjects, &regions)
    }

    fn crop_row(&self, model: &ModelName, prompt: &PromptRow, ordinal: usize) -> Result<Generation> {
        let subject = prompt.subjects[ordinal];
        let path = self.crop_path(subject, Grid::of(prompt.subjects.len()).tile);
        self.row(model, prompt, ordinal as i64, path, &[subject], &[])
    }

    /// Returns a row whose `meta` names the contents that were pasted, and the transparency if it is not the usual one, so
    /// that a composite of other references is recognized.
    fn row(
        &self,
        model: &ModelName,
        prompt: &PromptRow,
        seed: i64,
        path: PathBuf,
        pasted: &[usize],
        regions: &[Region],
    ) -> Result<Generation> {
        let content = |s: &usize| {
            self.references
                .get(&self.subjects[*s].id)
                .map(|r| blake3::Hash::from(r.blake3).to_hex().to_string())
                .unwrap_or_default()
        };
        let contents = pasted.iter().map(content).collect::<Vec<_>>().join(" ");
        Ok(Generation {
            model: model.clone(),
            prompt_id: prompt.prompt_id.clone(),
            seed,
            path: ImagePath { state: state_of(&path), path },
            meta: Some(match self.transparency {
                Transparency::Drop => serde_json::json!({ "references": contents }).to_string(),
                other => serde_json::json!({ "references": contents, "transparency": other }).to_string(),
            }),
            regions: match regions {
                [] => None,
                regions => Some(serde_json::to_string(regions).map_err(|e| Error::Damaged(e.to_string()))?),
            },
        })
    }
}

/// Writes a picture unless the file already holds it; returns whether it wrote.
fn write(path: &Path, picture: &Rgb) -> Result<bool> {
    let bytes = png(picture).map_err(Error::io("write", path))?;
    if std::fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(false);
    }
    write_whole(path, &bytes)?;
    Ok(true)
}

/// Returns whether a file's name is that of a picture made here.
pub(crate) fn is_control(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".png") else { return false };
    let is_hash = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
    // A crop's name ends in its side.
    stem.rsplitn(3, '-').take(2).any(is_hash)
}

#[cfg(test)]
mod tests {
    use super::is_control;
    use crate::text::file_stem;

    #[test]
    fn only_our_pictures_are_taken_for_ours() {
        for id in ["p1", "a/b", "10-12-14"] {
            assert!(is_control(&format!("{}.png", file_stem(id))));
            assert!(is_control(&format!("{}-256.png", file_stem(id))));
        }
        for name in ["mine.png", "a-b.png", "cat-512.png", "abcdefabcdef.jpg"] {
            assert!(!is_control(name), "{name}");
        }
    }
}

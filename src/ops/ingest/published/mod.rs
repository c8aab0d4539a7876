//! Takes in what `msdata publish` wrote: rows, images, vectors, regions, and what windows showed.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Published`]: a published data set |
//! | `rows` | [`TableRows`]: rows of its tables |
//! | `images` | its images, unpacked into files |
//! | `regions` | its region sets |
//! | `windows` | what its windows showed |

mod images;
mod regions;
mod rows;
mod windows;

use crate::catalog::{Changes, ImageState, RegionOwner};
use crate::error::{Error, Result};
use crate::image::Transparency;
use crate::input;
use crate::layout::{PUBLISHED_TABLES, PUBLISHED_WHOLE};
use crate::manifest::{Generation, Located, Prompt, PublishedFacts, Resolver, Subject};
use crate::ops::ingest::rows::Intake;
use crate::vocabulary::{EncoderName, ModelName};
use crate::watch::{Stop, Watch};
use rows::TableRows;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A published data set on its way in.
pub struct Published {
    dir: PathBuf,
    /// What it says besides its tables.
    pub facts: PublishedFacts,
    /// Where its images are, or are unpacked.
    images: PathBuf,
    /// The models that are controls.
    controls: BTreeSet<ModelName>,
    /// Images without a file, as whoever published them knew them.
    absent: Vec<(RegionOwner, ImageState)>,
    /// Upright size of every reference.
    sizes: HashMap<(String, i32), [u32; 2]>,
    /// Files of regions that only hold references which are used whole.
    whole: Vec<i64>,
}

impl Published {
    /// Opens the data set in `dir`; its images are unpacked into `output`, unless they lie beside its tables.
    ///
    /// # Errors
    /// It is not a published data set, or a table is damaged.
    pub fn open(dir: &Path, output: &Path, stop: Stop<'_>) -> Result<Published> {
        let facts = PublishedFacts::read(dir)?;
        let dir = dir.canonicalize().map_err(Error::io("resolve", dir))?;
        let mut published = Published {
            images: output.to_owned(),
            dir,
            facts,
            controls: BTreeSet::new(),
            absent: Vec::new(),
            sizes: HashMap::new(),
            whole: Vec::new(),
        };
        if !published.are_inside("references", stop)? {
            published.images = published.dir.clone();
        }
        Ok(published)
    }

    /// Returns whether the images of a table are inside it.
    fn are_inside(&self, table: &str, stop: Stop<'_>) -> Result<bool> {
        let files = self.files(table, stop)?;
        files.first().map_or(Ok(false), |file| TableRows::has_column(file, images::IMAGE))
    }

    /// Returns the files of a table, by name.
    fn files(&self, table: &str, stop: Stop<'_>) -> Result<Vec<PathBuf>> {
        let tables = self.dir.join(PUBLISHED_TABLES);
        let of_table = |name: &String| {
            let Some(stem) = name.strip_suffix(".parquet") else { return false };
            let number = |rest: &str| rest.len() == 6 && rest.starts_with('-') && rest[1..].bytes().all(|b| b.is_ascii_digit());
            stem.strip_prefix(table).is_some_and(|rest| rest.is_empty() || number(rest))
        };
        Ok(input::names(&tables, stop)?.iter().filter(|name| of_table(name)).map(|name| tables.join(name)).collect())
    }

    /// Returns the rows of a table; none if it is not there.
    fn rows(&self, table: &str, columns: &'static [&'static str], stop: Stop<'_>) -> Result<TableRows> {
        TableRows::new(self.files(table, stop)?, columns)
    }

    /// Returns every file of vectors, by encoder.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn vectors(&self, stop: Stop<'_>) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for of in ["embeddings", PUBLISHED_WHOLE] {
            let of = self.dir.join(PUBLISHED_TABLES).join(of);
            for encoder in if of.is_dir() { input::names(&of, stop)? } else { Vec::new() } {
                let encoder = of.join(encoder);
                files.extend(input::names(&encoder, stop)?.iter().map(|name| encoder.join(name)));
            }
        }
        Ok(files)
    }

    /// Returns the files of metrics, if there are any.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn metrics(&self, stop: Stop<'_>) -> Result<Vec<PathBuf>> {
        self.files("metrics", stop)
    }

    /// Returns whether a file is one of its own.
    pub fn holds(&self, file: &Path) -> bool {
        file.starts_with(&self.dir)
    }

    /// Unpacks the images that are inside the tables into files. A file that is there with the same bytes stays.
    ///
    /// # Errors
    /// A table is damaged, an image is not what its row says, another file is in its place, or the disk is full.
    pub fn unpack(&self, watch: &mut Watch<'_>) -> Result<()> {
        if self.images == self.dir {
            return Ok(());
        }
        let mut files = self.files("references", watch.stop())?;
        files.extend(self.files("generations", watch.stop())?);
        images::unpack(&files, &self.images, watch)
    }

    /// Takes in subjects, prompts and generations.
    pub fn take_rows(&mut self, intake: &mut Intake<'_, '_, '_>, roots: Option<&[PathBuf]>) -> Result<()> {
        let stop = intake.stop();
        let mut paths = Resolver::for_directory(&self.images, roots)?;
        self.note_references(stop)?;
        let mut rows =
            self.rows("subjects", &["subject_id", "label", "source", "kind", "caption", "license", "references"], stop)?;
        while let Some(row) = rows.next()? {
            let references: Vec<String> = row.list(6)?;
            let subject = Subject {
                subject_id: row.id(0)?,
                label: row.text(1)?.to_owned(),
                source: row.optional_text(2)?.map(str::to_owned),
                kind: row.optional_word(3)?,
                caption: row.optional_text(4)?.map(str::to_owned),
                license: row.optional_text(5)?.map(str::to_owned),
                references: references
                    .iter()
                    .map(|name| images::checked(name).and_then(|name| paths.resolve(name)).map_err(|e| row.wrong(e)))
                    .collect::<Result<_>>()?,
            };
            intake.rows([Located { origin: row.origin(), row: subject }], Intake::subject)?;
        }
        let mut rows = self.rows("prompts", &["prompt_id", "text", "scene_type", "subjects"], stop)?;
        while let Some(row) = rows.next()? {
            let subjects: Vec<String> = row.list(3)?;
            let prompt = Prompt {
                prompt_id: row.id(0)?,
                text: row.text(1)?.to_owned(),
                scene_type: row.word(2)?,
                subjects: subjects
                    .into_iter()
                    .map(|id| crate::vocabulary::SubjectId::new(id).map_err(|e| row.wrong(e)))
                    .collect::<Result<_>>()?,
            };
            intake.rows([Located { origin: row.origin(), row: prompt }], Intake::prompt)?;
        }
        const GENERATIONS: &[&str] = &[
            "model",
            "prompt_id",
            "seed",
            "path",
            "meta",
            "regions",
            "control",
            "status",
            "reason",
            "blake3",
            "format",
            "width",
            "height",
        ];
        let mut rows = self.rows("generations", GENERATIONS, stop)?;
        while let Some(row) = rows.next()? {
            let path = images::checked(row.text(3)?).and_then(|name| paths.resolve(name)).map_err(|e| row.wrong(e))?;
            let generation = Generation {
                model: row.id(0)?,
                prompt_id: row.id(1)?,
                seed: row.integer(2)?,
                path,
                meta: row.optional_text(4)?.map(str::to_owned),
                regions: row.optional_text(5)?.map(str::to_owned),
            };
            if row.flag(6)? {
                self.controls.insert(generation.model.clone());
            }
            if let Some(state) = row.absent_state(7)? {
                let owner = RegionOwner::Generation(generation.model.clone(), generation.prompt_id.clone(), generation.seed);
                self.absent.push((owner, state));
            }
            intake.rows([Located { origin: row.origin(), row: generation }], Intake::generation)?;
        }
        Ok(())
    }

    /// Notes the sizes of references, and which have no file.
    fn note_references(&mut self, stop: Stop<'_>) -> Result<()> {
        const COLUMNS: &[&str] = &["subject_id", "reference_index", "status", "reason", "blake3", "format", "width", "height"];
        let mut rows = self.rows("references", COLUMNS, stop)?;
        while let Some(row) = rows.next()? {
            let (subject, index) = (row.text(0)?.to_owned(), row.small(1)?);
            if let Some(size) = row.size(6)? {
                self.sizes.insert((subject, index), size);
            }
            if let Some(state) = row.absent_state(2)? {
                self.absent.push((RegionOwner::Reference(row.id(0)?, index), state));
            }
        }
        Ok(())
    }

    /// Takes in what models and encoders are besides their rows, once the vectors are there. With `is_new`, the data set was
    /// empty before, and takes over how transparent pixels are treated.
    pub fn take_rest(&mut self, changes: &Changes<'_>, is_new: bool, watch: &mut Watch<'_>) -> Result<()> {
        for model in &self.controls {
            changes.set_control(model)?;
        }
        for model in &self.facts.text_only {
            changes.set_text_only(&ModelName::new(model.clone()).map_err(|e| self.wrong(e))?)?;
        }
        if is_new {
            let transparency: Transparency = self.facts.transparency.parse().map_err(|e| self.wrong(e))?;
            changes.set_transparency(transparency)?;
        }
        for file in std::mem::take(&mut self.whole) {
            changes.forget_region_file(file)?;
        }
        let mut cut = self.rows("cut_prompts", &["encoder", "prompt_id", "cut"], watch.stop())?;
        while let Some(row) = cut.next()? {
            changes.set_cut(&row.id(0)?, &row.id(1)?, row.flag(2)?)?;
        }
        for encoder in &self.facts.encoders {
            let name = EncoderName::new(encoder.name.clone()).map_err(|e| self.wrong(e))?;
            if let Some(row) = changes.encoder_named(&name)? {
                changes.set_embeds_whole_images(row.id, encoder.whole_images)?;
                if let Some(windows) = &encoder.windows {
                    changes.set_window_pattern(row.id, windows.parse().map_err(|e| self.wrong(e))?)?;
                }
            }
        }
        for set in &self.facts.region_sets {
            let row = changes.region_set(&self.set_name(set)?, &self.rules(set)?)?;
            for encoder in &set.encoders {
                let name = EncoderName::new(encoder.clone()).map_err(|e| self.wrong(e))?;
                if let Some(encoder) = changes.encoder_named(&name)? {
                    changes.put_region_encoder(row.id, encoder.id)?;
                }
            }
        }
        self.take_windows(changes, watch)
    }

    /// Records what is known of the images that have no file.
    pub fn take_states(&self, changes: &Changes<'_>) -> Result<()> {
        for (owner, state) in &self.absent {
            let target = match owner {
                RegionOwner::Reference(subject, index) => changes.reference_target(subject, *index)?,
                RegionOwner::Generation(model, prompt, seed) => changes.generation_target(model, prompt, *seed)?,
            };
            if let Some(target) = target {
                changes.put_image_state(target.image, state)?;
            }
        }
        Ok(())
    }

    fn wrong(&self, reason: impl std::fmt::Display) -> Error {
        let file = self.dir.join(crate::layout::PUBLISHED_FACTS);
        Error::request(
            format!("{}: {reason}", crate::text::plain(&file.display().to_string())),
            "it is not as `msdata publish` wrote it: get it again from where it was published",
        )
    }
}

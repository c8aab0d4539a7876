//! Ingests in this order: rows and vectors, all or nothing; then the state of the image files; then vectors and
//! scores.

mod ahead;
mod folders;
pub(crate) mod metrics;
mod published;
pub(crate) mod regions;
pub(crate) mod rows;
pub(crate) mod summary;
mod vectors;

use crate::catalog::{Duplicate, EntryKind, Gap, RowSet};
use crate::dataset::{Dataset, commit};
use crate::durable::make_directory;
use crate::encoder::Described;
use crate::error::{Error, Result};
use crate::generator::{self, Grid, Known, Layout, OutputSource, Outputs, System};
use crate::image::Door;
use crate::input;
use crate::layout::TILES;
use crate::manifest::{ColumnName, ManifestSettings, Renaming, RowKind, StressTestRepo};
use crate::ops::embed::{EmbedOptions, IfChanged, fit};
use crate::ops::ingest::ahead::{give_generations, give_prompts};
use crate::ops::ingest::metrics::{MetricIntake, ScoreOptions};
use crate::ops::ingest::published::Published;
use crate::ops::ingest::regions::{RegionIntake, RegionOptions};
use crate::ops::ingest::rows::Intake;
use crate::ops::ingest::summary::{Counts, IngestSummary};
use crate::ops::ingest::vectors::VectorIntake;
use crate::ops::scan;
use crate::problem::{Origin, Position, Problem};
use crate::text::{plain, quote};
use crate::vocabulary::{ModelName, SceneType, closed_set};
use crate::watch::{Stop, Watch};
use std::path::{Path, PathBuf};
use std::sync::Arc;

closed_set! {
    /// A generator's own layout, for `--from`.
    SourceFormat, "format" {
        /// The repository of the paper's authors: subjects, prompts and images.
        StressTestRepo = "stress-test-repo",
        /// Images of XVerse, for prompts of the data set.
        Xverse = "xverse",
        /// Images of MOSAIC.
        Mosaic = "mosaic",
        /// Images of PSR.
        Psr = "psr",
        /// `results/MODEL/PROMPT_ID/SEED.png`, as the runners of the paper's authors write.
        Jobs = "jobs",
        /// Any tree of images, described by a pattern.
        Layout = "layout",
        /// What `msdata publish` wrote: rows, images, vectors and scores.
        Published = "published",
    }
}

impl SourceFormat {
    /// Returns whether it has subjects and prompts of its own.
    fn is_whole(self) -> bool {
        matches!(self, SourceFormat::StressTestRepo | SourceFormat::Published)
    }
}

/// What the user says about a generator's images where their files do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputOptions {
    /// The model that they are filed under.
    pub model: Option<ModelName>,
    /// Their seeds.
    pub seeds: Option<Vec<i64>>,
    /// How the images are arranged in a file.
    pub grid: Option<Grid>,
    /// The job list that the generator was given.
    pub list: Option<PathBuf>,
    /// The pattern of their paths, for [`SourceFormat::Layout`].
    pub layout: Option<Layout>,
    /// Where the images of a published data set are unpacked; `None`: in the data set's directory.
    pub output: Option<PathBuf>,
}

impl OutputOptions {
    /// Refuses what none of the formats reads.
    fn check(&self, from: &[(SourceFormat, PathBuf)]) -> Result<()> {
        use SourceFormat::*;
        let given: [(&str, bool, &[SourceFormat]); 6] = [
            ("--model", self.model.is_some(), &[Xverse, Mosaic, Psr, Jobs, Layout]),
            ("--seeds", self.seeds.is_some(), &[Xverse, Mosaic, Psr, Layout]),
            ("--grid", self.grid.is_some(), &[Xverse, Mosaic]),
            ("--list", self.list.is_some(), &[Xverse, Mosaic, Psr]),
            ("--layout", self.layout.is_some(), &[Layout]),
            ("--output", self.output.is_some(), &[Published]),
        ];
        for (option, _, formats) in given.iter().filter(|(_, given, _)| *given) {
            if from.iter().any(|(format, _)| formats.contains(format)) {
                continue;
            }
            let Some((format, _)) = from.first() else { continue };
            let takes = given.iter().filter(|(_, _, formats)| formats.contains(format)).map(|(option, ..)| format!("`{option}`"));
            let takes: Vec<String> = takes.collect();
            let hint = match (&takes[..], formats) {
                (_, [only]) => format!("use it with `--from {only} DIR`, or leave it out"),
                ([], _) => "leave it out: the files say it themselves".to_owned(),
                _ => format!("leave it out; `--from {format}` takes {}", takes.join(", ")),
            };
            return Err(Error::request(format!("`{option}` says nothing about `--from {format}`"), hint));
        }
        Ok(())
    }
}

/// What to ingest, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IngestOptions {
    /// Subjects manifests, or directories with a folder of images for each subject.
    pub subjects: Vec<PathBuf>,
    /// Prompts manifests.
    pub prompts: Vec<PathBuf>,
    /// Generations manifests.
    pub generations: Vec<PathBuf>,
    /// Embeddings files. Any of these files may be a directory of parts.
    pub embeddings: Vec<PathBuf>,
    /// The scene type of prompts that have none; `None`: such prompts are refused.
    pub scene_type: Option<SceneType>,
    /// Columns of manifests and score files that have other names there.
    pub columns: Vec<ColumnName>,
    /// Directories in a generator's own layout.
    pub from: Vec<(SourceFormat, PathBuf)>,
    /// What the user says about the images in them.
    pub outputs: OutputOptions,
    /// Models that are controls: shown apart from the models under test.
    pub controls: Vec<ModelName>,
    /// Whether those controls are given the prompt but no reference.
    pub text_only: bool,
    /// The only trees that image paths may lie in; empty: any.
    pub roots: Vec<PathBuf>,
    /// Rows whose key is known and whose content differs replace the known ones.
    pub replace: bool,
    /// Region files.
    pub regions: RegionOptions,
    /// Score files, and what their metrics are.
    pub scores: ScoreOptions,
    /// Change nothing; only say what would change.
    pub dry_run: bool,
    /// Read every image file again, so that a change that kept size and time is found too.
    pub rehash: bool,
    /// How to embed what is new; `None`: do not embed it.
    pub embed: Option<EmbedOptions>,
}

impl Dataset {
    /// Reads manifests and embeddings into the data set, looks at its image files, embeds what is new,
    /// scores what can be scored. Either all rows come in or none.
    ///
    /// # Errors
    /// [`Error::Manifest`] lists every bad row, and nothing was written; or a file cannot be read,
    /// the disk is full, or the caller wants to stop (what was finished is kept). Image files that cannot
    /// be used are not an error: see [`IngestSummary::images`].
    pub fn ingest(&mut self, options: &IngestOptions, watch: &mut Watch<'_>) -> Result<IngestSummary> {
        let mut published = self.published(options, watch)?;
        let is_new = self.catalog.is_empty()?;
        let imports = !options.embeddings.is_empty() || !published.is_empty();
        let if_changed = if options.replace { IfChanged::Renew } else { IfChanged::Refuse };
        let embed = match options.embed.as_ref().filter(|_| !options.dry_run) {
            Some(embed) => Some((embed, self.ready_if(embed, imports, if_changed)?)),
            None => None,
        };
        let encoders = embed.as_ref().map_or(&[][..], |(_, (_, encoders))| encoders);
        let (mut summary, unchanged_images) = self.take_in(options, &mut published, is_new, encoders, if_changed, watch)?;
        if options.dry_run {
            return Ok(summary);
        }
        let found = match options.rehash {
            true => scan::rehash(&mut self.catalog, &self.door, watch)?,
            false => scan::inspect_others(&mut self.catalog, &self.door, &unchanged_images, watch)?,
        };
        if !published.is_empty() {
            let changes = self.catalog.begin()?;
            published.iter().try_for_each(|published| published.take_states(&changes))?;
            changes.commit()?;
        }
        summary.images_read = found.read;
        if found.changed > 0 || summary.generations != unchanged(&summary.generations) {
            self.warn_of_duplicates(watch)?;
        }
        if let Some((embed, (home, encoders))) = embed {
            summary.embedded = self.embed_by(&encoders, embed, &home, if_changed, watch)?;
        }
        if imports {
            self.say_gaps(&mut summary, watch)?;
        }
        summary.scored = self.score(watch)?;
        summary.images = self.catalog.tally()?;
        summary.unusable = self.unusable_images()?;
        if let [published] = published.as_slice()
            && is_new
        {
            let digest = self.digest(watch)?.blake3;
            if digest != published.facts.digest {
                watch.warn(&format!(
                    "the digest is {digest}, but {} was published: what was given besides, or embedded since, differs",
                    plain(&published.facts.digest)
                ));
            }
        }
        Ok(summary)
    }

    /// Opens the published data sets that are to come in, and unpacks their images.
    fn published(&self, options: &IngestOptions, watch: &mut Watch<'_>) -> Result<Vec<Published>> {
        let mut all = Vec::new();
        for (_, dir) in options.from.iter().filter(|(format, _)| *format == SourceFormat::Published) {
            let output = options.outputs.output.as_deref().unwrap_or(&self.dir);
            if !options.dry_run {
                make_directory(output)?;
            }
            let published = Published::open(dir, output, watch.stop())?;
            if !options.dry_run {
                published.unpack(watch)?;
            }
            all.push(published);
        }
        Ok(all)
    }

    /// Takes in rows and vectors in one transaction, which also checks that the vectors are of no other encoders than those
    /// that embed afterwards. Also returns the images whose files were found as the catalog knows them.
    pub(crate) fn take_in(
        &mut self,
        options: &IngestOptions,
        published: &mut [Published],
        is_new: bool,
        encoders: &[Described],
        if_changed: IfChanged,
        watch: &mut Watch<'_>,
    ) -> Result<(IngestSummary, RowSet)> {
        let roots = (!options.roots.is_empty()).then_some(options.roots.as_slice());
        let given = Door::to(roots)?;
        let door = self.door.with(given.roots().iter().cloned());
        let changes = self.catalog.begin()?;
        for root in given.roots() {
            changes.put_root(root)?;
        }
        let mut intake = Intake::new(&changes, options.replace, door.clone(), watch)?;
        options.outputs.check(&options.from)?;
        let renaming = Arc::new(Renaming::new(&options.columns, !options.scores.files.is_empty())?);
        let reading = ManifestSettings {
            scene_type: options.scene_type,
            renaming: renaming.clone(),
            roots: roots.map(<[PathBuf]>::to_vec),
            home: None,
        };
        let mut repositories = Vec::new();
        for (_, path) in options.from.iter().filter(|(format, _)| *format == SourceFormat::StressTestRepo) {
            repositories.push(StressTestRepo::read(path, roots, intake.stop())?);
        }
        for published in published.iter_mut() {
            published.take_rows(&mut intake, roots)?;
        }
        // Subjects before the prompts that name them, prompts before their generations.
        for path in &options.subjects {
            intake.subjects(path, &reading)?;
        }
        for repository in &mut repositories {
            intake.rows(repository.subjects.drain(..), Intake::subject)?;
        }
        for path in &options.prompts {
            intake.manifest(path, RowKind::Prompts, &reading, give_prompts, Intake::prompt)?;
        }
        for repository in &mut repositories {
            intake.rows(repository.prompts.drain(..), Intake::prompt)?;
        }
        for path in &options.generations {
            intake.manifest(path, RowKind::Generations, &reading, give_generations, Intake::generation)?;
        }
        for repository in repositories {
            intake.rows(repository.generations, Intake::generation)?;
            intake.warnings(repository.problems, repository.warnings);
        }
        for (format, path) in options.from.iter().filter(|(format, _)| !format.is_whole()) {
            if intake.lacks(EntryKind::Prompt) {
                input::check_directory(path, "give the directory that the generator wrote")?;
                intake.not_looked_at(path, "its images were not looked at, because rows of prompts above are bad");
                continue;
            }
            let known = changes.prompt_texts()?;
            match read_outputs(*format, path, options, &self.dir.join(TILES), &known, intake.stop()) {
                Ok(outputs) => {
                    intake.rows(outputs.generations, Intake::generation)?;
                    intake.warnings(outputs.problems, outputs.warnings);
                }
                // What is wrong with the manifests is said first, and with this.
                Err(Error::Request { message, hint }) if intake.has_problems() => {
                    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
                    intake.warnings(vec![Problem { origin: Origin::whole(path), reason: format!("{message}{hint}") }], vec![]);
                }
                Err(e) => return Err(e),
            }
        }
        let (mut summary, mut problems, mut with_regions) = intake.finish();
        // Published regions are in tables of their own.
        with_regions.retain(|row| !published.iter().any(|published| published.holds(&row.origin.file)));

        // A model whose rows are bad is not there to be marked, which is no fault of its own.
        for model in options.controls.iter().filter(|_| problems.is_empty()) {
            if !changes.set_control(model)? {
                return Err(Error::request(
                    format!("there is no model {} to mark as a control", quote(model.as_str())),
                    "give its generations in the same command, or see `msdata sql 'SELECT DISTINCT model FROM generations'`",
                ));
            }
            if options.text_only {
                changes.set_text_only(model)?;
            }
        }
        let rows_are_bad = !problems.is_empty();
        if !options.regions.is_idle() || !with_regions.is_empty() {
            let mut regions = RegionIntake::new(&changes, &options.regions, &door, options.replace, watch)?;
            // With bad rows, rows that name an image may name one that was not taken in.
            if problems.is_empty() {
                regions.rows(with_regions)?;
            }
            for path in &options.regions.files {
                regions.file(path, watch)?;
            }
            summary.regions = regions.counts;
            problems.append(&mut regions.problems);
        }
        // The rows of one that are bad leave nothing to hang regions and vectors on.
        let published = if rows_are_bad { &mut [] } else { published };
        for published in published.iter_mut() {
            published.take_regions(&changes, options.replace, watch)?;
        }
        let mut vectors = VectorIntake::new(&changes, &self.store, options.replace, rows_are_bad)?;
        for path in &options.embeddings {
            vectors.file(path, watch)?;
        }
        for published in published.iter() {
            for path in published.vectors(watch.stop())? {
                vectors.file(&path, watch)?;
            }
        }
        problems.append(&mut vectors.problems);
        let mut scores = options.scores.files.clone();
        for published in published.iter() {
            scores.extend(published.metrics(watch.stop())?);
        }
        if !options.scores.is_idle() || !scores.is_empty() {
            let mut metrics = MetricIntake::new(&changes, &options.scores, options.replace, rows_are_bad)?;
            for path in &scores {
                metrics.file(path, &reading, watch)?;
            }
            metrics.finish(&options.scores)?;
            summary.metrics = metrics.counts;
            problems.append(&mut metrics.problems);
        }
        watch.say_remarks();
        // A file that could not be read may have them.
        if problems.iter().all(|problem| problem.origin.place != Position::File) {
            let unmet =
                renaming.unmet().into_iter().map(|reason| Problem { origin: Origin::whole(Path::new("--columns")), reason });
            problems.splice(0..0, unmet.collect::<Vec<_>>());
        }
        if !problems.is_empty() {
            return Err(Error::Manifest(problems));
        }
        if let Some(scene) = options.scene_type {
            summary.taken.push(match summary.scenes_given {
                0 => "every prompt has a scene type of its own; `--scene-type` gave none".to_owned(),
                1 => format!("1 prompt has no scene type, and is {scene} (--scene-type)"),
                n => format!("{n} prompts have no scene type, and are {scene} (--scene-type)"),
            });
        }
        summary.vectors = vectors.counts;
        if options.dry_run {
            return Ok((summary, RowSet::default()));
        }
        for encoder in encoders {
            if let Some(row) = changes.encoder_named(&encoder.name)? {
                fit(Some(&row), changes.has_vectors(row.id)?, encoder, if_changed)?;
            }
        }
        vectors.publish()?;
        for published in published.iter_mut() {
            published.take_rest(&changes, is_new, watch)?;
        }
        let unchanged_images = changes.take_unchanged_images();
        commit(changes, &self.store)?;
        self.door = door;
        Ok((summary, unchanged_images))
    }

    pub(crate) fn warn_of_duplicates(&self, watch: &mut Watch<'_>) -> Result<()> {
        let mut warn = |duplicate: Option<Duplicate>, what: &str| {
            if let Some(Duplicate { groups, example }) = duplicate {
                watch.warn(&format!("{what} ({groups} in all): {}", plain(&example)));
            }
        };
        warn(self.catalog.shared_files()?, "one file under two keys");
        warn(self.catalog.shared_references()?, "one file is a reference of two subjects, or twice a reference of one");
        warn(self.catalog.copied_references()?, "a generation is a reference image, byte for byte");
        warn(self.catalog.repeated_generations()?, "generations with the same bytes");
        Ok(())
    }

    /// Warns if an encoder has vectors of some images of a kind but not of others. An encoder without any
    /// is still being filled: the summary says so.
    fn say_gaps(&self, summary: &mut IngestSummary, watch: &mut Watch<'_>) -> Result<()> {
        for encoder in self.catalog.encoders()? {
            let gaps = self.catalog.gaps(encoder.id)?;
            let name = plain(encoder.name.as_str());
            for (what, Gap { total, lacking }) in [("references", gaps.references), ("generations", gaps.generations)] {
                if lacking == total && total > 0 {
                    summary.waiting.push(format!("encoder {name} has no vectors of {what} yet, so it scores nothing"));
                } else if lacking > 0 {
                    watch.warn(&format!(
                        "encoder {name}: {lacking} of {total} {what} have no vector; every score that needs one is counted as missing"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Reads what a generator made from the data set's prompts.
fn read_outputs(
    format: SourceFormat,
    folder: &Path,
    options: &IngestOptions,
    tiles: &Path,
    known: Known,
    stop: Stop<'_>,
) -> Result<Outputs> {
    let OutputOptions { model, seeds, grid, list, layout, output: _ } = &options.outputs;
    let source = OutputSource {
        folder,
        model: model.as_ref(),
        seeds: seeds.as_deref(),
        grid: grid.unwrap_or(Grid::Auto),
        list: list.as_deref(),
        roots: (!options.roots.is_empty()).then_some(options.roots.as_slice()),
        tiles: (!options.dry_run).then_some(tiles),
        stop,
    };
    match format {
        SourceFormat::Xverse => generator::read(System::Xverse, &source, known),
        SourceFormat::Mosaic => generator::read(System::Mosaic, &source, known),
        SourceFormat::Psr => generator::read(System::Psr, &source, known),
        SourceFormat::Jobs => generator::read(System::Jobs, &source, known),
        SourceFormat::Layout => {
            let hint = "give a pattern such as `--layout '{model}/{prompt_id}/{seed}.png'`";
            let layout = layout.as_ref().ok_or_else(|| Error::request("nothing says how the tree is laid out", hint))?;
            generator::read_tree(layout, &source, known)
        }
        // Read with their subjects and prompts.
        SourceFormat::StressTestRepo | SourceFormat::Published => Ok(Outputs::default()),
    }
}

/// Returns the same number of rows, all unchanged.
fn unchanged(counts: &Counts) -> Counts {
    Counts { unchanged: counts.unchanged, ..Counts::default() }
}

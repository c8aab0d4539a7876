//! Scores finished shards without a data set: shard by shard, against the references' vectors, into the tables of scores
//! that `msdata report --tables` reads.

use super::check::check_all;
use super::listed::each_row;
use super::output::{ShardFile, ShardRows, vector};
use super::plan::ShardPlan;
use super::shard_path;
use crate::catalog::{FoundImage, VectorKey};
use crate::durable::write_directory;
use crate::embeddings::text_column;
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Prompt, RowKind, Subject};
use crate::ops::export::{ExportTable, list_column};
use crate::score::{Reference, mean, score_generation};
use crate::vocabulary::{ModelName, PromptId, SubjectId};
use crate::watch::{Stop, Watch};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// What scoring shards did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardScores {
    /// Generations in the shards.
    pub generations: u64,
    /// (Generation, encoder) pairs that were scored.
    pub scored: u64,
}

/// The references of a subject that were planned, by index, each with its vector if it has one.
type PlannedReferences = BTreeMap<i32, Option<Vec<f32>>>;

/// What scores are made of besides the vectors of generations.
struct Known {
    subjects: BTreeMap<SubjectId, Subject>,
    prompts: BTreeMap<PromptId, Prompt>,
    /// Of each encoder, by name: the references of each subject; a subject one of whose references has no vector is not
    /// there.
    references: Vec<(String, HashMap<SubjectId, Vec<Reference>>)>,
}

/// Scores the finished shards of the plan in `dir` and writes tables of scores into `out`, which must be new or empty:
/// `subjects` and `prompts`, and a file for each shard in `generations`, `image_scores` and `subject_scores`.
///
/// # Errors
/// A list of every shard that is missing or not what was planned; a manifest has changed or is bad; the disk is full; or
/// the caller wants to stop. Nothing is written then.
pub fn score_shards(dir: &Path, out: &Path, watch: &mut Watch<'_>) -> Result<ShardScores> {
    let plan = ShardPlan::read(dir)?;
    check_all(&plan, dir, watch)?;
    let known = Known::read(&plan, dir, watch)?;
    write_directory(out, |out| {
        known.write(out)?;
        for table in ["generations", "image_scores", "subject_scores"] {
            let place = out.join(table);
            std::fs::create_dir(&place).map_err(Error::io("create", &place))?;
        }
        let (mut all, stop) = (ShardScores::default(), watch.stop());
        let numbers: Vec<usize> = (0..plan.shards.len()).collect();
        for block in numbers.chunks(rayon::current_num_threads().max(1)) {
            watch.check()?;
            let scored: Vec<ShardScores> =
                block.par_iter().map(|shard| known.score(dir, *shard, out, stop)).collect::<Result<_>>()?;
            for of_shard in scored {
                all.generations += of_shard.generations;
                all.scored += of_shard.scored;
            }
            watch.report("generations", all.generations, None);
        }
        Ok(all)
    })
}

impl Known {
    fn read(plan: &ShardPlan, dir: &Path, watch: &mut Watch<'_>) -> Result<Known> {
        let reading = plan.reading()?;
        let (mut subjects, mut prompts, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for path in plan.manifests("subjects") {
            problems.extend(each_row(RowKind::Subjects, &path, &reading, watch, &mut |manifest: &mut Manifest<'_>| {
                manifest.next_subject().map(|row| row.map(|row| drop(subjects.insert(row.row.subject_id.clone(), row.row))))
            })?);
        }
        for path in plan.manifests("prompts") {
            problems.extend(each_row(RowKind::Prompts, &path, &reading, watch, &mut |manifest: &mut Manifest<'_>| {
                manifest.next_prompt().map(|row| row.map(|row| drop(prompts.insert(row.row.prompt_id.clone(), row.row))))
            })?);
        }
        if !problems.is_empty() {
            return Err(Error::Manifest(problems));
        }
        if prompts.is_empty() {
            let hint = "plan the shards with `--subjects` and `--prompts`, or merge them into a data set that has both";
            return Err(Error::request("the plan names no prompts, so nobody knows what its images should show", hint));
        }
        // By encoder.
        let mut vectors: BTreeMap<String, HashMap<SubjectId, PlannedReferences>> = BTreeMap::new();
        for shard in 0..plan.shards.len() {
            each_batch(dir, shard, watch.stop(), |encoders, rows| {
                for (encoder, column) in encoders.iter().zip(&rows.vectors) {
                    let of_encoder = vectors.entry(encoder.clone()).or_default();
                    for (row, key) in rows.keys.iter().enumerate() {
                        if let VectorKey::Reference(subject, index) = key {
                            let found = vector(column, row).map(<[f32]>::to_vec);
                            of_encoder.entry(subject.clone()).or_default().insert(*index, found);
                        }
                    }
                }
                Ok(())
            })?;
        }
        let whole = |(subject, found): (SubjectId, PlannedReferences)| {
            let references: Option<Vec<Reference>> = found.into_values().map(|vector| vector.map(Reference::new)).collect();
            references.map(|references| (subject, references))
        };
        let references = vectors.into_iter().map(|(name, of)| (name, of.into_iter().filter_map(whole).collect())).collect();
        Ok(Known { subjects, prompts, references })
    }

    /// Writes the tables of subjects and of prompts.
    fn write(&self, out: &Path) -> Result<()> {
        let of = || self.subjects.values();
        let paths = |subject: &Subject| subject.references.iter().map(|image| image.path.display().to_string()).collect();
        let paths: Vec<Vec<String>> = of().map(paths).collect();
        let mut table = ExportTable::new(out, "subjects");
        table.write(vec![
            ("subject_id", text_column(of().map(|s| Some(s.subject_id.as_str()))), false),
            ("label", text_column(of().map(|s| Some(s.label.as_str()))), false),
            ("source", text_column(of().map(|s| s.source.as_deref())), true),
            ("kind", text_column(of().map(|s| s.kind.map(|kind| kind.as_str()))), true),
            ("caption", text_column(of().map(|s| s.caption.as_deref())), true),
            ("license", text_column(of().map(|s| s.license.as_deref())), true),
            ("references", list_column(paths.iter().map(|paths| paths.iter().map(String::as_str))), false),
        ])?;
        table.finish()?;
        let of = || self.prompts.values();
        let mut table = ExportTable::new(out, "prompts");
        table.write(vec![
            ("prompt_id", text_column(of().map(|p| Some(p.prompt_id.as_str()))), false),
            ("text", text_column(of().map(|p| Some(p.text.as_str()))), false),
            ("scene_type", text_column(of().map(|p| Some(p.scene_type.as_str()))), false),
            ("subject_count", Arc::new(Int32Array::from_iter_values(of().map(|p| p.subjects.len() as i32))), false),
            ("subjects", list_column(of().map(|p| p.subjects.iter().map(SubjectId::as_str))), false),
        ])?;
        table.finish()
    }

    /// Scores a shard and writes its part of each table.
    fn score(&self, dir: &Path, shard: usize, out: &Path, stop: Stop<'_>) -> Result<ShardScores> {
        let name = format!("part-{shard:05}");
        let table = |table: &str| ExportTable::new(&out.join(table), &name);
        let (mut generations, mut images, mut subjects) = (table("generations"), table("image_scores"), table("subject_scores"));
        let mut done = ShardScores::default();
        each_batch(dir, shard, stop, |encoders, rows| {
            let mut found = ScoredRows::default();
            for (row, (key, image)) in rows.keys.iter().zip(&rows.found).enumerate() {
                let VectorKey::Generation(model, prompt, seed) = key else { continue };
                let unknown =
                    || Error::request(format!("{key}: its prompt is in no manifest of the plan"), "make the plan again");
                let prompt = self.prompts.get(prompt).ok_or_else(unknown)?;
                let of = Of { model, prompt, seed: *seed };
                found.generations.push((of, image));
                for (encoder, column) in encoders.iter().zip(&rows.vectors) {
                    let Some(vector) = vector(column, row) else { continue };
                    let Some((encoder, references)) = self.references.iter().find(|(name, _)| name == encoder) else { continue };
                    let wanted = prompt.subjects.iter().map(|subject| Some(references.get(subject)?.iter().collect()));
                    let Some(wanted) = wanted.collect::<Option<Vec<Vec<&Reference>>>>() else { continue };
                    let (similarities, _) = score_generation(vector, &wanted, None);
                    found.images.push((of, encoder, mean(&similarities)));
                    found.subjects.extend((0..).zip(similarities).map(|(ordinal, s)| (of, encoder.as_str(), ordinal, s)));
                }
            }
            done.generations += found.generations.len() as u64;
            done.scored += found.images.len() as u64;
            generations.write(found.generation_columns())?;
            images.write(found.image_columns())?;
            subjects.write(found.subject_columns())
        })?;
        [generations, images, subjects].into_iter().try_for_each(ExportTable::finish)?;
        Ok(done)
    }
}

/// Hands on the rows of a shard with the names of its encoders, some at a time.
fn each_batch(dir: &Path, shard: usize, stop: Stop<'_>, mut take: impl FnMut(&[String], &ShardRows) -> Result<()>) -> Result<()> {
    let path = shard_path(dir, shard);
    let damaged = |reason: String| Error::Parquet { path: path.clone(), reason };
    let mut file = ShardFile::open(&path).map_err(damaged)?;
    let encoders: Vec<String> = file.encoders.iter().map(|encoder| encoder.name.clone()).collect();
    while let Some(rows) = file.next().map_err(damaged)? {
        stop.check()?;
        take(&encoders, &rows)?;
    }
    Ok(())
}

/// The generation that a row is of.
#[derive(Clone, Copy)]
struct Of<'k> {
    model: &'k ModelName,
    prompt: &'k Prompt,
    seed: i64,
}

/// What was found out about the generations of a batch.
#[derive(Default)]
struct ScoredRows<'k> {
    generations: Vec<(Of<'k>, &'k FoundImage)>,
    images: Vec<(Of<'k>, &'k str, f64)>,
    subjects: Vec<(Of<'k>, &'k str, i32, f64)>,
}

type Columns = Vec<(&'static str, ArrayRef, bool)>;

impl ScoredRows<'_> {
    fn generation_columns(&self) -> Columns {
        let all = &self.generations;
        let side = |pick: fn(&FoundImage) -> Option<u32>| -> ArrayRef {
            Arc::new(Int32Array::from_iter(all.iter().map(|(_, image)| pick(image).map(|side| side as i32))))
        };
        let hashes: Vec<_> =
            all.iter().map(|(_, image)| image.blake3.map(|hash| blake3::Hash::from(hash).to_hex().to_string())).collect();
        let mut columns = keys(all.iter().map(|(of, _)| *of));
        columns.extend([
            ("status", text_column(all.iter().map(|(_, image)| Some(image.status.as_str()))), false),
            ("reason", text_column(all.iter().map(|(_, image)| image.reason.as_deref())), true),
            ("width", side(|image| image.size.map(|(_, width, _)| width)), true),
            ("height", side(|image| image.size.map(|(.., height)| height)), true),
            ("format", text_column(all.iter().map(|(_, image)| image.size.map(|(format, ..)| format.as_str()))), true),
            ("blake3", text_column(hashes.iter().map(Option::as_deref)), true),
        ]);
        columns
    }

    fn image_columns(&self) -> Columns {
        let all = &self.images;
        let mut columns = keys(all.iter().map(|(of, ..)| *of));
        columns.extend([
            ("encoder", text_column(all.iter().map(|(_, encoder, _)| Some(*encoder))), false),
            ("similarity", Arc::new(Float64Array::from_iter_values(all.iter().map(|(.., s)| *s))) as ArrayRef, false),
            // Texts are not in shards.
            ("clip_t", Arc::new(Float64Array::new_null(all.len())) as ArrayRef, true),
        ]);
        columns
    }

    fn subject_columns(&self) -> Columns {
        let all = &self.subjects;
        let subject = |(of, _, ordinal, _): &(Of<'_>, &str, i32, f64)| of.prompt.subjects[*ordinal as usize].to_string();
        let ids: Vec<String> = all.iter().map(subject).collect();
        let mut columns = keys(all.iter().map(|(of, ..)| *of));
        columns.extend([
            ("subject_id", text_column(ids.iter().map(|id| Some(id.as_str()))), false),
            ("ordinal", Arc::new(Int32Array::from_iter_values(all.iter().map(|(.., ordinal, _)| *ordinal))) as ArrayRef, false),
            ("encoder", text_column(all.iter().map(|(_, encoder, ..)| Some(*encoder))), false),
            ("similarity", Arc::new(Float64Array::from_iter_values(all.iter().map(|(.., s)| *s))) as ArrayRef, false),
        ]);
        columns
    }
}

/// The leading columns of every table of generations. Which models are controls is known to a data set alone.
fn keys<'k>(rows: impl Iterator<Item = Of<'k>> + Clone) -> Columns {
    let count = rows.clone().count();
    let subjects = rows.clone().map(|of| of.prompt.subjects.len() as i32);
    vec![
        ("model", text_column(rows.clone().map(|of| Some(of.model.as_str()))), false),
        ("control", Arc::new(BooleanArray::from(vec![false; count])), false),
        ("prompt_id", text_column(rows.clone().map(|of| Some(of.prompt.prompt_id.as_str()))), false),
        ("seed", Arc::new(Int64Array::from_iter_values(rows.clone().map(|of| of.seed))), false),
        ("scene_type", text_column(rows.clone().map(|of| Some(of.prompt.scene_type.as_str()))), false),
        ("subject_count", Arc::new(Int32Array::from_iter_values(subjects)), false),
    ]
}

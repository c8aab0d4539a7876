//! The exported tables: Parquet that pandas, DuckDB, Polars and Spark open unchanged. Rows come in the
//! order of their keys, so that the same data set gives the same bytes, however it was filled.

mod views;

use crate::catalog::{Catalog, EncoderRow, GenerationRow, KeyOrder, KeyedVector, PartRow, PromptRow, VectorPlace};
use crate::dataset::Dataset;
use crate::durable::{sync_dir, write_directory};
use crate::embeddings::{ExportWriter, Store, text_column};
use crate::error::{Error, Result};
use crate::table::parquet::{Footer, writer_properties};
use crate::vocabulary::{EncoderName, ModelName, Provenance};
use crate::watch::Watch;
use crate::windows::Rectangle;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch, StringBuilder};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows in a batch, and in memory at a time.
const BATCH: usize = 65_536;

/// Most bytes of vectors read at a time.
const GATHER_BYTES: usize = 32 << 20;

/// Most vectors read at a time.
const GATHER_ROWS: usize = 65_536;

/// Bytes of vectors after which a new file begins.
const FILE_BYTES: usize = 1 << 30;

impl Dataset {
    /// Writes the exported tables into `dir`, which must be new or empty. All are written, or none.
    ///
    /// # Errors
    /// `dir` is not empty, the disk is full, a part is damaged, or the caller wants to stop.
    pub fn export(&self, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
        export(&self.catalog, &self.store, dir, watch)
    }

    /// Writes one encoder's vectors alone into `dir`, which must be new or empty: `part-0001.parquet`, …, as
    /// [`Dataset::export`] writes them. All are written, or none.
    ///
    /// # Errors
    /// The data set has no such encoder; or as [`Dataset::export`].
    pub fn export_vectors(&self, encoder: &EncoderName, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
        let encoders = self.catalog.encoders()?;
        let Some(found) = encoders.iter().find(|one| one.name == *encoder) else {
            let names: Vec<&str> = encoders.iter().map(|one| one.name.as_str()).collect();
            let hint = match names.is_empty() {
                true => format!("`msdata embed --encoder {encoder}` embeds with it"),
                false => format!("it has {}", names.join(", ")),
            };
            return Err(Error::request(format!("the data set has no encoder called {encoder}"), hint));
        };
        let parts = self.catalog.parts()?;
        write_directory(dir, |partial| {
            vectors_of(&self.catalog, &self.store, found, &self.catalog.key_order()?, &parts, partial, watch)
        })
    }
}

/// Writes every table into `dir`, which must be new or empty.
pub fn export(catalog: &Catalog, store: &Store, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
    write_directory(dir, |partial| {
        tables(catalog, partial, watch)?;
        views::of_regions(catalog, partial, watch)?;
        views::of_metrics(catalog, partial, watch)?;
        vectors(catalog, store, partial, watch)
    })
}

/// A table being written.
pub(in crate::ops) struct ExportTable {
    path: PathBuf,
    /// What the file says of itself, beside its columns.
    metadata: Vec<KeyValue>,
    writer: Option<ArrowWriter<Footer<File>>>,
}

impl ExportTable {
    /// Begins `NAME.parquet` in a directory; it is made when the first columns are written.
    pub(in crate::ops) fn new(dir: &Path, name: &str) -> ExportTable {
        ExportTable { path: dir.join(format!("{name}.parquet")), metadata: Vec::new(), writer: None }
    }

    fn with_metadata(self, metadata: Vec<KeyValue>) -> ExportTable {
        ExportTable { metadata, ..self }
    }

    /// Writes columns of equal length; `true` means that the column may hold nulls.
    pub(in crate::ops) fn write(&mut self, columns: Vec<(&str, ArrayRef, bool)>) -> Result<()> {
        let failed = |e: arrow::error::ArrowError| Error::parquet(&self.path)(e.into());
        let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(failed)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = File::create(&self.path).map_err(Error::io("write", &self.path))?;
                let metadata = Some(std::mem::take(&mut self.metadata)).filter(|metadata| !metadata.is_empty());
                let properties = writer_properties().set_key_value_metadata(metadata).build();
                none.insert(
                    ArrowWriter::try_new(Footer::new(file), batch.schema(), Some(properties))
                        .map_err(Error::parquet(&self.path))?,
                )
            }
        };
        writer.write(&batch).map_err(Error::parquet(&self.path))
    }

    /// Completes the file.
    pub(in crate::ops) fn finish(self) -> Result<()> {
        let Some(writer) = self.writer else { return Ok(()) };
        let file = writer.into_inner().map_err(Error::parquet(&self.path))?;
        file.finish().and_then(|file| file.sync_all()).map_err(Error::io("write", &self.path))
    }
}

fn tables(catalog: &Catalog, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let mut subjects = catalog.subjects()?;
    for path in subjects.iter_mut().flat_map(|subject| &mut subject.references) {
        *path = catalog.kept_path(path)?;
    }
    let mut table = ExportTable::new(dir, "subjects");
    table.write(vec![
        ("subject_id", text_column(subjects.iter().map(|s| Some(s.subject_id.as_str()))), false),
        ("label", text_column(subjects.iter().map(|s| Some(s.label.as_str()))), false),
        ("source", text_column(subjects.iter().map(|s| s.source.as_deref())), true),
        ("kind", text_column(subjects.iter().map(|s| s.kind.map(|k| k.as_str()))), true),
        ("caption", text_column(subjects.iter().map(|s| s.caption.as_deref())), true),
        ("license", text_column(subjects.iter().map(|s| s.license.as_deref())), true),
        ("references", list_column(subjects.iter().map(|s| s.references.iter().map(String::as_str))), false),
    ])?;
    table.finish()?;

    let prompts = catalog.prompts()?;
    let mut table = ExportTable::new(dir, "prompts");
    table.write(vec![
        ("prompt_id", text_column(prompts.iter().map(|p| Some(p.prompt_id.as_str()))), false),
        ("text", text_column(prompts.iter().map(|p| Some(p.text.as_str()))), false),
        ("scene_type", text_column(prompts.iter().map(|p| Some(p.scene_type.as_str()))), false),
        ("subject_count", Arc::new(Int32Array::from_iter_values(prompts.iter().map(|p| p.subjects.len() as i32))), false),
        ("subjects", list_column(prompts.iter().map(|p| p.subjects.iter().map(|s| subjects[*s].subject_id.as_str()))), false),
    ])?;
    table.finish()?;

    let models = catalog.models()?;
    let encoders = catalog.encoders()?;
    let generations = catalog.generations()?;
    let encoder_rank: HashMap<i64, usize> = encoders.iter().enumerate().map(|(rank, e)| (e.id, rank)).collect();
    let keys = ExportKeys { models: &models, prompts: &prompts };
    let mut generation_table = ExportTable::new(dir, "generations");
    let mut subject_table = ExportTable::new(dir, "subject_scores");
    let mut image_table = ExportTable::new(dir, "image_scores");
    // At least one batch each, so that even a table without rows is a file with columns.
    let empty: [&[GenerationRow]; 1] = [&[]];
    let blocks = generations.chunks(BATCH / 8).chain(empty.into_iter().take(usize::from(generations.is_empty())));
    let mut done = 0;
    for block in blocks {
        watch.check()?;
        let mut images = Vec::with_capacity(block.len());
        let (mut of_image, mut image_scores) = (Vec::new(), Vec::new());
        let (mut of_subject, mut subject_scores, mut locals) = (Vec::new(), Vec::new(), Vec::new());
        for generation in block {
            let mut image = catalog.image_of(generation.id)?;
            image.path = catalog.kept_path(&image.path)?; // as the views show it
            images.push(image);
            let mut scores = catalog.image_scores_of(generation.id)?;
            scores.sort_by_key(|s| encoder_rank[&s.encoder]);
            of_image.extend(scores.iter().map(|_| *generation));
            image_scores.append(&mut scores);
            let mut scores = catalog.subject_scores_of(generation.id)?;
            scores.sort_by_key(|s| (encoder_rank[&s.encoder], s.ordinal));
            of_subject.extend(scores.iter().map(|_| *generation));
            let of_windows = catalog.local_scores_of(generation.id)?;
            locals.extend(scores.iter().map(|s| of_windows.get(&(s.encoder, s.ordinal)).copied()));
            subject_scores.append(&mut scores);
        }
        let mut columns = keys.columns(block);
        columns.extend([
            ("path", text_column(images.iter().map(|i| Some(i.path.as_str()))), false),
            ("status", text_column(images.iter().map(|i| Some(i.status.as_str()))), false),
            ("reason", text_column(images.iter().map(|i| i.reason.as_deref())), true),
            ("width", Arc::new(Int32Array::from_iter(images.iter().map(|i| i.width))) as ArrayRef, true),
            ("height", Arc::new(Int32Array::from_iter(images.iter().map(|i| i.height))) as ArrayRef, true),
            ("format", text_column(images.iter().map(|i| i.format.as_deref())), true),
            ("blake3", text_column(images.iter().map(|i| i.blake3.as_deref())), true),
            (
                "control",
                Arc::new(BooleanArray::from_iter(block.iter().map(|g| Some(models[g.model as usize].1)))) as ArrayRef,
                false,
            ),
            ("meta", text_column(images.iter().map(|i| i.meta.as_deref())), true),
        ]);
        generation_table.write(columns)?;

        let encoder = |id: i64| Some(encoders[encoder_rank[&id]].name.as_str());
        let subject_of = |(generation, ordinal): (&GenerationRow, u32)| {
            Some(subjects[prompts[generation.prompt as usize].subjects[ordinal as usize]].subject_id.as_str())
        };
        let of_window = |pick: fn(Rectangle) -> u32| -> ArrayRef {
            Arc::new(Int32Array::from_iter(locals.iter().map(|l| l.map(|l| pick(l.window) as i32))))
        };
        let mut columns = keys.columns_with_control(&of_subject);
        columns.extend([
            ("subject_id", text_column(of_subject.iter().zip(subject_scores.iter().map(|s| s.ordinal)).map(subject_of)), false),
            (
                "ordinal",
                Arc::new(Int32Array::from_iter_values(subject_scores.iter().map(|s| s.ordinal as i32))) as ArrayRef,
                false,
            ),
            ("encoder", text_column(subject_scores.iter().map(|s| encoder(s.encoder))), false),
            (
                "similarity",
                Arc::new(Float64Array::from_iter_values(subject_scores.iter().map(|s| s.similarity))) as ArrayRef,
                false,
            ),
            ("local", Arc::new(Float64Array::from_iter(locals.iter().map(|l| l.map(|l| l.local)))) as ArrayRef, true),
            ("local_x", of_window(|window| window.x), true),
            ("local_y", of_window(|window| window.y), true),
            ("local_width", of_window(|window| window.width), true),
            ("local_height", of_window(|window| window.height), true),
        ]);
        subject_table.write(columns)?;

        let mut columns = keys.columns_with_control(&of_image);
        columns.extend([
            ("encoder", text_column(image_scores.iter().map(|s| encoder(s.encoder))), false),
            (
                "similarity",
                Arc::new(Float64Array::from_iter_values(image_scores.iter().map(|s| s.similarity))) as ArrayRef,
                false,
            ),
            ("clip_t", Arc::new(Float64Array::from_iter(image_scores.iter().map(|s| s.clip_t))) as ArrayRef, true),
        ]);
        image_table.write(columns)?;
        done += block.len() as u64;
        watch.report("tables", done, Some(generations.len() as u64));
    }
    generation_table.finish()?;
    subject_table.finish()?;
    image_table.finish()
}

/// The leading columns of every table of generations.
struct ExportKeys<'a> {
    models: &'a [(ModelName, bool)],
    prompts: &'a [PromptRow],
}

impl ExportKeys<'_> {
    fn columns_with_control(&self, rows: &[GenerationRow]) -> Vec<(&'static str, ArrayRef, bool)> {
        let control = BooleanArray::from_iter(rows.iter().map(|g| Some(self.models[g.model as usize].1)));
        let mut columns = self.columns(rows);
        columns.insert(1, ("control", Arc::new(control), false));
        columns
    }

    fn columns(&self, rows: &[GenerationRow]) -> Vec<(&'static str, ArrayRef, bool)> {
        let prompt = |g: &GenerationRow| &self.prompts[g.prompt as usize];
        vec![
            ("model", text_column(rows.iter().map(|g| Some(self.models[g.model as usize].0.as_str()))), false),
            ("prompt_id", text_column(rows.iter().map(|g| Some(prompt(g).prompt_id.as_str()))), false),
            ("seed", Arc::new(Int64Array::from_iter_values(rows.iter().map(|g| g.seed))), false),
            ("scene_type", text_column(rows.iter().map(|g| Some(prompt(g).scene_type.as_str()))), false),
            (
                "subject_count",
                Arc::new(Int32Array::from_iter_values(rows.iter().map(|g| prompt(g).subjects.len() as i32))),
                false,
            ),
        ]
    }
}

/// A column of lists of texts.
pub(in crate::ops) fn list_column<'a, L: Iterator<Item = &'a str>>(rows: impl Iterator<Item = L>) -> ArrayRef {
    let mut column = ListBuilder::new(StringBuilder::new());
    for row in rows {
        row.for_each(|item| column.values().append_value(item));
        column.append(true);
    }
    Arc::new(column.finish())
}

fn vectors(catalog: &Catalog, store: &Store, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let parts = catalog.parts()?;
    let embeddings = dir.join("embeddings");
    fs::create_dir_all(&embeddings).map_err(Error::io("make", &embeddings))?;
    let order = catalog.key_order()?;
    for encoder in catalog.encoders()? {
        let dir = embeddings.join(encoder.name.as_str());
        fs::create_dir_all(&dir).map_err(Error::io("make", &dir))?;
        vectors_of(catalog, store, &encoder, &order, &parts, &dir, watch)?;
    }
    sync_dir(&embeddings)
}

fn vectors_of(
    catalog: &Catalog,
    store: &Store,
    encoder: &EncoderRow,
    order: &KeyOrder,
    parts: &[PartRow],
    dir: &Path,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let of = |p: Provenance| parts.iter().any(|part| part.encoder == encoder.id && part.provenance == p);
    let provenance: Vec<&str> = Provenance::ALL.iter().filter(|p| of(**p)).map(|p| p.as_str()).collect();
    let files = EncoderFiles {
        store,
        encoder,
        dir,
        provenance: provenance.join(","),
        regions: catalog.has_region_vectors(encoder.id)?,
        writer: None,
        files: 0,
        rows: 0,
    };
    files.write_all(catalog, order, watch)?;
    sync_dir(dir)
}

/// The exported files of one encoder.
struct EncoderFiles<'a> {
    store: &'a Store,
    encoder: &'a EncoderRow,
    dir: &'a Path,
    provenance: String,
    /// Whether the encoder has vectors of regions.
    regions: bool,
    writer: Option<ExportWriter>,
    files: u32,
    /// Bytes in the current file.
    rows: usize,
}

impl EncoderFiles<'_> {
    fn write_all(mut self, catalog: &Catalog, order: &KeyOrder, watch: &mut Watch<'_>) -> Result<()> {
        let block = (GATHER_BYTES / (4 * self.encoder.dimension)).clamp(1, GATHER_ROWS);
        let mut pending: Vec<KeyedVector> = Vec::new();
        let mut read = ExportBlock::default();
        let mut done = 0;
        catalog.each_vector(self.encoder.id, order, |vector| {
            pending.push(vector);
            if pending.len() < block {
                return Ok(());
            }
            watch.check()?;
            done += pending.len() as u64;
            watch.report("vectors", done, None);
            read = self.write_and_read(std::mem::take(&mut read), std::mem::take(&mut pending))?;
            Ok(())
        })?;
        let last = self.write_and_read(read, pending)?;
        self.write(last)?;
        self.writer.take().map_or(Ok(()), ExportWriter::finish)
    }

    /// Writes a block while the next is read.
    fn write_and_read(&mut self, block: ExportBlock, next: Vec<KeyedVector>) -> Result<ExportBlock> {
        let (store, dimension) = (self.store, self.encoder.dimension);
        let places: Vec<VectorPlace> = next.iter().map(|v| v.place).collect();
        let (written, vectors) = rayon::join(|| self.write(block), || store.gather(&places, dimension));
        written?;
        Ok(ExportBlock { keys: next, vectors: vectors? })
    }

    fn write(&mut self, block: ExportBlock) -> Result<()> {
        let dimension = self.encoder.dimension;
        for (keyed, vector) in block.keys.into_iter().zip(block.vectors.chunks_exact(dimension)) {
            if self.rows * dimension * 4 >= FILE_BYTES
                && let Some(full) = self.writer.take()
            {
                full.finish()?;
            }
            let writer = match &mut self.writer {
                Some(writer) => writer,
                none => {
                    (self.files, self.rows) = (self.files + 1, 0);
                    let path = self.dir.join(format!("part-{:04}.parquet", self.files));
                    none.insert(ExportWriter::of(&path, self.encoder, &self.provenance, self.regions)?)
                }
            };
            writer.push(keyed.key, vector)?;
            self.rows += 1;
        }
        Ok(())
    }
}

/// Vectors with their keys, one after the other.
#[derive(Default)]
struct ExportBlock {
    keys: Vec<KeyedVector>,
    vectors: Vec<f32>,
}

//! The exported tables with published names and images, and the table of references.

use super::images::{ImageFiles, generation_name, reference_name};
use super::shards::{IMAGE, Shards};
use crate::catalog::ImageDetails;
use crate::dataset::Dataset;
use crate::embeddings::text_column;
use crate::error::{Error, Result};
use crate::watch::Watch;
use arrow::array::{ArrayRef, BinaryBuilder, BooleanArray, Int32Array, ListBuilder, RecordBatch, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// Rows at a time.
const BATCH: usize = 1024;

/// Bytes of images at a time.
const HELD_BYTES: usize = 32 << 20;

/// The images of some rows, as `struct<bytes: binary, path: string>`.
#[derive(Default)]
struct ImageColumn {
    bytes: BinaryBuilder,
    paths: StringBuilder,
    there: Vec<bool>,
    held: usize,
}

impl ImageColumn {
    fn push(&mut self, name: &str, bytes: Option<&[u8]>) {
        self.held += bytes.map_or(0, <[u8]>::len);
        self.there.push(bytes.is_some());
        self.paths.append_option(bytes.map(|_| name));
        self.bytes.append_option(bytes);
    }

    /// Returns the column, and the bytes in it, and begins anew.
    fn take(&mut self) -> Result<(ArrayRef, usize)> {
        let fields = Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)]);
        let arrays: Vec<ArrayRef> = vec![Arc::new(self.bytes.finish()), Arc::new(self.paths.finish())];
        let there = NullBuffer::from(std::mem::take(&mut self.there));
        let column = StructArray::try_new(fields, arrays, Some(there)).map_err(|e| Error::parquet(Path::new(IMAGE))(e.into()))?;
        Ok((Arc::new(column), std::mem::take(&mut self.held)))
    }
}

/// Calls `each` with the rows of an exported table, some at a time.
fn each_batch(path: &Path, mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(BATCH).build())
        .map_err(Error::parquet(path))?;
    for batch in reader {
        each(batch.map_err(|e| Error::parquet(path)(e.into()))?)?;
    }
    Ok(())
}

/// Returns rows with one column in place of that of its name, or after the others.
fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef, nullable: bool) -> Result<RecordBatch> {
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    let field = Arc::new(Field::new(name, column.data_type().clone(), nullable));
    match fields.iter().position(|field| field.name() == name) {
        Some(at) => (fields[at], columns[at]) = (field, column),
        None => {
            fields.push(field);
            columns.push(column);
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| Error::parquet(Path::new(name))(e.into()))
}

/// Gives the references of the exported table of subjects their published names.
pub fn subjects(data: &Dataset, tables: &Path) -> Result<()> {
    let path = tables.join("subjects.parquet");
    let mut names: Vec<Vec<String>> = Vec::new();
    let mut last = None;
    for (subject, index, details) in data.catalog.reference_details()? {
        let name = reference_name(subject.as_str(), index, &details);
        match names.last_mut().filter(|_| last.as_ref() == Some(&subject)) {
            Some(of) => of.push(name),
            None => names.push(vec![name]),
        }
        last = Some(subject);
    }
    let mut names = names.into_iter();
    let mut batches = Vec::new();
    each_batch(&path, |batch| {
        let mut column = ListBuilder::new(StringBuilder::new());
        for of in names.by_ref().take(batch.num_rows()) {
            of.iter().for_each(|name| column.values().append_value(name));
            column.append(true);
        }
        batches.push(with_column(&batch, "references", Arc::new(column.finish()), false)?);
        Ok(())
    })?;
    let mut table = Shards::single(tables, "subjects");
    batches.iter().try_for_each(|batch| table.batch(batch, 0))?;
    if batches.is_empty() { Ok(()) } else { table.finish() }
}

/// Writes the table of reference images.
pub fn references(data: &Dataset, tables: &Path, files: &mut ImageFiles<'_>, watch: &mut Watch<'_>) -> Result<()> {
    let all = data.catalog.reference_details()?;
    let mut table = Shards::numbered(tables, "references");
    let (mut images, mut begin) = (ImageColumn::default(), 0);
    for end in 1..=all.len().max(1) {
        if let Some((subject, index, details)) = all.get(end - 1) {
            watch.check()?;
            let name = reference_name(subject.as_str(), *index, details);
            let bytes = files.take(&format!("reference {index} of subject {subject}"), &name, details)?;
            images.push(&name, bytes.as_deref());
            watch.report("references", end as u64, Some(all.len() as u64));
        }
        if images.held < HELD_BYTES && end - begin < BATCH && end < all.len() {
            continue;
        }
        let rows = &all[begin.min(all.len())..end.min(all.len())];
        begin = end;
        let details = || rows.iter().map(|(.., details)| details);
        let names: Vec<String> = rows.iter().map(|(s, i, d)| reference_name(s.as_str(), *i, d)).collect();
        let reasons: Vec<Option<String>> = rows.iter().zip(&names).map(|((.., d), name)| reason(d, name)).collect();
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("subject_id", text_column(rows.iter().map(|(subject, ..)| Some(subject.as_str()))), false),
            ("reference_index", Arc::new(Int32Array::from_iter_values(rows.iter().map(|(_, index, _)| *index))), false),
            ("path", text_column(names.iter().map(|name| Some(name.as_str()))), false),
            ("status", text_column(details().map(|d| Some(d.status.as_str()))), false),
            ("reason", text_column(reasons.iter().map(Option::as_deref)), true),
            ("width", Arc::new(Int32Array::from_iter(details().map(|d| d.width))), true),
            ("height", Arc::new(Int32Array::from_iter(details().map(|d| d.height))), true),
            ("format", text_column(details().map(|d| d.format.as_deref())), true),
            ("blake3", text_column(details().map(|d| d.blake3.as_deref())), true),
        ];
        let (column, bytes) = images.take()?;
        if files.are_inside() {
            columns.push((IMAGE, column, true));
        }
        table.columns(columns, bytes)?;
    }
    table.finish()
}

/// Why an image cannot be used, with its published name in place of its path.
fn reason(details: &ImageDetails, name: &str) -> Option<String> {
    details.reason.as_ref().map(|reason| reason.replace(&details.path, name))
}

/// Turns the exported table of generations into one with published names and images.
pub fn generations(
    data: &Dataset,
    tables: &Path,
    files: &mut ImageFiles<'_>,
    without_meta: bool,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let path = tables.join("generations.parquet");
    let (models, prompts) = (data.catalog.models()?, data.catalog.prompts()?);
    let (all, regions) = (data.catalog.generations()?, data.catalog.regions()?);
    let mut table = Shards::numbered(tables, "generations");
    let (mut done, total) = (0, all.len());
    let mut rows = all.iter();
    each_batch(&path, |batch| {
        let (mut images, mut begin) = (ImageColumn::default(), 0);
        let (mut names, mut reasons, mut manifest_regions) = (Vec::new(), Vec::new(), Vec::new());
        for end in 1..=batch.num_rows().max(1) {
            if end <= batch.num_rows()
                && let Some(generation) = rows.next()
            {
                watch.check()?;
                let details = data.catalog.image_of(generation.id)?;
                let model = models[generation.model as usize].0.as_str();
                let prompt = prompts[generation.prompt as usize].prompt_id.as_str();
                let name = generation_name(model, prompt, generation.seed, &details);
                let bytes = files.take(&format!("generation {model} {prompt} {}", generation.seed), &name, &details)?;
                images.push(&name, bytes.as_deref());
                reasons.push(reason(&details, &name));
                names.push(name);
                manifest_regions.push(regions.get(&generation.id).map(String::as_str));
                done += 1;
                watch.report("images", done, Some(total as u64));
            }
            if images.held < HELD_BYTES && end < batch.num_rows() {
                continue;
            }
            let mut some = batch.slice(begin, names.len());
            begin += names.len();
            some = with_column(&some, "path", text_column(names.iter().map(|name| Some(name.as_str()))), false)?;
            some = with_column(&some, "reason", text_column(reasons.iter().map(Option::as_deref)), true)?;
            if without_meta {
                some = with_column(&some, "meta", text_column(names.iter().map(|_| None)), true)?;
            }
            if !regions.is_empty() {
                some = with_column(&some, "regions", text_column(manifest_regions.iter().copied()), true)?;
            }
            let (column, bytes) = images.take()?;
            if files.are_inside() {
                some = with_column(&some, IMAGE, column, true)?;
            }
            table.batch(&some, bytes)?;
            (names, reasons, manifest_regions) = (Vec::new(), Vec::new(), Vec::new());
        }
        Ok(())
    })?;
    table.finish()?;
    fs::remove_file(&path).map_err(Error::io("remove", &path))
}

/// Writes whether each encoder had to cut a prompt.
pub fn cut_prompts(data: &Dataset, tables: &Path) -> Result<()> {
    let rows = data.catalog.cut_by_encoder()?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = Shards::single(tables, "cut_prompts");
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("encoder", text_column(rows.iter().map(|(encoder, ..)| Some(encoder.as_str()))), false),
        ("prompt_id", text_column(rows.iter().map(|(_, prompt, _)| Some(prompt.as_str()))), false),
        ("cut", Arc::new(BooleanArray::from_iter(rows.iter().map(|(.., cut)| Some(*cut)))), false),
    ];
    table.columns(columns, 0)?;
    table.finish()
}

//! The columns of tasks and of shards: keys first, in both.

use crate::catalog::VectorKey;
use crate::vocabulary::{ModelName, PromptId, SubjectId, VectorKind};
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use std::sync::Arc;

pub(super) const KIND: &str = "kind";
pub(super) const MODEL: &str = "model";
pub(super) const PROMPT_ID: &str = "prompt_id";
pub(super) const SEED: &str = "seed";
pub(super) const SUBJECT_ID: &str = "subject_id";
pub(super) const REFERENCE_INDEX: &str = "reference_index";
pub(super) const PATH: &str = "path";
/// Size and time of the image's file when the plan was made: what is embedded later was read later.
pub(super) const FILE_BYTES: &str = "file_bytes";
pub(super) const FILE_MTIME: &str = "file_mtime_ns";

/// Returns the fields of the keys, which tasks and shards begin with.
pub(super) fn key_fields() -> Vec<Field> {
    vec![
        Field::new(KIND, DataType::Utf8, false),
        Field::new(MODEL, DataType::Utf8, true),
        Field::new(PROMPT_ID, DataType::Utf8, true),
        Field::new(SEED, DataType::Int64, true),
        Field::new(SUBJECT_ID, DataType::Utf8, true),
        Field::new(REFERENCE_INDEX, DataType::Int32, true),
    ]
}

/// Returns the columns of keys of images, in the order of [`key_fields`].
pub(super) fn key_columns<'k>(keys: impl Iterator<Item = &'k VectorKey> + Clone) -> Vec<ArrayRef> {
    let generation = || {
        keys.clone().map(|key| match key {
            VectorKey::Generation(model, prompt, seed) => Some((model, prompt, *seed)),
            _ => None,
        })
    };
    let reference = || {
        keys.clone().map(|key| match key {
            VectorKey::Reference(subject, index) => Some((subject, *index)),
            _ => None,
        })
    };
    let kinds = generation().map(|of| if of.is_some() { VectorKind::Generation } else { VectorKind::Reference }.as_str());
    vec![
        Arc::new(StringArray::from_iter_values(kinds)),
        Arc::new(generation().map(|of| of.map(|(model, ..)| model.as_str())).collect::<StringArray>()),
        Arc::new(generation().map(|of| of.map(|(_, prompt, _)| prompt.as_str())).collect::<StringArray>()),
        Arc::new(generation().map(|of| of.map(|(.., seed)| seed)).collect::<Int64Array>()),
        Arc::new(reference().map(|of| of.map(|(subject, _)| subject.as_str())).collect::<StringArray>()),
        Arc::new(reference().map(|of| of.map(|(_, index)| index)).collect::<Int32Array>()),
    ]
}

/// Returns the keys of a batch, whichever way its texts and numbers are encoded.
///
/// # Errors
/// A sentence: a column is not there or of another type, or a row has no key.
pub(super) fn keys(batch: &RecordBatch) -> Result<Vec<VectorKey>, String> {
    let (kinds, models, prompts) = (texts(batch, KIND)?, texts(batch, MODEL)?, texts(batch, PROMPT_ID)?);
    let (seeds, subjects, indices) = (integers(batch, SEED)?, texts(batch, SUBJECT_ID)?, integers(batch, REFERENCE_INDEX)?);
    let key = |row: usize| {
        let text = |column: &ArrayRef, name: &str| match column.is_valid(row) {
            true => Ok(column.as_string::<i32>().value(row).to_owned()),
            false => Err(format!("`{name}` is null")),
        };
        let integer = |column: &ArrayRef, name: &str| match column.is_valid(row) {
            true => Ok(column.as_primitive::<Int64Type>().value(row)),
            false => Err(format!("`{name}` is null")),
        };
        match text(&kinds, KIND)?.parse::<VectorKind>() {
            Ok(VectorKind::Generation) => Ok(VectorKey::Generation(
                ModelName::new(text(&models, MODEL)?)?,
                PromptId::new(text(&prompts, PROMPT_ID)?)?,
                integer(&seeds, SEED)?,
            )),
            Ok(VectorKind::Reference) => Ok(VectorKey::Reference(
                SubjectId::new(text(&subjects, SUBJECT_ID)?)?,
                i32::try_from(integer(&indices, REFERENCE_INDEX)?).map_err(|_| format!("`{REFERENCE_INDEX}` is too large"))?,
            )),
            Ok(other) => Err(format!("`{KIND}` is {other}: images are generations or references")),
            Err(e) => Err(e.to_string()),
        }
    };
    (0..batch.num_rows()).map(|row| key(row).map_err(|reason: String| format!("row {row}: {reason}"))).collect()
}

/// Returns a column of texts.
///
/// # Errors
/// A sentence: it is not there, or of another type.
pub(super) fn texts(batch: &RecordBatch, name: &str) -> Result<ArrayRef, String> {
    column(batch, name, &DataType::Utf8)
}

/// Returns a column of integers.
///
/// # Errors
/// A sentence: it is not there, or of another type.
pub(super) fn integers(batch: &RecordBatch, name: &str) -> Result<ArrayRef, String> {
    column(batch, name, &DataType::Int64)
}

fn column(batch: &RecordBatch, name: &str, kind: &DataType) -> Result<ArrayRef, String> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("there is no column `{name}`"))?;
    let is_text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null);
    let is_of_kind = match (kind, column.data_type()) {
        (DataType::Utf8, DataType::Dictionary(_, values)) => is_text(values),
        (DataType::Utf8, other) => is_text(other),
        (_, other) => other.is_integer() || *other == DataType::Null,
    };
    if !is_of_kind {
        return Err(format!("column `{name}` is of type {}", column.data_type()));
    }
    cast(column, kind).map_err(|e| format!("column `{name}`: {e}"))
}

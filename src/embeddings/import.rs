//! Rows of an embeddings file that a user gives: read in batches, every row checked and named.
//!
//! The file is not trusted. Types are checked before values, values before use; a decoder that panics
//! on damaged bytes (the Parquet reader has done so) becomes an error that names the file.

use super::ahead::{Batches, Source};
use super::columns::*;
use crate::catalog::VectorKey;
use crate::error::{Error, Result};
use crate::input::{self, pages};
use crate::manifest::{MOST_EXACT, integer_of};
use crate::text::quote;
use crate::vocabulary::{EncoderName, ModelName, PromptId, RegionSetName, SubjectId, VectorKind};
use crate::watch::Stop;
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Numbers of a batch; vectors of any allowed length fit.
const BATCH_NUMBERS: usize = 512 << 10;

/// An embeddings file.
pub struct Import {
    batches: Batches,
    narrowed: bool,
    fingerprint: Option<String>,
    rows_before: u64,
}

/// One row: its number (from 1), and what it says, or why it cannot be taken.
#[derive(Debug)]
pub struct ImportRow<'b> {
    /// Row of the file, from 1.
    pub number: u64,
    /// Encoder, key and vector; or what is wrong.
    pub content: std::result::Result<(EncoderName, VectorKey, &'b [f32]), String>,
}

impl Import {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// It is not a Parquet file, the caller wants to stop, or its columns are not those of the embeddings format.
    pub fn open(path: &Path, stop: Stop<'_>) -> Result<Import> {
        let mut file = input::open(path).map_err(Error::io("read", path))?;
        let mut magic = [0; 4];
        let n = file.read(&mut magic).map_err(Error::io("read", path))?;
        let wrong = |reason: &str| Error::Parquet { path: path.to_owned(), reason: reason.to_owned() };
        match &magic[..n] {
            b"PAR1" => {}
            b"PARE" => return Err(wrong("an encrypted Parquet file; write it without encryption")),
            b"ARRO" => return Err(wrong("an Arrow IPC (Feather) file; write it as Parquet")),
            [] => return Err(wrong("an empty file; was it written to the end?")),
            b"vers" => return Err(wrong("a pointer of Git LFS in place of the file; `git lfs pull` fetches it")),
            _ => return Err(wrong("not a Parquet file (it does not begin with PAR1)")),
        }
        let load = || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(Error::parquet(path));
        let metadata = guarded(path, load)?;
        let fingerprint = metadata
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .and_then(|kv| kv.iter().find(|e| e.key == FINGERPRINT))
            .and_then(|e| e.value.clone());
        let schema = metadata.schema();
        refuse_metadata(metadata.metadata()).map_err(|reason| wrong(&reason))?;
        let mut wanted = Vec::new();
        let mut batch_rows = 1024;
        let mut narrowed = false;
        for (i, field) in schema.fields().iter().enumerate() {
            let name = field.name().as_str();
            if schema.fields()[..i].iter().any(|earlier| earlier.name() == name) {
                return Err(wrong(&format!("column {} appears twice", quote(name))));
            }
            let ok = match name {
                ENCODER | KIND | SUBJECT_ID | MODEL | PROMPT_ID | REGION_SET => is_text(field.data_type()),
                REFERENCE_INDEX | SEED | REGION_INDEX => {
                    let kind = field.data_type();
                    kind.is_integer() || matches!(kind, DataType::Null | DataType::Float64 | DataType::Float32)
                }
                EMBEDDING => match vector_type(field.data_type()) {
                    Some((wide, length)) => {
                        narrowed = wide;
                        if let Some(0) = length {
                            return Err(wrong("column `embedding`: its vectors are empty"));
                        }
                        if length.is_some_and(|n| n > MAX_DIMENSION) {
                            return Err(wrong(&format!("column `embedding`: vectors are longer than {MAX_DIMENSION} numbers")));
                        }
                        batch_rows = length.map_or(256, |n| (BATCH_NUMBERS / n).clamp(1, 8192));
                        true
                    }
                    None => false,
                },
                _ => continue,
            };
            if !ok {
                let must = match name {
                    EMBEDDING => "lists of float32, float64 or float16",
                    REFERENCE_INDEX | SEED | REGION_INDEX => "integers",
                    _ => "text",
                };
                return Err(wrong(&format!("column `{name}` must hold {must}, not {}", quote(&field.data_type().to_string()))));
            }
            wanted.push(i);
        }
        for name in [ENCODER, KIND, EMBEDDING] {
            if schema.column_with_name(name).is_none() {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                return Err(wrong(&format!("it has no column `{name}`; it has {}", quote(&names.join(",")))));
            }
        }
        let is_read = |name: &str| wanted.iter().any(|i: &usize| schema.field(*i).name() == name);
        guarded(path, || pages::check(&file, metadata.metadata(), is_read, stop).map_err(|reason| wrong(&reason)))?;
        let columns = ProjectionMask::roots(metadata.parquet_schema(), wanted);
        let batches = Batches::of(Source { path: path.to_owned(), file: Arc::new(file), metadata, columns, batch_rows });
        Ok(Import { batches, narrowed, fingerprint, rows_before: 0 })
    }

    /// The encoder's fingerprint, if the file (an export of ours) carries one.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Whether its vectors are float64 and will be narrowed.
    pub fn is_narrowed(&self) -> bool {
        self.narrowed
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.rows_before
    }

    /// Hands the next batch of rows to `each`; `false` at the end.
    ///
    /// # Errors
    /// The file is damaged, or `each` fails.
    pub fn next_batch(&mut self, each: impl FnOnce(&[ImportRow<'_>]) -> Result<()>) -> Result<bool> {
        let Some(batch) = self.batches.next()? else { return Ok(false) };
        let path = self.batches.path();
        let columns = guarded(path, || ImportColumns::new(path, &batch))?;
        let rows: Vec<ImportRow<'_>> = (0..batch.num_rows())
            .map(|i| ImportRow { number: self.rows_before + i as u64 + 1, content: columns.row(i) })
            .collect();
        self.rows_before += batch.num_rows() as u64;
        each(&rows)?;
        Ok(true)
    }
}

/// What the metadata alone show to be out of bounds: compressions that are not read, and lists whose numbers would fill
/// the memory.
fn refuse_metadata(metadata: &ParquetMetaData) -> std::result::Result<(), String> {
    for group in metadata.row_groups() {
        for column in group.columns() {
            let name = column.column_path().parts().first().map_or("", String::as_str);
            let compression = column.compression();
            if matches!(compression, Compression::LZO) {
                let known = "uncompressed, snappy, gzip, zstd, brotli and lz4";
                return Err(format!("column {} is compressed with {compression}; what is read is {known}", quote(name)));
            }
            let most = group.num_rows().max(0).saturating_mul(MAX_DIMENSION as i64);
            if name == EMBEDDING && column.num_values() > most {
                return Err(format!("column `embedding`: vectors are longer than {MAX_DIMENSION} numbers"));
            }
        }
    }
    Ok(())
}

/// Runs what may panic on damaged bytes.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    input::guarded(read).unwrap_or_else(|| Err(damaged(path)))
}

/// The error for a file that makes its reader panic.
pub(super) fn damaged(path: &Path) -> Error {
    Error::Parquet { path: path.to_owned(), reason: "the file is damaged".into() }
}

fn is_text(t: &DataType) -> bool {
    match t {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether the numbers must be narrowed, and the length if the type fixes it.
fn vector_type(t: &DataType) -> Option<(bool, Option<usize>)> {
    let (element, length) = match t {
        DataType::FixedSizeList(e, n) => (e, Some(usize::try_from(*n).ok()?)),
        DataType::List(e) | DataType::LargeList(e) | DataType::ListView(e) => (e, None),
        _ => return None,
    };
    match element.data_type() {
        DataType::Float32 | DataType::Float16 => Some((false, length)),
        DataType::Float64 => Some((true, length)),
        _ => None,
    }
}

/// The columns of a batch in the types that rows are made of.
struct ImportColumns {
    encoder: StringArray,
    kind: StringArray,
    subject_id: Option<StringArray>,
    reference_index: Option<Integers>,
    model: Option<StringArray>,
    prompt_id: Option<StringArray>,
    seed: Option<Integers>,
    region_set: Option<StringArray>,
    region_index: Option<Integers>,
    vectors: ImportVectors,
}

/// A column of integers, as it was written.
enum Integers {
    Signed(Int64Array),
    Unsigned(UInt64Array),
    /// What pandas makes of integers with a gap among them.
    Floats(Float64Array),
}

impl Integers {
    fn new(column: &ArrayRef) -> std::result::Result<Integers, arrow::error::ArrowError> {
        Ok(match column.data_type() {
            DataType::UInt64 => Integers::Unsigned(column.as_primitive::<UInt64Type>().clone()),
            DataType::Float32 | DataType::Float64 => {
                Integers::Floats(cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            _ => Integers::Signed(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
        })
    }

    /// The integer of a row, or nothing where it is null.
    fn get(&self, i: usize) -> std::result::Result<Option<i64>, String> {
        match self {
            Integers::Signed(all) => Ok(all.is_valid(i).then(|| all.value(i))),
            Integers::Unsigned(all) if all.is_null(i) => Ok(None),
            Integers::Unsigned(all) => integer_of(&all.value(i).to_string()).map(Some),
            Integers::Floats(all) if all.is_null(i) || all.value(i).is_nan() => Ok(None),
            Integers::Floats(all) => match all.value(i) {
                x if x.fract() != 0.0 || x.is_infinite() => Err(format!("{x} is not an integer")),
                x if x.abs() > MOST_EXACT as f64 => {
                    Err(format!("{x} was a float, which is not exact beyond 2^53; write the column as integers"))
                }
                x => Ok(Some(x as i64)),
            },
        }
    }
}

/// All numbers of a batch, and where each vector lies among them; `None`: null.
struct ImportVectors {
    values: Float32Array,
    spans: Vec<Option<std::ops::Range<usize>>>,
}

impl ImportColumns {
    fn new(path: &Path, batch: &RecordBatch) -> Result<ImportColumns> {
        let arrow = |e: arrow::error::ArrowError| Error::parquet(path)(e.into());
        let text = |name: &str| -> Result<Option<StringArray>> {
            let Some(column) = batch.column_by_name(name) else { return Ok(None) };
            Ok(Some(cast(column, &DataType::Utf8).map_err(arrow)?.as_string::<i32>().clone()))
        };
        let integer = |name: &str| batch.column_by_name(name).map(Integers::new).transpose().map_err(arrow);
        let missing = |name: &str| Error::Parquet { path: path.to_owned(), reason: format!("it has no column `{name}`") };
        let embedding = batch.column_by_name(EMBEDDING).ok_or_else(|| missing(EMBEDDING))?;
        Ok(ImportColumns {
            encoder: text(ENCODER)?.ok_or_else(|| missing(ENCODER))?,
            kind: text(KIND)?.ok_or_else(|| missing(KIND))?,
            subject_id: text(SUBJECT_ID)?,
            reference_index: integer(REFERENCE_INDEX)?,
            model: text(MODEL)?,
            prompt_id: text(PROMPT_ID)?,
            seed: integer(SEED)?,
            region_set: text(REGION_SET)?,
            region_index: integer(REGION_INDEX)?,
            vectors: ImportVectors::new(embedding).map_err(arrow)?,
        })
    }

    fn row(&self, i: usize) -> std::result::Result<(EncoderName, VectorKey, &[f32]), String> {
        let encoder = needed_text(Some(&self.encoder), i, ENCODER, "a row")?;
        let encoder = EncoderName::new(encoder).map_err(|e| format!("`encoder` {e}"))?;
        let kind: VectorKind = needed_text(Some(&self.kind), i, KIND, "a row")?.parse().map_err(|e| format!("{e}"))?;
        let prompt = |kind| {
            let text = needed_text(self.prompt_id.as_ref(), i, PROMPT_ID, kind)?;
            PromptId::new(text).map_err(|e| format!("`prompt_id` {e}"))
        };
        let reference = |by: &str| {
            let subject = needed_text(self.subject_id.as_ref(), i, SUBJECT_ID, by)?;
            let index = needed_integer(self.reference_index.as_ref(), i, REFERENCE_INDEX, by)?;
            Ok::<_, String>(VectorKey::Reference(
                SubjectId::new(subject).map_err(|e| format!("`subject_id` {e}"))?,
                i32::try_from(index).map_err(|_| format!("`reference_index` {index} is out of range"))?,
            ))
        };
        let generation = |by: &'static str| {
            let model = needed_text(self.model.as_ref(), i, MODEL, by)?;
            Ok::<_, String>(VectorKey::Generation(
                ModelName::new(model).map_err(|e| format!("`model` {e}"))?,
                prompt(by)?,
                needed_integer(self.seed.as_ref(), i, SEED, by)?,
            ))
        };
        let key = match kind {
            VectorKind::Reference => reference("kind `reference`")?,
            VectorKind::Generation => generation("kind `generation`")?,
            VectorKind::Prompt => VectorKey::Prompt(prompt("kind `prompt`")?),
            VectorKind::Region => {
                let by = "kind `region`";
                let of_reference = self.subject_id.as_ref().is_some_and(|ids| ids.is_valid(i));
                let of_generation = self.model.as_ref().is_some_and(|models| models.is_valid(i));
                if of_reference == of_generation {
                    return Err(
                        "kind `region` needs either `subject_id` and `reference_index` or `model`, `prompt_id` and `seed`".into(),
                    );
                }
                let set = needed_text(self.region_set.as_ref(), i, REGION_SET, by)?;
                let index = needed_integer(self.region_index.as_ref(), i, REGION_INDEX, by)?;
                VectorKey::Region(
                    Box::new(if of_reference { reference(by)? } else { generation(by)? }),
                    RegionSetName::new(set).map_err(|e| format!("`region_set` {e}"))?,
                    u32::try_from(index).map_err(|_| format!("`region_index` {index} is out of range"))?,
                )
            }
        };
        Ok((encoder, key, self.vectors.get(i)?))
    }
}

fn needed_text<'c>(column: Option<&'c StringArray>, i: usize, name: &str, by: &str) -> std::result::Result<&'c str, String> {
    column.filter(|c| c.is_valid(i)).map(|c| c.value(i)).ok_or_else(|| format!("{by} needs `{name}`, which is null"))
}

fn needed_integer(column: Option<&Integers>, i: usize, name: &str, by: &str) -> std::result::Result<i64, String> {
    let integer = column.map(|c| c.get(i)).transpose().map_err(|reason| format!("`{name}` {reason}"))?;
    integer.flatten().ok_or_else(|| format!("{by} needs `{name}`, which is null"))
}

impl ImportVectors {
    fn new(column: &ArrayRef) -> std::result::Result<ImportVectors, arrow::error::ArrowError> {
        let (values, spans): (ArrayRef, Vec<_>) = match column.data_type() {
            DataType::FixedSizeList(_, n) => {
                let lists = column.as_fixed_size_list();
                let n = *n as usize;
                let span = |i: usize| (i + lists.offset()) * n..(i + lists.offset() + 1) * n;
                (lists.values().clone(), (0..lists.len()).map(|i| lists.is_valid(i).then(|| span(i))).collect())
            }
            DataType::LargeList(_) => {
                let lists = column.as_list::<i64>();
                let at = lists.value_offsets();
                let span = |i: usize| at[i] as usize..at[i + 1] as usize;
                (lists.values().clone(), (0..lists.len()).map(|i| lists.is_valid(i).then(|| span(i))).collect())
            }
            _ => {
                let field = match column.data_type() {
                    DataType::List(f) | DataType::ListView(f) => f.clone(),
                    _ => element(),
                };
                let column = cast(column, &DataType::List(field))?;
                let lists = column.as_list::<i32>();
                let at = lists.value_offsets();
                let span = |i: usize| at[i] as usize..at[i + 1] as usize;
                (lists.values().clone(), (0..lists.len()).map(|i| lists.is_valid(i).then(|| span(i))).collect())
            }
        };
        // A null among the numbers becomes NaN, and is refused with the other non-finite ones. The same
        // for a float64 beyond float32, which the cast makes infinite.
        let values = cast(&values, &DataType::Float32)?.as_primitive::<Float32Type>().clone();
        let values = match values.nulls() {
            None => values,
            Some(_) => values.iter().map(|v| Some(v.unwrap_or(f32::NAN))).collect(),
        };
        Ok(ImportVectors { values, spans })
    }

    fn get(&self, i: usize) -> std::result::Result<&[f32], String> {
        let span = self.spans[i].clone().ok_or("`embedding` is null")?;
        let vector = &self.values.values()[span];
        match vector {
            [] => Err("`embedding` is empty".into()),
            v if v.len() > MAX_DIMENSION => Err(format!("`embedding` is longer than {MAX_DIMENSION} numbers")),
            v if v.iter().all(|x| *x == 0.0) => Err("`embedding` is all zero".into()),
            // All numbers are looked at alike, so that many are at once; which one it is matters only where one is bad.
            v if v.iter().fold(true, |all, x| all & x.is_finite()) => Ok(v),
            v => match v.iter().position(|x| !x.is_finite()) {
                Some(at) => Err(format!("number {at} of `embedding` is not finite in float32")),
                None => Ok(v),
            },
        }
    }
}

//! The file of an embedded shard: the rows that a worker answers with, in Parquet, and the encoders in its metadata.

use super::columns::{integers, keys, texts};
use crate::catalog::{FoundImage, VectorKey};
use crate::embeddings::element;
use crate::error::{Error, Result};
use crate::image::Appearance;
use crate::input;
use crate::ops::worker::columns::{ENCODERS, FACTS, RULE, TRANSPARENCY, VERSION};
use crate::table::parquet::{Footer, writer_properties};
use crate::text::quote;
use crate::vocabulary::ImageStatus;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Int64Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::EnabledStatistics;
use parquet::schema::types::ColumnPath;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Metadata key of the checksum: the number of bytes before the footer, and their BLAKE3.
const CHECKSUM: &str = "msdata.checksum";

/// Rows of a row group.
const GROUP_ROWS: usize = 4096;

/// Numbers that are read at a time.
const BATCH_NUMBERS: usize = 2 << 20;

/// A shard being written.
pub(super) struct Writer<'f> {
    writer: ArrowWriter<Hashed<Footer<&'f mut File>>>,
    schema: SchemaRef,
    path: PathBuf,
}

impl<'f> Writer<'f> {
    /// Begins the shard that is to be at `path`, in the open file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn begin(file: &'f mut File, answers: &Schema, path: &Path) -> Result<Writer<'f>> {
        let schema = Arc::new(Schema::new(answers.fields().clone()));
        let facts = [VERSION, RULE, TRANSPARENCY, ENCODERS].into_iter();
        let facts = facts.filter_map(|key| Some(KeyValue::new(key.to_owned(), answers.metadata().get(key)?.clone())));
        let mut properties =
            writer_properties().set_key_value_metadata(Some(facts.collect())).set_max_row_group_row_count(Some(GROUP_ROWS));
        for field in schema.fields().iter().filter(|field| matches!(field.data_type(), DataType::FixedSizeList(..))) {
            // Unit vectors hardly compress.
            let numbers = ColumnPath::new(vec![field.name().clone(), "list".to_owned(), element().name().clone()]);
            properties = properties
                .set_column_compression(numbers.clone(), Compression::UNCOMPRESSED)
                .set_column_dictionary_enabled(numbers.clone(), false)
                .set_column_encoding(numbers.clone(), Encoding::PLAIN)
                .set_column_statistics_enabled(numbers, EnabledStatistics::None);
        }
        let hashed = Hashed { inner: Footer::new(file), hasher: blake3::Hasher::new(), bytes: 0 };
        let writer = ArrowWriter::try_new(hashed, schema.clone(), Some(properties.build())).map_err(Error::parquet(path))?;
        Ok(Writer { writer, schema, path: path.to_owned() })
    }

    /// Writes a worker's answer.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&mut self, answer: &RecordBatch) -> Result<()> {
        // Without the metadata of the answer's schema, which the file has once.
        let batch = RecordBatch::try_new(self.schema.clone(), answer.columns().to_vec());
        let batch = batch.map_err(|e| Error::parquet(&self.path)(e.into()))?;
        self.writer.write(&batch).map_err(Error::parquet(&self.path))
    }

    /// Completes the shard.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(mut self) -> Result<()> {
        let path = self.path;
        self.writer.flush().map_err(Error::parquet(&path))?;
        self.writer.sync().map_err(Error::io("write", &path))?;
        let Hashed { hasher, bytes, .. } = self.writer.inner();
        let checksum = format!("{bytes} {}", hasher.finalize().to_hex());
        self.writer.append_key_value_metadata(KeyValue::new(CHECKSUM.to_owned(), checksum));
        let hashed = self.writer.into_inner().map_err(Error::parquet(&path))?;
        hashed.inner.finish().map(drop).map_err(Error::io("write", &path))
    }
}

/// Counts and hashes what is written through it.
struct Hashed<W> {
    inner: W,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(data)?;
        self.hasher.update(&data[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns how many images of an answer are missing or unusable.
pub(super) fn unusable(answer: &RecordBatch) -> u64 {
    let status = answer.column_by_name(FACTS[0]).and_then(|column| column.as_string_opt::<i32>());
    status.map_or(0, |status| status.iter().filter(|status| *status != Some(ImageStatus::Ok.as_str())).count() as u64)
}

/// An encoder, as a shard says that it was embedded with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct ShardEncoder {
    pub(super) name: String,
    pub(super) fingerprint: String,
    pub(super) dimension: usize,
}

/// A shard, opened to be read.
pub(super) struct ShardFile {
    /// Its encoders, by name.
    pub(super) encoders: Vec<ShardEncoder>,
    /// The pixel rule.
    pub(super) pixel_rule: String,
    /// How transparent pixels were treated.
    pub(super) transparency: String,
    checksum: Option<String>,
    reader: ParquetRecordBatchReader,
}

/// Some rows of a shard.
pub(super) struct ShardRows {
    pub(super) keys: Vec<VectorKey>,
    pub(super) found: Vec<FoundImage>,
    /// For each encoder, its vectors.
    pub(super) vectors: Vec<FixedSizeListArray>,
}

impl ShardFile {
    /// Opens the shard at `path`, and checks that its bytes are those that were written.
    ///
    /// # Errors
    /// A sentence: it cannot be read, or is not a whole shard.
    pub(super) fn open_checked(path: &Path) -> std::result::Result<ShardFile, String> {
        let shard = ShardFile::open(path)?;
        if let Some(checksum) = &shard.checksum
            && !is_intact(path, checksum).map_err(|e| crate::error::io_reason(&e))?
        {
            return Err("its bytes are not those that were written".to_owned());
        }
        Ok(shard)
    }

    /// Opens the shard at `path`.
    ///
    /// # Errors
    /// A sentence: it cannot be read, or is not a shard.
    pub(super) fn open(path: &Path) -> std::result::Result<ShardFile, String> {
        let file = input::open(path).map_err(|e| crate::error::io_reason(&e))?;
        let not_whole = |e: parquet::errors::ParquetError| format!("not a whole Parquet file: {e}");
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(not_whole)?;
        let metadata = builder.schema().metadata();
        let fact = |key: &str| metadata.get(key).cloned().ok_or_else(|| format!("its metadata lacks `{key}`"));
        let mut encoders: Vec<ShardEncoder> =
            serde_json::from_str(&fact(ENCODERS)?).map_err(|e| format!("its metadata `{ENCODERS}`: {e}"))?;
        encoders.sort();
        for encoder in &encoders {
            let field = builder.schema().field_with_name(&encoder.name).ok();
            let is_vectors = |kind: &DataType| match kind {
                DataType::FixedSizeList(of, length) => {
                    *of.data_type() == DataType::Float32 && usize::try_from(*length) == Ok(encoder.dimension)
                }
                _ => false,
            };
            if !field.is_some_and(|field| is_vectors(field.data_type())) {
                return Err(format!("it has no column {} of {} float32 each", quote(&encoder.name), encoder.dimension));
            }
        }
        let checksum = metadata.get(CHECKSUM).cloned();
        let numbers = encoders.iter().map(|encoder| encoder.dimension).sum::<usize>().max(1);
        let (pixel_rule, transparency) = (fact(RULE)?, fact(TRANSPARENCY)?);
        let reader = builder.with_batch_size((BATCH_NUMBERS / numbers).clamp(1, 8192)).build().map_err(not_whole)?;
        Ok(ShardFile { encoders, pixel_rule, transparency, checksum, reader })
    }

    /// Returns the next rows.
    ///
    /// # Errors
    /// A sentence: they cannot be read, or contradict themselves.
    pub(super) fn next(&mut self) -> std::result::Result<Option<ShardRows>, String> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let batch = batch.map_err(|e| format!("it cannot be read: {e}"))?;
        let keys = keys(&batch)?;
        let found = found(&batch)?;
        let mut vectors = Vec::with_capacity(self.encoders.len());
        for encoder in &self.encoders {
            let column = batch.column_by_name(&encoder.name).and_then(|column| column.as_fixed_size_list_opt());
            vectors.push(column.ok_or_else(|| format!("it has no column {}", quote(&encoder.name)))?.clone());
        }
        for (row, (key, found)) in keys.iter().zip(&found).enumerate() {
            let fault = match found.status {
                ImageStatus::Ok if found.blake3.is_none() || found.size.is_none() => "is ok, but lacks a hash or a size",
                ImageStatus::Ok if found.reason.is_none() && vectors.iter().any(|of| of.is_null(row)) => {
                    "lacks a vector without a reason"
                }
                ImageStatus::Pending => "was not embedded",
                ImageStatus::Missing | ImageStatus::Unreadable | ImageStatus::Oversized
                    if found.reason.is_none() || vectors.iter().any(|of| of.is_valid(row)) =>
                {
                    "cannot be used, but has a vector or no reason"
                }
                _ if vectors.iter().any(|of| of.is_valid(row) && !is_finite(of, row)) => "has a vector that is not finite",
                _ => continue,
            };
            return Err(format!("{key} {fault}"));
        }
        Ok(Some(ShardRows { keys, found, vectors }))
    }
}

/// Returns the vector in a row, if there is one.
pub(super) fn vector(vectors: &FixedSizeListArray, row: usize) -> Option<&[f32]> {
    let length = vectors.value_length() as usize;
    let start = vectors.value_offset_at(row);
    vectors.is_valid(row).then(|| &vectors.values().as_primitive::<Float32Type>().values()[start..start + length])
}

fn is_finite(vectors: &FixedSizeListArray, row: usize) -> bool {
    vector(vectors, row).is_none_or(|vector| vector.iter().all(|x| x.is_finite()))
}

/// Returns whether a file begins with the bytes that a checksum is of.
fn is_intact(path: &Path, checksum: &str) -> io::Result<bool> {
    let (bytes, hash) = checksum.split_once(' ').unwrap_or_default();
    let (Ok(mut left), Ok(hash)) = (bytes.parse::<u64>(), blake3::Hash::from_hex(hash)) else { return Ok(false) };
    let mut file = input::open(path)?;
    let (mut hasher, mut block) = (blake3::Hasher::new(), Vec::new());
    while left > 0 {
        block.clear();
        let read = Read::by_ref(&mut file).take(left.min(8 << 20)).read_to_end(&mut block)? as u64;
        if read == 0 {
            return Ok(false);
        }
        hasher.update_rayon(&block);
        left -= read;
    }
    Ok(hasher.finalize() == hash)
}

/// Returns what a worker found out about the images of a batch.
fn found(batch: &RecordBatch) -> std::result::Result<Vec<FoundImage>, String> {
    let [status, reason, blake3, width, height, format, blank, translucent] = FACTS;
    let (statuses, reasons, hashes, formats) =
        (texts(batch, status)?, texts(batch, reason)?, texts(batch, blake3)?, texts(batch, format)?);
    let (widths, heights) = (integers(batch, width)?, integers(batch, height)?);
    let text = |column: &ArrayRef, row: usize| column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned());
    let side = |column: &ArrayRef, row: usize| {
        column.is_valid(row).then(|| u32::try_from(column.as_primitive::<Int64Type>().value(row)).ok()).flatten()
    };
    // Shards of others may not say it.
    let blanks: Option<&BooleanArray> = batch.column_by_name(blank).and_then(|column| column.as_boolean_opt());
    let translucents = integers(batch, translucent).ok();
    let appearance = |row: usize| {
        let blank = blanks.filter(|of| of.is_valid(row))?.value(row);
        let translucent = translucents.as_ref().filter(|of| of.is_valid(row))?.as_primitive::<Int64Type>().value(row);
        Some(Appearance { blank, translucent: u64::try_from(translucent).ok()? })
    };
    let of_row = |row: usize| -> std::result::Result<FoundImage, String> {
        let hash = text(&hashes, row).map(|hex| blake3::Hash::from_hex(hex).map(|hash| *hash.as_bytes()));
        let format = text(&formats, row).map(|word| word.parse()).transpose();
        let format: Option<_> = format.map_err(|e: crate::vocabulary::UnknownWord| e.to_string())?;
        let status = text(&statuses, row).ok_or_else(|| format!("`{status}` is null"))?;
        Ok(FoundImage {
            status: status.parse().map_err(|e: crate::vocabulary::UnknownWord| e.to_string())?,
            reason: text(&reasons, row),
            blake3: hash.transpose().map_err(|e| format!("`{blake3}`: {e}"))?,
            size: format
                .zip(side(&widths, row))
                .zip(side(&heights, row))
                .map(|((format, width), height)| (format, width, height)),
            appearance: appearance(row),
            file: None,
        })
    };
    (0..batch.num_rows()).map(|row| of_row(row).map_err(|reason| format!("row {row}: {reason}"))).collect()
}

//! The images of a shard, as a Parquet file: the key of each, and where it is.

use super::columns::{FILE_BYTES, FILE_MTIME, PATH, integers, key_columns, key_fields, keys, texts};
use crate::catalog::VectorKey;
use crate::error::{Error, Result};
use crate::input;
use crate::table::parquet::{Footer, writer_properties};
use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are written, or read, at a time.
const ROWS: usize = 8192;

/// An image to embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) key: VectorKey,
    /// Absolute; may name a member of a container.
    pub(super) path: PathBuf,
    /// Size in bytes and time of change, in nanoseconds since 1970, of its file when the plan was made.
    pub(super) file: Option<(u64, i64)>,
}

impl Task {
    /// Returns tasks as rows of [`schema`].
    ///
    /// # Errors
    /// Never: the columns are of equal length.
    pub(super) fn batch(tasks: &[Task]) -> Result<RecordBatch> {
        let mut columns = key_columns(tasks.iter().map(|task| &task.key));
        columns.push(Arc::new(StringArray::from_iter_values(tasks.iter().map(|task| task.path.to_string_lossy()))));
        columns.push(Arc::new(tasks.iter().map(|task| task.file.map(|(bytes, _)| bytes as i64)).collect::<Int64Array>()));
        columns.push(Arc::new(tasks.iter().map(|task| task.file.map(|(_, mtime)| mtime)).collect::<Int64Array>()));
        RecordBatch::try_new(schema(), columns).map_err(|e| Error::Damaged(format!("tasks cannot be written: {e}")))
    }
}

/// Returns the schema of a file of tasks.
pub(super) fn schema() -> SchemaRef {
    let mut fields = key_fields();
    fields.extend([
        Field::new(PATH, DataType::Utf8, false),
        Field::new(FILE_BYTES, DataType::Int64, true),
        Field::new(FILE_MTIME, DataType::Int64, true),
    ]);
    Arc::new(Schema::new(fields))
}

/// Writes the file of these tasks; returns its BLAKE3.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(path: &Path, mut tasks: impl Iterator<Item = Task>) -> Result<[u8; 32]> {
    let broken = Error::parquet(path);
    let file = File::create(path).map_err(Error::io("write", path))?;
    let mut writer = ArrowWriter::try_new(Footer::new(file), schema(), Some(writer_properties().build())).map_err(&broken)?;
    loop {
        let block: Vec<Task> = tasks.by_ref().take(ROWS).collect();
        if block.is_empty() {
            break;
        }
        writer.write(&Task::batch(&block)?).map_err(&broken)?;
    }
    let footer = writer.into_inner().map_err(&broken)?;
    footer.finish().and_then(|file| file.sync_all()).map_err(Error::io("write", path))?;
    checksum(path)
}

/// Returns the BLAKE3 of a file.
///
/// # Errors
/// It cannot be read.
pub(super) fn checksum(path: &Path) -> Result<[u8; 32]> {
    let mut file = input::open(path).map_err(Error::io("read", path))?;
    let (mut hasher, mut block) = (blake3::Hasher::new(), Vec::new());
    while Read::by_ref(&mut file).take(8 << 20).read_to_end(&mut block).map_err(Error::io("read", path))? > 0 {
        hasher.update_rayon(&block);
        block.clear();
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Reads the tasks of a file, whose checksum the plan knows.
///
/// # Errors
/// It is not there or cannot be read, or is not what the plan wrote.
pub(super) fn read(path: &Path, blake3: &[u8; 32]) -> Result<Vec<Task>> {
    if checksum(path)? != *blake3 {
        return Err(Error::request(
            format!("{} is not the file that `msdata shard plan` wrote", path.display()),
            "put it back, or make the plan again in a new directory",
        ));
    }
    let broken = |reason: String| Error::Parquet { path: path.to_owned(), reason };
    let file = input::open(path).map_err(Error::io("read", path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.with_batch_size(ROWS).build());
    let mut tasks = Vec::new();
    for batch in reader.map_err(Error::parquet(path))? {
        let batch = batch.map_err(|e| Error::parquet(path)(e.into()))?;
        let (paths, keys) = (texts(&batch, PATH).map_err(broken)?, keys(&batch).map_err(broken)?);
        let bytes = integers(&batch, FILE_BYTES).map_err(broken)?;
        let times = integers(&batch, FILE_MTIME).map_err(broken)?;
        let (paths, bytes, times) =
            (paths.as_string::<i32>(), bytes.as_primitive::<Int64Type>(), times.as_primitive::<Int64Type>());
        tasks.extend(keys.into_iter().enumerate().map(|(row, key)| {
            let file = (bytes.is_valid(row) && times.is_valid(row)).then(|| (bytes.value(row) as u64, times.value(row)));
            Task { key, path: paths.value(row).into(), file }
        }));
    }
    Ok(tasks)
}

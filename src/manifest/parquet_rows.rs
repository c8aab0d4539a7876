//! The rows of a Parquet file as text, so that they are read by the same rules as cells of CSV.

use super::records::{Next, RecordFault};
use crate::error::io_reason;
use crate::input::{self, pages};
use crate::text::quote;
use crate::watch::Stop;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// Rows in memory at a time.
const BATCH: usize = 4096;

/// Returns whether a file begins as Parquet does.
pub fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    input::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok_and(|()| &magic == b"PAR1")
}

/// The rows of a Parquet file, numbered from 1.
pub struct ParquetRows {
    reader: ParquetRecordBatchReader,
    columns: Arc<[String]>,
    skipped: Vec<String>,
    batch: Vec<StringArray>,
    /// The next row of the batch.
    at: usize,
    rows: u64,
}

impl ParquetRows {
    /// Opens a file. `wanted` says which columns are read, given all of them.
    ///
    /// # Errors
    /// A sentence on what is wrong with the file.
    pub fn open(
        path: &Path,
        wanted: impl Fn(&str, &[String]) -> bool,
        stop: Stop<'_>,
    ) -> Result<(ParquetRows, Metadata), String> {
        let file = input::open(path).map_err(|e| io_reason(&e))?;
        let again = file.try_clone().map_err(|e| io_reason(&e))?;
        guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
            let metadata = builder.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
            let metadata = metadata.into_iter().filter_map(|entry| Some((entry.key, entry.value?))).collect();
            let all: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
            if let Some(twice) = all.iter().enumerate().find_map(|(i, name)| all[..i].contains(name).then_some(name)) {
                return Err(format!("column {} appears twice", quote(twice)));
            }
            let read: Vec<usize> = (0..all.len()).filter(|at| wanted(&all[*at], &all)).collect();
            let skipped = all.iter().filter(|name| !wanted(name, &all)).cloned().collect();
            let columns: Arc<[String]> = read.iter().map(|at| all[*at].clone()).collect();
            pages::check(&again, builder.metadata(), |name| columns.iter().any(|column| column == name), stop)?;
            let mask = ProjectionMask::roots(builder.parquet_schema(), read);
            let reader = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(|e| damaged(&e))?;
            Ok((ParquetRows { reader, columns, skipped, batch: Vec::new(), at: 0, rows: 0 }, metadata))
        })
    }

    /// The columns that are read.
    pub fn columns(&self) -> &Arc<[String]> {
        &self.columns
    }

    /// The columns that are not.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Returns the number of the next row, and its cells; an empty one is null.
    pub fn next(&mut self) -> Next<Vec<&str>> {
        while self.at == self.batch.first().map_or(0, |column| column.len()) {
            let batch = match guarded(|| self.reader.next().transpose().map_err(|e| damaged(&e))) {
                Ok(Some(batch)) => batch,
                Ok(None) => return None,
                Err(reason) => return Some(Err(RecordFault { line: self.rows + 1, reason, last: true })),
            };
            let columns = self.columns.iter().zip(batch.columns());
            match guarded(|| columns.map(|(name, column)| text(name, column)).collect::<Result<_, _>>()) {
                Ok(batch) => (self.batch, self.at) = (batch, 0),
                Err(reason) => return Some(Err(RecordFault { line: self.rows + 1, reason, last: true })),
            }
            if self.batch.is_empty() {
                return None;
            }
        }
        self.at += 1;
        self.rows += 1;
        let cell = |column: &'_ StringArray| column.is_valid(self.at - 1);
        let cells = self.batch.iter().map(|column| if cell(column) { column.value(self.at - 1) } else { "" }).collect();
        Some(Ok((self.rows, cells)))
    }
}

/// The metadata of a file, by key.
pub type Metadata = Vec<(String, String)>;

/// Returns a column as text; numbers are written so that they read as themselves.
fn text(name: &str, column: &ArrayRef) -> Result<StringArray, String> {
    let wrong = |e: arrow::error::ArrowError| format!("column {} cannot be read as text or numbers: {e}", quote(name));
    if column.data_type().is_floating() {
        let wide = cast(column, &DataType::Float64).map_err(wrong)?;
        return Ok(wide.as_primitive::<Float64Type>().iter().map(|x| x.map(|x| x.to_string())).collect());
    }
    // A cell that cannot be text must not become a missing one.
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(column, &DataType::Utf8, &strict).map_err(wrong)?.as_string::<i32>().clone())
}

fn damaged(e: &impl std::fmt::Display) -> String {
    format!("the file cannot be read as Parquet: {e}")
}

/// Runs what may panic on damaged bytes.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = catch_unwind(AssertUnwindSafe(read));
    std::panic::set_hook(hook);
    outcome.unwrap_or_else(|_| Err("the file is damaged".into()))
}

//! Exported tables, read batch by batch.

use crate::embeddings::guarded;
use crate::error::{Error, Result};
use crate::input::{self, pages};
use crate::text::{plain, quote};
use crate::watch::Stop;
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Rows in memory at a time.
const BATCH: usize = 1 << 18;

/// What to do where a directory does not hold what reports need.
const HINT: &str = "give the directory that `msdata export` or `msdata shard score` wrote";

/// A table of a directory: a Parquet file, or a directory of them.
pub(super) struct Table {
    files: Vec<PathBuf>,
}

/// Some of its rows.
pub(super) struct Rows {
    path: PathBuf,
    /// Number of the first row in its file, from 1.
    first: u64,
    batch: RecordBatch,
}

impl Table {
    /// Finds a table by its name.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn find(dir: &Path, name: &str, stop: Stop<'_>) -> Result<Table> {
        input::check_directory(dir, HINT)?;
        let file = dir.join(format!("{name}.parquet"));
        if file.is_file() {
            return Ok(Table { files: vec![file] });
        }
        let parts = dir.join(name);
        if !parts.is_dir() {
            return Err(Error::request(format!("{} has no table {name}.parquet", plain(&dir.display().to_string())), HINT));
        }
        Ok(Table { files: input::parts(&parts, true, stop)? })
    }

    /// Hands on the rows of these columns, some at a time.
    ///
    /// # Errors
    /// A file is damaged or lacks a column; or `take` reports an error.
    pub(super) fn each(&self, columns: &[&str], stop: Stop<'_>, mut take: impl FnMut(&Rows) -> Result<()>) -> Result<()> {
        for path in &self.files {
            let wrong = |reason: String| Error::Parquet { path: path.clone(), reason };
            let file = input::open(path).map_err(Error::io("open", path))?;
            let again = file.try_clone().map_err(Error::io("open", path))?;
            let mut reader = guarded(path, || {
                let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::parquet(path))?;
                pages::check(&again, builder.metadata(), |name| columns.contains(&name), stop).map_err(wrong)?;
                let schema = builder.schema().clone();
                let place = |name: &&str| schema.index_of(name).map_err(|_| wrong(format!("it has no column {}", quote(name))));
                let wanted = columns.iter().map(place).collect::<Result<Vec<usize>>>()?;
                let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
                builder.with_projection(mask).with_batch_size(BATCH).build().map_err(Error::parquet(path))
            })?;
            let mut first = 1;
            while let Some(batch) = guarded(path, || reader.next().transpose().map_err(|e| wrong(e.to_string())))? {
                stop.check()?;
                let rows = Rows { path: path.clone(), first, batch };
                take(&rows)?;
                first += rows.batch.num_rows() as u64;
            }
        }
        Ok(())
    }
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.batch.num_rows()
    }

    /// What is wrong with a row of the batch.
    pub(super) fn wrong(&self, row: usize, reason: impl std::fmt::Display) -> Error {
        Error::Parquet { path: self.path.clone(), reason: format!("row {}: {reason}", self.first + row as u64) }
    }

    fn column(&self, name: &str, kind: &DataType) -> Result<ArrayRef> {
        let wrong = |reason: String| Error::Parquet { path: self.path.clone(), reason };
        let column = self.batch.column_by_name(name).ok_or_else(|| wrong(format!("it has no column {}", quote(name))))?;
        cast(column, kind).map_err(|e| wrong(format!("column {}: {e}", quote(name))))
    }

    /// The values of a column of texts; `None` where there is none.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        let column = self.column(name, &DataType::Utf8)?;
        Ok(column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    }

    /// The values of a column of lists of texts.
    pub(super) fn lists(&self, name: &str) -> Result<Vec<Vec<String>>> {
        let column = self.column(name, &DataType::new_list(DataType::Utf8, true))?;
        let list = |list: Option<ArrayRef>| -> Vec<String> {
            let texts = list.as_ref().map(|list| list.as_string::<i32>());
            texts.into_iter().flat_map(StringArray::iter).flatten().map(str::to_owned).collect()
        };
        Ok(column.as_list::<i32>().iter().map(list).collect())
    }

    /// The place of each row's text among known ones.
    ///
    /// # Errors
    /// A row has no text there, or one that is not known: `of` says what it is not.
    pub(super) fn places(&self, name: &str, known: &HashMap<String, i64>, of: &str) -> Result<Vec<i64>> {
        let column = self.column(name, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))?;
        let coded = column.as_dictionary::<Int32Type>();
        let values = coded.values().as_string::<i32>();
        let places: Vec<Option<i64>> = values.iter().map(|text| known.get(text?).copied()).collect();
        let place = |(row, key): (usize, Option<i32>)| match key {
            Some(key) => places[key as usize]
                .ok_or_else(|| self.wrong(row, format!("{name} {} is not in {of}", quote(values.value(key as usize))))),
            None => Err(self.wrong(row, format!("it has no {name}"))),
        };
        coded.keys().iter().enumerate().map(place).collect()
    }

    /// Whole numbers; `None` where there is none.
    pub(super) fn whole(&self, name: &str) -> Result<Vec<Option<i64>>> {
        Ok(self.column(name, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect())
    }

    /// Truths.
    pub(super) fn flags(&self, name: &str) -> Result<Vec<bool>> {
        Ok(self.column(name, &DataType::Boolean)?.as_boolean().iter().map(Option::unwrap_or_default).collect())
    }

    /// Cosines; `None` where there is none.
    ///
    /// # Errors
    /// One is not from -1 to 1.
    pub(super) fn cosines(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let column = self.column(name, &DataType::Float64)?;
        let cosine = |(row, value): (usize, Option<f64>)| match value {
            Some(value) if !(-1.0..=1.0).contains(&value) => Err(self.wrong(row, format!("{name} {value} is not from -1 to 1"))),
            value => Ok(value),
        };
        column.as_primitive::<Float64Type>().iter().enumerate().map(cosine).collect()
    }
}

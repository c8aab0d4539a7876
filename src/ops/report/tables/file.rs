//! Exported tables, read batch by batch.

use crate::embeddings::guarded;
use crate::error::{Error, Result};
use crate::input::{self, pages};
use crate::text::{plain, quote};
use crate::watch::Stop;
use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int32Type, Int64Type, Schema};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

    /// Hands on the rows of these columns, some at a time; each row group to one of several values, which `start` makes and
    /// which are returned. What is made of the rows must not depend on which those are, nor on their order.
    ///
    /// # Errors
    /// A file is damaged or lacks a column; or `take` reports an error.
    pub(super) fn each<T: Send>(
        &self,
        columns: &[&str],
        stop: Stop<'_>,
        start: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, &Rows) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        let files: Vec<TableFile> = self.files.iter().map(|path| TableFile::open(path, columns, stop)).collect::<Result<_>>()?;
        let groups: Vec<(&TableFile, usize)> = files
            .iter()
            .flat_map(|file| (0..file.metadata.metadata().num_row_groups()).map(move |group| (file, group)))
            .collect();
        let read = |mut value: T, (file, group): (&TableFile, usize)| {
            file.each(group, stop, |rows| take(&mut value, rows)).map(|()| value)
        };
        let length = groups.len().div_ceil(2 * rayon::current_num_threads()).max(1);
        // Of several errors always the same is reported.
        let found: Vec<Result<T>> =
            groups.par_chunks(length).map(|groups| groups.iter().copied().try_fold(start(), read)).collect();
        found.into_iter().collect()
    }
}

/// A file of a table, and the columns to read of it.
struct TableFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    columns: ProjectionMask,
}

impl TableFile {
    fn open(path: &Path, columns: &[&str], stop: Stop<'_>) -> Result<TableFile> {
        let wrong = |reason: String| Error::Parquet { path: path.to_owned(), reason };
        let file = input::open(path).map_err(Error::io("open", path))?;
        guarded(path, || {
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(Error::parquet(path))?;
            pages::check(&file, metadata.metadata(), |name| columns.contains(&name), stop).map_err(wrong)?;
            let schema = metadata.schema().clone();
            let place = |name: &&str| schema.index_of(name).map_err(|_| wrong(format!("it has no column {}", quote(name))));
            let wanted = columns.iter().map(place).collect::<Result<Vec<usize>>>()?;
            let columns = ProjectionMask::roots(metadata.parquet_schema(), wanted);
            // Texts repeat, and are stored so.
            let options = ArrowReaderOptions::new().with_schema(Arc::new(with_coded_texts(&schema)));
            let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options).unwrap_or(metadata);
            Ok(TableFile { path: path.to_owned(), metadata, columns })
        })
    }

    /// Hands on the rows of a row group, some at a time.
    fn each(&self, group: usize, stop: Stop<'_>, mut take: impl FnMut(&Rows) -> Result<()>) -> Result<()> {
        let path = &self.path;
        // Not a copy of one handle: those have one place in the file.
        let file = input::open(path).map_err(Error::io("open", path))?;
        let mut reader = guarded(path, || {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
            let builder = builder.with_projection(self.columns.clone()).with_row_groups(vec![group]);
            builder.with_batch_size(BATCH).build().map_err(Error::parquet(path))
        })?;
        let before = &self.metadata.metadata().row_groups()[..group];
        let mut first = 1 + before.iter().map(|group| group.num_rows() as u64).sum::<u64>();
        let wrong = |e: ArrowError| Error::Parquet { path: path.clone(), reason: e.to_string() };
        while let Some(batch) = guarded(path, || reader.next().transpose().map_err(wrong))? {
            stop.check()?;
            let rows = Rows { path: path.clone(), first, batch };
            take(&rows)?;
            first += rows.batch.num_rows() as u64;
        }
        Ok(())
    }
}

/// The same with a code for each text, and each text once.
fn with_coded_texts(schema: &Schema) -> Schema {
    let field = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(coded_texts())),
        _ => field.clone(),
    };
    Schema::new_with_metadata(schema.fields().iter().map(field).collect::<Vec<_>>(), schema.metadata().clone())
}

fn coded_texts() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
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

    fn coded(&self, name: &str) -> Result<DictionaryArray<Int32Type>> {
        Ok(self.column(name, &coded_texts())?.as_dictionary().clone())
    }

    /// The different texts of a column, each with a row that has it.
    pub(super) fn different(&self, name: &str) -> Result<Vec<(String, usize)>> {
        let coded = self.coded(name)?;
        let mut row_of: Vec<Option<usize>> = vec![None; coded.values().len()];
        for (row, key) in coded.keys().iter().enumerate() {
            if let Some(key) = key {
                row_of[key as usize].get_or_insert(row);
            }
        }
        let texts = coded.values().as_string::<i32>().iter().zip(row_of);
        Ok(texts.filter_map(|(text, row)| Some((text?.to_owned(), row?))).collect())
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
        let coded = self.coded(name)?;
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

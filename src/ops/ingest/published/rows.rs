//! Rows of a published table. The files are not trusted: types are checked before values, and a decoder that panics on
//! damaged bytes becomes an error that names the file.

use crate::catalog::ImageState;
use crate::embeddings::guarded;
use crate::error::{Error, Result};
use crate::input;
use crate::problem::{Origin, Problem};
use crate::text::quote;
use crate::vocabulary::{EncoderName, ImageStatus, ModelName, PromptId, RegionSetName, SubjectId};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Rows at a time.
const BATCH: usize = 4096;

/// The rows of a table, file by file.
pub struct TableRows {
    files: VecDeque<PathBuf>,
    columns: &'static [&'static str],
    open: Option<(PathBuf, ParquetRecordBatchReader)>,
    batch: Option<(Vec<Option<ArrayRef>>, usize, usize)>,
    number: u64,
}

/// One row.
pub struct TableRow {
    file: PathBuf,
    number: u64,
    columns: &'static [&'static str],
    values: Vec<Value>,
}

/// A value of a row; lists of texts are kept as lists.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Flag(bool),
    Text(String),
    List(Vec<String>),
}

impl TableRows {
    /// The rows of these files, with these columns; a column that a file lacks is null.
    pub fn new(files: Vec<PathBuf>, columns: &'static [&'static str]) -> Result<TableRows> {
        Ok(TableRows { files: files.into(), columns, open: None, batch: None, number: 0 })
    }

    /// Returns whether a file has a column.
    pub fn has_column(file: &Path, name: &str) -> Result<bool> {
        Ok(builder(file)?.schema().column_with_name(name).is_some())
    }

    /// Returns the next row.
    pub fn next(&mut self) -> Result<Option<TableRow>> {
        loop {
            if let Some((arrays, at, rows)) = &mut self.batch
                && at < rows
            {
                let file = self.open.as_ref().map(|(file, _)| file.clone()).unwrap_or_default();
                let values = arrays.iter().map(|array| array.as_ref().map_or(Value::Null, |array| value(array, *at))).collect();
                *at += 1;
                self.number += 1;
                return Ok(Some(TableRow { file, number: self.number, columns: self.columns, values }));
            }
            self.batch = None;
            if let Some((file, reader)) = &mut self.open {
                let read = guarded(file, || reader.next().transpose().map_err(|e| Error::parquet(file)(e.into())))?;
                if let Some(batch) = read {
                    let arrays = guarded(file, || arrays(file, &batch, self.columns))?;
                    self.batch = Some((arrays, 0, batch.num_rows()));
                    continue;
                }
            }
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            let builder = builder(&file)?;
            let roots = builder.schema().fields().iter().enumerate();
            let wanted: Vec<usize> = roots.filter(|(_, f)| self.columns.contains(&f.name().as_str())).map(|(at, _)| at).collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
            let reader =
                guarded(&file, || builder.with_projection(mask).with_batch_size(BATCH).build().map_err(Error::parquet(&file)))?;
            self.number = 0;
            self.open = Some((file, reader));
        }
    }
}

/// Opens a table.
pub fn builder(file: &Path) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>> {
    let opened = input::open(file).map_err(Error::io("read", file))?;
    guarded(file, || ParquetRecordBatchReaderBuilder::try_new(opened).map_err(Error::parquet(file)))
}

/// The columns in the types that rows are made of.
fn arrays(file: &Path, batch: &RecordBatch, columns: &[&str]) -> Result<Vec<Option<ArrayRef>>> {
    let of = |name: &&str| {
        let Some(column) = batch.column_by_name(name) else { return Ok(None) };
        let to = match column.data_type() {
            t if t.is_integer() => DataType::Int64,
            t if t.is_floating() => DataType::Float64,
            DataType::Boolean => DataType::Boolean,
            DataType::List(_) => return Ok(Some(column.clone())),
            _ => DataType::Utf8,
        };
        cast(column, &to).map(Some).map_err(|e| Error::parquet(file)(e.into()))
    };
    columns.iter().map(of).collect()
}

fn value(array: &ArrayRef, at: usize) -> Value {
    if array.is_null(at) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(at)),
        DataType::Float64 => Value::Real(array.as_primitive::<Float64Type>().value(at)),
        DataType::Boolean => Value::Flag(array.as_boolean().value(at)),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(at);
            let items = cast(&items, &DataType::Utf8).ok();
            let texts = items.as_ref().map(|items| items.as_string::<i32>().iter().flatten().map(str::to_owned).collect());
            Value::List(texts.unwrap_or_default())
        }
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(at).to_owned()),
        _ => Value::Null,
    }
}

/// An id that a column holds.
pub trait Id: Sized {
    /// Checks a text as such an id.
    fn of(text: &str) -> std::result::Result<Self, String>;
}

macro_rules! ids {
    ($($name:ident),+) => { $(impl Id for $name {
        fn of(text: &str) -> std::result::Result<Self, String> {
            $name::new(text)
        }
    })+ };
}
ids!(EncoderName, ModelName, PromptId, RegionSetName, SubjectId);

impl TableRow {
    /// Returns where it was written.
    pub fn origin(&self) -> Origin {
        Origin::row(&self.file, self.number)
    }

    /// Returns the error that something is wrong with it.
    pub fn wrong(&self, reason: impl std::fmt::Display) -> Error {
        Error::Manifest(vec![Problem { origin: self.origin(), reason: reason.to_string() }])
    }

    fn must(&self, at: usize, what: &str) -> Error {
        self.wrong(format!("column `{}` must hold {what}", self.columns[at]))
    }

    pub fn text(&self, at: usize) -> Result<&str> {
        self.optional_text(at)?.ok_or_else(|| self.must(at, "text"))
    }

    pub fn optional_text(&self, at: usize) -> Result<Option<&str>> {
        match &self.values[at] {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(self.must(at, "text")),
        }
    }

    pub fn id<T: Id>(&self, at: usize) -> Result<T> {
        T::of(self.text(at)?).map_err(|e| self.wrong(format!("`{}` {e}", self.columns[at])))
    }

    pub fn word<T: std::str::FromStr<Err: std::fmt::Display>>(&self, at: usize) -> Result<T> {
        self.text(at)?.parse().map_err(|e| self.wrong(e))
    }

    pub fn optional_word<T: std::str::FromStr<Err: std::fmt::Display>>(&self, at: usize) -> Result<Option<T>> {
        self.optional_text(at)?.map(|word| word.parse().map_err(|e| self.wrong(e))).transpose()
    }

    pub fn integer(&self, at: usize) -> Result<i64> {
        match self.values[at] {
            Value::Integer(n) => Ok(n),
            _ => Err(self.must(at, "integers")),
        }
    }

    pub fn small<T: TryFrom<i64>>(&self, at: usize) -> Result<T> {
        T::try_from(self.integer(at)?).map_err(|_| self.must(at, "smaller integers"))
    }

    pub fn real(&self, at: usize) -> Result<f64> {
        self.optional_real(at)?.ok_or_else(|| self.must(at, "numbers"))
    }

    pub fn optional_real(&self, at: usize) -> Result<Option<f64>> {
        match self.values[at] {
            Value::Null => Ok(None),
            Value::Real(x) if x.is_finite() => Ok(Some(x)),
            _ => Err(self.must(at, "numbers")),
        }
    }

    pub fn flag(&self, at: usize) -> Result<bool> {
        match self.values[at] {
            Value::Flag(flag) => Ok(flag),
            _ => Err(self.must(at, "true or false")),
        }
    }

    pub fn list(&self, at: usize) -> Result<Vec<String>> {
        match &self.values[at] {
            Value::List(list) => Ok(list.clone()),
            _ => Err(self.must(at, "lists of texts")),
        }
    }

    /// Returns a BLAKE3 in hexadecimal.
    pub fn digest(&self, at: usize) -> Result<Option<[u8; 32]>> {
        let Some(text) = self.optional_text(at)? else { return Ok(None) };
        match blake3::Hash::from_hex(text) {
            Ok(hash) => Ok(Some(*hash.as_bytes())),
            Err(_) => Err(self.wrong(format!("column `{}`: {} is not a BLAKE3", self.columns[at], quote(text)))),
        }
    }

    /// Returns the width and height in two columns.
    pub fn size(&self, at: usize) -> Result<Option<[u32; 2]>> {
        match (&self.values[at], &self.values[at + 1]) {
            (Value::Null, _) | (_, Value::Null) => Ok(None),
            _ => Ok(Some([self.small(at)?, self.small(at + 1)?])),
        }
    }

    /// Returns what is known of an image without a file, from six columns: status, reason, BLAKE3, format, width, height.
    pub fn absent_state(&self, at: usize) -> Result<Option<ImageState>> {
        let status: ImageStatus = self.word(at)?;
        if matches!(status, ImageStatus::Ok | ImageStatus::Pending) {
            return Ok(None);
        }
        Ok(Some(ImageState {
            status,
            reason: self.text(at + 1)?.to_owned(),
            blake3: self.digest(at + 2)?,
            format: self.optional_word(at + 3)?,
            size: self.size(at + 4)?,
        }))
    }
}

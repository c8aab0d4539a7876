//! The rows of a Parquet file as fields: text as in CSV; numbers, truths, lists, structures and maps as in JSON.

use super::fields::Field;
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
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// Rows in memory at a time.
const BATCH: usize = 4096;

/// The rows of a Parquet file, numbered from 1.
pub struct ParquetRows {
    reader: ParquetRecordBatchReader,
    columns: Arc<[String]>,
    skipped: Vec<String>,
    batch: Vec<TextColumn>,
    /// The next row of the batch.
    at: usize,
    rows: u64,
}

impl ParquetRows {
    /// Opens a file. `rename` gives its columns the names that they are read by; `wanted` says which columns are read,
    /// given all of them.
    ///
    /// # Errors
    /// A sentence on what is wrong with the file.
    pub fn open(
        path: &Path,
        rename: impl Fn(&mut [String]) -> Result<(), String>,
        wanted: impl Fn(&str, &[String]) -> bool,
        stop: Stop<'_>,
    ) -> Result<(ParquetRows, Metadata), String> {
        let file = input::open(path).map_err(|e| io_reason(&e))?;
        let again = file.try_clone().map_err(|e| io_reason(&e))?;
        guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
            let metadata = builder.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
            let metadata = metadata.into_iter().filter_map(|entry| Some((entry.key, entry.value?))).collect();
            let written: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
            let mut all = written.clone();
            rename(&mut all)?;
            if let Some(twice) = all.iter().enumerate().find_map(|(i, name)| all[..i].contains(name).then_some(name)) {
                return Err(format!("column {} appears twice", quote(twice)));
            }
            let read: Vec<usize> = (0..all.len()).filter(|at| wanted(&all[*at], &all)).collect();
            let skipped = all.iter().filter(|name| !wanted(name, &all)).cloned().collect();
            let columns: Arc<[String]> = read.iter().map(|at| all[*at].clone()).collect();
            pages::check(&again, builder.metadata(), |name| read.iter().any(|at| written[*at] == name), stop)?;
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

    /// Returns the number of the next row, and its cells.
    pub fn next(&mut self) -> Next<Vec<Field<'_>>> {
        while self.at == self.batch.first().map_or(0, |column| column.cells.len()) {
            let batch = match guarded(|| self.reader.next().transpose().map_err(|e| damaged(&e))) {
                Ok(Some(batch)) => batch,
                Ok(None) => return None,
                Err(reason) => return Some(Err(RecordFault { line: self.rows + 1, reason, last: true })),
            };
            let columns = self.columns.iter().zip(batch.columns());
            match guarded(|| columns.map(|(name, column)| TextColumn::new(name, column)).collect::<Result<_, _>>()) {
                Ok(batch) => (self.batch, self.at) = (batch, 0),
                Err(reason) => return Some(Err(RecordFault { line: self.rows + 1, reason, last: true })),
            }
            if self.batch.is_empty() {
                return None;
            }
        }
        self.at += 1;
        self.rows += 1;
        Some(Ok((self.rows, self.batch.iter().map(|column| column.field(self.at - 1)).collect())))
    }
}

/// The metadata of a file, by key.
pub type Metadata = Vec<(String, String)>;

/// A column of a batch, written as text.
struct TextColumn {
    cells: StringArray,
    is_json: bool,
}

impl TextColumn {
    /// Writes a column so that its values read as themselves.
    fn new(name: &str, column: &ArrayRef) -> Result<TextColumn, String> {
        let wrong = |e: arrow::error::ArrowError| format!("column {} cannot be read as text or numbers: {e}", quote(name));
        let kind = column.data_type();
        if let DataType::Dictionary(_, values) = kind {
            return TextColumn::new(name, &cast(column, values).map_err(wrong)?);
        }
        if kind.is_floating() {
            let wide = cast(column, &DataType::Float64).map_err(wrong)?;
            let cells = wide.as_primitive::<Float64Type>().iter().map(|x| x.map(float)).collect();
            return Ok(TextColumn { cells, is_json: true });
        }
        if kind.is_nested() {
            let json =
                |at| value(column, at).map(|value| Some(value?.to_string())).map_err(|e| format!("column {} {e}", quote(name)));
            return Ok(TextColumn { cells: (0..column.len()).map(json).collect::<Result<_, _>>()?, is_json: true });
        }
        // A cell that cannot be text must not become a missing one.
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let text = cast_with_options(column, &DataType::Utf8, &strict);
        let text = text.map_err(|e| if is_binary(kind) { format!("column {} {BYTES}", quote(name)) } else { wrong(e) })?;
        Ok(TextColumn { cells: text.as_string::<i32>().clone(), is_json: kind.is_numeric() || kind == &DataType::Boolean })
    }

    /// An empty cell is null.
    fn field(&self, at: usize) -> Field<'_> {
        let text = if self.cells.is_valid(at) { self.cells.value(at) } else { "" };
        // What is no JSON is NaN or an infinity.
        let json = if self.is_json { serde_json::from_str(text).ok() } else { None };
        json.map_or(Field::Csv(text), Field::Json)
    }
}

fn is_binary(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

const BYTES: &str = "holds bytes that are not text; write images as files, and their paths as text";

/// A number as text that says that it was a float: such integers are exact only up to 2^53.
fn float(number: f64) -> String {
    if number.is_finite() && number.fract() == 0.0 { format!("{number:.1}") } else { number.to_string() }
}

/// Returns a value of a column of lists, structures or maps; `None` where it is null.
fn value(column: &ArrayRef, at: usize) -> Result<Option<Value>, String> {
    // A column of nothing but nulls has no bits that say so.
    if column.is_null(at) || column.data_type() == &DataType::Null {
        return Ok(None);
    }
    let list = |items: ArrayRef| -> Result<Value, String> {
        (0..items.len()).map(|i| Ok(value(&items, i)?.unwrap_or(Value::Null))).collect()
    };
    Ok(Some(match column.data_type() {
        DataType::List(_) => list(column.as_list::<i32>().value(at))?,
        DataType::LargeList(_) => list(column.as_list::<i64>().value(at))?,
        DataType::ListView(_) => list(column.as_list_view::<i32>().value(at))?,
        DataType::LargeListView(_) => list(column.as_list_view::<i64>().value(at))?,
        DataType::FixedSizeList(..) => list(column.as_fixed_size_list().value(at))?,
        DataType::Struct(fields) => {
            let all = column.as_struct();
            let entry = |(field, column)| -> Result<_, String> {
                let field: &arrow::datatypes::FieldRef = field;
                Ok((field.name().clone(), value(column, at)?.unwrap_or(Value::Null)))
            };
            Value::Object(fields.iter().zip(all.columns()).map(entry).collect::<Result<Map<_, _>, _>>()?)
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(at);
            let keys = TextColumn::new("key", entries.column(0))?;
            let entry =
                |i| Ok::<_, String>((keys.cells.value(i).to_owned(), value(entries.column(1), i)?.unwrap_or(Value::Null)));
            Value::Object((0..entries.len()).map(entry).collect::<Result<Map<_, _>, _>>()?)
        }
        kind => {
            let one = TextColumn::new("value", &column.slice(at, 1));
            let one = one.map_err(|e| if is_binary(kind) { BYTES.to_owned() } else { e })?;
            match one.field(0) {
                Field::Json(raw) => serde_json::from_str(raw.get()).map_err(|e| e.to_string())?,
                Field::Csv(text) if one.is_json => return Err(format!("holds {text}, which JSON cannot say")),
                Field::Csv(text) => Value::String(text.to_owned()),
            }
        }
    }))
}

fn damaged(e: &impl std::fmt::Display) -> String {
    format!("the file cannot be read as Parquet: {e}")
}

/// Runs what may panic on damaged bytes.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    input::guarded(read).unwrap_or_else(|| Err("the file is damaged".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, NullArray, StringArray, StructArray};
    use arrow::datatypes::Field as Column;

    #[test]
    fn a_null_in_a_structure_stays_null() {
        let columns: Vec<(Arc<Column>, ArrayRef)> = vec![
            (Arc::new(Column::new("steps", DataType::Int64, true)), Arc::new(Int64Array::from(vec![Some(20), None]))),
            (Arc::new(Column::new("lora", DataType::Null, true)), Arc::new(NullArray::new(2))),
            (Arc::new(Column::new("note", DataType::Utf8, true)), Arc::new(StringArray::from(vec![Some(""), None]))),
        ];
        let column: ArrayRef = Arc::new(StructArray::from(columns));
        let written = |at| value(&column, at).unwrap().unwrap();
        assert_eq!(written(0), serde_json::json!({"steps": 20, "lora": null, "note": ""}));
        assert_eq!(written(1), serde_json::json!({"steps": null, "lora": null, "note": null}));
    }
}

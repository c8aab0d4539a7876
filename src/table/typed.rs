//! Writes tables for programs that know types: an Arrow IPC stream, or Parquet. A column has one type, which only all of
//! its values tell, so the rows are gathered first, column by column: one batch in memory, those before it in a [`Spool`].

use super::spool::{BatchWriter, Spool};
use super::{Cell, Format, exact_text};
use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, NullArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Rows of a batch; a batch's texts must be shorter than 2 GiB together.
pub const BATCH: usize = 65_536;

/// Whole numbers up to this are exact as fractions too.
const EXACT: u64 = 1 << 53;

/// The rows so far.
pub struct TypedTable {
    names: Vec<String>,
    format: Format,
    columns: Vec<TypedColumn>,
    /// Rows of the last batch.
    rows: usize,
    /// The batches before it.
    spool: Option<Spool>,
    /// The directory for them.
    pub room: PathBuf,
}

/// A column: its values in the last batch, in the type of all of its values.
struct TypedColumn {
    values: Column,
    /// Whether a batch before has a whole number that no fraction is equal to.
    inexact: bool,
}

/// The values of a column, all of one type; `None` where there is none.
enum Column {
    /// Nothing but nulls so far.
    Nulls,
    Flags(Vec<Option<bool>>),
    Integers(Vec<Option<i64>>),
    Reals(Vec<Option<f64>>),
    Texts(Vec<Option<Box<str>>>),
}

impl TypedTable {
    pub fn new(names: Vec<String>, format: Format) -> TypedTable {
        let columns = names.iter().map(|_| TypedColumn { values: Column::Nulls, inexact: false }).collect();
        TypedTable { names, format, columns, rows: 0, spool: None, room: std::env::temp_dir() }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`]: a value has another type than those above it. A batch cannot be written.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        if self.rows == BATCH {
            self.spool_batch()?;
        }
        for ((column, cell), name) in self.columns.iter_mut().zip(cells).zip(&self.names) {
            if !column.values.push(cell, self.rows, column.inexact) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, column.values.clash(cell, name)));
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Writes the table: a stream of Arrow IPC, or Parquet.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        if self.spool.is_some() {
            self.spool_batch()?;
        }
        match self.spool {
            Some(spool) => spool.copy_to(out),
            None => {
                let batch = self.batch()?;
                let mut whole = BatchWriter::new(Vec::new(), self.format, &batch.schema())?;
                if self.rows > 0 {
                    whole.write(&batch)?;
                }
                out.write_all(&whole.finish()?)
            }
        }
    }

    /// Puts the last batch to those before it.
    fn spool_batch(&mut self) -> io::Result<()> {
        let batch = self.batch()?;
        let before = match self.spool.take() {
            Some(spool) => spool,
            None => Spool::begin(&self.room, self.format, batch.schema())?,
        };
        self.spool = Some(before.add(&batch, &self.room)?);
        self.columns.iter_mut().for_each(TypedColumn::clear);
        self.rows = 0;
        Ok(())
    }

    /// The last batch, as Arrow has it.
    fn batch(&self) -> io::Result<RecordBatch> {
        // Readers of Parquet have no use for a column without a type.
        let untyped = self.format == Format::Arrow;
        let arrays: Vec<ArrayRef> = self.columns.iter().map(|column| column.values.array(self.rows, untyped)).collect();
        let fields = self.names.iter().zip(&arrays).map(|(name, array)| Field::new(name, array.data_type().clone(), true));
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        RecordBatch::try_new_with_options(schema, arrays, &RecordBatchOptions::new().with_row_count(Some(self.rows)))
            .map_err(io::Error::other)
    }
}

impl TypedColumn {
    /// Forgets the values, but not what is known of them.
    fn clear(&mut self) {
        match &mut self.values {
            Column::Nulls => {}
            Column::Flags(values) => values.clear(),
            Column::Integers(values) => {
                self.inexact |= !are_exact(values);
                values.clear();
            }
            Column::Reals(values) => values.clear(),
            Column::Texts(values) => values.clear(),
        }
    }
}

/// Whether whole numbers are exact as fractions too.
fn are_exact(values: &[Option<i64>]) -> bool {
    values.iter().flatten().all(|n| n.unsigned_abs() <= EXACT)
}

impl Column {
    /// Adds a value below the `rows` that there are; returns whether it fits. `inexact`: there are whole numbers above those
    /// that no fraction is equal to.
    fn push(&mut self, cell: &Cell, rows: usize, inexact: bool) -> bool {
        if let (Column::Nulls, first) = (&*self, cell) {
            *self = match first {
                Cell::Null => return true,
                Cell::Flag(_) => Column::Flags(vec![None; rows]),
                Cell::Integer(_) => Column::Integers(vec![None; rows]),
                Cell::Real(_) => Column::Reals(vec![None; rows]),
                Cell::Text(_) | Cell::Number(_) | Cell::Best(_) => Column::Texts(vec![None; rows]),
            };
        }
        if let (Column::Integers(values), Cell::Real(_)) = (&*self, cell)
            && !inexact
            && are_exact(values)
        {
            *self = Column::Reals(values.iter().map(|n| n.map(|n| n as f64)).collect());
        }
        match (self, cell) {
            (Column::Flags(values), Cell::Null) => values.push(None),
            (Column::Integers(values), Cell::Null) => values.push(None),
            (Column::Reals(values), Cell::Null) => values.push(None),
            (Column::Texts(values), Cell::Null) => values.push(None),
            (Column::Flags(values), Cell::Flag(flag)) => values.push(Some(*flag)),
            (Column::Integers(values), Cell::Integer(n)) => values.push(Some(*n)),
            (Column::Reals(values), Cell::Real(x)) => values.push(Some(*x).filter(|x| x.is_finite())),
            (Column::Reals(values), Cell::Integer(n)) if n.unsigned_abs() <= EXACT => values.push(Some(*n as f64)),
            (Column::Texts(values), Cell::Text(_) | Cell::Number(_) | Cell::Best(_)) => {
                values.push(Some(exact_text(cell).into()));
            }
            _ => return false,
        }
        true
    }

    /// Says why a value does not fit.
    fn clash(&self, cell: &Cell, name: &str) -> String {
        if matches!((self, cell), (Column::Integers(_), Cell::Real(_)) | (Column::Reals(_), Cell::Integer(_))) {
            return format!(
                "column `{name}` holds fractions and whole numbers above 2^53, and no type of Arrow holds both exactly; \
                 CAST it AS TEXT"
            );
        }
        format!(
            "column `{name}` holds texts and numbers, and a column of Arrow or Parquet has one type; CAST it AS TEXT, AS REAL or \
             AS INTEGER"
        )
    }

    /// The values of `rows` rows, as Arrow has them.
    fn array(&self, rows: usize, untyped: bool) -> ArrayRef {
        match self {
            Column::Nulls if untyped => Arc::new(NullArray::new(rows)),
            Column::Nulls => Arc::new(StringArray::new_null(rows)),
            Column::Flags(values) => Arc::new(BooleanArray::from_iter(values)),
            Column::Integers(values) => Arc::new(Int64Array::from_iter(values)),
            Column::Reals(values) => Arc::new(Float64Array::from_iter(values)),
            Column::Texts(values) => Arc::new(StringArray::from_iter(values.iter().map(Option::as_deref))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Head, TableWriter};
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Float64Type, Int64Type};
    use arrow::ipc::reader::StreamReader;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    fn written(format: Format, rows: &[Vec<Cell>]) -> io::Result<Vec<u8>> {
        let columns = (0..rows.first().map_or(1, Vec::len)).map(|i| format!("c{i}")).collect();
        let mut table = TableWriter::new(Vec::new(), format, Head::new(columns))?;
        rows.iter().try_for_each(|row| table.row(row))?;
        table.finish()
    }

    fn read(format: Format, bytes: Vec<u8>) -> (SchemaRef, Vec<RecordBatch>) {
        if format == Format::Arrow {
            let reader = StreamReader::try_new(&bytes[..], None).unwrap();
            (reader.schema(), reader.map(Result::unwrap).collect())
        } else {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            (reader.schema().clone(), reader.build().unwrap().map(Result::unwrap).collect())
        }
    }

    #[test]
    fn every_column_has_the_type_of_its_values_and_null_is_null() {
        let text = |text: &str| Cell::Text(text.into());
        let rows = [
            vec![Cell::Null, Cell::Integer(1), Cell::Integer(2), text("a"), Cell::Flag(true), Cell::Null, Cell::Real(f64::NAN)],
            vec![text("é"), Cell::Null, Cell::Real(0.1), Cell::Null, Cell::Flag(false), Cell::Null, Cell::Real(0.5)],
            vec![text(""), Cell::Integer(i64::MIN), Cell::Integer(-3), text("b\u{1b}"), Cell::Null, Cell::Null, Cell::Null],
        ];
        for format in [Format::Arrow, Format::Parquet] {
            let (schema, batches) = read(format, written(format, &rows).unwrap());
            let nothing = if format == Format::Arrow { DataType::Null } else { DataType::Utf8 };
            let types: Vec<DataType> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
            use DataType::{Boolean, Float64, Int64, Utf8};
            assert_eq!(types, [Utf8, Int64, Float64, Utf8, Boolean, nothing, Float64], "{format}");
            let [batch] = &batches[..] else { panic!("{}", batches.len()) };
            let texts = |at: usize| batch.column(at).as_string::<i32>().iter().collect::<Vec<_>>();
            let reals = |at: usize| batch.column(at).as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
            assert_eq!(texts(0), [None, Some("é"), Some("")]);
            let integers: Vec<_> = batch.column(1).as_primitive::<Int64Type>().iter().collect();
            assert_eq!(integers, [Some(1), None, Some(i64::MIN)]);
            assert_eq!(reals(2), [Some(2.0), Some(0.1), Some(-3.0)]);
            assert_eq!(texts(3), [Some("a"), None, Some("b\u{1b}")], "what a terminal would act on is data here");
            assert_eq!(batch.column(4).as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
            assert_eq!(batch.column(5).logical_null_count(), 3);
            assert_eq!(reals(6), [None, Some(0.5), None]);
        }
    }

    #[test]
    fn tables_of_no_rows_and_of_many_batches_are_tables() {
        for format in [Format::Arrow, Format::Parquet] {
            let (schema, batches) = read(format, written(format, &[]).unwrap());
            assert_eq!((schema.fields().len(), batches.iter().map(RecordBatch::num_rows).sum::<usize>()), (1, 0));
            let rows: Vec<Vec<Cell>> = (0..BATCH as i64 + 3).map(|n| vec![Cell::Integer(n)]).collect();
            let (_, batches) = read(format, written(format, &rows).unwrap());
            let found: Vec<i64> =
                batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
            assert!(found.iter().copied().eq(0..BATCH as i64 + 3));
        }
    }

    /// Tables of three batches, whose columns change their types in the second and in the third.
    #[test]
    fn types_are_those_of_all_batches() {
        let rows = 2 * BATCH as i64 + 3;
        let cells = |n: i64| {
            let late = if n < rows - 2 { Cell::Null } else { Cell::Text(format!("t{n}")) };
            let number = match n {
                0 => Cell::Null,
                n if n == BATCH as i64 + 1 => Cell::Real(0.5),
                n => Cell::Integer(n),
            };
            let numbered_late = if n < BATCH as i64 { Cell::Null } else { Cell::Integer(n) };
            let late_fraction = if n == rows - 1 { Cell::Real(-0.25) } else { numbered_late.clone() };
            vec![late, number, numbered_late, late_fraction, Cell::Null]
        };
        for format in [Format::Arrow, Format::Parquet] {
            let room = tempfile::tempdir().unwrap();
            let columns = (0..5).map(|i| format!("c{i}")).collect();
            let mut table = TableWriter::new(Vec::new(), format, Head::new(columns)).unwrap().spooling_in(room.path());
            (0..rows).for_each(|n| table.row(&cells(n)).unwrap());
            assert_eq!(room.path().read_dir().unwrap().count(), 1, "what is not in memory is here");
            let (schema, batches) = read(format, table.finish().unwrap());
            assert_eq!(room.path().read_dir().unwrap().count(), 0);
            let nothing = if format == Format::Arrow { DataType::Null } else { DataType::Utf8 };
            let types: Vec<DataType> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
            use DataType::{Float64, Int64, Utf8};
            assert_eq!(types, [Utf8, Float64, Int64, Float64, nothing], "{format}");
            let column = |at: usize| batches.iter().map(move |batch| batch.column(at));
            let texts: Vec<_> = column(0).flat_map(|c| c.as_string::<i32>().iter()).collect();
            assert!(texts[..texts.len() - 2].iter().all(Option::is_none));
            assert_eq!(texts[texts.len() - 2..], [Some("t131073"), Some("t131074")]);
            let reals = |at: usize| column(at).flat_map(|c| c.as_primitive::<Float64Type>().iter()).collect::<Vec<_>>();
            let expected = (0..rows).map(|n| (n > 0).then_some(if n == 65_537 { 0.5 } else { n as f64 }));
            assert!(reals(1).into_iter().eq(expected));
            let integers = column(2).flat_map(|c| c.as_primitive::<Int64Type>().iter());
            assert!(integers.eq((0..rows).map(|n| (n >= 65_536).then_some(n))));
            let expected = (0..rows).map(|n| (n >= 65_536).then_some(if n == rows - 1 { -0.25 } else { n as f64 }));
            assert!(reals(3).into_iter().eq(expected));
            assert_eq!(column(4).map(|c| c.logical_null_count()).sum::<usize>(), rows as usize);
        }
    }

    #[test]
    fn what_does_not_fit_a_batch_before_is_refused_and_leaves_nothing() {
        for (first, last, says) in [
            (Cell::Integer(1), Cell::Text("1".into()), "holds texts and numbers"),
            (Cell::Integer((1 << 53) + 1), Cell::Real(0.5), "whole numbers above 2^53"),
        ] {
            let room = tempfile::tempdir().unwrap();
            let table = TableWriter::new(Vec::new(), Format::Parquet, Head::new(vec!["c0".into()])).unwrap();
            let mut table = table.spooling_in(room.path());
            (0..70_000).for_each(|n| table.row(&[if n == 0 { first.clone() } else { Cell::Integer(n) }]).unwrap());
            let refused = table.row(&[last]).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
            assert!(refused.to_string().contains(says), "{refused}");
            drop(table);
            assert_eq!(room.path().read_dir().unwrap().count(), 0);
        }
    }

    #[test]
    fn what_has_no_common_type_is_refused_and_never_rounded() {
        let refused = |cells: [Cell; 2]| written(Format::Arrow, &cells.map(|cell| vec![cell])).unwrap_err().to_string();
        let large = Cell::Integer((1 << 53) + 1);
        for cells in [[large.clone(), Cell::Real(0.5)], [Cell::Real(0.5), large]] {
            assert!(refused(cells).starts_with("column `c0` holds fractions and whole numbers above 2^53"));
        }
        for other in [Cell::Integer(1), Cell::Real(0.5)] {
            assert!(refused([Cell::Text("1".into()), other.clone()]).contains("CAST it AS TEXT"));
            assert!(refused([other, Cell::Text("1".into())]).contains("CAST it AS TEXT"));
        }
    }
}

//! Writes tables for programs that know types: an Arrow IPC stream, or Parquet. A column has one type, which only all of
//! its values tell, so the rows are gathered first, column by column.

use super::parquet::{Footer, writer_properties};
use super::{Cell, Format, exact_text};
use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, NullArray, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use std::io::{self, Write};
use std::sync::Arc;

/// Rows of a batch; a batch's texts must be shorter than 2 GiB together.
const BATCH: usize = 65_536;

/// Whole numbers up to this are exact as fractions too.
const EXACT: u64 = 1 << 53;

/// The rows so far.
pub struct TypedTable {
    names: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
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
    pub fn new(names: Vec<String>) -> TypedTable {
        let columns = names.iter().map(|_| Column::Nulls).collect();
        TypedTable { names, columns, rows: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`]: a value has another type than those above it.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        for ((column, cell), name) in self.columns.iter_mut().zip(cells).zip(&self.names) {
            if !column.push(cell, self.rows) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, column.clash(cell, name)));
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Writes the table: a stream of Arrow IPC, or Parquet.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn write(&self, out: &mut impl Write, format: Format) -> io::Result<()> {
        // Readers of Parquet have no use for a column without a type.
        let untyped = format == Format::Arrow;
        let of = |at: usize| self.columns.iter().map(move |column| column.array(at, BATCH.min(self.rows - at), untyped));
        let fields = self.names.iter().zip(of(0)).map(|(name, array)| Field::new(name, array.data_type().clone(), true));
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut batches = (0..self.rows).step_by(BATCH).map(|at| RecordBatch::try_new(schema.clone(), of(at).collect()));
        if format == Format::Arrow {
            let mut stream = StreamWriter::try_new(out, &schema).map_err(io::Error::other)?;
            batches.try_for_each(|batch| stream.write(&batch?)).and_then(|()| stream.finish()).map_err(io::Error::other)
        } else {
            let properties = writer_properties().build();
            let whole = Footer::new(Vec::new());
            let mut file = ArrowWriter::try_new(whole, schema.clone(), Some(properties)).map_err(io::Error::other)?;
            batches.try_for_each(|batch| file.write(&batch?)).map_err(io::Error::other)?;
            out.write_all(&file.into_inner().map_err(io::Error::other)?.finish()?)
        }
    }
}

impl Column {
    /// Adds a value below the `rows` that there are; returns whether it fits.
    fn push(&mut self, cell: &Cell, rows: usize) -> bool {
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
            && values.iter().flatten().all(|n| n.unsigned_abs() <= EXACT)
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

    /// Some of the values, as Arrow has them.
    fn array(&self, at: usize, rows: usize, untyped: bool) -> ArrayRef {
        let range = at..at + rows;
        match self {
            Column::Nulls if untyped => Arc::new(NullArray::new(rows)),
            Column::Nulls => Arc::new(StringArray::new_null(rows)),
            Column::Flags(values) => Arc::new(BooleanArray::from(values[range].to_vec())),
            Column::Integers(values) => Arc::new(Int64Array::from(values[range].to_vec())),
            Column::Reals(values) => Arc::new(Float64Array::from(values[range].to_vec())),
            Column::Texts(values) => Arc::new(StringArray::from_iter(values[range].iter().map(Option::as_deref))),
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

//! The rows of a typed table that are too many for memory: a temporary file in the table's format, in the types so far. It is
//! written anew where a later value gives a column another type, and copied to its place when all types are known.

use super::Format;
use super::parquet::{Footer, writer_properties};
use crate::durable::Temporary;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What the temporary file is called, so that the next one in the same directory removes what a killed run left.
const NAME: &str = "msdata-rows";

/// Batches being written in one of the typed formats.
pub enum BatchWriter<W: Write + Send> {
    /// A stream of Arrow IPC.
    Arrow(Box<StreamWriter<W>>),
    /// A Parquet file.
    Parquet(Box<ArrowWriter<Footer<W>>>),
}

impl<W: Write + Send> BatchWriter<W> {
    pub fn new(out: W, format: Format, schema: &SchemaRef) -> io::Result<BatchWriter<W>> {
        if format == Format::Arrow {
            return StreamWriter::try_new(out, schema)
                .map(|stream| BatchWriter::Arrow(Box::new(stream)))
                .map_err(io::Error::other);
        }
        let writer = ArrowWriter::try_new(Footer::new(out), schema.clone(), Some(writer_properties().build()));
        writer.map(|writer| BatchWriter::Parquet(Box::new(writer))).map_err(io::Error::other)
    }

    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match self {
            BatchWriter::Arrow(stream) => stream.write(batch).map_err(io::Error::other),
            BatchWriter::Parquet(file) => file.write(batch).map_err(io::Error::other),
        }
    }

    /// Ends the table; returns where it was written.
    pub fn finish(self) -> io::Result<W> {
        match self {
            BatchWriter::Arrow(stream) => stream.into_inner().map_err(io::Error::other),
            BatchWriter::Parquet(file) => file.into_inner().map_err(io::Error::other)?.finish(),
        }
    }
}

/// A table in a temporary file.
pub struct Spool {
    file: Temporary,
    writer: BatchWriter<BufWriter<File>>,
    format: Format,
    schema: SchemaRef,
}

impl Spool {
    /// Begins a table in a directory.
    pub fn begin(dir: &Path, format: Format, schema: SchemaRef) -> io::Result<Spool> {
        let file = Temporary::private(&dir.join(NAME)).map_err(io::Error::other)?;
        let writer = BatchWriter::new(BufWriter::new(file.file.try_clone()?), format, &schema)?;
        Ok(Spool { file, writer, format, schema })
    }

    /// Adds rows. Their types may be wider than those of the rows before, which are then written anew.
    pub fn add(self, batch: &RecordBatch, dir: &Path) -> io::Result<Spool> {
        let mut spool = if batch.schema() == self.schema { self } else { self.widened(batch.schema(), dir)? };
        spool.writer.write(batch).map_err(spool.failed())?;
        Ok(spool)
    }

    fn widened(self, schema: SchemaRef, dir: &Path) -> io::Result<Spool> {
        let (format, written) = (self.format, self.ended()?);
        let mut wider = Spool::begin(dir, format, schema.clone())?;
        for batch in batches(File::open(written.path())?, format)? {
            let batch = batch.map_err(io::Error::other)?;
            let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| widened(column, field.data_type()));
            let batch = RecordBatch::try_new(schema.clone(), columns.collect()).map_err(io::Error::other)?;
            wider.writer.write(&batch).map_err(wider.failed())?;
        }
        Ok(wider)
    }

    /// Ends the table, and copies it to `out`.
    pub fn copy_to(self, out: &mut impl Write) -> io::Result<()> {
        let written = self.ended()?;
        io::copy(&mut File::open(written.path())?, out).map(drop)
    }

    /// Ends the file.
    fn ended(self) -> io::Result<Temporary> {
        let failed = self.failed();
        self.writer.finish().and_then(|mut file| file.flush()).map_err(failed)?;
        Ok(self.file)
    }

    /// Names the file in an error: it may lie on another disk than the table's place.
    fn failed(&self) -> impl Fn(io::Error) -> io::Error + use<> {
        let path: PathBuf = self.file.path().to_owned();
        move |e| io::Error::new(e.kind(), format!("the temporary file {}: {e}", path.display()))
    }
}

/// Reads a table as it was written.
fn batches(file: File, format: Format) -> io::Result<Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>> {
    if format == Format::Arrow {
        let reader = StreamReader::try_new(BufReader::new(file), None).map_err(io::Error::other)?;
        return Ok(Box::new(reader));
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(io::Error::other)?;
    let reader = reader.with_batch_size(super::typed::BATCH).build().map_err(io::Error::other)?;
    Ok(Box::new(reader))
}

/// A column in a wider type: whole numbers as fractions, or nothing but nulls as anything.
fn widened(column: &ArrayRef, to: &DataType) -> ArrayRef {
    match (column.data_type(), to) {
        (from, to) if from == to => column.clone(),
        (DataType::Int64, DataType::Float64) => {
            let reals: Float64Array = column.as_primitive::<Int64Type>().unary(|n| n as f64);
            std::sync::Arc::new(reals)
        }
        (_, to) => new_null_array(to, column.len()),
    }
}

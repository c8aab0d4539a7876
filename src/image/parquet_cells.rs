//! Images in a column of a Parquet file, one a row: `struct<bytes, path>` as Hugging Face writes it, or a binary column.
//! Rows that are read in order are decoded once.

use crate::error::io_reason;
use crate::input::{self, pages};
use crate::text::quote;
use crate::watch::Stop;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use std::fs::File;
use std::io;

/// Bytes of images that are decoded at a time.
const BATCH_BYTES: u64 = 8 << 20;

/// The column of images of a Parquet file.
pub(super) struct Cells {
    metadata: ArrowReaderMetadata,
    /// The column of the file, among the leaves.
    leaf: usize,
    /// For each row group, its first row; then the number of rows.
    starts: Vec<u64>,
}

/// A place in a row group from which rows are read.
pub(super) struct Cursor {
    group: usize,
    reader: ParquetRecordBatchReader,
    /// The rows that were decoded last, from row `first`.
    first: u64,
    batch: Option<ArrayRef>,
}

impl Cells {
    /// Finds the column of images.
    ///
    /// # Errors
    /// It is not a Parquet file, or has not exactly one such column.
    pub(super) fn open(file: &File) -> io::Result<Cells> {
        guarded(|| {
            let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
            let metadata = ArrowReaderMetadata::load(file, options).map_err(broken)?;
            let fields = metadata.schema().fields();
            let columns: Vec<usize> = (0..fields.len()).filter(|at| holds_images(fields[*at].data_type())).collect();
            let column = match columns[..] {
                [column] => column,
                [] => return Err(broken("the Parquet file has no column of images (binary, or a struct with `bytes`)")),
                _ => {
                    let names: Vec<String> = columns.iter().map(|at| quote(fields[*at].name())).collect();
                    return Err(broken(format!(
                        "which column holds the images? {} could: write the Parquet file with one of them",
                        names.join(", ")
                    )));
                }
            };
            let schema = metadata.parquet_schema();
            let is_bytes = |leaf: &usize| {
                let parts = schema.column(*leaf).path().parts().to_vec();
                schema.get_column_root_idx(*leaf) == column && (parts.len() == 1 || parts[1..] == ["bytes"])
            };
            let leaf = (0..schema.num_columns()).find(is_bytes);
            let leaf = leaf.ok_or_else(|| broken("the Parquet file has no column of images"))?;
            let name = fields[column].name();
            pages::check(file, metadata.metadata(), |read| read == name, Stop::default()).map_err(broken)?;
            let mut starts = vec![0];
            for group in metadata.metadata().row_groups() {
                starts.push(starts[starts.len() - 1] + group.num_rows().max(0) as u64);
            }
            Ok(Cells { metadata, leaf, starts })
        })
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> u64 {
        self.starts[self.starts.len() - 1]
    }

    /// Returns the row group of a row.
    pub(super) fn group_of(&self, row: u64) -> usize {
        self.starts.partition_point(|start| *start <= row) - 1
    }

    /// Returns a cursor from which `row` can be read next.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn begin(&self, file: File, row: u64) -> io::Result<Cursor> {
        guarded(|| {
            let group = self.group_of(row);
            let of_group = self.metadata.metadata().row_group(group);
            let bytes = of_group.column(self.leaf).uncompressed_size().max(1) as u64;
            let rows = of_group.num_rows().max(1) as u64;
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
            let skip = (row - self.starts[group]) as usize;
            let selection = [RowSelector::skip(skip), RowSelector::select(rows as usize - skip)];
            let mask = ProjectionMask::leaves(builder.parquet_schema(), [self.leaf]);
            let reader = builder
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_row_selection(RowSelection::from(selection.to_vec()))
                .with_batch_size((BATCH_BYTES * rows / bytes).clamp(1, 1024) as usize)
                .build()
                .map_err(broken)?;
            Ok(Cursor { group, reader, first: row, batch: None })
        })
    }
}

impl Cursor {
    /// Returns how many rows lie between what was decoded last and `row`; `None` if it cannot be reached from here.
    pub(super) fn distance(&self, group: usize, row: u64) -> Option<u64> {
        (self.group == group).then(|| row.checked_sub(self.first)).flatten()
    }

    /// Reads the image in `row` of at most `limit` bytes.
    ///
    /// # Errors
    /// There is none (`NotFound`), it is too large (`FileTooLarge`), or the file cannot be read.
    pub(super) fn read(&mut self, row: u64, limit: u64) -> io::Result<Vec<u8>> {
        guarded(|| {
            let batch = loop {
                match &self.batch {
                    Some(batch) if row < self.first + batch.len() as u64 => break batch,
                    Some(batch) => self.first += batch.len() as u64,
                    None => {}
                }
                let next = self.reader.next().ok_or_else(|| broken("the Parquet file has fewer rows than it says"))?;
                self.batch = Some(next.map_err(broken)?.column(0).clone());
            };
            let cell = cell(batch, (row - self.first) as usize);
            match cell {
                None => Err(io::Error::new(io::ErrorKind::NotFound, format!("row {row} holds no image (null)"))),
                Some(bytes) if bytes.len() as u64 > limit => Err(io::ErrorKind::FileTooLarge.into()),
                Some(bytes) => Ok(bytes.to_vec()),
            }
        })
    }
}

fn holds_images(kind: &DataType) -> bool {
    let is_binary = |kind: &DataType| matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    match kind {
        DataType::Struct(fields) => fields.iter().any(|field| field.name() == "bytes" && is_binary(field.data_type())),
        other => is_binary(other),
    }
}

fn cell(column: &ArrayRef, at: usize) -> Option<&[u8]> {
    if column.is_null(at) {
        return None;
    }
    match column.data_type() {
        DataType::Struct(_) => cell(column.as_struct().column(0), at),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(at)),
        DataType::BinaryView => Some(column.as_binary_view().value(at)),
        _ => column.as_binary_opt::<i32>().map(|bytes| bytes.value(at)),
    }
}

fn broken(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Runs the Parquet reader, which has panicked on damaged bytes.
fn guarded<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let outcome = input::guarded(read).unwrap_or_else(|| Err(broken("the Parquet file is damaged")));
    outcome.map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => broken(io_reason(&e)),
        _ => e,
    })
}

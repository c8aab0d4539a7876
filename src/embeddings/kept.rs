//! A part of windows: an immutable Parquet file of the windows' vectors of images, in float16, a row for each image.

use super::columns::{SOURCE, SQUARES, WINDOWS, window_schema};
use super::part::{FinishedPart, HashedWriter, blake3_of};
use crate::error::{Error, Result};
use crate::windows::Rectangle;
use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryBuilder, RecordBatch};
use half::f16;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a row group.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// Bytes of a square: x, y, width and height, 32-bit.
const SQUARE_BYTES: usize = 16;

/// What a row of a part of windows holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Windows of an image.
    pub windows: usize,
    /// Numbers in the vector of a window.
    pub dimension: usize,
}

impl Layout {
    /// Bytes that the windows of one image take in a part, near enough.
    pub fn bytes(self) -> u64 {
        /// What Parquet says of a row: its page, and where that lies.
        const AROUND: usize = 192;
        (32 + self.squares() + self.vectors() + AROUND) as u64
    }

    fn squares(self) -> usize {
        self.windows * SQUARE_BYTES
    }

    fn vectors(self) -> usize {
        self.windows * self.dimension * 2
    }
}

/// The windows of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptWindows {
    /// BLAKE3 of the image's file.
    pub source: [u8; 32],
    /// Where each window lies.
    pub squares: Vec<Rectangle>,
    /// The windows' vectors, one after another: numbers that float16 has.
    pub vectors: Vec<f32>,
}

impl KeptWindows {
    /// The squares and the vectors as bytes, little-endian.
    pub fn to_bytes(squares: &[Rectangle], vectors: &[f32]) -> (Vec<u8>, Vec<u8>) {
        let squares = squares
            .iter()
            .flat_map(|square| [square.x, square.y, square.width, square.height])
            .flat_map(u32::to_le_bytes)
            .collect();
        (squares, vectors.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect())
    }

    /// What [`KeptWindows::to_bytes`] made bytes of.
    pub fn from_bytes(source: [u8; 32], squares: &[u8], vectors: &[u8]) -> KeptWindows {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let square = |bytes: &[u8]| Rectangle {
            x: number(&bytes[..4]),
            y: number(&bytes[4..8]),
            width: number(&bytes[8..12]),
            height: number(&bytes[12..]),
        };
        KeptWindows {
            source,
            squares: squares.chunks_exact(SQUARE_BYTES).map(square).collect(),
            vectors: vectors.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        }
    }
}

/// A part of windows being written, under a temporary name.
pub struct WindowWriter {
    writer: ArrowWriter<HashedWriter>,
    temporary: PathBuf,
    layout: Layout,
    rows: u64,
}

impl WindowWriter {
    /// Begins a part in the file `temporary`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(temporary: PathBuf, layout: Layout) -> Result<WindowWriter> {
        let file = File::create(&temporary).map_err(Error::io("write", &temporary))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::PLAIN)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some((ROW_GROUP_BYTES / layout.bytes() as usize).max(1)))
            .set_write_batch_size(1) // a page an image: what is read to get at one
            .set_data_page_size_limit(1)
            .build();
        let schema = window_schema(layout.squares(), layout.vectors());
        let writer =
            ArrowWriter::try_new(HashedWriter::new(file), schema, Some(properties)).map_err(Error::parquet(&temporary))?;
        Ok(WindowWriter { writer, temporary, layout, rows: 0 })
    }

    /// Adds the windows of an image, as bytes (see [`KeptWindows::to_bytes`]); their row in the part.
    ///
    /// # Errors
    /// They are not what the part is of, or the file cannot be written.
    pub fn push(&mut self, source: &[u8; 32], squares: &[u8], vectors: &[u8]) -> Result<u32> {
        let column = |bytes: &[u8], width: usize| -> parquet::errors::Result<ArrayRef> {
            let mut column = FixedSizeBinaryBuilder::with_capacity(1, width as i32);
            column.append_value(bytes)?;
            Ok(Arc::new(column.finish()))
        };
        let schema = window_schema(self.layout.squares(), self.layout.vectors());
        let write = || {
            let columns =
                vec![column(source, 32)?, column(squares, self.layout.squares())?, column(vectors, self.layout.vectors())?];
            self.writer.write(&RecordBatch::try_new(schema, columns)?)
        };
        write().map_err(Error::parquet(&self.temporary))?;
        self.rows += 1;
        Ok((self.rows - 1) as u32)
    }

    /// Completes the file and makes it durable.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<FinishedPart> {
        let hashed = self.writer.into_inner().map_err(Error::parquet(&self.temporary))?;
        hashed.finish(self.temporary, self.rows)
    }
}

/// A part of windows, opened to read images by row.
pub struct WindowReader {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
}

impl WindowReader {
    /// Opens the part at `path`.
    ///
    /// # Errors
    /// It is not there, or not such a part.
    pub fn open(path: &Path, layout: Layout) -> Result<WindowReader> {
        let file = File::open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::Damaged(format!("the part {} is gone", path.display())),
            _ => Error::io("read", path)(e),
        })?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(Error::parquet(path))?;
        let expected = window_schema(layout.squares(), layout.vectors());
        if metadata.schema().fields() != expected.fields() {
            let Layout { windows, dimension } = layout;
            return Err(Error::Damaged(format!(
                "{} does not hold {windows} windows an image, of {dimension} numbers each",
                path.display()
            )));
        }
        Ok(WindowReader { path: path.to_owned(), file, metadata })
    }

    /// Images in it.
    pub fn rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows() as u64
    }

    /// BLAKE3 of the file, on all cores.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn blake3(&self) -> Result<[u8; 32]> {
        blake3_of(&self.file).map_err(Error::io("read", &self.path))
    }

    /// For each image the hash of its file.
    ///
    /// # Errors
    /// The part cannot be read.
    pub fn sources(&self) -> Result<Vec<[u8; 32]>> {
        let batches = self.batches(&[SOURCE], None)?;
        let source = |batch: &RecordBatch| -> Vec<[u8; 32]> {
            batch.column(0).as_fixed_size_binary().iter().filter_map(|bytes| bytes?.try_into().ok()).collect()
        };
        Ok(batches.iter().flat_map(source).collect())
    }

    /// The windows of the images in `rows` (ascending, distinct).
    ///
    /// # Errors
    /// A row is not there, or the part cannot be read.
    pub fn read(&self, rows: &[u32]) -> Result<Vec<KeptWindows>> {
        let fewer = || Error::Damaged(format!("{} has fewer images than the catalog says", self.path.display()));
        if rows.last().is_some_and(|last| u64::from(*last) >= self.rows()) {
            return Err(fewer());
        }
        let mut selectors = Vec::with_capacity(2 * rows.len());
        let mut at = 0;
        for row in rows.iter().map(|row| *row as usize) {
            selectors.extend((row > at).then(|| RowSelector::skip(row - at)));
            selectors.push(RowSelector::select(1));
            at = row + 1;
        }
        let mut read = Vec::with_capacity(rows.len());
        for batch in self.batches(&[SOURCE, SQUARES, WINDOWS], Some(RowSelection::from(selectors)))? {
            let [sources, squares, vectors] = [0, 1, 2].map(|column| batch.column(column).as_fixed_size_binary());
            for row in 0..batch.num_rows() {
                let source = <[u8; 32]>::try_from(sources.value(row)).map_err(|_| fewer())?;
                read.push(KeptWindows::from_bytes(source, squares.value(row), vectors.value(row)));
            }
        }
        if read.len() == rows.len() { Ok(read) } else { Err(fewer()) }
    }

    fn batches(&self, columns: &[&str], rows: Option<RowSelection>) -> Result<Vec<RecordBatch>> {
        let failed = Error::parquet(&self.path);
        let file = self.file.try_clone().map_err(Error::io("read", &self.path))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let builder = builder.with_projection(mask).with_batch_size(64);
        let builder = match rows {
            Some(rows) => builder.with_row_selection(rows),
            None => builder,
        };
        let batches = builder.build().and_then(|reader| reader.map(|batch| Ok(batch?)).collect());
        batches.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::{Pattern, windows};

    #[test]
    fn what_is_kept_is_read_back_to_the_last_bit() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout { windows: 34, dimension: 5 };
        let image = |n: u8| {
            let squares = windows(100 + u32::from(n), 64, Pattern::Fast);
            let vectors = (0..34 * 5).map(|x| f16::from_f32((x as f32 + f32::from(n)).sin()).to_f32()).collect();
            KeptWindows { source: [n; 32], squares, vectors }
        };
        let write = |name: &str, images: &[u8]| {
            let path = dir.path().join(name);
            let mut writer = WindowWriter::create(path.clone(), layout).unwrap();
            for (row, n) in images.iter().enumerate() {
                let KeptWindows { source, squares, vectors } = image(*n);
                let (squares, vectors) = KeptWindows::to_bytes(&squares, &vectors);
                assert_eq!(writer.push(&source, &squares, &vectors).unwrap(), row as u32);
            }
            (path, writer.finish().unwrap())
        };
        let images: Vec<u8> = (0..200).collect();
        let (path, finished) = write("a", &images);
        assert_eq!((finished.rows, finished.bytes), (200, path.metadata().unwrap().len()));
        let each = layout.bytes() * 200;
        assert!(finished.bytes < each + 8192 && finished.bytes > each * 3 / 4, "{} for {each}", finished.bytes);
        let reader = WindowReader::open(&path, layout).unwrap();
        assert_eq!((reader.rows(), reader.blake3().unwrap()), (200, finished.blake3));
        assert_eq!(reader.sources().unwrap(), images.iter().map(|n| [*n; 32]).collect::<Vec<_>>());
        assert_eq!(reader.read(&[0, 7, 8, 199]).unwrap(), [0, 7, 8, 199].map(image));
        assert!(matches!(reader.read(&[7, 200]), Err(Error::Damaged(_))));
        assert_eq!(write("b", &images).1.blake3, finished.blake3);
        let Err(Error::Damaged(what)) = WindowReader::open(&path, Layout { windows: 34, dimension: 6 }) else { panic!() };
        assert!(what.contains("34 windows an image, of 6 numbers each"), "{what}");
        let mut writer = WindowWriter::create(dir.path().join("c"), layout).unwrap();
        assert!(writer.push(&[0; 32], &[0; 12], &[0; 10]).is_err(), "a part is of one layout");
    }
}

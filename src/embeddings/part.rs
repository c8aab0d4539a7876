//! A part: an immutable Parquet file of vectors. Plain and uncompressed, because it is read far more
//! often than it is copied, and unit vectors hardly compress.

use super::ahead::Onwards;
use super::behind::Behind;
use super::columns::{EMBEDDING, SOURCE, element, part_schema};
use crate::error::{Error, Result};
use crate::table::parquet::Footer;
use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryBuilder, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Vectors held before they are written, in bytes.
const BUFFERED_BYTES: usize = 16 << 20;

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 16_384;

/// Bytes of a page.
const PAGE_BYTES: usize = 256 << 10;

/// Bytes that are hashed at a time.
const HASHED_BYTES: usize = 8 << 20;

/// A part being written, under a temporary name.
pub struct PartWriter {
    writer: Behind<Footer<HashedWriter>>,
    temporary: PathBuf,
    dimension: usize,
    vectors: Vec<f32>,
    sources: Vec<Option<[u8; 32]>>,
    rows: u64,
}

/// A part that is complete and on disk, still under its temporary name.
pub struct FinishedPart {
    /// Its present name.
    pub temporary: PathBuf,
    /// Vectors in it.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
}

impl PartWriter {
    /// Begins a part of vectors of `dimension` numbers in the file `temporary`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(temporary: PathBuf, dimension: usize) -> Result<PartWriter> {
        let file = File::create(&temporary).map_err(Error::io("write", &temporary))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::PLAIN)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(row_group_rows(dimension)))
            .set_data_page_size_limit(PAGE_BYTES)
            .set_write_batch_size((PAGE_BYTES / (4 * dimension)).max(1))
            .build();
        let writer = ArrowWriter::try_new(Footer::new(HashedWriter::new(file)), part_schema(dimension), Some(properties))
            .map_err(Error::parquet(&temporary))?;
        let writer = Behind::begin(&temporary, writer)?;
        Ok(PartWriter { writer, temporary, dimension, vectors: Vec::new(), sources: Vec::new(), rows: 0 })
    }

    /// Adds a vector; its row in the part.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, vector: &[f32], source: Option<[u8; 32]>) -> Result<u32> {
        debug_assert_eq!(vector.len(), self.dimension);
        self.vectors.extend_from_slice(vector);
        self.sources.push(source);
        self.rows += 1;
        if self.vectors.len() * 4 >= BUFFERED_BYTES {
            self.flush()?;
        }
        Ok((self.rows - 1) as u32)
    }

    /// Vectors so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Completes the file and makes it durable.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<FinishedPart> {
        self.flush()?;
        let temporary = self.temporary;
        let footer = self.writer.finish()?;
        footer.finish().map_err(Error::io("write", &temporary))?.finish(temporary, self.rows)
    }

    fn flush(&mut self) -> Result<()> {
        if self.sources.is_empty() {
            return Ok(());
        }
        let mut sources = FixedSizeBinaryBuilder::with_capacity(self.sources.len(), 32);
        for source in self.sources.drain(..) {
            match source {
                Some(hash) => sources.append_value(hash).map_err(|e| Error::parquet(&self.temporary)(e.into()))?,
                None => sources.append_null(),
            }
        }
        let values = Float32Array::from(std::mem::take(&mut self.vectors));
        let vectors = FixedSizeListArray::try_new(element(), self.dimension as i32, Arc::new(values), None);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(sources.finish()), Arc::new(vectors.map_err(|e| Error::parquet(&self.temporary)(e.into()))?)];
        let batch = RecordBatch::try_new(part_schema(self.dimension), columns);
        self.writer.write(batch.map_err(|e| Error::parquet(&self.temporary)(e.into()))?)
    }
}

/// Rows of a row group: some tens of megabytes, whatever the dimension.
pub(super) fn row_group_rows(dimension: usize) -> usize {
    const BYTES: usize = 48 << 20;
    (BYTES / (4 * dimension)).clamp(64, ROW_GROUP_ROWS)
}

/// Counts and hashes what is written through it.
pub(super) struct HashedWriter {
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl HashedWriter {
    pub(super) fn new(file: File) -> HashedWriter {
        HashedWriter { file, hasher: blake3::Hasher::new(), bytes: 0 }
    }

    /// Makes what was written durable: a part of so many rows.
    pub(super) fn finish(self, temporary: PathBuf, rows: u64) -> Result<FinishedPart> {
        self.file.sync_all().map_err(Error::io("write", &temporary))?;
        Ok(FinishedPart { rows, bytes: self.bytes, blake3: *self.hasher.finalize().as_bytes(), temporary })
    }
}

impl Write for HashedWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.file.write(data)?;
        self.hasher.update(&data[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// BLAKE3 of a whole file, on all cores.
pub(super) fn blake3_of(file: &File) -> io::Result<[u8; 32]> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    let mut block = Vec::with_capacity(HASHED_BYTES);
    while Read::by_ref(&mut file).take(HASHED_BYTES as u64).read_to_end(&mut block)? > 0 {
        hasher.update_rayon(&block);
        block.clear();
    }
    Ok(*hasher.finalize().as_bytes())
}

/// A part, opened to read vectors by row.
pub struct PartReader {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
    dimension: usize,
}

impl PartReader {
    /// Opens the part at `path`, whose vectors should have `dimension` numbers.
    ///
    /// # Errors
    /// It is not there, or not such a part.
    pub fn open(path: &Path, dimension: usize) -> Result<PartReader> {
        let file = File::open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::Damaged(format!("the part {} is gone", path.display())),
            _ => Error::io("read", path)(e),
        })?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(Error::parquet(path))?;
        if metadata.schema().field_with_name(EMBEDDING).ok() != part_schema(dimension).field_with_name(EMBEDDING).ok() {
            return Err(Error::Damaged(format!("{} does not hold vectors of {dimension} numbers", path.display())));
        }
        Ok(PartReader { path: path.to_owned(), file, metadata, dimension })
    }

    /// Vectors in it.
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

    /// For each vector the hash of what it was made from, where the part knows it; read as they are asked for.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sources(&self) -> Result<impl Iterator<Item = Result<Option<[u8; 32]>>>> {
        let file = self.file.try_clone().map_err(Error::io("read", &self.path))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), [SOURCE]);
        let batches = builder.with_projection(mask).build().map_err(Error::parquet(&self.path))?;
        let of_batch = |batch: std::result::Result<RecordBatch, ArrowError>| -> Result<Vec<Option<[u8; 32]>>> {
            let batch = batch.map_err(|e| Error::parquet(&self.path)(e.into()))?;
            let column = batch.column(0).as_fixed_size_binary_opt();
            let column =
                column.ok_or_else(|| Error::Damaged(format!("{} does not say what its vectors are of", self.path.display())))?;
            Ok(column.iter().map(|source| source.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())).collect())
        };
        Ok(batches.flat_map(move |batch| match of_batch(batch) {
            Ok(sources) => sources.into_iter().map(Ok).collect(),
            Err(e) => vec![Err(e)],
        }))
    }

    /// Reads the vectors of `rows` (ascending), each to its place in `vectors`, which holds one after the other.
    ///
    /// # Errors
    /// A row is not there, or the file cannot be read.
    pub fn read(&self, rows: impl IntoIterator<Item = (u32, usize)>, vectors: &mut [f32]) -> Result<()> {
        let fewer = || Error::Damaged(format!("{} has fewer vectors than the catalog says", self.path.display()));
        let pages = self.pages()?;
        let length = 4 * self.dimension;
        let (mut page, mut bytes, mut rows) = (None::<&VectorPage>, Vec::new(), rows.into_iter().peekable());
        while let Some((first, place)) = rows.next() {
            let first = u64::from(first);
            if page.is_none_or(|page| !page.holds(first)) {
                page = pages[..pages.partition_point(|page| page.first <= first)].last();
            }
            let page = page.filter(|page| page.holds(first)).ok_or_else(fewer)?;
            // What stands together is read together.
            let mut run = vec![place];
            let next = |run: &[usize]| first + run.len() as u64;
            while let Some((_, place)) = rows.next_if(|(row, _)| u64::from(*row) == next(&run) && page.holds(next(&run))) {
                run.push(place);
            }
            bytes.resize(run.len() * length, 0);
            let at = page.at + (first - page.first) * length as u64;
            Onwards { file: &self.file, at }.read_exact(&mut bytes).map_err(Error::io("read", &self.path))?;
            for (place, bytes) in run.into_iter().zip(bytes.chunks_exact(length)) {
                let vector = &mut vectors[place * self.dimension..(place + 1) * self.dimension];
                let numbers = bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number));
                vector.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
            }
        }
        Ok(())
    }

    /// The pages of vectors, from front to back. Their numbers are plain, uncompressed and never null, so they are the end
    /// of their page and each lies at a known place: rows in any order are read without the pages around them.
    fn pages(&self) -> Result<Vec<VectorPage>> {
        let other = || Error::Damaged(format!("{} is not laid out as a part", self.path.display()));
        let metadata = self.metadata.metadata();
        let (mut pages, mut before) = (Vec::new(), 0);
        for (at, group) in metadata.row_groups().iter().enumerate() {
            let column = group.columns().iter().position(|column| column.column_path().parts()[0] == EMBEDDING);
            let column = column.ok_or_else(other)?;
            let chunk = group.column(column);
            let is_plain = chunk.encodings().all(|encoding| matches!(encoding, Encoding::PLAIN | Encoding::RLE));
            if chunk.compression() != Compression::UNCOMPRESSED || !is_plain || chunk.dictionary_page_offset().is_some() {
                return Err(other());
            }
            let index = metadata.page_index_for_row_group(at);
            let locations = index.page_locations(column).ok_or_else(other)?;
            let ends = locations.iter().skip(1).map(|next| next.first_row_index).chain([group.num_rows()]);
            for (page, end) in locations.iter().zip(ends) {
                let rows = u64::try_from(end - page.first_row_index).map_err(|_| other())?;
                let numbers = i64::try_from(rows * 4 * self.dimension as u64).map_err(|_| other())?;
                let levels = i64::from(page.compressed_page_size) - numbers;
                let at = u64::try_from(page.offset + levels).map_err(|_| other())?;
                if levels <= 0 {
                    return Err(other());
                }
                pages.push(VectorPage { first: before + page.first_row_index as u64, rows, at });
            }
            before += group.num_rows() as u64;
        }
        Ok(pages)
    }
}

/// Where the numbers of one page lie.
struct VectorPage {
    /// The row of its first vector in the part.
    first: u64,
    /// Vectors in it.
    rows: u64,
    /// The place of its first number in the file.
    at: u64,
}

impl VectorPage {
    fn holds(&self, row: u64) -> bool {
        (self.first..self.first + self.rows).contains(&row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20,000 vectors of five numbers: two row groups, and in the first two pages.
    #[test]
    fn vectors_are_read_in_any_order_and_as_often_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part");
        let mut writer = PartWriter::create(path.clone(), 5).unwrap();
        let vector = |row: u32| [row as f32, -0.5, f32::MIN_POSITIVE, 0.0, row as f32 / 7.0];
        for row in 0..20_000 {
            assert_eq!(writer.push(&vector(row), (row % 2 == 0).then_some([7; 32])).unwrap(), row);
        }
        let finished = writer.finish().unwrap();
        let reader = PartReader::open(&path, 5).unwrap();
        assert_eq!((reader.rows(), reader.blake3().unwrap()), (20_000, finished.blake3));
        let pages: Vec<(u64, u64)> = reader.pages().unwrap().iter().map(|page| (page.first, page.rows)).collect();
        assert!(pages.len() > 2 && pages.iter().any(|(first, _)| *first == 16_384), "{pages:?}");
        let mut all = vec![f32::NAN; 20_000 * 5];
        reader.read((0..20_000).map(|row| (row, 19_999 - row as usize)), &mut all).unwrap();
        assert!(all.chunks_exact(5).zip((0..20_000).rev()).all(|(read, row)| read == vector(row)));
        let some = [0, 13_106, 13_107, 13_107, 16_383, 16_384, 19_999];
        let mut read = vec![f32::NAN; some.len() * 5];
        reader.read(some.into_iter().zip(0..), &mut read).unwrap();
        assert!(read.chunks_exact(5).zip(some).all(|(read, row)| read == vector(row)));
        let Err(Error::Damaged(what)) = reader.read([(3, 0), (20_000, 1)], &mut read) else { panic!("there is no such row") };
        assert!(what.ends_with("has fewer vectors than the catalog says"), "{what}");
    }
}

//! Batches of a Parquet file in its order, decoded ahead of their use on threads of their own.

use super::import::{damaged, guarded};
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Stretches of the file that are decoded side by side.
const STRETCHES: usize = 2;

/// Decoded batches of a stretch that wait.
const WAITING: usize = 2;

/// Rows of a stretch at least: with many small row groups, threads would be most of the work.
const STRETCH_ROWS: i64 = 8192;

/// What of a file is decoded.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) columns: ProjectionMask,
    pub(super) batch_rows: usize,
}

/// The batches of a file.
pub(super) struct Batches {
    source: Source,
    /// Row groups of each stretch whose decoding has not begun.
    next: VecDeque<Vec<usize>>,
    begun: VecDeque<Receiver<Result<Option<RecordBatch>>>>,
}

impl Batches {
    pub(super) fn of(source: Source) -> Batches {
        let mut next: VecDeque<Vec<usize>> = VecDeque::new();
        let mut rows = STRETCH_ROWS;
        for (at, group) in source.metadata.metadata().row_groups().iter().enumerate() {
            if rows >= STRETCH_ROWS {
                next.push_back(Vec::new());
                rows = 0;
            }
            next.back_mut().into_iter().for_each(|stretch| stretch.push(at));
            rows = rows.saturating_add(group.num_rows());
        }
        Batches { source, next, begun: VecDeque::new() }
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.source.path
    }

    /// The next batch; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while self.begun.len() < STRETCHES
                && let Some(groups) = self.next.pop_front()
            {
                self.begun.push_back(begin(self.source.clone(), groups)?);
            }
            let Some(stretch) = self.begun.front() else { return Ok(None) };
            match stretch.recv() {
                Ok(Ok(None)) => drop(self.begun.pop_front()),
                Ok(batch) => return batch,
                // The thread ended without a word.
                Err(_) => return Err(damaged(&self.source.path)),
            }
        }
    }
}

/// Decodes some row groups on a thread, which ends when nobody wants its batches any more. `None` follows the last.
fn begin(source: Source, groups: Vec<usize>) -> Result<Receiver<Result<Option<RecordBatch>>>> {
    let (batches, receiver) = sync_channel(WAITING);
    let path = source.path.clone();
    let work = move || {
        let decoded = guarded(&source.path, || decode(&source, groups, &batches));
        let _ = batches.send(decoded.map(|()| None));
    };
    thread::Builder::new().name("msdata-decode".into()).spawn(work).map_err(Error::io("read", &path))?;
    Ok(receiver)
}

fn decode(source: &Source, groups: Vec<usize>, batches: &SyncSender<Result<Option<RecordBatch>>>) -> Result<()> {
    let file = Positioned(source.file.clone());
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, source.metadata.clone())
        .with_projection(source.columns.clone())
        .with_batch_size(source.batch_rows)
        .with_row_groups(groups);
    for batch in builder.build().map_err(Error::parquet(&source.path))? {
        let batch = batch.map_err(|e| Error::parquet(&source.path)(e.into()))?;
        if batches.send(Ok(Some(batch))).is_err() {
            break;
        }
    }
    Ok(())
}

/// A file for readers that each begin at a place of their own.
struct Positioned(Arc<File>);

/// A file from a place on. Threads may share the handle, because its own position plays no part.
pub(super) struct Onwards<F> {
    pub(super) file: F,
    pub(super) at: u64,
}

impl<F: Borrow<File>> Read for Onwards<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let n = std::os::unix::fs::FileExt::read_at(self.file.borrow(), bytes, self.at)?;
        #[cfg(windows)]
        let n = std::os::windows::fs::FileExt::seek_read(self.file.borrow(), bytes, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<Onwards<Arc<File>>>;

    fn get_read(&self, at: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(Onwards { file: self.0.clone(), at }))
    }

    fn get_bytes(&self, at: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // Lengths are not trusted: room is made for what there is.
        let there = self.len().saturating_sub(at);
        let mut bytes = Vec::with_capacity(length.min(usize::try_from(there).unwrap_or(length)));
        Onwards { file: self.0.clone(), at }.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {at} go beyond the end of the file")));
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    /// Numbers from 0 in row groups of 3,000.
    fn written(path: &Path, rows: i64) -> ArrowReaderMetadata {
        let column: ArrayRef = Arc::new((0..rows).collect::<Int64Array>());
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let properties =
            WriterProperties::builder().set_max_row_group_row_count(Some(3000)).set_dictionary_enabled(false).build();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        ArrowReaderMetadata::load(&File::open(path).unwrap(), Default::default()).unwrap()
    }

    fn read(path: &Path, metadata: ArrowReaderMetadata) -> (Vec<i64>, Option<Error>) {
        let file = Arc::new(File::open(path).unwrap());
        let columns = ProjectionMask::all();
        let mut batches = Batches::of(Source { path: path.to_owned(), file, metadata, columns, batch_rows: 700 });
        let mut numbers = Vec::new();
        loop {
            match batches.next() {
                Ok(Some(batch)) => numbers.extend(batch.column(0).as_primitive::<Int64Type>().values()),
                Ok(None) => return (numbers, None),
                Err(e) => return (numbers, Some(e)),
            }
        }
    }

    #[test]
    fn rows_come_in_the_order_of_the_file_and_damage_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.parquet");
        let (numbers, failed) = read(&path, written(&path, 0));
        assert!(numbers.is_empty() && failed.is_none());
        let metadata = written(&path, 50_000);
        assert!(metadata.metadata().num_row_groups() > 3 * STRETCHES);
        let (numbers, failed) = read(&path, metadata.clone());
        assert!(numbers.into_iter().eq(0..50_000) && failed.is_none());

        // The first page of the eleventh row group, in the fourth stretch, is gone.
        let (at, _) = metadata.metadata().row_group(10).column(0).byte_range();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at as usize..][..64].fill(0xFF);
        std::fs::write(&path, bytes).unwrap();
        let (numbers, failed) = read(&path, metadata);
        assert!(matches!(failed, Some(Error::Parquet { .. })), "{failed:?}");
        assert!((27_000..=30_000).contains(&numbers.len()), "{}", numbers.len());
        assert!(numbers.iter().copied().eq(0..numbers.len() as i64));
    }
}

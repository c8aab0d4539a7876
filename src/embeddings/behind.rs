//! A Parquet file that is written on a thread of its own: batches are encoded while the next are gathered.

use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// A file being written.
pub(super) struct Behind<W: Write + Send + 'static> {
    path: PathBuf,
    /// `None` once it has ended.
    thread: Option<Thread<W>>,
}

/// It ends after the last batch, or with its first failure.
struct Thread<W: Write + Send + 'static> {
    batches: SyncSender<RecordBatch>,
    handle: JoinHandle<Result<ArrowWriter<W>>>,
}

impl<W: Write + Send + 'static> Behind<W> {
    /// Begins to write to the file at `path`, whose name is for errors alone.
    ///
    /// # Errors
    /// There can be no further thread.
    pub(super) fn begin(path: &Path, mut writer: ArrowWriter<W>) -> Result<Behind<W>> {
        // A batch is handed over, and does not wait: two are in memory.
        let (batches, next) = sync_channel::<RecordBatch>(0);
        let of = path.to_owned();
        let write = move || {
            next.into_iter().try_for_each(|batch| writer.write(&batch).map_err(Error::parquet(&of)))?;
            Ok(writer)
        };
        let handle = thread::Builder::new().name("msdata-write".into()).spawn(write).map_err(Error::io("write", path))?;
        Ok(Behind { path: path.to_owned(), thread: Some(Thread { batches, handle }) })
    }

    /// Writes a batch, sooner or later.
    ///
    /// # Errors
    /// This batch or one before it cannot be written.
    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let taken = self.thread.as_ref().is_some_and(|thread| thread.batches.send(batch).is_ok());
        // A thread that takes no more batches has failed, and says how.
        if taken { Ok(()) } else { self.end().and(Err(self.closed())) }
    }

    /// Waits until all is written; what the batches were written to.
    ///
    /// # Errors
    /// A batch or the end of the file cannot be written.
    pub(super) fn finish(mut self) -> Result<W> {
        self.end()?.into_inner().map_err(Error::parquet(&self.path))
    }

    fn end(&mut self) -> Result<ArrowWriter<W>> {
        let Thread { batches, handle } = self.thread.take().ok_or_else(|| self.closed())?;
        drop(batches);
        handle.join().unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn closed(&self) -> Error {
        Error::io("write", &self.path)(io::Error::other("writing it failed before"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use std::sync::Arc;

    /// A file that takes so many bytes.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch() -> RecordBatch {
        let column: ArrayRef = Arc::new((0..100_000).collect::<Int64Array>());
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    fn begin(room: usize) -> Behind<Full> {
        let writer = ArrowWriter::try_new(Full(room), batch().schema(), None).unwrap();
        Behind::begin(Path::new("file"), writer).unwrap()
    }

    #[test]
    fn a_failure_is_told_once_it_is_known_and_never_lost() {
        let mut all = begin(1 << 30);
        (0..3).for_each(|_| all.write(batch()).unwrap());
        assert!(all.finish().unwrap().0 < (1 << 30) - 300_000);

        let mut full = begin(1000);
        let failed = (0..100).find_map(|_| full.write(batch()).err()).expect("a later batch tells it");
        assert!(failed.to_string().contains("file"), "{failed}");
        assert!(full.write(batch()).is_err() && full.finish().is_err(), "what failed stays failed");
        // The end alone, if nothing came after.
        assert!(begin(1000).finish().is_ok());
        let mut last = begin(1000);
        last.write(batch()).unwrap();
        assert!(last.finish().is_err());
    }
}

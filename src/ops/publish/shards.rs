//! Parquet files of limited size that together are one table.

use crate::error::{Error, Result};
use crate::table::parquet::{Footer, writer_properties};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::EnabledStatistics;
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The column of images.
pub const IMAGE: &str = "image";

/// Bytes of images after which a new file begins.
const SHARD_BYTES: usize = 400 << 20;

/// A table being written into one file or several.
pub struct Shards {
    dir: PathBuf,
    name: String,
    numbered: bool,
    files: u32,
    bytes: usize,
    writer: Option<(ArrowWriter<Footer<File>>, PathBuf)>,
}

impl Shards {
    /// Begins the table `name`, in `dir`, of numbered files.
    pub fn numbered(dir: &Path, name: &str) -> Shards {
        Shards { dir: dir.to_owned(), name: name.to_owned(), numbered: true, files: 0, bytes: 0, writer: None }
    }

    /// Begins the table `name`, in `dir`, of one file.
    pub fn single(dir: &Path, name: &str) -> Shards {
        Shards { numbered: false, ..Shards::numbered(dir, name) }
    }

    /// Writes columns of equal length; `true` means that the column may hold nulls.
    pub fn columns(&mut self, columns: Vec<(&str, ArrayRef, bool)>, bytes: usize) -> Result<()> {
        let dir = self.dir.clone();
        let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| Error::parquet(&dir)(e.into()))?;
        self.batch(&batch, bytes)
    }

    /// Writes rows that hold so many bytes of images, as one row group.
    pub fn batch(&mut self, batch: &RecordBatch, bytes: usize) -> Result<()> {
        if self.numbered && self.bytes > 0 && self.bytes + bytes > SHARD_BYTES {
            self.close()?;
        }
        let (writer, path) = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = match self.numbered {
                    true => format!("{}-{:05}.parquet", self.name, self.files),
                    false => format!("{}.parquet", self.name),
                };
                (self.files, self.bytes) = (self.files + 1, 0);
                let path = self.dir.join(file);
                none.insert((begin(&path, batch.schema())?, path))
            }
        };
        writer.write(batch).map_err(Error::parquet(path))?;
        if bytes > 0 {
            writer.flush().map_err(Error::parquet(path))?;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Completes the last file.
    pub fn finish(mut self) -> Result<()> {
        self.close()
    }

    fn close(&mut self) -> Result<()> {
        let Some((writer, path)) = self.writer.take() else { return Ok(()) };
        let file = writer.into_inner().map_err(Error::parquet(&path))?;
        file.finish().and_then(|file| file.sync_all()).map_err(Error::io("write", &path))
    }
}

/// Images are compressed already: their bytes are written as they are, without a dictionary or statistics.
fn begin(path: &Path, schema: SchemaRef) -> Result<ArrowWriter<Footer<File>>> {
    let file = File::create(path).map_err(Error::io("write", path))?;
    let bytes = ColumnPath::new(vec![IMAGE.to_owned(), "bytes".to_owned()]);
    let properties = writer_properties()
        .set_column_compression(bytes.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(bytes.clone(), false)
        .set_column_statistics_enabled(bytes, EnabledStatistics::None);
    ArrowWriter::try_new(Footer::new(file), schema, Some(properties.build())).map_err(Error::parquet(path))
}

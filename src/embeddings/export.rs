//! Exported tables: the embeddings format outwards.

use super::behind::Behind;
use super::columns::*;
use super::part::row_group_rows;
use crate::catalog::{EncoderRow, VectorKey};
use crate::error::{Error, Result};
use crate::table::parquet::{Footer, writer_properties};
use crate::vocabulary::{RegionSetName, VectorKind};
use arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int32Array, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of vectors held before they are written.
const BUFFERED_BYTES: usize = 8 << 20;

/// A column of texts, some perhaps null.
pub fn text_column<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut column = StringBuilder::new();
    values.for_each(|v| column.append_option(v));
    Arc::new(column.finish())
}

/// One exported file of vectors.
pub struct ExportWriter {
    writer: Behind<Footer<File>>,
    path: PathBuf,
    schema: SchemaRef,
    encoder: String,
    dimension: usize,
    vectors: Vec<f32>,
    keys: Vec<VectorKey>,
    regions: bool,
}

impl ExportWriter {
    /// Begins the file at `path` for an encoder's vectors of images and prompts.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path, encoder: &str, fingerprint: &str, provenance: &str, dimension: usize) -> Result<ExportWriter> {
        ExportWriter::begin(path, (encoder, fingerprint), provenance, dimension, false)
    }

    /// Begins the file at `path` for an encoder's vectors of images, prompts and, with `regions`, regions.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn of(path: &Path, encoder: &EncoderRow, provenance: &str, regions: bool) -> Result<ExportWriter> {
        let EncoderRow { name, fingerprint, dimension, .. } = encoder;
        ExportWriter::begin(path, (name.as_str(), fingerprint), provenance, *dimension, regions)
    }

    fn begin(
        path: &Path,
        (encoder, fingerprint): (&str, &str),
        provenance: &str,
        dimension: usize,
        regions: bool,
    ) -> Result<ExportWriter> {
        let file = File::create(path).map_err(Error::io("write", path))?;
        let embedding = ColumnPath::new(vec![EMBEDDING.into(), "list".into(), "element".into()]);
        let properties = writer_properties()
            .set_column_dictionary_enabled(embedding, false)
            .set_max_row_group_row_count(Some(row_group_rows(dimension)))
            .set_key_value_metadata(Some(vec![
                KeyValue::new(FINGERPRINT.to_owned(), fingerprint.to_owned()),
                KeyValue::new(PROVENANCE.to_owned(), provenance.to_owned()),
            ]))
            .build();
        let schema = export_schema(dimension, regions);
        let writer = ArrowWriter::try_new(Footer::new(file), schema.clone(), Some(properties)).map_err(Error::parquet(path))?;
        let writer = Behind::begin(path, writer)?;
        Ok(ExportWriter {
            writer,
            path: path.to_owned(),
            schema,
            encoder: encoder.to_owned(),
            dimension,
            vectors: vec![],
            keys: vec![],
            regions,
        })
    }

    /// Adds a vector.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, key: VectorKey, vector: &[f32]) -> Result<()> {
        self.vectors.extend_from_slice(vector);
        self.keys.push(key);
        if self.vectors.len() * 4 >= BUFFERED_BYTES { self.flush() } else { Ok(()) }
    }

    /// Completes the file and makes it durable.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let file = self.writer.finish()?;
        file.finish().and_then(|file| file.sync_all()).map_err(Error::io("write", &self.path))
    }

    fn flush(&mut self) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let n = self.keys.len();
        let (mut index, mut seed) = (Int32Builder::with_capacity(n), Int64Builder::with_capacity(n));
        // The columns of a region's image are those of the region.
        let images: Vec<&VectorKey> =
            self.keys.iter().map(|key| if let VectorKey::Region(image, ..) = key { image } else { key }).collect();
        for key in &images {
            index.append_option(if let VectorKey::Reference(_, i) = key { Some(*i) } else { None });
            seed.append_option(if let VectorKey::Generation(_, _, s) = key { Some(*s) } else { None });
        }
        let keys = &self.keys;
        let kind = |key: &VectorKey| match key {
            VectorKey::Reference(..) => VectorKind::Reference,
            VectorKey::Generation(..) => VectorKind::Generation,
            VectorKey::Prompt(_) => VectorKind::Prompt,
            VectorKey::Region(..) => VectorKind::Region,
        };
        let values = Float32Array::from(std::mem::take(&mut self.vectors));
        let vectors = FixedSizeListArray::try_new(element(), self.dimension as i32, Arc::new(values), None)
            .map_err(|e| Error::parquet(&self.path)(e.into()))?;
        let mut columns: Vec<ArrayRef> = vec![
            text_column(keys.iter().map(|_| Some(self.encoder.as_str()))),
            text_column(keys.iter().map(|k| Some(kind(k).as_str()))),
            text_column(images.iter().map(|k| if let VectorKey::Reference(s, _) = k { Some(s.as_str()) } else { None })),
            Arc::new(index.finish()),
            text_column(images.iter().map(|k| if let VectorKey::Generation(m, ..) = k { Some(m.as_str()) } else { None })),
            text_column(images.iter().map(|k| match k {
                VectorKey::Generation(_, p, _) | VectorKey::Prompt(p) => Some(p.as_str()),
                VectorKey::Reference(..) | VectorKey::Region(..) => None,
            })),
            Arc::new(seed.finish()),
        ];
        if self.regions {
            let region =
                |key: &'_ VectorKey| if let VectorKey::Region(_, set, at) = key { Some((set.clone(), *at as i32)) } else { None };
            let regions: Vec<Option<(RegionSetName, i32)>> = keys.iter().map(region).collect();
            columns.push(text_column(regions.iter().map(|r| r.as_ref().map(|(set, _)| set.as_str()))));
            columns.push(Arc::new(Int32Array::from_iter(regions.iter().map(|r| r.as_ref().map(|(_, at)| *at)))));
        }
        columns.push(Arc::new(vectors));
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| Error::parquet(&self.path)(e.into()))?;
        self.keys.clear();
        self.writer.write(batch)
    }
}

//! What an export leaves out of region sets: which images they have looked at, and the vectors of references that they use
//! whole.

use super::shards::Shards;
use crate::catalog::{KeyedVector, RegionImageRow, RegionOwner, VectorKey};
use crate::dataset::Dataset;
use crate::durable::make_directory;
use crate::embeddings::{ExportWriter, text_column};
use crate::error::Result;
use crate::layout::PUBLISHED_WHOLE;
use crate::vocabulary::{Provenance, RegionSetName};
use crate::watch::Watch;
use arrow::array::{Int32Array, Int64Array};
use std::path::Path;
use std::sync::Arc;

/// Rows at a time.
const BATCH: usize = 65_536;

/// Bytes of vectors read at a time.
const GATHER_BYTES: usize = 32 << 20;

/// Writes which images the region sets have looked at, and the vectors of the references that they use whole.
pub fn write(data: &Dataset, tables: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let sets = data.catalog.region_sets()?;
    if sets.is_empty() {
        return Ok(());
    }
    let mut table = Shards::single(tables, "region_images");
    for set in &sets {
        let mut rows = Vec::new();
        data.catalog.each_region_image(set.id, |row| {
            rows.push(row);
            if rows.len() < BATCH {
                return Ok(());
            }
            watch.check()?;
            let written = region_image_rows(&mut table, &set.name, &rows);
            rows.clear();
            written
        })?;
        region_image_rows(&mut table, &set.name, &rows)?;
    }
    table.finish()?;
    for encoder in data.catalog.encoders()? {
        let mut vectors = Vec::new();
        for set in &sets {
            for (subject, index, place) in data.catalog.whole_reference_vectors(set.id, encoder.id)? {
                let key = VectorKey::Region(Box::new(VectorKey::Reference(subject, index)), set.name.clone(), 0);
                vectors.push(KeyedVector { key, place });
            }
        }
        if vectors.is_empty() {
            continue;
        }
        let dir = tables.join(PUBLISHED_WHOLE).join(encoder.name.as_str());
        make_directory(&dir)?;
        let provenance = Provenance::Computed.as_str();
        let mut writer = ExportWriter::of(&dir.join("part-0001.parquet"), &encoder, provenance, true)?;
        for block in vectors.chunks((GATHER_BYTES / (4 * encoder.dimension)).max(1)) {
            watch.check()?;
            let places: Vec<_> = block.iter().map(|v| v.place).collect();
            let gathered = data.store.gather(&places, encoder.dimension)?;
            for (keyed, vector) in block.iter().zip(gathered.chunks_exact(encoder.dimension)) {
                writer.push(keyed.key.clone(), vector)?;
            }
        }
        writer.finish()?;
    }
    Ok(())
}

fn region_image_rows(table: &mut Shards, set: &RegionSetName, rows: &[RegionImageRow]) -> Result<()> {
    let reference = |row: &RegionImageRow| match &row.owner {
        RegionOwner::Reference(subject, index) => Some((subject.to_string(), *index)),
        RegionOwner::Generation(..) => None,
    };
    let generation = |row: &RegionImageRow| match &row.owner {
        RegionOwner::Generation(model, prompt, seed) => Some((model.to_string(), prompt.to_string(), *seed)),
        RegionOwner::Reference(..) => None,
    };
    let references: Vec<_> = rows.iter().map(reference).collect();
    let generations: Vec<_> = rows.iter().map(generation).collect();
    let kind = |row: &RegionImageRow| if matches!(row.owner, RegionOwner::Reference(..)) { "reference" } else { "generation" };
    let sources: Vec<Option<String>> =
        rows.iter().map(|row| row.source.map(|source| blake3::Hash::from(source).to_hex().to_string())).collect();
    let files: Vec<Option<String>> =
        rows.iter().map(|row| row.file.as_ref().map(|(.., content)| blake3::Hash::from(*content).to_hex().to_string())).collect();
    table.columns(
        vec![
            ("region_set", text_column(rows.iter().map(|_| Some(set.as_str()))), false),
            ("kind", text_column(rows.iter().map(|row| Some(kind(row)))), false),
            ("subject_id", text_column(references.iter().map(|r| r.as_ref().map(|(s, _)| s.as_str()))), true),
            ("reference_index", Arc::new(Int32Array::from_iter(references.iter().map(|r| r.as_ref().map(|r| r.1)))), true),
            ("model", text_column(generations.iter().map(|g| g.as_ref().map(|(m, ..)| m.as_str()))), true),
            ("prompt_id", text_column(generations.iter().map(|g| g.as_ref().map(|(_, p, _)| p.as_str()))), true),
            ("seed", Arc::new(Int64Array::from_iter(generations.iter().map(|g| g.as_ref().map(|g| g.2)))), true),
            ("regions", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.regions as i32))), false),
            ("file", text_column(rows.iter().map(|row| row.file.as_ref().map(|(name, ..)| name.as_str()))), true),
            ("format", text_column(rows.iter().map(|row| row.file.as_ref().map(|(_, format, _)| format.as_str()))), true),
            ("file_blake3", text_column(files.iter().map(Option::as_deref)), true),
            ("blake3", text_column(sources.iter().map(Option::as_deref)), true),
        ],
        0,
    )
}

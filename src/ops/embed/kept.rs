//! Windows' vectors that are kept while they find room, so that a new reference costs no new pass over the images.

use crate::catalog::{Catalog, Changes, EncoderRow, PartRow, VectorPlace, WindowScore};
use crate::dataset::commit;
use crate::embeddings::{KeptWindows, Layout, Store, WindowWriter};
use crate::error::Result;
use crate::ops::embed::comparison::Comparison;
use crate::vocabulary::Provenance;
use crate::watch::Watch;
use crate::windows::{Pattern, Rectangle};
use rayon::prelude::*;

/// Bytes of windows on the stage that are written as one part.
const PART_BYTES: u64 = 32 << 20;

/// Bytes of windows, as they are kept, that are compared at a time.
const BLOCK_BYTES: u64 = 16 << 20;

/// The layout of an encoder's kept windows.
pub fn layout(row: &EncoderRow, pattern: Pattern) -> Layout {
    Layout { windows: pattern.count(), dimension: row.dimension }
}

/// Keeps the windows of an encoder's images.
pub struct Keeper {
    encoder: i64,
    layout: Layout,
    /// Bytes that are still to be had.
    room: u64,
    staged: u64,
    /// Images whose windows found no room, although some may be kept.
    pub refused: u64,
    keeps: bool,
}

impl Keeper {
    /// One that keeps to the room that the user gave.
    pub fn of(catalog: &Catalog, row: &EncoderRow, pattern: Pattern) -> Result<Keeper> {
        let layout = layout(row, pattern);
        // Dense windows are exact and cost one pass an image: they are not kept.
        let limit = if pattern == Pattern::Dense { 0 } else { catalog.keep_bytes()? };
        let room = limit.saturating_sub(catalog.kept_bytes()?);
        let staged = catalog.staged_windows(row.id)? * layout.bytes();
        Ok(Keeper { encoder: row.id, layout, room, staged, refused: 0, keeps: limit > 0 })
    }

    /// Keeps the windows of an image, together with the other changes; if there is room.
    pub fn keep(&mut self, changes: &Changes<'_>, source: &[u8; 32], squares: &[Rectangle], vectors: &[f32]) -> Result<()> {
        let bytes = self.layout.bytes();
        if bytes > self.room || squares.len() != self.layout.windows {
            self.refused += u64::from(self.keeps);
            return Ok(());
        }
        let (squares, vectors) = KeptWindows::to_bytes(squares, vectors);
        changes.stage_windows(self.encoder, source, &squares, &vectors)?;
        self.room -= bytes;
        self.staged += bytes;
        Ok(())
    }

    /// Writes what is staged as a part, if that is worth one.
    pub fn flush_if_full(&mut self, catalog: &mut Catalog, store: &Store) -> Result<()> {
        if self.staged >= PART_BYTES { self.flush(catalog, store) } else { Ok(()) }
    }

    /// Writes what is staged as a part.
    pub fn flush(&mut self, catalog: &mut Catalog, store: &Store) -> Result<()> {
        self.staged = 0;
        if catalog.staged_windows(self.encoder)? == 0 {
            return Ok(());
        }
        let changes = catalog.begin()?;
        let part = changes.next_window_part()?;
        let mut writer: Option<WindowWriter> = None;
        let mut images = Vec::new();
        changes.unstage_windows(self.encoder, |source, squares, vectors| {
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(store.begin_windows(part, self.layout)?),
            };
            images.push((*source, writer.push(source, squares, vectors)?));
            Ok(())
        })?;
        if let Some(writer) = writer {
            let finished = writer.finish()?;
            store.windows().publish(part, &finished)?;
            let (rows, bytes, blake3) = (finished.rows, finished.bytes, finished.blake3);
            let row = PartRow { id: part, encoder: self.encoder, provenance: Provenance::Computed, rows, bytes, blake3 };
            changes.put_window_part(&row, &images)?;
        }
        commit(changes, store)
    }
}

/// Compares the images whose windows are kept with the pool, where that is not done; how many. No network runs.
pub fn compare_kept(
    catalog: &mut Catalog,
    store: &Store,
    row: &EncoderRow,
    pattern: Pattern,
    watch: &mut Watch<'_>,
) -> Result<u64> {
    Keeper::of(catalog, row, pattern)?.flush(catalog, store)?; // what a killed run left on the stage
    let total = catalog.count_to_compare(row.id)?;
    if total == 0 {
        return Ok(0);
    }
    let Some(comparison) = Comparison::read(catalog, store, row, pattern)? else { return Ok(0) };
    let layout = layout(row, pattern);
    let limit = (BLOCK_BYTES / layout.bytes()).max(1) as usize;
    let (mut after, mut done) = (VectorPlace { part: 0, row: 0 }, 0);
    loop {
        watch.check()?;
        let mut block = catalog.windows_to_compare(row.id, after, limit)?;
        let Some(first) = block.first().copied() else { return Ok(done) };
        block.retain(|kept| kept.place.part == first.place.part);
        let rows: Vec<u32> = block.iter().map(|kept| kept.place.row).collect();
        let images = store.open_windows_checked(first.place.part, layout)?.read(&rows)?;
        let mut generations = Vec::with_capacity(images.len());
        for image in &images {
            generations.push(catalog.generations_to_look_through(row.id, &image.source)?);
        }
        let scores: Vec<WindowScore> = images
            .par_iter()
            .zip(generations)
            .flat_map_iter(|(image, generations)| comparison.scores(&generations, &image.squares, &image.vectors))
            .collect();
        let changes = catalog.begin()?;
        for score in &scores {
            changes.put_window_score(row.id, score)?;
        }
        changes.commit()?;
        done += images.len() as u64;
        after = block.last().map_or(after, |kept| kept.place);
        watch.report("comparing kept windows", done, Some(total));
    }
}

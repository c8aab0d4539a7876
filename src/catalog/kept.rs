//! Windows' vectors that are kept: where they lie, by the content of the image that they are of.

use super::vectors::{PartIds, PartRow, VectorPlace};
use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::vocabulary::Provenance;
use rusqlite::params;

/// Where the windows' vectors of an image lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptPlace {
    /// BLAKE3 of the image's file.
    pub source: [u8; 32],
    /// The part of windows, and the row in it.
    pub place: VectorPlace,
}

/// An image with kept windows `v` that some generation with it was not compared in, by encoder ?1.
const TO_COMPARE: &str = "
    FROM window_vector v WHERE v.encoder = ?1 AND EXISTS (
        SELECT 1 FROM image i JOIN generation g ON g.image = i.id
        WHERE i.blake3 = v.source AND i.status = 'ok'
          AND NOT EXISTS (SELECT 1 FROM window_score s WHERE s.generation = g.id AND s.encoder = ?1))";

fn kept_place(r: &rusqlite::Row<'_>) -> rusqlite::Result<KeptPlace> {
    Ok(KeptPlace { source: r.get(0)?, place: VectorPlace { part: r.get(1)?, row: r.get(2)? } })
}

impl Catalog {
    /// Returns how many bytes the kept window vectors may take.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn keep_bytes(&self) -> Result<u64> {
        self.db
            .query_row("SELECT keep_bytes FROM window_choice", [], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("read how many windows are kept"))
    }

    /// Returns how many bytes the kept window vectors take, including those staged for a part.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn kept_bytes(&self) -> Result<u64> {
        self.db
            .query_row(
                "SELECT (SELECT coalesce(sum(bytes), 0) FROM window_part)
                      + (SELECT coalesce(sum(length(squares) + length(vectors)), 0) FROM staged_window_vector)",
                [],
                |r| r.get::<_, i64>(0),
            )
            .map(|n| n as u64)
            .map_err(catalog("measure kept windows"))
    }

    /// Returns every registered part of windows, in order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn window_parts(&self) -> Result<Vec<PartRow>> {
        self.db
            .prepare_cached("SELECT id, encoder, rows, bytes, blake3 FROM window_part ORDER BY id")
            .and_then(|mut q| {
                q.query_map([], |r| {
                    Ok(PartRow {
                        id: r.get(0)?,
                        encoder: r.get(1)?,
                        provenance: Provenance::Computed,
                        rows: r.get::<_, i64>(2)? as u64,
                        bytes: r.get::<_, i64>(3)? as u64,
                        blake3: r.get(4)?,
                    })
                })?
                .collect()
            })
            .map_err(catalog("read parts of windows"))
    }

    /// Returns every registered part by its id.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn part_ids(&self) -> Result<PartIds> {
        let ids = |parts: Vec<PartRow>| parts.into_iter().map(|part| part.id).collect();
        Ok(PartIds { vectors: ids(self.parts()?), windows: ids(self.window_parts()?) })
    }

    /// Returns how many images have windows of an encoder staged for a part.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn staged_windows(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row("SELECT count(*) FROM staged_window_vector WHERE encoder = ?1", [encoder], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count staged windows"))
    }

    /// Returns how many images have kept windows that were not compared with the current pool.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn count_to_compare(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row(&format!("SELECT count(*) {TO_COMPARE}"), [encoder], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count kept windows"))
    }

    /// These images, in the order in which their windows lie, after a place, `limit` at most.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn windows_to_compare(&self, encoder: i64, after: VectorPlace, limit: usize) -> Result<Vec<KeptPlace>> {
        self.db
            .prepare_cached(&format!(
                "SELECT v.source, v.part, v.row {TO_COMPARE} AND (v.part, v.row) > (?2, ?3) ORDER BY v.part, v.row LIMIT ?4"
            ))
            .and_then(|mut q| q.query_map(params![encoder, after.part, after.row, limit as i64], kept_place)?.collect())
            .map_err(catalog("read kept windows"))
    }

    /// Returns the images whose windows lie in a part, by row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn windows_in(&self, part: i64) -> Result<Vec<KeptPlace>> {
        self.db
            .prepare_cached("SELECT source, part, row FROM window_vector WHERE part = ?1 ORDER BY row")
            .and_then(|mut q| q.query_map([part], kept_place)?.collect())
            .map_err(catalog("read kept windows"))
    }
}

impl Changes<'_> {
    /// Sets how many bytes kept windows may take.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_keep_bytes(&self, bytes: u64) -> Result<()> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.tx
            .execute("UPDATE window_choice SET keep_bytes = ?1 WHERE keep_bytes <> ?1", [bytes])
            .map(drop)
            .map_err(catalog("choose how many windows are kept"))
    }

    /// Takes kept windows out, the last kept first, until they take no more than `bytes`; of how many images. Their parts
    /// are unused then: see [`Changes::drop_unused_parts`].
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn keep_windows_within(&self, bytes: u64) -> Result<u64> {
        let act = "take kept windows out";
        let number = |sql: &str| self.tx.query_row(sql, [], |r| r.get::<_, i64>(0)).map(|n| n as u64).map_err(catalog(act));
        let mut total = number("SELECT coalesce(sum(bytes), 0) FROM window_part")?;
        let staged = number("SELECT coalesce(sum(length(squares) + length(vectors)), 0) FROM staged_window_vector")?;
        let mut images = 0;
        if total + staged > bytes {
            images += self.tx.execute("DELETE FROM staged_window_vector", []).map_err(catalog(act))? as u64;
        }
        let parts: Vec<(i64, i64)> = self
            .tx
            .prepare("SELECT id, bytes FROM window_part ORDER BY id DESC")
            .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(catalog(act))?;
        for (part, size) in parts {
            if total <= bytes {
                break;
            }
            images += self.execute("DELETE FROM window_vector WHERE part = ?1", part)?;
            total -= size as u64;
        }
        Ok(images)
    }

    /// Stages an image's windows for a part, as bytes.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn stage_windows(&self, encoder: i64, source: &[u8; 32], squares: &[u8], vectors: &[u8]) -> Result<()> {
        self.tx
            .prepare_cached(
                "INSERT OR REPLACE INTO staged_window_vector (source, encoder, squares, vectors) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut q| q.execute(params![source, encoder, squares, vectors]))
            .map(drop)
            .map_err(catalog("stage windows"))
    }

    /// Takes every image's windows of an encoder off their way into a part: source, squares and vectors, in the order of
    /// the source, so that what lies in a part does not depend on who came first.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn unstage_windows(&self, encoder: i64, mut each: impl FnMut(&[u8; 32], &[u8], &[u8]) -> Result<()>) -> Result<()> {
        let act = "take windows off the stage";
        let mut read = self
            .tx
            .prepare_cached("SELECT source, squares, vectors FROM staged_window_vector WHERE encoder = ?1 ORDER BY source")
            .map_err(catalog(act))?;
        let mut rows = read.query([encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let bytes = |column| r.get_ref(column).and_then(|value| Ok(value.as_blob()?)).map_err(catalog(act));
            each(&r.get(0).map_err(catalog(act))?, bytes(1)?, bytes(2)?)?;
        }
        self.tx.execute("DELETE FROM staged_window_vector WHERE encoder = ?1", [encoder]).map(drop).map_err(catalog(act))
    }

    /// Returns the number of the next part of windows; numbers are never reused.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn next_window_part(&self) -> Result<i64> {
        self.tx
            .query_row("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'window_part'), 0) + 1", [], |r| r.get(0))
            .map_err(catalog("number a part"))
    }

    /// Registers a part of windows whose file is already safe on disk, and the images in it, each with its row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_window_part(&self, part: &PartRow, images: &[([u8; 32], u32)]) -> Result<()> {
        let act = "register a part of windows";
        self.tx
            .execute(
                "INSERT INTO window_part (id, encoder, rows, bytes, blake3) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![part.id, part.encoder, part.rows as i64, part.bytes as i64, part.blake3],
            )
            .map_err(catalog(act))?;
        let mut put = self
            .tx
            .prepare_cached("INSERT OR REPLACE INTO window_vector (source, encoder, part, row) VALUES (?1, ?2, ?3, ?4)")
            .map_err(catalog(act))?;
        images
            .iter()
            .try_for_each(|(source, row)| put.execute(params![source, part.encoder, part.id, row]).map(drop))
            .map_err(catalog(act))
    }

    /// Takes out a part of windows and what lies in it; of how many images. The scores that it gave stay.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_window_part(&self, part: i64) -> Result<u64> {
        let images = self.execute("DELETE FROM window_vector WHERE part = ?1", part)?;
        self.execute("DELETE FROM window_part WHERE id = ?1", part)?;
        Ok(images)
    }

    /// Removes whatever was kept of an image's windows, wherever it is.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_windows(&self, encoder: i64, source: &[u8; 32]) -> Result<()> {
        for table in ["window_vector", "staged_window_vector"] {
            self.tx
                .execute(&format!("DELETE FROM {table} WHERE source = ?1 AND encoder = ?2"), params![source, encoder])
                .map_err(catalog("take kept windows out"))?;
        }
        Ok(())
    }
}

//! What is to be embedded, and the stage: vectors that are finished but not yet in a part.

use super::vectors::Target;
use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::text::quote;
use crate::vocabulary::{EncoderName, ImageStatus};
use rusqlite::{OptionalExtension, params};
use std::path::PathBuf;

/// An image content without a vector of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTask {
    /// The first image with this content.
    pub image: i64,
    /// Its file.
    pub path: PathBuf,
    /// BLAKE3 of the bytes that are expected in it.
    pub source: [u8; 32],
}

/// A text without a vector of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptTask {
    /// The prompt.
    pub prompt: i64,
    /// Its text.
    pub text: String,
}

impl PromptTask {
    /// BLAKE3 of the text.
    pub fn source(&self) -> [u8; 32] {
        text_source(&self.text)
    }
}

/// Returns the BLAKE3 of a prompt's text, from which its vectors are made.
pub(super) fn text_source(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// A finished vector.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedVector {
    /// What it is a vector of.
    pub target: Target,
    /// BLAKE3 of the image bytes or the text it was made from.
    pub source: [u8; 32],
    /// For a text: whether it was cut.
    pub truncated: Option<bool>,
    /// The numbers.
    pub vector: Vec<f32>,
}

/// The first usable image of its content that has neither a fresh vector of encoder ?1, nor one on the
/// stage, nor a failure of the same content. SQLite checks in this order: most images have a vector, which lies beside that of
/// the image before, and contents come in no order.
const TO_EMBED: &str = "
    FROM image i WHERE i.status = 'ok' AND i.id > ?2
    AND NOT EXISTS (SELECT 1 FROM image_vector v WHERE v.encoder = ?1 AND v.image = i.id AND v.source = i.blake3)
    AND NOT EXISTS (SELECT 1 FROM image j INDEXED BY image_usable_by_content
                    WHERE j.blake3 = i.blake3 AND j.id < i.id AND j.status = 'ok')
    AND NOT EXISTS (SELECT 1 FROM staged_vector s WHERE s.encoder = ?1 AND s.image = i.id AND s.source = i.blake3)
    AND NOT EXISTS (SELECT 1 FROM embedding_failure f WHERE f.encoder = ?1 AND f.image = i.id AND f.source = i.blake3)";

/// Gives every usable image without a fresh vector of encoder ?1 that of the first image with the same content which
/// has one. Each content is looked up once, however many images have it.
const SHARE: &str = "INSERT INTO image_vector (encoder, image, part, row, source)
     WITH lacking AS MATERIALIZED (
         SELECT DISTINCT i.blake3 AS content FROM image i INDEXED BY image_usable_by_content
         WHERE i.status = 'ok' AND NOT EXISTS (
             SELECT 1 FROM image_vector w WHERE w.encoder = ?1 AND w.image = i.id AND w.source = i.blake3)),
     donor AS MATERIALIZED (
         SELECT c.content, min(j.id) AS image FROM lacking c
         CROSS JOIN image j INDEXED BY image_by_content ON j.blake3 = c.content
         CROSS JOIN image_vector v ON v.encoder = ?1 AND v.image = j.id AND v.source = j.blake3
         GROUP BY c.content)
     SELECT ?1, l.id, v.part, v.row, d.content FROM donor d
     CROSS JOIN image_vector v ON v.encoder = ?1 AND v.image = d.image
     CROSS JOIN image l INDEXED BY image_usable_by_content ON l.blake3 = d.content AND l.status = 'ok'
     WHERE NOT EXISTS (
         SELECT 1 FROM image_vector w WHERE w.encoder = ?1 AND w.image = l.id AND w.source = l.blake3)
     ON CONFLICT DO UPDATE SET part = excluded.part, row = excluded.row, source = excluded.source";

impl Catalog {
    /// Returns at most `limit` image contents to embed, in order, after an image.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn images_to_embed(&self, encoder: i64, after: i64, limit: usize) -> Result<Vec<ImageTask>> {
        self.db
            .prepare_cached(&format!("SELECT i.id, full_path(i.path), i.blake3 {TO_EMBED} ORDER BY i.id LIMIT ?3"))
            .and_then(|mut q| {
                q.query_map(params![encoder, after, limit as i64], |r| {
                    Ok(ImageTask { image: r.get(0)?, path: PathBuf::from(r.get::<_, String>(1)?), source: r.get(2)? })
                })?
                .collect()
            })
            .map_err(catalog("read what is to be embedded"))
    }

    /// Returns the first usable image with a content, if there still is one.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn first_of_content(&self, source: &[u8; 32]) -> Result<Option<ImageTask>> {
        self.db
            .prepare_cached(
                "SELECT id, full_path(path) FROM image INDEXED BY image_usable_by_content WHERE blake3 = ?1 AND status = 'ok'
                 ORDER BY id LIMIT 1",
            )
            .and_then(|mut q| {
                q.query_row([source], |r| {
                    Ok(ImageTask { image: r.get(0)?, path: PathBuf::from(r.get::<_, String>(1)?), source: *source })
                })
                .optional()
            })
            .map_err(catalog("read what is to be embedded"))
    }

    /// Returns how many image contents are to be embedded.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn count_to_embed(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row(&format!("SELECT count(*) {TO_EMBED}"), params![encoder, 0], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count what is to be embedded"))
    }

    /// Returns the prompts to embed: those without a vector of their current text, in a part or staged.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn prompts_to_embed(&self, encoder: i64) -> Result<Vec<PromptTask>> {
        let act = "read what is to be embedded";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT p.id, p.text, v.source, s.source FROM prompt p
                 LEFT JOIN prompt_vector v ON v.encoder = ?1 AND v.prompt = p.id
                 LEFT JOIN staged_vector s ON s.encoder = ?1 AND s.prompt = p.id
                 WHERE NOT EXISTS (SELECT 1 FROM prompt_failure f WHERE f.encoder = ?1 AND f.prompt = p.id) ORDER BY p.id",
            )
            .map_err(catalog(act))?;
        let mut rows = query.query([encoder]).map_err(catalog(act))?;
        let mut tasks = Vec::new();
        while let Some(r) = rows.next().map_err(catalog(act))? {
            tasks.extend(prompt_task(r).map_err(catalog(act))?);
        }
        Ok(tasks)
    }

    /// Returns how many images and prompts an encoder could not embed, and the first `limit` of them, each as a sentence.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn embedding_failures(&self, encoder: &EncoderName, limit: usize) -> Result<(u64, Vec<String>)> {
        let act = "read what could not be embedded";
        let count = self
            .db
            .query_row("SELECT count(*) FROM embedding_failures WHERE encoder = ?1", [encoder.as_str()], |r| r.get::<_, i64>(0))
            .map_err(catalog(act))?;
        let sentence = |r: &rusqlite::Row<'_>| {
            let text = |column: usize| r.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
            let what = match r.get_ref(0)?.as_str()? {
                "reference" => format!("reference {} of subject {}", r.get::<_, i64>(2)?, quote(&text(1)?)),
                "generation" => format!("generation {}", quote(&format!("{} {} {}", text(3)?, text(4)?, r.get::<_, i64>(5)?))),
                _ => format!("prompt {}", quote(&text(4)?)),
            };
            Ok(format!("{what}: {}", text(6)?))
        };
        let first = self
            .db
            .prepare_cached(
                "SELECT kind, subject_id, reference_index, model, prompt_id, seed, reason FROM embedding_failures
                 WHERE encoder = ?1 ORDER BY kind, subject_id, reference_index, model, prompt_id, seed LIMIT ?2",
            )
            .and_then(|mut q| q.query_map(params![encoder.as_str(), limit as i64], sentence)?.collect())
            .map_err(catalog(act))?;
        Ok((count as u64, first))
    }

    /// Returns the number of staged vectors of an encoder.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn staged(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row(
                "SELECT (SELECT count(*) FROM staged_vector WHERE encoder = ?1)
                      + (SELECT count(*) FROM staged_region_vector WHERE encoder = ?1)",
                [encoder],
                |r| r.get::<_, i64>(0),
            )
            .map(|n| n as u64)
            .map_err(catalog("count staged vectors"))
    }
}

impl Changes<'_> {
    /// Stages finished vectors.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn stage(&self, encoder: i64, vectors: &[StagedVector]) -> Result<()> {
        let act = "stage vectors";
        let mut put = self
            .tx
            .prepare_cached(
                "INSERT OR REPLACE INTO staged_vector (encoder, image, prompt, source, truncated, vector) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .map_err(catalog(act))?;
        let mut put_region = self
            .tx
            .prepare_cached(
                "INSERT OR REPLACE INTO staged_region_vector (encoder, region, source, vector) VALUES (?1, ?2, ?3, ?4)",
            )
            .map_err(catalog(act))?;
        for v in vectors {
            let bytes: Vec<u8> = v.vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            let no_id = None::<i64>;
            match v.target {
                Target::Image(id) => put.execute(params![encoder, id, no_id, v.source, v.truncated, bytes]),
                Target::Prompt(id) => put.execute(params![encoder, no_id, id, v.source, v.truncated, bytes]),
                Target::Region(id) => put_region.execute(params![encoder, id, v.source, bytes]),
            }
            .map_err(catalog(act))?;
        }
        Ok(())
    }

    /// Takes every vector of an encoder off the stage, in order; those whose image or text has changed since
    /// are dropped.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn unstage(&self, encoder: i64, mut each: impl FnMut(StagedVector) -> Result<()>) -> Result<()> {
        let act = "take vectors off the stage";
        let mut read = self
            .tx
            .prepare_cached(
                "SELECT s.image, s.prompt, s.source, s.truncated, s.vector, i.blake3, p.text FROM staged_vector s
                 LEFT JOIN image i ON i.id = s.image LEFT JOIN prompt p ON p.id = s.prompt
                 WHERE s.encoder = ?1 ORDER BY s.id",
            )
            .map_err(catalog(act))?;
        let mut rows = read.query([encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let (vector, now) = staged_vector(r).map_err(catalog(act))?;
            if now == Some(vector.source) {
                each(vector)?;
            }
        }
        // Triggers remove those whose region, image or crop has changed.
        let mut read = self
            .tx
            .prepare_cached("SELECT region, source, vector FROM staged_region_vector WHERE encoder = ?1 ORDER BY region")
            .map_err(catalog(act))?;
        let mut rows = read.query([encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let read = || -> rusqlite::Result<StagedVector> {
                let vector = floats(r.get_ref(2)?.as_blob()?);
                Ok(StagedVector { target: Target::Region(r.get(0)?), source: r.get(1)?, truncated: None, vector })
            };
            each(read().map_err(catalog(act))?)?;
        }
        for table in ["staged_vector", "staged_region_vector"] {
            self.tx.execute(&format!("DELETE FROM {table} WHERE encoder = ?1"), [encoder]).map_err(catalog(act))?;
        }
        Ok(())
    }

    /// Gives images whose content already has a vector of an encoder that same vector; returns how many.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn share_vectors(&self, encoder: i64) -> Result<u64> {
        self.tx.prepare_cached(SHARE).and_then(|mut q| q.execute([encoder])).map(|n| n as u64).map_err(catalog("share vectors"))
    }

    /// Records that an image's bytes cannot be used as an image at all, wherever they are.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_unusable(&self, source: &[u8; 32], status: ImageStatus, reason: &str) -> Result<()> {
        self.tx
            .prepare_cached("UPDATE image SET status = ?2, reason = ?3 WHERE blake3 = ?1 AND status = 'ok'")
            .and_then(|mut q| q.execute(params![source, status.as_str(), reason]))
            .map_err(catalog("record an image"))?;
        Ok(())
    }

    /// Forgets what an image's file held: its bytes are no longer those that were read. What was made from those no
    /// longer counts, and the next scan reads the file again, whatever its size and time.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_content(&self, image: i64) -> Result<()> {
        self.tx
            .prepare_cached(
                "UPDATE image SET status = 'pending', reason = NULL, bytes = NULL, mtime_ns = NULL, blake3 = NULL,
                                  format = NULL, width = NULL, height = NULL WHERE id = ?1",
            )
            .and_then(|mut q| q.execute([image]))
            .map_err(catalog("record an image"))?;
        Ok(())
    }

    /// Records that an encoder could not embed an image that can be read.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_failure(&self, encoder: i64, image: i64, source: &[u8; 32], reason: &str) -> Result<()> {
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO embedding_failure (encoder, image, source, reason) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut q| q.execute(params![encoder, image, source, reason]))
            .map_err(catalog("record a failure"))?;
        Ok(())
    }

    /// Records that an encoder could not embed a prompt's text.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_prompt_failure(&self, encoder: i64, prompt: i64, reason: &str) -> Result<()> {
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO prompt_failure (encoder, prompt, reason) VALUES (?1, ?2, ?3)")
            .and_then(|mut q| q.execute(params![encoder, prompt, reason]))
            .map_err(catalog("record a failure"))?;
        Ok(())
    }

    /// Forgets every failure, so that each image and prompt is tried again.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_failures(&self) -> Result<()> {
        self.tx
            .execute_batch(
                "DELETE FROM embedding_failure;
                 DELETE FROM region_failure;
                 DELETE FROM window_failure;
                 DELETE FROM prompt_failure;
                 UPDATE image SET status = 'pending', reason = NULL WHERE status IN ('missing', 'unreadable', 'oversized');",
            )
            .map_err(catalog("forget failures"))
    }

    /// Removes every vector and score of an encoder, because its model has changed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn clear_encoder(&self, encoder: i64) -> Result<()> {
        for sql in [
            "DELETE FROM image_vector WHERE encoder = ?1",
            "DELETE FROM prompt_vector WHERE encoder = ?1",
            "DELETE FROM staged_vector WHERE encoder = ?1",
            "DELETE FROM embedding_failure WHERE encoder = ?1",
            "DELETE FROM region_score WHERE encoder = ?1",
            "DELETE FROM region_vector WHERE encoder = ?1",
            "DELETE FROM staged_region_vector WHERE encoder = ?1",
            "DELETE FROM region_failure WHERE encoder = ?1",
            "DELETE FROM window_score WHERE encoder = ?1",
            "DELETE FROM window_failure WHERE encoder = ?1",
            "DELETE FROM dense_reference WHERE encoder = ?1",
            "DELETE FROM prompt_failure WHERE encoder = ?1",
        ] {
            self.tx.execute(sql, [encoder]).map_err(catalog("remove vectors"))?;
        }
        Ok(())
    }
}

/// Returns a prompt that is to be embedded; `None` if there is a vector of its text.
fn prompt_task(r: &rusqlite::Row<'_>) -> rusqlite::Result<Option<PromptTask>> {
    let source = text_source(r.get_ref(1)?.as_str()?);
    if [r.get(2)?, r.get::<_, Option<[u8; 32]>>(3)?].contains(&Some(source)) {
        return Ok(None);
    }
    Ok(Some(PromptTask { prompt: r.get(0)?, text: r.get(1)? }))
}

/// Returns a staged vector, and the hash of what its source holds now.
fn staged_vector(r: &rusqlite::Row<'_>) -> rusqlite::Result<(StagedVector, Option<[u8; 32]>)> {
    let target = match r.get::<_, Option<i64>>(0)? {
        Some(image) => Target::Image(image),
        None => Target::Prompt(r.get(1)?),
    };
    let vector = floats(r.get_ref(4)?.as_blob()?);
    let now = match target {
        Target::Prompt(_) => r.get_ref(6)?.as_str_or_null()?.map(text_source),
        Target::Image(_) | Target::Region(_) => r.get(5)?,
    };
    Ok((StagedVector { target, source: r.get(2)?, truncated: r.get(3)?, vector }, now))
}

/// The numbers of a vector as it is stored: float32, little-endian.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    /// Images of one content, with a vector of the first.
    fn catalog_of(images: usize) -> (tempfile::TempDir, Catalog) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Catalog::create(&path, crate::catalog::PathRule::Absolute).unwrap();
        let catalog = Catalog::open_to_write(&path).unwrap();
        let sql = format!(
            "INSERT INTO encoder (id, name, fingerprint, dimension) VALUES (1, 'e', 'f', 3);
             INSERT INTO part (id, encoder, provenance, rows, bytes, blake3) VALUES (1, 1, 'computed', 9, 9, zeroblob(32));
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {images})
             INSERT INTO image (id, path, status, bytes, mtime_ns, blake3, format, width, height)
             SELECT i, '/' || i, 'ok', 1, 1, zeroblob(32), 'png', 1, 1 FROM n;
             INSERT INTO image_vector (encoder, image, part, row, source) VALUES (1, 1, 1, 0, zeroblob(32));"
        );
        catalog.db.execute_batch(&sql).unwrap();
        (dir, catalog)
    }

    #[test]
    fn sharing_grows_with_the_number_of_images_whatever_they_hold() {
        let steps = |images| {
            let (_dir, catalog) = catalog_of(images);
            let mut share = catalog.db.prepare(SHARE).unwrap();
            assert_eq!(share.execute([1]).unwrap(), images - 1, "each gets a vector once");
            let steps = share.get_status(StatementStatus::VmStep);
            assert_eq!(share.execute([1]).unwrap(), 0, "what is shared is not shared again");
            steps
        };
        let (few, many) = (steps(1000), steps(8000));
        assert!(many < 10 * few, "{few} steps for 1,000 images of one content, {many} for 8,000");
    }

    #[test]
    fn finding_what_to_embed_grows_with_the_number_of_images_whatever_they_hold() {
        let steps = |images| {
            let (_dir, catalog) = catalog_of(images);
            // The first half of one content cannot be used.
            catalog
                .db
                .execute_batch(&format!(
                    "DELETE FROM image_vector; UPDATE image SET status = 'missing', reason = 'gone' WHERE id < {}",
                    images / 2
                ))
                .unwrap();
            let mut query = catalog.db.prepare(&format!("SELECT count(*) {TO_EMBED}")).unwrap();
            assert_eq!(query.query_row(params![1, 0], |r| r.get::<_, i64>(0)).unwrap(), 1);
            query.get_status(StatementStatus::VmStep)
        };
        let (few, many) = (steps(1000), steps(8000));
        assert!(many < 10 * few, "{few} steps for 1,000 images of one content, {many} for 8,000");
    }
}

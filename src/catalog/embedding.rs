//! What is to be embedded, and the stage: vectors that are finished and not yet in a part.

use super::vectors::Target;
use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::vocabulary::ImageStatus;
use rusqlite::params;
use std::path::PathBuf;

/// An image content without a vector of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTask {
    /// The first image with this content.
    pub image: i64,
    /// Its file.
    pub path: PathBuf,
    /// BLAKE3 of the bytes that are expected there.
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

/// A finished vector.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedVector {
    /// What for.
    pub target: Target,
    /// BLAKE3 of the image bytes or the text it was made from.
    pub source: [u8; 32],
    /// For a text: whether it was cut.
    pub truncated: Option<bool>,
    /// The numbers.
    pub vector: Vec<f32>,
}

/// The first usable image of its content that has neither a fresh vector of encoder ?1, nor one on the
/// stage, nor a failure of the same content.
const TO_EMBED: &str = "
    FROM image i WHERE i.status = 'ok' AND i.id > ?2
    AND NOT EXISTS (SELECT 1 FROM image j WHERE j.blake3 = i.blake3 AND j.id < i.id AND j.status = 'ok')
    AND NOT EXISTS (SELECT 1 FROM image_vector v WHERE v.encoder = ?1 AND v.image = i.id AND v.source = i.blake3)
    AND NOT EXISTS (SELECT 1 FROM staged_vector s WHERE s.encoder = ?1 AND s.image = i.id AND s.source = i.blake3)
    AND NOT EXISTS (SELECT 1 FROM embedding_failure f WHERE f.encoder = ?1 AND f.image = i.id AND f.source = i.blake3)";

impl Catalog {
    /// Image contents to embed, in order, after an image, `limit` at most.
    ///
    /// # Errors
    /// SQLite's.
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

    /// How many image contents are to be embedded.
    ///
    /// # Errors
    /// SQLite's.
    pub fn count_to_embed(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row(&format!("SELECT count(*) {TO_EMBED}"), params![encoder, 0], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count what is to be embedded"))
    }

    /// Prompts to embed.
    ///
    /// # Errors
    /// SQLite's.
    pub fn prompts_to_embed(&self, encoder: i64) -> Result<Vec<PromptTask>> {
        self.db
            .prepare_cached(
                "SELECT p.id, p.text FROM prompt p
                 WHERE NOT EXISTS (SELECT 1 FROM prompt_vector v WHERE v.encoder = ?1 AND v.prompt = p.id)
                   AND NOT EXISTS (SELECT 1 FROM staged_vector s WHERE s.encoder = ?1 AND s.prompt = p.id) ORDER BY p.id",
            )
            .and_then(|mut q| q.query_map([encoder], |r| Ok(PromptTask { prompt: r.get(0)?, text: r.get(1)? }))?.collect())
            .map_err(catalog("read what is to be embedded"))
    }

    /// Vectors of an encoder on the stage.
    ///
    /// # Errors
    /// SQLite's.
    pub fn staged(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row("SELECT count(*) FROM staged_vector WHERE encoder = ?1", [encoder], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count staged vectors"))
    }
}

impl Changes<'_> {
    /// Puts finished vectors on the stage.
    ///
    /// # Errors
    /// SQLite's.
    pub fn stage(&self, encoder: i64, vectors: &[StagedVector]) -> Result<()> {
        let act = "stage vectors";
        let mut put = self
            .tx
            .prepare_cached(
                "INSERT OR REPLACE INTO staged_vector (encoder, image, prompt, source, truncated, vector) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .map_err(catalog(act))?;
        for v in vectors {
            let (image, prompt) = match v.target {
                Target::Image(id) => (Some(id), None),
                Target::Prompt(id) => (None, Some(id)),
            };
            let bytes: Vec<u8> = v.vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            put.execute(params![encoder, image, prompt, v.source, v.truncated, bytes]).map_err(catalog(act))?;
        }
        Ok(())
    }

    /// Takes every vector of an encoder off the stage, in order; those whose image has changed since are
    /// dropped.
    ///
    /// # Errors
    /// SQLite's, or `each`'s.
    pub fn unstage(&self, encoder: i64, mut each: impl FnMut(StagedVector) -> Result<()>) -> Result<()> {
        let act = "take vectors off the stage";
        let mut read = self
            .tx
            .prepare_cached(
                "SELECT s.image, s.prompt, s.source, s.truncated, s.vector FROM staged_vector s LEFT JOIN image i ON i.id = s.image
                 WHERE s.encoder = ?1 AND (s.image IS NULL OR i.blake3 = s.source) ORDER BY s.id",
            )
            .map_err(catalog(act))?;
        let mut rows = read.query([encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let vector = staged_vector(r).map_err(catalog(act))?;
            each(vector)?;
        }
        self.tx.execute("DELETE FROM staged_vector WHERE encoder = ?1", [encoder]).map_err(catalog(act))?;
        Ok(())
    }

    /// Gives images whose content already has a vector of an encoder that same vector; how many.
    ///
    /// # Errors
    /// SQLite's.
    pub fn share_vectors(&self, encoder: i64) -> Result<u64> {
        self.tx
            .execute(
                "INSERT INTO image_vector (encoder, image, part, row, source)
                 SELECT ?1, i.id, v.part, v.row, i.blake3
                 FROM image i JOIN image j ON j.blake3 = i.blake3 AND j.id <> i.id
                 JOIN image_vector v ON v.encoder = ?1 AND v.image = j.id AND v.source = j.blake3
                 WHERE i.status = 'ok'
                   AND NOT EXISTS (SELECT 1 FROM image_vector w WHERE w.encoder = ?1 AND w.image = i.id AND w.source = i.blake3)
                 GROUP BY i.id HAVING v.image = min(v.image)
                 ON CONFLICT DO UPDATE SET part = excluded.part, row = excluded.row, source = excluded.source",
                [encoder],
            )
            .map(|n| n as u64)
            .map_err(catalog("share vectors"))
    }

    /// Records that an image's bytes cannot be used as an image at all, wherever they are.
    ///
    /// # Errors
    /// SQLite's.
    pub fn record_unusable(&self, source: &[u8; 32], status: ImageStatus, reason: &str) -> Result<()> {
        self.tx
            .prepare_cached("UPDATE image SET status = ?2, reason = ?3 WHERE blake3 = ?1 AND status = 'ok'")
            .and_then(|mut q| q.execute(params![source, status.as_str(), reason]))
            .map_err(catalog("record an image"))?;
        Ok(())
    }

    /// Records that an encoder could not embed an image that can be read.
    ///
    /// # Errors
    /// SQLite's.
    pub fn record_failure(&self, encoder: i64, image: i64, source: &[u8; 32], reason: &str) -> Result<()> {
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO embedding_failure (encoder, image, source, reason) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut q| q.execute(params![encoder, image, source, reason]))
            .map_err(catalog("record a failure"))?;
        Ok(())
    }

    /// Forgets every failure, so that each is tried again.
    ///
    /// # Errors
    /// SQLite's.
    pub fn forget_failures(&self) -> Result<()> {
        self.tx
            .execute_batch(
                "DELETE FROM embedding_failure;
                 UPDATE image SET status = 'pending', reason = NULL WHERE status IN ('missing', 'unreadable', 'oversized');",
            )
            .map_err(catalog("forget failures"))
    }

    /// Takes every vector and score of an encoder out: its model has changed.
    ///
    /// # Errors
    /// SQLite's.
    pub fn clear_encoder(&self, encoder: i64) -> Result<()> {
        for sql in [
            "DELETE FROM image_vector WHERE encoder = ?1",
            "DELETE FROM prompt_vector WHERE encoder = ?1",
            "DELETE FROM staged_vector WHERE encoder = ?1",
            "DELETE FROM embedding_failure WHERE encoder = ?1",
        ] {
            self.tx.execute(sql, [encoder]).map_err(catalog("take vectors out"))?;
        }
        Ok(())
    }
}

fn staged_vector(r: &rusqlite::Row<'_>) -> rusqlite::Result<StagedVector> {
    let target = match r.get::<_, Option<i64>>(0)? {
        Some(image) => Target::Image(image),
        None => Target::Prompt(r.get(1)?),
    };
    let (chunks, _) = r.get_ref(4)?.as_blob()?.as_chunks::<4>();
    let vector = chunks.iter().map(|b| f32::from_le_bytes(*b)).collect();
    Ok(StagedVector { target, source: r.get(2)?, truncated: r.get(3)?, vector })
}

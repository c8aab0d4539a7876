//! Windows: which images are still to be searched, and the local similarities that were found.

use super::embedding::ImageTask;
use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::windows::{Pattern, Rectangle};
use rusqlite::{OptionalExtension, params};
use std::collections::HashMap;
use std::path::PathBuf;

/// A generation whose image was searched, with everything that its windows showed.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowScore {
    /// Generation row.
    pub generation: i64,
    /// The local similarity of each subject of the pool.
    pub locals: Vec<LocalScore>,
    /// The place of each requested subject that has one.
    pub places: Vec<SubjectPlace>,
    /// Separate places, by the subject that they resemble most; for each subject, the best first.
    pub found: Vec<FoundPlace>,
}

/// The local similarity of a generation and a subject of the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalScore {
    /// Subject row.
    pub subject: i64,
    /// Largest pool-centred cosine over the windows, in [-1, 1].
    pub local: f64,
    /// Largest plain cosine over the windows, in [-1, 1].
    pub uncentred: f64,
    /// The window of `local`, in pixels of the upright image.
    pub window: Rectangle,
}

/// The window that a requested subject has to itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubjectPlace {
    /// Position in the prompt.
    pub ordinal: u32,
    /// Pool-centred cosine of the window and the subject.
    pub local: f64,
    /// Row of the subject whose reference the window resembles most.
    pub resembles: i64,
    /// The window.
    pub window: Rectangle,
}

/// A place that resembles a subject of the pool more than any other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundPlace {
    /// Subject row.
    pub subject: i64,
    /// Pool-centred cosine of the window and the subject.
    pub local: f64,
    /// The window.
    pub window: Rectangle,
}

/// The first usable generated image of each content that encoder ?1 has not searched for every generation with it, and
/// that did not fail.
const TO_LOOK_THROUGH: &str = "
    FROM image i WHERE i.status = 'ok' AND i.id > ?2
    AND EXISTS (SELECT 1 FROM generation g WHERE g.image = i.id
                AND NOT EXISTS (SELECT 1 FROM window_score s WHERE s.generation = g.id AND s.encoder = ?1))
    AND NOT EXISTS (SELECT 1 FROM window_failure f WHERE f.encoder = ?1 AND f.image = i.id AND f.source = i.blake3)";

impl Catalog {
    /// Returns the windows that an encoder searches; `None`: none.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn window_pattern(&self, encoder: i64) -> Result<Option<Pattern>> {
        self.db
            .prepare_cached("SELECT pattern FROM window_set WHERE encoder = ?1")
            .and_then(|mut q| {
                q.query_row([encoder], |r| {
                    r.get_ref(0)?.as_str()?.parse().map_err(|e| rusqlite::types::FromSqlError::Other(Box::new(e)).into())
                })
                .optional()
            })
            .map_err(catalog("read the windows of an encoder"))
    }

    /// Returns at most `limit` images that an encoder is to search, in order, after an image.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn images_to_look_through(&self, encoder: i64, after: i64, limit: usize) -> Result<Vec<ImageTask>> {
        self.db
            .prepare_cached(&format!("SELECT i.id, full_path(i.path), i.blake3 {TO_LOOK_THROUGH} ORDER BY i.id LIMIT ?3"))
            .and_then(|mut q| {
                q.query_map(params![encoder, after, limit as i64], |r| {
                    Ok(ImageTask { image: r.get(0)?, path: PathBuf::from(r.get::<_, String>(1)?), source: r.get(2)? })
                })?
                .collect()
            })
            .map_err(catalog("read which images to search"))
    }

    /// Returns how many images an encoder is still to search.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn count_to_look_through(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row(&format!("SELECT count(*) {TO_LOOK_THROUGH}"), params![encoder, 0], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count the images to search"))
    }

    /// Returns the generations, with their prompts' rows, of an image content that an encoder has not searched yet.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generations_to_look_through(&self, encoder: i64, source: &[u8; 32]) -> Result<Vec<(i64, i64)>> {
        self.db
            .prepare_cached(
                "SELECT g.id, g.prompt FROM image i JOIN generation g ON g.image = i.id
                 WHERE i.blake3 = ?2 AND i.status = 'ok'
                   AND NOT EXISTS (SELECT 1 FROM window_score s WHERE s.generation = g.id AND s.encoder = ?1)
                 ORDER BY g.id",
            )
            .and_then(|mut q| q.query_map(params![encoder, source], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(catalog("read which images to search"))
    }

    /// Image contents that an encoder searched, by content, after one, `limit` at most.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn images_looked_through(&self, encoder: i64, after: &[u8; 32], limit: usize) -> Result<Vec<ImageTask>> {
        self.db
            .prepare_cached(
                "SELECT min(i.id), full_path(i.path), i.blake3 FROM image i INDEXED BY image_usable_by_content
                 WHERE i.blake3 > ?2 AND i.status = 'ok'
                   AND EXISTS (SELECT 1 FROM generation g JOIN window_score s ON s.generation = g.id
                               WHERE g.image = i.id AND s.encoder = ?1)
                 GROUP BY i.blake3 ORDER BY i.blake3 LIMIT ?3",
            )
            .and_then(|mut q| {
                q.query_map(params![encoder, after, limit as i64], |r| {
                    Ok(ImageTask { image: r.get(0)?, path: PathBuf::from(r.get::<_, String>(1)?), source: r.get(2)? })
                })?
                .collect()
            })
            .map_err(catalog("read what was searched"))
    }

    /// The generations of an image content that an encoder searched, each with its prompt's row and with what was
    /// found.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn window_scores_of(&self, encoder: i64, source: &[u8; 32]) -> Result<Vec<(i64, WindowScore)>> {
        let act = "read local similarities";
        let looked: Vec<(i64, i64)> = self
            .db
            .prepare_cached(
                "SELECT g.id, g.prompt FROM image i JOIN generation g ON g.image = i.id
                 JOIN window_score s ON s.generation = g.id AND s.encoder = ?1 WHERE i.blake3 = ?2 ORDER BY g.id",
            )
            .and_then(|mut q| q.query_map(params![encoder, source], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(catalog(act))?;
        let read = |(generation, prompt)| Ok((prompt, self.read_window_score(encoder, generation)?));
        looked.into_iter().map(read).collect::<rusqlite::Result<_>>().map_err(catalog(act))
    }

    /// Reads what an encoder's windows showed in a generation.
    pub(super) fn read_window_score(&self, encoder: i64, generation: i64) -> rusqlite::Result<WindowScore> {
        let key = [generation, encoder];
        let locals = self
            .db
            .prepare_cached(
                "SELECT subject, local, uncentred, x, y, width, height FROM local_score WHERE generation = ?1 AND encoder = ?2
                     ORDER BY subject",
            )?
            .query_map(key, |r| {
                Ok(LocalScore { subject: r.get(0)?, local: r.get(1)?, uncentred: r.get(2)?, window: rectangle(r, 3)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let places = self
            .db
            .prepare_cached(
                "SELECT ordinal, local, resembles, x, y, width, height FROM subject_place WHERE generation = ?1 AND encoder = ?2
                     ORDER BY ordinal",
            )?
            .query_map(key, |r| {
                Ok(SubjectPlace { ordinal: r.get(0)?, local: r.get(1)?, resembles: r.get(2)?, window: rectangle(r, 3)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let found = self
            .db
            .prepare_cached(
                "SELECT subject, local, x, y, width, height FROM found_place WHERE generation = ?1 AND encoder = ?2
                     ORDER BY subject, rank",
            )?
            .query_map(key, |r| Ok(FoundPlace { subject: r.get(0)?, local: r.get(1)?, window: rectangle(r, 2)? }))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(WindowScore { generation, locals, places, found })
    }

    /// Calls `each` with every local similarity of an encoder: generation row, subject row, and the score; by generation
    /// and subject.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_local_score(&self, encoder: i64, mut each: impl FnMut(i64, LocalScore)) -> Result<()> {
        let act = "read local similarities";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT generation, subject, local, uncentred, x, y, width, height FROM local_score WHERE encoder = ?1
                 ORDER BY generation, subject",
            )
            .map_err(catalog(act))?;
        let mut rows = query.query([encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let (generation, score) = local_score(r).map_err(catalog(act))?;
            each(generation, score);
        }
        Ok(())
    }

    /// Returns the local similarities of a generation's requested subjects, by encoder and position in the prompt.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn local_scores_of(&self, generation: i64) -> Result<HashMap<(i64, u32), LocalScore>> {
        self.db
            .prepare_cached(
                "SELECT l.encoder, ps.ordinal, l.subject, l.local, l.uncentred, l.x, l.y, l.width, l.height
                 FROM generation g JOIN prompt_subject ps ON ps.prompt = g.prompt
                 JOIN local_score l ON l.generation = g.id AND l.subject = ps.subject WHERE g.id = ?1",
            )
            .and_then(|mut q| {
                q.query_map([generation], |r| {
                    let score =
                        LocalScore { subject: r.get(2)?, local: r.get(3)?, uncentred: r.get(4)?, window: rectangle(r, 5)? };
                    Ok(((r.get(0)?, r.get(1)?), score))
                })?
                .collect()
            })
            .map_err(catalog("read local similarities"))
    }

    /// Returns the place of every requested subject by an encoder, with its generation's row; by generation and ordinal.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn subject_places(&self, encoder: i64) -> Result<Vec<(i64, SubjectPlace)>> {
        self.db
            .prepare_cached(
                "SELECT generation, ordinal, local, resembles, x, y, width, height FROM subject_place WHERE encoder = ?1
                 ORDER BY generation, ordinal",
            )
            .and_then(|mut q| {
                q.query_map([encoder], |r| {
                    let place =
                        SubjectPlace { ordinal: r.get(1)?, local: r.get(2)?, resembles: r.get(3)?, window: rectangle(r, 4)? };
                    Ok((r.get(0)?, place))
                })?
                .collect()
            })
            .map_err(catalog("read places"))
    }

    /// Returns every place that resembles a subject most, with its generation's row; by generation, subject and rank.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn found_places(&self, encoder: i64) -> Result<Vec<(i64, FoundPlace)>> {
        self.db
            .prepare_cached(
                "SELECT generation, subject, local, x, y, width, height FROM found_place WHERE encoder = ?1
                 ORDER BY generation, subject, rank",
            )
            .and_then(|mut q| {
                q.query_map([encoder], |r| {
                    Ok((r.get(0)?, FoundPlace { subject: r.get(1)?, local: r.get(2)?, window: rectangle(r, 3)? }))
                })?
                .collect()
            })
            .map_err(catalog("read places"))
    }

    /// Returns how many generations an encoder has searched.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn looked_through(&self, encoder: i64) -> Result<u64> {
        self.db
            .query_row("SELECT count(*) FROM window_score WHERE encoder = ?1", [encoder], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count local similarities"))
    }
}

impl Changes<'_> {
    /// Sets which windows an encoder searches. What it found in other windows is removed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_window_pattern(&self, encoder: i64, pattern: Pattern) -> Result<()> {
        let act = "choose windows";
        self.tx
            .execute("DELETE FROM window_set WHERE encoder = ?1 AND pattern <> ?2", params![encoder, pattern.as_str()])
            .map_err(catalog(act))?;
        self.tx
            .execute("INSERT OR IGNORE INTO window_set (encoder, pattern) VALUES (?1, ?2)", params![encoder, pattern.as_str()])
            .map(drop)
            .map_err(catalog(act))
    }

    /// Puts in what the windows of a generation showed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_window_score(&self, encoder: i64, score: &WindowScore) -> Result<()> {
        let act = "put local similarities";
        let statement = |sql| self.tx.prepare_cached(sql).map_err(catalog(act));
        let generation = score.generation;
        statement("INSERT INTO window_score (generation, encoder) VALUES (?1, ?2)")?
            .execute([generation, encoder])
            .map_err(catalog(act))?;
        let mut put = statement(
            "INSERT INTO local_score (generation, encoder, subject, local, uncentred, x, y, width, height)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for LocalScore { subject, local, uncentred, window: Rectangle { x, y, width, height } } in &score.locals {
            put.execute(params![generation, encoder, subject, local, uncentred, x, y, width, height]).map_err(catalog(act))?;
        }
        let mut put = statement(
            "INSERT INTO subject_place (generation, encoder, ordinal, local, resembles, x, y, width, height)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for SubjectPlace { ordinal, local, resembles, window: Rectangle { x, y, width, height } } in &score.places {
            put.execute(params![generation, encoder, ordinal, local, resembles, x, y, width, height]).map_err(catalog(act))?;
        }
        let mut put = statement(
            "INSERT INTO found_place (generation, encoder, subject, rank, local, x, y, width, height)
             VALUES (?1, ?2, ?3, (SELECT count(*) FROM found_place WHERE generation = ?1 AND encoder = ?2 AND subject = ?3),
                     ?4, ?5, ?6, ?7, ?8)",
        )?;
        for FoundPlace { subject, local, window: Rectangle { x, y, width, height } } in &score.found {
            put.execute(params![generation, encoder, subject, local, x, y, width, height]).map_err(catalog(act))?;
        }
        Ok(())
    }

    /// Takes out what the windows of generations said, so that they are searched again.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_window_scores(&self, encoder: i64, generations: &[i64]) -> Result<()> {
        for generation in generations {
            self.tx
                .prepare_cached("DELETE FROM window_score WHERE encoder = ?1 AND generation = ?2")
                .and_then(|mut q| q.execute([encoder, *generation]))
                .map_err(catalog("take local similarities out"))?;
        }
        Ok(())
    }

    /// Records that an encoder could not embed the windows of an image that can be read.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_window_failure(&self, encoder: i64, image: i64, source: &[u8; 32], reason: &str) -> Result<()> {
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO window_failure (encoder, image, source, reason) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut q| q.execute(params![encoder, image, source, reason]))
            .map(drop)
            .map_err(catalog("record a failure"))
    }

    /// Marks a model as a control that is given the prompt but no reference.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_text_only(&self, model: &crate::vocabulary::ModelName) -> Result<()> {
        self.tx
            .execute("UPDATE model SET text_only = 1 WHERE name = ?1 AND text_only = 0", [model.as_str()])
            .map(drop)
            .map_err(catalog("mark a control"))
    }
}

/// The generation's row, and the score, of columns in the order of the table without the encoder.
pub(super) fn local_score(r: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, LocalScore)> {
    let score = LocalScore { subject: r.get(1)?, local: r.get(2)?, uncentred: r.get(3)?, window: rectangle(r, 4)? };
    Ok((r.get(0)?, score))
}

/// The window in four columns from `at` on.
fn rectangle(r: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Rectangle> {
    Ok(Rectangle { x: r.get(at)?, y: r.get(at + 1)?, width: r.get(at + 2)?, height: r.get(at + 3)? })
}

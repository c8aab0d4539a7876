//! What is to be scored, and the scores.

use super::embedding::text_source;
use super::vectors::FRESH;
use super::{Catalog, Changes, EncoderRow, VectorPlace, catalog};
use crate::error::Result;
use rusqlite::params;

/// A reference of a subject, with the place of its vector if it has a usable one.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceVector {
    /// Subject row.
    pub subject: i64,
    /// Its vector.
    pub place: Option<VectorPlace>,
}

/// Which of the generations with a vector to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those without a score.
    Unscored,
    /// Those with one.
    Scored,
}

/// A generation that has a vector.
#[derive(Debug, Clone, Copy)]
pub struct ScoringTask {
    /// Generation row.
    pub generation: i64,
    /// Its prompt's row.
    pub prompt: i64,
    /// Its vector.
    pub place: VectorPlace,
    image: i64,
}

impl ScoringTask {
    /// Returns where to continue after it: its row in the part, and its image (images of the same content share a row).
    pub fn position(&self) -> (u32, i64) {
        (self.place.row, self.image)
    }
}

/// The scores of one generation by one encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Generation row.
    pub generation: i64,
    /// For each requested subject, in the prompt's order, its mean cosine over its references.
    pub similarities: Vec<f64>,
    /// Their mean.
    pub similarity: f64,
    /// Cosine with the prompt's vector, if there is one.
    pub clip_t: Option<f64>,
}

/// Returns the query for generations whose usable vector of encoder ?1 is in part ?2, and that it has scored or not (?3).
fn candidates(condition: &str) -> String {
    format!(
        "SELECT g.id, g.prompt, v.part, v.row, v.image
         FROM image_vector v INDEXED BY image_vector_by_place
         JOIN image i ON i.id = v.image JOIN generation g ON g.image = v.image
         WHERE v.part = ?2 AND v.encoder = ?1 AND {FRESH}
           AND EXISTS (SELECT 1 FROM image_score s WHERE s.generation = g.id AND s.encoder = ?1) = ?3 AND {condition}"
    )
}

fn task(r: &rusqlite::Row<'_>) -> rusqlite::Result<ScoringTask> {
    let place = VectorPlace { part: r.get(2)?, row: r.get(3)? };
    Ok(ScoringTask { generation: r.get(0)?, prompt: r.get(1)?, place, image: r.get(4)? })
}

impl Catalog {
    /// Returns every reference image with its usable vector of an encoder, by subject and index.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn reference_vectors(&self, encoder: i64) -> Result<Vec<ReferenceVector>> {
        self.db
            .prepare_cached(&format!(
                "SELECT r.subject, v.part, v.row FROM reference_image r JOIN image i ON i.id = r.image
                 LEFT JOIN image_vector v ON v.encoder = ?1 AND v.image = i.id AND {FRESH}
                 ORDER BY r.subject, r.reference_index"
            ))
            .and_then(|mut q| {
                q.query_map([encoder], |r| {
                    let place = match (r.get(1)?, r.get(2)?) {
                        (Some(part), Some(row)) => Some(VectorPlace { part, row }),
                        _ => None,
                    };
                    Ok(ReferenceVector { subject: r.get(0)?, place })
                })?
                .collect()
            })
            .map_err(catalog("read references"))
    }

    /// Returns (prompt row, subject row) of every prompt, in the prompt's order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn prompt_subjects(&self) -> Result<Vec<(i64, i64)>> {
        self.db
            .prepare_cached("SELECT prompt, subject FROM prompt_subject ORDER BY prompt, ordinal")
            .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(catalog("read prompts"))
    }

    /// Returns the prompts' vectors of an encoder, if they were made from the current text.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn prompt_vectors(&self, encoder: i64) -> Result<Vec<(i64, VectorPlace)>> {
        let act = "read prompt vectors";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT v.prompt, v.part, v.row, v.source, p.text FROM prompt_vector v JOIN prompt p ON p.id = v.prompt
                 WHERE v.encoder = ?1 ORDER BY v.prompt",
            )
            .map_err(catalog(act))?;
        let read = |r: &rusqlite::Row<'_>| {
            let fresh = r.get::<_, [u8; 32]>(3)? == text_source(r.get_ref(4)?.as_str()?);
            Ok((fresh, (r.get(0)?, VectorPlace { part: r.get(1)?, row: r.get(2)? })))
        };
        let rows: Vec<_> = query.query_map([encoder], read).and_then(Iterator::collect).map_err(catalog(act))?;
        Ok(rows.into_iter().filter_map(|(fresh, vector)| fresh.then_some(vector)).collect())
    }

    /// Returns at most `limit` generations whose usable vector of an encoder is in a part, in the order in which the
    /// vectors are stored, after a position.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn candidates(
        &self,
        encoder: &EncoderRow,
        part: i64,
        which: Which,
        after: Option<(u32, i64)>,
        limit: usize,
    ) -> Result<Vec<ScoringTask>> {
        let (row, image) = after.map_or((-1, 0), |(row, image)| (i64::from(row), image));
        let scored = which == Which::Scored;
        self.db
            .prepare_cached(&candidates("v.row >= ?4 AND (v.row, v.image) > (?4, ?5) ORDER BY v.row, v.image LIMIT ?6"))
            .and_then(|mut q| q.query_map(params![encoder.id, part, scored, row, image, limit as i64], task)?.collect())
            .map_err(catalog("read what is to be scored"))
    }

    /// Returns the generations whose usable vector of an encoder is at one of these places, in their order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn candidates_at(&self, encoder: &EncoderRow, which: Which, places: &[VectorPlace]) -> Result<Vec<ScoringTask>> {
        let act = "read what is to be scored";
        let mut query = self.db.prepare_cached(&candidates("v.row = ?4 ORDER BY v.image")).map_err(catalog(act))?;
        let mut found = Vec::with_capacity(places.len());
        for place in places {
            let scored = which == Which::Scored;
            let rows = query.query_map(params![encoder.id, place.part, scored, place.row], task).map_err(catalog(act))?;
            for row in rows {
                found.push(row.map_err(catalog(act))?);
            }
        }
        Ok(found)
    }

    /// Returns the scores of every generation by an encoder, to check them.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn scores_of(&self, encoder: i64, generations: &[i64]) -> Result<Vec<Option<Score>>> {
        let act = "read scores";
        let mut whole = self
            .db
            .prepare_cached("SELECT similarity, clip_t FROM image_score WHERE generation = ?1 AND encoder = ?2")
            .map_err(catalog(act))?;
        let mut each = self
            .db
            .prepare_cached("SELECT similarity FROM subject_score WHERE generation = ?1 AND encoder = ?2 ORDER BY ordinal")
            .map_err(catalog(act))?;
        let mut scores = Vec::with_capacity(generations.len());
        for &generation in generations {
            let mut rows = whole.query([generation, encoder]).map_err(catalog(act))?;
            let Some(row) = rows.next().map_err(catalog(act))? else {
                scores.push(None);
                continue;
            };
            let (similarity, clip_t) = (row.get(0).map_err(catalog(act))?, row.get(1).map_err(catalog(act))?);
            let similarities =
                each.query_map([generation, encoder], |r| r.get(0)).and_then(|rows| rows.collect()).map_err(catalog(act))?;
            scores.push(Some(Score { generation, similarities, similarity, clip_t }));
        }
        Ok(scores)
    }
}

impl Changes<'_> {
    /// Records scores by an encoder.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_scores(&self, encoder: i64, scores: &[Score]) -> Result<()> {
        let act = "record scores";
        let mut whole = self
            .tx
            .prepare_cached("INSERT INTO image_score (generation, encoder, similarity, clip_t) VALUES (?1, ?2, ?3, ?4)")
            .map_err(catalog(act))?;
        let mut each = self
            .tx
            .prepare_cached("INSERT INTO subject_score (generation, encoder, ordinal, similarity) VALUES (?1, ?2, ?3, ?4)")
            .map_err(catalog(act))?;
        for score in scores {
            whole.execute(params![score.generation, encoder, score.similarity, score.clip_t]).map_err(catalog(act))?;
            for (ordinal, similarity) in score.similarities.iter().enumerate() {
                each.execute(params![score.generation, encoder, ordinal as i64, similarity]).map_err(catalog(act))?;
            }
        }
        Ok(())
    }
}

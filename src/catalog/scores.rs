//! What is to be scored, and the scores.

use super::embedding::text_source;
use super::vectors::FRESH;
use super::{Catalog, Changes, EncoderRow, RowSet, VectorPlace, catalog};
use crate::error::Result;
use rusqlite::{Row, params};

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
}

/// A vector of a part: its row, and its image (images of the same content share a row). Vectors are in this order.
pub type StoredVector = (u32, i64);

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

/// Rows of a part this near each other are read together, with those between them, which are passed over.
const NEAR: u32 = 4;

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

    /// Returns the images of the generations that an encoder has scored.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn scored_images(&self, encoder: i64) -> Result<RowSet> {
        // CROSS: both lie in the order of the generations.
        const SQL: &str = "SELECT g.image FROM image_score s CROSS JOIN generation g ON g.id = s.generation WHERE s.encoder = ?1";
        let act = "read what is scored";
        let mut query = self.db.prepare_cached(SQL).map_err(catalog(act))?;
        let mut rows = query.query([encoder]).map_err(catalog(act))?;
        let mut images = RowSet::default();
        while let Some(row) = rows.next().map_err(catalog(act))? {
            images.insert(row.get(0).map_err(catalog(act))?);
        }
        Ok(images)
    }

    /// Returns at most `limit` vectors of images by an encoder in a part, in their order, after one.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn stored_vectors(
        &self,
        encoder: &EncoderRow,
        part: i64,
        after: Option<StoredVector>,
        limit: usize,
    ) -> Result<Vec<StoredVector>> {
        const SQL: &str = "SELECT row, image FROM image_vector INDEXED BY image_vector_by_place
             WHERE part = ?2 AND encoder = ?1 AND row >= ?3 AND (row, image) > (?3, ?4) ORDER BY row, image LIMIT ?5";
        let (row, image) = after.map_or((-1, 0), |(row, image)| (i64::from(row), image));
        self.db
            .prepare_cached(SQL)
            .and_then(|mut q| {
                q.query_map(params![encoder.id, part, row, image, limit as i64], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
            })
            .map_err(catalog("read what is to be scored"))
    }

    /// Returns the generations of those of these vectors that are usable, in the vectors' order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn tasks_of(&self, encoder: &EncoderRow, part: i64, which: Which, vectors: &[StoredVector]) -> Result<Vec<ScoringTask>> {
        let act = "read what is to be scored";
        // Those that the encoder has scored, or those that it has not (?5).
        let sql = format!(
            "SELECT v.row, v.image, g.id, g.prompt FROM image_vector v INDEXED BY image_vector_by_place
             JOIN image i ON i.id = v.image JOIN generation g ON g.image = v.image
             WHERE v.part = ?2 AND v.encoder = ?1 AND {FRESH} AND v.row BETWEEN ?3 AND ?4
               AND EXISTS (SELECT 1 FROM image_score s WHERE s.generation = g.id AND s.encoder = ?1) = ?5
             ORDER BY v.row, v.image"
        );
        let mut query = self.db.prepare_cached(&sql).map_err(catalog(act))?;
        let mut found = Vec::with_capacity(vectors.len());
        for near in vectors.chunk_by(|one, next| next.0 - one.0 <= NEAR) {
            let [from, to] = [near[0].0, near[near.len() - 1].0];
            let scored = which == Which::Scored;
            let mut rows = query.query(params![encoder.id, part, from, to, scored]).map_err(catalog(act))?;
            let mut near = near.iter().peekable();
            while let Some(row) = rows.next().map_err(catalog(act))? {
                let read = |r: &Row<'_>| -> rusqlite::Result<(StoredVector, ScoringTask)> {
                    let place = VectorPlace { part, row: r.get(0)? };
                    let task = ScoringTask { generation: r.get(2)?, prompt: r.get(3)?, place };
                    Ok(((place.row, r.get(1)?), task))
                };
                let (vector, task) = read(row).map_err(catalog(act))?;
                while near.next_if(|wanted| **wanted < vector).is_some() {}
                found.extend(near.next_if(|wanted| **wanted == vector).map(|_| task));
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

#[cfg(test)]
mod tests {
    use super::super::PathRule;
    use super::*;
    use crate::vocabulary::EncoderName;

    /// Vectors of two parts, some stale and some at the same row, of generations some of which are scored.
    #[test]
    fn what_is_to_be_scored_is_the_same_however_it_is_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Catalog::create(&path, PathRule::Absolute).unwrap();
        let catalog = Catalog::open_to_write(&path).unwrap();
        catalog
            .db
            .execute_batch(
                "PRAGMA foreign_keys = off; BEGIN;
                 CREATE TEMP TABLE number AS WITH RECURSIVE n (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 999)
                     SELECT value AS n, 1000 - value AS id, CAST(printf('%032d', value) AS BLOB) AS content FROM n;
                 INSERT INTO image (id, path, status, blake3, format, width, height)
                     SELECT id, '/x', 'ok', content, 'png', 1, 1 FROM number;
                 INSERT INTO generation (id, model, prompt, seed, image) SELECT n + 1, 1, n % 7 + 1, n, id FROM number WHERE n % 5 > 0;
                 INSERT INTO image_vector (encoder, image, part, row, source)
                     SELECT e.value, id, n % 2 * 2 + e.value, n / 6, CASE n % 8 WHEN 0 THEN NULL WHEN 1 THEN zeroblob(32) ELSE content END
                     FROM number, (SELECT 1 AS value UNION ALL SELECT 2) e;
                 INSERT INTO image_score (generation, encoder, similarity) SELECT id, 1, 0.5 FROM generation WHERE id % 3 = 0;
                 COMMIT;",
            )
            .unwrap();
        let encoder = EncoderRow {
            id: 1,
            name: EncoderName::new("e").unwrap(),
            fingerprint: "f".into(),
            dimension: 8,
            location: None,
            pixel_rule: None,
        };
        let scored = catalog.scored_images(1).unwrap();
        let mut query = catalog.db.prepare("SELECT g.image FROM generation g WHERE g.id % 3 = 0").unwrap();
        let images: Vec<i64> = query.query_map([], |r| r.get(0)).unwrap().map(|row| row.unwrap()).collect();
        assert!(images.len() == 266 && scored.len() == 266 && images.iter().all(|image| scored.contains(*image)));
        assert!(catalog.scored_images(2).unwrap().is_empty());
        for part in [1, 3] {
            let (mut vectors, mut after) = (Vec::new(), None);
            loop {
                let more = catalog.stored_vectors(&encoder, part, after, 7).unwrap();
                let Some(last) = more.last() else { break };
                after = Some(*last);
                vectors.extend(more);
            }
            assert!(vectors.len() == 500 && vectors.is_sorted());
            assert!(catalog.stored_vectors(&encoder, part + 1, None, 7).unwrap().is_empty(), "of another encoder");
            for (which, every) in [(Which::Unscored, 1), (Which::Scored, 1), (Which::Unscored, 3), (Which::Scored, 37)] {
                let wanted: Vec<StoredVector> = vectors.iter().copied().step_by(every).collect();
                let tasks = catalog.tasks_of(&encoder, part, which, &wanted).unwrap();
                let found: Vec<(u32, i64, i64)> =
                    tasks.iter().map(|task| (task.place.row, task.generation, task.prompt)).collect();
                let expected: Vec<(u32, i64, i64)> = wanted
                    .iter()
                    .map(|(row, image)| (*row, 1000 - image))
                    .filter(|(_, n)| n % 5 > 0 && n % 8 != 1 && ((n + 1) % 3 == 0) == (which == Which::Scored))
                    .map(|(row, n)| (row, n + 1, n % 7 + 1))
                    .collect();
                assert!(found == expected && !found.is_empty(), "{part} {every}: {found:?}");
            }
        }
    }
}

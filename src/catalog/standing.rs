//! What there is, counted, without a look at any file.

use super::{Catalog, catalog};
use crate::error::Result;
use crate::vocabulary::{ImageStatus, ModelName};
use rusqlite::{Connection, Params, Row};
use std::collections::HashMap;

/// The first and the last image.
pub(super) const IMAGES: &str = "SELECT (SELECT min(id) FROM image), (SELECT max(id) FROM image)";

const COUNT: &str = "count rows";

/// Images by state: what is not in one of these is usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageCounts {
    /// All of them.
    pub total: u64,
    /// Files that are not there.
    pub missing: u64,
    /// Files that cannot be read, or are too large.
    pub unusable: u64,
    /// Files that were not looked at yet.
    pub pending: u64,
}

/// The generations of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCounts {
    /// The model.
    pub model: ModelName,
    /// Whether it is a control.
    pub control: bool,
    /// Its generations.
    pub images: ImageCounts,
    /// Prompts that it has a generation of.
    pub prompts: u64,
}

/// What an encoder embedded and scored, besides what [`Catalog::gaps`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderCounts {
    /// Prompts with a vector.
    pub prompts: u64,
    /// Generations with a score.
    pub scored: u64,
    /// Images and prompts that it could not embed.
    pub failed: u64,
}

/// What is known of a region set by an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionCounts {
    /// Regions with a vector.
    pub embedded: u64,
    /// Generations with a score.
    pub scored: u64,
}

impl Catalog {
    /// Returns whether there are neither subjects nor generations.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn is_empty(&self) -> Result<bool> {
        let any = "SELECT EXISTS (SELECT 1 FROM subject) OR EXISTS (SELECT 1 FROM generation)";
        Ok(self.number(any, [])? == 0)
    }

    /// Returns how many subjects and prompts there are.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn subject_and_prompt_counts(&self) -> Result<(u64, u64)> {
        Ok((self.number("SELECT count(*) FROM subject", [])?, self.number("SELECT count(*) FROM prompt", [])?))
    }

    /// Returns how many references there are, by state.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn reference_counts(&self) -> Result<ImageCounts> {
        let mut counts =
            ImageCounts { total: self.number("SELECT count(*) FROM reference_image", [])?, ..ImageCounts::default() };
        // CROSS: references are few, and images that cannot be used may be many.
        let sql = "SELECT i.status, count(*) FROM reference_image r CROSS JOIN image i ON i.id = r.image
                   WHERE i.status <> 'ok' GROUP BY 1";
        for (status, n) in self.rows(sql, |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?)))? {
            counts.note(&status, n as u64);
        }
        Ok(counts)
    }

    /// Returns the models, those under test first, each with its generations.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn model_counts(&self) -> Result<Vec<ModelCounts>> {
        let models: Vec<(i64, ModelName, bool)> =
            self.rows("SELECT id, name, control FROM model ORDER BY control, name", |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        let of_models = self.generations_of_models()?;
        let of_states = self.unusable_of_models()?;
        let counts = |(id, model, control): (i64, ModelName, bool)| {
            let (total, prompts) = of_models.get(&id).copied().unwrap_or_default();
            let mut images = ImageCounts { total, ..ImageCounts::default() };
            for (status, counts) in &of_states {
                counts.get(&id).into_iter().for_each(|n| images.note(status.as_str(), *n));
            }
            ModelCounts { model, control, images, prompts }
        };
        Ok(models.into_iter().map(counts).collect())
    }

    /// Returns how many generations each model has, and of how many prompts.
    fn generations_of_models(&self) -> Result<HashMap<i64, (u64, u64)>> {
        const SQL: &str = "SELECT model, count(*) FROM generation WHERE prompt BETWEEN ?1 AND ?2 GROUP BY prompt, model";
        let ends = "SELECT (SELECT min(prompt) FROM generation), (SELECT max(prompt) FROM generation)";
        let read = |db: &Connection, range: [i64; 2], counts: &mut HashMap<i64, (u64, u64)>| {
            each_row(db, SQL, COUNT, range, |r| {
                let (generations, prompts) = counts.entry(r.get(0)?).or_default();
                *generations += r.get::<_, i64>(1)? as u64;
                *prompts += 1;
                Ok(())
            })
        };
        let mut sums: HashMap<i64, (u64, u64)> = HashMap::new();
        for (model, (generations, prompts)) in self.read_in_ranges(ends, HashMap::new, read)?.into_iter().flatten() {
            let sum = sums.entry(model).or_default();
            *sum = (sum.0 + generations, sum.1 + prompts);
        }
        Ok(sums)
    }

    /// Returns, for each state of images that are not usable, how many each model has in it.
    fn unusable_of_models(&self) -> Result<Vec<(ImageStatus, HashMap<i64, u64>)>> {
        // One row after the other: to group them, SQLite would sort them all.
        const SQL: &str = "SELECT g.model FROM image i CROSS JOIN generation g ON g.image = i.id
                           WHERE i.status = ?3 AND i.status <> 'ok' AND i.id BETWEEN ?1 AND ?2";
        let of_state = |status: ImageStatus| {
            let read = |db: &Connection, [first, last]: [i64; 2], counts: &mut HashMap<i64, u64>| {
                each_row(db, SQL, COUNT, (first, last, status.as_str()), |r| {
                    *counts.entry(r.get(0)?).or_default() += 1;
                    Ok(())
                })
            };
            let mut sums: HashMap<i64, u64> = HashMap::new();
            for (model, n) in self.read_in_ranges(IMAGES, HashMap::new, read)?.into_iter().flatten() {
                *sums.entry(model).or_default() += n;
            }
            Ok((status, sums))
        };
        ImageStatus::ALL.iter().copied().filter(|status| *status != ImageStatus::Ok).map(of_state).collect()
    }

    /// Returns what an encoder embedded and scored.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn encoder_counts(&self, encoder: i64) -> Result<EncoderCounts> {
        Ok(EncoderCounts {
            prompts: self.number("SELECT count(*) FROM prompt_vector WHERE encoder = ?1", [encoder])?,
            scored: self.count_in_ranges(
                "SELECT (SELECT min(generation) FROM image_score), (SELECT max(generation) FROM image_score)",
                "SELECT count(*) FROM image_score WHERE encoder = ?1 AND generation BETWEEN ?2 AND ?3",
                encoder,
            )?,
            failed: self.number(
                "SELECT (SELECT count(*) FROM embedding_failure WHERE encoder = ?1)
                      + (SELECT count(*) FROM prompt_failure WHERE encoder = ?1)",
                [encoder],
            )?,
        })
    }

    /// Returns how many generations a region set has looked at, and how many regions it has, those of references included.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_set_counts(&self, set: i64) -> Result<(u64, u64)> {
        let generations = "SELECT count(*) FROM region_image i JOIN generation g ON g.image = i.image WHERE i.region_set = ?1";
        let regions = "SELECT count(*) FROM region_image i JOIN region r ON r.region_image = i.id WHERE i.region_set = ?1";
        Ok((self.number(generations, [set])?, self.number(regions, [set])?))
    }

    /// Returns what an encoder made of a region set.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_counts(&self, set: i64, encoder: i64) -> Result<RegionCounts> {
        let embedded = "SELECT count(*) FROM region_image i JOIN region r ON r.region_image = i.id
                        JOIN region_vector v ON v.region = r.id AND v.encoder = ?2 WHERE i.region_set = ?1";
        let scored = "SELECT count(*) FROM region_score WHERE region_set = ?1 AND encoder = ?2";
        Ok(RegionCounts { embedded: self.number(embedded, [set, encoder])?, scored: self.number(scored, [set, encoder])? })
    }

    /// Returns the sum of what a query counts of an encoder (?1), which it does for the rows from ?2 to ?3: all readers of the
    /// catalog count some. `ends` gives the first row and the last.
    pub(super) fn count_in_ranges(&self, ends: &str, sql: &str, encoder: i64) -> Result<u64> {
        let count = |db: &Connection, [first, last]: [i64; 2], sum: &mut u64| {
            each_row(db, sql, COUNT, (encoder, first, last), |r| {
                *sum += r.get::<_, i64>(0)? as u64;
                Ok(())
            })
        };
        Ok(self.read_in_ranges(ends, || 0, count)?.into_iter().sum())
    }

    fn number(&self, sql: &str, parameters: impl Params) -> Result<u64> {
        let number = self.db.prepare_cached(sql).and_then(|mut q| q.query_row(parameters, |r| r.get::<_, i64>(0)));
        number.map(|n| n as u64).map_err(catalog(COUNT))
    }
}

/// Calls `each` with every row of a query, which is to do what `act` says.
pub(super) fn each_row(
    db: &Connection,
    sql: &str,
    act: &'static str,
    parameters: impl Params,
    mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<()> {
    let mut query = db.prepare_cached(sql).map_err(catalog(act))?;
    let mut rows = query.query(parameters).map_err(catalog(act))?;
    while let Some(row) = rows.next().map_err(catalog(act))? {
        each(row).map_err(catalog(act))?;
    }
    Ok(())
}

impl ImageCounts {
    fn note(&mut self, status: &str, n: u64) {
        match status {
            "missing" => self.missing += n,
            "pending" => self.pending += n,
            _ => self.unusable += n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Gap, Gaps, PathRule};
    use super::*;

    /// Models, one of them without images, and encoders, one without vectors; images in every state, with vectors that are fresh,
    /// stale, of unknown content, or not there.
    const ROWS: &str = "PRAGMA foreign_keys = off; BEGIN;
        CREATE TEMP TABLE number AS WITH RECURSIVE n (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 4999)
            SELECT value AS n, value * 3 + 5 AS id FROM n;
        INSERT INTO model (id, name, control) VALUES (1, 'm', 0), (2, 'composite', 1), (3, 'm 1', 0), (4, 'none', 0);
        INSERT INTO subject (id, subject_id, label) SELECT n + 1, 's' || n, 'thing' FROM number WHERE n < 20;
        INSERT INTO prompt (id, prompt_id, text, scene_type) SELECT n + 1, 'p' || n, 'Things.', 'neutral' FROM number WHERE n < 60;
        INSERT INTO encoder (id, name, fingerprint, dimension) VALUES (1, 'a', 'f', 8), (2, 'b', 'f', 8), (3, 'idle', 'f', 8);
        INSERT INTO part (id, encoder, provenance, rows, bytes, blake3)
            VALUES (1, 1, 'imported', 5000, 1, zeroblob(32)), (2, 2, 'computed', 5000, 1, zeroblob(32));
        CREATE TEMP TABLE looks AS SELECT id, n, CAST(printf('%032d', n) AS BLOB) AS content,
            CASE WHEN n % 11 = 0 THEN 'pending' WHEN n % 11 < 3 THEN 'missing' WHEN n % 11 = 3 THEN 'unreadable'
                 WHEN n % 11 = 4 AND n > 3000 THEN 'oversized' ELSE 'ok' END AS status FROM number;
        INSERT INTO image (id, path, status, reason, blake3, format, width, height)
            SELECT id, '/x/' || n || '.png', status, iif(status IN ('ok', 'pending'), NULL, 'because'),
                   iif(status = 'ok' OR n % 2 = 0, content, NULL), 'png', 1, 1 FROM looks;
        INSERT INTO reference_image (subject, reference_index, image) SELECT n % 20 + 1, n / 20, id FROM looks WHERE n % 50 = 7;
        INSERT INTO generation (id, model, prompt, seed, image)
            SELECT n + 1, n % 3 + 1, n / 3 % iif(n % 3 = 0, 60, 17) + 1, n - 100, id FROM looks WHERE n % 50 <> 7;
        INSERT INTO image_vector (encoder, image, part, row, source)
            SELECT e.id, l.id, e.id, n, CASE (n + e.id) % 4 WHEN 0 THEN NULL WHEN 1 THEN zeroblob(32) ELSE content END
            FROM looks l, encoder e WHERE e.id < 3 AND n % 9 <> e.id;
        INSERT INTO image_score (generation, encoder, similarity) SELECT g.id, e.id, 0.5 FROM generation g, encoder e
            WHERE g.id % (e.id * 3) = 0 AND e.id < 3;
        COMMIT;";

    fn pairs(catalog: &Catalog, sql: &'static str) -> Vec<(String, i64)> {
        catalog.rows(sql, |r| Ok((r.get(0)?, r.get(1)?))).unwrap()
    }

    fn number(catalog: &Catalog, sql: &str) -> u64 {
        catalog.number(sql, []).unwrap()
    }

    fn gap(catalog: &Catalog, encoder: i64, table: &str) -> Gap {
        let total = number(catalog, &format!("SELECT count(*) FROM {table}"));
        let with = format!(
            "SELECT count(*) FROM {table} t JOIN image i ON i.id = t.image WHERE EXISTS (SELECT 1 FROM image_vector v
             WHERE v.encoder = {encoder} AND v.image = i.id AND (v.source IS NULL OR v.source = i.blake3))"
        );
        Gap { total, lacking: total - number(catalog, &with) }
    }

    #[test]
    fn counts_are_those_of_rows_looked_up_one_by_one_whoever_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Catalog::create(&path, PathRule::Absolute).unwrap();
        Catalog::open_to_write(&path).unwrap().db.execute_batch(ROWS).unwrap();
        for readers in [0, 3] {
            let catalog = Catalog::open_to_read(&path).unwrap();
            let open = |_| rusqlite::Connection::open(&path).unwrap();
            catalog.others.replace((0..readers).map(open).collect());
            for encoder in [1, 2, 3] {
                let [references, generations] = ["reference_image", "generation"].map(|table| gap(&catalog, encoder, table));
                assert_eq!(catalog.gaps(encoder).unwrap(), Gaps { references, generations }, "{encoder}");
                let scored = number(&catalog, &format!("SELECT count(*) FROM image_score WHERE encoder = {encoder}"));
                assert_eq!(catalog.encoder_counts(encoder).unwrap().scored, scored, "{encoder}");
            }
            let gaps = catalog.gaps(1).unwrap();
            assert!(
                gaps.generations.lacking > 1000 && gaps.generations.total == 4900 && gaps.references.lacking > 10,
                "{gaps:?}"
            );

            let counts = catalog.model_counts().unwrap();
            let names: Vec<&str> = counts.iter().map(|m| m.model.as_str()).collect();
            assert_eq!(names, ["m", "m 1", "none", "composite"], "controls last");
            assert_eq!((counts[2].images, counts[2].prompts), (ImageCounts::default(), 0));
            for of_model in &counts {
                let of = format!("FROM generation g JOIN model m ON m.id = g.model WHERE m.name = '{}'", of_model.model);
                let of_state = |states: &str| {
                    number(
                        &catalog,
                        &format!("SELECT count(*) {of} AND (SELECT status FROM image WHERE id = g.image) IN ({states})"),
                    )
                };
                let images = ImageCounts {
                    total: number(&catalog, &format!("SELECT count(*) {of}")),
                    missing: of_state("'missing'"),
                    unusable: of_state("'unreadable', 'oversized'"),
                    pending: of_state("'pending'"),
                };
                assert_eq!(of_model.images, images, "{}", of_model.model);
                assert_eq!(of_model.prompts, number(&catalog, &format!("SELECT count(DISTINCT g.prompt) {of}")));
            }
            let references = catalog.reference_counts().unwrap();
            let all = references.missing + references.unusable + references.pending;
            let not_ok = "SELECT count(*) FROM reference_image r JOIN image i ON i.id = r.image WHERE i.status <> 'ok'";
            assert_eq!((references.total, all), (100, number(&catalog, not_ok)));

            let unusable = "SELECT who || ': /x/' || ((id - 5) / 3) || '.png: because', rank FROM (
                 SELECT 0 AS rank, 'reference ' || r.reference_index || ' of subject ' || s.subject_id AS who, i.id
                 FROM reference_image r JOIN image i ON i.id = r.image JOIN subject s ON s.id = r.subject
                 WHERE i.status NOT IN ('ok', 'pending')
                 UNION ALL SELECT 1, 'generation ' || m.name || ' ' || p.prompt_id || ' ' || g.seed, i.id
                 FROM generation g JOIN image i ON i.id = g.image JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
                 WHERE i.status NOT IN ('ok', 'pending')) ORDER BY rank, who, id";
            let expected: Vec<String> = pairs(&catalog, unusable).into_iter().map(|(said, _)| said).collect();
            for limit in [0, 3, 20, 200, 10_000] {
                let found = catalog.unusable_images(limit).unwrap();
                assert!(found == expected[..limit.min(expected.len())], "{limit}: {found:?}");
            }
        }
    }
}

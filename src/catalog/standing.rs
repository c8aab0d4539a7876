//! What there is, counted, without a look at any file.

use super::{Catalog, catalog};
use crate::error::Result;
use crate::vocabulary::ModelName;
use rusqlite::Params;

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
        let sql =
            "SELECT i.status, count(*) FROM image i JOIN reference_image r ON r.image = i.id WHERE i.status <> 'ok' GROUP BY 1";
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
        let sql = "SELECT m.id, m.name, m.control,
                          (SELECT count(*) FROM generation g WHERE g.model = m.id),
                          (SELECT count(*) FROM prompt p WHERE EXISTS (
                               SELECT 1 FROM generation g WHERE g.prompt = p.id AND g.model = m.id))
                   FROM model m ORDER BY m.control, m.name";
        let mut models = self.rows(sql, |r| {
            let images = ImageCounts { total: r.get::<_, i64>(3)? as u64, ..ImageCounts::default() };
            let prompts = r.get::<_, i64>(4)? as u64;
            Ok((r.get::<_, i64>(0)?, ModelCounts { model: r.get(1)?, control: r.get(2)?, images, prompts }))
        })?;
        let sql = "SELECT g.model, i.status, count(*) FROM image i JOIN generation g ON g.image = i.id
                   WHERE i.status <> 'ok' GROUP BY 1, 2";
        for (model, status, n) in self.rows(sql, |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, i64>(2)?)))? {
            if let Some((_, counts)) = models.iter_mut().find(|(id, _)| *id == model) {
                counts.images.note(&status, n as u64);
            }
        }
        Ok(models.into_iter().map(|(_, counts)| counts).collect())
    }

    /// Returns what an encoder embedded and scored.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn encoder_counts(&self, encoder: i64) -> Result<EncoderCounts> {
        Ok(EncoderCounts {
            prompts: self.number("SELECT count(*) FROM prompt_vector WHERE encoder = ?1", [encoder])?,
            scored: self.number("SELECT count(*) FROM image_score WHERE encoder = ?1", [encoder])?,
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

    fn number(&self, sql: &str, parameters: impl Params) -> Result<u64> {
        let number = self.db.prepare_cached(sql).and_then(|mut q| q.query_row(parameters, |r| r.get::<_, i64>(0)));
        number.map(|n| n as u64).map_err(catalog("count rows"))
    }
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

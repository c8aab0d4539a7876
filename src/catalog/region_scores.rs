//! What regions are compared with, and what that gave.

use super::regions::{COUNTS, USED, place};
use super::vectors::VectorPlace;
use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::vocabulary::SubjectKind;
use rusqlite::params;

/// A region that counts, with the place of its vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedRegion {
    /// The region's row.
    pub region: i64,
    /// The kind of subject that it shows, if that is known.
    pub kind: Option<SubjectKind>,
    /// Its vector.
    pub place: VectorPlace,
}

/// A generation whose regions all have vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionScoringTask {
    /// Generation row.
    pub generation: i64,
    /// Its prompt's row.
    pub prompt: i64,
    /// The regions that count: by score, the highest first, then x, y, width, height and place in the file.
    pub regions: Vec<PlacedRegion>,
}

/// A reference of a subject under a region set: the region of it that is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionReference {
    /// Subject row.
    pub subject: i64,
    /// Its kind.
    pub kind: Option<SubjectKind>,
    /// The vector; `None`: it has none.
    pub place: Option<VectorPlace>,
}

/// What the regions of a generation show.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionScore {
    /// Generation row.
    pub generation: i64,
    /// Number of requested subjects that the set can show.
    pub requested: u32,
    /// Number of regions that count.
    pub regions: u32,
    /// Mean of max(0, cosine) over the requested, 0 for one without a region.
    pub identity: Option<f64>,
    /// Mean cosine of the pairs.
    pub matched: Option<f64>,
    /// Share of pairs whose region is nearest to its own subject.
    pub top1: Option<f64>,
    /// Mean lead of a pair over the subject's next region.
    pub margin: Option<f64>,
    /// How much regions resemble other requested subjects beyond those subjects' own likeness.
    pub bleeding: Option<f64>,
    /// How much the regions of a pair resemble each other beyond their subjects' own likeness.
    pub homogenisation: Option<f64>,
    /// Regions whose nearest requested subject is also that of another region.
    pub doubled: u32,
    /// Every region with every requested subject.
    pub pairs: Vec<RegionPair>,
    /// Of every subject of the set's kinds the region most like it.
    pub locals: Vec<RegionLocal>,
}

/// A region and a requested subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionPair {
    /// The subject's position in the prompt.
    pub ordinal: u32,
    /// The region's row.
    pub region: i64,
    /// Cosine of the region and the nearest of the subject's references; `None`: they cannot be a pair.
    pub similarity: Option<f64>,
    /// Whether the region is the subject's.
    pub assigned: bool,
}

/// A subject and the region most like it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionLocal {
    /// Subject row.
    pub subject: i64,
    /// Cosine of the two.
    pub similarity: f64,
    /// The region's row.
    pub region: i64,
}

impl Catalog {
    /// Returns the used region of every reference of subjects that a set can show, with its vector by an encoder; by subject
    /// and reference index.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_references(&self, set: i64, encoder: i64) -> Result<Vec<RegionReference>> {
        self.db
            .prepare_cached(&format!(
                "SELECT c.subject, u.kind, v.part, v.row FROM reference_image c JOIN subject u ON u.id = c.subject
                 JOIN region_set s ON s.id = ?1 JOIN image f ON f.id = c.image
                 LEFT JOIN region_image i ON i.region_set = s.id AND i.image = c.image
                      AND (i.source IS NULL OR i.source = f.blake3)
                 LEFT JOIN region r ON r.region_image = i.id AND {USED}
                 LEFT JOIN region_vector v ON v.encoder = ?2 AND v.region = r.id
                 WHERE s.kinds IS NULL OR u.kind IN (SELECT value FROM json_each(s.kinds))
                 ORDER BY c.subject, c.reference_index"
            ))
            .and_then(|mut q| {
                q.query_map([set, encoder], |r| Ok(RegionReference { subject: r.get(0)?, kind: r.get(1)?, place: place(r, 2)? }))?
                    .collect()
            })
            .map_err(catalog("read references"))
    }

    /// Returns at most `limit` generations whose regions are known and all have vectors, in order, after one: those without a
    /// score by this set and encoder, or with `scored` those with one.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_scoring_tasks(
        &self,
        set: i64,
        encoder: i64,
        scored: bool,
        after: i64,
        limit: usize,
    ) -> Result<Vec<RegionScoringTask>> {
        let act = "read which regions are to be scored";
        let sql = format!(
            "WITH some AS MATERIALIZED (
                 SELECT g.id AS generation, g.prompt, i.id AS region_image, i.region_set FROM region_image i
                 JOIN region_set s ON s.id = i.region_set JOIN generation g ON g.image = i.image JOIN image f ON f.id = i.image
                 WHERE i.region_set = ?1 AND (i.source IS NULL OR i.source = f.blake3) AND g.id > ?3
                   AND ?5 = EXISTS (SELECT 1 FROM region_score c
                                    WHERE c.generation = g.id AND c.region_set = ?1 AND c.encoder = ?2)
                   AND NOT EXISTS (SELECT 1 FROM region r WHERE r.region_image = i.id AND {COUNTS} AND NOT EXISTS (
                       SELECT 1 FROM region_vector v WHERE v.encoder = ?2 AND v.region = r.id))
                 ORDER BY g.id LIMIT ?4)
             SELECT t.generation, t.prompt, r.id, r.kind, v.part, v.row FROM some t JOIN region_set s ON s.id = t.region_set
             LEFT JOIN region r ON r.region_image = t.region_image AND {COUNTS}
             LEFT JOIN region_vector v ON v.encoder = ?2 AND v.region = r.id
             ORDER BY t.generation, r.score DESC, r.x, r.y, r.width, r.height, r.region_index"
        );
        let mut query = self.db.prepare_cached(&sql).map_err(catalog(act))?;
        let mut rows = query.query(params![set, encoder, after, limit as i64, scored]).map_err(catalog(act))?;
        let mut tasks: Vec<RegionScoringTask> = Vec::new();
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let read = || -> rusqlite::Result<(i64, i64, Option<PlacedRegion>)> {
                let kind = r.get(3)?;
                let placed = r.get::<_, Option<i64>>(2)?.zip(place(r, 4)?);
                Ok((r.get(0)?, r.get(1)?, placed.map(|(region, place)| PlacedRegion { region, kind, place })))
            };
            let (generation, prompt, region) = read().map_err(catalog(act))?;
            if tasks.last().is_none_or(|task| task.generation != generation) {
                tasks.push(RegionScoringTask { generation, prompt, regions: Vec::new() });
            }
            if let Some(task) = tasks.last_mut() {
                task.regions.extend(region);
            }
        }
        Ok(tasks)
    }

    /// Returns the (set, encoder) rows that have vectors of regions: what can be scored.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn scored_by_regions(&self) -> Result<Vec<(i64, i64)>> {
        let mut all = Vec::new();
        for set in self.region_sets()? {
            all.extend(self.encoders_of_regions(set.id)?.into_iter().map(|encoder| (set.id, encoder)));
        }
        Ok(all)
    }

    /// Calls `each` with every score by a set and an encoder, by generation, without its pairs and locals.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_region_score(&self, set: i64, encoder: i64, mut each: impl FnMut(RegionScore) -> Result<()>) -> Result<()> {
        let act = "read the scores of regions";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT generation, requested, regions, identity, matched, top1, margin, bleeding, homogenisation, doubled
                 FROM region_score WHERE region_set = ?1 AND encoder = ?2 ORDER BY generation",
            )
            .map_err(catalog(act))?;
        let mut rows = query.query([set, encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let read = || -> rusqlite::Result<RegionScore> {
                Ok(RegionScore {
                    generation: r.get(0)?,
                    requested: r.get(1)?,
                    regions: r.get(2)?,
                    identity: r.get(3)?,
                    matched: r.get(4)?,
                    top1: r.get(5)?,
                    margin: r.get(6)?,
                    bleeding: r.get(7)?,
                    homogenisation: r.get(8)?,
                    doubled: r.get(9)?,
                    pairs: Vec::new(),
                    locals: Vec::new(),
                })
            };
            each(read().map_err(catalog(act))?)?;
        }
        Ok(())
    }

    /// Calls `each` with every pair by a set and an encoder: generation row, and the pair; by generation and ordinal, regions
    /// in the order of [`RegionScoringTask::regions`].
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_region_pair(&self, set: i64, encoder: i64, mut each: impl FnMut(i64, RegionPair) -> Result<()>) -> Result<()> {
        let act = "read pairs";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT c.generation, c.ordinal, c.region, c.similarity, c.assigned FROM region_pair c JOIN region r ON r.id = c.region
                 WHERE c.region_set = ?1 AND c.encoder = ?2
                 ORDER BY c.generation, c.ordinal, r.score DESC, r.x, r.y, r.width, r.height, r.region_index",
            )
            .map_err(catalog(act))?;
        let mut rows = query.query([set, encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let read = || -> rusqlite::Result<(i64, RegionPair)> {
                let pair = RegionPair { ordinal: r.get(1)?, region: r.get(2)?, similarity: r.get(3)?, assigned: r.get(4)? };
                Ok((r.get(0)?, pair))
            };
            let (generation, pair) = read().map_err(catalog(act))?;
            each(generation, pair)?;
        }
        Ok(())
    }

    /// Calls `each` with every subject's nearest region by a set and an encoder: generation row, and the rest; by generation
    /// and subject.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_region_local(&self, set: i64, encoder: i64, mut each: impl FnMut(i64, RegionLocal)) -> Result<()> {
        let act = "read the regions of subjects";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT generation, subject, similarity, region FROM region_local WHERE region_set = ?1 AND encoder = ?2
                 ORDER BY generation, subject",
            )
            .map_err(catalog(act))?;
        let mut rows = query.query([set, encoder]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let read = || -> rusqlite::Result<(i64, RegionLocal)> {
                Ok((r.get(0)?, RegionLocal { subject: r.get(1)?, similarity: r.get(2)?, region: r.get(3)? }))
            };
            let (generation, local) = read().map_err(catalog(act))?;
            each(generation, local);
        }
        Ok(())
    }

    /// Returns the score of a generation by a set and an encoder, whole; `None`: it has none.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_score_of(&self, set: i64, encoder: i64, generation: i64) -> Result<Option<RegionScore>> {
        let act = "read the scores of regions";
        let key = params![generation, set, encoder];
        let read = || -> rusqlite::Result<Option<RegionScore>> {
            let mut head = self.db.prepare_cached(
                "SELECT requested, regions, identity, matched, top1, margin, bleeding, homogenisation, doubled FROM region_score
                 WHERE generation = ?1 AND region_set = ?2 AND encoder = ?3",
            )?;
            let mut rows = head.query(key)?;
            let Some(r) = rows.next()? else { return Ok(None) };
            let pairs = self
                .db
                .prepare_cached(
                    "SELECT ordinal, region, similarity, assigned FROM region_pair
                     WHERE generation = ?1 AND region_set = ?2 AND encoder = ?3 ORDER BY ordinal, region",
                )?
                .query_map(key, |r| {
                    Ok(RegionPair { ordinal: r.get(0)?, region: r.get(1)?, similarity: r.get(2)?, assigned: r.get(3)? })
                })?
                .collect::<rusqlite::Result<_>>()?;
            let locals = self
                .db
                .prepare_cached(
                    "SELECT subject, similarity, region FROM region_local
                     WHERE generation = ?1 AND region_set = ?2 AND encoder = ?3 ORDER BY subject",
                )?
                .query_map(key, |r| Ok(RegionLocal { subject: r.get(0)?, similarity: r.get(1)?, region: r.get(2)? }))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Some(RegionScore {
                generation,
                requested: r.get(0)?,
                regions: r.get(1)?,
                identity: r.get(2)?,
                matched: r.get(3)?,
                top1: r.get(4)?,
                margin: r.get(5)?,
                bleeding: r.get(6)?,
                homogenisation: r.get(7)?,
                doubled: r.get(8)?,
                pairs,
                locals,
            }))
        };
        read().map_err(catalog(act))
    }
}

impl Changes<'_> {
    /// Puts in what the regions of generations show.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_region_scores(&self, set: i64, encoder: i64, scores: &[RegionScore]) -> Result<()> {
        let act = "put the scores of regions";
        let statement = |sql| self.tx.prepare_cached(sql).map_err(catalog(act));
        let mut head = statement(
            "INSERT INTO region_score (generation, region_set, encoder, requested, regions, identity, matched, top1, margin,
                                       bleeding, homogenisation, doubled)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        let mut pair = statement(
            "INSERT INTO region_pair (generation, region_set, encoder, ordinal, region, similarity, assigned)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut local = statement(
            "INSERT INTO region_local (generation, region_set, encoder, subject, similarity, region)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for s in scores {
            let generation = s.generation;
            head.execute(params![
                generation,
                set,
                encoder,
                s.requested,
                s.regions,
                s.identity,
                s.matched,
                s.top1,
                s.margin,
                s.bleeding,
                s.homogenisation,
                s.doubled
            ])
            .map_err(catalog(act))?;
            for p in &s.pairs {
                pair.execute(params![generation, set, encoder, p.ordinal, p.region, p.similarity, p.assigned])
                    .map_err(catalog(act))?;
            }
            for l in &s.locals {
                local.execute(params![generation, set, encoder, l.subject, l.similarity, l.region]).map_err(catalog(act))?;
            }
        }
        Ok(())
    }

    /// Removes the scores of generations by a set and an encoder, so that they are made again.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_region_scores(&self, set: i64, encoder: i64, generations: &[i64]) -> Result<()> {
        for generation in generations {
            self.tx
                .prepare_cached("DELETE FROM region_score WHERE generation = ?1 AND region_set = ?2 AND encoder = ?3")
                .and_then(|mut q| q.execute([*generation, set, encoder]))
                .map_err(catalog("remove the scores of regions"))?;
        }
        Ok(())
    }
}

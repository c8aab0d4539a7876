//! Region sets: which images they cover, which regions those show, and what is to be embedded of them.

use super::removal::{Removed, absent};
use super::vectors::VectorPlace;
use super::{Catalog, Changes, catalog};
use crate::crop::CropRule;
use crate::error::Result;
use crate::vocabulary::{ModelName, PromptId, RegionSetName, SubjectId, SubjectKind};
use rusqlite::{OptionalExtension, Row, params};
use std::path::PathBuf;

/// A set of regions.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionSetRow {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub name: RegionSetName,
    /// What counts, and how it is cut out.
    pub rules: RegionRules,
}

/// Which subjects a set can show, which of its regions count, and how they are cut out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegionRules {
    /// The kinds of subjects that it can show; `None`: all subjects.
    pub kinds: Option<Vec<SubjectKind>>,
    /// A region with a shorter side, in pixels, does not count.
    pub least_side: f64,
    /// A region of a lower score does not count; one without a score does.
    pub least_score: f64,
    /// How regions are cut out.
    pub crop: CropRule,
}

impl RegionRules {
    /// Returns whether the set can show a subject of this kind.
    pub fn covers(&self, kind: Option<SubjectKind>) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kind.is_some_and(|kind| kinds.contains(&kind)))
    }
}

/// One region.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionRow {
    /// The row's id; 0 of one that is not in the catalog yet.
    pub id: i64,
    /// Its place in the file.
    pub index: u32,
    /// x, y, width and height in pixels of the upright image.
    pub bounds: [f64; 4],
    /// How sure its origin is, 0 to 1.
    pub score: Option<f64>,
    /// What its origin calls it.
    pub label: Option<String>,
    /// The kind of subject that it shows, if that is known.
    pub kind: Option<SubjectKind>,
    /// The subject that its origin says it is.
    pub claimed: Option<String>,
    /// Its mask, as COCO's run-length code in JSON.
    pub mask: Option<String>,
}

/// An image as the target of regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionTarget {
    /// The image's row.
    pub image: i64,
    /// Its upright width and height, if it could be read.
    pub size: Option<[u32; 2]>,
    /// BLAKE3 of its bytes, if they were read.
    pub source: Option<[u8; 32]>,
    /// Whether it is a reference.
    pub is_reference: bool,
}

/// A reference whose regions are to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubtfulReference {
    /// The subject.
    pub subject: SubjectId,
    /// Which of its references.
    pub index: i64,
    /// The set.
    pub set: RegionSetName,
    /// How many regions the set has of it.
    pub regions: i64,
    /// Whether they are of other bytes than the file has now.
    pub stale: bool,
}

/// An image whose regions are to be embedded.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionTask {
    /// The image's row.
    pub image: i64,
    /// Its file.
    pub path: PathBuf,
    /// BLAKE3 of the bytes that are expected in it.
    pub source: [u8; 32],
    /// The regions without a vector.
    pub regions: Vec<RegionRow>,
}

/// What is known of an image's regions, as stored: of a reference, the region that is used comes first.
const REGION: &str = "r.id, r.region_index, r.x, r.y, r.width, r.height, r.score, r.label, r.kind, r.claimed, r.mask";

/// Whether region `r` of set `s` counts.
pub(super) const COUNTS: &str = "(min(r.width, r.height) >= s.least_side AND coalesce(r.score, 1) >= s.least_score)";

/// Whether region `r` of the region image `i` is the one of a reference that is used: the first of highest score.
pub(super) const USED: &str = "r.id = (SELECT b.id FROM region b WHERE b.region_image = i.id
                                       ORDER BY b.score DESC, b.region_index LIMIT 1)";

/// Regions `r` of set ?2 that count or are used as references, of usable images `f` as they are, without a vector of
/// encoder ?1, staged or not, and without a failure.
fn to_embed() -> String {
    format!(
        "FROM region_image i JOIN region_set s ON s.id = i.region_set JOIN region r ON r.region_image = i.id
         JOIN image f ON f.id = i.image
         WHERE i.region_set = ?2 AND f.status = 'ok' AND i.source = f.blake3
           AND CASE WHEN EXISTS (SELECT 1 FROM reference_image c WHERE c.image = i.image) THEN {USED} ELSE {COUNTS} END
           AND NOT EXISTS (SELECT 1 FROM region_vector v WHERE v.encoder = ?1 AND v.region = r.id)
           AND NOT EXISTS (SELECT 1 FROM staged_region_vector v WHERE v.encoder = ?1 AND v.region = r.id)
           AND NOT EXISTS (SELECT 1 FROM region_failure v WHERE v.encoder = ?1 AND v.region = r.id)"
    )
}

fn region(r: &Row<'_>, at: usize) -> rusqlite::Result<RegionRow> {
    Ok(RegionRow {
        id: r.get(at)?,
        index: r.get(at + 1)?,
        bounds: [r.get(at + 2)?, r.get(at + 3)?, r.get(at + 4)?, r.get(at + 5)?],
        score: r.get(at + 6)?,
        label: r.get(at + 7)?,
        kind: r.get(at + 8)?,
        claimed: r.get(at + 9)?,
        mask: r.get(at + 10)?,
    })
}

fn region_set(r: &Row<'_>) -> rusqlite::Result<RegionSetRow> {
    let kinds = r.get::<_, Option<String>>(2)?.map(|json| {
        let words: Vec<String> = serde_json::from_str(&json).unwrap_or_default();
        words.iter().filter_map(|word| word.parse().ok()).collect()
    });
    let crop = CropRule { margin: r.get(5)?, square: r.get(6)?, outside: r.get(7)?, fit: r.get(8)? };
    let rules = RegionRules { kinds, least_side: r.get(3)?, least_score: r.get(4)?, crop };
    Ok(RegionSetRow { id: r.get(0)?, name: r.get(1)?, rules })
}

fn kinds_as_json(kinds: Option<&[SubjectKind]>) -> Option<String> {
    let mut words: Vec<&str> = kinds?.iter().map(|kind| kind.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    // Cannot fail: a list of strings.
    Some(serde_json::to_string(&words).unwrap_or_default())
}

impl Catalog {
    /// Returns the region sets, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_sets(&self) -> Result<Vec<RegionSetRow>> {
        self.db
            .prepare_cached(
                "SELECT id, name, kinds, least_side, least_score, margin, square, outside, fit FROM region_set ORDER BY name",
            )
            .and_then(|mut q| q.query_map([], region_set)?.collect())
            .map_err(catalog("read region sets"))
    }

    /// Returns the encoders that embed the regions of a set, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn encoders_of_regions(&self, set: i64) -> Result<Vec<i64>> {
        self.db
            .prepare_cached(
                "SELECT e.id FROM region_encoder k JOIN encoder e ON e.id = k.encoder WHERE k.region_set = ?1 ORDER BY e.name",
            )
            .and_then(|mut q| q.query_map([set], |r| r.get(0))?.collect())
            .map_err(catalog("read the encoders of a region set"))
    }

    /// Returns whether an encoder embeds whole images, not only regions.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn embeds_whole_images(&self, encoder: i64) -> Result<bool> {
        self.db
            .query_row("SELECT whole FROM encoder WHERE id = ?1", [encoder], |r| r.get(0))
            .map_err(catalog("read what an encoder embeds"))
    }

    /// Returns whether an encoder has vectors of regions.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn has_region_vectors(&self, encoder: i64) -> Result<bool> {
        self.db
            .query_row("SELECT EXISTS (SELECT 1 FROM region_vector WHERE encoder = ?1)", [encoder], |r| r.get(0))
            .map_err(catalog("read what an encoder embeds"))
    }

    /// Returns at most `limit` images with regions to embed, in order, after an image.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn regions_to_embed(&self, encoder: i64, set: i64, after: i64, limit: usize) -> Result<Vec<RegionTask>> {
        let act = "read which regions are to be embedded";
        let sql = format!(
            "WITH some AS (SELECT DISTINCT i.image {to_embed} AND i.image > ?3 ORDER BY i.image LIMIT ?4)
             SELECT f.id, full_path(f.path), f.blake3, {REGION} {to_embed} AND i.image IN some ORDER BY f.id, r.region_index",
            to_embed = to_embed()
        );
        let mut query = self.db.prepare_cached(&sql).map_err(catalog(act))?;
        let mut rows = query.query(params![encoder, set, after, limit as i64]).map_err(catalog(act))?;
        let mut tasks: Vec<RegionTask> = Vec::new();
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let image: i64 = r.get(0).map_err(catalog(act))?;
            let region = region(r, 3).map_err(catalog(act))?;
            match tasks.last_mut().filter(|task| task.image == image) {
                Some(task) => task.regions.push(region),
                None => {
                    let path: String = r.get(1).map_err(catalog(act))?;
                    let source = r.get(2).map_err(catalog(act))?;
                    tasks.push(RegionTask { image, path: PathBuf::from(path), source, regions: vec![region] });
                }
            }
        }
        Ok(tasks)
    }

    /// Returns how many regions of a set an encoder is still to embed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn count_regions_to_embed(&self, encoder: i64, set: i64) -> Result<u64> {
        self.db
            .query_row(&format!("SELECT count(*) {}", to_embed()), [encoder, set], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count the regions to embed"))
    }

    /// Returns how many regions of a set an encoder could not embed, and the first of them with its reason.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_failures(&self, encoder: i64, set: i64) -> Result<(u64, Option<String>)> {
        let from = "FROM region_failure v JOIN region r ON r.id = v.region JOIN region_image i ON i.id = r.region_image
                    JOIN image f ON f.id = i.image WHERE v.encoder = ?1 AND i.region_set = ?2";
        let act = "read which regions could not be embedded";
        let count: i64 =
            self.db.query_row(&format!("SELECT count(*) {from}"), [encoder, set], |r| r.get(0)).map_err(catalog(act))?;
        let first = self
            .db
            .query_row(
                &format!("SELECT full_path(f.path), r.region_index, v.reason {from} ORDER BY f.id, r.region_index LIMIT 1"),
                [encoder, set],
                |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?, r.get::<_, String>(2)?)),
            )
            .optional()
            .map_err(catalog(act))?;
        let said = first.map(|(path, index, reason)| format!("region {index} of {}: {reason}", crate::text::quote(&path)));
        Ok((count as u64, said))
    }

    /// Calls `each` with every region of a set: whose image it is of (generation row, or subject row and reference index),
    /// and the region; references that are used whole are left out.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_region(&self, set: i64, mut each: impl FnMut(Option<i64>, RegionRow, bool) -> Result<()>) -> Result<()> {
        let act = "read regions";
        let sql = format!(
            "SELECT g.id, {COUNTS}, {REGION} FROM region_image i JOIN region_set s ON s.id = i.region_set
             JOIN region r ON r.region_image = i.id JOIN image f ON f.id = i.image
             LEFT JOIN generation g ON g.image = i.image
             WHERE i.region_set = ?1 AND i.file IS NOT NULL AND (i.source IS NULL OR i.source = f.blake3)
             ORDER BY g.id, i.image, r.region_index"
        );
        let mut query = self.db.prepare_cached(&sql).map_err(catalog(act))?;
        let mut rows = query.query([set]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let (generation, counts) = (r.get(0).map_err(catalog(act))?, r.get(1).map_err(catalog(act))?);
            each(generation, region(r, 2).map_err(catalog(act))?, counts)?;
        }
        Ok(())
    }

    /// Returns the generation rows whose regions are known in a set, as their images are now.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generations_with_regions(&self, set: i64) -> Result<Vec<i64>> {
        self.db
            .prepare_cached(
                "SELECT g.id FROM region_image i JOIN image f ON f.id = i.image JOIN generation g ON g.image = i.image
                 WHERE i.region_set = ?1 AND (i.source IS NULL OR i.source = f.blake3) ORDER BY g.id",
            )
            .and_then(|mut q| q.query_map([set], |r| r.get(0))?.collect())
            .map_err(catalog("read which images have regions"))
    }

    /// Returns references of which several regions are known, each with its set and how many there are; and references
    /// whose regions are of other bytes than they have now.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn doubtful_references(&self) -> Result<Vec<DoubtfulReference>> {
        self.db
            .prepare_cached(
                "SELECT u.subject_id, c.reference_index, s.name, (SELECT count(*) FROM region r WHERE r.region_image = i.id) AS n,
                        (i.source IS NOT NULL AND i.source IS NOT f.blake3) AS stale
                 FROM region_image i JOIN region_set s ON s.id = i.region_set JOIN image f ON f.id = i.image
                 JOIN reference_image c ON c.image = i.image JOIN subject u ON u.id = c.subject
                 WHERE i.file IS NOT NULL AND (n > 1 OR stale) ORDER BY s.name, u.subject_id, c.reference_index",
            )
            .and_then(|mut q| {
                q.query_map([], |r| {
                    Ok(DoubtfulReference {
                        subject: r.get(0)?,
                        index: r.get(1)?,
                        set: r.get(2)?,
                        regions: r.get(3)?,
                        stale: r.get(4)?,
                    })
                })?
                .collect()
            })
            .map_err(catalog("read the regions of references"))
    }
}

impl Changes<'_> {
    /// Returns the set of this name, made with these rules if it is new.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_set(&self, name: &RegionSetName, rules: &RegionRules) -> Result<RegionSetRow> {
        let act = "put a region set";
        let known = self
            .tx
            .prepare_cached(
                "SELECT id, name, kinds, least_side, least_score, margin, square, outside, fit FROM region_set WHERE name = ?1",
            )
            .and_then(|mut q| q.query_row([name.as_str()], region_set).optional())
            .map_err(catalog(act))?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.tx.execute("INSERT INTO region_set (name) VALUES (?1)", [name.as_str()]).map_err(catalog(act))?;
        let id = self.tx.last_insert_rowid();
        self.set_region_rules(id, rules)?;
        Ok(RegionSetRow { id, name: name.clone(), rules: rules.clone() })
    }

    /// Gives a set other rules. What they decide is made again: vectors if regions are cut out otherwise, scores in any
    /// case.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_region_rules(&self, set: i64, rules: &RegionRules) -> Result<()> {
        let RegionRules { kinds, least_side, least_score, crop } = rules;
        let CropRule { margin, square, outside, fit } = crop;
        self.tx
            .execute(
                "UPDATE region_set SET kinds = ?2, least_side = ?3, least_score = ?4, margin = ?5, square = ?6, outside = ?7,
                                       fit = ?8 WHERE id = ?1",
                params![
                    set,
                    kinds_as_json(kinds.as_deref()),
                    least_side,
                    least_score,
                    margin,
                    square,
                    outside.map(|colour| colour.as_str()),
                    fit.as_str()
                ],
            )
            .map(drop)
            .map_err(catalog("change a region set"))
    }

    /// Records a file that regions of a set are read from; returns its row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_file(&self, set: i64, name: &str, format: &str, blake3: &[u8; 32]) -> Result<i64> {
        let act = "put a file of regions";
        self.tx
            .execute(
                "INSERT INTO region_file (region_set, name, format, blake3) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![set, name, format, blake3],
            )
            .map_err(catalog(act))?;
        self.tx
            .query_row(
                "SELECT id FROM region_file WHERE region_set = ?1 AND name = ?2 AND blake3 = ?3",
                params![set, name, blake3],
                |r| r.get(0),
            )
            .map_err(catalog(act))
    }

    /// Returns a generation's image as the target of regions; `None` if there is no such generation.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generation_target(&self, model: &ModelName, prompt: &PromptId, seed: i64) -> Result<Option<RegionTarget>> {
        self.tx
            .prepare_cached(
                "SELECT i.id, i.width, i.height, i.blake3, 0 FROM generation g JOIN model m ON m.id = g.model
                 JOIN prompt p ON p.id = g.prompt JOIN image i ON i.id = g.image
                 WHERE p.prompt_id = ?2 AND m.name = ?1 AND g.seed = ?3",
            )
            .and_then(|mut q| q.query_row(params![model.as_str(), prompt.as_str(), seed], target).optional())
            .map_err(catalog("look up a generation"))
    }

    /// Returns a reference's image as the target of regions; `None` if there is no such reference.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn reference_target(&self, subject: &SubjectId, index: i32) -> Result<Option<RegionTarget>> {
        self.tx
            .prepare_cached(
                "SELECT i.id, i.width, i.height, i.blake3, 1 FROM subject s JOIN reference_image r ON r.subject = s.id
                 JOIN image i ON i.id = r.image WHERE s.subject_id = ?1 AND r.reference_index = ?2",
            )
            .and_then(|mut q| q.query_row(params![subject.as_str(), index], target).optional())
            .map_err(catalog("look up a reference"))
    }

    /// Returns the file of an image.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn path_of(&self, image: i64) -> Result<PathBuf> {
        self.tx
            .query_row("SELECT full_path(path) FROM image WHERE id = ?1", [image], |r| r.get::<_, String>(0))
            .map(PathBuf::from)
            .map_err(catalog("look up an image"))
    }

    /// Returns every image with its absolute path: where a file names images by their paths, they are found among these.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn targets_by_path(&self) -> Result<Vec<(PathBuf, RegionTarget)>> {
        self.tx
            .prepare_cached(
                "SELECT i.id, i.width, i.height, i.blake3, EXISTS (SELECT 1 FROM reference_image r WHERE r.image = i.id),
                        full_path(i.path) FROM image i ORDER BY i.id",
            )
            .and_then(|mut q| q.query_map([], |r| Ok((PathBuf::from(r.get::<_, String>(5)?), target(r)?)))?.collect())
            .map_err(catalog("read images"))
    }

    /// Returns the regions that a set has of an image, as its bytes are now; `None`: it has not looked at it.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn regions_of(&self, set: i64, image: i64) -> Result<Option<Vec<RegionRow>>> {
        let act = "read regions";
        let known: Option<(i64, bool)> = self
            .tx
            .prepare_cached(
                "SELECT i.id, i.file IS NOT NULL AND (i.source IS NULL OR i.source IS f.blake3)
                 FROM region_image i JOIN image f ON f.id = i.image WHERE i.region_set = ?1 AND i.image = ?2",
            )
            .and_then(|mut q| q.query_row([set, image], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(catalog(act))?;
        let Some((id, true)) = known else { return Ok(None) };
        self.tx
            .prepare_cached(&format!("SELECT {REGION} FROM region r WHERE r.region_image = ?1 ORDER BY r.region_index"))
            .and_then(|mut q| q.query_map([id], |r| region(r, 0))?.collect())
            .map(Some)
            .map_err(catalog(act))
    }

    /// Puts in the regions of an image, in place of those that the set had of it. Without a file it is a reference that is
    /// used whole.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_regions(&self, set: i64, target: &RegionTarget, file: Option<i64>, regions: &[RegionRow]) -> Result<()> {
        let act = "put regions";
        self.tx
            .prepare_cached("DELETE FROM region_image WHERE region_set = ?1 AND image = ?2")
            .and_then(|mut q| q.execute([set, target.image]))
            .map_err(catalog(act))?;
        self.tx
            .prepare_cached("INSERT INTO region_image (region_set, image, file, source) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut q| q.execute(params![set, target.image, file, target.source]))
            .map_err(catalog(act))?;
        let image = self.tx.last_insert_rowid();
        let mut put = self
            .tx
            .prepare_cached(
                "INSERT INTO region (region_image, region_index, x, y, width, height, score, label, kind, claimed, mask)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )
            .map_err(catalog(act))?;
        for r in regions {
            let [x, y, width, height] = r.bounds;
            let kind = r.kind.map(|kind| kind.as_str());
            put.execute(params![image, r.index, x, y, width, height, r.score, r.label, kind, r.claimed, r.mask])
                .map_err(catalog(act))?;
        }
        Ok(())
    }

    /// Lets a set use every reference whole of which it knows no regions.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn use_other_references_whole(&self, set: i64) -> Result<()> {
        let act = "put references";
        let targets: Vec<RegionTarget> = self
            .tx
            .prepare_cached(
                "SELECT i.id, i.width, i.height, i.blake3, 1 FROM reference_image r JOIN image i ON i.id = r.image
                 WHERE i.status = 'ok' AND NOT EXISTS (
                     SELECT 1 FROM region_image k WHERE k.region_set = ?1 AND k.image = i.id) ORDER BY i.id",
            )
            .and_then(|mut q| q.query_map([set], target)?.collect())
            .map_err(catalog(act))?;
        for target in &targets {
            let Some([width, height]) = target.size else { continue };
            let bounds = [0.0, 0.0, f64::from(width), f64::from(height)];
            let whole = RegionRow { id: 0, index: 0, bounds, score: None, label: None, kind: None, claimed: None, mask: None };
            self.put_regions(set, target, None, &[whole])?;
        }
        Ok(())
    }

    /// Records that an encoder embeds the regions of a set.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_region_encoder(&self, set: i64, encoder: i64) -> Result<()> {
        self.tx
            .execute("INSERT OR IGNORE INTO region_encoder (region_set, encoder) VALUES (?1, ?2)", [set, encoder])
            .map(drop)
            .map_err(catalog("record what an encoder embeds"))
    }

    /// Records whether an encoder embeds whole images.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_embeds_whole_images(&self, encoder: i64, whole: bool) -> Result<()> {
        self.tx
            .execute("UPDATE encoder SET whole = ?2 WHERE id = ?1 AND whole <> ?2", params![encoder, whole])
            .map(drop)
            .map_err(catalog("record what an encoder embeds"))
    }

    /// Records that an encoder could not embed a region.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_region_failure(&self, encoder: i64, region: i64, reason: &str) -> Result<()> {
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO region_failure (encoder, region, reason) VALUES (?1, ?2, ?3)")
            .and_then(|mut q| q.execute(params![encoder, region, reason]))
            .map(drop)
            .map_err(catalog("record a failure"))
    }

    /// Removes a set with its regions, their vectors and scores.
    ///
    /// # Errors
    /// There is no such set.
    pub fn remove_region_set(&self, name: &RegionSetName) -> Result<Removed> {
        let act = "remove a region set";
        let regions: Option<i64> = self
            .tx
            .query_row(
                "SELECT (SELECT count(*) FROM region r JOIN region_image i ON i.id = r.region_image WHERE i.region_set = s.id)
                 FROM region_set s WHERE s.name = ?1",
                [name.as_str()],
                |r| r.get(0),
            )
            .optional()
            .map_err(catalog(act))?;
        let regions = regions.ok_or_else(|| absent("region set", name.as_str()))?;
        self.tx.execute("DELETE FROM region_set WHERE name = ?1", [name.as_str()]).map_err(catalog(act))?;
        Ok(Removed { regions: Some(regions as u64), ..Removed::default() })
    }

    /// Returns the row of a region, by its set, its image's row and its place in the file.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn region_row(&self, set: &RegionSetName, image: i64, index: u32) -> Result<Option<i64>> {
        self.tx
            .prepare_cached(
                "SELECT r.id FROM region_set s JOIN region_image i ON i.region_set = s.id AND i.image = ?2
                 JOIN region r ON r.region_image = i.id AND r.region_index = ?3 WHERE s.name = ?1 AND i.file IS NOT NULL",
            )
            .and_then(|mut q| q.query_row(params![set.as_str(), image, index], |r| r.get(0)).optional())
            .map_err(catalog("look up a region"))
    }
}

fn target(r: &Row<'_>) -> rusqlite::Result<RegionTarget> {
    let size = r.get::<_, Option<u32>>(1)?.zip(r.get(2)?).map(|(width, height)| [width, height]);
    Ok(RegionTarget { image: r.get(0)?, size, source: r.get(3)?, is_reference: r.get(4)? })
}

/// Where a region's vector lies; `None`: it has none.
pub(super) fn place(r: &Row<'_>, at: usize) -> rusqlite::Result<Option<VectorPlace>> {
    Ok(r.get::<_, Option<i64>>(at)?.zip(r.get(at + 1)?).map(|(part, row)| VectorPlace { part, row }))
}

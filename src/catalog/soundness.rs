//! Finds what is wrong with the rows of a catalog: what SQLite finds, what contradicts itself, and what is not derived
//! from its stated source.

use super::vectors::Target;
use super::{Catalog, catalog, schema};
use crate::error::Result;
use crate::vocabulary::ImageStatus;
use rusqlite::{Connection, Row, params};
use std::path::PathBuf;

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogFault {
    /// What is wrong: a sentence without its full stop.
    pub what: String,
    /// What to do, another such sentence; it works when followed.
    pub then: String,
}

impl CatalogFault {
    pub(crate) fn new(what: impl Into<String>, then: impl Into<String>) -> CatalogFault {
        CatalogFault { what: what.into(), then: then.into() }
    }
}

impl std::fmt::Display for CatalogFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.what, self.then)
    }
}

/// What to do if rows themselves are lost.
pub(crate) const RESTORE: &str = "restore catalog.sqlite from a copy and remove the catalog.sqlite-wal of the damaged one; \
                                  or make a new data set with `msdata init DIR` and ingest again";

const REPAIR: &str = "`msdata verify --repair` rebuilds it";

/// An image file as the catalog knows it.
#[derive(Debug, Clone)]
pub struct KnownFile {
    /// The row's id.
    pub id: i64,
    /// Absolute path.
    pub path: PathBuf,
    /// Its state as last read.
    pub status: ImageStatus,
    /// Size when last read.
    pub bytes: Option<u64>,
    /// Time of change when last read, in nanoseconds since 1970.
    pub mtime_ns: Option<i64>,
    /// Hash of the bytes when last read.
    pub blake3: Option<[u8; 32]>,
    /// Format by content, upright width and height in pixels.
    pub looks: (Option<String>, Option<u32>, Option<u32>),
}

/// A vector's row in its part, and the hash of what it was made from, according to the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorSource {
    /// Row of the part.
    pub row: u32,
    /// Hash of the image bytes or the text.
    pub source: Option<[u8; 32]>,
}

/// Rows that contradict others.
pub(super) struct Contradiction {
    pub what: &'static str,
    /// The query that counts them.
    pub count: &'static str,
    /// The statements that remove them and lose nothing; or, if there are none, what to do.
    pub remedy: std::result::Result<&'static [&'static str], &'static str>,
    /// Whether only a deep verification looks.
    pub deep: bool,
}

/// A vector at a row that its part does not have, in a part of another encoder, or in no part.
macro_rules! astray {
    ($table:literal, $made_here:literal) => {
        concat!(
            " FROM ",
            $table,
            " AS v WHERE NOT EXISTS (SELECT 1 FROM part p WHERE p.id = v.part AND p.encoder = v.encoder AND v.row < p.rows)
              AND coalesce((SELECT p.provenance = 'computed' FROM part p WHERE p.id = v.part),
                           (SELECT e.pixel_rule IS NOT NULL FROM encoder e WHERE e.id = v.encoder), 0) = ",
            $made_here
        )
    };
}

/// An image score without one score for each subject of the prompt.
macro_rules! uneven {
    () => {
        " FROM image_score AS s WHERE (SELECT count(*) FROM subject_score u WHERE u.generation = s.generation AND u.encoder = s.encoder)
            <> (SELECT count(*) FROM generation g JOIN prompt_subject ps ON ps.prompt = g.prompt WHERE g.id = s.generation)"
    };
}

/// A score of an image without a vector of its current content.
macro_rules! baseless {
    () => {
        " FROM image_score AS s WHERE NOT EXISTS (
              SELECT 1 FROM generation g JOIN image i ON i.id = g.image JOIN image_vector v ON v.image = i.id AND v.encoder = s.encoder
              WHERE g.id = s.generation AND (v.source IS NULL OR i.blake3 IS NULL OR v.source = i.blake3))"
    };
}

/// A row of a derived table, whose parent's key column is `$column`, without that parent. Other programs do not
/// enforce foreign keys unless they are told to.
macro_rules! orphaned {
    ($table:literal, $column:literal, $parent:literal) => {
        concat!(
            " FROM ",
            $table,
            " AS v WHERE v.",
            $column,
            " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ",
            $parent,
            " p WHERE p.id = v.",
            $column,
            ")"
        )
    };
}

/// Subject scores without an image score.
macro_rules! lone {
    () => {
        " FROM subject_score AS u WHERE NOT EXISTS (
              SELECT 1 FROM image_score s WHERE s.generation = u.generation AND s.encoder = u.encoder)"
    };
}

/// An image that belongs to nothing.
macro_rules! nobodys {
    () => {
        " FROM image AS i WHERE NOT EXISTS (SELECT 1 FROM reference_image r WHERE r.image = i.id)
                            AND NOT EXISTS (SELECT 1 FROM generation g WHERE g.image = i.id)"
    };
}

/// Images that were searched for fewer subjects than others by the same encoder.
macro_rules! incomplete_windows {
    () => {
        " FROM window_score AS w
          WHERE (SELECT count(*) FROM local_score l WHERE l.generation = w.generation AND l.encoder = w.encoder)
             <> (SELECT most FROM (SELECT encoder, max(n) AS most FROM (
                     SELECT encoder, count(*) AS n FROM local_score GROUP BY generation, encoder) GROUP BY encoder) m
                 WHERE m.encoder = w.encoder)"
    };
}

/// Kept windows that lie where their part has none, or in a part of another encoder, or in no part.
macro_rules! astray_windows {
    () => {
        " FROM window_vector AS v
          WHERE NOT EXISTS (SELECT 1 FROM window_part p WHERE p.id = v.part AND p.encoder = v.encoder AND v.row < p.rows)"
    };
}

/// Kept windows of a content that no image has.
macro_rules! nobodys_windows {
    () => {
        " FROM window_vector AS v WHERE NOT EXISTS (SELECT 1 FROM image i WHERE i.blake3 = v.source)"
    };
}

/// Scores of regions whose pairs are not one for each requested subject and region.
macro_rules! incomplete_regions {
    () => {
        " FROM region_score AS c WHERE (SELECT count(*) FROM region_pair p
              WHERE p.generation = c.generation AND p.region_set = c.region_set AND p.encoder = c.encoder) <> c.requested * c.regions"
    };
}

/// Vectors of regions that lie where their part has none, or in a part of another encoder, or in no part.
macro_rules! astray_regions {
    () => {
        " FROM region_vector AS v
          WHERE NOT EXISTS (SELECT 1 FROM part p WHERE p.id = v.part AND p.encoder = v.encoder AND v.row < p.rows)"
    };
}

/// What to do about values of metrics that cannot be: only their file has the right ones.
const AGAIN: &str = "remove the metric with `msdata remove --metric NAME`, and give its file again with `msdata ingest --scores FILE` \
                     (`msdata sql 'SELECT * FROM metrics'` shows the values)";

pub(super) const CONTRADICTIONS: &[Contradiction] = &[
    Contradiction {
        what: "values of metrics are outside the range of their metric",
        count: "SELECT count(*) FROM metric_value v JOIN metric k ON k.id = v.metric WHERE v.value < k.least OR v.value > k.most",
        remedy: Err(AGAIN),
        deep: false,
    },
    Contradiction {
        what: "values of metrics are about a subject where the metric is about images, or about an image where it is about subjects",
        count: "SELECT count(*) FROM metric_value v JOIN metric k ON k.id = v.metric WHERE k.of_subjects <> (v.subject IS NOT NULL)",
        remedy: Err(AGAIN),
        deep: false,
    },
    Contradiction {
        what: "values of metrics are about a subject that the prompt does not have",
        count: "SELECT count(*) FROM metric_value v JOIN generation g ON g.id = v.generation WHERE v.subject IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM prompt_subject ps WHERE ps.prompt = g.prompt AND ps.subject = v.subject)",
        remedy: Err(AGAIN),
        deep: false,
    },
    Contradiction {
        what: "vectors of regions are at rows that their part does not have",
        count: concat!("SELECT count(*)", astray_regions!()),
        remedy: Ok(&[concat!("DELETE", astray_regions!())]),
        deep: false,
    },
    Contradiction {
        what: "scores of regions do not have a pair for each requested subject and region",
        count: concat!("SELECT count(*)", incomplete_regions!()),
        remedy: Ok(&[concat!("DELETE", incomplete_regions!())]),
        deep: true,
    },
    Contradiction {
        what: "references that a region set uses whole have several regions",
        count: "SELECT count(*) FROM region_image i WHERE i.file IS NULL
                AND (SELECT count(*) FROM region r WHERE r.region_image = i.id) <> 1",
        remedy: Ok(&["DELETE FROM region_image WHERE file IS NULL
                      AND (SELECT count(*) FROM region r WHERE r.region_image = region_image.id) <> 1"]),
        deep: false,
    },
    Contradiction {
        what: "images have kept windows where their part has none",
        count: concat!("SELECT count(*)", astray_windows!()),
        remedy: Ok(&[concat!("DELETE", astray_windows!())]),
        deep: false,
    },
    Contradiction {
        what: "kept windows are of no image",
        count: concat!("SELECT count(*)", nobodys_windows!()),
        remedy: Ok(&[concat!("DELETE", nobodys_windows!())]),
        deep: false,
    },
    Contradiction {
        what: "parts of windows have a number that would be given again",
        count: "SELECT count(*) FROM window_part
                WHERE id > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'window_part'), 0)",
        remedy: Ok(&[
            "DELETE FROM sqlite_sequence WHERE name = 'window_part'",
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'window_part', max(id) FROM window_part",
        ]),
        deep: false,
    },
    Contradiction {
        what: "images were searched for only some of the subjects",
        count: concat!("SELECT count(*)", incomplete_windows!()),
        remedy: Ok(&[concat!("DELETE", incomplete_windows!())]),
        deep: true,
    },
    Contradiction {
        what: "computed vectors are at rows that their part does not have",
        count: concat!(
            "SELECT (SELECT count(*)",
            astray!("image_vector", "1"),
            ") + (SELECT count(*)",
            astray!("prompt_vector", "1"),
            ")"
        ),
        remedy: Ok(&[concat!("DELETE", astray!("image_vector", "1")), concat!("DELETE", astray!("prompt_vector", "1"))]),
        deep: false,
    },
    Contradiction {
        what: "imported vectors are at rows that their part does not have",
        count: concat!(
            "SELECT (SELECT count(*)",
            astray!("image_vector", "0"),
            ") + (SELECT count(*)",
            astray!("prompt_vector", "0"),
            ")"
        ),
        remedy: Err("give the embeddings again with `msdata ingest --no-embed --embeddings FILE`"),
        deep: false,
    },
    Contradiction {
        what: "vectors are of images or prompts that do not exist",
        count: concat!(
            "SELECT (SELECT count(*)",
            orphaned!("image_vector", "image", "image"),
            ") + (SELECT count(*)",
            orphaned!("prompt_vector", "prompt", "prompt"),
            ") + (SELECT count(*)",
            orphaned!("staged_vector", "image", "image"),
            ") + (SELECT count(*)",
            orphaned!("staged_vector", "prompt", "prompt"),
            ") + (SELECT count(*)",
            orphaned!("embedding_failure", "image", "image"),
            ")"
        ),
        remedy: Ok(&[
            concat!("DELETE", orphaned!("image_vector", "image", "image")),
            concat!("DELETE", orphaned!("prompt_vector", "prompt", "prompt")),
            concat!("DELETE", orphaned!("staged_vector", "image", "image")),
            concat!("DELETE", orphaned!("staged_vector", "prompt", "prompt")),
            concat!("DELETE", orphaned!("embedding_failure", "image", "image")),
        ]),
        deep: false,
    },
    Contradiction {
        what: "scores are of generations that do not exist",
        count: concat!("SELECT count(*)", orphaned!("image_score", "generation", "generation")),
        remedy: Ok(&[concat!("DELETE", orphaned!("image_score", "generation", "generation"))]),
        deep: false,
    },
    Contradiction {
        what: "subject scores belong to no image score",
        // The same rows as below, of which those of an image are looked up together.
        count: "SELECT coalesce(sum(u.n), 0) FROM (
                    SELECT generation, encoder, count(*) AS n FROM subject_score GROUP BY generation, encoder) u
                WHERE NOT EXISTS (SELECT 1 FROM image_score s WHERE s.generation = u.generation AND s.encoder = u.encoder)",
        remedy: Ok(&[concat!("DELETE", lone!())]),
        deep: false,
    },
    Contradiction {
        what: "image scores do not have one subject score for each subject of the prompt",
        count: concat!("SELECT count(*)", uneven!()),
        remedy: Ok(&[concat!("DELETE", uneven!())]),
        deep: false,
    },
    Contradiction {
        what: "scores are of images that have no usable vector",
        count: concat!("SELECT count(*)", baseless!()),
        remedy: Ok(&[concat!("DELETE", baseless!())]),
        deep: true,
    },
    Contradiction {
        what: "images belong to no subject and no generation",
        count: concat!("SELECT count(*)", nobodys!()),
        remedy: Ok(&[concat!("DELETE", nobodys!())]),
        deep: false,
    },
    Contradiction {
        what: "subjects have no reference",
        count: "SELECT count(*) FROM subject s WHERE NOT EXISTS (SELECT 1 FROM reference_image r WHERE r.subject = s.id)",
        remedy: Err("give their manifest again with `msdata ingest --replace --subjects FILE`"),
        deep: false,
    },
    Contradiction {
        what: "prompts have no subject",
        count: "SELECT count(*) FROM prompt p WHERE NOT EXISTS (SELECT 1 FROM prompt_subject ps WHERE ps.prompt = p.id)",
        remedy: Err("give their manifest again with `msdata ingest --replace --prompts FILE`"),
        deep: false,
    },
    Contradiction {
        what: "parts have a number that would be given again",
        count: "SELECT count(*) FROM part WHERE id > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'part'), 0)",
        remedy: Ok(&[
            "DELETE FROM sqlite_sequence WHERE name = 'part'",
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'part', max(id) FROM part",
        ]),
        deep: false,
    },
];

/// Returns what SQLite's own check and the foreign keys find.
pub(super) fn integrity_faults(db: &Connection) -> Result<Vec<CatalogFault>> {
    let act = "check the catalog";
    let lines: Vec<String> =
        db.prepare("PRAGMA integrity_check").and_then(|mut q| q.query_map([], |r| r.get(0))?.collect()).map_err(catalog(act))?;
    let fault = |line: String| {
        let then = if line.contains("index") { "`msdata verify --repair` rebuilds the indices" } else { RESTORE };
        CatalogFault::new(format!("catalog.sqlite: {line}"), then)
    };
    let mut faults: Vec<CatalogFault> = lines.into_iter().filter(|line| line != "ok").map(fault).collect();
    // Scores of subjects are most of the rows, and have only the key that is among the contradictions.
    const SQL: &str = "SELECT f.\"table\", f.parent, count(*) FROM sqlite_schema s JOIN pragma_foreign_key_check(s.name) f
                       WHERE s.type = 'table' AND s.name <> 'subject_score' GROUP BY 1, 2";
    let keys: Vec<(String, String, i64)> = db
        .prepare(SQL)
        .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
        .map_err(catalog(act))?;
    for (table, parent, n) in keys {
        // Derived rows that can be removed are among the contradictions.
        let derived = [
            "image_vector",
            "prompt_vector",
            "staged_vector",
            "embedding_failure",
            "image_score",
            "window_vector",
            "region_vector",
        ];
        let named = ["part", "window_part", "image", "prompt", "generation", "image_score"].contains(&parent.as_str());
        if !(named && derived.contains(&table.as_str())) {
            let what = format!("catalog.sqlite: {n} rows of {table} name a row of {parent} that does not exist");
            faults.push(CatalogFault::new(what, RESTORE));
        }
    }
    Ok(faults)
}

impl Catalog {
    /// Returns tables, indices, views and triggers that are not as this program makes them; and, apart from those, harmless
    /// ones of other programs.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn schema_faults(&self) -> Result<(Vec<CatalogFault>, Vec<String>)> {
        let (wrong, others) = schema::faults(&self.db)?;
        Ok((wrong.into_iter().map(|what| CatalogFault::new(format!("catalog.sqlite: {what}"), REPAIR)).collect(), others))
    }

    /// Returns at most `limit` image files with an id above `after`, in order of id.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn known_files_after(&self, after: i64, limit: usize) -> Result<Vec<KnownFile>> {
        const SQL: &str = "SELECT id, full_path(path), status, bytes, mtime_ns, blake3, format, width, height FROM image
                           WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.db
            .prepare_cached(SQL)
            .and_then(|mut q| q.query_map(params![after, limit as i64], known_file)?.collect())
            .map_err(catalog("read images"))
    }

    /// Calls `each` with the vectors in a part, by row.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_vector_source(&self, part: i64, mut each: impl FnMut(VectorSource) -> Result<()>) -> Result<()> {
        const SQL: &str = "SELECT row, source FROM image_vector WHERE part = ?1
                           UNION ALL SELECT row, source FROM prompt_vector WHERE part = ?1
                           UNION ALL SELECT row, source FROM region_vector WHERE part = ?1 ORDER BY row";
        let act = "read vectors";
        let mut query = self.db.prepare_cached(SQL).map_err(catalog(act))?;
        let mut found = query.query([part]).map_err(catalog(act))?;
        while let Some(row) = found.next().map_err(catalog(act))? {
            let read = |r: &Row<'_>| Ok(VectorSource { row: r.get(0)?, source: r.get(1)? });
            each(read(row).map_err(catalog(act))?)?;
        }
        Ok(())
    }

    /// Returns prompt vectors that were made from a text other than their prompt's: encoder row, prompt row, and whether
    /// the vector was computed here.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn foreign_prompt_vectors(&self) -> Result<Vec<(i64, i64, bool)>> {
        const SQL: &str = "SELECT v.encoder, v.prompt, v.source, p.text, coalesce(pt.provenance = 'computed', 0)
            FROM prompt_vector v JOIN prompt p ON p.id = v.prompt LEFT JOIN part pt ON pt.id = v.part";
        let act = "read prompt vectors";
        let mut query = self.db.prepare(SQL).map_err(catalog(act))?;
        let mut rows = query.query([]).map_err(catalog(act))?;
        let mut foreign = Vec::new();
        while let Some(row) = rows.next().map_err(catalog(act))? {
            let read = |r: &Row<'_>| -> rusqlite::Result<_> {
                let text = r.get_ref(3)?.as_bytes()?;
                let same = r.get_ref(2)?.as_bytes()? == blake3::hash(text).as_bytes();
                Ok((!same).then_some((r.get(0)?, r.get(1)?, r.get(4)?)))
            };
            foreign.extend(read(row).map_err(catalog(act))?);
        }
        Ok(foreign)
    }

    /// Returns staged vectors whose image or text has changed, or which are not vectors of their encoder.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn foreign_staged(&self) -> Result<Vec<(i64, Target)>> {
        const SQL: &str = "SELECT s.encoder, s.image, s.prompt, s.source, p.text, i.blake3, length(s.vector) = 4 * e.dimension
            FROM staged_vector s JOIN encoder e ON e.id = s.encoder
            LEFT JOIN image i ON i.id = s.image LEFT JOIN prompt p ON p.id = s.prompt";
        let act = "read the stage";
        let mut query = self.db.prepare(SQL).map_err(catalog(act))?;
        let mut rows = query.query([]).map_err(catalog(act))?;
        let mut foreign = Vec::new();
        while let Some(row) = rows.next().map_err(catalog(act))? {
            let read = |r: &Row<'_>| -> rusqlite::Result<_> {
                let source = r.get_ref(3)?.as_bytes()?;
                let (target, same) = match r.get::<_, Option<i64>>(1)? {
                    Some(image) => (Target::Image(image), r.get_ref(5)?.as_bytes_or_null()? == Some(source)),
                    None => {
                        let text = r.get_ref(4)?.as_bytes_or_null()?;
                        (Target::Prompt(r.get(2)?), text.is_some_and(|text| blake3::hash(text).as_bytes() == source))
                    }
                };
                Ok((!(same && r.get(6)?)).then_some((r.get(0)?, target)))
            };
            foreign.extend(read(row).map_err(catalog(act))?);
        }
        const REGIONS: &str = "SELECT s.encoder, s.region FROM staged_region_vector s JOIN encoder e ON e.id = s.encoder
            WHERE length(s.vector) <> 4 * e.dimension";
        let regions: Vec<(i64, i64)> = self
            .db
            .prepare(REGIONS)
            .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(catalog(act))?;
        foreign.extend(regions.into_iter().map(|(encoder, region)| (encoder, Target::Region(region))));
        Ok(foreign)
    }

    /// Returns the number of vectors of images whose content has changed: computed ones, and imported ones.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn stale_vectors(&self) -> Result<(u64, u64)> {
        const SQL: &str =
            "SELECT count(*) FILTER (WHERE p.provenance = 'computed'), count(*) FILTER (WHERE p.provenance = 'imported')
            FROM image_vector v JOIN image i ON i.id = v.image JOIN part p ON p.id = v.part WHERE v.source <> i.blake3";
        self.db
            .query_row(SQL, [], |r| Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64)))
            .map_err(catalog("count vectors"))
    }
}

fn known_file(r: &Row<'_>) -> rusqlite::Result<KnownFile> {
    Ok(KnownFile {
        id: r.get(0)?,
        path: PathBuf::from(r.get::<_, String>(1)?),
        status: r.get_ref(2)?.as_str()?.parse().unwrap_or(ImageStatus::Pending),
        bytes: r.get::<_, Option<i64>>(3)?.map(|n| n as u64),
        mtime_ns: r.get(4)?,
        blake3: r.get(5)?,
        looks: (r.get(6)?, r.get(7)?, r.get(8)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::PathRule;
    use super::*;

    #[test]
    fn images_that_were_searched_for_fewer_subjects_than_others_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Catalog::create(&path, PathRule::Absolute).unwrap();
        let catalog = Catalog::open_to_write(&path).unwrap();
        let db = &catalog.db;
        // Of the first encoder's five images one was searched for one subject only and one for none; of the second's each for
        // its two; of the third's none for any, so that nobody knows for how many.
        db.execute_batch(
            "PRAGMA foreign_keys = off;
             INSERT INTO window_score (generation, encoder) VALUES (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (1, 2), (2, 2), (3, 3);
             CREATE TEMP TABLE searched (generation, encoder, subject);
             INSERT INTO searched VALUES (1, 1, 1), (1, 1, 2), (1, 1, 3), (2, 1, 1), (2, 1, 2), (2, 1, 3), (3, 1, 2),
                 (5, 1, 1), (5, 1, 2), (5, 1, 3), (1, 2, 1), (1, 2, 2), (2, 2, 1), (2, 2, 2);
             INSERT INTO local_score SELECT generation, encoder, subject, 0.5, 0.5, 0, 0, 8, 8 FROM searched;",
        )
        .unwrap();
        let check = CONTRADICTIONS.iter().find(|check| check.what.contains("only some of the subjects")).unwrap();
        let count = || db.query_row(check.count, [], |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(count(), 2);
        check.remedy.unwrap().iter().for_each(|sql| db.execute_batch(sql).unwrap());
        assert_eq!(count(), 0);
        let left = "SELECT group_concat(name, ' ') FROM (
            SELECT generation || '-' || encoder AS name FROM window_score ORDER BY generation, encoder)";
        let left: String = db.query_row(left, [], |r| r.get(0)).unwrap();
        assert_eq!(left, "1-1 1-2 2-1 2-2 3-3 5-1");
    }
}

//! What is known about the image files.

use super::known_images::status;
use super::standing::{IMAGES, each_row};
use super::{Catalog, Changes, RowSet, catalog};
use crate::error::Result;
use crate::vocabulary::{ImageFormat, ImageStatus, Outcome, Probe};
use rusqlite::{Connection, Row, params};
use std::path::PathBuf;

/// The part of an image row that shows whether its file has changed.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// The row's id.
    pub id: i64,
    /// Absolute path.
    pub path: PathBuf,
    /// Its state as last read.
    pub status: ImageStatus,
    /// Why it cannot be used.
    pub reason: Option<String>,
    /// Size when last read.
    pub bytes: Option<u64>,
    /// Time of change when last read.
    pub mtime_ns: Option<i64>,
    /// Hash of the bytes when last read.
    pub blake3: Option<[u8; 32]>,
}

/// The number of image files in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Usable images.
    pub ok: u64,
    /// Missing images.
    pub missing: u64,
    /// Images that are there but not usable: unreadable or oversized.
    pub unusable: u64,
}

/// Images that are the same but should differ: how many, and an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// How many groups there are.
    pub groups: u64,
    /// One of them, as a sentence.
    pub example: String,
}

/// A generation or a reference whose bytes another one has too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Hash of the bytes.
    pub blake3: [u8; 32],
    /// Generation row, if it is one.
    pub generation: Option<i64>,
    /// Subject row and reference index, if it is a reference.
    pub reference: Option<(i64, i64)>,
}

const LIST: &str = "list images";

impl Catalog {
    /// Returns how many images there are.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn image_count(&self) -> Result<u64> {
        self.db
            .query_row("SELECT count(*) FROM image", [], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count images"))
    }

    /// Returns how many images were not looked at yet.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn pending_count(&self) -> Result<u64> {
        self.db
            .query_row("SELECT count(*) FROM image WHERE status <> 'ok' AND status = 'pending'", [], |r| r.get::<_, i64>(0))
            .map(|n| n as u64)
            .map_err(catalog("count images"))
    }

    /// Returns the number of images by state.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn tally(&self) -> Result<Tally> {
        // Those that are not usable are in an index of their own, and few; the rows need not be read.
        let not_ok = |r: &rusqlite::Row<'_>| Ok((status(r, 0)?, r.get::<_, i64>(1)? as u64));
        let counts: Vec<(ImageStatus, u64)> = self
            .db
            .prepare("SELECT status, count(*) FROM image WHERE status <> 'ok' GROUP BY status")
            .and_then(|mut q| q.query_map([], not_ok)?.collect())
            .map_err(catalog("count images"))?;
        let mut tally = Tally { ok: self.image_count()?, missing: 0, unusable: 0 };
        for (status, count) in counts {
            match status {
                ImageStatus::Ok | ImageStatus::Pending => continue,
                ImageStatus::Missing => tally.missing += count,
                ImageStatus::Unreadable | ImageStatus::Oversized => tally.unusable += count,
            }
            tally.ok -= count;
        }
        Ok(tally)
    }

    /// Returns at most `limit` images that cannot be used, as `who: path: why`, references first.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn unusable_images(&self, limit: usize) -> Result<Vec<String>> {
        // CROSS: references are few, and images that cannot be used may be many.
        const REFERENCES: &str = "SELECT 'reference ' || r.reference_index || ' of subject ' || s.subject_id AS who, i.id
             FROM reference_image r CROSS JOIN image i ON i.id = r.image JOIN subject s ON s.id = r.subject
             WHERE i.status IN ('missing', 'unreadable', 'oversized') ORDER BY who, i.id LIMIT ?1";
        let key = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?));
        let mut first: Vec<(String, i64)> =
            self.db.prepare(REFERENCES).and_then(|mut q| q.query_map([limit as i64], key)?.collect()).map_err(catalog(LIST))?;
        first.extend(self.unusable_generations(limit - first.len())?);
        let mut query = self.db.prepare("SELECT full_path(path), reason FROM image WHERE id = ?1").map_err(catalog(LIST))?;
        let mut said = |(who, id): (String, i64)| {
            query.query_row([id], |r| Ok(format!("{who}: {}: {}", r.get::<_, String>(0)?, r.get::<_, String>(1)?)))
        };
        first.into_iter().map(&mut said).collect::<rusqlite::Result<_>>().map_err(catalog(LIST))
    }

    /// Returns at most `limit` generations whose image cannot be used, the first by their names, and their images.
    fn unusable_generations(&self, limit: usize) -> Result<Vec<(String, i64)>> {
        const SQL: &str = "SELECT 'generation ' || m.name || ' ' || p.prompt_id || ' ' || g.seed AS who, i.id
             FROM image i CROSS JOIN generation g ON g.image = i.id JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
             WHERE i.status IN ('missing', 'unreadable', 'oversized') AND i.status <> 'ok' AND i.id BETWEEN ?1 AND ?2
             ORDER BY who, i.id LIMIT ?3";
        if limit == 0 {
            return Ok(Vec::new());
        }
        let read = |db: &Connection, [from, to]: [i64; 2], first: &mut Vec<(String, i64)>| {
            each_row(db, SQL, LIST, (from, to, limit as i64), |r| {
                first.push((r.get(0)?, r.get(1)?));
                Ok(())
            })
        };
        let mut first = self.read_in_ranges(IMAGES, Vec::new, read)?.concat();
        first.sort_unstable();
        first.truncate(limit);
        Ok(first)
    }

    /// Returns every image whose bytes are in the catalog more than once, by content, then references before generations.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn same_content(&self) -> Result<Vec<Content>> {
        self.db
            .prepare_cached(
                "SELECT i.blake3, g.id, r.subject, r.reference_index FROM image i
                 LEFT JOIN generation g ON g.image = i.id LEFT JOIN reference_image r ON r.image = i.id
                 WHERE i.blake3 IN (SELECT blake3 FROM image WHERE blake3 IS NOT NULL GROUP BY blake3 HAVING count(*) > 1)
                 ORDER BY i.blake3, g.id IS NOT NULL, r.subject, r.reference_index, g.id",
            )
            .and_then(|mut q| {
                q.query_map([], |r| {
                    let reference = r.get::<_, Option<i64>>(2)?.zip(r.get(3)?);
                    Ok(Content { blake3: r.get(0)?, generation: r.get(1)?, reference })
                })?
                .collect()
            })
            .map_err(catalog("look for duplicates"))
    }

    /// Returns groups of generations with the same path. Controls are copies on purpose: they do not count, here
    /// and in the next two.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn shared_files(&self) -> Result<Option<Duplicate>> {
        self.duplicate(
            // Those few paths first: there may be millions of others, whose keys nobody wants to see.
            "SELECT count(*), min(full_path(path) || ' is ' || first || ' and ' || last) FROM (
                 SELECT i.path, count(*) AS n, min(m.name || ' ' || p.prompt_id || ' ' || g.seed) AS first,
                        max(m.name || ' ' || p.prompt_id || ' ' || g.seed) AS last
                 FROM (SELECT path FROM image GROUP BY path HAVING count(*) > 1) d JOIN image i ON i.path = d.path
                 JOIN generation g ON g.image = i.id JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
                 WHERE m.control = 0 GROUP BY i.path HAVING n > 1)",
        )
    }

    /// Returns groups of references with the same path: of two subjects, which then cannot be told apart, or of one, where
    /// it counts twice.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn shared_references(&self) -> Result<Option<Duplicate>> {
        self.duplicate(
            "SELECT count(*), min(path || ' is ' || first || ' and ' || last) FROM (
                 SELECT i.path, count(*) AS n, min('reference ' || r.reference_index || ' of subject ' || s.subject_id) AS first,
                        max('reference ' || r.reference_index || ' of subject ' || s.subject_id) AS last
                 FROM reference_image r JOIN image i ON i.id = r.image JOIN subject s ON s.id = r.subject
                 GROUP BY i.path HAVING n > 1)",
        )
    }

    /// Returns generations that are, byte for byte, a reference image: a perfect score by copying.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn copied_references(&self) -> Result<Option<Duplicate>> {
        self.duplicate(
            "SELECT count(*), min(m.name || ' ' || p.prompt_id || ' ' || g.seed || ' is the reference image ' || full_path(r.path))
             FROM (SELECT i.blake3, min(i.path) AS path FROM reference_image r JOIN image i ON i.id = r.image
                   WHERE i.blake3 IS NOT NULL GROUP BY i.blake3) r
             JOIN image gi ON gi.blake3 = r.blake3
             JOIN generation g ON g.image = gi.id JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
             WHERE m.control = 0",
        )
    }

    /// Returns groups of generations that are different files with the same bytes.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn repeated_generations(&self) -> Result<Option<Duplicate>> {
        self.duplicate(
            "SELECT count(*), min(first || ' and ' || (n - 1) || ' more have the same bytes') FROM (
                 SELECT count(*) AS n, min(m.name || ' ' || p.prompt_id || ' ' || g.seed) AS first
                 FROM (SELECT blake3 FROM image WHERE blake3 IS NOT NULL GROUP BY blake3 HAVING count(*) > 1) d
                 JOIN image i ON i.blake3 = d.blake3
                 JOIN generation g ON g.image = i.id JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
                 WHERE m.control = 0 GROUP BY i.blake3 HAVING count(DISTINCT i.path) > 1)",
        )
    }

    fn duplicate(&self, sql: &str) -> Result<Option<Duplicate>> {
        self.db
            .query_row(sql, [], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, Option<String>>(1)?)))
            .map(|(groups, example)| example.map(|example| Duplicate { groups: groups as u64, example }))
            .map_err(catalog("look for duplicates"))
    }
}

impl Changes<'_> {
    /// Returns at most `limit` image rows with an id above `after`, in order of id, without those in `except`.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn images_after(&self, after: i64, limit: usize, except: &RowSet) -> Result<Vec<ImageRow>> {
        const SQL: &str = "SELECT id, full_path(path), status, reason, bytes, mtime_ns, blake3 FROM image
             WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
        let act = "read images";
        let mut query = self.tx.prepare_cached(SQL).map_err(catalog(act))?;
        let (mut images, mut gap) = (Vec::new(), except.gap_after(after));
        loop {
            let more = (limit - images.len()) as i64;
            let found = query.query_map(params![gap.start, gap.end, more], |r| {
                Ok(ImageRow {
                    id: r.get(0)?,
                    path: PathBuf::from(r.get::<_, String>(1)?),
                    status: status(r, 2)?,
                    reason: r.get(3)?,
                    bytes: r.get::<_, Option<i64>>(4)?.map(|n| n as u64),
                    mtime_ns: r.get(5)?,
                    blake3: r.get(6)?,
                })
            });
            for image in found.map_err(catalog(act))? {
                images.push(image.map_err(catalog(act))?);
            }
            if images.len() == limit || gap.end == i64::MAX {
                return Ok(images);
            }
            gap = except.gap_after(gap.end);
        }
    }

    /// Records what was found when an image's file was read. For a missing file, everything known about its content is
    /// kept; for one that is there, nothing is: its content may be different, even if it cannot be read.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_probe(&self, id: i64, probe: &Probe) -> Result<()> {
        let (status, reason, size) = match &probe.outcome {
            Outcome::Image { format, width, height } => (ImageStatus::Ok, None, Some((*format, *width, *height))),
            Outcome::Unusable(status, reason) => (*status, Some(reason.as_str()), None),
        };
        let Probe { bytes, mtime_ns, blake3, .. } = *probe;
        self.record_state(id, &RecordedState { status, reason, bytes, mtime_ns, blake3, size })
    }

    pub(super) fn record_state(&self, id: i64, state: &RecordedState<'_>) -> Result<()> {
        let act = "record an image";
        let RecordedState { status, reason, bytes, mtime_ns, blake3, size } = state;
        if *status == ImageStatus::Missing {
            self.tx
                .prepare_cached("UPDATE image SET status = ?2, reason = ?3, bytes = NULL, mtime_ns = NULL WHERE id = ?1")
                .and_then(|mut q| q.execute(params![id, status.as_str(), reason]))
                .map_err(catalog(act))?;
            return Ok(());
        }
        let (bytes, format) = (bytes.map(|n| n as i64), size.map(|(format, ..)| format.as_str()));
        let (width, height) = size.map(|(_, width, height)| (width, height)).unzip();
        self.tx
            .prepare_cached(
                "UPDATE image SET status = ?2, reason = ?3, bytes = ?4, mtime_ns = ?5, blake3 = ?6,
                                  format = ?7, width = ?8, height = ?9 WHERE id = ?1",
            )
            .and_then(|mut q| q.execute(params![id, status.as_str(), reason, bytes, mtime_ns, blake3, format, width, height]))
            .map_err(catalog(act))?;
        Ok(())
    }
}

/// What is recorded of an image file that was looked at, here or elsewhere.
pub(super) struct RecordedState<'a> {
    pub(super) status: ImageStatus,
    pub(super) reason: Option<&'a str>,
    pub(super) bytes: Option<u64>,
    pub(super) mtime_ns: Option<i64>,
    pub(super) blake3: Option<[u8; 32]>,
    /// Format, width and height, upright.
    pub(super) size: Option<(ImageFormat, u32, u32)>,
}

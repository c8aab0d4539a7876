//! The generations that rows name, read ahead: manifests that were ingested before come in the order that their rows have in
//! the catalog, and reading rows in order takes a fraction of looking each of them up.

use super::known_images::{KnownImage, status};
use super::{Changes, catalog};
use crate::error::Result;
use crate::input::FileState;
use crate::manifest::ImagePath;
use crate::vocabulary::ImageStatus;
use rusqlite::params;
use std::collections::VecDeque;
use std::path::Path;

/// Most rows that are read ahead.
const MOST_AHEAD: usize = 512;

/// Most bytes of `meta` and `regions` that are read ahead, but for the last row's.
const MOST_BYTES: usize = 4 << 20;

/// A row this far after the one before counts as in order: others may lie between that the manifest leaves out.
const IN_ORDER: i64 = 32;

/// A generation of the catalog as its manifest may have it.
pub(super) struct KnownGeneration {
    pub(super) id: i64,
    /// Prompt row, model row, seed.
    key: [i64; 3],
    pub(super) meta: Option<String>,
    pub(super) regions: Option<String>,
    pub(super) image: KnownImage,
    /// Size and time of the file when last read.
    file: (Option<u64>, Option<i64>),
}

impl KnownGeneration {
    /// Returns whether this is its image, and the file is as it was when last read.
    pub(super) fn has_file(&self, given: &ImagePath) -> bool {
        let FileState::There { bytes, mtime_ns } = given.state else { return false };
        self.image.status == ImageStatus::Ok
            && self.file == (Some(bytes), Some(mtime_ns))
            && Path::new(&self.image.path) == given.path
    }
}

/// Rows that follow the one named last.
#[derive(Default)]
pub(super) struct GenerationsAhead {
    rows: VecDeque<KnownGeneration>,
    /// Changes of the connection when they were read: after another one they may be wrong.
    changes: u64,
    /// How many are read next time: more, the longer rows come in order; none where they do not.
    stride: usize,
    /// The row named last.
    last: i64,
}

/// The columns of a [`KnownGeneration`].
macro_rules! known {
    ($condition:literal) => {
        concat!(
            "SELECT g.id, g.prompt, g.model, g.seed, g.meta, g.regions, i.id, full_path(i.path), i.status, i.blake3, i.bytes, i.mtime_ns
             FROM generation g JOIN image i ON i.id = g.image WHERE ",
            $condition
        )
    };
}

impl Changes<'_> {
    /// Returns the generation of a prompt, a model and a seed, if there is one.
    pub(super) fn known_generation(&self, key: [i64; 3]) -> Result<Option<KnownGeneration>> {
        let ahead = &mut *self.ahead.borrow_mut();
        let changes = self.tx.total_changes();
        if ahead.changes != changes {
            ahead.rows.clear();
            (ahead.changes, ahead.stride) = (changes, 0);
        }
        if ahead.rows.is_empty() && ahead.stride > 0 {
            ahead.rows = self.generations_after(ahead.last, ahead.stride)?;
            ahead.stride = (ahead.stride * 2).min(MOST_AHEAD);
        }
        if let Some(at) = ahead.rows.iter().position(|row| row.key == key) {
            ahead.rows.drain(..at);
            let found = ahead.rows.pop_front();
            ahead.last = found.as_ref().map_or(ahead.last, |found| found.id);
            return Ok(found);
        }
        ahead.rows.clear();
        let found = self
            .tx
            .prepare_cached(known!("g.prompt = ?1 AND g.model = ?2 AND g.seed = ?3"))
            .and_then(|mut q| q.query_map(key, known_generation)?.next().transpose())
            .map_err(catalog("look up a generation"))?;
        ahead.stride = 0;
        if let Some(found) = &found {
            let is_next = (ahead.last + 1..=ahead.last + IN_ORDER).contains(&found.id);
            (ahead.last, ahead.stride) = (found.id, if is_next { 2 } else { 0 });
        }
        Ok(found)
    }

    fn generations_after(&self, after: i64, count: usize) -> Result<VecDeque<KnownGeneration>> {
        let act = "read generations";
        let mut query = self.tx.prepare_cached(known!("g.id > ?1 ORDER BY g.id LIMIT ?2")).map_err(catalog(act))?;
        let mut found = query.query(params![after, count as i64]).map_err(catalog(act))?;
        let (mut rows, mut bytes) = (VecDeque::with_capacity(count), 0);
        while let Some(row) = found.next().map_err(catalog(act))? {
            let row = known_generation(row).map_err(catalog(act))?;
            bytes += [&row.meta, &row.regions].into_iter().flatten().map(String::len).sum::<usize>();
            rows.push_back(row);
            if bytes > MOST_BYTES {
                break;
            }
        }
        Ok(rows)
    }
}

fn known_generation(r: &rusqlite::Row<'_>) -> rusqlite::Result<KnownGeneration> {
    Ok(KnownGeneration {
        id: r.get(0)?,
        key: [r.get(1)?, r.get(2)?, r.get(3)?],
        meta: r.get(4)?,
        regions: r.get(5)?,
        image: KnownImage { id: r.get(6)?, path: r.get(7)?, status: status(r, 8)?, blake3: r.get(9)? },
        file: (r.get::<_, Option<i64>>(10)?.map(|bytes| bytes as u64), r.get(11)?),
    })
}

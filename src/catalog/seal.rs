//! The seal: a digest of all rows that nothing else can vouch for. Keys, texts, labels and paths are what the
//! user gave; no checksum of a part and no recomputed score would show that one of them has changed.
//!
//! A writer removes the seal in the transaction of its first change and puts it back when it ends, so a seal
//! always belongs to the rows that are there, whatever happened to the process.

use super::{Catalog, catalog};
use crate::error::Result;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::cell::Cell;

/// Tables of derived rows, which are compared with what they were derived from, and of rows in progress.
const UNSEALED: &str = "'seal', 'image_score', 'subject_score', 'staged_vector', 'embedding_failure', \
     'prompt_failure', 'appearance', 'window_score', 'local_score', 'subject_place', 'found_place', 'window_failure', \
     'window_vector', 'staged_window_vector', 'dense_reference', 'region_vector', 'staged_region_vector', 'region_failure', \
     'region_score', 'region_pair', 'region_local'";

/// What a catalog's seal says about its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// They are those that msdata wrote.
    Whole,
    /// They differ: another program wrote to the catalog, or bytes have changed.
    Broken,
    /// Nothing: the last writer did not finish, or is still running.
    Open,
}

/// What a connection has done about the seal.
#[derive(Default)]
pub struct Sealing {
    opened: Cell<bool>,
    leave: Cell<bool>,
}

impl Sealing {
    /// Returns the state for a writer, which also seals what an earlier one left unsealed.
    pub fn of(db: &Connection) -> rusqlite::Result<Sealing> {
        let opened = db.query_row("SELECT digest IS NULL FROM seal", [], |r| r.get(0))?;
        Ok(Sealing { opened: Cell::new(opened), leave: Cell::new(false) })
    }

    /// Removes the seal, in the transaction of the first change.
    pub fn open(&self, db: &Connection) -> rusqlite::Result<()> {
        if !self.opened.get() && !self.leave.get() {
            db.execute("UPDATE seal SET digest = NULL", [])?;
            self.opened.set(true);
        }
        Ok(())
    }

    /// Puts the seal back if it was removed.
    pub fn close(&self, db: &Connection) {
        if self.opened.get() {
            // Best effort: an unsealed catalog is sound, but cannot be checked in this way.
            let _ = seal(db);
        }
    }
}

impl Catalog {
    /// Checks whether the rows are those that msdata wrote.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn check_seal(&self) -> Result<Seal> {
        seal_of(&self.db)
    }

    /// Leaves the seal as it is, whatever this connection changes: a broken seal must not be renewed without being asked.
    pub fn leave_seal(&self) {
        self.seal.leave.set(true);
    }

    /// Seals the rows as they are.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub fn accept(&self) -> Result<()> {
        seal(&self.db).map_err(catalog("seal the catalog"))
    }
}

/// Returns what the seal says about the rows.
pub(super) fn seal_of(db: &Connection) -> Result<Seal> {
    let act = "check the seal";
    let digest: Option<[u8; 32]> = db.query_row("SELECT digest FROM seal", [], |r| r.get(0)).map_err(catalog(act))?;
    Ok(match digest {
        None => Seal::Open,
        Some(digest) if digest == of(db).map_err(catalog(act))? => Seal::Whole,
        Some(_) => Seal::Broken,
    })
}

/// Seals the rows as they are.
pub fn seal(db: &Connection) -> rusqlite::Result<()> {
    db.execute("UPDATE seal SET digest = ?1", [of(db)?]).map(drop)
}

/// Returns the digest of the rows: for each table the sum of the hashes of its rows, which does not depend on the order
/// of reading.
fn of(db: &Connection) -> rusqlite::Result<[u8; 32]> {
    let tables: Vec<String> = db
        .prepare(&format!(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT IN ({UNSEALED})
             ORDER BY name"
        ))?
        .query_map([], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut whole = blake3::Hasher::new();
    for table in tables {
        let mut query = db.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
        let columns = query.column_count();
        let mut rows = query.query([])?;
        let (mut sum, mut count) = ([0_u64; 4], 0_u64);
        let mut bytes = Vec::new();
        while let Some(row) = rows.next()? {
            bytes.clear();
            for column in 0..columns {
                value(row.get_ref(column)?, &mut bytes);
            }
            let hash = blake3::hash(&bytes);
            for (lane, part) in sum.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
                *lane = lane.wrapping_add(u64::from_le_bytes(*part));
            }
            count += 1;
        }
        whole.update(&(table.len() as u64).to_le_bytes()).update(table.as_bytes()).update(&count.to_le_bytes());
        sum.iter().for_each(|lane| {
            whole.update(&lane.to_le_bytes());
        });
    }
    Ok(*whole.finalize().as_bytes())
}

/// Writes a value so that no two different rows are written alike.
fn value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    let mut put = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        ValueRef::Null => put(0, &[]),
        ValueRef::Integer(n) => put(1, &n.to_le_bytes()),
        ValueRef::Real(x) => put(2, &x.to_bits().to_le_bytes()),
        ValueRef::Text(text) => put(3, text),
        ValueRef::Blob(blob) => put(4, blob),
    }
}

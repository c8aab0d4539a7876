//! Changes that are tried and not kept, to say what they would take away.

use super::{Catalog, Changes, catalog, configure, paths, room, schema};
use crate::catalog::seal::Sealing;
use crate::error::Result;
use rusqlite::{Connection, OpenFlags};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

impl Catalog {
    /// Opens the catalog at `path` for changes that are not to be committed: nothing is upgraded, and no change leaves the
    /// memory.
    ///
    /// # Errors
    /// Same as [`Catalog::open_to_read`]; the file cannot be written to.
    pub fn open_to_try(path: &Path) -> Result<Catalog> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        room::check(path)?;
        let db = Connection::open_with_flags(path, flags).map_err(catalog("open the catalog"))?;
        schema::check_to_read(&db, path)?;
        configure(&db)?;
        db.pragma_update(None, "cache_spill", false).map_err(catalog("configure the catalog"))?;
        paths::install(&db, path)?;
        Ok(Catalog { db, others: RefCell::default(), seal: Sealing::default() })
    }
}

impl Changes<'_> {
    /// Returns how many rows each table has now, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn row_counts(&self) -> Result<BTreeMap<String, u64>> {
        let act = "count rows";
        let tables: Vec<String> = self
            .tx
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
            .and_then(|mut q| q.query_map([], |r| r.get(0))?.collect())
            .map_err(catalog(act))?;
        let count = |table: String| {
            let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
            let rows: i64 = self.tx.query_row(&sql, [], |r| r.get(0)).map_err(catalog(act))?;
            Ok((table, rows as u64))
        };
        tables.into_iter().map(count).collect()
    }
}

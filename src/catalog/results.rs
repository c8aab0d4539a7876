//! What a digest and a backup read besides what reports read.

use super::{Catalog, catalog};
use crate::error::Result;
use rusqlite::MAIN_DB;
use std::collections::HashMap;
use std::path::Path;

impl Catalog {
    /// Returns the regions of generations that have any, as JSON, by generation row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn regions(&self) -> Result<HashMap<i64, String>> {
        self.db
            .prepare("SELECT id, regions FROM generation WHERE regions IS NOT NULL")
            .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(catalog("read regions"))
    }

    /// Writes the catalog, as this reader sees it, into the empty file at `path`. Writers need not wait.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        self.db.backup(MAIN_DB, path, None::<fn(rusqlite::backup::Progress)>).map_err(catalog("copy the catalog"))
    }
}

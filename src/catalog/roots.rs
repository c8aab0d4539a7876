//! The only trees that image files may lie in.

use super::{Catalog, Changes, catalog};
use crate::error::Result;
use std::path::{Path, PathBuf};

impl Catalog {
    /// Returns every root that was ever given.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn roots(&self) -> Result<Vec<PathBuf>> {
        self.db
            .prepare("SELECT path FROM root ORDER BY path")
            .and_then(|mut q| q.query_map([], |r| r.get::<_, String>(0).map(PathBuf::from))?.collect())
            .map_err(catalog("read the roots"))
    }
}

impl Changes<'_> {
    /// Remembers a root, whose links are resolved.
    ///
    /// # Errors
    /// SQLite reports an error, or the path is not UTF-8.
    pub fn put_root(&self, root: &Path) -> Result<()> {
        let path = root.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(root.to_path_buf()));
        path.and_then(|path| self.tx.execute("INSERT OR IGNORE INTO root (path) VALUES (?1)", [path]))
            .map(drop)
            .map_err(catalog("remember a root"))
    }
}

//! The seeds for every prompt.

use super::{Catalog, Changes, catalog};
use crate::error::Result;
use rusqlite::Connection;

impl Catalog {
    /// Returns the seeds of the stress test, ascending; none if none was built here.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn seeds(&self) -> Result<Vec<i64>> {
        seeds(&self.db)
    }
}

impl Changes<'_> {
    /// Puts the seeds in; returns those that were there, ascending, if they differ. Then nothing is changed,
    /// unless `replace`.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_seeds(&self, given: &[i64], replace: bool) -> Result<Option<Vec<i64>>> {
        let known = seeds(&self.tx)?;
        let mut sorted = given.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let other = !known.is_empty() && known != sorted;
        if !other || replace {
            let act = catalog("put the seeds");
            let mut delete = self.tx.prepare_cached("DELETE FROM seed WHERE seed = ?1").map_err(&act)?;
            for seed in known.iter().filter(|seed| !sorted.contains(seed)) {
                delete.execute([seed]).map_err(&act)?;
            }
            let mut insert = self.tx.prepare_cached("INSERT INTO seed (seed) VALUES (?1)").map_err(&act)?;
            for seed in sorted.iter().filter(|seed| !known.contains(seed)) {
                insert.execute([seed]).map_err(&act)?;
            }
        }
        Ok(other.then_some(known))
    }
}

fn seeds(db: &Connection) -> Result<Vec<i64>> {
    let mut query = db.prepare_cached("SELECT seed FROM seed ORDER BY seed").map_err(catalog("read the seeds"))?;
    let rows = query.query_map([], |r| r.get(0)).and_then(Iterator::collect);
    rows.map_err(catalog("read the seeds"))
}

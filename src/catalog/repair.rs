//! Repairs that lose nothing: removes from a catalog what can be made again.

use super::soundness::CONTRADICTIONS;
use super::vectors::Target;
use super::{Catalog, Changes, catalog, schema};
use crate::error::Result;
use rusqlite::params;
use std::path::Path;

impl Catalog {
    /// Gives the schema of the catalog at `path` the text that it must have; returns what was done. Rows are not touched.
    ///
    /// # Errors
    /// It is not a catalog, or its schema cannot be repaired that way.
    pub fn rebuild_schema(path: &Path) -> Result<Vec<String>> {
        schema::rebuild(path)
    }

    /// Rebuilds every index from the rows.
    ///
    /// # Errors
    /// Rows are damaged, or the disk is full.
    pub fn rebuild_indices(&self) -> Result<()> {
        self.db.execute_batch("REINDEX").map_err(catalog("rebuild the indices"))
    }
}

impl Changes<'_> {
    /// Removes rows that contradict others and can be made again; returns what was done.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn drop_contradictions(&self) -> Result<Vec<String>> {
        let act = "remove rows";
        let mut done = Vec::new();
        for check in CONTRADICTIONS {
            let Ok(remedies) = check.remedy else { continue };
            let n: i64 = self.tx.query_row(check.count, [], |r| r.get(0)).map_err(catalog(act))?;
            if n > 0 {
                for sql in remedies {
                    self.tx.execute(sql, []).map_err(catalog(act))?;
                }
                done.push(format!("{n} {}: repaired", check.what));
            }
        }
        Ok(done)
    }

    /// Removes a part and every vector in it, with the scores made from them; returns the number of vectors.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_part(&self, part: i64) -> Result<u64> {
        let images = self.execute("DELETE FROM image_vector WHERE part = ?1", part)?;
        let prompts = self.execute("DELETE FROM prompt_vector WHERE part = ?1", part)?;
        self.execute("DELETE FROM part WHERE id = ?1", part)?;
        Ok(images + prompts)
    }

    /// Removes an encoder's vector of a prompt.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_prompt_vector(&self, encoder: i64, prompt: i64) -> Result<()> {
        self.tx
            .execute("DELETE FROM prompt_vector WHERE encoder = ?1 AND prompt = ?2", [encoder, prompt])
            .map(drop)
            .map_err(catalog("remove a vector"))
    }

    /// Takes a vector off the stage.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_staged(&self, encoder: i64, target: Target) -> Result<()> {
        let (sql, id) = match target {
            Target::Image(id) => ("DELETE FROM staged_vector WHERE encoder = ?1 AND image = ?2", id),
            Target::Prompt(id) => ("DELETE FROM staged_vector WHERE encoder = ?1 AND prompt = ?2", id),
            Target::Region(id) => ("DELETE FROM staged_region_vector WHERE encoder = ?1 AND region = ?2", id),
        };
        self.tx.execute(sql, [encoder, id]).map(drop).map_err(catalog("take a vector off the stage"))
    }

    /// Removes the vectors of a part at these rows, whose source is not what the part says.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_rows(&self, part: i64, rows: &[u32]) -> Result<()> {
        for sql in [
            "DELETE FROM image_vector WHERE part = ?1 AND row = ?2",
            "DELETE FROM prompt_vector WHERE part = ?1 AND row = ?2",
            "DELETE FROM region_vector WHERE part = ?1 AND row = ?2",
        ] {
            for row in rows {
                self.tx.prepare_cached(sql).and_then(|mut q| q.execute(params![part, row])).map_err(catalog("remove vectors"))?;
            }
        }
        Ok(())
    }

    /// Removes scores by an encoder, so that they are computed again.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_scores(&self, encoder: i64, generations: &[i64]) -> Result<()> {
        for generation in generations {
            self.tx
                .prepare_cached("DELETE FROM image_score WHERE encoder = ?1 AND generation = ?2")
                .and_then(|mut q| q.execute([encoder, *generation]))
                .map_err(catalog("remove scores"))?;
        }
        Ok(())
    }
}

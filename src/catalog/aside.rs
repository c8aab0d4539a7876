//! Indices and triggers that are put aside while many images get their contents.
//!
//! Contents come in no order, so that each would change another page of every index of them; made anew, an index is sorted
//! once. And a trigger costs more than the row that it watches, even where it finds nothing to do. What is put aside comes
//! back in the same transaction: nobody else sees the catalog without it, and a kill leaves it there.

use super::{Catalog, Changes, catalog};
use crate::error::Result;

/// Indices of the states and contents of images.
pub(super) const OF_CONTENTS: [&str; 3] = ["image_not_ok", "image_by_content", "image_usable_by_content"];

/// Triggers on the first content of an image: for vectors, values and regions that came before it.
pub(super) const FIRST_SEEN: [&str; 3] = ["image_first_seen", "metrics_of_image_first_seen", "regions_of_image_first_seen"];

/// Triggers on a content that takes the place of another.
pub(super) const CHANGED: [&str; 4] =
    ["image_content_changed", "windows_of_changed_image", "kept_windows_of_changed_image", "regions_of_changed_image"];

/// The trigger on any content of a reference: it takes back a check of the encoders.
pub(super) const CHECKED: &str = "check_of_changed_image";

/// What finds something to do where an image gets its first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaiting {
    /// Vectors, values or regions came before the content that they belong to.
    pub(super) content: bool,
    /// The encoders were checked on the references.
    pub(super) check: bool,
}

/// What was put aside, until it is put back.
#[must_use = "what was put aside has to be put back"]
pub struct Aside<'m, 'c> {
    changes: &'m Changes<'c>,
    /// The definitions.
    taken: Vec<String>,
}

impl Catalog {
    /// Returns what finds something to do where an image gets its first content.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn awaiting(&self) -> Result<Awaiting> {
        awaiting(&self.db).map_err(catalog("look for what awaits contents"))
    }
}

fn awaiting(db: &rusqlite::Connection) -> rusqlite::Result<Awaiting> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM image_vector WHERE source IS NULL) OR EXISTS (SELECT 1 FROM metric_value WHERE source IS NULL)
             OR EXISTS (SELECT 1 FROM region_image WHERE source IS NULL), EXISTS (SELECT 1 FROM instrument_check)",
        [],
        |r| Ok(Awaiting { content: r.get(0)?, check: r.get(1)? }),
    )
}

impl Awaiting {
    /// Returns the triggers that find nothing to do where an image gets its first content.
    pub(super) fn idle(self) -> impl Iterator<Item = &'static str> {
        let first_seen = FIRST_SEEN.into_iter().filter(move |_| !self.content);
        CHANGED.into_iter().chain(first_seen).chain((!self.check).then_some(CHECKED))
    }
}

impl<'c> Changes<'c> {
    /// Puts aside what costs most where many images get their first contents. Until it is put back, no image may get another
    /// content in place of one that it had.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_aside(&self, awaiting: Awaiting) -> Result<Aside<'_, 'c>> {
        self.put_these_aside(OF_CONTENTS.into_iter().chain(awaiting.idle()))
    }

    pub(super) fn put_these_aside(&self, names: impl IntoIterator<Item = &'static str>) -> Result<Aside<'_, 'c>> {
        let act = "put an index aside";
        let mut taken = Vec::new();
        for name in names {
            let (kind, sql): (String, String) = self
                .tx
                .query_row("SELECT type, sql FROM sqlite_schema WHERE name = ?1", [name], |r| Ok((r.get(0)?, r.get(1)?)))
                .map_err(catalog(act))?;
            self.tx.execute_batch(&format!("DROP {kind} {name}")).map_err(catalog(act))?;
            taken.push(sql);
        }
        Ok(Aside { changes: self, taken })
    }

    pub(super) fn awaiting(&self) -> Result<Awaiting> {
        awaiting(&self.tx).map_err(catalog("look for what awaits contents"))
    }
}

impl Aside<'_, '_> {
    /// Puts all back as it was.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_back(self) -> Result<()> {
        self.taken.iter().try_for_each(|sql| self.changes.tx.execute_batch(sql)).map_err(catalog("put an index back"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::PathRule;
    use std::collections::BTreeSet;

    #[test]
    fn every_trigger_on_contents_is_known_here() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Catalog::create(&path, PathRule::Absolute).unwrap();
        let mut catalog = Catalog::open_to_write(&path).unwrap();
        let objects = |db: &rusqlite::Connection| -> BTreeSet<(String, String)> {
            let sql = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL";
            db.prepare(sql)
                .unwrap()
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap()
        };
        let before = objects(&catalog.db);
        let on_contents = before.iter().filter(|(_, sql)| sql.contains("UPDATE OF blake3 ON image"));
        let names: BTreeSet<&str> = on_contents.map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, FIRST_SEEN.into_iter().chain(CHANGED).chain([CHECKED]).collect());
        let of_others = |name: &str| before.iter().find(|(n, _)| n == name).unwrap().1.contains("WHEN old.blake3 IS NOT NULL");
        assert!(CHANGED.into_iter().all(of_others));

        let awaiting = catalog.awaiting().unwrap();
        assert_eq!(awaiting, Awaiting { content: false, check: false });
        let changes = catalog.begin().unwrap();
        let aside = changes.put_aside(awaiting).unwrap();
        assert_eq!(before.len() - objects(&changes.tx).len(), 11);
        aside.put_back().unwrap();
        changes.commit().unwrap();
        assert_eq!(objects(&catalog.db), before);
    }
}

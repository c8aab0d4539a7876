//! What is chosen and known about the pixels of the images.

use super::{Catalog, Changes, Duplicate, catalog};
use crate::error::Result;
use crate::image::{Appearance, Transparency};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;
use std::path::PathBuf;

/// A usable generation and whether its image is blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlankImage {
    /// Generation row.
    pub generation: i64,
    /// Its file.
    pub path: PathBuf,
    /// BLAKE3 of its bytes as last read.
    pub blake3: [u8; 32],
    /// Whether it is blank; `None`: it was never decoded.
    pub blank: Option<bool>,
}

const WHO: &str = "coalesce(
    (SELECT 'reference ' || r.reference_index || ' of subject ' || s.subject_id FROM reference_image r
     JOIN subject s ON s.id = r.subject WHERE r.image = i.id),
    (SELECT 'generation ' || m.name || ' ' || p.prompt_id || ' ' || g.seed FROM generation g
     JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt WHERE g.image = i.id), full_path(i.path))";

impl Catalog {
    /// Returns how transparent pixels are treated in this data set.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn transparency(&self) -> Result<Transparency> {
        self.db
            .query_row("SELECT transparency FROM pixel_choice", [], |r| Ok(r.get_ref(0)?.as_str()?.parse().unwrap_or_default()))
            .map_err(catalog("read how transparent pixels are treated"))
    }

    /// Returns how many images are known to be blank, and the first.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn blank_images(&self) -> Result<Option<Duplicate>> {
        self.images_that("a.blank = 1")
    }

    /// Returns how many images are known to have pixels that are not opaque, and the first.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn translucent_images(&self) -> Result<Option<Duplicate>> {
        self.images_that("a.translucent > 0")
    }

    fn images_that(&self, are: &str) -> Result<Option<Duplicate>> {
        // Composites are made of references, which are already counted. CROSS: the contents come first, which are few; SQLite
        // would look up the content of every image.
        let from = format!(
            "FROM appearance a CROSS JOIN image i ON i.blake3 = a.content WHERE i.status = 'ok' AND {are} AND NOT EXISTS (
                 SELECT 1 FROM generation g JOIN model m ON m.id = g.model WHERE g.image = i.id AND m.control = 1)"
        );
        let act = "look for images by their pixels";
        let groups: i64 = self.db.query_row(&format!("SELECT count(*) {from}"), [], |r| r.get(0)).map_err(catalog(act))?;
        if groups == 0 {
            return Ok(None);
        }
        let first = format!("SELECT {WHO} {from} ORDER BY i.id LIMIT 1");
        let example = self.db.query_row(&first, [], |r| r.get(0)).optional().map_err(catalog(act))?;
        Ok(example.map(|example| Duplicate { groups: groups as u64, example }))
    }

    /// Returns every generation whose image can be used, with whether it is blank, by row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn blank_facts(&self) -> Result<Vec<BlankImage>> {
        self.db
            .prepare_cached(
                "SELECT g.id, full_path(i.path), i.blake3, a.blank FROM generation g JOIN image i ON i.id = g.image
                 LEFT JOIN appearance a ON a.content = i.blake3 WHERE i.status = 'ok' ORDER BY g.id",
            )
            .and_then(|mut q| {
                q.query_map([], |r| {
                    let path = PathBuf::from(r.get::<_, String>(1)?);
                    Ok(BlankImage { generation: r.get(0)?, path, blake3: r.get(2)?, blank: r.get(3)? })
                })?
                .collect()
            })
            .map_err(catalog("look for blank images"))
    }

    /// Returns the rows of generations that are known to be blank.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn blank_generations(&self) -> Result<HashSet<i64>> {
        self.db
            .prepare_cached(
                "SELECT g.id FROM appearance a JOIN image i ON i.blake3 = a.content JOIN generation g ON g.image = i.id
                 WHERE a.blank = 1 AND i.status = 'ok'",
            )
            .and_then(|mut q| q.query_map([], |r| r.get(0))?.collect())
            .map_err(catalog("look for blank images"))
    }

    /// Returns usable contents that were never decoded, each with a file.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn unseen_contents(&self) -> Result<Vec<([u8; 32], PathBuf)>> {
        self.db
            .prepare_cached(
                "SELECT i.blake3, full_path(min(i.path)) FROM image i WHERE i.status = 'ok'
                     AND NOT EXISTS (SELECT 1 FROM appearance a WHERE a.content = i.blake3) GROUP BY i.blake3",
            )
            .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, PathBuf::from(r.get::<_, String>(1)?))))?.collect())
            .map_err(catalog("look for images that were not decoded"))
    }

    /// Returns what is known about each content's pixels, with a file that had it when last read, in order of the content.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn appearances(&self) -> Result<Vec<([u8; 32], PathBuf, Appearance)>> {
        self.db
            .prepare_cached(
                "SELECT a.content, full_path(min(i.path)), a.translucent, a.blank FROM appearance a JOIN image i ON i.blake3 = a.content
                 WHERE i.status = 'ok' GROUP BY a.content ORDER BY a.content",
            )
            .and_then(|mut q| {
                q.query_map([], |r| {
                    let appearance = Appearance { translucent: r.get::<_, i64>(2)? as u64, blank: r.get(3)? };
                    Ok((r.get(0)?, PathBuf::from(r.get::<_, String>(1)?), appearance))
                })?
                .collect()
            })
            .map_err(catalog("read what images look like"))
    }

    /// Returns whether there are vectors of an encoder, staged or in parts.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn has_vectors(&self, encoder: i64) -> Result<bool> {
        has_vectors(&self.db, encoder)
    }
}

fn has_vectors(db: &Connection, encoder: i64) -> Result<bool> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM image_vector WHERE encoder = ?1)
             OR EXISTS (SELECT 1 FROM prompt_vector WHERE encoder = ?1)
             OR EXISTS (SELECT 1 FROM staged_vector WHERE encoder = ?1)
             OR EXISTS (SELECT 1 FROM region_vector WHERE encoder = ?1)
             OR EXISTS (SELECT 1 FROM staged_region_vector WHERE encoder = ?1)",
        [encoder],
        |r| r.get(0),
    )
    .map_err(catalog("look for vectors"))
}

impl Changes<'_> {
    /// Returns whether there are vectors of an encoder, staged or in parts.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn has_vectors(&self, encoder: i64) -> Result<bool> {
        has_vectors(&self.tx, encoder)
    }

    /// Records how transparent pixels are treated from now on, and forgets what images looked like before.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_transparency(&self, transparency: Transparency) -> Result<()> {
        self.tx
            .execute("UPDATE pixel_choice SET transparency = ?1 WHERE transparency IS NOT ?1", [transparency.as_str()])
            .and_then(|changed| if changed > 0 { self.tx.execute("DELETE FROM appearance", []) } else { Ok(0) })
            .map(drop)
            .map_err(catalog("record how transparent pixels are treated"))
    }

    /// Forgets what images look like.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_appearances(&self) -> Result<()> {
        self.tx.execute("DELETE FROM appearance", []).map(drop).map_err(catalog("forget what images look like"))
    }

    /// Records what the pixels of a content are like.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_appearance(&self, content: &[u8; 32], appearance: Appearance) -> Result<()> {
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO appearance (content, translucent, blank) VALUES (?1, ?2, ?3)")
            .and_then(|mut q| q.execute(params![content, appearance.translucent as i64, appearance.blank]))
            .map(drop)
            .map_err(catalog("record what an image looks like"))
    }
}

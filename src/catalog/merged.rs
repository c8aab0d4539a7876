//! Images that were looked at elsewhere: what was found there is recorded, and no file is opened.

use super::aside::{Aside, FIRST_SEEN, OF_CONTENTS};
use super::images::RecordedState;
use super::{Changes, VectorKey, catalog};
use crate::error::Result;
use crate::image::Appearance;
use crate::vocabulary::{ImageFormat, ImageStatus};
use rusqlite::{OptionalExtension, params};

/// What was found out about an image elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// Its state.
    pub status: ImageStatus,
    /// Why it cannot be used, or why an encoder gave no vector.
    pub reason: Option<String>,
    /// BLAKE3 of its bytes, if they could be read.
    pub blake3: Option<[u8; 32]>,
    /// Its format, width and height, upright, if its head says.
    pub size: Option<(ImageFormat, u32, u32)>,
    /// What its pixels are like, if they could be decoded.
    pub appearance: Option<Appearance>,
    /// Size in bytes and time of change, in nanoseconds since 1970, of its file, before it was read.
    pub file: Option<(u64, i64)>,
}

/// An image of the catalog, and what is known of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownContent {
    /// Image row.
    pub image: i64,
    /// Its state as last read.
    pub status: ImageStatus,
    /// BLAKE3 of its bytes as last read.
    pub blake3: Option<[u8; 32]>,
}

/// Indices of vectors, which come in no order of their images either.
const OF_VECTORS: [&str; 2] = ["image_vector_by_image", "image_vector_by_place"];

/// A merge of many images, under way in a set of changes.
pub struct Merging<'m, 'c> {
    changes: &'m Changes<'c>,
    /// Indices and triggers that are put back in the end.
    aside: Aside<'m, 'c>,
}

impl<'c> Changes<'c> {
    /// Begins to merge so many images. Where they are a good part of all, indices are taken away until the merge ends.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn merge(&self, images: u64) -> Result<Merging<'_, 'c>> {
        let act = "begin a merge";
        let all: i64 = self.tx.query_row("SELECT count(*) FROM image", [], |r| r.get(0)).map_err(catalog(act))?;
        let awaiting = self.awaiting()?;
        let mut away: Vec<&str> = Vec::new();
        if images.saturating_mul(4) >= all as u64 {
            away.extend(OF_CONTENTS);
            away.extend(OF_VECTORS);
            let any = "SELECT EXISTS (SELECT 1 FROM image WHERE blake3 IS NOT NULL)";
            let may_change: bool = self.tx.query_row(any, [], |r| r.get(0)).map_err(catalog(act))?;
            away.extend(awaiting.idle().filter(|name| !may_change || FIRST_SEEN.contains(name)));
        }
        let aside = self.put_these_aside(away)?;
        // Contents come in no order: they are sorted once, in the end.
        self.tx
            .execute_batch(
                "DROP TABLE IF EXISTS temp.seen; CREATE TEMP TABLE seen (content BLOB, translucent INTEGER, blank INTEGER)",
            )
            .map_err(catalog(act))?;
        Ok(Merging { changes: self, aside })
    }
}

impl Merging<'_, '_> {
    /// Returns the image of a reference or a generation; `None` if there is none.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn known_content(&self, key: &VectorKey) -> Result<Option<KnownContent>> {
        let act = "look up an image";
        let tx = &self.changes.tx;
        let read = |r: &rusqlite::Row<'_>| {
            let status = r.get_ref(1)?.as_str()?.parse().unwrap_or(ImageStatus::Pending);
            Ok(KnownContent { image: r.get(0)?, status, blake3: r.get(2)? })
        };
        match key {
            VectorKey::Reference(subject, index) => tx
                .prepare_cached(
                    "SELECT i.id, i.status, i.blake3 FROM subject s JOIN reference_image r ON r.subject = s.id
                     JOIN image i ON i.id = r.image WHERE s.subject_id = ?1 AND r.reference_index = ?2",
                )
                .and_then(|mut q| q.query_row(params![subject.as_str(), index], read).optional()),
            VectorKey::Generation(model, prompt, seed) => {
                let model = self.changes.named_model(model)?;
                let (Some(model), Some(prompt)) = (model, self.changes.named_prompt(prompt.as_str())?) else {
                    return Ok(None);
                };
                tx.prepare_cached(
                    "SELECT i.id, i.status, i.blake3 FROM generation g JOIN image i ON i.id = g.image
                     WHERE g.prompt = ?1 AND g.model = ?2 AND g.seed = ?3",
                )
                .and_then(|mut q| q.query_row([prompt, model, *seed], read).optional())
            }
            VectorKey::Prompt(_) | VectorKey::Region(..) => return Ok(None),
        }
        .map_err(catalog(act))
    }

    /// Records what was found out about an image elsewhere. Of a missing one, what is known of its content stays.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_found(&self, image: i64, found: &FoundImage) -> Result<()> {
        let (bytes, mtime_ns) = found.file.unzip();
        self.changes.record_state(
            image,
            &RecordedState {
                status: found.status,
                reason: found.reason.as_deref().filter(|_| found.status != ImageStatus::Ok),
                bytes,
                mtime_ns,
                blake3: found.blake3,
                size: found.size,
            },
        )
    }

    /// Records what the pixels of a content are like.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_seen(&self, content: &[u8; 32], appearance: Appearance) -> Result<()> {
        self.changes
            .tx
            .prepare_cached("INSERT INTO temp.seen VALUES (?1, ?2, ?3)")
            .and_then(|mut q| q.execute(params![content, appearance.translucent as i64, appearance.blank]))
            .map(drop)
            .map_err(catalog("record what an image looks like"))
    }

    /// Ends the merge: what was taken away is as it was.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn finish(self) -> Result<()> {
        let act = "end a merge";
        let tx = &self.changes.tx;
        tx.execute_batch(
            "INSERT OR REPLACE INTO appearance (content, translucent, blank)
                 SELECT content, translucent, blank FROM temp.seen ORDER BY content;
             DROP TABLE temp.seen",
        )
        .map_err(catalog(act))?;
        self.aside.put_back()
    }
}

//! Images that were looked at elsewhere: what was found there is recorded, and no file is opened.

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

impl Changes<'_> {
    /// Returns the image of a reference or a generation; `None` if there is none.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn known_content(&self, key: &VectorKey) -> Result<Option<KnownContent>> {
        let read = |r: &rusqlite::Row<'_>| {
            let status = r.get_ref(1)?.as_str()?.parse().unwrap_or(ImageStatus::Pending);
            Ok(KnownContent { image: r.get(0)?, status, blake3: r.get(2)? })
        };
        match key {
            VectorKey::Reference(subject, index) => self
                .tx
                .prepare_cached(
                    "SELECT i.id, i.status, i.blake3 FROM subject s JOIN reference_image r ON r.subject = s.id
                     JOIN image i ON i.id = r.image WHERE s.subject_id = ?1 AND r.reference_index = ?2",
                )
                .and_then(|mut q| q.query_row(params![subject.as_str(), index], read).optional()),
            VectorKey::Generation(model, prompt, seed) => self
                .tx
                .prepare_cached(
                    "SELECT i.id, i.status, i.blake3 FROM generation g JOIN model m ON m.id = g.model
                     JOIN prompt p ON p.id = g.prompt JOIN image i ON i.id = g.image
                     WHERE p.prompt_id = ?2 AND m.name = ?1 AND g.seed = ?3",
                )
                .and_then(|mut q| q.query_row(params![model.as_str(), prompt.as_str(), seed], read).optional()),
            VectorKey::Prompt(_) | VectorKey::Region(..) => return Ok(None),
        }
        .map_err(catalog("look up an image"))
    }

    /// Records what was found out about an image elsewhere. Of a missing one, what is known of its content stays.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn record_found(&self, image: i64, found: &FoundImage) -> Result<()> {
        let reason = found.reason.as_deref().filter(|_| found.status != ImageStatus::Ok);
        if found.status == ImageStatus::Missing {
            return self
                .tx
                .prepare_cached("UPDATE image SET status = ?2, reason = ?3, bytes = NULL, mtime_ns = NULL WHERE id = ?1")
                .and_then(|mut q| q.execute(params![image, found.status.as_str(), reason]))
                .map(drop)
                .map_err(catalog("record an image"));
        }
        let (bytes, mtime_ns) = found.file.map(|(bytes, mtime_ns)| (bytes as i64, mtime_ns)).unzip();
        let format = found.size.map(|(format, ..)| format.as_str());
        let (width, height) = found.size.map(|(_, width, height)| (width, height)).unzip();
        self.tx
            .prepare_cached(
                "UPDATE image SET status = ?2, reason = ?3, bytes = ?4, mtime_ns = ?5, blake3 = ?6,
                                  format = ?7, width = ?8, height = ?9 WHERE id = ?1",
            )
            .and_then(|mut q| {
                q.execute(params![image, found.status.as_str(), reason, bytes, mtime_ns, found.blake3, format, width, height])
            })
            .map(drop)
            .map_err(catalog("record an image"))
    }
}

//! The image files that rows name: registered, recognised when they moved, replaced.

use super::entries::ContentOf;
use super::{Changes, catalog};
use crate::error::Result;
use crate::input::FileState;
use crate::manifest::ImagePath;
use crate::vocabulary::ImageStatus;
use rusqlite::params;
use std::collections::HashMap;
use std::path::Path;

impl Changes<'_> {
    pub(super) fn references(&self, subject: i64) -> Result<Vec<KnownImage>> {
        self.tx
            .prepare_cached(
                "SELECT i.id, full_path(i.path), i.status, i.blake3 FROM reference_image r JOIN image i ON i.id = r.image
                 WHERE r.subject = ?1 ORDER BY r.reference_index",
            )
            .and_then(|mut q| {
                q.query_map([subject], |r| {
                    Ok(KnownImage { id: r.get(0)?, path: r.get(1)?, status: status(r, 2)?, blake3: r.get(3)? })
                })?
                .collect()
            })
            .map_err(catalog("read references"))
    }

    pub(super) fn put_reference(&self, subject: i64, index: usize, reference: &ImagePath) -> Result<()> {
        let image = self.put_image(reference)?;
        self.tx
            .prepare_cached("INSERT INTO reference_image (subject, reference_index, image) VALUES (?1, ?2, ?3)")
            .and_then(|mut q| q.execute(params![subject, index as i64, image]))
            .map_err(catalog("put a reference"))?;
        Ok(())
    }

    /// Replaces a subject's references. Those that it keeps, at whatever index, keep their vectors.
    pub(super) fn replace_references(
        &self,
        subject: i64,
        known: &[KnownImage],
        given: &[ImagePath],
        content: ContentOf<'_>,
    ) -> Result<()> {
        let act = "replace references";
        let kept = pair(known, given, content);
        // Out of the way first, so that no two meet at an index.
        let aside = (known.len() + given.len()) as i64;
        self.tx
            .prepare_cached("UPDATE reference_image SET reference_index = reference_index + ?2 WHERE subject = ?1")
            .and_then(|mut q| q.execute(params![subject, aside]))
            .map_err(catalog(act))?;
        for (index, (kept, given)) in kept.iter().zip(given).enumerate() {
            let Some(image) = kept else { continue };
            self.tx
                .prepare_cached("UPDATE reference_image SET reference_index = ?2 WHERE image = ?1")
                .and_then(|mut q| q.execute(params![image.id, index as i64]))
                .map_err(catalog(act))?;
            if Path::new(&image.path) != given.path {
                self.move_image(image.id, given)?;
            }
        }
        self.tx
            .prepare_cached("DELETE FROM reference_image WHERE subject = ?1 AND reference_index >= ?2")
            .and_then(|mut q| q.execute(params![subject, aside]))
            .map_err(catalog(act))?;
        for (index, (_, given)) in kept.iter().zip(given).enumerate().filter(|(_, (kept, _))| kept.is_none()) {
            self.put_reference(subject, index, given)?;
        }
        Ok(())
    }

    pub(super) fn put_image(&self, image: &ImagePath) -> Result<i64> {
        let (status, reason) = initial_state(image);
        self.tx
            .prepare_cached("INSERT INTO image (path, status, reason) VALUES (kept_path(?1), ?2, ?3)")
            .and_then(|mut q| q.execute(params![text_path(&image.path)?, status.as_str(), reason]))
            .map_err(catalog("put an image"))?;
        Ok(self.tx.last_insert_rowid())
    }

    /// Gives an image another path with the same bytes: vectors and scores stay; size and time are read again.
    pub(super) fn move_image(&self, id: i64, to: &ImagePath) -> Result<()> {
        self.unchanged.borrow_mut().remove(id);
        let (status, reason) = initial_state(to);
        self.tx
            .prepare_cached(
                "UPDATE image SET path = kept_path(?2), status = ?3, reason = ?4, bytes = NULL, mtime_ns = NULL WHERE id = ?1",
            )
            .and_then(|mut q| q.execute(params![id, text_path(&to.path)?, status.as_str(), reason]))
            .map_err(catalog("move an image"))?;
        Ok(())
    }
}

pub(super) struct KnownImage {
    pub(super) id: i64,
    pub(super) path: String,
    pub(super) status: ImageStatus,
    pub(super) blake3: Option<[u8; 32]>,
}

impl KnownImage {
    /// Returns the hash of its bytes, if that was ever known or can be found out.
    fn content(&self, content: ContentOf<'_>) -> Option<[u8; 32]> {
        self.blake3.or_else(|| match self.status {
            ImageStatus::Pending => content(Path::new(&self.path)),
            _ => None,
        })
    }
}

/// Returns, for each given reference, the known one that matches it: by path, else by content, else at the same index
/// if nothing was ever read there.
pub(super) fn pair<'k>(known: &'k [KnownImage], given: &[ImagePath], content: ContentOf<'_>) -> Vec<Option<&'k KnownImage>> {
    let mut left: Vec<Option<&KnownImage>> = known.iter().map(Some).collect();
    let mut take = |fits: &dyn Fn(usize, &KnownImage) -> bool| {
        let at = left.iter().enumerate().position(|(at, image)| image.is_some_and(|image| fits(at, image)))?;
        left[at].take()
    };
    let mut kept: Vec<Option<&KnownImage>> =
        given.iter().map(|given| take(&|_, known| Path::new(&known.path) == given.path)).collect();
    let before: HashMap<i64, [u8; 32]> = known.iter().filter_map(|image| Some((image.id, image.content(content)?))).collect();
    for (kept, given) in kept.iter_mut().zip(given).filter(|(kept, _)| kept.is_none()) {
        let Some(now) = content(&given.path) else { continue };
        *kept = take(&|_, known| before.get(&known.id) == Some(&now));
    }
    for (index, kept) in kept.iter_mut().enumerate().filter(|(_, kept)| kept.is_none()) {
        *kept = take(&|at, known| at == index && !before.contains_key(&known.id));
    }
    kept
}

/// Returns the state in a column. A word that is none is damage, and the file is looked at again.
pub(super) fn status(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<ImageStatus> {
    Ok(row.get_ref(column)?.as_str()?.parse().unwrap_or(ImageStatus::Pending))
}

#[derive(PartialEq, Clone, Copy)]
pub(super) enum Sameness {
    Same,
    Moved,
    Other,
}

pub(super) fn compare(known: &KnownImage, given: &ImagePath, content: ContentOf<'_>) -> Sameness {
    if Path::new(&known.path) == given.path {
        return Sameness::Same;
    }
    match (known.content(content), content(&given.path)) {
        (Some(before), Some(now)) if before == now => Sameness::Moved,
        (None, _) => Sameness::Moved, // nothing was ever read there, so no content is lost
        _ => Sameness::Other,
    }
}

pub(super) fn initial_state(image: &ImagePath) -> (ImageStatus, Option<&str>) {
    match &image.state {
        FileState::There { .. } => (ImageStatus::Pending, None),
        FileState::Missing(reason) => (ImageStatus::Missing, Some(reason)),
        FileState::Unusable(reason) => (ImageStatus::Unreadable, Some(reason)),
    }
}

/// Returns a path as text: SQLite keeps text, and a path that is not UTF-8 cannot be kept without changing it.
pub(super) fn text_path(path: &Path) -> rusqlite::Result<&str> {
    path.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(path.to_path_buf()))
}

//! Follows images that were moved: the same files under another directory.

use crate::catalog::PlacedImage;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::image::probe;
use crate::input::{FileState, state_of};
use crate::text::quote;
use crate::vocabulary::Probe;
use crate::watch::Watch;
use rayon::prelude::*;
use std::path::{Component, Path, PathBuf};

/// Images checked between two progress reports.
const BLOCK: usize = 4096;

/// Most files of one sort that are named.
const NAMED: usize = 10;

/// What relocating did, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relocation {
    /// Images whose path now begins with another directory.
    pub moved: u64,
    /// Images that had to be read because their size or time differs from the catalog's; the content is the same.
    pub read: u64,
    /// Images that are in neither place.
    pub absent: u64,
}

/// What was found at an image's new place.
enum Whereabouts {
    /// The size and time that the catalog has, or the catalog has none yet.
    Same,
    /// Another size or time, but the bytes that the catalog knows.
    SameBytes(Box<Probe>),
    /// Other bytes.
    Other,
    /// Nothing; the file is still at its old place.
    Behind,
    /// In neither place.
    Absent,
}

impl Dataset {
    /// Tells the catalog that the images below `old` are now below `new` (or that the one file `old` is now `new`), all or
    /// nothing. A file is read only where its size or time differs from the catalog's. With `dry_run` nothing
    /// changes.
    ///
    /// # Errors
    /// No image is below `old`; a file has other content at its new place, or is only at its old one; no file is at
    /// its new place; or the caller wants to stop.
    pub fn relocate(&mut self, old: &Path, new: &Path, dry_run: bool, watch: &mut Watch<'_>) -> Result<Relocation> {
        let old = self.below(old)?;
        let target = new.canonicalize().map_err(Error::io("resolve", new))?;
        let total = self.catalog.image_count()?;
        let (mut done, mut other, mut behind) = (Relocation::default(), NamedFiles::default(), NamedFiles::default());
        let (mut after, mut looked) = (0, 0);
        // Where anything is found wrong the changes are dropped, so no image need be remembered until all were looked at.
        let changes = self.catalog.begin()?;
        loop {
            watch.check()?;
            let images = changes.placed_images_after(after, BLOCK)?;
            let Some(last) = images.last() else { break };
            (after, looked) = (last.id, looked + images.len() as u64);
            for (image, path, found) in look_at(&images, &old, &target) {
                done.moved += 1;
                match found {
                    Whereabouts::Other => other.add(&path),
                    Whereabouts::Behind => behind.add(&path),
                    Whereabouts::Absent => done.absent += 1,
                    Whereabouts::SameBytes(_) => done.read += 1,
                    Whereabouts::Same => {}
                }
                if dry_run {
                    continue;
                }
                let path = path.to_str().ok_or_else(|| {
                    Error::request(
                        format!("{} is not valid UTF-8, so the catalog cannot keep it", path.display()),
                        "choose another directory",
                    )
                })?;
                changes.relocate(image.id, path)?;
                if let Whereabouts::SameBytes(probe) = found {
                    changes.record_probe(image.id, &probe)?;
                }
            }
            watch.report("images", looked, Some(total));
        }
        let mut faults = Vec::new();
        if other.count > 0 {
            faults.push(other.are("has", "have", "content that differs from the catalog's"));
        }
        if behind.count > 0 {
            faults.push(behind.are("is", "are", "not in the new place but still in the old one"));
        }
        if !faults.is_empty() {
            let hint = "move the files that are still in the old place; `msdata ingest --replace` accepts other content; nothing was changed";
            return Err(Error::request(faults.join("\n"), hint));
        }
        if done.absent == done.moved {
            return Err(Error::request(
                format!("none of the {} images below {} is below {}", done.moved, old.display(), target.display()),
                "give the directory that now holds the files of the first one",
            ));
        }
        if !dry_run {
            changes.commit()?;
        }
        Ok(done)
    }

    /// Returns the path above the images in the form that the catalog has: as written, or with its links resolved.
    fn below(&self, old: &Path) -> Result<PathBuf> {
        let absolute = plain(&std::path::absolute(old).map_err(Error::io("resolve", old))?);
        let resolved = || {
            let (parent, name) = (absolute.parent()?.canonicalize().ok()?, absolute.file_name()?);
            Some(parent.join(name))
        };
        let candidates = [Some(absolute.clone()), resolved(), absolute.canonicalize().ok()];
        let mut candidates: Vec<(PathBuf, bool)> = candidates.into_iter().flatten().map(|dir| (dir, false)).collect();
        let mut common: Option<PathBuf> = None;
        self.catalog.each_image_path(|path| {
            candidates.iter_mut().for_each(|(dir, holds)| *holds = *holds || path.starts_with(dir));
            let common = common.get_or_insert_with(|| path.parent().unwrap_or(path).to_owned());
            while !path.starts_with(&*common) && common.pop() {}
        })?;
        if let Some((found, _)) = candidates.into_iter().find(|(_, holds)| *holds) {
            return Ok(found);
        }
        let hint =
            common.map_or("the data set has no images".to_owned(), |dir| format!("all its images are below {}", dir.display()));
        Err(Error::request(format!("no image is below {}", absolute.display()), hint))
    }
}

/// Looks at those of the images that are below `old`; each with its path below `new`.
fn look_at<'i>(images: &'i [PlacedImage], old: &Path, new: &Path) -> Vec<(&'i PlacedImage, PathBuf, Whereabouts)> {
    let look_at = |image: &'i PlacedImage| {
        let rest = image.path.strip_prefix(old).ok()?;
        // Joining nothing would put a slash at the end of a file's name.
        let path = if rest.as_os_str().is_empty() { new.to_owned() } else { new.join(rest) };
        let found = look(image, &path);
        Some((image, path, found))
    };
    images.par_iter().filter_map(look_at).collect()
}

/// Files of one sort: how many there are, and the first of them.
#[derive(Default)]
struct NamedFiles {
    count: usize,
    first: Vec<String>,
}

impl NamedFiles {
    fn add(&mut self, path: &Path) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(quote(&path.display().to_string()));
        }
    }

    /// Returns `3 files are WHAT: "a", "b", "c"`.
    fn are(&self, one: &str, many: &str, what: &str) -> String {
        let files = if self.count == 1 { format!("1 file {one}") } else { format!("{} files {many}", self.count) };
        let more = self.count - self.first.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{files} {what}: {}{more}", self.first.join(", "))
    }
}

fn look(image: &PlacedImage, path: &Path) -> Whereabouts {
    match state_of(path) {
        FileState::There { bytes, mtime_ns } if (image.bytes, image.mtime_ns) == (Some(bytes), Some(mtime_ns)) => {
            Whereabouts::Same
        }
        FileState::There { .. } => match image.blake3 {
            None => Whereabouts::Same,
            Some(known) => match probe(path) {
                found if found.blake3 == Some(known) => Whereabouts::SameBytes(Box::new(found)),
                _ => Whereabouts::Other,
            },
        },
        _ if path != image.path && matches!(state_of(&image.path), FileState::There { .. }) => Whereabouts::Behind,
        _ => Whereabouts::Absent,
    }
}

/// Removes `.` and `..` without looking at the file system.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut out, part| {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
        out
    })
}

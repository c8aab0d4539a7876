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
        let images = self.catalog.placed_images()?;
        let old = below(&images, old)?;
        let target = new.canonicalize().map_err(Error::io("resolve", new))?;
        let chosen: Vec<(&PlacedImage, PathBuf)> = images
            .iter()
            .filter_map(|image| {
                let rest = image.path.strip_prefix(&old).ok()?;
                // Joining nothing would put a slash at the end of a file's name.
                Some((image, if rest.as_os_str().is_empty() { target.clone() } else { target.join(rest) }))
            })
            .collect();
        let mut found = Vec::with_capacity(chosen.len());
        for block in chosen.chunks(BLOCK) {
            watch.check()?;
            found.par_extend(block.par_iter().map(|(image, path)| look(image, path)));
            watch.report("images", found.len() as u64, Some(chosen.len() as u64));
        }
        let all = || chosen.iter().map(|(image, path)| (image.path.as_path(), path.as_path())).zip(&found);
        let other: Vec<&Path> = all().filter(|(_, f)| matches!(f, Whereabouts::Other)).map(|((_, path), _)| path).collect();
        let behind: Vec<&Path> = all().filter(|(_, f)| matches!(f, Whereabouts::Behind)).map(|((path, _), _)| path).collect();
        let absent = found.iter().filter(|f| matches!(f, Whereabouts::Absent)).count();
        let mut faults = Vec::new();
        if !other.is_empty() {
            faults.push(format!(
                "{} content that differs from the catalog's: {}",
                files(other.len(), "has", "have"),
                names(&other)
            ));
        }
        if !behind.is_empty() {
            faults.push(format!(
                "{} not in the new place but still in the old one: {}",
                files(behind.len(), "is", "are"),
                names(&behind)
            ));
        }
        if !faults.is_empty() {
            let hint = "move the files that are still in the old place; `msdata ingest --replace` accepts other content; nothing was changed";
            return Err(Error::request(faults.join("\n"), hint));
        }
        if absent == chosen.len() {
            return Err(Error::request(
                format!("none of the {} images below {} is below {}", chosen.len(), old.display(), target.display()),
                "give the directory that now holds the files of the first one",
            ));
        }
        let count = |which: fn(&Whereabouts) -> bool| found.iter().filter(|f| which(f)).count() as u64;
        let relocation = Relocation {
            moved: chosen.len() as u64,
            read: count(|f| matches!(f, Whereabouts::SameBytes(_))),
            absent: absent as u64,
        };
        if dry_run {
            return Ok(relocation);
        }
        let changes = self.catalog.begin()?;
        for ((image, path), found) in chosen.iter().zip(&found) {
            let path = path.to_str().ok_or_else(|| {
                Error::request(
                    format!("{} is not valid UTF-8, so the catalog cannot keep it", path.display()),
                    "choose another directory",
                )
            })?;
            changes.relocate(image.id, path)?;
            if let Whereabouts::SameBytes(probe) = found {
                changes.record_probe(image.id, probe)?;
            }
        }
        changes.commit()?;
        Ok(relocation)
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

/// Returns the path above the images in the form that the catalog has: as written, or with its links resolved.
fn below(images: &[PlacedImage], old: &Path) -> Result<PathBuf> {
    let absolute = plain(&std::path::absolute(old).map_err(Error::io("resolve", old))?);
    let resolved = || {
        let (parent, name) = (absolute.parent()?.canonicalize().ok()?, absolute.file_name()?);
        Some(parent.join(name))
    };
    let candidates = [Some(absolute.clone()), resolved(), absolute.canonicalize().ok()];
    let holds = |dir: &PathBuf| images.iter().any(|image| image.path.starts_with(dir));
    if let Some(found) = candidates.into_iter().flatten().find(holds) {
        return Ok(found);
    }
    let mut common = images.first().and_then(|image| image.path.parent()).map(Path::to_path_buf);
    while let Some(dir) = common.as_ref().filter(|dir| !images.iter().all(|image| image.path.starts_with(dir))) {
        common = dir.parent().map(Path::to_path_buf);
    }
    let hint =
        common.map_or("the data set has no images".to_owned(), |dir| format!("all its images are below {}", dir.display()));
    Err(Error::request(format!("no image is below {}", absolute.display()), hint))
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

fn files(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 file {one}") } else { format!("{n} files {many}") }
}

fn names(paths: &[&Path]) -> String {
    let shown: Vec<String> = paths.iter().take(NAMED).map(|path| quote(&path.display().to_string())).collect();
    let more = paths.len().saturating_sub(NAMED);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

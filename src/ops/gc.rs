//! Files in a data set's directory that nobody needs: leftovers of interrupted runs, pictures of prompts that
//! are gone.

use crate::catalog::Catalog;
use crate::dataset::{Dataset, Lock, catalog_of};
use crate::durable;
use crate::error::{Error, Result};
use crate::generator::left_over;
use crate::layout::{CONTROLS, TORN};
use crate::ops::ceiling::is_control;
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Why something is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GarbageKind {
    /// A part, or a part being written, that the catalog does not name.
    Part,
    /// What a killed run was writing.
    Temporary,
    /// What a killed attempt of a generator wrote.
    Draft,
    /// A picture of `controls make` that no generation uses.
    Control,
}

impl std::fmt::Display for GarbageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            GarbageKind::Part => "a part that the catalog does not name",
            GarbageKind::Temporary => "what a killed run was writing",
            GarbageKind::Draft => "what a killed attempt of a generator wrote",
            GarbageKind::Control => "a picture of `controls make` that no generation uses",
        })
    }
}

/// A file or directory that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Its path.
    pub path: PathBuf,
    /// Why it is not needed.
    pub kind: GarbageKind,
    /// Its size in bytes, with everything in it.
    pub bytes: u64,
}

impl Dataset {
    /// Finds the files that nobody needs in the data set in `dir`; with `remove`, removes them. Images of generators and of
    /// users stay, whether the catalog names them or not.
    ///
    /// # Errors
    /// There is no data set in `dir`, another process is writing, or a file cannot be removed.
    pub fn collect_garbage(dir: &Path, remove: bool) -> Result<Vec<Garbage>> {
        let path = catalog_of(dir)?;
        // Nobody else writes while this runs, so no file of another writer can be listed.
        let lock = Lock::take(dir)?;
        let data = Dataset::opened(dir, Catalog::open_to_read_alone(&path)?, None, Some(lock))?;
        let (found, _held) = data.garbage()?;
        if remove {
            for garbage in found.iter().filter(|garbage| garbage.kind != GarbageKind::Part) {
                durable::remove(&garbage.path)?;
            }
            data.store.sweep(&data.catalog.part_ids()?)?;
        }
        Ok(found)
    }

    fn garbage(&self) -> Result<(Vec<Garbage>, Vec<File>)> {
        let (mut found, mut held) = (Vec::new(), Vec::new());
        let mut add = |path: PathBuf, kind| -> Result<()> {
            let bytes = size(&path)?;
            found.push(Garbage { path, kind, bytes });
            Ok(())
        };
        for path in self.store.leftovers(&self.catalog.part_ids()?)? {
            add(path, GarbageKind::Part)?;
        }
        let mut controls = HashSet::new();
        let mut dirs = vec![self.dir.clone()];
        while let Some(dir) = dirs.pop() {
            for (path, lock) in durable::left_over(&dir)? {
                add(path, GarbageKind::Temporary)?;
                held.push(lock);
            }
            for (path, lock) in left_over(&dir, |_| true)? {
                add(path, GarbageKind::Draft)?;
                held.push(lock);
            }
            for path in entries(&dir)? {
                let meta = path.symlink_metadata().map_err(Error::io("read", &path))?;
                let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                if meta.is_dir() && !hidden {
                    dirs.push(path);
                } else if dir == self.dir.join(CONTROLS).join("crop") || dir == self.dir.join(CONTROLS).join("composite") {
                    let ours = path.file_name().and_then(|name| name.to_str()).is_some_and(is_control);
                    if meta.is_file() && ours {
                        controls.insert(path);
                    }
                } else if dir == self.dir
                    && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| TORN.contains(&name))
                {
                    add(path, GarbageKind::Temporary)?;
                }
            }
        }
        if !controls.is_empty() {
            self.catalog.each_image_path(|path| _ = controls.remove(path))?;
        }
        controls.into_iter().try_for_each(|path| add(path, GarbageKind::Control))?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((found, held))
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    read.map_err(Error::io("read", dir))
}

fn size(path: &Path) -> Result<u64> {
    let meta = path.symlink_metadata().map_err(Error::io("read", path))?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    entries(path)?.iter().map(|path| size(path)).sum()
}

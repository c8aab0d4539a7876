//! The directory of the parts.

use super::part::{FinishedPart, PartReader, PartWriter};
use crate::catalog::{PartRow, VectorPlace};
use crate::durable::into_place;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The parts of a data set, in its directory `embeddings/`.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    sums: Mutex<HashMap<i64, Sum>>,
}

/// What a part's bytes must hash to.
#[derive(Debug, Clone, Copy)]
struct Sum {
    blake3: [u8; 32],
    /// They did, when the part was first used.
    checked: bool,
}

/// The right to read parts that the catalog names now: while anybody holds it, none is removed. It is a shared
/// lock on the directory of the parts, so it needs no file of its own and works where nobody can write.
///
/// It is taken before the catalog is opened: then whatever that catalog names was not yet removed.
#[derive(Debug)]
pub struct Hold {
    _dir: File,
}

impl Hold {
    /// Holds the parts in `dir`; `None` where there is no such directory, or no lock on it to be had.
    pub fn take(dir: &Path) -> Option<Hold> {
        let dir = File::open(dir).ok()?;
        // A writer that removes holds it alone, for as long as a few files take.
        dir.lock_shared().ok().map(|()| Hold { _dir: dir })
    }
}

impl Store {
    /// The parts in `dir`, as the catalog knows them.
    pub fn new(dir: PathBuf, parts: &[PartRow]) -> Store {
        let sums = parts.iter().map(|part| (part.id, Sum { blake3: part.blake3, checked: false })).collect();
        Store { dir, sums: Mutex::new(sums) }
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<i64, Sum>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the parts lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a part.
    pub fn path(&self, part: i64) -> PathBuf {
        self.dir.join(format!("part-{part:06}.parquet"))
    }

    /// Begins part number `part`. Until it is published it is a temporary file in the same directory.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(&self, part: i64, dimension: usize) -> Result<PartWriter> {
        PartWriter::create(self.dir.join(format!("part-{part:06}.parquet.tmp")), dimension)
    }

    /// Gives a finished part its name, durably. Its row in the catalog comes after.
    ///
    /// # Errors
    /// The rename fails.
    pub fn publish(&self, part: i64, finished: &FinishedPart) -> Result<()> {
        into_place(&finished.temporary, &self.path(part))?;
        self.sums().insert(part, Sum { blake3: finished.blake3, checked: false });
        Ok(())
    }

    /// Removes parts that the catalog has forgotten, unless a reader may still need them: then they are garbage,
    /// which a later writer sweeps away. A file that is already gone is not an error.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(&self, parts: &[i64]) -> Result<()> {
        let Some(_alone) = self.alone() else { return Ok(()) };
        parts.iter().try_for_each(|part| remove_if_there(&self.path(*part)))
    }

    /// The directory, locked against readers; `None` while there are some.
    fn alone(&self) -> Option<File> {
        let dir = File::open(&self.dir).ok()?;
        dir.try_lock().ok().map(|()| dir)
    }

    /// Gives a damaged part another name, under which it is kept but is no longer a part.
    ///
    /// # Errors
    /// The rename fails. A file that is not there is not an error.
    pub fn set_aside(&self, part: i64) -> Result<()> {
        let path = self.path(part);
        match fs::rename(&path, path.with_extension("parquet.damaged")) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("rename", &path)(e)),
            _ => Ok(()),
        }
    }

    /// Damaged parts that were set aside.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn set_aside_parts(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::io("read", &self.dir))? {
            let path = entry.map_err(Error::io("read", &self.dir))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.starts_with("part-") && name.ends_with(".parquet.damaged") {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Files of ours that no row of the catalog names: temporary files and parts of interrupted runs.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn leftovers(&self, registered: &[i64]) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::io("read", &self.dir))? {
            let entry = entry.map_err(Error::io("read", &self.dir))?;
            let name = entry.file_name();
            let Some(number) = name.to_str().and_then(|n| n.strip_prefix("part-")) else { continue };
            let leftover = match number.strip_suffix(".parquet") {
                Some(number) => number.parse::<i64>().is_ok_and(|n| !registered.contains(&n)),
                None => number.ends_with(".parquet.tmp"),
            };
            if leftover {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes what [`Store::leftovers`] finds, but no part that a reader may still need. Only a writer may: its
    /// own part could be among them.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn sweep(&self, registered: &[i64]) -> Result<()> {
        let leftovers = self.leftovers(registered)?;
        let (temporary, parts): (Vec<_>, Vec<_>) =
            leftovers.iter().partition(|path| path.extension().is_some_and(|extension| extension == "tmp"));
        temporary.into_iter().try_for_each(|path| remove_if_there(path))?;
        if parts.is_empty() {
            return Ok(());
        }
        let Some(_alone) = self.alone() else { return Ok(()) };
        parts.into_iter().try_for_each(|path| remove_if_there(path))
    }

    /// Opens a part to read, and on its first use reads all of it: its bytes must be those that were written.
    ///
    /// # Errors
    /// See [`PartReader::open`]; its checksum differs.
    pub fn open_checked(&self, part: i64, dimension: usize) -> Result<PartReader> {
        let sum = self.sums().get(&part).copied();
        let Some(Sum { blake3, checked }) = sum else {
            return Err(Error::Damaged(format!("the catalog names no part {part}")));
        };
        let reader = self.open(part, dimension)?;
        if !checked {
            if reader.blake3()? != blake3 {
                let path = self.path(part);
                return Err(Error::Damaged(format!("{} is not what was written: its checksum differs", path.display())));
            }
            self.sums().insert(part, Sum { blake3, checked: true });
        }
        Ok(reader)
    }

    /// Opens a part to read, whatever its checksum.
    ///
    /// # Errors
    /// See [`PartReader::open`].
    pub fn open(&self, part: i64, dimension: usize) -> Result<PartReader> {
        PartReader::open(&self.path(part), dimension)
    }

    /// Vectors at any places, in the order asked: `places.len() × dimension` numbers.
    ///
    /// # Errors
    /// See [`PartReader::read`] and [`Store::open_checked`].
    pub fn gather(&self, places: &[VectorPlace], dimension: usize) -> Result<Vec<f32>> {
        let mut rows: HashMap<i64, Vec<u32>> = HashMap::new();
        for place in places {
            rows.entry(place.part).or_default().push(place.row);
        }
        let mut read = HashMap::new();
        for (part, mut rows) in rows {
            rows.sort_unstable();
            rows.dedup();
            let vectors = self.open_checked(part, dimension)?.read(&rows)?;
            read.insert(part, (rows, vectors));
        }
        let mut gathered = Vec::with_capacity(places.len() * dimension);
        for place in places {
            let (rows, vectors) = &read[&place.part];
            let at = rows.partition_point(|r| *r < place.row) * dimension;
            gathered.extend_from_slice(&vectors[at..at + dimension]);
        }
        Ok(gathered)
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

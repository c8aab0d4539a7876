//! The directory of the parts.

use super::kept::{Layout, WindowReader, WindowWriter};
use super::part::{FinishedPart, PartReader, PartWriter};
use crate::catalog::{PartIds, PartRow, VectorPlace};
use crate::durable::into_place;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The parts of a data set, in its directory `embeddings/`: those of vectors, and those of windows' vectors that were
/// kept.
#[derive(Debug)]
pub struct Store {
    vectors: Parts,
    windows: Parts,
}

/// Parts of one kind: files of one directory whose names begin alike.
#[derive(Debug)]
pub struct Parts {
    dir: PathBuf,
    /// What comes before the number in a file's name.
    name: &'static str,
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
    /// Holds the parts in `dir`; `None` where there is no such directory, or it cannot be locked.
    pub fn take(dir: &Path) -> Option<Hold> {
        let dir = File::open(dir).ok()?;
        // A writer that removes holds it alone, for as long as a few files take.
        dir.lock_shared().ok().map(|()| Hold { _dir: dir })
    }
}

impl Store {
    /// The parts in `dir`, as the catalog knows them: of vectors, and of windows.
    pub fn new(dir: PathBuf, vectors: &[PartRow], windows: &[PartRow]) -> Store {
        Store { vectors: Parts::new(dir.clone(), "part", vectors), windows: Parts::new(dir, "windows", windows) }
    }

    /// Where the parts lie.
    pub fn dir(&self) -> &Path {
        &self.vectors.dir
    }

    /// The parts of vectors.
    pub fn vectors(&self) -> &Parts {
        &self.vectors
    }

    /// The parts of windows' vectors.
    pub fn windows(&self) -> &Parts {
        &self.windows
    }

    /// The file of a part.
    pub fn path(&self, part: i64) -> PathBuf {
        self.vectors.path(part)
    }

    /// Begins part number `part`. Until it is published it is a temporary file in the same directory.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(&self, part: i64, dimension: usize) -> Result<PartWriter> {
        PartWriter::create(self.vectors.temporary(part), dimension)
    }

    /// As [`Store::begin`], of a part of windows' vectors.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin_windows(&self, part: i64, layout: Layout) -> Result<WindowWriter> {
        WindowWriter::create(self.windows.temporary(part), layout)
    }

    /// Gives a finished part its name, durably. Its row in the catalog comes after.
    ///
    /// # Errors
    /// The rename fails.
    pub fn publish(&self, part: i64, finished: &FinishedPart) -> Result<()> {
        self.vectors.publish(part, finished)
    }

    /// Removes parts that the catalog has forgotten, unless a reader may still need them: then they are garbage,
    /// which a later writer sweeps away. A file that is already gone is not an error.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(&self, parts: &PartIds) -> Result<()> {
        let Some(_alone) = self.alone() else { return Ok(()) };
        self.files(parts).try_for_each(|path| remove_if_there(&path))
    }

    fn files(&self, parts: &PartIds) -> impl Iterator<Item = PathBuf> {
        let vectors = parts.vectors.iter().map(|part| self.vectors.path(*part));
        vectors.chain(parts.windows.iter().map(|part| self.windows.path(*part)))
    }

    /// The directory, locked against readers; `None` while there are some.
    fn alone(&self) -> Option<File> {
        let dir = File::open(self.dir()).ok()?;
        dir.try_lock().ok().map(|()| dir)
    }

    /// Damaged parts that were set aside.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn set_aside_parts(&self) -> Result<Vec<PathBuf>> {
        self.names(|_, rest| rest.ends_with(".parquet.damaged"))
    }

    /// Files of ours that no row of the catalog names: temporary files and parts of interrupted runs.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn leftovers(&self, registered: &PartIds) -> Result<Vec<PathBuf>> {
        self.names(|parts, rest| match rest.strip_suffix(".parquet") {
            Some(number) => {
                let registered = if parts.name == self.windows.name { &registered.windows } else { &registered.vectors };
                number.parse::<i64>().is_ok_and(|n| !registered.contains(&n))
            }
            None => rest.ends_with(".parquet.tmp"),
        })
    }

    /// The files of ours, of which `wanted` is told the kind of part and what comes after its name and a hyphen; sorted.
    fn names(&self, wanted: impl Fn(&Parts, &str) -> bool) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.dir()).map_err(Error::io("read", self.dir()))? {
            let entry = entry.map_err(Error::io("read", self.dir()))?;
            let name = entry.file_name();
            let rest = |parts: &Parts| name.to_str()?.strip_prefix(parts.name)?.strip_prefix('-').map(str::to_owned);
            if [&self.vectors, &self.windows].into_iter().any(|parts| rest(parts).is_some_and(|rest| wanted(parts, &rest))) {
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
    pub fn sweep(&self, registered: &PartIds) -> Result<()> {
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
        self.vectors.checked(part, || self.open(part, dimension), PartReader::blake3)
    }

    /// Opens a part to read, whatever its checksum.
    ///
    /// # Errors
    /// See [`PartReader::open`].
    pub fn open(&self, part: i64, dimension: usize) -> Result<PartReader> {
        PartReader::open(&self.path(part), dimension)
    }

    /// As [`Store::open_checked`], of a part of windows' vectors.
    ///
    /// # Errors
    /// See [`WindowReader::open`]; its checksum differs.
    pub fn open_windows_checked(&self, part: i64, layout: Layout) -> Result<WindowReader> {
        self.windows.checked(part, || self.open_windows(part, layout), WindowReader::blake3)
    }

    /// As [`Store::open`], of a part of windows' vectors.
    ///
    /// # Errors
    /// See [`WindowReader::open`].
    pub fn open_windows(&self, part: i64, layout: Layout) -> Result<WindowReader> {
        WindowReader::open(&self.windows.path(part), layout)
    }

    /// Vectors at any places, in the order asked: `places.len() × dimension` numbers.
    ///
    /// # Errors
    /// See [`PartReader::read`] and [`Store::open_checked`].
    pub fn gather(&self, places: &[VectorPlace], dimension: usize) -> Result<Vec<f32>> {
        let mut vectors = Vec::new();
        self.gather_into(&mut vectors, places, dimension)?;
        Ok(vectors)
    }

    /// As [`Store::gather`], into room that is used again and again.
    ///
    /// # Errors
    /// See [`Store::gather`].
    pub fn gather_into(&self, vectors: &mut Vec<f32>, places: &[VectorPlace], dimension: usize) -> Result<()> {
        vectors.resize(places.len() * dimension, 0.0);
        let mut order: Vec<usize> = (0..places.len()).collect();
        if !places.is_sorted() {
            order.sort_unstable_by_key(|at| places[*at]);
        }
        for of_part in order.chunk_by(|one, next| places[*one].part == places[*next].part) {
            let rows = of_part.iter().map(|at| (places[*at].row, *at));
            self.open_checked(places[of_part[0]].part, dimension)?.read(rows, vectors)?;
        }
        Ok(())
    }
}

impl Parts {
    fn new(dir: PathBuf, name: &'static str, rows: &[PartRow]) -> Parts {
        let sums = rows.iter().map(|part| (part.id, Sum { blake3: part.blake3, checked: false })).collect();
        Parts { dir, name, sums: Mutex::new(sums) }
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<i64, Sum>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a part.
    pub fn path(&self, part: i64) -> PathBuf {
        self.dir.join(format!("{}-{part:06}.parquet", self.name))
    }

    fn temporary(&self, part: i64) -> PathBuf {
        self.dir.join(format!("{}-{part:06}.parquet.tmp", self.name))
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

    /// What `open` opens; on its first use all of it is hashed, and must be what was written.
    fn checked<R>(&self, part: i64, open: impl Fn() -> Result<R>, hash: impl Fn(&R) -> Result<[u8; 32]>) -> Result<R> {
        let sum = self.sums().get(&part).copied();
        let Some(Sum { blake3, checked }) = sum else {
            return Err(Error::Damaged(format!("the catalog names no part {}", self.path(part).display())));
        };
        let reader = open()?;
        if !checked {
            if hash(&reader)? != blake3 {
                let path = self.path(part);
                return Err(Error::Damaged(format!("{} is not what was written: its checksum differs", path.display())));
            }
            self.sums().insert(part, Sum { blake3, checked: true });
        }
        Ok(reader)
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

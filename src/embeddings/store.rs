//! The directory of the parts.

use super::part::{FinishedPart, PartReader, PartWriter};
use crate::catalog::Place;
use crate::durable::into_place;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The parts of a data set, in its directory `embeddings/`.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// The parts in `dir`.
    pub fn new(dir: PathBuf) -> Store {
        Store { dir }
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
        into_place(&finished.temporary, &self.path(part))
    }

    /// Removes parts that the catalog has forgotten. A file that is already gone is no fault.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(&self, parts: &[i64]) -> Result<()> {
        for part in parts {
            remove_if_there(&self.path(*part))?;
        }
        Ok(())
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

    /// Removes what [`Store::leftovers`] finds. Only a writer may: its own part could be among them.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn sweep(&self, registered: &[i64]) -> Result<()> {
        self.leftovers(registered)?.iter().try_for_each(|path| remove_if_there(path))
    }

    /// Opens a part to read.
    ///
    /// # Errors
    /// See [`PartReader::open`].
    pub fn open(&self, part: i64, dimension: usize) -> Result<PartReader> {
        PartReader::open(&self.path(part), dimension)
    }

    /// Vectors at any places, in the order asked: `places.len() × dimension` numbers.
    ///
    /// # Errors
    /// See [`PartReader::read`].
    pub fn gather(&self, places: &[Place], dimension: usize) -> Result<Vec<f32>> {
        let mut rows: HashMap<i64, Vec<u32>> = HashMap::new();
        for place in places {
            rows.entry(place.part).or_default().push(place.row);
        }
        let mut read = HashMap::new();
        for (part, mut rows) in rows {
            rows.sort_unstable();
            rows.dedup();
            let vectors = self.open(part, dimension)?.read(&rows)?;
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

//! Files that are there whole or not at all, whatever happens to the process or the power.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Writes a file under a temporary name beside it, then gives it its own; makes its directory.
///
/// # Errors
/// The system's.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = directory_of(path);
    fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    fs::write(&temporary, bytes).map_err(Error::io("write", &temporary))?;
    into_place(&temporary, path)
}

/// Gives a finished file its name: its bytes on the disk first, then the name, then the directory.
///
/// # Errors
/// The system's.
pub fn into_place(temporary: &Path, path: &Path) -> Result<()> {
    give_name(temporary, path)?;
    sync_dir(directory_of(path))
}

/// As [`into_place`] for one of many files of a directory, whose names the caller makes durable together with
/// [`sync_dir`]. A file that has its name is whole, whenever that is.
///
/// # Errors
/// The system's.
pub fn give_name(temporary: &Path, path: &Path) -> Result<()> {
    File::open(temporary).and_then(|file| file.sync_all()).map_err(Error::io("write", temporary))?;
    fs::rename(temporary, path).map_err(Error::io("rename", temporary))
}

/// Writes a directory whole or not at all: `fill` fills it under another name, beside its own. `dir` must be new
/// or empty.
///
/// # Errors
/// `dir` holds something, the system's, or those of `fill`.
pub fn write_directory<T>(dir: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(Error::request(
            format!("{} is there and not empty", dir.display()),
            "give a new directory, or remove this one",
        ));
    }
    let mut partial = dir.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(Error::io("remove", &partial))?;
    }
    fs::create_dir_all(&partial).map_err(Error::io("make", &partial))?;
    let filled = fill(&partial).and_then(|done| {
        sync_dir(&partial)?;
        fs::rename(&partial, dir).map_err(Error::io("rename", dir))?;
        Ok(done)
    });
    if filled.is_err() {
        // Best effort: the error that matters is the one that is returned.
        let _ = fs::remove_dir_all(&partial);
    }
    filled
}

/// Makes the names in a directory durable.
///
/// # Errors
/// The system's.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(Error::io("write", dir))
}

/// The directory that holds a path.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

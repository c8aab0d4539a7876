//! Writes files and directories completely or not at all, whatever happens to the process or the power.
//!
//! What is being written is next to its place as `.NAME.0.msdata-tmp`, newly made and held with a system lock
//! for as long as its writer lives. A name that nobody holds was left by a killed run: the next writer of
//! the same place removes it. Nothing without that mark is ever removed or overwritten, and what is not a regular
//! file (a device, a pipe, standard output by its name) is written directly.

mod claim;
mod target;

use crate::error::{Error, Result};
use claim::{Holder, MARK, claim, holder};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use target::{WriteTarget, place_of_directory, stream, target};

/// Writes a file completely or not at all; makes its directory.
///
/// # Errors
/// The path names a directory, or the system reports an error.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_through(path, |out| out.write_all(bytes).map_err(Error::io("write", path)))
}

/// Does the same as [`write_whole`] for content that is not in memory: `fill` writes it.
///
/// # Errors
/// The path names a directory, the system reports an error, or `fill` fails.
pub fn write_through<T>(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    match target(path)? {
        WriteTarget::Stream => {
            let mut stream = stream(path)?;
            let done = fill(&mut *stream)?;
            stream.flush().map_err(Error::io("write", path))?;
            Ok(done)
        }
        WriteTarget::File(path) => {
            make_directory(directory_of(&path))?;
            let mut temporary = Temporary::beside(&path)?;
            let done = fill(&mut temporary.file)?;
            temporary.into_place()?;
            Ok(done)
        }
    }
}

/// Checks that a file can be written to `path`, as far as that can be known before the work that makes it.
///
/// # Errors
/// It names a directory.
pub fn check_target(path: &Path) -> Result<()> {
    target(path).map(drop)
}

/// Returns the directory for what must be kept while a file is written: its own, where there is room for it. A pipe has no
/// room, so there it is the system's directory of temporary files.
pub fn room_beside(path: &Path) -> PathBuf {
    if fs::metadata(path).map_or(true, |meta| meta.is_file()) { directory_of(path).to_owned() } else { std::env::temp_dir() }
}

/// A file being written, under a temporary name next to its own. Unless it gets its own name, it is removed again.
pub struct Temporary {
    /// The open file to write to.
    pub file: File,
    at: PathBuf,
    place: PathBuf,
    named: bool,
}

impl Temporary {
    /// Begins the file that is to become `path`, in an existing directory.
    ///
    /// # Errors
    /// The system reports an error.
    pub fn beside(path: &Path) -> Result<Temporary> {
        let make = |at: &Path| OpenOptions::new().write(true).create_new(true).open(at);
        let (at, file) = claim(path, make, |at| fs::remove_file(at), false)?;
        if let Ok(there) = fs::metadata(path) {
            // A file that only its owner may read stays so.
            let _ = file.set_permissions(there.permissions());
        }
        Ok(Temporary { file, at, place: path.to_owned(), named: false })
    }

    /// Begins a file that only its owner may read, as the rows and the catalog that it may hold are nobody else's business.
    ///
    /// # Errors
    /// The system reports an error.
    pub fn private(path: &Path) -> Result<Temporary> {
        let temporary = Temporary::beside(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let _ = temporary.file.set_permissions(fs::Permissions::from_mode(0o600));
        }
        Ok(temporary)
    }

    /// Returns its current, temporary name.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Gives the file its name: first its bytes are made durable, then the name, then the directory.
    ///
    /// # Errors
    /// The system reports an error.
    pub fn into_place(self) -> Result<()> {
        let dir = directory_of(&self.place).to_owned();
        self.give_name()?;
        sync_dir(&dir)
    }

    /// Does the same as [`Temporary::into_place`] for one of many files in a directory, whose names the caller makes
    /// durable together with [`sync_dir`]. A file that has its name is always complete.
    ///
    /// # Errors
    /// The system reports an error.
    pub fn give_name(mut self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.place))?;
        fs::rename(&self.at, &self.place).map_err(Error::io("write", &self.place))?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named {
            // Best effort: the error that matters is on its way to the caller.
            let _ = fs::remove_file(&self.at);
        }
    }
}

/// Gives a finished file its name: first its bytes are made durable, then the name, then the directory.
///
/// # Errors
/// The system reports an error.
pub fn into_place(temporary: &Path, path: &Path) -> Result<()> {
    File::open(temporary).and_then(|file| file.sync_all()).map_err(Error::io("write", temporary))?;
    fs::rename(temporary, path).map_err(Error::io("rename", temporary))?;
    sync_dir(directory_of(path))
}

/// Writes a directory completely or not at all: `fill` fills it under another name, next to its own. `dir` must be new
/// or empty.
///
/// # Errors
/// `dir` is not empty, another process is writing it, the system reports an error, or `fill` fails.
pub fn write_directory<T>(dir: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let dir = &place_of_directory(dir)?;
    make_directory(directory_of(dir))?;
    let make = |at: &Path| fs::create_dir(at).and_then(|()| File::open(at));
    let (partial, _held) = claim(dir, make, |at| fs::remove_dir_all(at), true)?;
    let filled = fill(&partial).and_then(|done| {
        sync_tree(&partial)?;
        fs::rename(&partial, dir).map_err(|e| match e.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => not_empty(dir),
            _ => Error::io("write", dir)(e),
        })?;
        Ok(done)
    });
    match filled {
        Ok(done) => sync_dir(directory_of(dir)).map(|()| done),
        Err(e) => {
            // Best effort: the error that matters is the one that is returned.
            let _ = fs::remove_dir_all(&partial);
            Err(e)
        }
    }
}

/// Locks a directory that is written piece by piece, for as long as the returned file is open. `None`: the file
/// system has no locks.
///
/// # Errors
/// Another process holds it, or the system reports an error.
pub fn hold_directory(dir: &Path) -> Result<Option<File>> {
    let held = File::open(dir).map_err(Error::io("read", dir))?;
    match held.try_lock() {
        Ok(()) => Ok(Some(held)),
        Err(TryLockError::WouldBlock) => Err(busy(dir)),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Removes what killed writers left in `dir`, but nothing that is held; returns how many files there were.
///
/// # Errors
/// The system reports an error.
pub fn sweep(dir: &Path) -> Result<u64> {
    let left = left_over(dir)?;
    for (path, _held) in &left {
        remove(path)?;
    }
    Ok(left.len() as u64)
}

/// Returns the files and directories in `dir` with our mark that nobody holds, each with a lock on it, by name.
///
/// # Errors
/// The system reports an error.
pub fn left_over(dir: &Path) -> Result<Vec<(PathBuf, File)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let entry = entry.map_err(Error::io("read", dir))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with('.')
            && name.ends_with(MARK)
            && let Holder::Nobody(lock) = holder(&entry.path())
        {
            found.push((entry.path(), lock));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Removes a file, or a directory with everything in it.
///
/// # Errors
/// The system reports an error.
pub fn remove(path: &Path) -> Result<()> {
    let is_dir = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let removed = if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Makes a directory and those above it, durably.
///
/// # Errors
/// The system reports an error.
pub fn make_directory(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let absent: Vec<&Path> = dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.is_dir()).collect();
    fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
    absent.into_iter().rev().try_for_each(|made| sync_dir(directory_of(made)))
}

/// Makes the names in a directory durable.
///
/// # Errors
/// The system reports an error.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(Error::io("write", dir))
}

fn sync_tree(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        match path.symlink_metadata().map_err(Error::io("read", &path))? {
            meta if meta.is_dir() => sync_tree(&path)?,
            meta if meta.is_file() => File::open(&path).and_then(|f| f.sync_all()).map_err(Error::io("write", &path))?,
            _ => {}
        }
    }
    sync_dir(dir)
}

fn not_empty(dir: &Path) -> Error {
    Error::request(format!("{} exists and is not empty", dir.display()), "give a new directory, or remove this one")
}

fn busy(dir: &Path) -> Error {
    Error::request(format!("another msdata is writing {}", dir.display()), "wait for it to finish")
}

/// Returns the directory that holds a path.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

//! Makes sure that the disk has room for the index of the log, `catalog.sqlite-shm`.
//!
//! Every process that opens a catalog needs that index, even a reader, and SQLite maps it into memory. It grows the file
//! by writing one byte per page; where blocks are smaller than pages (a small ext4), the rest of the page is a hole that
//! is filled when it is touched, and a full disk then ends the process with SIGBUS. So room is checked first.

use super::{beside, catalog, has_log};
use crate::error::{Error, Result};
use crate::layout::{CATALOG, LOCK};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Bytes of an index for a short log, plus as much again for the file system's own data.
const INDEX: u64 = 64 << 10;
/// Bytes of log that one piece of the index covers: 4096 pages of 4096 bytes.
const LOG_OF_INDEX: u64 = 16 << 20;

/// Returns whether the disk may be too full for the index. Known only on Unix.
#[cfg(unix)]
fn is_tight(path: &Path) -> bool {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |meta| meta.len());
    let needed = INDEX * (1 + log / LOG_OF_INDEX);
    let room = statvfs(directory(path));
    // A read-only place is always full; some file systems do not count.
    room.is_ok_and(|s| !s.f_flag.contains(StatVfsMountFlags::RDONLY) && s.f_blocks > 0 && s.f_bavail * s.f_frsize < needed)
}

#[cfg(not(unix))]
fn is_tight(_: &Path) -> bool {
    false
}

/// Refuses to write if there is no room for the index.
///
/// # Errors
/// The disk is full.
pub(super) fn check(path: &Path) -> Result<()> {
    if is_tight(path) {
        return Err(Error::io("write", beside(path, "-shm"))(std::io::ErrorKind::StorageFull.into()));
    }
    Ok(())
}

/// Opens a copy of the catalog among the system's temporary files, for reading if there is no room for the index.
/// `None`: there is room, or a running writer has made the index. `alone`: the caller holds the data set's lock.
///
/// # Errors
/// The copy cannot be written or read.
pub(super) fn open_copy(path: &Path, flags: OpenFlags, alone: bool) -> Result<Option<Connection>> {
    if !is_tight(path) {
        return Ok(None);
    }
    // Held until the copy is made, so that no writer gets in between.
    let lock = File::open(directory(path).join(LOCK));
    if !alone && !lock.as_ref().is_ok_and(|lock| lock.try_lock().is_ok()) {
        return Ok(None);
    }
    let dir = temporary_directory()?;
    let opened = copied(path, &dir, flags);
    // Open files stay readable, and nothing is left behind, however this process ends.
    let removed = fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir));
    opened.and_then(|db| removed.map(|()| Some(db)))
}

fn copied(path: &Path, dir: &Path, flags: OpenFlags) -> Result<Connection> {
    let copy = dir.join(CATALOG);
    fs::copy(path, &copy).map_err(Error::io("write", &copy))?;
    if has_log(path) {
        let log = beside(&copy, "-wal");
        fs::copy(beside(path, "-wal"), &log).map_err(Error::io("write", &log))?;
    }
    check(&copy)?;
    let db = Connection::open_with_flags(&copy, flags).map_err(catalog("open the catalog"))?;
    // The first read opens all files.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(catalog("open the catalog"))?;
    Ok(db)
}

fn temporary_directory() -> Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let mut number = 0;
    loop {
        let dir = std::env::temp_dir().join(format!("msdata-{}-{number}", std::process::id()));
        match builder.create(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(Error::io("make", &dir)(e)),
        }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

//! Where results go: a regular file, something that cannot be replaced, a new directory.

use super::{directory_of, not_empty};
use crate::error::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Where a file is written to.
pub enum WriteTarget {
    /// This regular file, which may already exist.
    File(PathBuf),
    /// Something else, which cannot be replaced.
    Stream,
}

pub fn target(path: &Path) -> Result<WriteTarget> {
    let directory = || {
        let hint = "give the name of a file in it";
        Err(Error::request(format!("{} names a directory, not a file", path.display()), hint))
    };
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return directory();
    }
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => directory(),
        // Links are resolved, so that a link stays a link.
        Ok(meta) if meta.is_file() && !is_descriptor(path) => {
            path.canonicalize().map(WriteTarget::File).map_err(Error::io("resolve", path))
        }
        Ok(_) => Ok(WriteTarget::Stream),
        Err(e) if e.kind() == ErrorKind::NotFound => match fs::read_link(path) {
            Ok(to) => target(&directory_of(path).join(to)),
            Err(_) => Ok(WriteTarget::File(path.to_owned())),
        },
        Err(e) => Err(Error::io("write", path)(e)),
    }
}

/// The names that systems give to files that a process has already open.
const DESCRIPTORS: [&str; 3] = ["/dev/std", "/dev/fd/", "/proc/"];

/// Returns whether a path names, perhaps through links, a file that a process has already open.
fn is_descriptor(path: &Path) -> bool {
    let mut at = path.to_owned();
    for _ in 0..16 {
        if DESCRIPTORS.iter().any(|prefix| at.as_os_str().as_encoded_bytes().starts_with(prefix.as_bytes())) {
            return true;
        }
        match fs::read_link(&at) {
            Ok(to) => at = directory_of(&at).join(to),
            Err(_) => return false,
        }
    }
    false
}

/// Opens a target that is written directly.
pub fn stream(path: &Path) -> Result<Box<dyn Write>> {
    let is = |names: [&str; 3]| names.iter().any(|name| path == Path::new(name));
    if is(["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) {
        return Ok(Box::new(io::stdout().lock()));
    }
    // A regular file that is open elsewhere keeps its content.
    let file = OpenOptions::new().append(true).open(path).map_err(Error::io("write", path))?;
    Ok(Box::new(file))
}

/// Returns the path at which a new directory is to appear.
pub fn place_of_directory(dir: &Path) -> Result<PathBuf> {
    let meta = match fs::metadata(dir) {
        Ok(meta) => meta,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let Some(name) = dir.file_name() else { return Err(Error::io("make", dir)(e)) };
            if dir.symlink_metadata().is_ok() {
                return Err(Error::request(
                    format!("{} is a link to a place that does not exist", dir.display()),
                    "make that directory, or give another one",
                ));
            }
            return Ok(dir.with_file_name(name)); // without a trailing slash
        }
        Err(e) => return Err(Error::io("write", dir)(e)),
    };
    if !meta.is_dir() {
        return Err(Error::request(format!("{} is not a directory", dir.display()), "give a new directory"));
    }
    if fs::read_dir(dir).map_err(Error::io("read", dir))?.next().is_some() {
        return Err(not_empty(dir));
    }
    let place = dir.canonicalize().map_err(Error::io("resolve", dir))?;
    // A directory that cannot be moved cannot be written completely or not at all.
    let fixed = place.parent().is_none_or(|parent| !same_device(&place, parent));
    if fixed || std::env::current_dir().is_ok_and(|here| here == place) {
        let what = if fixed { "the root of a file system" } else { "the current directory" };
        return Err(Error::request(
            format!("{} is {what}, which cannot be written completely or not at all", dir.display()),
            "give a new directory in it",
        ));
    }
    Ok(place)
}

#[cfg(unix)]
fn same_device(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    matches!((a.metadata(), b.metadata()), (Ok(a), Ok(b)) if a.dev() == b.dev())
}

#[cfg(not(unix))]
fn same_device(_: &Path, _: &Path) -> bool {
    true
}

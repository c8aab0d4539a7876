//! Temporary names: newly made, held while their writer lives, and treated as leftovers only when nobody holds them.

use super::{busy, directory_of};
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The ending of temporary names.
pub const MARK: &str = ".msdata-tmp";

/// Temporary names that are tried for one place: the largest number of writers at once.
const MOST: u32 = 1000;

/// Longest name, in bytes, that is repeated in the temporary one; file systems allow 255.
const LONGEST: usize = 200;

/// Who holds a temporary name.
pub enum Holder {
    /// Nobody: a killed run left it. While the lock is kept, nobody else removes it.
    Nobody(File),
    /// Another process, or unknown.
    Another { sure: bool },
}

/// Finds out from the system's lock who holds a temporary name.
pub fn holder(at: &Path) -> Holder {
    let kind = at.symlink_metadata().map(|meta| meta.is_file() || meta.is_dir());
    let Ok(true) = kind else { return Holder::Another { sure: false } };
    let Ok(file) = File::open(at) else { return Holder::Another { sure: false } };
    match file.try_lock() {
        Ok(()) if is_still(&file, at) => Holder::Nobody(file),
        Ok(()) | Err(TryLockError::Error(_)) => Holder::Another { sure: false },
        Err(TryLockError::WouldBlock) => Holder::Another { sure: true },
    }
}

/// Makes a temporary name for `path` that nobody else holds; removes those that killed runs left. With
/// `alone`, another holder is an error.
pub fn claim(
    path: &Path,
    make: impl Fn(&Path) -> io::Result<File>,
    remove: impl Fn(&Path) -> io::Result<()>,
    alone: bool,
) -> Result<(PathBuf, File)> {
    let mut claimed = None;
    let mut k = 0;
    while k < MOST {
        let at = temporary_name(path, k);
        if claimed.is_some() && at.symlink_metadata().is_err() {
            break;
        }
        if claimed.is_none() {
            match make(&at) {
                Ok(file) => {
                    let held = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
                    if held && is_still(&file, &at) {
                        (claimed, k) = (Some((at, file)), k + 1);
                    } // else another process took it for a leftover at this very moment: try again
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("write", path)(e)),
            }
        }
        match holder(&at) {
            Holder::Nobody(_held) => match remove(&at) {
                Ok(()) if claimed.is_none() => continue, // the name is free now
                _ => {}
            },
            Holder::Another { sure: true } if alone && claimed.is_none() => return Err(busy(path)),
            Holder::Another { .. } => {}
        }
        k += 1;
    }
    let many = || Error::request(format!("{MOST} other processes are writing {}", path.display()), "wait for them to finish");
    claimed.ok_or_else(many)
}

/// Returns `.NAME.K.msdata-tmp`, next to `path`.
fn temporary_name(path: &Path, k: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut temporary = OsString::from(".");
    match name.len() {
        0..=LONGEST => temporary.push(name),
        _ => temporary.push(blake3::hash(name.as_encoded_bytes()).to_hex().as_str()),
    }
    temporary.push(format!(".{k}{MARK}"));
    directory_of(path).join(temporary)
}

/// Returns whether a name is still that of an open file.
#[cfg(unix)]
fn is_still(file: &File, at: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(open), Ok(there)) = (file.metadata(), at.symlink_metadata()) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_still(_: &File, at: &Path) -> bool {
    at.exists()
}

//! What an encoder's directory is called, and the hub's cache, in which a directory's name is a commit.

use super::directory::{MAX_CONFIG, read_if_there};
use crate::error::{Error, Result};
use crate::vocabulary::EncoderName;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How the hub's cache calls a repository's directory: `models--OWNER--NAME`.
const REPOSITORY: &str = "models--";

/// Of a repository's directory in the hub's cache, the snapshot to take; any other directory is itself.
///
/// # Errors
/// There are several, and none is that of the main branch.
pub(super) fn inside_repository(path: &Path) -> Result<PathBuf> {
    let snapshots = path.join("snapshots");
    let is_repository = std::path::absolute(path).is_ok_and(|path| repository_name(&path).is_some());
    if !is_repository || !snapshots.is_dir() {
        return Ok(path.to_path_buf());
    }
    if let Some(commit) = read_if_there(&path.join("refs/main"), MAX_CONFIG)? {
        let snapshot = snapshots.join(String::from_utf8_lossy(&commit).trim());
        if snapshot.parent() == Some(&snapshots) && snapshot.is_dir() {
            return Ok(snapshot);
        }
    }
    let entries = std::fs::read_dir(&snapshots).map_err(Error::io("read", &snapshots))?;
    let mut there: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    there.sort();
    match there.as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let several: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            let reason = format!("is a repository of the hub's cache with {} snapshots", several.len());
            Err(Error::encoder(path, reason, format!("give one of its snapshots: {}", several.join(", "))))
        }
    }
}

/// The name of the repository whose directory in the hub's cache this is.
fn repository_name(dir: &Path) -> Option<String> {
    let name = dir.file_name()?.to_str()?.strip_prefix(REPOSITORY)?;
    Some(name.rsplit("--").next().unwrap_or(name).to_owned())
}

/// The name of the repository of whose snapshot this is the directory.
fn snapshot_name(dir: &Path) -> Option<String> {
    let above = dir.parent()?;
    repository_name(above.parent().filter(|_| above.file_name() == Some(OsStr::new("snapshots")))?)
}

/// What an encoder is called: as `said`, else as its directory or repository.
///
/// # Errors
/// There is no name, or one that no encoder can have.
pub(super) fn encoder_name(path: &Path, said: Option<&str>) -> Result<EncoderName> {
    let name = match said {
        Some(name) => name.to_owned(),
        None => directory_name(path)?,
    };
    EncoderName::new(name)
        .map_err(|fault| Error::encoder(path, format!("its name {fault}"), "give it another: `name` in its msdata.toml"))
}

/// The last part of the path; of `.` and `..`, of what they stand for. Links keep their own name, and
/// snapshots have that of their repository, however they are reached.
fn directory_name(path: &Path) -> Result<String> {
    let named = match path.components().next_back() {
        Some(std::path::Component::Normal(_)) => std::path::absolute(path),
        _ => path.canonicalize(),
    };
    let named = named.map_err(Error::io("resolve", path))?;
    let name = named.file_name().and_then(|name| name.to_str());
    let commit = name.is_some_and(|name| name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let repository = snapshot_name(&named).or_else(|| snapshot_name(&path.canonicalize().ok().filter(|_| commit)?));
    let name = repository.or_else(|| name.map(str::to_owned));
    name.ok_or_else(|| Error::encoder(path, "has no name to call the encoder by", "give it one: `name` in its msdata.toml"))
}

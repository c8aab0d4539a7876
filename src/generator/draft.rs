//! The directory that an attempt writes into: of its own, so that whatever is in it is the attempt's, and ours to
//! remove.

use crate::durable::{self, hold_directory, make_directory};
use crate::error::{Error, Result};
use crate::text::quote;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The suffix of a draft directory's name.
const MARK: &str = ".msdata-run";

/// The most stray files that are named individually.
const NAMED: usize = 5;

/// The path at which an image is written: `.SEED.ATTEMPT.msdata-run/SEED.png` beside the image's own place.
///
/// Another name for each attempt: what an earlier one left running cannot write into it. Without an attempt's number
/// it is for a command that makes many images, which may take hours: what is whole in it is taken by the next run.
pub fn place(image: &Path, seed: i64, attempt: Option<u32>) -> PathBuf {
    let attempt = attempt.map(|n| format!(".{n}")).unwrap_or_default();
    image.with_file_name(format!(".{seed}{attempt}{MARK}")).join(format!("{seed}.png"))
}

/// A draft's directory, held while its attempt runs.
pub struct Draft {
    output: PathBuf,
    _held: Option<File>,
}

impl Draft {
    /// Makes a new directory for `output`, and removes those of killed attempts at the same image. Only with `hold`
    /// is it held: a command that makes many images has more drafts than a process may have files.
    ///
    /// # Errors
    /// Another process is writing into it, or the directory cannot be made.
    pub fn begin(output: &Path, hold: bool) -> Result<Draft> {
        let dir = directory(output);
        if let (Some(parent), Some(seed)) = (dir.parent(), output.file_stem().and_then(|s| s.to_str()))
            && parent.is_dir()
        {
            for (left, _held) in left_over(parent, |of| of == seed)? {
                durable::remove(&left)?;
            }
        }
        make_directory(dir)?;
        let held = if hold { hold_directory(dir)? } else { None };
        for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
            durable::remove(&entry.map_err(Error::io("read", dir))?.path())?;
        }
        Ok(Draft { output: output.to_owned(), _held: held })
    }

    /// Returns what was written beside the image or in its place, as text: `` `a.png`, `b.json` ``.
    pub fn strays(&self) -> Option<String> {
        let names = fs::read_dir(directory(&self.output)).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let mut names: Vec<_> = names.filter(|name| Some(name.as_os_str()) != self.output.file_name()).collect();
        names.sort();
        let shown: Vec<String> = names.iter().take(NAMED).map(|name| quote(&name.to_string_lossy())).collect();
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!shown.is_empty()).then(|| shown.join(", ") + &more)
    }

    /// Removes the directory and everything in it.
    pub fn remove(self) {
        // Best effort: the next attempt at this image removes what is left.
        let _ = durable::remove(directory(&self.output));
    }
}

/// Drafts in `dir` that killed attempts left, at images of the seeds asked for; each is held while its lock is kept.
/// Those of commands that make many images are none: the next run takes what is whole in them.
///
/// # Errors
/// The directory cannot be read.
pub fn left_over(dir: &Path, of: impl Fn(&str) -> bool) -> Result<Vec<(PathBuf, File)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let parts = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(MARK)).and_then(|rest| rest.split_once('.'));
        let ours = parts.is_some_and(|(seed, attempt)| of(seed) && seed.parse::<i64>().is_ok() && attempt.parse::<u32>().is_ok());
        let real = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        if ours
            && real
            && let Ok(Some(lock)) = hold_directory(&path)
        {
            found.push((path, lock));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn directory(output: &Path) -> &Path {
    output.parent().unwrap_or(Path::new("."))
}

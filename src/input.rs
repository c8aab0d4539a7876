//! Reads files and directories from outside: only regular files are opened, nothing is read without a bound,
//! no walk goes round in circles, and everything stops when the user asks.

mod guard;
mod member;
pub(crate) mod pages;
mod parts;

pub(crate) use guard::guarded;
pub(crate) use member::is_absent;
pub use member::{Container, Member, file_of};
pub(crate) use parts::{first_part, holds_parquet, is_parquet, parts, unfinished_parquet};

use crate::error::{Error, Result, io_reason};
use crate::text::plain;
use crate::watch::Stop;
use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest JSON file that is read as a whole (lists of prompts, configurations), in bytes.
pub const MAX_JSON: u64 = 64 << 20;

/// Most names in a tree that is walked.
const MOST_ENTRIES: usize = 20_000_000;

/// Most nested directories; a deeper path cannot be opened anyway.
const DEEPEST: usize = 100;

/// How often a walk may go through the same directory, to which links can give many names.
const MOST_ALIASES: u32 = 64;

/// Opens a regular file for reading. A pipe, a device or a socket is refused and never waited for.
///
/// # Errors
/// The system reports an error; it is a directory, or not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    open_with_metadata(path).map(|(file, _)| file)
}

/// Does the same as [`open`], and returns what the file system says of the file.
///
/// # Errors
/// Same as [`open`].
pub fn open_with_metadata(path: &Path) -> io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Otherwise opening a pipe would wait for its other end; no effect on regular files.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    regular(options.open(path)?)
}

/// Checks that a path is a directory; `hint` says which directory is wanted.
///
/// # Errors
/// There is nothing at the path, or something else.
pub fn check_directory(path: &Path, hint: &str) -> Result<()> {
    let shown = plain(&path.display().to_string()).into_owned();
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(meta) => {
            let what = if meta.is_file() { "a file" } else { kind_of(&meta) };
            Err(Error::request(format!("{shown} is {what}, not a directory"), hint))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Error::request(format!("there is no directory {shown}"), hint)),
        Err(e) => Err(Error::request(format!("cannot read the directory {shown}: {}", io_reason(&e)), hint)),
    }
}

/// Returns the file, and what the file system says of it, if it is a regular one.
///
/// # Errors
/// It is a directory, or not a regular file.
pub fn regular(file: File) -> io::Result<(File, Metadata)> {
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !meta.is_file() {
        let reason = format!("it is {}, not a regular file", kind_of(&meta));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok((file, meta))
}

/// Returns what a file that is not a regular one is, in words.
pub fn kind_of(meta: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = meta.file_type();
        if kind.is_fifo() {
            return "a pipe";
        } else if kind.is_socket() {
            return "a socket";
        } else if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if meta.is_dir() { "a directory" } else { "something else" }
}

/// Reads all bytes of a regular file.
///
/// # Errors
/// Same as [`open`]; it has more than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, meta) = open_with_metadata(path)?;
    let too_large = || {
        let limit = if limit < 1 << 20 { format!("{limit} bytes") } else { format!("{} MiB", limit >> 20) };
        io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit}"))
    };
    let length = meta.len();
    if length > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a regular file as text.
///
/// # Errors
/// Same as [`read`]; it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}

/// A reader that fails once the caller wants to stop.
pub struct Stoppable<'w, R> {
    /// What is read.
    pub inner: R,
    /// The wish to stop.
    pub stop: Stop<'w>,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_wanted() {
            // Not of the kind `Interrupted`, after which readers try again.
            return Err(io::Error::other("interrupted"));
        }
        self.inner.read(buffer)
    }
}

/// Returns the paths of all files below a directory, with `/`, in order. Hidden files and everything in hidden
/// directories are left out; links are followed, but not back to a directory that holds them. A directory that does
/// not exist holds nothing.
///
/// # Errors
/// A directory cannot be read, a name is not UTF-8, the tree is too deep or too large, or the caller wants to stop.
pub fn files_below(root: &Path, stop: Stop<'_>) -> Result<Walk> {
    let mut walk = Walk { files: Vec::new(), circles: Vec::new() };
    let mut visits: HashMap<PathBuf, u32> = HashMap::new();
    let mut pending = vec![(String::new(), Vec::new())];
    let mut met = 0;
    while let Some((below, mut above)) = pending.pop() {
        let dir = root.join(&below);
        let real = match dir.canonicalize() {
            Err(e) if e.kind() == io::ErrorKind::NotFound && below.is_empty() => break,
            real => real.map_err(Error::io("read", &dir))?,
        };
        if above.contains(&real) {
            walk.circles.push(below);
            continue;
        }
        let visit = visits.entry(real.clone()).or_default();
        *visit += 1;
        if *visit > MOST_ALIASES || above.len() >= DEEPEST {
            let what = match above.len() >= DEEPEST {
                true => format!("{} is more than {DEEPEST} directories deep", dir.display()),
                false => format!("links give {} more than {MOST_ALIASES} names in {}", real.display(), root.display()),
            };
            return Err(Error::request(what, "give the directory with the images itself, or remove the links"));
        }
        above.push(real);
        for name in names(&dir, stop)? {
            met += 1;
            if met > MOST_ENTRIES {
                let hint = "give the directory with the images itself";
                return Err(Error::request(format!("{} holds more than {MOST_ENTRIES} files", root.display()), hint));
            }
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if root.join(&path).is_dir() { pending.push((path, above.clone())) } else { walk.files.push(path) }
        }
    }
    walk.files.sort();
    walk.circles.sort();
    Ok(walk)
}

/// What a walk through a tree found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Files, by their paths in the tree.
    pub files: Vec<String>,
    /// Links back to a directory that holds them, which were not followed.
    pub circles: Vec<String>,
}

/// Returns the names in a directory, in order, without hidden ones; nothing if it does not exist.
///
/// # Errors
/// It cannot be read, a name is not UTF-8, or the caller wants to stop.
pub fn names(dir: &Path, stop: Stop<'_>) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        stop.check()?;
        let name = entry.map_err(Error::io("read", dir))?.file_name();
        let name = name.to_str().ok_or_else(|| {
            let hint = "rename it: the catalog keeps paths as UTF-8 text";
            Error::request(format!("{} holds a name that is not UTF-8: {}", dir.display(), name.to_string_lossy()), hint)
        })?;
        if !name.starts_with('.') {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What the file system says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// A regular file.
    There {
        /// Size in bytes.
        bytes: u64,
        /// Time of the last change, nanoseconds since 1970.
        mtime_ns: i64,
    },
    /// Nothing to read at this path, and why.
    Missing(String),
    /// Something that cannot be an image, and why.
    Unusable(String),
}

/// Looks at a file, following links. Nothing is opened: a device or a pipe must not be read. Of a member of a container,
/// the container is looked at: its size and time tell whether the member may have changed.
pub fn state_of(path: &Path) -> FileState {
    match path.metadata() {
        Ok(meta) => state(&meta),
        Err(e)
            if is_absent(&e)
                && let Some(member) = Member::of(path) =>
        {
            match member.file.metadata() {
                Ok(meta) => state(&meta),
                Err(e) => FileState::Missing(io_reason(&e)),
            }
        }
        Err(e) => FileState::Missing(io_reason(&e)),
    }
}

/// Does the same as [`state_of`], from metadata that the file system has already given.
pub(crate) fn state(meta: &Metadata) -> FileState {
    if meta.is_dir() {
        return FileState::Unusable("it is a directory".into());
    }
    if !meta.is_file() {
        return FileState::Unusable(format!("it is {}, not a regular file", kind_of(meta)));
    }
    let mtime_ns = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|d| i64::try_from(d.as_nanos()).ok())
        .unwrap_or(0);
    FileState::There { bytes: meta.len(), mtime_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_text(&path, 3).unwrap(), "abc");
        assert_eq!(read(&path, 2).unwrap_err().to_string(), "it is larger than 2 bytes");
        assert_eq!(read(dir.path(), 9).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 3).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_are_never_read() {
        let refused = |path: &Path| read(path, 1 << 20).unwrap_err().to_string();
        assert_eq!(refused(Path::new("/dev/zero")), "it is a device, not a regular file");
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(refused(&pipe), "it is a pipe, not a regular file");
    }

    #[cfg(unix)]
    #[test]
    fn a_walk_ends_whatever_the_links() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("m")).unwrap();
        std::fs::write(at("m/1.png"), "").unwrap();
        std::os::unix::fs::symlink(".", at("a")).unwrap();
        std::os::unix::fs::symlink(".", at("b")).unwrap();
        std::os::unix::fs::symlink("m", at("n")).unwrap();
        let walk = files_below(dir.path(), Stop::default()).unwrap();
        assert_eq!(walk, Walk { files: vec!["m/1.png".into(), "n/1.png".into()], circles: vec!["a".into(), "b".into()] });
        // No circle, yet 2^20 ways through it.
        let ladder = tempfile::tempdir().unwrap();
        for i in 0..20 {
            std::fs::create_dir(ladder.path().join(format!("d{i}"))).unwrap();
            for name in ["x", "y"] {
                let next = format!("../d{}", (i + 1).min(19));
                std::os::unix::fs::symlink(next, ladder.path().join(format!("d{i}/{name}"))).unwrap();
            }
        }
        let error = files_below(ladder.path(), Stop::default()).unwrap_err().to_string();
        assert!(error.contains("more than 64 names"), "{error}");
    }
}

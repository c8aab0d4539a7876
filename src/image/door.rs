//! The door through which image files are opened: only regular files, and where there are roots, only what really
//! lies in one of them at the moment of opening.

use super::decode::decode;
use super::members;
use super::pixels::Decoded;
use super::probe::{self, MAX_FILE_BYTES};
use crate::error::{Error, Result, io_reason};
use crate::input::{self, Member};
use crate::vocabulary::Probe;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The trees that image files must lie in.
///
/// A path that lies in a root by its name must lie in a root when it is opened, wherever links lead then. Other paths
/// are opened as they are; without roots, all are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Door {
    roots: Arc<[PathBuf]>,
}

impl Door {
    /// With these roots, whose links are resolved now.
    ///
    /// # Errors
    /// A root cannot be resolved.
    pub fn to(roots: Option<&[PathBuf]>) -> Result<Door> {
        let real = |root: &PathBuf| root.canonicalize().map_err(Error::io("resolve", root));
        Ok(Door { roots: roots.unwrap_or_default().iter().map(real).collect::<Result<_>>()? })
    }

    /// With these roots, links resolved when they were given, and those of another door.
    pub fn with(&self, roots: impl IntoIterator<Item = PathBuf>) -> Door {
        let mut all: Vec<PathBuf> = self.roots.iter().cloned().chain(roots).collect();
        all.sort();
        all.dedup();
        Door { roots: all.into() }
    }

    /// Its roots.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Opens a file, as it is: not a member of a container. Also returns what the file system says of it.
    ///
    /// # Errors
    /// It cannot be opened, is not a regular file, or lies outside the roots.
    fn open(&self, path: &Path) -> io::Result<(File, Metadata)> {
        let within = |path: &Path| self.roots.iter().any(|root| path.starts_with(root));
        if !within(path) {
            return input::open_with_metadata(path);
        }
        let real = path.canonicalize()?;
        if !within(&real) {
            let reason = "a link leads outside the directories given with --root";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        // What was a directory a moment ago may be a link now: none is followed.
        input::regular(without_links(&real)?)
    }

    /// All bytes of an image: of a file, or, if there is no file of this name, of a member of a tar (`a.tar#name.png`) or a
    /// row of a Parquet file (`a.parquet#12`).
    ///
    /// # Errors
    /// It is not there (`NotFound`), is larger than [`MAX_FILE_BYTES`] (`FileTooLarge`), cannot be read, is not a regular
    /// file, or lies outside the roots.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (file, meta) = match self.open(path) {
            Err(e)
                if input::is_absent(&e)
                    && let Some(member) = Member::of(path) =>
            {
                let (file, _) = self.open(&member.file)?;
                return members::read(&member, file, MAX_FILE_BYTES).map_err(|e| match e.kind() {
                    io::ErrorKind::FileTooLarge => too_large(),
                    _ => e,
                });
            }
            opened => opened?,
        };
        if meta.len() > MAX_FILE_BYTES {
            return Err(too_large());
        }
        let mut data = Vec::with_capacity(meta.len() as usize);
        file.take(MAX_FILE_BYTES).read_to_end(&mut data)?;
        Ok(data)
    }

    /// The bytes and the pixels of an image file.
    ///
    /// # Errors
    /// A sentence: it cannot be read, or gives no pixels.
    pub fn load(&self, path: &Path) -> std::result::Result<(Vec<u8>, Decoded), String> {
        let bytes = self.read(path).map_err(|e| io_reason(&e))?;
        let decoded = decode(&bytes).map_err(|fault| fault.reason)?;
        Ok((bytes, decoded))
    }

    /// A first look at an image file: reads all its bytes for the hash, but only the header of the image.
    pub fn probe(&self, path: &Path) -> Probe {
        probe::look(self, path)
    }

    /// The same look, with the bytes that were looked at; `None` where they could not be read.
    pub fn probe_and_read(&self, path: &Path) -> (Probe, Option<Vec<u8>>) {
        probe::look_and_read(self, path)
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it is over the limit of 1 GiB")
}

/// Opens an absolute path in which no part is a link.
#[cfg(target_os = "linux")]
fn without_links(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS) {
        Ok(file) => Ok(file.into()),
        // Kernels before 5.6 do not know the call, and some sandboxes forbid it.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => part_by_part(path),
        Err(e) => Err(e.into()),
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn without_links(path: &Path) -> io::Result<File> {
    part_by_part(path)
}

#[cfg(not(unix))]
fn without_links(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens an absolute path directory by directory, none of which may be a link.
#[cfg(unix)]
fn part_by_part(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, openat};
    use std::path::Component;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut at = rustix::fs::open("/", flags | OFlags::DIRECTORY, Mode::empty())?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => {
                let flags = if parts.peek().is_some() { flags | OFlags::DIRECTORY } else { flags };
                at = openat(&at, name, flags, Mode::empty())?;
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(at.into())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_leads_out_of_the_roots_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        for name in ["root/in", "other", "outside"] {
            std::fs::create_dir_all(at(name)).unwrap();
            std::fs::write(at(name).join("a"), name).unwrap();
        }
        symlink(at("outside/a"), at("root/out")).unwrap();
        symlink(at("root/in/a"), at("root/absolute")).unwrap();
        symlink("../other/a", at("root/second")).unwrap();
        symlink("../outside", at("root/dir")).unwrap();
        let door = Door::to(Some(&[at("root"), at("other")])).unwrap();
        let read = |name: &str| door.read(&at(name)).map(|b| String::from_utf8(b).unwrap()).map_err(|e| e.to_string());
        for (name, text) in
            [("root/in/a", "root/in"), ("root/absolute", "root/in"), ("root/second", "other"), ("outside/a", "outside")]
        {
            assert_eq!(read(name).as_deref(), Ok(text), "{name}");
        }
        for name in ["root/out", "root/dir/a"] {
            assert!(read(name).unwrap_err().contains("outside the directories given with --root"), "{name}");
        }
        assert!(Door::default().read(&at("root/out")).is_ok());
        for open in [without_links, part_by_part] {
            assert!(open(&at("root/in/a")).is_ok());
            assert!(open(&at("root/out")).is_err() && open(&at("root/dir/a")).is_err() && open(&at("root/none")).is_err());
        }
    }
}

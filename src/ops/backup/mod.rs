//! Writes the data set into one file, even while it is in use.

mod archive;

use crate::catalog::PartRow;
use crate::dataset::Dataset;
use crate::durable::{Temporary, check_target, make_directory, room_beside, write_through};
use crate::error::{Error, Result};
use crate::input::{FileState, file_of, state_of};
use crate::layout::{CATALOG, EMBEDDINGS};
use crate::ops::backup::archive::{Archive, MARK, MARK_AT};
use crate::watch::Watch;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackedUp {
    /// Parts of vectors, of images and of windows.
    pub parts: u64,
    /// Number of images in the data set's directory.
    pub images: u64,
    /// Number of images elsewhere, which are not in the backup.
    pub elsewhere: u64,
    /// Number of images in the data set's directory that the catalog names but that are missing.
    pub missing: u64,
    /// Size of the backup, in bytes.
    pub bytes: u64,
}

impl Dataset {
    /// Writes the data set as this reader sees it into the tar archive `file`: the catalog, the parts that it names,
    /// each checked against its checksum, and the images in the data set's directory. Others may write to
    /// the data set meanwhile. An earlier backup is replaced when the new one is whole.
    ///
    /// # Errors
    /// `file` exists and is not a backup; a part is damaged; the disk is full; or the caller wants to stop.
    pub fn backup(&self, file: &Path, watch: &mut Watch<'_>) -> Result<BackedUp> {
        check_target(file)?;
        refuse_foreign(file)?;
        let name = self.dir.file_name().and_then(|name| name.to_str()).unwrap_or("data");
        let copy = self.copy_of_catalog(file)?;
        write_through(file, |out| {
            let mut counted = Counted { out, bytes: 0 };
            let mut done = BackedUp::default();
            let mut archive = Archive::new(&mut counted, file);
            archive.directory(name)?;
            let mut catalog = File::open(copy.path()).map_err(Error::io("read", copy.path()))?;
            let meta = catalog.metadata().map_err(Error::io("read", copy.path()))?;
            whole(copy.path(), archive.file(&format!("{name}/{CATALOG}"), meta.len(), mtime(copy.path()), &mut catalog)?)?;
            archive.directory(&format!("{name}/{EMBEDDINGS}"))?;
            let (vectors, windows) = (self.catalog.parts()?, self.catalog.window_parts()?);
            let files = vectors.iter().map(|part| (self.store.vectors(), part));
            let files = files.chain(windows.iter().map(|part| (self.store.windows(), part)));
            for (kind, part) in files {
                watch.check()?;
                copy_part(&mut archive, name, &kind.path(part.id), part)?;
                done.parts += 1;
                watch.report("parts", done.parts, Some((vectors.len() + windows.len()) as u64));
            }
            self.images_of(&mut archive, name, &mut done, watch)?;
            archive.finish()?;
            done.bytes = counted.bytes;
            Ok(done)
        })
    }

    /// Makes a copy of the catalog that is removed again.
    fn copy_of_catalog(&self, file: &Path) -> Result<Copy> {
        let dir = room_beside(file);
        make_directory(&dir)?;
        let copy = Copy(Temporary::private(&dir.join(CATALOG).with_extension("backup"))?);
        self.catalog.copy_to(copy.path())?;
        Ok(copy)
    }

    fn images_of(&self, archive: &mut Archive<'_>, name: &str, done: &mut BackedUp, watch: &mut Watch<'_>) -> Result<()> {
        let mut inside: Vec<PathBuf> = Vec::new();
        self.catalog.each_image_path(|path| match file_of(path).strip_prefix(&self.dir) {
            // Members of one file mostly follow each other.
            Ok(path) if inside.last().is_some_and(|last| last == path) => {}
            Ok(path) => inside.push(path.to_owned()),
            Err(_) => done.elsewhere += 1,
        })?;
        inside.sort_unstable();
        inside.dedup(); // a file may be used twice
        for (n, relative) in inside.iter().enumerate() {
            watch.check()?;
            let path = self.dir.join(relative);
            let FileState::There { bytes, mtime_ns } = state_of(&path) else {
                done.missing += 1;
                continue;
            };
            let mut file = File::open(&path).map_err(Error::io("read", &path))?;
            let entry = format!("{name}/{}", relative.display());
            if !archive.file(&entry, bytes, mtime_ns, &mut file)? {
                return Err(Error::request(format!("{} changed while it was copied", path.display()), "run the command again"));
            }
            done.images += 1;
            watch.report("images", n as u64 + 1, Some(inside.len() as u64));
        }
        Ok(())
    }
}

fn copy_part(archive: &mut Archive<'_>, name: &str, path: &Path, part: &PartRow) -> Result<()> {
    let file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::Damaged(format!("the part {} is gone", path.display())),
        _ => Error::io("read", path)(e),
    })?;
    let mut hashed = HashedReader { from: file, hasher: blake3::Hasher::new() };
    let entry = format!("{name}/{EMBEDDINGS}/{}", path.file_name().unwrap_or_default().to_string_lossy());
    let copied = archive.file(&entry, part.bytes, mtime(path), &mut hashed)?;
    if !copied || *hashed.hasher.finalize().as_bytes() != part.blake3 {
        return Err(Error::Damaged(format!("{} is not what was written: its checksum differs", path.display())));
    }
    Ok(())
}

/// The copied catalog, and the files that SQLite puts next to it: removed when this is dropped.
struct Copy(Temporary);

impl Copy {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for suffix in ["-journal", "-wal", "-shm"] {
            let mut beside = self.path().as_os_str().to_owned();
            beside.push(suffix);
            // Best effort: there is nothing unless the copy failed.
            let _ = fs::remove_file(beside);
        }
    }
}

fn whole(path: &Path, copied: bool) -> Result<()> {
    if copied { Ok(()) } else { Err(Error::io("read", path)(io::ErrorKind::UnexpectedEof.into())) }
}

/// # Errors
/// There is a regular file that is not a backup.
fn refuse_foreign(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut head));
    read.map_err(Error::io("read", path))?;
    if head.is_empty() || head.get(MARK_AT..MARK_AT + MARK.len()) == Some(MARK) {
        return Ok(());
    }
    let message = format!("{} exists and is not a backup made by msdata", path.display());
    Err(Error::request(message, "choose another name, or remove it"))
}

fn mtime(path: &Path) -> i64 {
    match state_of(path) {
        FileState::There { mtime_ns, .. } => mtime_ns,
        _ => 0,
    }
}

struct Counted<'w> {
    out: &'w mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.out.write(data)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct HashedReader {
    from: File,
    hasher: blake3::Hasher,
}

impl Read for HashedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

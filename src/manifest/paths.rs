//! An image path as a manifest writes it, and the file it names.
//!
//! A relative path is relative to the manifest's directory. What leaves that directory (absolute,
//! through `..`, through a link) is read but noted; with roots given, anything outside them is an error.

use super::near_path::NearPaths;
use crate::error::{Error, Result, io_reason};
use crate::input::{FileState, Member, is_absent, state, state_of};
use crate::problem::Position;
use crate::text::quote;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// An image path, made absolute, with what was found there.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePath {
    /// The absolute path, with the links in its directory resolved. Of a member of a container, `#` and its name follow
    /// the path of the container.
    pub path: PathBuf,
    /// The state of the file, or of the container, when the manifest was read.
    pub state: FileState,
}

/// The path of an image, made absolute, whose file is still to be looked at.
#[derive(Debug)]
pub struct PlacedPath {
    /// The file: that of the image, or the container's.
    pub path: PathBuf,
    /// How it was written.
    written: String,
    /// The name of the image in a container.
    member: Option<String>,
}

/// What is at a path.
#[derive(Debug)]
pub struct Look {
    path: PathBuf,
    state: FileState,
    /// Where its link leads; `None`: it is no link, or leads nowhere.
    target: Option<PathBuf>,
}

/// Turns the paths of one manifest into files.
pub struct Resolver {
    home: PathBuf,
    roots: Option<Vec<PathBuf>>,
    parents: HashMap<PathBuf, PathBuf>,
    /// The directory that was asked for last, as it was written and with its links resolved.
    last: (PathBuf, PathBuf),
    pending: Vec<String>,
    departures: Vec<(Position, String)>,
    departed: u64,
    near: NearPaths,
}

impl Resolver {
    /// Returns a resolver for the manifest at `manifest`; paths are relative to its directory.
    ///
    /// # Errors
    /// The directory or a root cannot be resolved.
    pub fn new(manifest: &Path, roots: Option<&[PathBuf]>) -> Result<Resolver> {
        let dir = match manifest.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        };
        Self::for_directory(dir, roots)
    }

    /// Returns a resolver for paths relative to `dir`.
    ///
    /// # Errors
    /// The same as for [`Resolver::new`].
    pub fn for_directory(dir: &Path, roots: Option<&[PathBuf]>) -> Result<Resolver> {
        let canonical = |p: &Path| p.canonicalize().map_err(Error::io("resolve", p));
        let home = canonical(dir)?;
        let roots = roots.map(|r| r.iter().map(|p| canonical(p)).collect::<Result<Vec<_>>>()).transpose()?;
        Ok(Resolver {
            home,
            roots,
            parents: HashMap::new(),
            last: Default::default(),
            pending: vec![],
            departures: vec![],
            departed: 0,
            near: NearPaths::default(),
        })
    }

    /// Returns the file that `written` names: by its path, or by a URL `file:///…`. Where there is no file of the name, it
    /// may be a member of a container: `a.tar#name.png`, `a.parquet#12`.
    ///
    /// # Errors
    /// `written` is another URL, has an unexpanded `~` or `$VAR`, cannot be a path, or lies outside the given roots.
    pub fn resolve(&mut self, written: &str) -> std::result::Result<ImagePath, String> {
        let mut placed = self.place(written.to_owned())?;
        let look = Look::at(std::mem::take(&mut placed.path));
        self.settle(placed, look)
    }

    /// Does the part of [`Resolver::resolve`] that comes before the look at the file, which may take place elsewhere.
    pub(super) fn place(&mut self, written: String) -> std::result::Result<PlacedPath, String> {
        if let Some(url) = written.strip_prefix("file://") {
            return match path_of_url(url) {
                Some(path) => self.place_file_or_member(path),
                None => Err(format!("{} is not the URL of a file here: write `file:///` and its path", quote(&written))),
            };
        }
        self.place_file_or_member(written)
    }

    fn place_file_or_member(&mut self, written: String) -> std::result::Result<PlacedPath, String> {
        let Some(member) = Member::of(Path::new(&written)) else { return self.place_file(written, None) };
        match self.home.join(&written).symlink_metadata() {
            Err(e) if is_absent(&e) => {}
            _ => return self.place_file(written, None),
        }
        match member.file.to_str() {
            Some(file) => self.place_file(file.to_owned(), Some(member.name)),
            None => self.place_file(written, None),
        }
    }

    fn place_file(&mut self, written: String, member: Option<String>) -> std::result::Result<PlacedPath, String> {
        let as_given = self.home.join(&written);
        let (Some(name), Some(parent), false) = (as_given.file_name(), as_given.parent(), written.ends_with('/')) else {
            return Err(format!("{} names a directory, not an image", quote(&written)));
        };
        let path = self.real(parent).join(name);
        if path.to_str().is_none() {
            return Err(format!(
                "{} lies in a directory whose name is not UTF-8, which the catalog cannot keep",
                quote(&written)
            ));
        }
        Ok(PlacedPath { path, written, member })
    }

    /// Does the rest of [`Resolver::resolve`], by a look at the path.
    pub(super) fn settle(&mut self, placed: PlacedPath, look: Look) -> std::result::Result<ImagePath, String> {
        let image = self.settle_file(placed.written, look)?;
        let Some(name) = placed.member else { return Ok(image) };
        let mut path = image.path.into_os_string();
        path.push("#");
        path.push(&name);
        Ok(ImagePath { path: path.into(), state: image.state })
    }

    fn settle_file(&mut self, written: String, look: Look) -> std::result::Result<ImagePath, String> {
        let Look { path, state, target } = look;
        if !matches!(state, FileState::There { .. })
            && let Some(what) = unexpanded(&written)
        {
            return Err(format!("{} is {what}", quote(&written)));
        }
        if matches!(state, FileState::Missing(_)) {
            self.near.search(&self.home, &written, &path);
        }
        // Without a file there is nothing to follow: the path itself says where it would lie.
        let lies_at = target.as_ref().unwrap_or(&path);
        match &self.roots {
            Some(roots) => {
                let within = |path: &Path| roots.iter().any(|root| path.starts_with(root));
                if !within(lies_at) {
                    return Err(format!("{} is outside the directories given with --root", quote(&written)));
                }
                // By its path it is known later that it must lie in a root: see `image::Door`.
                if !within(&path) {
                    return Ok(ImagePath { path: target.unwrap_or(path), state });
                }
            }
            None if !lies_at.starts_with(&self.home) => self.pending.push(written),
            None => {}
        }
        Ok(ImagePath { path, state })
    }

    /// Records, under its line, the paths of the row just read that leave the manifest's directory.
    pub(super) fn note_departures(&mut self, place: Position) {
        for written in self.pending.drain(..) {
            self.departed += 1;
            if self.departures.is_empty() {
                self.departures.push((place, written));
            }
        }
    }

    /// Returns remarks about odd paths, as sentences.
    pub(crate) fn remarks(&mut self) -> Vec<String> {
        self.departures().into_iter().chain(self.near.remarks()).collect()
    }

    /// Returns one sentence about every path that left the manifest's directory.
    fn departures(&mut self) -> Option<String> {
        self.note_departures(Position::File);
        let (place, first) = self.departures.first()?;
        let place = match place {
            Position::Line(n) => format!(" (line {n})"),
            Position::Row(n) => format!(" (row {n})"),
            Position::File | Position::Entry(_) | Position::Further(_) => String::new(),
        };
        Some(match self.departed {
            1 => format!("{}{place} lies outside the manifest's directory; read all the same", quote(first)),
            n => format!("{n} paths lie outside the manifest's directory, {}{place} the first; read all the same", quote(first)),
        })
    }

    /// Returns a directory with its links resolved, as far as it is there; each is resolved only once.
    fn real(&mut self, dir: &Path) -> &Path {
        // The next image mostly lies beside the last one, and to compare bytes takes less time than to hash a path.
        if self.last.0.as_os_str() != dir.as_os_str() {
            let real = match self.parents.get(dir) {
                Some(known) => known.clone(),
                None => {
                    let real = dir.canonicalize().unwrap_or_else(|_| settled(dir));
                    self.parents.insert(dir.to_owned(), real.clone());
                    real
                }
            };
            self.last = (dir.to_owned(), real);
        }
        &self.last.1
    }
}

/// Returns the path in a URL of this machine, without its `file://`.
fn path_of_url(url: &str) -> Option<String> {
    let path = url.strip_prefix("localhost").unwrap_or(url);
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix('/').map(|_| path.as_bytes())?;
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                ((digit(*high)? * 16 + digit(*low)?) as u8, after)
            }
            _ => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

impl Look {
    /// Looks at a path.
    pub fn at(path: PathBuf) -> Look {
        let (state, target) = match path.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => (state_of(&path), path.canonicalize().ok()),
            Ok(meta) => (state(&meta), None),
            Err(e) => (FileState::Missing(io_reason(&e)), None),
        };
        Look { path, state, target }
    }
}

/// What a text is that is no path of a file here, and what to write instead.
pub(crate) fn unexpanded(written: &str) -> Option<&'static str> {
    let variable = |w: &str| {
        w.match_indices('$').any(|(i, _)| w[i + 1..].starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()))
    };
    if written
        .split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)))
    {
        Some("a URL, which is not expanded or fetched; write a file path")
    } else if written.starts_with('~') {
        Some("a path from `~`, which is not expanded or fetched; write a file path")
    } else if variable(written) {
        Some("a path with a variable, which is not expanded or fetched; write a file path")
    } else if matches!(written.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
        || written.starts_with("\\\\")
    {
        Some("a path of Windows, which leads nowhere here; write the path that the file has on this machine, with `/`")
    } else {
        None
    }
}

/// A directory that is not there: as far as it is there, with its links resolved.
fn settled(path: &Path) -> PathBuf {
    let path = normalized(path);
    let there = path.ancestors().find_map(|dir| Some((dir.canonicalize().ok()?, path.strip_prefix(dir).ok()?)));
    there.map_or_else(|| path.clone(), |(real, rest)| real.join(rest))
}

/// Returns the path with `.` and `..` removed, without looking at the file system.
fn normalized(path: &Path) -> PathBuf {
    use std::path::Component::*;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            CurDir => {}
            ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_expanded_is_named() {
        let said = |written, what: &str| assert!(unexpanded(written).is_some_and(|said| said.starts_with(what)), "{written}");
        said("https://x/y.png", "a URL");
        said("~/y.png", "a path from `~`");
        said("$HOME/y.png", "a path with a variable");
        said("C:\\refs\\y.png", "a path of Windows");
        said("\\\\server\\y.png", "a path of Windows");
        assert_eq!(unexpanded("cost_5$.png"), None);
        assert_eq!(unexpanded("a/b.png"), None);
    }

    #[test]
    fn a_url_of_a_file_is_its_path() {
        assert_eq!(path_of_url("/a/b%20c%23.png").as_deref(), Some("/a/b c#.png"));
        assert_eq!(path_of_url("localhost/a/%C3%BC").as_deref(), Some("/a/ü"));
        for none in ["a/b.png", "server/share/x", "/a%zz", "/%ff", "/%00"] {
            assert_eq!(path_of_url(none), None, "{none}");
        }
    }

    #[test]
    fn dots_are_resolved_by_name() {
        assert_eq!(normalized(Path::new("/a/./b/../c//d")), PathBuf::from("/a/c/d"));
    }
}

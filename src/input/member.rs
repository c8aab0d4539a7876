//! Paths of images that lie in another file: `shard-000.tar#name.png`, `part.parquet#12`.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// A file that holds images, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A tar, whose members have names.
    Tar,
    /// A Parquet file, whose rows are counted from 0.
    Parquet,
}

/// An image in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What holds it.
    pub kind: Container,
    /// The file that holds it.
    pub file: PathBuf,
    /// Its name there: what follows `#`.
    pub name: String,
}

impl Member {
    /// Returns the member that a path names, going by the names alone: what is before the first `#` that follows
    /// `.tar`, `.parquet` or `.pq` is the file. A file of this very name is no member: look for it first.
    pub fn of(path: &Path) -> Option<Member> {
        let text = path.to_str()?;
        text.match_indices('#').find_map(|(at, _)| {
            let (file, name) = (&text[..at], &text[at + 1..]);
            let extension = file.rsplit('/').next()?.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?.1;
            let kind = match extension.to_ascii_lowercase().as_str() {
                "tar" => Container::Tar,
                "parquet" | "pq" => Container::Parquet,
                _ => return None,
            };
            (!name.is_empty()).then(|| Member { kind, file: file.into(), name: name.to_owned() })
        })
    }
}

/// Returns the file on disk that holds the image at `path`: the file of that name, or the container of which it is a
/// member.
pub fn file_of(path: &Path) -> Cow<'_, Path> {
    match path.symlink_metadata() {
        Err(e) if is_absent(&e) => Member::of(path).map_or(Cow::Borrowed(path), |member| Cow::Owned(member.file)),
        _ => Cow::Borrowed(path),
    }
}

/// Returns whether an error says that there is nothing at a path.
pub fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_what_follows_the_first_container() {
        let member = |text: &str| Member::of(Path::new(text)).map(|m| (m.file.display().to_string(), m.name));
        let is = |file: &str, name: &str| Some((file.to_owned(), name.to_owned()));
        assert_eq!(member("/a/shard-0.tar#dir/x.png"), is("/a/shard-0.tar", "dir/x.png"));
        assert_eq!(member("/a#b/s.TAR#x#y.png"), is("/a#b/s.TAR", "x#y.png"));
        assert_eq!(member("part.parquet#12"), is("part.parquet", "12"));
        for none in ["/a/x#1.png", "/a/s.tar", "/a/s.tar#", "/a/s.tar.gz#x.png", "/a/.tar#x", "/a.tar/b#x"] {
            assert_eq!(member(none), None, "{none}");
        }
    }
}

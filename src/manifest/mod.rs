//! Manifests: what a user says is there. Reads JSON Lines, JSON arrays and CSV (plain, gzip, zstd) and the files of
//! generators into rows, each with the place it came from, and knows nothing of the catalog.
//!
//! | module | noun |
//! |---|---|
//! | [`row`] | [`Subject`], [`Prompt`], [`Generation`]: one row of each manifest |
//! | `fields` | a row's named fields before they mean anything |
//! | `records` | lines of JSON, elements of an array, records of CSV: decompression, limits |
//! | `file` | a manifest file |
//! | `paths` | an image path as written, and the file it names |
//! | `folder` | a directory of images as subjects |
//! | `repository` | the repository of the paper's authors |

mod fields;
mod file;
mod folder;
mod paths;
mod records;
mod repository;
pub mod row;

pub(crate) use fields::{MOST_EXACT, integer_of, is_integer};
pub use file::{Manifest, RowKind};
pub use folder::ImageFolder;
pub use paths::{FileState, ImagePath, Resolver, state_of};
pub use repository::StressTestRepo;
pub use row::{Generation, Prompt, Region, Subject};

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a row was written: a file and its line (1-based), or a part of it that has no line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The manifest.
    pub file: Arc<Path>,
    /// Line in the file as it lies there (decompressed), or entry of a list.
    pub place: Position,
}

impl Origin {
    /// A file as a whole.
    pub fn whole(file: &Path) -> Origin {
        Origin { file: file.into(), place: Position::File }
    }

    /// A row of a Parquet file, from 1.
    pub fn row(file: &Path, row: u64) -> Origin {
        Origin { file: file.into(), place: Position::Row(row) }
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The file as a whole.
    File,
    /// Physical line, 1-based.
    Line(u64),
    /// Entry of a JSON list, 1-based.
    Entry(u64),
    /// Row of a Parquet file, 1-based.
    Row(u64),
    /// So many further rows, which are not listed one by one.
    Further(u64),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display().to_string();
        f.write_str(&crate::vocabulary::plain(&file))?;
        match self.place {
            Position::File | Position::Further(_) => Ok(()),
            Position::Line(n) => write!(f, ":{n}"),
            Position::Entry(n) => write!(f, ": entry {n}"),
            Position::Row(n) => write!(f, ": row {n}"),
        }
    }
}

/// One thing that is wrong with what a user gave, and where. Displays as `FILE:LINE: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The row.
    pub origin: Origin,
    /// What is wrong with it.
    pub reason: String,
}

impl Problem {
    /// Further bad rows of a file, counted only.
    pub(crate) fn further(file: Arc<Path>, rows: u64) -> Problem {
        let reason = format!("{rows} more bad rows, not listed");
        Problem { origin: Origin { file, place: Position::Further(rows) }, reason }
    }

    /// How many bad rows it stands for.
    pub fn rows(&self) -> u64 {
        match self.origin.place {
            Position::Further(rows) => rows,
            _ => 1,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.reason)
    }
}

/// A row with the place it came from.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// Where it was written.
    pub origin: Origin,
    /// What was written.
    pub row: T,
}

impl<T> Located<T> {
    pub(crate) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem { origin: self.origin.clone(), reason: reason.into() }
    }
}

pub(crate) fn list_problems(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// What is to be said where `given` is not known: a known word that differs in Unicode form only, or a likely slip.
pub(crate) fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let form = paths::composed(given);
    if known.clone().any(|k| k != given && k.chars().count() <= 2 * given.chars().count() && paths::composed(k) == form) {
        return "; there is one that differs in Unicode form only (NFC, NFD): write both the same way".into();
    }
    nearest(given, known).map_or_else(String::new, |near| format!("; is {} meant?", crate::vocabulary::quote(near)))
}

/// The known word most like `given`, if it is a plausible slip of the hand.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 100;
    if given.len() > LONGEST {
        return None;
    }
    let tolerated = (given.chars().count() / 3).clamp(1, 2);
    known
        .filter(|k| k.len() <= LONGEST)
        .map(|k| (strsim::damerau_levenshtein(&given.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["S0001", "S0002", "cat"];
        assert_eq!(nearest("S001", known.into_iter()), Some("S0001"));
        assert_eq!(nearest("s0002", known.into_iter()), Some("S0002"));
        assert_eq!(nearest("zebra", known.into_iter()), None);
    }
}

//! What is wrong with a user's input, and where: `FILE:LINE: REASON`.

use crate::text::plain;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a row was written: a file and its line (1-based), or a part of it that has no line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The manifest.
    pub file: Arc<Path>,
    /// The line in the (decompressed) file, or the entry of a list.
    pub place: Position,
}

impl Origin {
    /// Returns the origin of a file as a whole.
    pub fn whole(file: &Path) -> Origin {
        Origin { file: file.into(), place: Position::File }
    }

    /// Returns the origin of a row of a Parquet file, counted from 1.
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
    /// This many further rows, which are not listed.
    Further(u64),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display().to_string();
        f.write_str(&plain(&file))?;
        match self.place {
            Position::File | Position::Further(_) => Ok(()),
            Position::Line(n) => write!(f, ":{n}"),
            Position::Entry(n) => write!(f, ": entry {n}"),
            Position::Row(n) => write!(f, ": row {n}"),
        }
    }
}

/// One thing that is wrong with a user's input, and where. Displays as `FILE:LINE: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The row.
    pub origin: Origin,
    /// What is wrong with it.
    pub reason: String,
}

impl Problem {
    /// Returns a problem that only counts further bad rows of a file.
    pub(crate) fn further(file: Arc<Path>, rows: u64) -> Problem {
        let reason = format!("{rows} more bad rows, not listed");
        Problem { origin: Origin { file, place: Position::Further(rows) }, reason }
    }

    /// Returns a problem that only counts rows of a file which are bad because they name other bad rows.
    pub(crate) fn following(file: Arc<Path>, rows: u64) -> Problem {
        let reason = match rows {
            1 => "1 row names what a bad row above was to bring, not listed".to_owned(),
            rows => format!("{rows} rows name what bad rows above were to bring, not listed"),
        };
        Problem { origin: Origin { file, place: Position::Further(rows) }, reason }
    }

    /// Returns how many bad rows it stands for.
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

/// Returns the problems as text, one per line.
pub(crate) fn list_problems(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPlace {
    /// Line, 1-based.
    pub line: usize,
    /// Character of the line, 1-based.
    pub character: usize,
}

impl TextPlace {
    /// Returns the place of a byte of a text.
    pub fn of(text: &str, byte: usize) -> TextPlace {
        let before = &text[..text.floor_char_boundary(byte)];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        TextPlace { line: before.matches('\n').count() + 1, character: before[start..].chars().count() + 1 }
    }
}

impl fmt::Display for TextPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            1 => write!(f, "character {}", self.character),
            line => write!(f, "line {line}, character {}", self.character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TextPlace;

    #[test]
    fn places_count_characters() {
        let text = "SELECT 'ä' x\nFROM y";
        assert_eq!(TextPlace::of(text, text.find('x').unwrap()).to_string(), "character 12");
        assert_eq!(TextPlace::of(text, text.find('y').unwrap()), TextPlace { line: 2, character: 6 });
        assert_eq!(TextPlace::of(text, 1000).to_string(), "line 2, character 7");
    }
}

//! Where the statements of an SQL text are, and where a name is in it.

use std::ops::Range;

/// What a stretch of an SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// White space or a comment.
    Nothing,
    /// A string in single quotes.
    Text,
    /// The end of a statement.
    Semicolon,
    Other,
}

/// Returns the statements of a text as ranges of bytes, without the semicolons, comments and space around them.
pub(super) fn statements(sql: &str) -> Vec<Range<usize>> {
    let (mut found, mut open): (Vec<Range<usize>>, Option<Range<usize>>) = (Vec::new(), None);
    for (range, piece) in pieces(sql) {
        match piece {
            Piece::Nothing => {}
            Piece::Semicolon => found.extend(open.take()),
            Piece::Text | Piece::Other => open = Some(open.map_or(range.start, |open| open.start)..range.end),
        }
    }
    found.extend(open);
    found
}

/// Returns where a name first is in a text, outside comments and strings, whatever its case.
pub(super) fn find_name(sql: &str, name: &str) -> Option<usize> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let code = pieces(sql).filter(|(_, piece)| *piece == Piece::Other);
    for (range, _) in code {
        let text = sql[range.clone()].to_ascii_lowercase();
        for (at, _) in text.match_indices(&name.to_ascii_lowercase()) {
            let (before, after) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
            if !before.is_some_and(is_of_name) && !after.is_some_and(is_of_name) {
                return Some(range.start + at);
            }
        }
    }
    None
}

/// Returns the pieces of a text, which cover it.
fn pieces(sql: &str) -> impl Iterator<Item = (Range<usize>, Piece)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &sql[at..];
        let first = rest.chars().next()?;
        // A piece that is not closed ends with the text.
        let to = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |n| from + n + end.len());
        let (length, piece) = match first {
            ';' => (1, Piece::Semicolon),
            '\'' => (to("'", 1), Piece::Text),
            '"' => (to("\"", 1), Piece::Other),
            '`' => (to("`", 1), Piece::Other),
            '[' => (to("]", 1), Piece::Other),
            '-' if rest.starts_with("--") => (to("\n", 2), Piece::Nothing),
            '/' if rest.starts_with("/*") => (to("*/", 2), Piece::Nothing),
            c if c.is_ascii_whitespace() => (1, Piece::Nothing),
            // Names and numbers in one piece, so that a name can be found.
            c if c.is_alphanumeric() || c == '_' => {
                (rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len()), Piece::Other)
            }
            c => (c.len_utf8(), Piece::Other),
        };
        at += length;
        Some((at - length..at, piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        statements(sql).into_iter().map(|range| &sql[range]).collect()
    }

    #[test]
    fn statements_end_at_semicolons_and_nowhere_else() {
        assert_eq!(texts("SELECT 1"), ["SELECT 1"]);
        assert_eq!(texts("-- how many\r\nSELECT 1 -- one\n;\n-- the end; really"), ["SELECT 1"]);
        assert_eq!(texts(";; SELECT ';', \";\", `;`, [;] /* ; */ ;;"), ["SELECT ';', \";\", `;`, [;]"]);
        assert_eq!(texts("SELECT 'it''s; fine'; DELETE FROM t;"), ["SELECT 'it''s; fine'", "DELETE FROM t"]);
        assert_eq!(texts("SELECT 3 - 2 / 1; SELECT 'ä;"), ["SELECT 3 - 2 / 1", "SELECT 'ä;"]);
        for empty in ["", " \r\n", "-- nothing", "/* nothing", ";;", "-- a\n/* b */;"] {
            assert_eq!(texts(empty), [""; 0], "{empty:?}");
        }
    }

    #[test]
    fn names_are_found_where_they_are_used() {
        let sql = "-- of images\nSELECT 'images', images_x FROM Images JOIN \"images\"";
        assert_eq!(find_name(sql, "images"), sql.find("Images"));
        assert_eq!(find_name(sql, "x"), None);
    }
}

//! Writes JSON whose strings are safe on a terminal: characters that would move the cursor or change the direction of
//! a line are written as `\u…`, which every parser reads as the same text.

use crate::text::is_harmful;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use std::io::{self, Write};

/// Writes a value as one line of JSON, without a line feed.
///
/// # Errors
/// Writing to `out` fails.
pub fn write(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Safe)).map_err(io::Error::from)
}

struct Safe;

impl Formatter for Safe {
    // Quotes, backslashes and characters below U+0020 do not come here.
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, harmful)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            CompactFormatter.write_string_fragment(out, &rest[..at])?;
            for unit in harmful.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + harmful.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(out, rest)
    }
}

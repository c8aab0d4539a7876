//! The records of a CSV, each with the physical line it begins in.

use super::records::{MAX_RECORD, Next, RecordFault, Text};
use std::io;

/// What separates the cells of CSV files.
pub const SEPARATORS: [char; 4] = [';', '\t', '|', ','];

/// The records of a CSV that are not blank.
pub struct Records<'w> {
    text: Text<'w>,
    separator: u8,
    /// Whether blanks around cells are not part of them.
    trims: bool,
    /// Whether another separator may follow the first cell, if that is quoted.
    guesses: bool,
}

/// The cells of one record.
#[derive(Debug, Default)]
pub struct Cells {
    bytes: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<usize>,
    /// The line it ends in.
    pub last_line: u64,
}

impl Cells {
    /// Returns the cells as text.
    ///
    /// # Errors
    /// A cell is not UTF-8.
    pub fn texts(&self) -> Result<Vec<&str>, String> {
        let mut start = 0;
        let cell = |end: &usize| {
            let bytes = &self.bytes[start..*end];
            start = *end;
            std::str::from_utf8(bytes).map_err(|_| "not valid UTF-8; save the file as UTF-8".to_owned())
        };
        self.ends.iter().map(cell).collect()
    }

    fn end_cell(&mut self, trims: bool) {
        let start = self.ends.last().copied().unwrap_or(0);
        while trims && self.bytes.len() > start && self.bytes.last() == Some(&b' ') {
            self.bytes.pop();
        }
        self.ends.push(self.bytes.len());
    }
}

/// The position of a byte in a cell.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted cell: its end, or the first of two.
    Quote,
}

impl<'w> Records<'w> {
    pub fn new(text: Text<'w>, separator: u8) -> Records<'w> {
        Records { text, separator, trims: false, guesses: false }
    }

    /// Returns the next record; where something else that separates cells in some file follows a first cell in quotes,
    /// that is the separator from here on.
    pub fn next_guessing(&mut self) -> Next<Cells> {
        self.guesses = true;
        let next = self.next();
        self.guesses = false;
        next
    }

    /// Returns the cell separator.
    pub fn separator(&self) -> char {
        self.separator.into()
    }

    /// Uses another separator for the records that follow.
    pub fn separate_by(&mut self, separator: u8) {
        self.separator = separator;
    }

    fn may_separate(&self, byte: u8) -> bool {
        self.guesses && SEPARATORS.contains(&char::from(byte))
    }

    /// Takes blanks from around the cells of the records that follow.
    pub fn trim(&mut self) {
        self.trims = true;
    }

    pub fn next(&mut self) -> Next<Cells> {
        self.text.begin();
        let mut line = self.text.lines + 1;
        match self.record(&mut line) {
            Err(e) => {
                let reason =
                    format!("the record that begins here is longer than {} MiB: is a quote left open?", MAX_RECORD >> 20);
                Some(Err(self.text.fault(line, &e, &reason)))
            }
            Ok(next) => next,
        }
    }

    /// Reads the next record; `line` is set to the line where it begins.
    fn record(&mut self, line: &mut u64) -> io::Result<Next<Cells>> {
        let (mut cells, mut at, mut fault) = (Cells::default(), At::Start, None);
        loop {
            let before = self.text.lines;
            let Some(byte) = self.text.byte()? else {
                if at == At::Quoted {
                    let reason = "the record that begins here has a quote that is never closed".into();
                    return Ok(Some(Err(RecordFault { line: *line, reason, last: true })));
                }
                if at == At::Start && cells.ends.is_empty() {
                    return Ok(None);
                }
                break;
            };
            if at == At::Start && cells.ends.is_empty() {
                *line = before + 1;
            }
            let ends_line = byte == b'\n' || byte == b'\r';
            at = match at {
                At::Quoted if byte == b'"' => At::Quote,
                At::Quoted => {
                    cells.bytes.push(byte);
                    At::Quoted
                }
                At::Start if ends_line && cells.ends.is_empty() => At::Start, // a blank line
                _ if ends_line => {
                    cells.last_line = before + 1;
                    break;
                }
                _ if byte == self.separator || self.may_separate(byte) && at == At::Quote && cells.ends.is_empty() => {
                    self.separator = byte;
                    cells.end_cell(self.trims && at == At::Plain);
                    At::Start
                }
                At::Start | At::Quote if self.trims && byte == b' ' => at,
                At::Start if byte == b'"' => At::Quoted,
                At::Quote if byte == b'"' => {
                    cells.bytes.push(byte);
                    At::Quoted
                }
                state => {
                    if state == At::Quote {
                        fault = Some("text follows a closing quote; inside quotes, a quote is written twice".to_owned());
                    }
                    cells.bytes.push(byte);
                    At::Plain
                }
            };
        }
        cells.end_cell(self.trims && at == At::Plain);
        cells.last_line = cells.last_line.max(*line);
        let line = *line;
        Ok(Some(match fault {
            Some(reason) => Err(RecordFault { line, reason, last: false }),
            None => Ok((line, cells)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(bytes: &[u8]) -> Vec<Result<(u64, String), (u64, String)>> {
        let mut records = Records::new(Text::of(bytes), b',');
        std::iter::from_fn(|| records.next())
            .map(|next| next.map(|(line, cells)| (line, cells.texts().unwrap().join("|"))).map_err(|f| (f.line, f.reason)))
            .collect()
    }

    #[test]
    fn records_and_the_lines_they_begin_in() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "", "\"x\"\"y\",\"1", "2\"", ",", "last,5\" disk"].join(end);
            let quoted = format!("x\"y|1{end}2");
            let expected = [(1, "a|b"), (3, quoted.as_str()), (5, "|"), (6, "last|5\" disk")];
            assert_eq!(csv(text.as_bytes()), expected.map(|(line, cells)| Ok((line, cells.to_owned()))), "{end:?}");
        }
    }

    #[test]
    fn quotes_that_make_no_sense() {
        let said = csv(b"a,b\r\n\"x\"y,1\r\nz,2\r\n");
        assert_eq!(said[1].as_ref().unwrap_err().0, 2);
        assert_eq!(said[2], Ok((3, "z|2".into())));
        let mut records = Records::new(Text::of(b"\"a\";\"b\"\n1;\"x;y\"\n"), b',');
        assert_eq!(records.next_guessing().unwrap().unwrap().1.texts().unwrap(), ["a", "b"]);
        assert_eq!(records.next().unwrap().unwrap().1.texts().unwrap(), ["1", "x;y"]);
        let said = csv(b"a,b\n1,\"open\n2,3\n");
        assert_eq!(said[1], Err((2, "the record that begins here has a quote that is never closed".into())));
    }
}

//! The records of a manifest's text, each with the physical line it begins in: lines of JSON, elements of a JSON
//! array (records of CSV are in `csv_records`). No record, and nothing between two, is longer than [`MAX_RECORD`].

use crate::error::io_reason;
use crate::input::{self, Stoppable};
use crate::watch::Stop;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Longest record of a manifest, in bytes: what is longer is not a row, and must not fill the memory.
pub const MAX_RECORD: usize = 16 << 20;

/// Why a record could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFault {
    /// The line it would begin in.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
    /// Whether nothing can be read after it.
    pub last: bool,
}

/// A record, or why there is none, or the end.
pub type Next<T> = Option<Result<(u64, T), RecordFault>>;

/// A manifest's text: decompressed, without its byte order mark.
pub struct Text<'w> {
    input: BufReader<BoundedReader<'w>>,
    /// Line ends met.
    pub lines: u64,
    /// Whether the last byte was a carriage return: a newline after it ends no further line.
    after_cr: bool,
}

/// Why a manifest cannot be opened.
pub enum OpenRecords {
    /// The system reported an error.
    Io(io::Error),
    /// The file is not a manifest; a sentence says what it is.
    Not(String),
}

#[cfg(test)]
impl Text<'static> {
    /// Returns the text of these bytes.
    pub fn of(bytes: &[u8]) -> Text<'static> {
        let inner: Box<dyn Read> = Box::new(io::Cursor::new(bytes.to_vec()));
        let bounded = BoundedReader { inner: Stoppable { inner, stop: Stop::default() }, since: 0 };
        Text { input: BufReader::with_capacity(7, bounded), lines: 0, after_cr: false }
    }
}

impl<'w> Text<'w> {
    /// Opens `path`, whose file name is `name` in lower case; also that name without `.gz` or `.zst`.
    ///
    /// # Errors
    /// The file cannot be read, or is not text.
    pub fn open<'n>(path: &Path, name: &'n str, stop: Stop<'w>) -> Result<(&'n str, Text<'w>), OpenRecords> {
        let file = input::open(path).map_err(OpenRecords::Io)?;
        let mut raw = BufReader::with_capacity(1 << 16, Stoppable { inner: file, stop });
        let head = raw.fill_buf().map_err(OpenRecords::Io)?;
        let foreign = foreign(head);
        let packed = [(".gz", &[0x1f, 0x8b][..]), (".zst", &[0x28, 0xb5, 0x2f, 0xfd])];
        if let Some((extension, _)) =
            packed.iter().find(|(extension, magic)| name.ends_with(extension) && !head.starts_with(magic))
            && !head.is_empty()
        {
            return Err(OpenRecords::Not(format!("not {extension} data, although its name ends so; rename it")));
        }
        let (stem, text): (&str, Box<dyn Read + 'w>) = if let Some(stem) = name.strip_suffix(".gz") {
            (stem, Box::new(flate2::bufread::MultiGzDecoder::new(raw)))
        } else if let Some(stem) = name.strip_suffix(".zst") {
            (stem, Box::new(zstd::stream::read::Decoder::with_buffer(raw).map_err(OpenRecords::Io)?))
        } else if let Some(what) = foreign {
            return Err(OpenRecords::Not(what.into()));
        } else {
            (name, Box::new(raw))
        };
        let bounded = BoundedReader { inner: Stoppable { inner: text, stop }, since: 0 };
        let mut input = BufReader::with_capacity(1 << 16, bounded);
        let head = input.fill_buf().map_err(OpenRecords::Io)?;
        // Without its mark it is known by the zeros beside ASCII.
        let is_wide = matches!(head, [0, 1..=u8::MAX, 0, 1..=u8::MAX, ..] | [1..=u8::MAX, 0, 1..=u8::MAX, 0, ..]);
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || is_wide {
            return Err(OpenRecords::Not("UTF-16 text; save it as UTF-8".into()));
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        Ok((stem, Text { input, lines: 0, after_cr: false }))
    }

    /// Returns the first byte that is not white space, if it comes soon.
    pub fn first_byte(&mut self) -> Option<u8> {
        self.input.fill_buf().ok()?.iter().copied().find(|b| !b.is_ascii_whitespace())
    }

    /// Returns the beginning of the rest, of at least `wanted` bytes if there are so many.
    ///
    /// # Errors
    /// The system reports an error.
    pub fn head(mut self, wanted: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < wanted {
            let part = self.input.fill_buf()?;
            if part.is_empty() {
                break;
            }
            bytes.extend_from_slice(part);
            let length = part.len();
            self.input.consume(length);
        }
        Ok(bytes)
    }

    /// Returns the rest of the text as a whole.
    ///
    /// # Errors
    /// The system reports an error, or there are more than `limit` bytes.
    pub fn rest(mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            self.begin();
            let part = self.input.fill_buf()?;
            if part.is_empty() {
                return Ok(bytes);
            }
            if bytes.len() + part.len() > limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            bytes.extend_from_slice(part);
            let length = part.len();
            self.input.consume(length);
        }
    }

    /// Starts a new record, which may be [`MAX_RECORD`] bytes long.
    pub fn begin(&mut self) {
        self.input.get_mut().since = 0;
    }

    /// Consumes and returns the next byte, counting line ends.
    pub fn byte(&mut self) -> io::Result<Option<u8>> {
        let Some(&byte) = self.input.fill_buf()?.first() else { return Ok(None) };
        self.input.consume(1);
        self.lines += u64::from(byte == b'\r' || byte == b'\n' && !self.after_cr);
        self.after_cr = byte == b'\r';
        Ok(Some(byte))
    }

    /// Describes an error of the system in a record that begins in `line`.
    pub fn fault(&self, line: u64, e: &io::Error, too_long: &str) -> RecordFault {
        let reason = match e.kind() {
            io::ErrorKind::FileTooLarge => too_long.to_owned(),
            _ => io_reason(e),
        };
        RecordFault { line, reason, last: true }
    }
}

/// What a repository holds in place of a file that it keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs";
const LFS_HINT: &str = "a pointer of Git LFS in place of the file; `git lfs pull` fetches it";

/// What bytes that begin a file are, if they are known not to be a manifest's.
fn foreign(head: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 12] = [
        (&[0x1f, 0x8b], "gz data, but the name does not end in .gz; rename it"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zst data, but the name does not end in .zst; rename it"),
        (b"PK\x03\x04", "a zip archive or an Excel workbook; save its table as CSV (UTF-8)"),
        (b"\xd0\xcf\x11\xe0", "an Excel workbook; save its table as CSV (UTF-8)"),
        (b"PAR1", "a Parquet file; write it as JSON Lines or CSV"),
        (b"ARROW1", "an Arrow (Feather) file; write it as Parquet, JSON Lines or CSV"),
        (b"BZh", "bzip2 data; a manifest is plain, .gz or .zst"),
        (b"\xfd7zXZ", "xz data; a manifest is plain, .gz or .zst"),
        (b"Obj\x01", "an Avro file; write it as Parquet, JSON Lines or CSV"),
        (b"\x93NUMPY", "an array of numpy; a manifest is Parquet, JSON Lines or CSV"),
        (LFS_POINTER, LFS_HINT),
        (b"SQLite format 3\0", "an SQLite database; write its table as JSON Lines or CSV"),
    ];
    KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what)
}

/// Fails once a record grows beyond [`MAX_RECORD`], before anyone holds all of it.
struct BoundedReader<'w> {
    inner: Stoppable<'w, Box<dyn Read + 'w>>,
    since: usize,
}

impl Read for BoundedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.since += n;
        if self.since > MAX_RECORD { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(n) }
    }
}

/// The lines of a text that are not blank, without their ends.
pub struct Lines<'w> {
    text: Text<'w>,
    line: u64,
}

impl<'w> Lines<'w> {
    pub fn new(text: Text<'w>) -> Lines<'w> {
        Lines { text, line: 0 }
    }

    pub fn next(&mut self) -> Next<Vec<u8>> {
        self.text.begin();
        loop {
            let mut bytes = Vec::new();
            self.line += 1;
            match self.text.input.read_until(b'\n', &mut bytes) {
                Err(e) => {
                    let what = if bytes.len() > MAX_RECORD / 2 { "the line is longer than" } else { "blank lines of more than" };
                    return Some(Err(self.text.fault(self.line, &e, &format!("{what} {} MiB", MAX_RECORD >> 20))));
                }
                Ok(0) => return None,
                Ok(_) if bytes.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok((self.line, bytes))),
            }
        }
    }
}

/// The elements of a JSON array, unread.
pub struct Elements<'w> {
    text: Text<'w>,
    state: Array,
}

enum Array {
    Before,
    Within,
    Ended,
}

impl<'w> Elements<'w> {
    /// Returns the elements of a text whose [`Text::first_byte`] is `[`.
    pub fn new(text: Text<'w>) -> Elements<'w> {
        Elements { text, state: Array::Before }
    }

    /// Whether none has been read.
    pub fn is_at_start(&self) -> bool {
        matches!(self.state, Array::Before)
    }

    pub fn next(&mut self) -> Next<Vec<u8>> {
        self.text.begin();
        let mut line = self.text.lines + 1;
        match self.element(&mut line) {
            Err(e) => {
                let reason = format!("the element of the array that begins here is longer than {} MiB", MAX_RECORD >> 20);
                Some(Err(self.text.fault(line, &e, &reason)))
            }
            Ok(next) => next,
        }
    }

    /// Reads the next element; `begins` is set to the line where it begins.
    fn element(&mut self, begins: &mut u64) -> io::Result<Next<Vec<u8>>> {
        if matches!(self.state, Array::Before) {
            while self.text.byte()?.is_some_and(|b| b != b'[') {}
            self.state = Array::Within;
            if self.skip_space()? == Some(b']') {
                self.text.byte()?;
                self.state = Array::Ended;
            }
        }
        let first = self.skip_space()?;
        let line = self.text.lines + 1;
        *begins = line;
        let last = |reason: &str| Ok(Some(Err(RecordFault { line, reason: reason.into(), last: true })));
        if matches!(self.state, Array::Ended) {
            return if first.is_none() { Ok(None) } else { last("text after the end of the array; a manifest is one array") };
        }
        let (mut bytes, mut depth, mut quoted, mut escaped) = (Vec::new(), 0_u64, false, false);
        loop {
            let Some(byte) = self.text.byte()? else {
                return last("the array is not closed: the file is cut short");
            };
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'{' | b'[' => depth += 1,
                b',' | b']' if depth == 0 => {
                    if byte == b']' {
                        self.state = Array::Ended;
                    }
                    if bytes.trim_ascii().is_empty() {
                        return Ok(Some(Err(RecordFault {
                            line,
                            reason: "the array has an empty element here".into(),
                            last: false,
                        })));
                    }
                    return Ok(Some(Ok((line, bytes))));
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            bytes.push(byte);
        }
    }

    /// Skips white space, and returns the byte after it without consuming it.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.text.input.fill_buf()?.first().copied() {
                Some(byte) if byte.is_ascii_whitespace() => drop(self.text.byte()?),
                other => return Ok(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_an_array() {
        let all = |bytes: &[u8]| {
            let mut elements = Elements::new(Text::of(bytes));
            let next = |n: Result<(u64, Vec<u8>), RecordFault>| {
                n.map(|(line, b)| (line, String::from_utf8(b).unwrap().trim().to_owned()))
            };
            std::iter::from_fn(|| elements.next()).take(9).map(|n| next(n).map_err(|f| (f.line, f.last))).collect::<Vec<_>>()
        };
        let ok = |line, text: &str| Ok((line, text.to_owned()));
        assert_eq!(all(b"\n[\n {\"a\": \"],\\\"\"},\r\n [1, 2]\n]\n"), [ok(3, "{\"a\": \"],\\\"\"}"), ok(4, "[1, 2]")]);
        assert_eq!(all(b" [ ] "), []);
        assert_eq!(all(b"[1,]"), [ok(1, "1"), Err((1, false))]);
        assert_eq!(all(b"[1]\n2")[1], Err((2, true)));
        assert_eq!(all(b"[1, {")[..2], [ok(1, "1"), Err((1, true))]);
    }
}

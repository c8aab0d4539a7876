//! A manifest file: decompression, lines and records, limits, and the header of a CSV.

use super::fields::{Field, Fields};
use super::row::{Generation, Prompt, Row, Subject};
use super::{Located, Origin, Place, Problem, Resolver};
use crate::error::{Error, Result, io_reason};
use crate::vocabulary::quote;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// Longest line of a manifest, in bytes: what is longer is no row, and must not fill the memory.
const MAX_LINE: usize = 16 << 20;

/// What a manifest lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Subjects and their references.
    Subjects,
    /// Prompts.
    Prompts,
    /// Generated images.
    Generations,
}

/// An opened manifest. Its rows are read one at a time, so its size does not matter.
pub struct Manifest {
    file: Arc<Path>,
    rows: Rows,
    resolver: Resolver,
    warnings: Vec<Problem>,
    ended: bool,
}

enum Rows {
    JsonLines { input: Box<dyn BufRead>, line: u64, unknown: Vec<String> },
    Csv { input: Box<csv::Reader<Box<dyn BufRead>>>, columns: Vec<String> },
}

impl Manifest {
    /// Opens `path`; its name says what it is: `.jsonl` / `.ndjson` / `.json` or `.csv`, then perhaps
    /// `.gz` or `.zst`. `roots`, if given, are the only trees that image paths may name.
    ///
    /// # Errors
    /// The file cannot be read, or its name or header says that it is no manifest.
    pub fn open(path: &Path, kind: RowKind, roots: Option<&[std::path::PathBuf]>) -> Result<Manifest> {
        let file: Arc<Path> = path.into();
        let whole = |reason: String| Error::Manifest(vec![Problem { origin: origin(&file, Place::File), reason }]);
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (stem, input) = open_decompressed(path, &name).map_err(|e| match e {
            Opened::Io(e) => Error::io("read", path)(e),
            Opened::Is(what) => whole(format!("{what} data, but the name does not end in .{what}; rename it")),
        })?;
        let rows = if stem.ends_with(".csv") {
            let mut input = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(input);
            let columns = read_header(&mut input, kind)
                .map_err(|(line, reason)| Error::Manifest(vec![Problem { origin: origin(&file, Place::Line(line)), reason }]))?;
            Rows::Csv { input: Box::new(input), columns }
        } else if [".jsonl", ".ndjson", ".json"].iter().any(|e| stem.ends_with(e)) {
            Rows::JsonLines { input, line: 0, unknown: Vec::new() }
        } else {
            return Err(whole("the name ends in neither .jsonl nor .csv (.gz and .zst may follow)".into()));
        };
        let resolver = Resolver::new(path, roots)?;
        let mut manifest = Manifest { file, rows, resolver, warnings: Vec::new(), ended: false };
        if let Rows::Csv { columns, .. } = &manifest.rows {
            let unknown: Vec<String> = columns.iter().filter(|c| !known(kind).contains(&c.as_str())).cloned().collect();
            unknown.iter().for_each(|c| manifest.warn_unknown(c, Place::Line(1)));
        }
        Ok(manifest)
    }

    /// The next subject.
    pub fn next_subject(&mut self) -> Option<std::result::Result<Located<Subject>, Problem>> {
        self.next_row(Subject::from_fields)
    }

    /// The next prompt.
    pub fn next_prompt(&mut self) -> Option<std::result::Result<Located<Prompt>, Problem>> {
        self.next_row(Prompt::from_fields)
    }

    /// The next generation.
    pub fn next_generation(&mut self) -> Option<std::result::Result<Located<Generation>, Problem>> {
        self.next_row(Generation::from_fields)
    }

    /// Something that is to be said about the file as a whole.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem { origin: origin(&self.file, Place::File), reason: reason.into() }
    }

    /// What was odd about the file, once its rows are read.
    pub fn into_warnings(mut self) -> Vec<Problem> {
        if let Some(reason) = self.resolver.departures() {
            self.warnings.push(Problem { origin: origin(&self.file, Place::File), reason });
        }
        self.warnings
    }

    fn next_row<T: Row>(
        &mut self,
        make: impl FnOnce(&Fields<'_>, &mut Resolver) -> std::result::Result<T, String>,
    ) -> Option<std::result::Result<Located<T>, Problem>> {
        if self.ended {
            return None;
        }
        let (line, made) = match &mut self.rows {
            Rows::JsonLines { input, line, unknown } => {
                let text = match next_line(input, line) {
                    Ok(Some(text)) => text,
                    Ok(None) => {
                        self.ended = true;
                        return None;
                    }
                    Err(reason) => {
                        self.ended = true;
                        return Some(Err(Problem { origin: origin(&self.file, Place::Line(*line)), reason }));
                    }
                };
                let made = std::str::from_utf8(&text).map_err(|_| "not valid UTF-8".to_owned()).and_then(|text| {
                    let fields = Fields::from_json(text)?;
                    for (name, _) in &fields.0 {
                        if !T::FIELDS.contains(&name.as_ref()) && !unknown.iter().any(|u| u == name) {
                            unknown.push(name.to_string());
                            self.warnings.push(unknown_column(&self.file, name, Place::Line(*line)));
                        }
                    }
                    make(&fields, &mut self.resolver)
                });
                (*line, made)
            }
            Rows::Csv { input, columns } => {
                let mut record = csv::ByteRecord::new();
                match input.read_byte_record(&mut record) {
                    Ok(false) => {
                        self.ended = true;
                        return None;
                    }
                    Ok(true) => {}
                    Err(e) => {
                        self.ended = true;
                        let line = input.position().line();
                        return Some(Err(Problem { origin: origin(&self.file, Place::Line(line)), reason: csv_reason(e) }));
                    }
                }
                let line = record.position().map_or(0, csv::Position::line);
                let made =
                    csv::StringRecord::from_byte_record(record).map_err(|_| "not valid UTF-8".to_owned()).and_then(|record| {
                        if record.len() != columns.len() {
                            return Err(format!("{} fields, but the header has {}", record.len(), columns.len()));
                        }
                        let fields = columns.iter().zip(&record).map(|(n, cell)| (n.as_str().into(), Field::Csv(cell))).collect();
                        make(&Fields(fields), &mut self.resolver)
                    });
                (line, made)
            }
        };
        let origin = origin(&self.file, Place::Line(line));
        Some(match made {
            Ok(row) => {
                self.resolver.note_departures(line);
                Ok(Located { origin, row })
            }
            Err(reason) => Err(Problem { origin, reason }),
        })
    }

    fn warn_unknown(&mut self, column: &str, place: Place) {
        self.warnings.push(unknown_column(&self.file, column, place));
    }
}

fn origin(file: &Arc<Path>, place: Place) -> Origin {
    Origin { file: file.clone(), place }
}

fn unknown_column(file: &Arc<Path>, column: &str, place: Place) -> Problem {
    Problem { origin: origin(file, place), reason: format!("unknown column {}, not read", quote(column)) }
}

fn known(kind: RowKind) -> &'static [&'static str] {
    match kind {
        RowKind::Subjects => Subject::FIELDS,
        RowKind::Prompts => Prompt::FIELDS,
        RowKind::Generations => Generation::FIELDS,
    }
}

fn required(kind: RowKind) -> &'static [&'static str] {
    match kind {
        RowKind::Subjects => Subject::REQUIRED,
        RowKind::Prompts => Prompt::REQUIRED,
        RowKind::Generations => Generation::REQUIRED,
    }
}

/// The first record of a CSV. Its names must be exact: a data row eaten as a header, or `Seed ` for
/// `seed`, must not go unseen.
fn read_header(input: &mut csv::Reader<Box<dyn BufRead>>, kind: RowKind) -> std::result::Result<Vec<String>, (u64, String)> {
    let mut record = csv::StringRecord::new();
    if !input.read_record(&mut record).map_err(|e| (1, csv_reason(e)))? {
        return Ok(required(kind).iter().map(|c| c.to_string()).collect()); // an empty file: no rows, nothing to misread
    }
    let columns: Vec<String> = record.iter().map(str::to_owned).collect();
    for (i, column) in columns.iter().enumerate() {
        if column.is_empty() {
            return Err((1, format!("column {} of the header has no name", i + 1)));
        }
        if columns[..i].contains(column) {
            return Err((1, format!("column {} stands twice in the header", quote(column))));
        }
    }
    let missing: Vec<&str> = required(kind).iter().copied().filter(|r| !columns.iter().any(|c| c == r)).collect();
    if missing.is_empty() {
        return Ok(columns);
    }
    Err((
        1,
        format!(
            "the header has no column {}; it has {}",
            missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", "),
            quote(&columns.join(","))
        ),
    ))
}

fn csv_reason(e: csv::Error) -> String {
    match e.into_kind() {
        csv::ErrorKind::Io(e) => io_reason(&e),
        csv::ErrorKind::Utf8 { .. } => "not valid UTF-8".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The next line that is not blank, without its end; counts physical lines.
fn next_line(input: &mut dyn BufRead, line: &mut u64) -> std::result::Result<Option<Vec<u8>>, String> {
    loop {
        let mut text = Vec::new();
        *line += 1;
        let n = input.read_until(b'\n', &mut text).map_err(|e| io_reason(&e))?;
        if n == 0 {
            return Ok(None);
        }
        if !text.trim_ascii().is_empty() {
            return Ok(Some(text));
        }
    }
}

enum Opened {
    Io(io::Error),
    Is(&'static str),
}

/// The file's text, decompressed by its name, BOM removed, lines limited; and the name without `.gz`.
fn open_decompressed(path: &Path, name: &str) -> std::result::Result<(String, Box<dyn BufRead>), Opened> {
    let mut raw = BufReader::new(File::open(path).map_err(Opened::Io)?);
    let head = raw.fill_buf().map_err(Opened::Io)?;
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    let is_zstd = head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let (stem, text): (&str, Box<dyn Read>) = if let Some(stem) = name.strip_suffix(".gz") {
        (stem, Box::new(flate2::bufread::MultiGzDecoder::new(raw)))
    } else if let Some(stem) = name.strip_suffix(".zst") {
        (stem, Box::new(zstd::stream::read::Decoder::with_buffer(raw).map_err(Opened::Io)?))
    } else if is_gzip {
        return Err(Opened::Is("gz"));
    } else if is_zstd {
        return Err(Opened::Is("zst"));
    } else {
        (name, Box::new(raw))
    };
    let mut text = BufReader::with_capacity(1 << 16, LineLimit { inner: text, since_newline: 0 });
    let bom = text.fill_buf().map_err(Opened::Io)?.starts_with(b"\xef\xbb\xbf");
    if bom {
        text.consume(3);
    }
    Ok((stem.to_owned(), Box::new(text)))
}

/// Fails once a line grows beyond [`MAX_LINE`], before anyone holds all of it.
struct LineLimit<R> {
    inner: R,
    since_newline: usize,
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        match buffer[..n].iter().rposition(|&b| b == b'\n') {
            Some(at) => self.since_newline = n - at - 1,
            None => self.since_newline += n,
        }
        if self.since_newline > MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the line is longer than {} MiB", MAX_LINE >> 20)));
        }
        Ok(n)
    }
}

//! A manifest file: which form its rows have, and the header of a CSV.

use super::fields::{Field, Fields};
use super::parquet_rows::{ParquetRows, is_parquet};
use super::records::{Elements, Lines, Next, OpenRecords, RecordFault, Records, Text};
use super::row::{Generation, ManifestRow, Prompt, Subject};
use super::scores::{self, ScoreLine, Scores};
use super::{Located, Resolver};
use crate::error::{Error, Result};
use crate::problem::{Origin, Position, Problem};
use crate::text::quote;
use crate::vocabulary::MetricDeclaration;
use crate::watch::Stop;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The kind of row that a manifest lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Subjects and their references.
    Subjects,
    /// Prompts.
    Prompts,
    /// Generated images.
    Generations,
    /// What metrics say of generated images.
    Scores,
}

/// An opened manifest. Its rows are read one at a time, so its size does not matter.
pub struct Manifest<'w> {
    file: Arc<Path>,
    rows: RowSource<'w>,
    resolver: Resolver,
    warnings: Vec<Problem>,
    /// Keys within a column that are not read.
    unread: Vec<String>,
    /// What a score file says of its metrics.
    declared: Vec<MetricDeclaration>,
    ended: bool,
}

enum RowSource<'w> {
    Lines { lines: Lines<'w>, unknown: Vec<String>, first: bool },
    Array { elements: Elements<'w>, unknown: Vec<String> },
    Csv { records: Records<'w>, columns: Vec<String> },
    Parquet(Box<ParquetRows>),
}

impl<'w> Manifest<'w> {
    /// Opens `path`; its name says what it is: `.jsonl` / `.ndjson` / `.json` (JSON Lines, or one JSON array) or
    /// `.csv`, then perhaps `.gz` or `.zst`. `roots`, if given, are the only trees that image paths may name. Reading
    /// ends early, with a problem, once `stop` is wanted.
    ///
    /// # Errors
    /// The file cannot be read, or its name, header or first bytes say that it is not a manifest.
    pub fn open(path: &Path, kind: RowKind, roots: Option<&[std::path::PathBuf]>, stop: Stop<'w>) -> Result<Manifest<'w>> {
        let file: Arc<Path> = path.into();
        let whole = |reason: String| Error::Manifest(vec![Problem { origin: origin(&file, Position::File), reason }]);
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        if kind == RowKind::Scores && is_parquet(path) {
            let (rows, declared, warnings) = open_parquet(&file, stop).map_err(whole)?;
            let (resolver, unread) = (Resolver::new(path, roots)?, Vec::new());
            return Ok(Manifest { file, rows, resolver, warnings, unread, declared, ended: false });
        }
        let (stem, mut text) = Text::open(path, &name, stop).map_err(|e| match e {
            OpenRecords::Io(e) if e.kind() == std::io::ErrorKind::IsADirectory => {
                whole("it is a directory; give the manifests in it one by one".into())
            }
            OpenRecords::Io(e) => Error::io("read", path)(e),
            OpenRecords::Not(what) => whole(what),
        })?;
        let mut warnings = Vec::new();
        let mut declared = Vec::new();
        let rows = if stem.ends_with(".csv") {
            let mut records = Records::new(text, b',');
            let (line, columns) = read_header(&mut records, kind, &mut declared).map_err(|f| {
                Error::Manifest(vec![Problem { origin: origin(&file, Position::Line(f.line)), reason: f.reason }])
            })?;
            let unknown = columns.iter().filter(|c| !is_known(kind, c, &columns));
            warnings.extend(unknown.map(|c| unknown_column(&file, c, Position::Line(line))));
            RowSource::Csv { records, columns }
        } else if [".jsonl", ".ndjson", ".json"].iter().any(|e| stem.ends_with(e)) {
            match text.first_byte() {
                Some(b'[') => RowSource::Array { elements: Elements::new(text), unknown: Vec::new() },
                _ => RowSource::Lines { lines: Lines::new(text), unknown: Vec::new(), first: true },
            }
        } else {
            let parquet = if kind == RowKind::Scores { ", and it is not a Parquet file" } else { "" };
            return Err(whole(format!("the name ends in neither .jsonl nor .csv (.gz and .zst may follow){parquet}")));
        };
        let resolver = Resolver::new(path, roots)?;
        Ok(Manifest { file, rows, resolver, warnings, unread: Vec::new(), declared, ended: false })
    }

    /// Returns the next subject.
    pub fn next_subject(&mut self) -> Option<std::result::Result<Located<Subject>, Problem>> {
        self.next_row(Subject::from_fields)
    }

    /// Returns the next prompt.
    pub fn next_prompt(&mut self) -> Option<std::result::Result<Located<Prompt>, Problem>> {
        self.next_row(Prompt::from_fields)
    }

    /// Returns the next generation.
    pub fn next_generation(&mut self) -> Option<std::result::Result<Located<Generation>, Problem>> {
        self.next_row(Generation::from_fields)
    }

    /// Returns what metrics say of the next generation, or of a subject in it.
    pub fn next_score(&mut self) -> Option<std::result::Result<Located<Scores>, Problem>> {
        let mut is_first = matches!(self.rows, RowSource::Lines { first: true, .. })
            || matches!(&self.rows, RowSource::Array { elements, .. } if elements.is_at_start());
        loop {
            match self.next_row(ScoreLine::from_fields)? {
                Ok(Located { origin, row: ScoreLine::Row(row) }) => return Some(Ok(Located { origin, row })),
                Ok(Located { row: ScoreLine::Header(declared), .. }) if is_first => self.declared = declared,
                Ok(header) => return Some(Err(header.problem("a header; it is the first object of its file"))),
                Err(problem) => return Some(Err(problem)),
            }
            is_first = false;
        }
    }

    /// Returns what a score file says of its metrics; complete once its first row has been read.
    pub fn declared(&self) -> &[MetricDeclaration] {
        &self.declared
    }

    /// Returns a remark about the file as a whole.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem { origin: origin(&self.file, Position::File), reason: reason.into() }
    }

    /// Returns the warnings about the file, once its rows have been read.
    pub fn into_warnings(mut self) -> Vec<Problem> {
        for reason in self.resolver.remarks() {
            self.warnings.push(Problem { origin: origin(&self.file, Position::File), reason });
        }
        self.warnings
    }

    fn next_row<T: ManifestRow>(
        &mut self,
        make: impl Fn(&Fields<'_>, &mut Resolver, &mut Vec<String>) -> std::result::Result<T, String>,
    ) -> Option<std::result::Result<Located<T>, Problem>> {
        if self.ended {
            return None;
        }
        let (resolver, file, warnings) = (&mut self.resolver, &self.file, &mut self.warnings);
        let mut unread = Vec::new();
        let mut from_json = |line: u64, text: &[u8], unknown: &mut Vec<String>, resolver: &mut Resolver| {
            let text = std::str::from_utf8(text).map_err(|_| "not valid UTF-8".to_owned())?;
            let fields = Fields::from_json(text)?;
            let is_long = scores::is_long(fields.0.iter().map(|(name, _)| name.as_ref()));
            for (name, _) in &fields.0 {
                if !T::is_known(name, is_long) && !unknown.iter().any(|u| u == name) {
                    unknown.push(name.to_string());
                    warnings.push(unknown_column(file, name, Position::Line(line)));
                }
            }
            make(&fields, resolver, &mut unread)
        };
        let made: Next<std::result::Result<T, String>> = match &mut self.rows {
            RowSource::Lines { lines, unknown, first } => {
                let was_first = std::mem::take(first);
                lines.next().map(|next| {
                    let (line, text) = next?;
                    if was_first && text.trim_ascii() == b"{" {
                        let reason =
                            "an object over several lines; write one object per line (`jq -c .` does), or one JSON array";
                        return Err(RecordFault { line, reason: reason.into(), last: true });
                    }
                    Ok((line, from_json(line, &text, unknown, resolver)))
                })
            }
            RowSource::Array { elements, unknown } => {
                elements.next().map(|next| next.map(|(line, text)| (line, from_json(line, &text, unknown, resolver))))
            }
            RowSource::Csv { records, columns } => records.next().map(|next| {
                let (line, cells) = next?;
                let made = cells.texts().and_then(|texts| {
                    if texts.len() != columns.len() {
                        return Err(uneven(texts.len(), columns.len(), line, cells.last_line, records.separator()));
                    }
                    let fields = columns.iter().zip(texts).map(|(n, cell)| (n.as_str().into(), Field::Csv(cell))).collect();
                    make(&Fields(fields), resolver, &mut unread)
                });
                Ok((line, made))
            }),
            RowSource::Parquet(rows) => {
                let columns = rows.columns().clone();
                rows.next().map(|next| {
                    let (row, cells) = next?;
                    let fields = columns.iter().zip(cells).map(|(n, cell)| (n.as_str().into(), Field::Csv(cell))).collect();
                    Ok((row, make(&Fields(fields), resolver, &mut unread)))
                })
            }
        };
        let place = if matches!(self.rows, RowSource::Parquet(_)) { Position::Row } else { Position::Line };
        let Some(made) = made else {
            self.ended = true;
            return None;
        };
        if let Ok((line, _)) = &made {
            for name in unread.into_iter().filter(|name| !self.unread.contains(name)).collect::<BTreeSet<_>>() {
                self.warnings.push(unknown_column(&self.file, &name, Position::Line(*line)));
                self.unread.push(name);
            }
        }
        let problem = |line, reason| Problem { origin: origin(&self.file, place(line)), reason };
        Some(match made {
            Ok((line, Ok(row))) => {
                self.resolver.note_departures(line);
                Ok(Located { origin: origin(&self.file, place(line)), row })
            }
            Ok((line, Err(reason))) => Err(problem(line, reason)),
            Err(fault) => {
                self.ended = fault.last;
                Err(problem(fault.line, fault.reason))
            }
        })
    }
}

/// Describes a record whose number of cells differs from the header's.
fn uneven(cells: usize, columns: usize, line: u64, last_line: u64, separator: char) -> String {
    let mut reason = format!("{cells} fields, but the header has {columns}");
    if last_line > line {
        reason.push_str(&format!("; the record goes on to line {last_line}: is a quote left open?"));
    }
    if separator == ';' {
        reason.push_str("; fields are separated by `;` here, so a list needs quotes around it");
    }
    reason
}

fn origin(file: &Arc<Path>, place: Position) -> Origin {
    Origin { file: file.clone(), place }
}

fn unknown_column(file: &Arc<Path>, column: &str, place: Position) -> Problem {
    Problem { origin: origin(file, place), reason: format!("unknown column {}, not read", quote(column)) }
}

/// Opens a score file in Parquet; also returns what it says of its metrics, and warnings.
fn open_parquet(
    file: &Arc<Path>,
    stop: Stop<'_>,
) -> std::result::Result<(RowSource<'static>, Vec<MetricDeclaration>, Vec<Problem>), String> {
    let is_read = |column: &str, all: &[String]| match scores::is_long(all.iter().map(String::as_str)) {
        true => is_known(RowKind::Scores, column, all),
        false => scores::is_metric(column) || ScoreLine::FIELDS.contains(&column),
    };
    let (rows, metadata) = ParquetRows::open(file, is_read, stop)?;
    let missing: Vec<String> =
        ScoreLine::REQUIRED.iter().filter(|name| !rows.columns().iter().any(|c| c == *name)).map(|m| format!("`{m}`")).collect();
    if !missing.is_empty() {
        return Err(format!("it has no column {}; it has {}", missing.join(", "), quote(&rows.columns().join(","))));
    }
    scores::check_columns(rows.columns().iter().map(String::as_str))?;
    let header = metadata.iter().find(|(key, _)| key == scores::METADATA);
    let declared = header.map(|(_, header)| scores::header_of(header)).transpose()?;
    let unknown = rows.skipped().iter().filter(|column| !column.starts_with("__index_level_"));
    let warnings = unknown.map(|column| unknown_column(file, column, Position::File)).collect();
    Ok((RowSource::Parquet(Box::new(rows)), declared.unwrap_or_default(), warnings))
}

fn is_known(kind: RowKind, column: &str, all: &[String]) -> bool {
    match kind {
        RowKind::Subjects => Subject::is_known(column, false),
        RowKind::Prompts => Prompt::is_known(column, false),
        RowKind::Generations => Generation::is_known(column, false),
        RowKind::Scores => ScoreLine::is_known(column, scores::is_long(all.iter().map(String::as_str))),
    }
}

fn required(kind: RowKind) -> &'static [&'static str] {
    match kind {
        RowKind::Subjects => Subject::REQUIRED,
        RowKind::Prompts => Prompt::REQUIRED,
        RowKind::Generations => Generation::REQUIRED,
        RowKind::Scores => ScoreLine::REQUIRED,
    }
}

/// Reads the first record of a CSV, and says in which line it begins. Its names must be exact: a data row eaten as a
/// header, or `Seed ` for `seed`, must not go unseen. Where it is one cell that `;` or tabs part into all the names, those separate.
/// Before it, a score file may say what its metrics are.
fn read_header(
    records: &mut Records<'_>,
    kind: RowKind,
    declared: &mut Vec<MetricDeclaration>,
) -> std::result::Result<(u64, Vec<String>), RecordFault> {
    let fault = |line, reason| RecordFault { line, reason, last: true };
    let (line, cells) = loop {
        let (line, cells) = match records.next() {
            // An empty file: no rows, nothing to misread.
            None => return Ok((1, required(kind).iter().map(|c| c.to_string()).collect())),
            Some(next) => next?,
        };
        let texts = if kind == RowKind::Scores { cells.texts().map_err(|e| fault(line, e))? } else { Vec::new() };
        match scores::comment(&texts) {
            Some(rule) => declared.push(rule.map_err(|e| fault(line, e))?),
            None => break (line, cells),
        }
    };
    let mut columns: Vec<String> = cells.texts().map_err(|e| fault(line, e))?.into_iter().map(str::to_owned).collect();
    let lacks = |columns: &[String]| -> Vec<&str> {
        required(kind).iter().copied().filter(|r| !columns.iter().any(|c| c == r)).collect()
    };
    if let [only] = &columns[..] {
        for separator in [';', '\t'] {
            // A spreadsheet puts quotes around the names or leaves them out.
            let parted: Vec<String> = only.split(separator).map(|name| name.trim_matches('"').to_owned()).collect();
            if parted.len() > 1 && lacks(&parted).is_empty() {
                records.separate_by(separator as u8);
                columns = parted;
                break;
            }
        }
    }
    for (i, column) in columns.iter().enumerate() {
        if column.is_empty() {
            return Err(fault(line, format!("column {} of the header has no name", i + 1)));
        }
        if columns[..i].contains(column) {
            return Err(fault(line, format!("column {} appears twice in the header", quote(column))));
        }
    }
    let missing = lacks(&columns);
    if missing.is_empty() {
        if kind == RowKind::Scores {
            scores::check_columns(columns.iter().map(String::as_str)).map_err(|e| fault(line, e))?;
        }
        return Ok((line, columns));
    }
    let parted = columns.len() == 1 && columns[0].contains([';', '\t']);
    let advice = if parted { " (columns are separated by `,`, or by `;` or tabs throughout)" } else { "" };
    let names = missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", ");
    Err(fault(line, format!("the header has no column {names}; it has {}{advice}", quote(&columns.join(",")))))
}

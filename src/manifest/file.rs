//! A manifest file: which form its rows have, and its rows one by one.

use super::columns::Renaming;
use super::csv_records::Records;
use super::fields::{Field, Fields};
use super::header::{self, Header};
use super::parquet_rows::ParquetRows;
use super::records::{Elements, Lines, Next, OpenRecords, RecordFault, Text};
use super::row::{Generation, ManifestRow, PlacedGeneration, Prompt, Subject};
use super::scores::{self, ScoreLine, Scores};
use super::{Located, Look, Resolver};
use crate::error::{Error, Result};
use crate::input::{is_parquet, unfinished_parquet};
use crate::problem::{Origin, Position, Problem};
use crate::text::quote;
use crate::vocabulary::{MetricDeclaration, SceneType};
use crate::watch::Stop;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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

/// What a run says about its manifests that they do not say themselves.
#[derive(Debug, Clone, Default)]
pub struct ManifestSettings {
    /// The scene type of prompts that have none; `None`: such a prompt is refused.
    pub scene_type: Option<SceneType>,
    /// The names of columns in the files.
    pub renaming: Arc<Renaming>,
    /// The only trees that image paths may name; `None`: any.
    pub roots: Option<Vec<PathBuf>>,
    /// The directory that image paths are relative to; `None`: that of the manifest.
    pub home: Option<PathBuf>,
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
    reading: ManifestSettings,
    /// Prompts that were given a scene type.
    scenes_given: u64,
    /// Bytes of the values of all rows so far.
    bytes: usize,
    ended: bool,
}

enum RowSource<'w> {
    Lines { lines: Lines<'w>, unknown: Vec<String>, first: bool },
    Array { elements: Elements<'w>, unknown: Vec<String> },
    Csv { records: Records<'w>, columns: Vec<String> },
    Parquet(Box<ParquetRows>),
}

impl<'w> Manifest<'w> {
    /// Opens `path`. A Parquet file is told by its content; else the name says what it is: `.jsonl` / `.ndjson` / `.json`
    /// (JSON Lines, or one JSON array), `.csv` or `.tsv`, then perhaps `.gz` or `.zst`. ManifestSettings ends early, with a problem,
    /// once `stop` is wanted.
    ///
    /// # Errors
    /// The file cannot be read, or its name, header or first bytes say that it is not a manifest.
    pub fn open(path: &Path, kind: RowKind, reading: &ManifestSettings, stop: Stop<'w>) -> Result<Manifest<'w>> {
        let file: Arc<Path> = path.into();
        let whole = |reason: String| Error::Manifest(vec![Problem { origin: origin(&file, Position::File), reason }]);
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (mut warnings, mut declared) = (Vec::new(), Vec::new());
        let rows = if is_parquet(path) {
            let (rows, of_metrics, unread) = open_parquet(&file, kind, reading, stop).map_err(whole)?;
            (declared, warnings) = (of_metrics, unread);
            rows
        } else {
            let (stem, mut text) = Text::open(path, &name, stop).map_err(|e| match e {
                OpenRecords::Io(e) if e.kind() == std::io::ErrorKind::IsADirectory => {
                    whole("it is a directory; give the manifests in it one by one".into())
                }
                OpenRecords::Io(e) => Error::io("read", path)(e),
                OpenRecords::Not(what) => whole(what),
            })?;
            if stem.ends_with(".csv") || stem.ends_with(".tsv") {
                let mut records = Records::new(text, if stem.ends_with(".tsv") { b'\t' } else { b',' });
                let header = Header::read(&mut records, kind, reading).map_err(|f| {
                    Error::Manifest(vec![Problem { origin: origin(&file, Position::Line(f.line)), reason: f.reason }])
                })?;
                let at = |reason| Problem { origin: origin(&file, Position::Line(header.line)), reason };
                warnings.extend(header.remarks.into_iter().map(at));
                let unknown = header.columns.iter().filter(|c| !c.is_empty() && !is_known(kind, c, &header.columns));
                warnings.extend(unknown.map(|c| unknown_column(&file, c, Position::Line(header.line))));
                declared = header.declared;
                RowSource::Csv { records, columns: header.columns }
            } else if [".jsonl", ".ndjson", ".json"].iter().any(|e| stem.ends_with(e)) {
                match text.first_byte() {
                    Some(b'[') => RowSource::Array { elements: Elements::new(text), unknown: Vec::new() },
                    _ => RowSource::Lines { lines: Lines::new(text), unknown: Vec::new(), first: true },
                }
            } else {
                if let Some(reason) = unfinished_parquet(path) {
                    return Err(whole(reason));
                }
                let known = "it is not a Parquet file, and its name ends in neither .jsonl, .json, .csv nor .tsv";
                return Err(whole(format!("{known} (.gz and .zst may follow)")));
            }
        };
        let resolver = match &reading.home {
            Some(home) => Resolver::for_directory(home, reading.roots.as_deref())?,
            None => Resolver::new(path, reading.roots.as_deref())?,
        };
        let reading = reading.clone();
        Ok(Manifest {
            file,
            rows,
            resolver,
            warnings,
            unread: Vec::new(),
            declared,
            reading,
            scenes_given: 0,
            bytes: 0,
            ended: false,
        })
    }

    /// Returns the next subject.
    pub fn next_subject(&mut self) -> Option<std::result::Result<Located<Subject>, Problem>> {
        let next = self.next_row(Subject::from_fields);
        if let Some(Ok(row)) = &next {
            self.resolver.note_departures(row.origin.place);
        }
        next
    }

    /// Returns the next prompt.
    pub fn next_prompt(&mut self) -> Option<std::result::Result<Located<Prompt>, Problem>> {
        let (scene, without) = (self.reading.scene_type, Cell::new(0));
        let next = self.next_row(|fields, _, _| {
            without.set(u64::from(fields.optional_raw("scene_type").is_none()));
            Prompt::from_fields(fields, scene)
        });
        self.scenes_given += if matches!(next, Some(Ok(_))) { without.get() } else { 0 };
        next
    }

    /// Returns how many of the prompts read so far had no scene type and were given one.
    pub fn scenes_given(&self) -> u64 {
        self.scenes_given
    }

    /// Returns how many bytes the values of the rows read so far have, as they were written.
    pub fn bytes_read(&self) -> usize {
        self.bytes
    }

    /// Returns the next generation.
    pub fn next_generation(&mut self) -> Option<std::result::Result<Located<Generation>, Problem>> {
        let mut placed = match self.next_placed_generation()? {
            Ok(placed) => placed,
            Err(problem) => return Some(Err(problem)),
        };
        let look = Look::at(placed.row.take_path());
        Some(self.settle_generation(placed, look))
    }

    /// Returns the next generation before its image is looked at, which may take place elsewhere.
    pub fn next_placed_generation(&mut self) -> Option<std::result::Result<Located<PlacedGeneration>, Problem>> {
        self.next_row(PlacedGeneration::from_fields)
    }

    /// Returns a generation by a look at its image. Generations are settled in the order in which they were read.
    ///
    /// # Errors
    /// Its path, or what is there, is wrong.
    pub fn settle_generation(
        &mut self,
        placed: Located<PlacedGeneration>,
        look: Look,
    ) -> std::result::Result<Located<Generation>, Problem> {
        let Located { origin, row } = placed;
        match row.settle(look, &mut self.resolver) {
            Ok(row) => {
                self.resolver.note_departures(origin.place);
                Ok(Located { origin, row })
            }
            Err(reason) => Err(Problem { origin, reason }),
        }
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
        let renaming = &self.reading.renaming;
        let mut unread = Vec::new();
        let bytes = &mut self.bytes;
        let mut make = |fields: &Fields<'_>, resolver: &mut Resolver, unread: &mut Vec<String>| {
            *bytes += fields.bytes();
            make(fields, resolver, unread)
        };
        let mut from_json = |line: u64, text: &[u8], unknown: &mut Vec<String>, resolver: &mut Resolver| {
            let text = std::str::from_utf8(text).map_err(|_| "not valid UTF-8; save the file as UTF-8".to_owned())?;
            let mut fields = Fields::from_json(text)?;
            if let Some(reason) = of_columns(&fields) {
                return Err(reason.to_owned());
            }
            if !renaming.is_idle() {
                let mut names: Vec<String> = fields.0.iter().map(|(name, _)| name.to_string()).collect();
                renaming.rename(T::KIND, &mut names)?;
                fields.0.iter_mut().zip(names).for_each(|(field, name)| field.0 = Cow::Owned(name));
            }
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
                    let named = columns.iter().zip(texts).filter(|(name, _)| !name.is_empty());
                    let fields = named.map(|(n, cell)| (n.as_str().into(), Field::Csv(cell))).collect();
                    make(&Fields(fields), resolver, &mut unread)
                });
                Ok((line, made))
            }),
            RowSource::Parquet(rows) => {
                let columns = rows.columns().clone();
                rows.next().map(|next| {
                    let (row, cells) = next?;
                    let fields = columns.iter().zip(cells).map(|(n, cell)| (n.as_str().into(), cell)).collect();
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
            Ok((line, Ok(row))) => Ok(Located { origin: origin(&self.file, place(line)), row }),
            Ok((line, Err(reason))) => Err(problem(line, reason)),
            Err(fault) => {
                self.ended = fault.last;
                Err(problem(fault.line, fault.reason))
            }
        })
    }
}

/// What is wrong with an object that holds a whole table, as pandas' `to_json` writes it by default, or a list of the rows.
fn of_columns(fields: &Fields<'_>) -> Option<&'static str> {
    let begin =
        |first| move |(_, field): &(Cow<'_, str>, Field<'_>)| matches!(field, Field::Json(raw) if raw.get().starts_with(first));
    match &fields.0[..] {
        [only] if begin('[')(only) => Some("an object with a list in it; write that list alone, as one JSON array"),
        all if all.len() > 1
            && (all.iter().all(begin('{')) || all.iter().any(|(name, _)| name == "data") && all.iter().all(begin('['))) =>
        {
            Some(
                "a table by its columns; one object per row is read: with pandas `to_json(path, orient=\"records\", lines=True)`",
            )
        }
        _ => None,
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

/// Opens a manifest in Parquet; also returns what a score file says of its metrics, and warnings.
fn open_parquet(
    file: &Arc<Path>,
    kind: RowKind,
    reading: &ManifestSettings,
    stop: Stop<'_>,
) -> std::result::Result<(RowSource<'static>, Vec<MetricDeclaration>, Vec<Problem>), String> {
    let of_scores = kind == RowKind::Scores;
    let is_read = |column: &str, all: &[String]| match of_scores && !scores::is_long(all.iter().map(String::as_str)) {
        true => scores::is_metric(column) || ScoreLine::FIELDS.contains(&column),
        false => is_known(kind, column, all),
    };
    let rename = |names: &mut [String]| {
        reading.renaming.rename(kind, names)?;
        header::missing(kind, reading, names).map_err(|reason| format!("it has {reason}"))
    };
    let (rows, metadata) = ParquetRows::open(file, rename, is_read, stop)?;
    let mut declared = Vec::new();
    if of_scores {
        scores::check_columns(rows.columns().iter().map(String::as_str))?;
        let header = metadata.iter().find(|(key, _)| key == scores::METADATA);
        declared = header.map(|(_, header)| scores::header_of(header)).transpose()?.unwrap_or_default();
    }
    // pandas keeps its index there.
    let unknown = rows.skipped().iter().filter(|column| !column.starts_with("__index_level_"));
    let warnings = unknown.map(|column| unknown_column(file, column, Position::File)).collect();
    Ok((RowSource::Parquet(Box::new(rows)), declared, warnings))
}

fn is_known(kind: RowKind, column: &str, all: &[String]) -> bool {
    match kind {
        RowKind::Subjects => Subject::is_known(column, false),
        RowKind::Prompts => Prompt::is_known(column, false),
        RowKind::Generations => PlacedGeneration::is_known(column, false),
        RowKind::Scores => ScoreLine::is_known(column, scores::is_long(all.iter().map(String::as_str))),
    }
}

/// Returns whether rows of a kind have a field of this name; rows of scores have a field for any metric.
pub(super) fn is_field(kind: RowKind, name: &str) -> bool {
    kind == RowKind::Scores || is_known(kind, name, &[])
}

/// The columns that a row of a kind cannot do without.
pub(super) fn required(kind: RowKind, reading: &ManifestSettings) -> impl Iterator<Item = &'static str> {
    let columns = match kind {
        RowKind::Subjects => Subject::REQUIRED,
        RowKind::Prompts => Prompt::REQUIRED,
        RowKind::Generations => PlacedGeneration::REQUIRED,
        RowKind::Scores => ScoreLine::REQUIRED,
    };
    let given = reading.scene_type.is_some();
    columns.iter().copied().filter(move |column| !(given && *column == "scene_type"))
}

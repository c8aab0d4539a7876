use super::Ended;
use super::terminal::{STANDARD_OUTPUT, refuse_binary_on_terminal};
use msdata::catalog::QueryRows;
use msdata::durable::{check_target, room_beside, write_through};
use msdata::table::{Format, Head, TableWriter};
use msdata::text::plain;
use msdata::{Dataset, Error};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Longest query that is read, in bytes.
const MAX_QUERY: u64 = 16 << 20;

/// What standard input is called in messages.
const STANDARD_INPUT: &str = "standard input";

/// Run a read-only SQL query on the catalog and its views
///
/// Views: subjects, prompts, generations, subject_scores, image_scores, embeddings, image_scr,
/// cells_by_subject_count, cells_by_scene_type, worst_subjects. Comments and a semicolon at the end are fine.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata sql 'SELECT status, count(*) FROM generations GROUP BY status'
  msdata sql \"SELECT * FROM worst_subjects LIMIT 10\" --format csv
  msdata sql --file query.sql
  msdata sql - < query.sql")]
pub struct SqlArgs {
    /// One SELECT statement; `-` reads it from standard input
    #[arg(required_unless_present = "file")]
    query: Option<String>,
    /// A file with the statement
    #[arg(long, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// table, json, jsonl, csv, md, latex, arrow or parquet
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A query, and the file that it is from.
struct Query {
    text: String,
    file: Option<String>,
}

impl Query {
    fn of(text: Option<String>, file: Option<PathBuf>) -> anyhow::Result<Query> {
        let dash = Path::new("-");
        let (name, bytes) = match (file, text) {
            (Some(path), _) if path != dash => {
                let failed = |source| Error::Io { action: "read", path: path.clone(), source };
                // A pipe, such as that of `<(…)`, is as good as a file here.
                let bytes = File::open(&path).and_then(read).map_err(failed)?;
                (plain(&path.display().to_string()).into_owned(), bytes)
            }
            (None, Some(text)) if text != "-" => return Ok(Query { text, file: None }),
            _ => {
                let failed = |source| Error::Io { action: "read", path: STANDARD_INPUT.into(), source };
                (STANDARD_INPUT.to_owned(), read(io::stdin().lock()).map_err(failed)?)
            }
        };
        let text = String::from_utf8(bytes).map_err(|_| {
            anyhow::anyhow!("{name}: a query must be UTF-8 text (`iconv -f UTF-16 -t UTF-8` converts what PowerShell writes)")
        })?;
        Ok(Query { text, file: Some(name) })
    }

    /// Names the file and the line of what was refused.
    fn placed(&self, e: Error) -> anyhow::Error {
        match (e, &self.file) {
            (Error::Query { reason, place: Some(place) }, Some(file)) => {
                anyhow::anyhow!("{file}:{}:{}: query refused: {reason}", place.line, place.character)
            }
            (Error::Query { reason, place: None }, Some(file)) => anyhow::anyhow!("{file}: query refused: {reason}"),
            (e, _) => e.into(),
        }
    }
}

/// Reads a query to its end.
fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match from.take(MAX_QUERY + 1).read_to_end(&mut bytes)? as u64 {
        0..=MAX_QUERY => Ok(bytes),
        _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {} MiB", MAX_QUERY >> 20))),
    }
}

impl SqlArgs {
    pub fn run(self, dataset: &Path) -> anyhow::Result<Ended> {
        refuse_binary_on_terminal(self.format, self.out.as_deref());
        self.out.as_deref().map_or(Ok(()), check_target)?;
        let data = Dataset::open_to_read(dataset)?;
        let query = Query::of(self.query, self.file)?;
        let answered = match &self.out {
            Some(path) => {
                let room = room_beside(path);
                write_through(path, |out| answer(data, &query.text, self.format, (path, &room), out))
            }
            None => {
                let place = (Path::new(STANDARD_OUTPUT), &*std::env::temp_dir());
                answer(data, &query.text, self.format, place, &mut io::stdout().lock())
            }
        };
        answered.map_err(|e| query.placed(e))?;
        Ok(Ended::Done)
    }
}

/// Writes the rows of a query to `out`, which is called `place`; what is kept until all rows are there lies in `room`.
fn answer(
    mut data: Dataset,
    query: &str,
    format: Format,
    (place, room): (&Path, &Path),
    out: &mut dyn Write,
) -> msdata::Result<()> {
    let failed = |source: io::Error| match source.kind() {
        // Arrow and Parquet take one type for a column.
        io::ErrorKind::InvalidData => Error::Query { reason: source.to_string(), place: None },
        _ => Error::Io { action: "write", path: place.into(), source },
    };
    // Both callbacks write to one table, which begins when the columns are known.
    let out = RefCell::new(Some(BufWriter::new(out)));
    let table = RefCell::new(None);
    let rows = QueryRows {
        columns: &mut |names| {
            if let Some(out) = out.take() {
                let begun = TableWriter::new(out, format, Head::new(names.to_vec())).map_err(failed)?;
                *table.borrow_mut() = Some(begun.spooling_in(room));
            }
            Ok(())
        },
        row: &mut |cells| table.borrow_mut().as_mut().map_or(Ok(()), |t| t.row(cells).map_err(failed)),
    };
    data.query(query, rows)?;
    table.into_inner().map_or(Ok(()), |table| table.finish().map(drop).map_err(failed))
}

use super::Ended;
use super::terminal::refuse_binary_on_terminal;
use msdata::catalog::QueryRows;
use msdata::durable::{check_target, write_through};
use msdata::table::{Format, Head, TableWriter};
use msdata::{Dataset, Error};
use std::cell::RefCell;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Run a read-only SQL query on the catalog and its views
///
/// Views: subjects, prompts, generations, subject_scores, image_scores, embeddings, image_scr,
/// cells_by_subject_count, cells_by_scene_type, worst_subjects.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata sql 'SELECT status, count(*) FROM generations GROUP BY status'
  msdata sql \"SELECT * FROM worst_subjects LIMIT 10\" --format csv")]
pub struct SqlArgs {
    /// One SELECT statement
    query: String,
    /// table, json, jsonl, csv, md, latex, arrow or parquet
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl SqlArgs {
    pub fn run(self, dataset: &Path) -> anyhow::Result<Ended> {
        refuse_binary_on_terminal(self.format, self.out.as_deref());
        self.out.as_deref().map_or(Ok(()), check_target)?;
        let data = Dataset::open_to_read(dataset)?;
        match &self.out {
            Some(path) => write_through(path, |out| answer(data, &self.query, self.format, path, out))?,
            None => answer(data, &self.query, self.format, Path::new("standard output"), &mut io::stdout().lock())?,
        }
        Ok(Ended::Done)
    }
}

/// Writes the rows of a query to `out`, which is called `place`.
fn answer(mut data: Dataset, query: &str, format: Format, place: &Path, out: &mut dyn Write) -> msdata::Result<()> {
    let failed = |source: io::Error| match source.kind() {
        // Arrow and Parquet take one type for a column.
        io::ErrorKind::InvalidData => Error::Query(source.to_string()),
        _ => Error::Io { action: "write", path: place.into(), source },
    };
    // Both callbacks write to one table, which begins when the columns are known.
    let out = RefCell::new(Some(BufWriter::new(out)));
    let table = RefCell::new(None);
    let rows = QueryRows {
        columns: &mut |names| {
            if let Some(out) = out.take() {
                *table.borrow_mut() = Some(TableWriter::new(out, format, Head::new(names.to_vec())).map_err(failed)?);
            }
            Ok(())
        },
        row: &mut |cells| table.borrow_mut().as_mut().map_or(Ok(()), |t| t.row(cells).map_err(failed)),
    };
    data.query(query, rows)?;
    table.into_inner().map_or(Ok(()), |table| table.finish().map(drop).map_err(failed))
}

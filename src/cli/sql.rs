use super::Ended;
use msdata::catalog::QueryRows;
use msdata::table::{Format, Head, TableWriter};
use msdata::{Dataset, Error};
use std::cell::RefCell;
use std::io::{self, BufWriter};
use std::path::Path;

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
    /// table, json, jsonl, csv, md or latex
    #[arg(long, default_value = "table")]
    format: Format,
}

impl SqlArgs {
    pub fn run(self, dataset: &Path) -> anyhow::Result<Ended> {
        let mut data = Dataset::open_to_read(dataset)?;
        // Both callbacks write to one table, which begins when the columns are known.
        let table = RefCell::new(None);
        let failed = |source: io::Error| Error::Io { action: "write", path: "standard output".into(), source };
        let rows = QueryRows {
            columns: &mut |names| {
                let out = BufWriter::new(io::stdout().lock());
                *table.borrow_mut() = Some(TableWriter::new(out, self.format, Head::new(names.to_vec())).map_err(failed)?);
                Ok(())
            },
            row: &mut |cells| table.borrow_mut().as_mut().map_or(Ok(()), |t| t.row(cells).map_err(failed)),
        };
        data.query(&self.query, rows)?;
        if let Some(table) = table.into_inner() {
            table.finish()?;
        }
        Ok(Ended::Done)
    }
}

use super::terminal::results;
use super::{Ended, Terminal};
use msdata::Dataset;
use std::io::Write;
use std::path::Path;

/// Print one hash of all results, to compare two machines or two runs at a glance
///
/// Covers subjects, prompts, generations with the content and state of their images, encoders, vectors and scores.
/// Leaves out paths, times, reasons of failures, `meta`, the queue of `run`, and the order in which things came.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  msdata digest\n  diff <(msdata -d a digest --tables) <(msdata -d b digest --tables)")]
pub struct DigestArgs {
    /// First print one line per table: where do two data sets differ?
    #[arg(long)]
    tables: bool,
}

impl DigestArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        let digest = terminal.watch(|watch| data.digest(watch))?;
        let mut out = results();
        if self.tables {
            for table in &digest.tables {
                writeln!(out, "{}  {} ({} rows)", table.blake3, table.table, table.rows)?;
            }
        }
        writeln!(out, "{}", digest.blake3)?;
        Ok(Ended::Done)
    }
}

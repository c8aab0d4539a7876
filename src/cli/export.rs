use super::{Ended, Terminal};
use msdata::Dataset;
use std::path::{Path, PathBuf};

/// Write Parquet tables for pandas, DuckDB, Polars and Spark
///
/// subjects, prompts, generations, subject_scores, image_scores, and embeddings/ENCODER/part-*.parquet.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata export tables && duckdb -c \"FROM 'tables/image_scores.parquet' LIMIT 5\"")]
pub struct ExportArgs {
    /// The directory to write; must be new or empty
    dir: PathBuf,
}

impl ExportArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        terminal.watch(|watch| data.export(&self.dir, watch))?;
        terminal.say(format!("wrote {}", self.dir.display()));
        Ok(Ended::Done)
    }
}

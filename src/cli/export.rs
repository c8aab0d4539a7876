use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::vocabulary::EncoderName;
use std::path::{Path, PathBuf};

/// Write Parquet tables for pandas, DuckDB, Polars and Spark
///
/// subjects, prompts, generations, subject_scores, image_scores, and embeddings/ENCODER/part-*.parquet.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata export tables && duckdb -c \"FROM 'tables/image_scores.parquet' LIMIT 5\"")]
pub struct ExportArgs {
    /// The directory to write; must be new or empty
    dir: PathBuf,
    /// Write only this encoder's vectors
    ///
    /// As part-*.parquet, without a folder of their own.
    #[arg(long, value_name = "ENCODER")]
    embeddings: Option<EncoderName>,
}

impl ExportArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        terminal.watch(|watch| match &self.embeddings {
            Some(encoder) => data.export_vectors(encoder, &self.dir, watch),
            None => data.export(&self.dir, watch),
        })?;
        terminal.say(format!("wrote {}", self.dir.display()));
        Ok(Ended::Done)
    }
}

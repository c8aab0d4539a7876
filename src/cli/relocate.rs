use super::{Ended, Terminal};
use msdata::Dataset;
use std::path::{Path, PathBuf};

/// Tell the catalog that images were moved
///
/// From now on all paths below OLD begin with NEW; if that fails, none do. Files are read only where their size or time
/// differs from what the catalog has; their content must be the same.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  mv images /data/images && msdata relocate images /data/images")]
pub struct RelocateArgs {
    /// The directory (or file) that the catalog knows
    old: PathBuf,
    /// The directory (or file) that holds the images now
    new: PathBuf,
    /// Change nothing; only say what would change
    #[arg(long)]
    dry_run: bool,
}

impl RelocateArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let mut data = Dataset::open_to_write(dataset)?;
        let done = terminal.watch(|watch| data.relocate(&self.old, &self.new, self.dry_run, watch))?;
        let would = if self.dry_run { "would be " } else { "" };
        terminal.say(format!("{} images {would}relocated, {} of them read to be sure", done.moved, done.read));
        if done.absent > 0 {
            terminal.warn(format!("{} images are in neither place; `msdata ingest` marks them as missing", done.absent));
        }
        Ok(Ended::Done)
    }
}

use super::{Ended, Terminal};
use msdata::Dataset;
use std::path::{Path, PathBuf};

/// Make an empty data set
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata init stress-test")]
pub struct Init {
    /// Where; the directory is made if it is not there [default: --dataset]
    dir: Option<PathBuf>,
}

impl Init {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let dir = self.dir.as_deref().unwrap_or(dataset);
        Dataset::init(dir)?;
        terminal.say(format!("made an empty data set in {}", dir.display()));
        Ok(Ended::Done)
    }
}

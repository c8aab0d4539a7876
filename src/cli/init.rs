use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::catalog::PathRule;
use std::path::{Path, PathBuf};

/// Make an empty data set
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  msdata init stress-test\n  msdata init --relative stress-test")]
pub struct InitArgs {
    /// The directory, made if it does not exist [default: --dataset]
    dir: Option<PathBuf>,
    /// Keep paths of images relative to the data set
    ///
    /// A folder that holds both can then be moved and shared.
    #[arg(long)]
    relative: bool,
}

impl InitArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let dir = self.dir.as_deref().unwrap_or(dataset);
        Dataset::init_with(dir, if self.relative { PathRule::Relative } else { PathRule::Absolute })?;
        terminal.say(format!("made an empty data set in {}", dir.display()));
        Ok(Ended::Done)
    }
}

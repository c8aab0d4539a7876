use super::{Ended, Terminal};
use msdata::Dataset;
use std::path::Path;

/// Score what is embedded and not scored
///
/// `ingest` does so by itself; this goes on where it was interrupted.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata embed --encoder paper && msdata score")]
pub struct Score {}

impl Score {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let mut data = Dataset::open_to_write(dataset)?;
        let scored = terminal.watch(|watch| data.score(watch))?;
        terminal.say(format!("scored {scored} generations (counted once an encoder)"));
        let images = data.images()?;
        Ok(if images.missing + images.unusable > 0 { Ended::Incomplete } else { Ended::Done })
    }
}

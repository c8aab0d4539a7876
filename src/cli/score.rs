use super::ingest::name_unusable;
use super::{Ended, Terminal};
use msdata::Dataset;
use std::path::Path;

/// Score what is embedded but not yet scored
///
/// `ingest` and `embed` do this by themselves; this command continues where they were interrupted.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata score")]
pub struct ScoreArgs {}

impl ScoreArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let mut data = Dataset::open_to_write(dataset)?;
        let scored = terminal.watch(|watch| data.score(watch))?;
        terminal.say(format!("scored {scored} generations (counted once per encoder)"));
        let images = data.images()?;
        name_unusable(images, &data.unusable_images()?, terminal);
        Ok(if images.missing + images.unusable > 0 { Ended::Incomplete } else { Ended::Done })
    }
}

use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::ops::{ImagePlace, PublishOptions};
use std::path::{Path, PathBuf};

/// Write the data set for others: tables, images, dataset card, Croissant metadata
///
/// DIR loads with `datasets.load_dataset`, validates with `mlcroissant`, and comes back with `msdata ingest --from published
/// DIR`, with the same `msdata digest`. What only you know (licence, creators, biases, …) is in card.toml: `--init` writes
/// one to fill in. No path or name of this machine is published; the same data give the same bytes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  msdata publish --init\n  msdata publish ../published")]
pub struct PublishArgs {
    /// The directory to write; must be new or empty
    #[arg(required_unless_present = "init", conflicts_with = "init")]
    dir: Option<PathBuf>,
    /// Write a card.toml to fill in, with comments
    ///
    /// An existing file is left as it is.
    #[arg(long)]
    init: bool,
    /// What you say about the data set [default: card.toml in it]
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Where the images go: inside the tables, or beside them
    #[arg(long, value_name = "PLACE", default_value = "inside")]
    images: ImagePlace,
    /// Leave the meta data of generations out
    #[arg(long)]
    without_meta: bool,
}

impl PublishArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        let Some(dir) = self.dir else {
            let path = data.write_card(self.card.as_deref())?;
            terminal.say(format!("wrote {}: fill it in, then `msdata publish DIR`", path.display()));
            return Ok(Ended::Done);
        };
        let options = PublishOptions { card: self.card, images: self.images, without_meta: self.without_meta };
        let done = terminal.watch(|watch| data.publish(&dir, &options, watch))?;
        terminal.say(format!("wrote {}: {} tables, {} images", dir.display(), done.tables, done.images));
        if done.absent > 0 {
            terminal.say(format!("{} images are missing or unusable: rows without an image, with the reason", done.absent));
        }
        Ok(Ended::Done)
    }
}

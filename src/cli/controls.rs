use super::embed::{self, Embedding};
use super::{Ended, Terminal};
use msdata::Dataset;
use std::path::Path;

/// Make images that no model made, to compare models with
#[derive(clap::Args)]
pub struct ControlsArgs {
    #[command(subcommand)]
    verb: ControlsCommand,
}

#[derive(clap::Subcommand)]
enum ControlsCommand {
    Make(MakeArgs),
}

/// Paste every prompt's own references together: the ceiling of its similarity
///
/// Composites become generations of the control model `control:composite`, single references those of
/// `control:crop`; both are embedded and scored like any other. `msdata report --controls` then shows where a
/// model stands between chance and the ceiling. Running it again makes only what has changed.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata controls make && msdata report --controls")]
struct MakeArgs {
    #[command(flatten)]
    embedding: Embedding,
}

impl ControlsArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let ControlsCommand::Make(make) = self.verb;
        let mut data = Dataset::open_to_write(dataset)?;
        let options = make.embedding.options(false, Vec::new());
        let summary = terminal.watch(|watch| data.make_controls(&options, watch))?;
        let lacking = if summary.lacking > 0 { format!(", none for {} prompts", summary.lacking) } else { String::new() };
        terminal.say(format!("composites: {}{lacking}; {} image files written", summary.composites, summary.written));
        embed::print(&summary.embedded, terminal);
        terminal.say(format!("scores: {} new", summary.scored));
        let images = summary.images;
        let incomplete = summary.embedded.lacks_images() || summary.lacking > 0 || images.missing + images.unusable > 0;
        Ok(if incomplete { Ended::Incomplete } else { Ended::Done })
    }
}

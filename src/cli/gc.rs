use super::terminal::results;
use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::text::plain;
use std::io::Write;
use std::path::Path;

/// List files in the data set that nobody needs; with --yes, remove them
///
/// Parts that the catalog does not name, temporary files and drafts of killed runs, pictures of `controls make` whose
/// prompts are gone. Images of generators stay, whether the catalog names them or not.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  msdata gc\n  msdata gc --yes")]
pub struct GcArgs {
    /// Remove them
    #[arg(long)]
    yes: bool,
}

impl GcArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let found = Dataset::collect_garbage(dataset, self.yes)?;
        let mut out = results();
        for garbage in &found {
            writeln!(out, "{}: {} ({} bytes)", plain(&garbage.path.display().to_string()), garbage.kind, garbage.bytes)?;
        }
        let bytes: u64 = found.iter().map(|garbage| garbage.bytes).sum();
        let kept: Vec<_> = found.iter().filter(|garbage| self.yes && garbage.path.symlink_metadata().is_ok()).collect();
        let freed = bytes - kept.iter().map(|garbage| garbage.bytes).sum::<u64>();
        match (found.len(), self.yes) {
            (0, _) => terminal.say("nothing to remove"),
            (n, true) => terminal.say(format!("removed {} of {n}, {:.1} MB", n - kept.len(), freed as f64 / 1e6)),
            (n, false) => terminal.say(format!("{n} to remove, {:.1} MB; `msdata gc --yes` removes them", bytes as f64 / 1e6)),
        }
        if !kept.is_empty() {
            terminal.say("a process that is still reading may need the others; run the command again later");
        }
        Ok(Ended::Done)
    }
}

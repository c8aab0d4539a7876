use super::{Ended, Terminal, findings};
use msdata::Dataset;
use msdata::table::Format;
use std::path::Path;

/// Check the pool of subjects
#[derive(clap::Args)]
pub struct SubjectsArgs {
    #[command(subcommand)]
    action: SubjectsCommand,
}

#[derive(clap::Subcommand)]
enum SubjectsCommand {
    Check(CheckSubjectsArgs),
}

impl SubjectsArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        match self.action {
            SubjectsCommand::Check(action) => action.run(dataset, terminal),
        }
    }
}

/// Check the reference images
///
/// Finds references that are missing, unreadable, too small, blurred, nearly blank, the same as another or like it;
/// references with transparent pixels whose hidden colours count; subjects whose references are less like each other
/// than like another subject's; missing licences. Exit status 1 if anything was found.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata subjects check
  msdata subjects check --format csv > findings.csv")]
struct CheckSubjectsArgs {
    /// table, json, jsonl, csv, md or latex
    #[arg(long, default_value = "table")]
    format: Format,
}

impl CheckSubjectsArgs {
    fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        let found = terminal.watch(|watch| data.subjects_check(watch))?;
        let ended = findings::write(&found.findings, self.format)?;
        terminal.say(format!("{} subjects, {} references, {} findings", found.subjects, found.references, found.findings.len()));
        match found.encoders.as_slice() {
            [] => terminal.say("no encoder that knows identities: did not check whether references disagree"),
            names => terminal.say(format!("references compared with {}", names.join(", "))),
        }
        Ok(ended)
    }
}

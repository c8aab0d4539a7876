use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::generator::System;
use msdata::vocabulary::{ModelName, plain};
use std::path::{Path, PathBuf};

/// Make a stress test of one's own, and check any
#[derive(clap::Args)]
pub struct Bench {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Export(Export),
}

impl Bench {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        match self.action {
            Action::Export(action) => action.run(dataset, terminal),
        }
    }
}

/// Write the stress test as a generator reads it, with its references and the commands to run
///
/// The folder's README has the commands, and says what the generator cannot do; msdata-export.json lets
/// `msdata ingest --from` know every image again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata bench export --for xverse to-xverse
  msdata bench export --for jsonl --model MyModel to-mymodel
  msdata ingest --from xverse to-xverse")]
struct Export {
    /// Whose way: xverse, mosaic, psr, jobs (as the runners of the stress test's authors read), jsonl (for a script)
    #[arg(long = "for", value_name = "FORMAT")]
    system: System,
    /// What the images will be filed under
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,
    /// The seeds; those of the stress test if not given
    #[arg(long, value_name = "N,…", value_delimiter = ',', allow_hyphen_values = true)]
    seeds: Option<Vec<i64>>,
    /// Where; must be new or empty
    dir: PathBuf,
}

impl Export {
    fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        let (model, seeds) = (self.model.as_ref(), self.seeds.as_deref());
        let done = terminal.watch(|watch| data.bench_export(self.system, &self.dir, model, seeds, watch))?;
        for left_out in &done.left_out {
            terminal.warn(format!("prompt {} is left out: {}", plain(&left_out.prompt_id), left_out.reason));
        }
        terminal.say(format!(
            "{} prompts, {} images asked for; {} prompts left out",
            done.prompts,
            done.images,
            done.left_out.len()
        ));
        terminal.say(format!("{} has the commands to run", self.dir.join("README.md").display()));
        Ok(Ended::Done)
    }
}

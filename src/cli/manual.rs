use super::{Cli, Ended};
use anyhow::Context;
use clap::CommandFactory;
use std::path::PathBuf;

/// Print the completions for a shell
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata completions bash > ~/.local/share/bash-completion/completions/msdata")]
pub struct Completions {
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run(self) -> anyhow::Result<Ended> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "msdata", &mut text);
        std::io::Write::write_all(&mut std::io::stdout().lock(), &text)?;
        Ok(Ended::Done)
    }
}

/// Write the manual pages into a directory
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata man ~/.local/share/man/man1")]
pub struct Man {
    /// The directory, made if it does not exist
    dir: PathBuf,
}

impl Man {
    pub fn run(self) -> anyhow::Result<Ended> {
        let context = || format!("cannot write manual pages into {}", self.dir.display());
        std::fs::create_dir_all(&self.dir).with_context(context)?;
        clap_mangen::generate_to(Cli::command(), &self.dir).with_context(context)?;
        Ok(Ended::Done)
    }
}

use super::ingest::usage;
use super::terminal::results;
use super::{Ended, command};
use anyhow::Context;
use msdata::text::plain;
use std::path::PathBuf;

/// Explain a command and its options at length
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  msdata help ingest\n  msdata help bench build")]
pub struct HelpArgs {
    /// The command [default: msdata itself]
    command: Vec<String>,
}

impl HelpArgs {
    pub fn run(self) -> anyhow::Result<Ended> {
        let mut command = command();
        command.build();
        for name in &self.command {
            let Some(below) = command.find_subcommand(name) else {
                let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
                let near = nearest(name, &known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                usage(format!("there is no command `{}`{near}", plain(name)));
            };
            command = below.clone();
        }
        let text = command.render_long_help().to_string();
        std::io::Write::write_all(&mut results(), text.as_bytes())?;
        Ok(Ended::Done)
    }
}

/// The name most like one that is not known.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let common = |other: &str| name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    known.iter().copied().filter(|other| common(other) >= 2).max_by_key(|other| common(other))
}

/// Print the completions for a shell
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata completions bash > ~/.local/share/bash-completion/completions/msdata")]
pub struct Completions {
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run(self) -> anyhow::Result<Ended> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "msdata", &mut text);
        std::io::Write::write_all(&mut results(), &text)?;
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
        clap_mangen::generate_to(command(), &self.dir).with_context(context)?;
        Ok(Ended::Done)
    }
}

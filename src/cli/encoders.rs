use super::terminal::{path_to_standard_output, refuse_binary_on_terminal, results};
use super::{Ended, Terminal};
use msdata::encoder::registry::{self, NamedEncoder};
use msdata::encoder::{BUILTIN, Described, EncoderDirectory, EncoderOrigin, Home, Patience, RemovedEncoder, pull};
use msdata::table::{Cell, Format, Head, TableWriter};
use msdata::text::{plain, quote, shell_word};
use msdata::vocabulary::EncoderName;
use std::io::BufWriter;
use std::path::PathBuf;

/// List, fetch, add and remove encoders on this machine
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata encoders list
  msdata encoders pull paper
  msdata encoders add ../my-encoder && msdata embed --encoder my-encoder")]
pub struct EncodersArgs {
    #[command(subcommand)]
    verb: EncodersCommand,
}

#[derive(clap::Subcommand)]
enum EncodersCommand {
    /// List what is here and what can be fetched
    List {
        /// table, json, jsonl, csv, md, latex, arrow or parquet
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Fetch encoders by name from the Hugging Face hub (`paper`: the paper's three)
    Pull {
        /// The names of the encoders
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Register a directory under its name; it stays where it is
    Add {
        /// A directory in the layout of the Hugging Face hub
        dir: PathBuf,
    },
    /// Remove encoders from this machine; data sets keep their vectors
    Remove {
        /// The names of the encoders
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Print an encoder's directory
    Path {
        /// The name of the encoder
        name: EncoderName,
    },
}

impl EncodersArgs {
    pub fn run(self, terminal: &Terminal) -> anyhow::Result<Ended> {
        let home = Home::from_env()?;
        match self.verb {
            EncodersCommand::List { format } => list(&home, format)?,
            EncodersCommand::Pull { names } => {
                let mut wanted: Vec<&NamedEncoder> = Vec::new();
                for word in &names {
                    for name in registry::expand(word) {
                        let known = registry::ENCODERS.iter().map(|e| e.name).collect::<Vec<_>>().join(", ");
                        wanted.push(
                            registry::find(name)
                                .ok_or_else(|| anyhow::anyhow!("no encoder is called `{name}`; the known ones are {known}"))?,
                        );
                    }
                }
                for encoder in wanted {
                    let dir = terminal.watch(|watch| pull(encoder, &home, Patience::default(), watch))?;
                    terminal.say(format!("{} is in {}", encoder.name, dir.display()));
                }
            }
            EncodersCommand::Add { dir } => {
                let described = EncoderDirectory::read(&dir)?;
                let added = home.add(&described.name, &dir)?;
                terminal.say(format!("{} is {}", added.name, added.path.display()));
            }
            EncodersCommand::Remove { names } => {
                for word in names.iter().flat_map(|word| registry::expand(word)) {
                    remove(word, &home, terminal)?;
                }
            }
            EncodersCommand::Path { name } => {
                let dir = match home.path(&name)? {
                    Some(installed) => installed.path,
                    // The cell says why it is not here.
                    None => Described::find(name.as_str(), &home)?.remove(0).directory().to_owned(),
                };
                path_to_standard_output(&dir)?;
            }
        }
        Ok(Ended::Done)
    }
}

fn remove(word: &str, home: &Home, terminal: &Terminal) -> anyhow::Result<()> {
    anyhow::ensure!(word != BUILTIN, "{BUILTIN} is built into msdata and cannot be removed");
    let name = EncoderName::new(word).map_err(|e| anyhow::anyhow!("{}: {e}", quote(word)))?;
    let RemovedEncoder { installed, freed, shared, left } = home.remove(&name)?;
    let again = match installed.origin {
        EncoderOrigin::Pulled => {
            terminal.say(format!("removed {name}: {freed} bytes freed"));
            if shared > 0 {
                terminal.say(format!("  {shared} bytes are in the hub's cache too, and stay there"));
            }
            format!("pull {name}")
        }
        EncoderOrigin::Added => {
            let path = installed.path.display().to_string();
            terminal.say(format!("took {name} off the list: nothing freed, {} stays", plain(&path)));
            format!("add {}", shell_word(&installed.path))
        }
    };
    match left {
        Some(left) => terminal.say(format!("  {name} is {} now, which was pulled", plain(&left.path.display().to_string()))),
        None => terminal.say(format!(
            "  data sets that use it keep their vectors and scores; to embed more by it: `msdata encoders {again}`"
        )),
    }
    Ok(())
}

fn list(home: &Home, format: Format) -> anyhow::Result<()> {
    refuse_binary_on_terminal(format, None);
    let out = BufWriter::new(results());
    let columns = ["encoder", "here", "path"].map(str::to_owned).to_vec();
    let mut table = TableWriter::new(out, format, Head::new(columns))?;
    let installed = home.list()?;
    let text = |text: &str| Cell::Text(text.to_owned());
    table.row(&[text(BUILTIN), text("built in"), Cell::Null])?;
    for encoder in &installed {
        let here = match encoder.origin {
            _ if !encoder.path.is_dir() => "added, but its directory is gone",
            EncoderOrigin::Pulled => "pulled",
            EncoderOrigin::Added => "added",
        };
        table.row(&[text(encoder.name.as_str()), text(here), text(&encoder.path.display().to_string())])?;
    }
    for encoder in registry::ENCODERS.iter().filter(|e| !installed.iter().any(|i| i.name.as_str() == e.name)) {
        let here = if encoder.export.is_some() { "no, `msdata encoders pull` fetches it" } else { "no, to be exported by hand" };
        table.row(&[text(encoder.name), text(here), Cell::Null])?;
    }
    table.finish()?;
    Ok(())
}

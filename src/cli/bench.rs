use super::terminal::{refuse_binary_on_terminal, results};
use super::{Ended, Terminal, findings};
use msdata::Dataset;
use msdata::generator::System;
use msdata::ops::{Counts, StressTestOptions, StressTestSummary};
use msdata::stress_test::{Design, MAX_TOKENS, TokenCounter};
use msdata::table::{Cell, Format, Head, TableWriter};
use msdata::vocabulary::{ModelName, SceneType, SubjectId, SubjectKind};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Make your own stress test, or check one
#[derive(clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    action: BenchCommand,
}

#[derive(clap::Subcommand)]
enum BenchCommand {
    Build(BuildArgs),
    Check(CheckArgs),
    Export(ExportPromptsArgs),
}

impl BenchArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        match self.action {
            BenchCommand::Build(action) => action.run(dataset, terminal),
            BenchCommand::Check(action) => action.run(dataset, terminal),
            BenchCommand::Export(action) => action.run(dataset, terminal),
        }
    }
}

/// Make the prompts of a stress test from subjects, or from a directory of images
///
/// Subject counts × scene types × prompts per cell; each subject is used about equally often. The same subjects and options
/// give the same prompts every time. The prompts and the seeds go into the data set, all or nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata bench build --dry-run
  msdata bench build --images ../references --seeds 1,2,3,4
  msdata bench build --kinds human,animal --counts 2,4 --per-cell 10 --out prompts.jsonl")]
struct BuildArgs {
    /// Take the subjects from this directory
    ///
    /// One file or one folder each, named after what it shows.
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Numbers of subjects in a prompt
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "2,4,6,8,10")]
    counts: Vec<usize>,
    /// Scene types
    #[arg(long, value_name = "SCENE,…", value_delimiter = ',', default_value = "neutral,occlusion,interaction")]
    scenes: Vec<SceneType>,
    /// Prompts for each subject count and scene type
    #[arg(long, value_name = "K", default_value = "5")]
    per_cell: usize,
    /// Seeds to generate every prompt with
    #[arg(long, value_name = "SEED,…", value_delimiter = ',', default_value = "42,43,44", allow_hyphen_values = true)]
    seeds: Vec<i64>,
    /// Another number gives other prompts
    #[arg(long, value_name = "N", default_value = "0")]
    random_seed: u64,
    /// Only subjects of these kinds: human, animal, object
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    kinds: Vec<SubjectKind>,
    /// Leave this subject out (repeatable)
    #[arg(long, value_name = "ID")]
    exclude: Vec<SubjectId>,
    /// Most prompts of one cell that use a subject
    ///
    /// A cell is a subject count and a scene type.
    #[arg(long, value_name = "K")]
    max_per_cell: Option<usize>,
    /// Also write the prompts to this manifest
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace prompts and seeds that differ from those already there
    #[arg(long)]
    replace: bool,
    /// Change nothing; print the prompts
    #[arg(long)]
    dry_run: bool,
    /// How --dry-run prints: table, json, jsonl, csv, md, latex, arrow or parquet
    #[arg(long, default_value = "table")]
    format: Format,
}

impl BuildArgs {
    fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        if self.dry_run {
            refuse_binary_on_terminal(self.format, None);
        }
        let options = StressTestOptions {
            images: self.images,
            shape: Design {
                counts: self.counts,
                scenes: self.scenes,
                per_cell: self.per_cell,
                max_per_cell: self.max_per_cell,
                random_seed: self.random_seed,
            },
            seeds: self.seeds,
            kinds: self.kinds,
            exclude: self.exclude,
            out: self.out,
            replace: self.replace,
            dry_run: self.dry_run,
        };
        let mut data = Dataset::open_to_write(dataset)?;
        let made = terminal.watch(|watch| data.build_stress_test(&options, watch))?;
        if options.dry_run {
            write_prompts(&made, self.format)?;
        }
        say(&made, &options, terminal);
        Ok(Ended::Done)
    }
}

/// Check the prompts of the data set, or of a manifest that uses its subjects
///
/// Prompts per cell, balance of use, subjects named but not listed or listed but not named, texts longer than CLIP
/// takes, repeated sets of subjects, references that look alike. Exit status 1 if anything was found.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata bench check
  msdata bench check prompts.jsonl --format csv")]
struct CheckArgs {
    /// A prompts manifest; its subjects must be in the data set [default: the data set's prompts]
    prompts: Option<PathBuf>,
    /// table, json, jsonl, csv, md, latex, arrow or parquet
    #[arg(long, default_value = "table")]
    format: Format,
}

impl CheckArgs {
    fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        refuse_binary_on_terminal(self.format, None);
        let data = Dataset::open_to_read(dataset)?;
        let found = terminal.watch(|watch| data.check_stress_test(self.prompts.as_deref(), watch))?;
        let ended = findings::write(&found.findings, self.format)?;
        terminal.say(format!(
            "{} prompts, {} distinct sets of subjects, {} findings",
            found.prompts,
            found.distinct_sets,
            found.findings.len()
        ));
        for balance in &found.balance {
            terminal.say(format!("  {balance}"));
        }
        if found.unused > 0 {
            terminal.say(format!("  {} subjects in no prompt", found.unused));
        }
        Ok(ended)
    }
}

fn write_prompts(made: &StressTestSummary, format: Format) -> std::io::Result<()> {
    let head = ["prompt_id", "subjects", "tokens", "text"].map(str::to_owned).to_vec();
    let mut table = TableWriter::new(BufWriter::new(results()), format, Head::new(head))?;
    let counter = TokenCounter::default();
    for prompt in &made.prompts {
        let ids: Vec<&str> = prompt.subjects.iter().map(SubjectId::as_str).collect();
        table.row(&[
            Cell::Text(prompt.prompt_id.to_string()),
            Cell::Text(ids.join(";")),
            Cell::Integer(counter.count(&prompt.text) as i64),
            Cell::Text(prompt.text.clone()),
        ])?;
    }
    table.finish().map(drop)
}

fn say(made: &StressTestSummary, options: &StressTestOptions, terminal: &Terminal) {
    let would = if options.dry_run { "would be " } else { "" };
    for (name, Counts { added, unchanged, moved, replaced }) in [("subjects", made.subject_rows), ("prompts", made.prompt_rows)] {
        let counts = [(added, "added"), (replaced, "replaced"), (moved, "moved")];
        let mut parts: Vec<String> = counts.iter().filter(|c| c.0 > 0).map(|(n, what)| format!("{n} {would}{what}")).collect();
        if unchanged > 0 {
            parts.push(format!("{unchanged} unchanged"));
        }
        if !parts.is_empty() {
            terminal.say(format!("{name}: {}", parts.join(", ")));
        }
    }
    let counter = TokenCounter::default();
    let longest = made.prompts.iter().map(|p| counter.count(&p.text)).max().unwrap_or(0);
    let images = made.prompts.len() * options.seeds.len();
    terminal.say(format!(
        "{} seeds: {images} images per model; the longest prompt has {longest} of {MAX_TOKENS} CLIP tokens",
        options.seeds.len()
    ));
    for balance in &made.balance {
        terminal.say(format!("  {balance}"));
    }
    if options.dry_run {
        terminal.say("nothing was changed (--dry-run)");
    }
}

/// Write the stress test as a generator reads it, with references and commands
///
/// The folder's README has the commands, and says what the generator cannot do; with msdata-export.json
/// `msdata ingest --from` recognizes every image.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata bench export --for xverse to-xverse
  msdata bench export --for jsonl --model MyModel to-mymodel
  msdata ingest --from xverse to-xverse")]
struct ExportPromptsArgs {
    /// xverse, mosaic, psr, jobs or jsonl
    ///
    /// `jobs` is for the runners of the stress test's authors, `jsonl` for a script.
    #[arg(long = "for", value_name = "FORMAT")]
    system: System,
    /// The model name that the images will be filed under
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,
    /// The seeds [default: those of the stress test]
    #[arg(long, value_name = "N,…", value_delimiter = ',', allow_hyphen_values = true)]
    seeds: Option<Vec<i64>>,
    /// The directory to write; must be new or empty
    dir: PathBuf,
}

impl ExportPromptsArgs {
    fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let data = Dataset::open_to_read(dataset)?;
        let (model, seeds) = (self.model.as_ref(), self.seeds.as_deref());
        let done = terminal.watch(|watch| data.export_stress_test(self.system, &self.dir, model, seeds, watch))?;
        terminal.say(format!(
            "{} prompts, {} images to make; {} prompts left out",
            done.prompts,
            done.images,
            done.left_out.len()
        ));
        terminal.say(format!("{} has the commands to run", self.dir.join("README.md").display()));
        Ok(Ended::Done)
    }
}

use super::terminal::results;
use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::dataset::{PartFile, Removal, RemovalPreview, Removed};
use msdata::table::{Cell, Format, Head, TableWriter};
use msdata::text::shell_word;
use msdata::vocabulary::{MetricName, ModelName, PromptId, RegionSetName, SubjectId};
use std::io;
use std::path::Path;

/// Remove rows, with their scores and vectors, and nothing else
///
/// Image files are not touched.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  msdata remove --model XVerse --dry-run\n  msdata remove --generation XVerse,p1,42")]
pub struct RemoveArgs {
    #[command(flatten)]
    what: What,
    /// Print what would go, by table and file, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// A model: its generations, its queue, and whether it is a control
    #[arg(long, value_name = "M")]
    model: Option<ModelName>,
    /// A prompt and its generations
    #[arg(long, value_name = "P")]
    prompt: Option<PromptId>,
    /// One generation: model, prompt and seed
    #[arg(long, value_name = "M,P,S", value_parser = generation)]
    generation: Option<(ModelName, PromptId, i64)>,
    /// A subject that no prompt names
    #[arg(long, value_name = "S")]
    subject: Option<SubjectId>,
    /// A region set: its regions, their vectors and scores
    #[arg(long, value_name = "NAME")]
    set: Option<RegionSetName>,
    /// A metric that was imported: all its values
    #[arg(long, value_name = "NAME")]
    metric: Option<MetricName>,
}

impl What {
    /// Returns the one that was given: clap lets exactly one through.
    fn removal(self) -> Option<Removal> {
        let generation = self.generation.map(|(m, p, s)| Removal::Generation(m, p, s));
        self.model
            .map(Removal::Model)
            .or(self.prompt.map(Removal::Prompt))
            .or(generation)
            .or(self.subject.map(Removal::Subject))
            .or(self.set.map(Removal::RegionSet))
            .or(self.metric.map(Removal::Metric))
    }
}

impl RemoveArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let Some(what) = self.what.removal() else { return Ok(Ended::Done) };
        if self.dry_run {
            let found = Dataset::preview_removal(dataset, &what)?;
            list(&found)?;
            say(&found.removed, "would remove", terminal);
            terminal.say("nothing was changed (--dry-run)");
            return Ok(Ended::Done);
        }
        let removed = Dataset::open_to_write(dataset)?.remove(&what)?;
        say(&removed, "removed", terminal);
        if let (true, Removal::Model(model)) = (removed.control, &what) {
            let model = shell_word(Path::new(model.as_str()));
            terminal
                .say(format!("it was marked as a control; if it comes back, `msdata ingest --control {model}` marks it again"));
        }
        Ok(Ended::Done)
    }
}

fn say(removed: &Removed, verb: &str, terminal: &Terminal) {
    let Removed { subjects, prompts, generations, jobs, regions, values, .. } = removed;
    if let Some(regions) = regions {
        return terminal.say(format!("{verb} a region set with {regions} regions"));
    }
    if let Some(values) = values {
        return terminal.say(format!("{verb} a metric with {values} values"));
    }
    let queue = if *jobs > 0 { format!(", {jobs} jobs of its queue") } else { String::new() };
    terminal.say(format!("{verb} {subjects} subjects, {prompts} prompts, {generations} generations{queue}"));
}

/// Writes what would go: rows by table, then the files of vectors that nothing needs any more.
fn list(found: &RemovalPreview) -> io::Result<()> {
    let head = Head::new(["table or file", "rows", "bytes"].map(str::to_owned).to_vec());
    let mut table = TableWriter::new(results(), Format::Table, head)?;
    for (name, rows) in &found.tables {
        table.row(&[Cell::Text(name.clone()), Cell::Integer(*rows as i64), Cell::Null])?;
    }
    for PartFile { path, rows, bytes } in &found.files {
        let name = Cell::Text(path.display().to_string());
        table.row(&[name, Cell::Integer(*rows as i64), Cell::Integer(*bytes as i64)])?;
    }
    table.finish().map(drop)
}

/// Reads MODEL,PROMPT,SEED: the seed follows the last comma, the model ends at the first; a prompt id may have commas.
fn generation(text: &str) -> Result<(ModelName, PromptId, i64), String> {
    let parts = text.split_once(',').and_then(|(model, rest)| Some((model, rest.rsplit_once(',')?)));
    let (model, (prompt, seed)) = parts.ok_or("expected MODEL,PROMPT,SEED")?;
    let seed = seed.trim().parse().map_err(|_| format!("`{seed}` is not a seed; expected an integer"))?;
    Ok((ModelName::new(model)?, PromptId::new(prompt)?, seed))
}

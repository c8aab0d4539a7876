use super::embed::{self, Embedding};
use super::{Ended, Terminal, ingest};
use msdata::Dataset;
use msdata::generator::Template;
use msdata::ops::{GeneratorCommand, RunOptions};
use msdata::text::plain;
use msdata::vocabulary::ModelName;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Run a generator for the images that are still missing
///
/// Keeps a queue in the data set, starts a process for each image (or one for all, with --batch-command) and retries
/// failures; every finished image goes into the data set with a record of how it was made. If stopped (Ctrl-C, SIGTERM,
/// a closed terminal), it ends the generator's processes and puts its jobs back. After a stop or a kill, the same
/// command continues. No shell is used unless you ask for it. Exit status 3 means that some jobs failed.
///
/// Placeholders in --command: {prompt} {prompt_id} {scene_type} {seed} {output} {references} {captions} (one argument per
/// subject) {references_json} (a list of lists) {captions_json} {job_json} (everything). In --batch-command: {jobs}, the
/// path of a file with a line of {job_json} for each image; each is to be written to its `output`.
///
/// `msdata sql "SELECT prompt_id, seed, attempts, tail FROM jobs WHERE state = 'failed'"` lists what failed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata run --model Mine --command 'make.py {prompt} {references} --seed {seed} --out {output}'
  msdata run --model Mine --batch-command 'make_all.py {jobs}' --timeout 36000 --meta weights=v2")]
pub struct RunArgs {
    /// The model name that the images are filed under
    #[arg(long, value_name = "NAME")]
    model: ModelName,
    /// Makes one image: {prompt} {references} {seed} {output} …
    #[arg(long, value_name = "COMMAND", required_unless_present = "batch_command", conflicts_with = "batch_command")]
    command: Option<String>,
    /// Makes all images of a list: {jobs}
    #[arg(long, value_name = "COMMAND")]
    batch_command: Option<String>,
    /// Run the command with `sh -c`; values are quoted
    #[arg(long)]
    shell: bool,
    /// The seeds [default: those of the stress test]
    #[arg(long, value_name = "N,…", value_delimiter = ',', allow_hyphen_values = true)]
    seeds: Option<Vec<i64>>,
    /// Number of processes at a time
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "batch_command")]
    jobs: NonZeroUsize,
    /// How long a process may take
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// How often to retry a failed job
    #[arg(long, value_name = "N", default_value = "2")]
    retries: u32,
    /// Stop when the first N jobs fail alike; 0: never
    #[arg(long, value_name = "N", default_value = "5")]
    stop_after: usize,
    /// A note to store with each image (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,
    /// Where images go [default: the data set's directory]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    embedding: Embedding,
    /// Do not embed the new images
    #[arg(long, conflicts_with_all = ["encoder", "device", "batch", "threads", "transparency", "onnxruntime"])]
    no_embed: bool,
}

impl RunArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let command = match (&self.command, &self.batch_command) {
            (Some(command), _) => GeneratorCommand::One(Template::for_one(command, self.shell)?),
            (None, command) => GeneratorCommand::Many(Template::for_many(command.as_deref().unwrap_or_default(), self.shell)?),
        };
        let timeout = match self.timeout.map(Duration::try_from_secs_f64).transpose() {
            Ok(timeout) => timeout,
            Err(e) => ingest::usage(format!("--timeout: {e}")),
        };
        let options = RunOptions {
            model: self.model,
            command,
            seeds: self.seeds,
            jobs: self.jobs,
            timeout,
            retries: self.retries,
            stop_after: self.stop_after,
            meta: self.meta.into_iter().map(|(key, value)| (key, value.into())).collect(),
            output: self.output,
            embed: (!self.no_embed).then(|| self.embedding.options(false, Vec::new())),
        };
        let mut data = Dataset::open_to_write(dataset)?;
        let done = terminal.watch_over_processes(|watch| data.run(&options, watch))?;
        terminal.say(format!(
            "jobs: {} made now, {} done in total, {} failed, {} open",
            done.made, done.jobs.done, done.jobs.failed, done.jobs.open
        ));
        if let Some(why) = &done.gave_up {
            terminal.warn(format!(
                "stopped, because {why}. Fix the command and run it again (`--stop-after 0` goes on whatever fails)"
            ));
        }
        for line in &done.failures {
            terminal.say(format!("  {}", plain(line)));
        }
        if done.jobs.failed > 0 && done.gave_up.is_none() {
            terminal.say("  all of them: msdata sql \"SELECT model, prompt_id, seed, tail FROM jobs WHERE state = 'failed'\"");
        }
        embed::print(&done.ingest.embedded, terminal);
        terminal.say(format!("scores: {} new", done.ingest.scored));
        Ok(if done.jobs.failed > 0 { Ended::Incomplete } else { Ended::Done })
    }
}

/// Reads `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("run", _)) => Err("the key `run` is reserved: msdata notes there how the image was made".into()),
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

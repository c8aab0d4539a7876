use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::dataset::{Removal, Removed};
use msdata::text::shell_word;
use msdata::vocabulary::{MetricName, ModelName, PromptId, RegionSetName, SubjectId};
use std::path::Path;

/// Remove rows, with their scores and vectors, and nothing else
///
/// Image files are not touched.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  msdata remove --model XVerse\n  msdata remove --generation XVerse,p1,42")]
pub struct RemoveArgs {
    #[command(flatten)]
    what: What,
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
        let Removed { subjects, prompts, generations, jobs, control, regions, values } =
            Dataset::open_to_write(dataset)?.remove(&what)?;
        if let Some(regions) = regions {
            terminal.say(format!("removed a region set with {regions} regions"));
            return Ok(Ended::Done);
        }
        if let Some(values) = values {
            terminal.say(format!("removed a metric with {values} values"));
            return Ok(Ended::Done);
        }
        let queue = if jobs > 0 { format!(", {jobs} jobs of its queue") } else { String::new() };
        terminal.say(format!("removed {subjects} subjects, {prompts} prompts, {generations} generations{queue}"));
        if let (true, Removal::Model(model)) = (control, &what) {
            let model = shell_word(Path::new(model.as_str()));
            terminal
                .say(format!("it was marked as a control; if it comes back, `msdata ingest --control {model}` marks it again"));
        }
        Ok(Ended::Done)
    }
}

/// Reads MODEL,PROMPT,SEED: the seed follows the last comma, the model ends at the first; a prompt id may have commas.
fn generation(text: &str) -> Result<(ModelName, PromptId, i64), String> {
    let parts = text.split_once(',').and_then(|(model, rest)| Some((model, rest.rsplit_once(',')?)));
    let (model, (prompt, seed)) = parts.ok_or("expected MODEL,PROMPT,SEED")?;
    let seed = seed.trim().parse().map_err(|_| format!("`{seed}` is not a seed; expected an integer"))?;
    Ok((ModelName::new(model)?, PromptId::new(prompt)?, seed))
}

use super::ingest::usage;
use super::report::{alpha, confidence, cosine, deliver, warn_of_identity};
use super::selection::Selection;
use super::terminal::refuse_binary_on_terminal;
use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::durable::check_target;
use msdata::report::{CompareOptions, Compared, Key, RegionChoice, Thresholds};
use msdata::score::Confidence;
use msdata::table::Format;
use msdata::vocabulary::ModelName;
use std::path::{Path, PathBuf};

/// Compare two models on the same prompts and seeds: is the difference more than chance?
///
/// Every measure of the first minus that of the second, over the prompts and seeds of which both have an image: the
/// mean difference, its interval by a bootstrap over prompts, p of an exact sign-flip test over the prompts' means,
/// and that p adjusted by Holm's method over all rows of the measure. A * marks models that can be told apart.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata compare MOSAIC PSR
  msdata compare ours --baseline MOSAIC --whole
  msdata compare --leaderboard --measure cscr@0.05")]
pub struct CompareArgs {
    /// The two models; with --baseline, those to compare with it [default: all]
    #[arg(value_name = "MODEL", conflicts_with_all = ["all", "leaderboard"])]
    ours: Vec<ModelName>,
    /// Compare with this model
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["all", "leaderboard"])]
    baseline: Option<ModelName>,
    /// Compare every pair of models, except controls
    #[arg(long, conflicts_with = "leaderboard")]
    all: bool,
    /// Rank the models by one measure
    ///
    /// And group them: those that share a letter cannot be told apart.
    #[arg(long)]
    leaderboard: bool,
    /// Group into cells by these
    ///
    /// subject_count, scene_type, prompt_id, seed, kind, subject_id, source, cut.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', default_value = "subject_count")]
    by: Vec<Key>,
    /// Put everything into one cell
    #[arg(long, conflicts_with = "by")]
    whole: bool,
    /// Of SCR: numbers, or first:last:step [default: 0.4,0.5,0.6]
    #[arg(long, value_name = "T,…", allow_hyphen_values = true)]
    thresholds: Option<Thresholds>,
    /// Decides collapse [default: the DINOv2 encoder, else the only one]
    #[arg(long, value_name = "ENCODER")]
    identity: Option<String>,
    /// Nominal coverage of the intervals
    #[arg(long, value_name = "PERCENT", default_value = "95", value_parser = confidence)]
    ci: Confidence,
    /// Only this measure: cscr@ALPHA, cscr_kind@ALPHA, beyond_words, local/ENCODER, scr@T, similarity/ENCODER,
    /// clip_t/ENCODER or an imported metric [default: all; for the leaderboard cSCR where images were searched, else SCR at the first
    /// threshold]
    #[arg(long, value_name = "MEASURE")]
    measure: Option<String>,
    /// The level at which a subject counts as present
    #[arg(long, value_name = "ALPHA", default_value = "0.05", value_parser = alpha)]
    alpha: f64,
    /// Compare by what a region set says, first (repeatable)
    #[arg(long, value_name = "SET[:ENCODER]", value_delimiter = ',')]
    regions: Vec<RegionChoice>,
    /// With --regions: the similarity from which a region counts as a subject's
    #[arg(long, value_name = "TAU", requires = "regions", allow_hyphen_values = true, value_parser = cosine)]
    tau: Option<f64>,
    #[command(flatten)]
    selection: Selection,
    /// table, json, jsonl, csv, md, latex, arrow or parquet
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl CompareArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let compared = match (&self.ours[..], &self.baseline) {
            (ours, Some(baseline)) => Compared::WithBaseline(ours, baseline),
            ([a, b], None) => Compared::Pair(a, b),
            _ if self.all || self.leaderboard => Compared::EveryPair,
            (given, None) => usage(format!(
                "compare takes two models, and {} given: `msdata compare OURS THEIRS`, `msdata compare OURS --baseline THEIRS`, \
                 `--all` or `--leaderboard`",
                if given.len() == 1 { "1 was".to_owned() } else { format!("{} were", given.len()) }
            )),
        };
        let options = CompareOptions {
            by: if self.whole { Vec::new() } else { self.by },
            thresholds: self.thresholds.unwrap_or_default(),
            identity: self.identity,
            confidence: self.ci,
            measure: self.measure,
            alpha: self.alpha,
            models: self.selection.into(),
            regions: self.regions,
            tau: self.tau,
        };
        refuse_binary_on_terminal(self.format, self.out.as_deref());
        self.out.as_deref().map_or(Ok(()), check_target)?;
        let data = Dataset::open_to_read(dataset)?;
        let (identity, warnings) = if self.leaderboard {
            let board = data.leaderboard(&options)?;
            deliver(self.out.as_deref(), |out| board.write(out, self.format))?;
            terminal.say(RANKS);
            (board.identity, board.warnings)
        } else {
            let comparisons = data.compare(compared, &options)?;
            deliver(self.out.as_deref(), |out| comparisons.write(out, self.format))?;
            (comparisons.identity, comparisons.warnings)
        };
        if !identity.is_empty() {
            warn_of_identity(&identity, &options.thresholds, terminal);
        }
        warnings.iter().for_each(|warning| terminal.warn(warning));
        Ok(Ended::Done)
    }
}

/// What the ranks and groups of a leaderboard are.
const RANKS: &str = "rank: 1 + the number of models that are better and told apart from it; models that share a letter under \
    `groups` cannot be told apart";

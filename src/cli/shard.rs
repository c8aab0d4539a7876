use super::terminal::path_to_standard_output;
use super::{Ended, Terminal, ingest};
use msdata::Dataset;
use msdata::encoder::{Batch, Device};
use msdata::image::Transparency;
use msdata::manifest::ColumnName;
use msdata::ops::{
    MergeSummary, PlanOptions, PlanSummary, ShardOptions, ShardScores, ShardSummary, plan_shards, run_shard, score_shards,
};
use msdata::text::{plain, shell_word};
use msdata::vocabulary::SceneType;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Embed on many machines: plan shards, run each anywhere, merge them
///
/// `plan` cuts manifests into shards, `run` embeds one shard without a data set, `merge` puts the finished shards into a data
/// set, whose results are then those of one machine. docs/clusters.md has the scripts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata shard plan --subjects s.jsonl --prompts p.jsonl --generations g.jsonl --encoder dinov2-small --shards 64 shards
  for n in $(seq 0 63); do msdata shard run shards $n; done
  msdata shard merge shards
  msdata shard score shards tables && msdata report --tables tables")]
pub struct ShardArgs {
    #[command(subcommand)]
    action: ShardCommand,
}

#[derive(clap::Subcommand)]
enum ShardCommand {
    Plan(PlanArgs),
    Run(RunShardArgs),
    Merge(MergeArgs),
    Score(ScoreShardsArgs),
}

impl ShardArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        match self.action {
            ShardCommand::Plan(action) => action.run(terminal),
            ShardCommand::Run(action) => action.run(terminal),
            ShardCommand::Merge(action) => action.run(dataset, terminal),
            ShardCommand::Score(action) => action.run(terminal),
        }
    }
}

/// Cut the images of manifests into shards
///
/// Writes plan.json and a file of tasks for each shard into a new directory, all or nothing. A shard is a range of the
/// images in order of their keys; the order of the manifests' rows makes no difference. No image is read.
#[derive(clap::Args)]
struct PlanArgs {
    /// The new directory of the shards
    dir: PathBuf,
    /// A subjects manifest (repeatable): its references are embedded
    #[arg(long, value_name = "FILE")]
    subjects: Vec<PathBuf>,
    /// A prompts manifest (repeatable)
    #[arg(long, value_name = "FILE")]
    prompts: Vec<PathBuf>,
    /// A generations manifest (repeatable): its images are embedded
    #[arg(long, value_name = "FILE")]
    generations: Vec<PathBuf>,
    /// A name, a directory, or `paper` for the paper's three (repeatable)
    #[arg(long, value_name = "NAME|DIR", required = true)]
    encoder: Vec<String>,
    /// How many shards
    #[arg(long, value_name = "N")]
    shards: usize,
    /// Transparent pixels: drop, white or black
    #[arg(long, value_name = "HOW", default_value = "drop")]
    transparency: Transparency,
    /// The scene type of prompts that have none
    #[arg(long, value_name = "SCENE")]
    scene_type: Option<SceneType>,
    /// Columns with other names: prompt_id=id,text=caption
    #[arg(long, value_name = "NAME=COLUMN,…", value_delimiter = ',')]
    columns: Vec<ColumnName>,
    /// Read images in this directory only (repeatable)
    #[arg(long, value_name = "DIR")]
    root: Vec<PathBuf>,
}

impl PlanArgs {
    fn run(self, terminal: &Terminal) -> anyhow::Result<Ended> {
        let options = PlanOptions {
            subjects: self.subjects,
            prompts: self.prompts,
            generations: self.generations,
            scene_type: self.scene_type,
            columns: self.columns,
            roots: self.root,
            encoders: self.encoder,
            transparency: self.transparency,
            shards: self.shards,
        };
        let PlanSummary { references, generations, missing } = terminal.watch(|watch| plan_shards(&options, &self.dir, watch))?;
        let missing = if missing > 0 { format!("; the files of {missing} are not there now") } else { String::new() };
        terminal.say(format!("{} shards: {references} references, {generations} generations{missing}", options.shards));
        terminal.say(format!(
            "next: `msdata shard run {} N` for N from 0 to {}, anywhere; then `msdata shard merge`",
            shell_word(&self.dir),
            options.shards - 1
        ));
        Ok(Ended::Done)
    }
}

/// Embed one shard, without a data set
///
/// Writes shard-NNNNN.parquet, whole or not at all; it has the same bytes whoever makes it. A finished shard is checked and
/// left alone, so the command can be repeated; two processes on one shard do no harm. An image that cannot be used is a row
/// that says why, and no error: `merge` counts them. To try them again, remove the shard's file and run it again.
#[derive(clap::Args)]
struct RunShardArgs {
    /// The directory of the plan
    dir: PathBuf,
    /// The number of the shard, from 0
    #[arg(value_name = "N")]
    shard: usize,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Images per run of the network [default: 1 on the CPU, 32 on a GPU]
    ///
    /// 1 or a multiple of 8.
    #[arg(long, value_name = "N")]
    batch: Option<Batch>,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The library of ONNX Runtime, or its directory [default: found]
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

impl RunShardArgs {
    fn run(self, terminal: &Terminal) -> anyhow::Result<Ended> {
        let options = ShardOptions { device: self.device, batch: self.batch, threads: self.threads, library: self.onnxruntime };
        let ShardSummary { file, images, unusable, device } =
            terminal.watch(|watch| run_shard(&self.dir, self.shard, &options, watch))?;
        let how = device.map_or_else(|| "finished before".to_owned(), |device| format!("embedded with {device}"));
        let unusable = if unusable > 0 { format!(", {unusable} of them missing or unusable") } else { String::new() };
        terminal.say(format!("{}: {images} images{unusable}; {how}", plain(&file.display().to_string())));
        Ok(Ended::Done)
    }
}

/// Put the finished shards of a plan into the data set, and score
///
/// First checks every shard: it must hold exactly the planned images, made by the planned encoders. If anything is missing
/// or wrong, everything that is gets listed by file, and nothing is written. Then takes in the manifests of the plan, and
/// from the shards what is known of each image and its vectors; no image is opened. Exit status 3 means that some images
/// are missing or unusable. Windows, regions and texts are not in shards: `msdata embed` embeds them afterwards.
#[derive(clap::Args)]
struct MergeArgs {
    /// The directory of the plan
    dir: PathBuf,
}

impl MergeArgs {
    fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let mut data = Dataset::open_to_write(dataset)?;
        let MergeSummary { ingested, shards, images, vectors, changed } =
            terminal.watch(|watch| data.merge_shards(&self.dir, watch))?;
        terminal.say(format!("shards: {shards}, of {images} images"));
        for (encoder, vectors) in vectors {
            terminal.say(format!("{}: {vectors} vectors merged", plain(encoder.as_str())));
        }
        ingest::print(&ingested, false, terminal);
        let lacks = ingested.images.missing + ingested.images.unusable + changed > 0;
        Ok(if lacks { Ended::Incomplete } else { Ended::Done })
    }
}

/// Score the finished shards of a plan without a data set
///
/// Checks every shard as `merge` does, and writes tables of scores into a new directory, of which `msdata report --tables`
/// makes the report that a data set would give. Texts are not in shards, so there is no CLIP-T, and no model is a control.
#[derive(clap::Args)]
struct ScoreShardsArgs {
    /// The directory of the plan
    dir: PathBuf,
    /// The new directory of the tables
    tables: PathBuf,
}

impl ScoreShardsArgs {
    fn run(self, terminal: &Terminal) -> anyhow::Result<Ended> {
        let ShardScores { generations, scored } = terminal.watch(|watch| score_shards(&self.dir, &self.tables, watch))?;
        terminal.say(format!("{scored} scores of {generations} generations; `msdata report --tables` shows them"));
        path_to_standard_output(&self.tables)?;
        Ok(Ended::Done)
    }
}

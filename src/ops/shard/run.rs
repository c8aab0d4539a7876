//! Embeds one shard: whoever runs it, and however often, its file is the same.

use super::check::fault_of;
use super::plan::ShardPlan;
use super::tasks::Task;
use super::{output, shard_path};
use crate::durable::Temporary;
use crate::encoder::{Batch, Device};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::ops::worker::columns::Columns;
use crate::ops::worker::{Worker, WorkerOptions};
use crate::text::quote;
use crate::watch::Watch;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Images that are embedded and written at a time. A shard's bytes depend on it.
const BLOCK: usize = 256;

/// How a shard is embedded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardOptions {
    /// Where networks run.
    pub device: Device,
    /// Images per run of the network; `None`: 1 on the CPU, 32 on a GPU.
    pub batch: Option<Batch>,
    /// Threads for decoding, and for computing on the CPU; `None`: all cores.
    pub threads: Option<NonZeroUsize>,
    /// The library of ONNX Runtime; `None`: see [`crate::encoder::Runtime`].
    pub library: Option<PathBuf>,
}

/// What became of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSummary {
    /// Its file.
    pub file: PathBuf,
    /// Its images.
    pub images: u64,
    /// Images among them that are missing or unusable.
    pub unusable: u64,
    /// The device that it ran on, as a sentence; `None`: it was finished before.
    pub device: Option<String>,
}

/// Embeds shard number `shard` of the plan in `dir`. A finished shard is checked, and left as it is.
///
/// # Errors
/// There is no such plan or shard, an encoder is not the planned one or cannot run, the shard cannot be written, or the
/// caller wants to stop: then there is no file of it. Images that cannot be embedded are rows of the shard.
pub fn run_shard(dir: &Path, shard: usize, options: &ShardOptions, watch: &mut Watch<'_>) -> Result<ShardSummary> {
    let plan = ShardPlan::read(dir)?;
    let tasks = plan.tasks(dir, shard)?;
    let path = shard_path(dir, shard);
    let mut summary = ShardSummary { file: path.clone(), images: tasks.len() as u64, unusable: 0, device: None };
    if path.exists() {
        match fault_of(&plan, &path, &tasks, &mut summary.unusable, watch.stop())? {
            None => return Ok(summary),
            Some(fault) => watch.warn(&format!("{fault}; it is made again")),
        }
        summary.unusable = 0;
    }
    let mut worker = open(&plan, options)?;
    summary.device = Some(worker.device().to_owned());
    let columns = Columns::of(&super::tasks::schema(), &worker)?;
    let mut temporary = Temporary::beside(&path)?;
    let mut file = output::Writer::begin(&mut temporary.file, columns.answer(), &path)?;
    let mut done = 0;
    for block in tasks.chunks(BLOCK) {
        watch.check()?;
        let answer = columns.embed(&Task::batch(block)?, &mut worker, watch)?;
        summary.unusable += output::unusable(&answer);
        file.write(&answer)?;
        done += block.len() as u64;
        watch.report("embedding", done, Some(summary.images));
    }
    file.finish()?;
    temporary.into_place()?;
    watch.say_remarks();
    Ok(summary)
}

/// Opens the encoders of a plan, which must be those that were planned.
fn open(plan: &ShardPlan, options: &ShardOptions) -> Result<Worker> {
    let word = |encoder: &super::plan::PlannedEncoder| match &encoder.directory {
        Some(directory) => directory.display().to_string(),
        None => encoder.name.clone(),
    };
    let worker = Worker::open(&WorkerOptions {
        encoders: plan.encoders.iter().map(word).collect(),
        device: options.device,
        batch: options.batch,
        threads: options.threads,
        library: options.library.clone(),
        transparency: plan.transparency()?,
        ..WorkerOptions::default()
    })?;
    for planned in &plan.encoders {
        let same = |encoder: &&crate::ops::worker::WorkerEncoder| encoder.name.as_str() == planned.name;
        let here = worker.encoders().iter().find(same).map(|encoder| encoder.fingerprint.as_str());
        if here != Some(planned.fingerprint.as_str()) {
            return Err(Error::request(
                format!(
                    "encoder {} is not the planned one: fingerprint {} in the plan, {} here",
                    quote(&planned.name),
                    planned.fingerprint,
                    here.unwrap_or("none")
                ),
                "use the encoder that was planned on every machine, or make the plan again",
            ));
        }
    }
    Ok(worker.through(Door::to((!plan.roots.is_empty()).then_some(plan.roots.as_slice()))?))
}

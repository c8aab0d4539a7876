//! What is wrong with the shards of a plan, all of it at once.

use super::output::ShardFile;
use super::plan::ShardPlan;
use super::tasks::Task;
use super::{shard_path, tasks_path};
use crate::catalog::VectorKey;
use crate::error::{Error, Result};
use crate::text::plain;
use crate::vocabulary::ImageStatus;
use crate::watch::{Stop, Watch};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The rows of a shard among the tasks that were planned, in whatever order they come.
pub(super) struct Places<'t> {
    tasks: &'t [Task],
    by_key: Option<HashMap<&'t VectorKey, usize>>,
    seen: Vec<bool>,
    row: usize,
}

impl<'t> Places<'t> {
    pub(super) fn of(tasks: &'t [Task]) -> Places<'t> {
        Places { tasks, by_key: None, seen: vec![false; tasks.len()], row: 0 }
    }

    /// Returns the task of the next row, whether it is there for the first time, or `None` if it was not planned.
    pub(super) fn next(&mut self, key: &VectorKey) -> Option<(&'t Task, bool)> {
        // Rows are in the order of the tasks, unless someone else wrote them.
        let in_order = self.tasks.get(self.row).is_some_and(|task| task.key == *key);
        let at = match in_order {
            true => self.row,
            false => {
                let by_key = || self.tasks.iter().enumerate().map(|(at, task)| (&task.key, at)).collect();
                *self.by_key.get_or_insert_with(by_key).get(key)?
            }
        };
        self.row = at + 1;
        Some((&self.tasks[at], !std::mem::replace(&mut self.seen[at], true)))
    }

    fn absent(&self) -> impl Iterator<Item = &'t VectorKey> {
        self.tasks.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(task, _)| &task.key)
    }
}

/// Images that something is the matter with: how many, and the first.
#[derive(Default)]
struct Count {
    images: u64,
    first: Option<String>,
}

impl Count {
    fn note(&mut self, key: &VectorKey) {
        self.images += 1;
        self.first.get_or_insert_with(|| key.to_string());
    }

    fn say(self, what: &str) -> Option<String> {
        self.first.map(|first| format!("{} {what}, the first is {first}", images(self.images)))
    }
}

fn images(n: u64) -> String {
    if n == 1 { "1 image".to_owned() } else { format!("{n} images") }
}

/// Returns what is wrong with the shard at `path`, which is to hold these tasks; counts its unusable images.
///
/// # Errors
/// The caller wants to stop.
pub(super) fn fault_of(
    plan: &ShardPlan,
    path: &Path,
    tasks: &[Task],
    unusable: &mut u64,
    stop: Stop<'_>,
) -> Result<Option<String>> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wrong = |what: String| Ok(Some(format!("{}: {}", plain(&name), plain(&what))));
    let mut shard = match ShardFile::open_checked(path) {
        Err(fault) => return wrong(fault),
        Ok(shard) => shard,
    };
    let mut faults = Vec::new();
    let mut here: Vec<_> = shard.encoders.iter().map(|encoder| (encoder.name.as_str(), encoder.fingerprint.as_str())).collect();
    let mut planned: Vec<_> = plan.encoders.iter().map(|encoder| (encoder.name.as_str(), encoder.fingerprint.as_str())).collect();
    here.sort_unstable();
    planned.sort_unstable();
    if here != planned {
        let list = |of: &[(&str, &str)]| of.iter().map(|(name, hash)| format!("{name} {hash:.8}")).collect::<Vec<_>>().join(", ");
        faults.push(format!("made by other encoders: {} are planned, {} are here", list(&planned), list(&here)));
    }
    if shard.pixel_rule != plan.pixel_rule.to_string() {
        faults.push(format!("made by pixel rule {}, {} is planned", shard.pixel_rule, plan.pixel_rule));
    }
    if shard.transparency != plan.transparency {
        faults.push(format!("made with transparency `{}`, `{}` is planned", shard.transparency, plan.transparency));
    }
    let (mut places, mut foreign, mut double, mut absent) =
        (Places::of(tasks), Count::default(), Count::default(), Count::default());
    loop {
        stop.check()?;
        let rows = match shard.next() {
            Ok(Some(rows)) => rows,
            Ok(None) => break,
            Err(fault) => {
                faults.push(fault);
                return wrong(faults.join("; "));
            }
        };
        *unusable += rows.found.iter().filter(|found| found.status != ImageStatus::Ok).count() as u64;
        for key in &rows.keys {
            match places.next(key) {
                None => foreign.note(key),
                Some((_, false)) => double.note(key),
                Some((_, true)) => {}
            }
        }
    }
    places.absent().for_each(|key| absent.note(key));
    faults.extend(absent.say("of this shard are not in it"));
    faults.extend(foreign.say("do not belong to this shard"));
    faults.extend(double.say("are there more than once"));
    if faults.is_empty() { Ok(None) } else { wrong(faults.join("; ")) }
}

/// Checks every shard of a plan.
///
/// # Errors
/// [`Error::Request`] lists, by name, every shard that is not there or not what was planned, and every file that is of no
/// shard; or the caller wants to stop.
pub(super) fn check_all(plan: &ShardPlan, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let mut faults = plan.changed_manifests(watch)?;
    let stop = watch.stop();
    let mut to_run = 0;
    let numbers: Vec<usize> = (0..plan.shards.len()).collect();
    // Some shards at a time, so that progress is heard.
    for block in numbers.chunks(rayon::current_num_threads().max(1)) {
        watch.check()?;
        let found: Vec<Result<Option<(String, bool)>>> = block.par_iter().map(|shard| check(plan, dir, *shard, stop)).collect();
        for fault in found {
            if let Some((fault, can_run)) = fault? {
                faults.push(fault);
                to_run += u64::from(can_run);
            }
        }
        watch.report("shards checked", block.last().map_or(0, |last| *last as u64 + 1), Some(numbers.len() as u64));
    }
    let planned: HashSet<_> = numbers.iter().flat_map(|shard| [shard_path(dir, *shard), tasks_path(dir, *shard)]).collect();
    let mut foreign = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".parquet") && !planned.contains(&path) {
            foreign.push(format!("{}: of no shard of this plan", plain(&name)));
        }
    }
    foreign.sort();
    faults.extend(foreign);
    if faults.is_empty() {
        return Ok(());
    }
    let count = if faults.len() == 1 { "1 file is".to_owned() } else { format!("{} files are", faults.len()) };
    let hint = match to_run {
        0 => "put back what was planned, and move away what was not",
        _ => "`msdata shard run DIR N` makes shard N, and makes one again that is not what was planned",
    };
    let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
    Err(Error::request(format!("{count} not what the plan asks for; nothing was written\n{}", lines.join("\n")), hint))
}

/// Returns what is wrong with a shard, and whether running it helps.
fn check(plan: &ShardPlan, dir: &Path, shard: usize, stop: Stop<'_>) -> Result<Option<(String, bool)>> {
    let tasks = match plan.tasks(dir, shard) {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(e) => return Ok(Some((e.to_string(), false))),
        Ok(tasks) => tasks,
    };
    let path = shard_path(dir, shard);
    if !path.exists() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(Some((format!("{name}: not there"), true)));
    }
    Ok(fault_of(plan, &path, &tasks, &mut 0, stop)?.map(|fault| (fault, true)))
}

//! Runs a generator for the images that are still missing: a queue in the catalog, processes in parallel, every finished
//! image taken in at once.

pub(crate) mod export;

use crate::catalog::{JobEnd, JobRow, JobStart, JobState, JobTally, Put};
use crate::dataset::Dataset;
use crate::durable::{into_place, write_whole};
use crate::error::{Error, Result};
use crate::generator::{Attempt, Case, Draft, Filled, Job, StopSwitch, Template, attempt, place, tail};
use crate::image;
use crate::input::state_of;
use crate::layout::{GENERATED, LOGS};
use crate::manifest::{Generation, ImagePath};
use crate::ops::embed::EmbedOptions;
use crate::ops::ingest::IngestOptions;
use crate::ops::ingest::summary::IngestSummary;
use crate::ops::scan;
use crate::text::safe_name;
use crate::vocabulary::ModelName;
use crate::watch::Watch;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// What makes the images.
#[derive(Debug, Clone)]
pub enum GeneratorCommand {
    /// A command started for each image.
    One(Template),
    /// A command started once, with a list of everything that is missing.
    Many(Template),
}

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The model that the images are filed under.
    pub model: ModelName,
    /// The command that makes them.
    pub command: GeneratorCommand,
    /// The seeds; `None`: those of the stress test.
    pub seeds: Option<Vec<i64>>,
    /// Number of processes at a time.
    pub jobs: NonZeroUsize,
    /// How long an attempt may take; `None`: no limit.
    pub timeout: Option<Duration>,
    /// How often to retry a failed job.
    pub retries: u32,
    /// Give up when this many jobs fail in the same way before any image is made; 0: never.
    pub stop_after: usize,
    /// Notes to store with each image, such as versions of the generator and its weights.
    pub meta: Map<String, Value>,
    /// The directory for the images; `None`: in the data set's directory.
    pub output: Option<PathBuf>,
    /// How to embed the new images; `None`: do not embed them.
    pub embed: Option<EmbedOptions>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunSummary {
    /// Images made now.
    pub made: u64,
    /// The model's jobs by state.
    pub jobs: JobTally,
    /// The first jobs that failed, each as a sentence.
    pub failures: Vec<String>,
    /// Why the run gave up, if it did.
    pub gave_up: Option<String>,
    /// What happened to the images.
    pub ingest: IngestSummary,
}

/// Most failures named in a summary; the catalog knows them all.
const NAMED: usize = 10;

/// Time between two checks of whether the caller wants to stop.
const PACE: Duration = Duration::from_millis(100);

impl Dataset {
    /// Makes the images that a model lacks, takes each in when it is finished, then embeds and scores them.
    ///
    /// # Errors
    /// There are no prompts or seeds, the encoder or the disk fails, or the caller wants to stop (what was made is
    /// kept). Failed jobs are not an error: see [`RunSummary::jobs`].
    pub fn run(&mut self, options: &RunOptions, watch: &mut Watch<'_>) -> Result<RunSummary> {
        if let Some(embed) = &options.embed {
            self.ready(embed, false)?;
        }
        let cases: HashMap<String, Case> = self.cases()?.into_iter().map(|case| (case.prompt_id.clone(), case)).collect();
        if cases.is_empty() {
            let hint = "make some with `msdata bench build`, or ingest a prompts manifest";
            return Err(Error::request("the data set has no prompts", hint));
        }
        let seeds = self.seeds_or(options.seeds.as_deref())?;
        scan::inspect(&mut self.catalog, &self.door, watch)?; // a deleted image must be made again
        let changes = self.catalog.begin()?;
        changes.plan_jobs(&options.model, &seeds)?;
        changes.commit()?;
        let open = self.catalog.open_jobs(&options.model, &seeds)?;
        let places = OutputPlaces::new(&self.dir, options)?;
        let queue = open.into_iter().filter_map(|row| Some((cases.get(row.prompt_id.as_str())?, row)));
        let tasks: Vec<Task> = queue.map(|(case, row)| Task::new(case, row, &places)).collect();
        let mut run = GeneratorRun {
            data: self,
            options,
            places,
            host: host(),
            made: 0,
            total: tasks.len() as u64,
            failures: vec![],
            alike: Some(Vec::new()),
            gave_up: None,
            strays: None,
        };
        let ran = match &options.command {
            GeneratorCommand::One(template) => run.one_by_one(template, tasks, watch),
            GeneratorCommand::Many(template) => run.all_at_once(template, tasks, watch),
        };
        let (made, failures, gave_up) = (run.made, run.failures, run.gave_up);
        if let Some(strays) = run.strays {
            watch.warn(&strays);
        }
        ran?;
        let ingest = self.ingest(&IngestOptions { embed: options.embed.clone(), ..IngestOptions::default() }, watch)?;
        let jobs = self.catalog.job_tally(&options.model)?;
        let not_tried = if jobs.open == 0 { String::new() } else { format!("; the other {} were not tried", jobs.open) };
        let gave_up = gave_up.map(|why| why + &not_tried);
        Ok(RunSummary { made, jobs, failures, gave_up, ingest })
    }
}

/// The directories that a run writes to.
struct OutputPlaces {
    images: PathBuf,
    logs: PathBuf,
}

impl OutputPlaces {
    fn new(dir: &Path, options: &RunOptions) -> Result<OutputPlaces> {
        let model = safe_name(options.model.as_str());
        let images = match &options.output {
            Some(output) => std::path::absolute(output).map_err(Error::io("resolve", output))?,
            None => dir.join(GENERATED),
        };
        Ok(OutputPlaces { images: images.join(&model), logs: dir.join(LOGS).join(model) })
    }
}

/// An image to make.
struct Task {
    row: JobRow,
    job: Job,
    image: PathBuf,
    log: PathBuf,
    /// Attempts in this run.
    tries: u32,
    /// Present while an attempt runs.
    draft: Option<Draft>,
}

impl Task {
    fn new(case: &Case, row: JobRow, places: &OutputPlaces) -> Task {
        let prompt = safe_name(&case.prompt_id);
        let image = places.images.join(&prompt).join(format!("{}.png", row.seed));
        let log = places.logs.join(&prompt).join(format!("{}.log", row.seed));
        let job = Job::new(case, row.seed, String::new(), |s, index| s.references[index].display().to_string());
        let mut task = Task { row, job, image, log, tries: 0, draft: None };
        task.aim(true);
        task
    }

    /// Sets where the generator is to write: the image gets its own name once it is known to be whole.
    fn aim(&mut self, alone: bool) {
        let output = place(&self.image, self.row.seed, alone.then_some(self.row.attempts + 1));
        self.job.output = output.display().to_string();
    }

    fn name(&self) -> String {
        format!("{} {}", self.row.prompt_id, self.row.seed)
    }
}

/// How an attempt at a task began and ended.
struct JobEnded {
    task: Task,
    command: String,
    started: String,
    attempt: Attempt,
    /// Why there is no image.
    fault: Option<String>,
}

struct GeneratorRun<'a> {
    data: &'a mut Dataset,
    options: &'a RunOptions,
    places: OutputPlaces,
    host: String,
    made: u64,
    total: u64,
    failures: Vec<String>,
    /// The jobs that the run began with, while all of them have failed in the same way; `None` once one has not.
    alike: Option<Vec<FailedJob>>,
    /// Why the run gives up.
    gave_up: Option<String>,
    /// What the first generator wrote next to its image, as a sentence.
    strays: Option<String>,
}

/// How the first attempt at a job failed.
struct FailedJob {
    id: i64,
    fault: String,
    seconds: f64,
    status: Option<i32>,
    tail: String,
}

impl GeneratorRun<'_> {
    /// Runs a process for each image, several at a time.
    fn one_by_one(&mut self, template: &Template, tasks: Vec<Task>, watch: &mut Watch<'_>) -> Result<()> {
        let (stop, timeout) = (StopSwitch::default(), self.options.timeout);
        thread::scope(|scope| {
            let (sender, receiver) = channel();
            let start = |task: Task, command: Filled, started: String| {
                let (sender, stop): (Sender<(JobEnded, Option<Error>)>, &StopSwitch) = (sender.clone(), &stop);
                scope.spawn(move || {
                    let (attempt, error) = or_put_back(attempt(&command, &task.log, timeout, stop));
                    let absent = |reason| format!("it ended without an error but made no usable image: {reason}");
                    let fault = attempt.fault.clone().or_else(|| whole(&task.job.output).err().map(absent));
                    // Nobody listens only if the run has already ended.
                    let _ = sender.send((JobEnded { task, command: command.to_string(), started, attempt, fault }, error));
                });
            };
            let (mut queue, mut running) = (VecDeque::from(tasks), 0);
            let mut ending = None;
            loop {
                while ending.is_none() && running < self.options.jobs.get() {
                    let Some(mut task) = queue.pop_front() else { break };
                    let command = template.fill(&task.job);
                    let started = now();
                    if let Err(e) = self.begin(&mut task, &command.to_string(), &started) {
                        ending = Some(e);
                        break;
                    }
                    start(task, command, started);
                    running += 1;
                }
                if running == 0 {
                    return ending.map_or(Ok(()), Err);
                }
                // Whatever goes wrong, running processes are ended and noted.
                match receiver.recv_timeout(PACE) {
                    Ok((ended, error)) => {
                        running -= 1;
                        match self.settle(ended) {
                            Ok(again) => queue.extend(again),
                            Err(e) => ending = ending.or(Some(e)),
                        }
                        ending = ending.or(error);
                        watch.report("images", self.made, Some(self.total));
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return ending.map_or(Ok(()), Err),
                }
                ending = ending.or(watch.check().err());
                if self.gave_up.is_some() {
                    queue.clear();
                }
                if ending.is_some() || self.gave_up.is_some() {
                    stop.ask();
                }
                if watch.is_urgent() {
                    stop.hurry();
                }
            }
        })
    }

    /// Runs one process for all images, and again for those that it did not make.
    fn all_at_once(&mut self, template: &Template, mut tasks: Vec<Task>, watch: &mut Watch<'_>) -> Result<()> {
        // A list may take hours: images that an earlier run made before it was killed are accepted. Names do not
        // change from attempt to attempt, so they can be found.
        for task in &mut tasks {
            task.aim(false);
        }
        let mut open = Vec::new();
        for task in tasks {
            if whole(&task.job.output).is_ok() {
                watch.check()?;
                let end = Attempt { seconds: 0.0, status: None, fault: None, stopped: false };
                self.accept(&task, "found whole after an interrupted run", &now(), &end)?;
                Draft::begin(Path::new(&task.job.output), false)?.remove();
            } else {
                open.push(task);
            }
        }
        for _ in 0..=self.options.retries {
            if open.is_empty() || self.gave_up.is_some() {
                break;
            }
            open = self.batch(template, open, watch)?;
        }
        Ok(())
    }

    /// Starts a command for many images once; returns the tasks to try again.
    fn batch(&mut self, template: &Template, mut tasks: Vec<Task>, watch: &mut Watch<'_>) -> Result<Vec<Task>> {
        let list = self.places.logs.join("jobs.jsonl");
        let log = self.places.logs.join("batch.log");
        let lines: String = tasks.iter().filter_map(|t| serde_json::to_string(&t.job).ok()).map(|line| line + "\n").collect();
        write_whole(&list, lines.as_bytes())?;
        let command = template.fill_jobs(&list.display().to_string());
        let started = now();
        for task in &mut tasks {
            task.log.clone_from(&log);
            self.begin(task, &command.to_string(), &started)?;
        }
        let (stop, timeout) = (StopSwitch::default(), self.options.timeout);
        let (attempt, error) = or_put_back(thread::scope(|scope| {
            let process = scope.spawn(|| attempt(&command, &log, timeout, &stop));
            while !process.is_finished() {
                if watch.check().is_err() {
                    stop.ask();
                }
                if watch.is_urgent() {
                    stop.hurry();
                }
                thread::sleep(PACE);
            }
            process.join().unwrap_or_else(|_| Err(Error::Damaged("a thread ended unexpectedly".into())))
        }));
        let mut again = Vec::new();
        for task in tasks {
            // The images that it made count, however it ended.
            let absent = |_| attempt.fault.clone().unwrap_or_else(|| "the command made no image for this job".into());
            let fault = whole(&task.job.output).err().map(absent);
            let (command, started, attempt) = (command.to_string(), started.clone(), attempt.clone());
            again.extend(self.settle(JobEnded { task, command, started, attempt, fault })?);
            watch.report("images", self.made, Some(self.total));
        }
        error.map_or(Ok(()), Err)?;
        watch.check()?;
        Ok(again)
    }

    fn begin(&mut self, task: &mut Task, command: &str, started: &str) -> Result<()> {
        task.tries += 1;
        let alone = matches!(self.options.command, GeneratorCommand::One(_));
        task.draft = Some(Draft::begin(Path::new(&task.job.output), alone)?);
        let changes = self.data.catalog.begin()?;
        let log = task.log.display().to_string();
        changes.start_job(task.row.id, &JobStart { command, started, host: &self.host, log: &log })?;
        changes.commit()
    }

    /// Notes how an attempt ended; returns the task if it is to be tried again.
    fn settle(&mut self, ended: JobEnded) -> Result<Option<Task>> {
        let JobEnded { mut task, command, started, attempt, fault } = ended;
        let draft = task.draft.take();
        let strays = draft.as_ref().and_then(Draft::strays);
        let Some(mut fault) = fault else {
            self.accept(&task, &command, &started, &attempt)?;
            draft.into_iter().for_each(Draft::remove);
            if let Some(strays) = strays {
                let sentence =
                    || format!("the generator wrote {strays} next to the image of {}; only images are kept", task.name());
                self.strays.get_or_insert_with(sentence);
            }
            return Ok(None);
        };
        draft.into_iter().for_each(Draft::remove); // half an image is useless
        let kind = fault.clone();
        if let Some(strays) = strays {
            fault += &format!("; it wrote {strays} into the directory of {{output}} instead of {{output}}; that was removed");
        }
        let again = !attempt.stopped && task.tries <= self.options.retries && self.gave_up.is_none();
        let state = if again || attempt.stopped { JobState::Pending } else { JobState::Failed };
        let last = tail(&task.log);
        let text = format!("{fault}\n{last}");
        let end = JobEnd { state, seconds: attempt.seconds, status: attempt.status, tail: Some(&text) };
        let changes = self.data.catalog.begin()?;
        changes.end_job(task.row.id, &end)?;
        changes.commit()?;
        let said =
            last.lines().last().filter(|line| !line.starts_with("$ ")).map_or_else(String::new, |line| format!(": {line}"));
        if self.gave_up.is_none() && !attempt.stopped && task.tries == 1 {
            let failed =
                FailedJob { id: task.row.id, fault: kind, seconds: attempt.seconds, status: attempt.status, tail: text.clone() };
            self.note_alike(failed, &format!("{fault}{said}"))?;
        }
        if self.gave_up.is_some() {
            return Ok(None); // it is said once
        }
        if state == JobState::Failed && self.failures.len() < NAMED {
            self.failures.push(format!("{}: {fault}{said}", task.name()));
        }
        task.row.attempts += 1;
        task.aim(matches!(self.options.command, GeneratorCommand::One(_)));
        Ok(again.then_some(task))
    }

    /// Notes how the first attempt at a job failed. The run gives up once as many as the caller said have failed in the
    /// same way and nothing was made: what is wrong is not with them.
    fn note_alike(&mut self, job: FailedJob, said: &str) -> Result<()> {
        let Some(alike) = self.alike.as_mut().filter(|_| self.made == 0) else { return Ok(()) };
        if alike.first().is_some_and(|first| first.fault != job.fault) {
            self.alike = None;
            return Ok(());
        }
        alike.push(job);
        if self.options.stop_after == 0 || alike.len() < self.options.stop_after {
            return Ok(());
        }
        let changes = self.data.catalog.begin()?;
        for FailedJob { id, seconds, status, tail, .. } in alike.iter() {
            let end = JobEnd { state: JobState::Failed, seconds: *seconds, status: *status, tail: Some(tail) };
            changes.end_job(*id, &end)?;
        }
        changes.commit()?;
        let jobs = if alike.len() == 1 {
            "the first job failed".to_owned()
        } else {
            format!("the first {} jobs failed in the same way", alike.len())
        };
        self.gave_up = Some(format!("{jobs}: {said}"));
        self.failures.clear();
        Ok(())
    }

    /// Gives an image its name and takes it in, with a record of how it was made.
    fn accept(&mut self, task: &Task, command: &str, started: &str, attempt: &Attempt) -> Result<()> {
        into_place(Path::new(&task.job.output), &task.image)?;
        let mut meta = self.options.meta.clone();
        let run = json!({
            "command": command, "started": started, "seconds": attempt.seconds, "exit_status": attempt.status,
            "host": self.host, "attempts": task.row.attempts + 1,
        });
        meta.insert("run".into(), run);
        let generation = Generation {
            model: self.options.model.clone(),
            prompt_id: task.row.prompt_id.clone(),
            seed: task.row.seed,
            path: ImagePath { path: task.image.clone(), state: state_of(&task.image) },
            meta: Some(Value::Object(meta).to_string()),
            regions: None,
        };
        let changes = self.data.catalog.begin()?;
        // The previous image was missing or unusable; otherwise there would have been no job.
        let put = changes.put_generation(&generation, true, &mut |path| image::probe(path).blake3)?;
        if let Put::Unknown(what, id) = put {
            return Err(Error::Damaged(format!("there is no longer a {what} {id}")));
        }
        changes.end_job(
            task.row.id,
            &JobEnd { state: JobState::Done, seconds: attempt.seconds, status: attempt.status, tail: None },
        )?;
        changes.commit()?;
        self.made += 1;
        Ok(())
    }
}

/// Treats an attempt that could not be watched as stopped: its job is put back, and the run ends with the error.
fn or_put_back(attempt: Result<Attempt>) -> (Attempt, Option<Error>) {
    match attempt {
        Ok(attempt) => (attempt, None),
        Err(e) => (Attempt { seconds: 0.0, status: None, fault: Some(e.to_string()), stopped: true }, Some(e)),
    }
}

/// Checks that a file is a whole image.
fn whole(path: &str) -> std::result::Result<(), String> {
    image::load(Path::new(path)).map(drop)
}

fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Returns this machine's name.
fn host() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    name
}

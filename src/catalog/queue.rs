//! The queue of a generator: one job for each image to make.

use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::text::{plain, quote};
use crate::vocabulary::{ModelName, PromptId, closed_set};
use rusqlite::params;
use serde::Serialize;

closed_set! {
    /// The state of a job.
    JobState, "state" {
        /// The image is still to be made.
        Pending = "pending",
        /// The image is being made, or the run that made it was killed.
        Running = "running",
        /// Its image is in the catalog.
        Done = "done",
        /// It failed as often as the run allowed.
        Failed = "failed",
    }
}

/// A job that is still to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its row.
    pub id: i64,
    /// The prompt.
    pub prompt_id: PromptId,
    /// The seed.
    pub seed: i64,
    /// How often all runs have tried it.
    pub attempts: u32,
}

/// How an attempt at a job began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStart<'a> {
    /// The command, as it would be typed.
    pub command: &'a str,
    /// The time, UTC, RFC 3339.
    pub started: &'a str,
    /// The machine.
    pub host: &'a str,
    /// The file with its output.
    pub log: &'a str,
}

/// How an attempt at a job ended.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd<'a> {
    /// The job's new state.
    pub state: JobState,
    /// How many seconds it took.
    pub seconds: f64,
    /// The exit status, if it exited.
    pub status: Option<i32>,
    /// Why it failed.
    pub tail: Option<&'a str>,
}

/// The number of a model's jobs in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobTally {
    /// Jobs not done yet.
    pub open: u64,
    /// Jobs done.
    pub done: u64,
    /// Jobs given up.
    pub failed: u64,
}

/// What the runs of a generator have left undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnfinishedRun {
    /// The model.
    pub model: String,
    /// Its jobs that are done.
    pub done: u64,
    /// Its jobs that were given up.
    pub failed: u64,
    /// Its jobs that are still to be done, or being done.
    pub open: u64,
    /// Which job failed first, by prompt and seed, and why.
    pub reason: Option<String>,
}

impl UnfinishedRun {
    /// Returns what is to be known of it, as a sentence.
    pub fn in_words(&self) -> String {
        let UnfinishedRun { model, done, failed, open, reason } = self;
        let (total, model) = (done + failed + open, quote(model));
        let first = reason.as_ref().map_or_else(String::new, |reason| format!(", the first {}", plain(reason)));
        match (*done, *failed, *open) {
            (0, failed, 0) => format!("model {model} has no image: all {failed} of its jobs failed{first}"),
            (_, 0, open) => format!(
                "model {model} is not finished: {open} of its {total} jobs are open, because a run is going on or was interrupted; \
                 the same `msdata run` goes on with them"
            ),
            (_, failed, 0) => format!("model {model} is not finished: {failed} of its {total} jobs failed{first}"),
            (_, failed, open) => {
                format!("model {model} is not finished: {failed} of its {total} jobs failed{first}; {open} are open")
            }
        }
    }
}

impl Catalog {
    /// Returns what runs have left undone, by model.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn unfinished_runs(&self) -> Result<Vec<UnfinishedRun>> {
        const SQL: &str = "SELECT m.name, count(*) FILTER (WHERE j.state = 'done'), count(*) FILTER (WHERE j.state = 'failed'),
                count(*) FILTER (WHERE j.state IN ('pending', 'running')),
                (SELECT p.prompt_id || ' ' || f.seed || ': ' || coalesce(f.tail, 'no reason is known') FROM job f
                 JOIN prompt p ON p.id = f.prompt WHERE f.model = m.id AND f.state = 'failed'
                 ORDER BY p.prompt_id, f.seed LIMIT 1)
            FROM job j JOIN model m ON m.id = j.model GROUP BY m.id HAVING sum(j.state <> 'done') > 0 ORDER BY m.name";
        self.rows(SQL, |r| {
            Ok(UnfinishedRun {
                model: r.get(0)?,
                done: r.get::<_, i64>(1)? as u64,
                failed: r.get::<_, i64>(2)? as u64,
                open: r.get::<_, i64>(3)? as u64,
                reason: r.get::<_, Option<String>>(4)?.as_deref().map(in_one_line),
            })
        })
    }

    /// Returns a model's jobs that are still to be done, for these seeds, by prompt and seed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn open_jobs(&self, model: &ModelName, seeds: &[i64]) -> Result<Vec<JobRow>> {
        let act = "read the queue";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT j.id, p.prompt_id, j.seed, j.attempts FROM job j
                 JOIN model m ON m.id = j.model JOIN prompt p ON p.id = j.prompt
                 WHERE m.name = ?1 AND j.state <> 'done' ORDER BY p.prompt_id, j.seed",
            )
            .map_err(catalog(act))?;
        let read =
            |r: &rusqlite::Row<'_>| Ok(JobRow { id: r.get(0)?, prompt_id: r.get(1)?, seed: r.get(2)?, attempts: r.get(3)? });
        let rows: Vec<JobRow> = query.query_map([model.as_str()], read).and_then(Iterator::collect).map_err(catalog(act))?;
        Ok(rows.into_iter().filter(|job| seeds.contains(&job.seed)).collect())
    }

    /// The number of a model's jobs in each state.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn job_tally(&self, model: &ModelName) -> Result<JobTally> {
        let sql = "SELECT count(*) FILTER (WHERE state IN ('pending', 'running')), count(*) FILTER (WHERE state = 'done'),
                          count(*) FILTER (WHERE state = 'failed')
                   FROM job j JOIN model m ON m.id = j.model WHERE m.name = ?1";
        let read = |r: &rusqlite::Row<'_>| {
            Ok(JobTally {
                open: r.get::<_, i64>(0)? as u64,
                done: r.get::<_, i64>(1)? as u64,
                failed: r.get::<_, i64>(2)? as u64,
            })
        };
        self.db.query_row(sql, [model.as_str()], read).map_err(catalog("read the queue"))
    }
}

/// Returns a failure's first line, which says how it ended, and the last of what the generator said.
fn in_one_line(tail: &str) -> String {
    let mut lines = tail.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next_back().filter(|line| !line.starts_with("$ ")) {
        Some(last) => format!("{first}: {}", last.trim()),
        None => first.to_owned(),
    }
}

impl Changes<'_> {
    /// Makes a model's queue: a job for every prompt and each of these seeds. Jobs whose image is in the catalog
    /// are done; all others are to be done, even if they failed or were running when an earlier run was killed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn plan_jobs(&self, model: &ModelName, seeds: &[i64]) -> Result<()> {
        let act = catalog("make the queue");
        let model = self.model_row(model)?;
        for seed in seeds {
            self.tx
                .prepare_cached(
                    "INSERT INTO job (model, prompt, seed) SELECT ?1, p.id, ?2 FROM prompt p WHERE true
                     ON CONFLICT (prompt, model, seed) DO NOTHING",
                )
                .and_then(|mut q| q.execute(params![model, seed]))
                .map_err(&act)?;
        }
        self.tx
            .execute(
                "UPDATE job SET state = CASE WHEN EXISTS (
                     SELECT 1 FROM generation g JOIN image i ON i.id = g.image
                     WHERE g.prompt = job.prompt AND g.model = job.model AND g.seed = job.seed AND i.status IN ('ok', 'pending'))
                 THEN 'done' ELSE 'pending' END
                 WHERE model = ?1",
                [model],
            )
            .map_err(&act)?;
        Ok(())
    }

    /// Records that an attempt begins.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn start_job(&self, id: i64, start: &JobStart<'_>) -> Result<()> {
        self.tx
            .prepare_cached(
                "UPDATE job SET state = 'running', attempts = attempts + 1, command = ?2, started = ?3, host = ?4, log = ?5,
                     seconds = NULL, status = NULL, tail = NULL
                 WHERE id = ?1",
            )
            .and_then(|mut q| q.execute(params![id, start.command, start.started, start.host, start.log]))
            .map_err(catalog("begin a job"))?;
        Ok(())
    }

    /// Records that an attempt ended.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn end_job(&self, id: i64, end: &JobEnd<'_>) -> Result<()> {
        self.tx
            .prepare_cached("UPDATE job SET state = ?2, seconds = ?3, status = ?4, tail = ?5 WHERE id = ?1")
            .and_then(|mut q| q.execute(params![id, end.state.as_str(), end.seconds, end.status, end.tail]))
            .map_err(catalog("end a job"))?;
        Ok(())
    }
}

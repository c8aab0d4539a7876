//! Rows of manifests on their way into the catalog: every bad one is kept for the list of problems.

use super::summary::IngestSummary;
use crate::catalog::{Change, Changes, Entry, Put};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::manifest::{Generation, Located, Manifest, Problem, Prompt, RowKind, Subject, suggestion};
use crate::vocabulary::quote;
use crate::watch::{Stop, Watch};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Bad rows of one file after which it is read no further: nobody mends more by hand.
const MOST_PROBLEMS: usize = 10_000;

/// Suggestions are sought for this many bad rows; each compares with every known id.
const MOST_SUGGESTIONS: usize = 100;

/// Rows between two words to the caller.
const PACE: u64 = 1024;

/// Takes rows into a set of changes.
pub struct Intake<'a, 'c, 'w> {
    changes: &'a Changes<'c>,
    replace: bool,
    door: Door,
    watch: &'a mut Watch<'w>,
    summary: IngestSummary,
    problems: Vec<Problem>,
    run: HashMap<Entry, Run>,
    known: HashMap<Entry, Vec<String>>,
    suggestions: usize,
    rows: u64,
}

/// Which rows of a table this run has written.
struct Run {
    /// The highest id before the run.
    before: i64,
    replaced: HashSet<i64>,
}

type Read<'w, T> = fn(&mut Manifest<'w>) -> Option<std::result::Result<Located<T>, Problem>>;

impl<'a, 'c, 'w> Intake<'a, 'c, 'w> {
    /// With `replace`, other content takes the place of what was there before the run. Images are read through `door`.
    pub fn new(changes: &'a Changes<'c>, replace: bool, door: Door, watch: &'a mut Watch<'w>) -> Result<Self> {
        let mut run = HashMap::new();
        for entry in [Entry::Subject, Entry::Prompt, Entry::Generation] {
            run.insert(entry, Run { before: changes.last_id(entry)?, replaced: HashSet::new() });
        }
        let summary = IngestSummary::default();
        Ok(Intake {
            changes,
            replace,
            door,
            watch,
            summary,
            problems: vec![],
            run,
            known: HashMap::new(),
            suggestions: 0,
            rows: 0,
        })
    }

    /// The wish to stop, for those who read elsewhere.
    pub fn stop(&self) -> Stop<'w> {
        self.watch.stop()
    }

    /// Every row of a manifest.
    pub fn manifest<T>(
        &mut self,
        path: &Path,
        kind: RowKind,
        roots: Option<&[PathBuf]>,
        read: Read<'w, T>,
        put: impl Fn(&mut Self, Located<T>) -> Result<()>,
    ) -> Result<()> {
        let opened = Manifest::open(path, kind, roots, self.watch.stop());
        self.watch.check()?;
        let mut manifest = match opened {
            Err(Error::Manifest(problems)) => {
                self.problems.extend(problems);
                return Ok(());
            }
            opened => opened?,
        };
        let (rows_before, problems_before) = (self.rows, self.problems.len());
        while let Some(row) = read(&mut manifest) {
            self.pace()?;
            match row {
                Ok(row) => put(self, row)?,
                Err(problem) => {
                    self.watch.check()?; // what was broken off is no fault of the file's
                    self.problems.push(problem);
                }
            }
            if self.problems.len() - problems_before >= MOST_PROBLEMS {
                self.problems.push(manifest.problem(format!("{MOST_PROBLEMS} bad rows; read no further")));
                break;
            }
        }
        if self.rows == rows_before {
            self.watch.warn(&manifest.problem("no rows").to_string());
        }
        for warning in manifest.into_warnings() {
            self.watch.warn(&warning.to_string());
        }
        Ok(())
    }

    /// Rows that were read elsewhere.
    pub fn rows<T>(
        &mut self,
        rows: impl IntoIterator<Item = Located<T>>,
        put: impl Fn(&mut Self, Located<T>) -> Result<()>,
    ) -> Result<()> {
        for row in rows {
            self.pace()?;
            put(self, row)?;
        }
        Ok(())
    }

    /// What was wrong or odd about rows that were read elsewhere.
    pub fn remarks(&mut self, problems: Vec<Problem>, warnings: Vec<Problem>) {
        self.problems.extend(problems);
        warnings.iter().for_each(|w| self.watch.warn(&w.to_string()));
    }

    pub fn subject(&mut self, row: Located<Subject>) -> Result<()> {
        let put = self.changes.put_subject(&row.row, self.replace, &mut |path| self.door.probe(path).blake3)?;
        self.settle(Entry::Subject, row.row.subject_id.as_str(), &row, put)
    }

    pub fn prompt(&mut self, row: Located<Prompt>) -> Result<()> {
        let put = self.changes.put_prompt(&row.row, self.replace)?;
        self.settle(Entry::Prompt, row.row.prompt_id.as_str(), &row, put)
    }

    pub fn generation(&mut self, row: Located<Generation>) -> Result<()> {
        let put = self.changes.put_generation(&row.row, self.replace, &mut |path| self.door.probe(path).blake3)?;
        let Generation { model, prompt_id, seed, .. } = &row.row;
        self.settle(Entry::Generation, &format!("{model} {prompt_id} {seed}"), &row, put)
    }

    /// What was done, and every problem met.
    pub fn finish(self) -> (IngestSummary, Vec<Problem>) {
        (self.summary, self.problems)
    }

    /// Counts what became of a row, or says why it could not be put in.
    fn settle<T>(&mut self, entry: Entry, key: &str, row: &Located<T>, put: Put) -> Result<()> {
        let counts = match entry {
            Entry::Subject => &mut self.summary.subjects,
            Entry::Prompt => &mut self.summary.prompts,
            Entry::Generation => &mut self.summary.generations,
        };
        let written = self.run.get_mut(&entry).map(|run| |id: i64| id > run.before || run.replaced.contains(&id));
        let this_run = |id| written.is_some_and(|w| w(id));
        let reason = match put {
            Put::Done(id, Change::Replaced) if this_run(id) => {
                format!(
                    "{entry} {} stands twice in this run with different content; `--replace` cannot tell which to keep",
                    quote(key)
                )
            }
            Put::Done(id, change) => {
                counts.count(change);
                if change == Change::Replaced
                    && let Some(run) = self.run.get_mut(&entry)
                {
                    run.replaced.insert(id);
                }
                return Ok(());
            }
            Put::Conflict(id, conflict) if this_run(id) => {
                format!("{entry} {} stands twice: {}", quote(key), conflict.with_sides("above", "here"))
            }
            Put::Conflict(_, conflict) => {
                let sides = conflict.with_sides("in the catalog", "here");
                format!("{entry} {} is known with other content: {sides} (`--replace` takes what is here)", quote(key))
            }
            Put::Unknown(what, id) => {
                let near = self.suggestion(what, &id)?;
                format!("there is no {what} {}{near}", quote(&id))
            }
        };
        self.problems.push(row.problem(reason));
        Ok(())
    }

    fn suggestion(&mut self, what: Entry, id: &str) -> Result<String> {
        self.suggestions += 1;
        if self.suggestions > MOST_SUGGESTIONS {
            return Ok(String::new());
        }
        if !self.known.contains_key(&what) {
            self.known.insert(what, self.changes.ids(what)?);
        }
        Ok(self.known.get(&what).map_or_else(String::new, |ids| suggestion(id, ids.iter().map(String::as_str))))
    }

    fn pace(&mut self) -> Result<()> {
        self.rows += 1;
        if self.rows.is_multiple_of(PACE) {
            self.watch.report("rows", self.rows, None);
            self.watch.check()?;
        }
        Ok(())
    }
}

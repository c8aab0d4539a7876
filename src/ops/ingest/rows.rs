//! Takes rows of manifests into the catalog; every bad row is kept for the list of problems.

use crate::catalog::{Change, Changes, EntryKind, Put, RowSet};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::input;
use crate::manifest::{Generation, Located, ManifestSettings, Prompt, RowKind, Subject};
use crate::ops::ingest::ahead::{Ahead, GiveAll, read_ahead};
use crate::ops::ingest::summary::IngestSummary;
use crate::problem::{Origin, Position, Problem};
use crate::text::quote;
use crate::text::suggestion;
use crate::watch::{Stop, Watch};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bad rows of one file that are listed; the others are counted.
pub const MOST_PROBLEMS: usize = 10_000;

/// Number of bad rows that get a suggestion; each is compared with every known id.
const MOST_SUGGESTIONS: usize = 100;

/// Rows between two progress reports.
const PACE: u64 = 1024;

/// Takes rows into a set of changes.
pub struct Intake<'a, 'c, 'w> {
    changes: &'a Changes<'c>,
    replace: bool,
    door: Door,
    watch: &'a mut Watch<'w>,
    summary: IngestSummary,
    problems: Problems,
    run: HashMap<EntryKind, RowBlock>,
    known: HashMap<EntryKind, Vec<String>>,
    suggestions: usize,
    rows: u64,
    /// Rows that were refused, by what they were to bring.
    refused: HashMap<EntryKind, RefusedRows>,
    /// Rows of generations that have regions.
    with_regions: Vec<Located<Generation>>,
    /// Replaced prompts that have generations: number of prompts, number of generations, and the first prompt.
    outdated: Option<(u64, u64, String)>,
    /// Values of metrics that were about subjects which their prompts no longer have.
    lost_values: u64,
}

/// The rows of one kind that were refused. What names them is bad only because they are.
#[derive(Default)]
struct RefusedRows {
    ids: HashSet<String>,
    /// Whether a whole file of them could not be read.
    unread: bool,
}

impl RefusedRows {
    fn may_hold(&self, id: &str) -> bool {
        self.unread || self.ids.contains(id)
    }
}

/// Bad rows, file by file.
#[derive(Default)]
struct Problems {
    list: Vec<Problem>,
    /// Bad rows of the file that is being read.
    listed: usize,
    further: Option<(Arc<Path>, u64)>,
    /// Rows of the file that is being read which name what other bad rows were to bring.
    following: Option<(Arc<Path>, u64)>,
}

impl Problems {
    fn push(&mut self, problem: Problem) {
        if self.listed < MOST_PROBLEMS {
            self.listed += 1;
            self.list.push(problem);
        } else {
            self.further.get_or_insert((problem.origin.file, 0)).1 += 1;
        }
    }

    /// Notes that a file has been read.
    fn end_file(&mut self) {
        self.listed = 0;
        self.list.extend(self.further.take().map(|(file, rows)| Problem::further(file, rows)));
        self.list.extend(self.following.take().map(|(file, rows)| Problem::following(file, rows)));
    }
}

/// The rows of a table that this run has met: another row of the run must say the same about them.
struct RowBlock {
    /// The highest id before the run; rows above it are the run's own.
    before: i64,
    /// Rows up to it.
    met: RowSet,
}

impl RowBlock {
    fn has_met(&self, id: i64) -> bool {
        id > self.before || self.met.contains(id)
    }

    fn meet(&mut self, id: i64) {
        if id <= self.before {
            self.met.insert(id);
        }
    }
}

impl<'a, 'c, 'w> Intake<'a, 'c, 'w> {
    /// Begins to take rows in. With `replace`, differing content replaces what was there before the run. Images are read
    /// through `door`.
    pub fn new(changes: &'a Changes<'c>, replace: bool, door: Door, watch: &'a mut Watch<'w>) -> Result<Self> {
        let mut run = HashMap::new();
        for entry in [EntryKind::Subject, EntryKind::Prompt, EntryKind::Generation] {
            run.insert(entry, RowBlock { before: changes.last_id(entry)?, met: RowSet::default() });
        }
        let summary = IngestSummary::default();
        let problems = Problems::default();
        Ok(Intake {
            changes,
            replace,
            door,
            watch,
            summary,
            problems,
            run,
            known: HashMap::new(),
            suggestions: 0,
            rows: 0,
            refused: HashMap::new(),
            with_regions: Vec::new(),
            outdated: None,
            lost_values: 0,
        })
    }

    /// Returns the wish to stop, for code that reads elsewhere.
    pub fn stop(&self) -> Stop<'w> {
        self.watch.stop()
    }

    /// Takes in every row of a manifest: a file, or a directory of parts.
    pub fn manifest<T: Send>(
        &mut self,
        path: &Path,
        kind: RowKind,
        reading: &ManifestSettings,
        read: GiveAll<'w, T>,
        put: impl Fn(&mut Self, Located<T>) -> Result<()>,
    ) -> Result<()> {
        let files = match parts_of(path, false, self.watch) {
            Ok(files) => files,
            Err(Error::Manifest(problems)) => {
                self.unread(kind.entry(), problems);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        // A directory of parts lies where the file would lie whose rows they are.
        let home = path.is_dir().then(|| match (path.file_name(), path.parent()) {
            (Some(_), Some(above)) if above.as_os_str().is_empty() => PathBuf::from("."),
            (Some(_), Some(above)) => above.to_owned(),
            _ => path.join(".."),
        });
        let reading = ManifestSettings { home, ..reading.clone() };
        let (rows_before, problems_before) = (self.rows, self.problems.list.len());
        for file in &files {
            self.file(file, kind, &reading, read, &put)?;
        }
        if self.rows == rows_before && self.problems.list.len() == problems_before {
            self.watch.remark(Origin::whole(path), "no rows");
        }
        Ok(())
    }

    /// Takes in every row of a file.
    fn file<T: Send>(
        &mut self,
        path: &Path,
        kind: RowKind,
        reading: &ManifestSettings,
        read: GiveAll<'w, T>,
        put: &impl Fn(&mut Self, Located<T>) -> Result<()>,
    ) -> Result<()> {
        let read = read_ahead(path, kind, reading, self.watch.stop(), read, |ahead| {
            for next in ahead {
                self.watch.check()?;
                match next? {
                    Ahead::Rows(rows) => self.batch(kind, rows, put)?,
                    Ahead::End { scenes_given, warnings } => {
                        self.problems.end_file();
                        self.summary.scenes_given += scenes_given;
                        warnings.iter().for_each(|warning| self.watch.remark(&warning.origin, &warning.reason));
                    }
                }
            }
            Ok(())
        });
        match read {
            Err(Error::Manifest(problems)) => {
                self.unread(kind.entry(), problems);
                Ok(())
            }
            read => read,
        }
    }

    /// Takes in rows of a file.
    fn batch<T>(
        &mut self,
        kind: RowKind,
        rows: Vec<std::result::Result<Located<T>, Problem>>,
        put: &impl Fn(&mut Self, Located<T>) -> Result<()>,
    ) -> Result<()> {
        for row in rows {
            self.pace()?;
            match row {
                Ok(row) => put(self, row)?,
                Err(problem) => {
                    self.watch.check()?; // an interrupted read is not a fault of the file
                    self.problems.push(problem);
                    self.refused.entry(kind.entry()).or_default();
                }
            }
        }
        Ok(())
    }

    /// Notes that a whole file could not be read, and why.
    pub fn unread(&mut self, entry: EntryKind, problems: Vec<Problem>) {
        self.problems.list.extend(problems);
        self.refuse_some(entry);
    }

    /// Notes that rows of a kind could not be read, so that what names them cannot be judged.
    pub fn refuse_some(&mut self, entry: EntryKind) {
        self.refused.entry(entry).or_default().unread = true;
    }

    /// Notes something that the summary says.
    pub fn taken(&mut self, what: String) {
        self.summary.taken.push(what);
    }

    /// Takes in rows that were read elsewhere.
    pub fn rows<T>(
        &mut self,
        rows: impl IntoIterator<Item = Located<T>>,
        put: impl Fn(&mut Self, Located<T>) -> Result<()>,
    ) -> Result<()> {
        for row in rows {
            self.pace()?;
            put(self, row)?;
        }
        self.problems.end_file();
        Ok(())
    }

    /// Whether rows of a kind were refused, so that what names them cannot be judged.
    pub fn lacks(&self, entry: EntryKind) -> bool {
        self.refused.contains_key(&entry)
    }

    /// Whether anything was bad so far.
    pub fn has_problems(&self) -> bool {
        !self.problems.list.is_empty()
    }

    /// Notes a file or directory that was left alone because of other faults.
    pub fn not_looked_at(&mut self, path: &Path, why: &str) {
        self.problems
            .list
            .push(Problem { origin: Origin { file: path.into(), place: Position::Further(0) }, reason: why.into() });
    }

    /// Takes in what was wrong or odd about rows that were read elsewhere.
    pub fn warnings(&mut self, problems: Vec<Problem>, warnings: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.problems.push(problem));
        self.problems.end_file();
        warnings.iter().for_each(|w| self.watch.remark(&w.origin, &w.reason));
    }

    pub fn subject(&mut self, row: Located<Subject>) -> Result<()> {
        let put = self.changes.put_subject(&row.row, self.replace, &mut |path| self.door.probe(path).blake3)?;
        self.settle(EntryKind::Subject, || row.row.subject_id.to_string(), &row, put)
    }

    pub fn prompt(&mut self, row: Located<Prompt>) -> Result<()> {
        let put = self.changes.put_prompt(&row.row, self.replace)?;
        if let Put::Done(id, Change::Replaced) = put {
            self.lost_values += self.changes.drop_values_of_lost_subjects(id)?;
            let generations = self.changes.generations_of(id)?;
            if generations > 0 {
                let (prompts, images, _) = self.outdated.get_or_insert_with(|| (0, 0, row.row.prompt_id.to_string()));
                *prompts += 1;
                *images += generations;
            }
        }
        self.settle(EntryKind::Prompt, || row.row.prompt_id.to_string(), &row, put)
    }

    pub fn generation(&mut self, row: Located<Generation>) -> Result<()> {
        let put = self.changes.put_generation(&row.row, self.replace, &mut |path| self.door.probe(path).blake3)?;
        let Generation { model, prompt_id, seed, .. } = &row.row;
        self.settle(EntryKind::Generation, || format!("{model} {prompt_id} {seed}"), &row, put)?;
        if row.row.regions.is_some() {
            self.with_regions.push(row);
        }
        Ok(())
    }

    /// Returns what was done, every problem met, and the rows of generations that have regions.
    pub fn finish(self) -> (IngestSummary, Vec<Problem>, Vec<Located<Generation>>) {
        if let Some((prompts, images, first)) = self.outdated.filter(|_| self.problems.list.is_empty()) {
            self.watch.warn(&format!(
                "{images} images were made from {prompts} prompts before those were replaced (the first is {}); where they \
                no longer fit, make them again, or remove them with `msdata remove --generation`",
                quote(&first)
            ));
        }
        if self.lost_values > 0 && self.problems.list.is_empty() {
            self.watch.warn(&format!(
                "{} values of metrics were about subjects that their prompts no longer have, and are removed",
                self.lost_values
            ));
        }
        (self.summary, self.problems.list, self.with_regions)
    }

    /// Counts what happened to a row, or records why it could not be put in.
    fn settle<T>(&mut self, entry: EntryKind, key: impl Fn() -> String, row: &Located<T>, put: Put) -> Result<()> {
        let counts = match entry {
            EntryKind::Subject => &mut self.summary.subjects,
            EntryKind::Prompt => &mut self.summary.prompts,
            EntryKind::Generation => &mut self.summary.generations,
        };
        let met = |id: i64| self.run.get(&entry).is_some_and(|run| run.has_met(id));
        let (id, change) = match &put {
            Put::Done(id, change) => (*id, *change),
            Put::Moved(id, _) => (*id, Change::Moved),
            Put::Conflict(id, _) => (*id, Change::Unchanged),
            Put::Unknown(..) => (0, Change::Unchanged),
        };
        let reason = match put {
            Put::Done(id, Change::Replaced) if met(id) => {
                format!(
                    "{entry} {} appears twice in this run with different content; `--replace` cannot tell which to keep",
                    quote(&key())
                )
            }
            // Whichever comes first, both files must be there and hold the same bytes.
            Put::Moved(id, moved) if met(id) && !moved.paths().all(|(above, here)| same_content(&self.door, above, here)) => {
                format!("{entry} {} appears twice: {}", quote(&key()), moved.with_sides("above", "here"))
            }
            Put::Done(..) | Put::Moved(..) => {
                counts.count(change);
                if let Some(run) = self.run.get_mut(&entry) {
                    run.meet(id);
                }
                return Ok(());
            }
            Put::Conflict(id, conflict) if met(id) => {
                format!("{entry} {} appears twice: {}", quote(&key()), conflict.with_sides("above", "here"))
            }
            Put::Conflict(_, conflict) => {
                let sides = conflict.with_sides("in the catalog", "here");
                format!(
                    "{entry} {} is known with other content: {sides} (`--replace` takes the content given here)",
                    quote(&key())
                )
            }
            Put::Unknown(what, id) if self.refused.get(&what).is_some_and(|refused| refused.may_hold(&id)) => {
                self.problems.following.get_or_insert_with(|| (row.origin.file.clone(), 0)).1 += 1;
                self.refused.entry(entry).or_default().ids.insert(key());
                return Ok(());
            }
            Put::Unknown(what, id) => {
                let near = self.suggestion(what, &id)?;
                format!("there is no {what} {}{near}", quote(&id))
            }
        };
        self.problems.push(row.problem(reason));
        self.refused.entry(entry).or_default().ids.insert(key());
        Ok(())
    }

    fn suggestion(&mut self, what: EntryKind, id: &str) -> Result<String> {
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

impl RowKind {
    fn entry(self) -> EntryKind {
        match self {
            RowKind::Subjects => EntryKind::Subject,
            RowKind::Prompts => EntryKind::Prompt,
            // What is said of generations names them.
            RowKind::Generations | RowKind::Scores => EntryKind::Generation,
        }
    }
}

/// Returns the files that a path names: itself, or the parts in it.
///
/// # Errors
/// [`Error::Manifest`] names what is not a part; or the directory cannot be read.
pub fn parts_of(path: &Path, only_parquet: bool, watch: &Watch<'_>) -> Result<Vec<PathBuf>> {
    if path.is_dir() { input::parts(path, only_parquet, watch.stop()) } else { Ok(vec![path.to_owned()]) }
}

/// Returns whether two files are there and hold the same bytes.
fn same_content(door: &Door, a: &Path, b: &Path) -> bool {
    door.probe(a).blake3.is_some_and(|content| door.probe(b).blake3 == Some(content))
}

//! Makes a stress test from the catalog's subjects or from a directory of images, and registers it with its
//! seeds, all or nothing. Also checks any set of prompts.

use crate::catalog::{PromptRow, SubjectRow};
use crate::dataset::Dataset;
use crate::durable::{check_target, write_whole};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::manifest::{ImageFolder, Located, Manifest, ManifestSettings, Prompt, PromptLine, RowKind, Subject, json_lines};
use crate::ops::ingest::rows::Intake;
use crate::ops::ingest::summary::Counts;
use crate::ops::pool_check::{duplicates, look};
use crate::ops::scan;
use crate::problem::{Origin, Position, Problem};
use crate::stress_test::lint::{PromptDraft, balance_of_used, distinct_sets, lint};
use crate::stress_test::{self, Balance, Design, Finding, PoolSubject};
use crate::text::quote;
use crate::text::{nearest, suggestion};
use crate::vocabulary::{Outcome, SubjectId, SubjectKind};
use crate::watch::Watch;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Which stress test to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StressTestOptions {
    /// A directory of images, one file or one folder per subject; `None`: the subjects in the catalog.
    pub images: Option<PathBuf>,
    /// How many subjects, scene types and prompts.
    pub shape: Design,
    /// The seeds to generate every prompt with.
    pub seeds: Vec<i64>,
    /// Only subjects of these kinds; empty: any.
    pub kinds: Vec<SubjectKind>,
    /// Subjects to leave out.
    pub exclude: Vec<SubjectId>,
    /// Where to write the prompts manifest as well.
    pub out: Option<PathBuf>,
    /// Rows whose id is known and whose content differs replace the known ones.
    pub replace: bool,
    /// Change nothing.
    pub dry_run: bool,
}

impl Default for StressTestOptions {
    /// The paper's shape and seeds, of all subjects in the catalog.
    fn default() -> StressTestOptions {
        StressTestOptions {
            images: None,
            shape: Design::default(),
            seeds: vec![42, 43, 44],
            kinds: Vec::new(),
            exclude: Vec::new(),
            out: None,
            replace: false,
            dry_run: false,
        }
    }
}

/// A stress test that was made, or with `dry_run` would have been.
#[derive(Debug, Clone, PartialEq)]
pub struct StressTestSummary {
    /// Its prompts, by subject count, scene type and number.
    pub prompts: Vec<Prompt>,
    /// What happened to them in the catalog.
    pub prompt_rows: Counts,
    /// What happened to the subjects of a directory of images.
    pub subject_rows: Counts,
    /// How often the subjects of each kind are used.
    pub balance: Vec<Balance>,
}

impl Dataset {
    /// Makes a stress test and puts it into the catalog, all or nothing. If the pool does not allow a balanced one, that
    /// is a warning.
    ///
    /// # Errors
    /// The pool is too small, a reference cannot be used, an excluded subject is not there, or a prompt or the seeds
    /// are known with other content; nothing was written.
    pub fn build_stress_test(&mut self, options: &StressTestOptions, watch: &mut Watch<'_>) -> Result<StressTestSummary> {
        check_seeds(&options.seeds)?;
        options.out.as_deref().map_or(Ok(()), check_target)?;
        let folder = options.images.as_deref().map(|dir| images(dir, watch)).transpose()?;
        watch.say_remarks();
        let pool = match &folder {
            Some(subjects) => subjects.iter().map(|s| PoolMember::of_row(&s.row)).collect(),
            None => self.catalog.subjects()?.iter().map(PoolMember::of_fact).collect(),
        };
        let pool = select(pool, options)?;
        check_references(&pool, &self.door)?;
        let candidates: Vec<PoolSubject> = pool.into_iter().map(|m| m.candidate).collect();
        let made = stress_test::build(candidates.clone(), &options.shape)?;
        made.warnings.iter().for_each(|warning| watch.warn(warning));

        let place: HashMap<&SubjectId, usize> = candidates.iter().enumerate().map(|(i, c)| (&c.id, i)).collect();
        let subject_sets: Vec<Vec<usize>> = made.prompts.iter().map(|p| p.subjects.iter().map(|s| place[s]).collect()).collect();
        let used: Vec<Located<Subject>> =
            folder.unwrap_or_default().into_iter().filter(|s| place.contains_key(&s.row.subject_id)).collect();
        let of_images = !used.is_empty();

        let changes = self.catalog.begin()?;
        let mut intake = Intake::new(&changes, options.replace, self.door.clone(), watch)?;
        intake.rows(used, Intake::subject)?;
        intake.rows(made.prompts.iter().enumerate().map(|(i, p)| entry(i, p.clone())), Intake::prompt)?;
        let (rows, mut problems, _) = intake.finish();
        if let Some(known) = changes.put_seeds(&options.seeds, options.replace)?.filter(|_| !options.replace) {
            let list = |seeds: &[i64]| seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "the seeds are {} in the catalog but {} here (`--replace` takes those here)",
                list(&known),
                list(&options.seeds)
            );
            problems.push(Problem { origin: Origin::whole(Path::new(ORIGIN)), reason });
        }
        if !problems.is_empty() {
            return Err(Error::Manifest(problems));
        }
        if !options.dry_run {
            if let Some(out) = &options.out {
                write_whole(out, json_lines(made.prompts.iter().map(PromptLine::from)).as_bytes())?;
            }
            changes.commit()?;
            if of_images {
                scan::inspect(&mut self.catalog, &self.door, watch)?;
            }
        }
        Ok(StressTestSummary {
            balance: stress_test::balance(&candidates, &subject_sets),
            prompts: made.prompts,
            prompt_rows: rows.prompts,
            subject_rows: rows.subjects,
        })
    }
}

/// What was found in a set of prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct StressTestCheck {
    /// What is wrong, by check.
    pub findings: Vec<Finding>,
    /// Number of prompts checked.
    pub prompts: usize,
    /// Number of different sets of subjects among them.
    pub distinct_sets: usize,
    /// Number of subjects of the data set that are in no prompt.
    pub unused: usize,
    /// How often each subject that is used is used.
    pub balance: Vec<Balance>,
}

impl Dataset {
    /// Checks the prompts of the data set, or of a prompts manifest that uses its subjects.
    ///
    /// # Errors
    /// There are no prompts; the manifest cannot be read, has bad rows or names subjects that are not there.
    pub fn check_stress_test(&self, prompts: Option<&Path>, watch: &mut Watch<'_>) -> Result<StressTestCheck> {
        let subjects = self.catalog.subjects()?;
        let pool = subjects.iter().map(candidate).collect::<Vec<PoolSubject>>();
        let drafts: Vec<PromptDraft> = match prompts {
            Some(path) => drafts(path, &pool, watch)?,
            None => {
                let of = |p: PromptRow| PromptDraft {
                    id: p.prompt_id.into(),
                    text: p.text,
                    scene: p.scene_type,
                    subjects: p.subjects,
                };
                self.catalog.prompts()?.into_iter().map(of).collect()
            }
        };
        if drafts.is_empty() {
            return Err(Error::request(
                "there are no prompts to check",
                "make some with `msdata bench build`, or give a prompts manifest",
            ));
        }
        let mut findings = lint(&pool, &drafts);
        findings.extend(duplicates(&look(&subjects, &self.door, self.catalog.transparency()?, watch)?));
        findings.sort_by_key(|f| f.check);
        let used: HashSet<usize> = drafts.iter().flat_map(|d| d.subjects.iter().copied()).collect();
        Ok(StressTestCheck {
            findings,
            prompts: drafts.len(),
            distinct_sets: distinct_sets(&drafts),
            unused: pool.len() - used.len(),
            balance: balance_of_used(&pool, &drafts),
        })
    }
}

/// The rows of a prompts manifest.
fn drafts(path: &Path, pool: &[PoolSubject], watch: &mut Watch<'_>) -> Result<Vec<PromptDraft>> {
    let place: HashMap<&str, usize> = pool.iter().enumerate().map(|(i, c)| (c.id.as_str(), i)).collect();
    let mut manifest = Manifest::open(path, RowKind::Prompts, &ManifestSettings::default(), watch.stop())?;
    let (mut drafts, mut problems, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    while let Some(row) = manifest.next_prompt() {
        watch.check()?;
        let row = match row {
            Ok(row) => row,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        if !seen.insert(row.row.prompt_id.clone()) {
            problems.push(row.problem(format!("prompt {} appears twice", quote(row.row.prompt_id.as_str()))));
        }
        let mut subjects = Vec::new();
        for subject in &row.row.subjects {
            match place.get(subject.as_str()) {
                Some(i) => subjects.push(*i),
                None => {
                    let near = suggestion(subject.as_str(), pool.iter().map(|c| c.id.as_str()));
                    problems.push(row.problem(format!("there is no subject {}{near}", quote(subject.as_str()))));
                }
            }
        }
        drafts.push(PromptDraft { id: row.row.prompt_id.to_string(), text: row.row.text, scene: row.row.scene_type, subjects });
    }
    manifest.into_warnings().iter().for_each(|w| watch.remark(&w.origin, &w.reason));
    if problems.is_empty() { Ok(drafts) } else { Err(Error::Manifest(problems)) }
}

/// The origin of rows that no file holds.
const ORIGIN: &str = "bench build";

fn entry(i: usize, row: Prompt) -> Located<Prompt> {
    Located { origin: Origin { file: Path::new(ORIGIN).into(), place: Position::Entry(i as u64 + 1) }, row }
}

/// A subject and its files.
struct PoolMember {
    candidate: PoolSubject,
    references: Vec<PathBuf>,
}

impl PoolMember {
    fn of_row(row: &Subject) -> PoolMember {
        let candidate = PoolSubject { id: row.subject_id.clone(), label: row.label.clone(), kind: row.kind };
        PoolMember { candidate, references: row.references.iter().map(|r| r.path.clone()).collect() }
    }

    fn of_fact(fact: &SubjectRow) -> PoolMember {
        PoolMember { candidate: candidate(fact), references: fact.references.iter().map(PathBuf::from).collect() }
    }
}

/// Returns a subject of the catalog as a stress test sees it.
pub(crate) fn candidate(fact: &SubjectRow) -> PoolSubject {
    PoolSubject { id: fact.subject_id.clone(), label: fact.label.clone(), kind: fact.kind }
}

fn images(dir: &Path, watch: &mut Watch<'_>) -> Result<Vec<Located<Subject>>> {
    let folder = ImageFolder::read(dir, None, watch.stop())?;
    folder.warnings.iter().for_each(|w| watch.remark(&w.origin, &w.reason));
    if folder.problems.is_empty() { Ok(folder.subjects) } else { Err(Error::Manifest(folder.problems)) }
}

fn select(mut pool: Vec<PoolMember>, options: &StressTestOptions) -> Result<Vec<PoolMember>> {
    for id in &options.exclude {
        if !pool.iter().any(|m| m.candidate.id == *id) {
            let near = nearest(id.as_str(), pool.iter().map(|m| m.candidate.id.as_str()));
            let hint = near.map_or("`msdata sql 'SELECT subject_id FROM subjects'` lists them".into(), |n| {
                format!("did you mean {}?", quote(n))
            });
            return Err(Error::request(format!("--exclude: there is no subject {}", quote(id.as_str())), hint));
        }
    }
    pool.retain(|m| !options.exclude.contains(&m.candidate.id));
    if !options.kinds.is_empty() {
        pool.retain(|m| m.candidate.kind.is_some_and(|kind| options.kinds.contains(&kind)));
    }
    Ok(pool)
}

/// Refuses references that cannot be used: a generator would fail on them, or draw nothing in their place.
fn check_references(pool: &[PoolMember], door: &Door) -> Result<()> {
    let look = |member: &PoolMember| -> Vec<Problem> {
        let fault = |path: &PathBuf| match door.probe(path).outcome {
            Outcome::Image { .. } => None,
            Outcome::Unusable(_, reason) => {
                let reason = format!(
                    "a reference of subject {}: {reason}; fix it, or --exclude the subject",
                    quote(member.candidate.id.as_str())
                );
                Some(Problem { origin: Origin::whole(path), reason })
            }
        };
        member.references.iter().filter_map(fault).collect()
    };
    let problems: Vec<Problem> = pool.par_iter().flat_map_iter(look).collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::Manifest(problems)) }
}

fn check_seeds(seeds: &[i64]) -> Result<()> {
    let refuse = |message: String| Err(Error::Request { message, hint: None });
    match (0..seeds.len()).find(|i| seeds[..*i].contains(&seeds[*i])) {
        Some(twice) => refuse(format!("the seed {} is given twice", seeds[twice])),
        None if seeds.is_empty() => refuse("a stress test needs at least one seed".into()),
        None => Ok(()),
    }
}

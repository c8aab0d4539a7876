//! The façade: a data set on disk, one method for each thing one can do with it.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Dataset`]: made, opened, locked |
//! | `ingest` | [`IngestOptions`]: the order in which things come in |
//! | `summary` | [`IngestSummary`]: what came in |
//! | `intake` | rows of manifests, put in or refused together |
//! | `vectors` | rows of embeddings files, put in or refused together |
//! | `inspection` | the image files, looked at on all cores |
//! | `scoring` | what is embedded and not scored, block by block |
//! | `controls` | scored generations against the whole pool |
//! | `audit` | [`Audit`]: images to look at before a table is believed |
//! | `composites` | [`ControlsSummary`]: references pasted together, as control models |
//! | `embed` | [`EmbedOptions`], [`EmbedSummary`]: which encoders, on what |
//! | `embedding` | pixels and texts into vectors, batch by batch |
//! | `delivery` | the stress test as generators are told it |
//! | `run` | [`RunOptions`]: a generator driven over what is missing |
//! | `bench` | [`BenchOptions`], [`BenchSummary`], [`BenchCheck`]: a stress test of one's own, and the check of any |
//! | `curation` | [`PoolCheck`]: what is wrong with the references |
//! | `export` | the Parquet tables |
//! | `figures` | which report a figure is drawn from |
//! | `page` | what the page shows, gathered |
//! | `windows` | images looked through for each subject, window by window |
//! | `pixels` | what becomes of transparent pixels; blank images |
//! | `digest` | [`Digest`]: one hash of all results |
//! | `relocation` | [`Relocation`]: images that were moved |
//! | `backup`, `archive` | [`BackedUp`]: the data set as one file |
//! | `garbage` | [`Garbage`]: what nobody needs |
//! | `verification` | [`Verification`]: every row, file and checksum |
//! | `repair` | [`RepairOptions`]: what can be put right and loses nothing |

mod archive;
mod audit;
mod backup;
mod bench;
mod composites;
mod controls;
mod curation;
mod delivery;
mod digest;
mod embed;
mod embedding;
mod export;
mod figures;
mod garbage;
mod ingest;
mod inspection;
mod intake;
mod page;
mod pixels;
mod relocation;
mod repair;
mod run;
mod scoring;
mod summary;
mod vectors;
mod verification;
mod windows;

pub use audit::{Audit, AuditOptions, Flag, FlagKind, ImageKey};
pub use backup::BackedUp;
pub use bench::{BenchCheck, BenchOptions, BenchSummary};
pub use composites::ControlsSummary;
pub use curation::PoolCheck;
pub use digest::{Digest, TableDigest};
pub use embed::{EmbedOptions, EmbedSummary};
pub use embedding::Embedded;
pub use figures::FigureOptions;
pub use garbage::{Garbage, GarbageKind};
pub use ingest::{IngestOptions, OutputOptions, SourceFormat};
pub use relocation::Relocation;
pub use repair::RepairOptions;
pub use run::{Command, RunOptions, RunSummary};
pub use summary::{Counts, IngestSummary};
pub use verification::{Depth, Verification};
pub use windows::{LookedThrough, WindowChoice};

use crate::catalog::{Catalog, EncoderRow, PathRule, QueryRows, Tally, beside, orphaned_log};
use crate::durable::{directory_of, into_place, sync_dir};
use crate::embeddings::{Hold, Store};
use crate::error::{Error, Result, shell_word};
use crate::image::Door;
use crate::report::{CompareOptions, Comparisons, Facts, Leaderboard, LocalFacts, Report, ReportOptions, identity_encoder};
use crate::vocabulary::{ModelName, PromptId, SubjectId};
use crate::watch::Watch;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

pub use crate::catalog::Removal as Removed;

/// Images named in a summary; the catalog knows them all.
const NAMED: usize = 10;

const CATALOG: &str = "catalog.sqlite";
const EMBEDDINGS: &str = "embeddings";
/// Held by whoever writes; empty. Hidden, because it is no part of the data.
pub(crate) const LOCK: &str = ".lock";

/// An open data set: the directory with `catalog.sqlite` and `embeddings/`.
pub struct Dataset {
    dir: PathBuf,
    catalog: Catalog,
    store: Store,
    /// Through which its image files are opened.
    door: Door,
    /// Held while this value may need the parts that its catalog names.
    _hold: Option<Hold>,
    /// Held while this value may write.
    _lock: Option<Lock>,
}

/// What to take out with [`Dataset::remove`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Every generation of a model.
    Model(ModelName),
    /// A prompt and its generations.
    Prompt(PromptId),
    /// One generation.
    Generation(ModelName, PromptId, i64),
    /// A subject that no prompt names.
    Subject(SubjectId),
}

impl Dataset {
    /// Makes an empty data set in `dir` (made if it is not there) and opens it to write. It keeps absolute paths.
    ///
    /// # Errors
    /// There is one already, or the directory cannot be written.
    pub fn init(dir: &Path) -> Result<Dataset> {
        Dataset::init_with(dir, PathRule::Absolute)
    }

    /// As [`Dataset::init`], with paths of images kept as `rule` says.
    ///
    /// # Errors
    /// As [`Dataset::init`].
    pub fn init_with(dir: &Path, rule: PathRule) -> Result<Dataset> {
        let path = dir.join(CATALOG);
        if let Some(log) = (!path.exists()).then(|| orphaned_log(&path)).flatten() {
            return Err(Error::request(
                format!("{} is the log of a catalog that is gone; a new catalog would take its changes in", log.display()),
                format!(
                    "put that catalog back as {}, or move the log away: `mv {log} {log}.old`",
                    shell_word(&path),
                    log = shell_word(&log)
                ),
            ));
        }
        let embeddings = dir.join(EMBEDDINGS);
        let made: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).collect();
        fs::create_dir_all(&embeddings).map_err(Error::io("make", &embeddings))?;
        let lock = lock(dir)?;
        if path.exists() {
            return Err(Error::AlreadyThere(dir.to_path_buf()));
        }
        // Made under another name, so that no half-made catalog is ever found.
        let temporary = dir.join("catalog.sqlite.tmp");
        remove_catalog(&temporary)?;
        let made = Catalog::create(&temporary, rule)
            .and_then(|()| into_place(&temporary, &path))
            .and_then(|()| made.into_iter().try_for_each(|dir| sync_dir(directory_of(dir))))
            .and_then(|()| Dataset::opened(dir, Catalog::open_to_write(&path)?, None, Some(lock)));
        if made.is_err() {
            // Best effort, the log first: the error that matters is the one that is returned, and what cannot be
            // removed is whole.
            let _ = remove_catalog(&temporary).and_then(|()| remove_catalog(&path));
        }
        made
    }

    /// Opens the data set in `dir` to read. What is read is the state of this moment, whatever others
    /// write meanwhile.
    ///
    /// # Errors
    /// There is none, or its catalog is damaged, foreign or newer than this program.
    pub fn open_to_read(dir: &Path) -> Result<Dataset> {
        let path = catalog_of(dir)?;
        let hold = Hold::take(&dir.join(EMBEDDINGS));
        Dataset::opened(dir, Catalog::open_to_read(&path)?, hold, None)
    }

    /// Opens the data set in `dir` to write. One process at a time may.
    ///
    /// # Errors
    /// As [`Dataset::open_to_read`]; another process is writing.
    pub fn open_to_write(dir: &Path) -> Result<Dataset> {
        let path = catalog_of(dir)?;
        let lock = lock(dir)?;
        let data = Dataset::opened(dir, Catalog::open_to_write(&path)?, None, Some(lock))?;
        data.store.sweep(&data.part_ids()?)?;
        Ok(data)
    }

    fn opened(dir: &Path, catalog: Catalog, hold: Option<Hold>, lock: Option<Lock>) -> Result<Dataset> {
        let dir = dir.canonicalize().map_err(Error::io("resolve", dir))?;
        let store = Store::new(dir.join(EMBEDDINGS), &catalog.parts()?);
        let door = Door::default().with(catalog.roots()?);
        Ok(Dataset { dir, catalog, store, door, _hold: hold, _lock: lock })
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The encoders whose vectors it holds, by name.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn encoders(&self) -> Result<Vec<EncoderRow>> {
        self.catalog.encoders()
    }

    /// The image files by state, as last seen.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn images(&self) -> Result<Tally> {
        self.catalog.tally()
    }

    /// The first images that cannot be used, as last seen, each with its reason.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn unusable_images(&self) -> Result<Vec<String>> {
        self.catalog.unusable_images(NAMED)
    }

    /// Scores what is embedded and not scored; how many (generation, encoder) pairs that were.
    ///
    /// # Errors
    /// A part is damaged, the disk is full, or the caller wants to stop (what was scored is kept).
    pub fn score(&mut self, watch: &mut Watch<'_>) -> Result<u64> {
        scoring::score(&mut self.catalog, &self.store, watch)
    }

    /// The tables of the contract.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse.
    pub fn report(&self, options: &ReportOptions) -> Result<Report> {
        let (encoders, identity) = self.encoders_and_identity(options.identity.as_deref())?;
        // Subject scores are many: those of the identity encoder give SCR; all only for cells over subjects, and
        // for the ceiling.
        let all = options.controls || options.by.iter().any(|key| key.is_of_subjects());
        let mut facts = self.facts(encoders, |name| all || name == identity)?;
        facts.local = self.local_facts(&facts, &identity)?;
        if options.controls {
            let rows = self.catalog.encoders()?;
            let mut controls = Vec::with_capacity(facts.encoders.len());
            for (id, name) in &facts.encoders {
                let thresholds = if *name == identity { options.thresholds.values() } else { &[] };
                controls.push(match rows.iter().find(|row| row.id == *id) {
                    Some(row) => controls::controls(&self.catalog, &self.store, row, thresholds)?,
                    None => HashMap::new(),
                });
            }
            facts.controls = Some(controls);
        }
        let mut report = crate::report::build(&facts, options)?;
        if report.generations_missing > 0
            && let Some(row) = self.catalog.encoders()?.iter().find(|row| row.name.as_str() == identity)
        {
            // Where the keys leave controls out, they are not among the missing either.
            report.generations_waiting = scoring::waiting(&self.catalog, row)?.min(report.generations_missing);
        }
        Ok(report)
    }

    /// Two models on the same prompts and seeds; or, without names, every pair of models under test.
    ///
    /// # Errors
    /// There is no such model or measure, or nothing says which encoder decides collapse.
    pub fn compare(&self, models: Option<[&ModelName; 2]>, options: &CompareOptions) -> Result<Comparisons> {
        crate::report::compare(&self.facts_to_compare(options)?, models, options)
    }

    /// The models under test, best first, with those grouped that cannot be told apart.
    ///
    /// # Errors
    /// As [`Dataset::compare`].
    pub fn leaderboard(&self, options: &CompareOptions) -> Result<Leaderboard> {
        crate::report::leaderboard(&self.facts_to_compare(options)?, options)
    }

    fn facts_to_compare(&self, options: &CompareOptions) -> Result<Facts> {
        let (encoders, identity) = self.encoders_and_identity(options.identity.as_deref())?;
        let all = options.by.iter().any(|key| key.is_of_subjects());
        let mut facts = self.facts(encoders, |name| all || name == identity)?;
        facts.local = self.local_facts(&facts, &identity)?;
        Ok(facts)
    }

    /// The image encoders, row and name, and the name of the one that decides collapse.
    fn encoders_and_identity(&self, wanted: Option<&str>) -> Result<(Vec<(i64, String)>, String)> {
        let encoders = self.catalog.image_encoders()?;
        if encoders.is_empty() && self.catalog.image_count()? == 0 {
            return Err(Error::request(
                "the data set is empty, so there is nothing to report",
                "fill it with `msdata ingest --subjects FILE --prompts FILE --generations FILE`",
            ));
        }
        let names: Vec<&str> = encoders.iter().map(|(_, name)| name.as_str()).collect();
        let identity = identity_encoder(&names, wanted)?.to_owned();
        Ok((encoders, identity))
    }

    /// What reports are made from, with the subject scores of these encoders.
    fn facts(&self, encoders: Vec<(i64, String)>, wanted: impl Fn(&str) -> bool) -> Result<Facts> {
        let mut subject_scores = Vec::new();
        for (id, _) in encoders.iter().filter(|(_, name)| wanted(name)) {
            subject_scores.extend(self.catalog.subject_scores(*id)?);
        }
        Ok(Facts {
            models: self.catalog.models()?,
            subjects: self.catalog.subjects()?,
            prompts: self.catalog.prompts()?,
            generations: self.catalog.generations()?,
            image_scores: self.catalog.image_scores()?,
            subject_scores,
            encoders,
            cut_prompts: self.catalog.cut_prompts()?,
            composites: self.catalog.current_composites()?,
            blank: self.catalog.blank_generations()?,
            controls: None,
            local: None,
        })
    }

    /// What the windows of an encoder say; `None` where it looked through nothing.
    fn local_facts(&self, facts: &Facts, identity: &str) -> Result<Option<LocalFacts>> {
        let Some((encoder, _)) = facts.encoders.iter().find(|(_, name)| name == identity) else { return Ok(None) };
        let Some(pattern) = self.catalog.window_pattern(*encoder)? else { return Ok(None) };
        let place: HashMap<i64, usize> = facts.subjects.iter().enumerate().map(|(at, subject)| (subject.id, at)).collect();
        let mut by_generation: HashMap<i64, Vec<(usize, f32)>> = HashMap::new();
        let mut subjects = BTreeSet::new();
        self.catalog.each_local_score(*encoder, |generation, score| {
            let subject = place[&score.subject];
            subjects.insert(subject);
            by_generation.entry(generation).or_default().push((subject, score.local as f32));
        })?;
        let pool: Vec<usize> = subjects.into_iter().collect();
        let in_pool: HashMap<usize, usize> = pool.iter().enumerate().map(|(at, subject)| (*subject, at)).collect();
        let mut local = LocalFacts {
            pattern,
            rows: HashMap::with_capacity(by_generation.len()),
            similarities: Vec::with_capacity(by_generation.len() * pool.len()),
            found: Vec::new(),
            text_only: self.catalog.text_only_models()?,
            pool,
        };
        for generation in &facts.generations {
            // Every generation has all of the pool, or is not there.
            let Some(mut scores) = by_generation.remove(&generation.id) else { continue };
            scores.sort_unstable_by_key(|(subject, _)| *subject);
            local.rows.insert(generation.id, local.similarities.len());
            local.similarities.extend(scores.iter().map(|(_, value)| *value));
        }
        let found = self.catalog.found_places(*encoder)?;
        local.found = found.iter().map(|(generation, at)| (*generation, in_pool[&place[&at.subject]], at.local as f32)).collect();
        Ok((!local.rows.is_empty()).then_some(local))
    }

    /// Runs one SQL statement that only reads, over the tables and views of the catalog.
    ///
    /// # Errors
    /// It writes, is no SQL, or `rows` fails.
    pub fn query(&mut self, sql: &str, rows: QueryRows<'_>) -> Result<()> {
        self.catalog.query(sql, rows)
    }

    /// Writes the exported tables into `dir`, which must be new or empty. They come whole or not at all.
    ///
    /// # Errors
    /// `dir` holds something, the disk is full, a part is damaged, or the caller wants to stop.
    pub fn export(&self, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
        export::export(&self.catalog, &self.store, dir, watch)
    }

    /// Checks the catalog, every part and every image file; with `deep` also every checksum and score.
    ///
    /// # Errors
    /// The catalog cannot be read at all. What is wrong otherwise is in the [`Verification`].
    pub fn verify(&self, deep: bool, watch: &mut Watch<'_>) -> Result<Verification> {
        self.verify_by(if deep { Depth::Deep } else { Depth::Quick }, watch)
    }

    /// Checks as thoroughly as `depth` says.
    ///
    /// # Errors
    /// As [`Dataset::verify`].
    pub fn verify_by(&self, depth: Depth, watch: &mut Watch<'_>) -> Result<Verification> {
        verification::verify(&self.catalog, &self.store, &self.door, depth, watch)
    }

    /// Takes rows out, with their scores and vectors, and nothing else. Image files are not touched.
    ///
    /// # Errors
    /// It is not there, or something else needs it.
    pub fn remove(&mut self, what: &Removal) -> Result<Removed> {
        let changes = self.catalog.begin()?;
        let removed = match what {
            Removal::Model(model) => changes.remove_model(model)?,
            Removal::Prompt(prompt) => changes.remove_prompt(prompt)?,
            Removal::Generation(model, prompt, seed) => changes.remove_generation(model, prompt, *seed)?,
            Removal::Subject(subject) => changes.remove_subject(subject)?,
        };
        let unused = changes.drop_unused_parts()?;
        changes.commit()?;
        // After the commit: a part without a row is garbage, a row without its part would be damage.
        self.store.remove(&unused)?;
        Ok(removed)
    }

    fn part_ids(&self) -> Result<Vec<i64>> {
        Ok(self.catalog.parts()?.iter().map(|p| p.id).collect())
    }
}

fn catalog_of(dir: &Path) -> Result<PathBuf> {
    let path = dir.join(CATALOG);
    if path.is_file() { Ok(path) } else { Err(Error::NoDataSet(dir.to_path_buf())) }
}

/// Removes a catalog and what SQLite keeps beside it, the catalog last: a log without one would come into the next.
fn remove_catalog(path: &Path) -> Result<()> {
    for file in [beside(path, "-wal"), beside(path, "-journal"), beside(path, "-shm"), path.to_path_buf()] {
        match fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", file)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// The right to write, given back when it is dropped: at once, also where a process that was being started at that
/// moment still holds a copy of the open file.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn lock(dir: &Path) -> Result<Lock> {
    let path = dir.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.to_path_buf())),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", &path)(e)),
    }
}

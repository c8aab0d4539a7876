//! The catalog: one SQLite file that records what is there, where its vectors are, and what was scored.
//!
//! | module | noun |
//! |---|---|
//! | `schema` | making and upgrading the file |
//! | `embedding` | what is to be embedded, and the stage |
//! | `known_images` | the image files that rows name |
//! | `known_generations` | the generations that rows name, read ahead |
//! | `entries` | subjects, prompts, generations: putting them in, comparing them with what is there |
//! | `removal` | subjects, prompts, generations: removing them |
//! | `roots` | the trees that images may lie in |
//! | `row_set` | a set of rows by their ids |
//! | `images` | what is known about the image files |
//! | `appearance` | what is chosen and known about their pixels |
//! | `aside` | indices and triggers that are put aside while many contents come |
//! | `merged` | images that were looked at elsewhere |
//! | `paths` | how their paths are kept: absolute or relative |
//! | `vectors` | encoders, parts, and where each vector is |
//! | `readers` | several connections that read as of one moment |
//! | `scores` | what is to be scored, and the scores |
//! | `scored` | the generations with their scores, one after the other |
//! | `in_order` | the generations in the order of their keys, and what is known of them |
//! | `snapshot` | what a report and an export read |
//! | `results` | what a digest and a backup read besides that |
//! | `published` | what is published besides that, and how it comes back |
//! | `windows` | local similarities |
//! | `kept` | windows' vectors that are kept |
//! | `dense` | the references of dense windows |
//! | `regions` | region sets, and which regions are to be embedded |
//! | `region_scores` | what regions are compared with, and what that gave |
//! | `metrics` | numbers about generations that were computed elsewhere |
//! | `instrument` | whether an encoder tells the pool's subjects apart |
//! | `queue` | the jobs of a generator |
//! | `seeds` | the seeds for every prompt |
//! | `sql` | the user's own queries |
//! | `row_checks` | the checks of all rows, side by side |
//! | `soundness` | what is wrong with the rows, each with what to do |
//! | `standing` | what there is, counted |
//! | `trial` | changes that are tried and not kept |
//! | `repair` | removing what can be made again |
//! | `room` | room on the disk for the index of the log |
//! | `seal` | the digest of the rows that nothing else can vouch for |
//!
//! Guarantees: the file is in WAL mode with `synchronous=FULL`, so a committed transaction survives a
//! power cut; one process writes (the data set holds the lock), any number read; foreign keys are
//! enforced. No other module of the library uses SQLite.

mod appearance;
mod aside;
mod dense;
mod embedding;
mod entries;
mod ids;
mod images;
mod in_order;
mod instrument;
mod kept;
mod known_generations;
mod known_images;
mod merged;
mod metrics;
mod paths;
mod published;
mod queue;
mod readers;
mod region_scores;
mod regions;
mod removal;
mod repair;
mod results;
mod room;
mod roots;
mod row_checks;
mod row_set;
mod schema;
mod scored;
mod scores;
mod seal;
mod seeds;
mod snapshot;
mod soundness;
mod sql;
mod standing;
mod trial;
mod vectors;
mod windows;

pub use appearance::BlankImage;
pub use aside::{Aside, Awaiting};
pub use embedding::{ImageTask, PromptTask, StagedVector};
pub use entries::{Change, Conflict, ContentOf, EntryKind, Put};
pub use images::{Content, Duplicate, ImageRow, Tally};
pub use in_order::{GenerationState, KeyOrder, OrderedBlock, Placed, RowBlock};
pub use instrument::InstrumentFigure;
pub use kept::KeptPlace;
pub use merged::{FoundImage, KnownContent, Merging};
pub use metrics::{MetricRow, MetricTarget, MetricTargetFound, MetricValueRow};
pub use paths::{PathRule, PlacedImage};
pub use published::{ImageState, RegionImageRow, RegionOwner};
pub use queue::{JobEnd, JobRow, JobStart, JobState, JobTally, UnfinishedRun};
pub use region_scores::{PlacedRegion, RegionLocal, RegionPair, RegionReference, RegionScore, RegionScoringTask};
pub use regions::{DoubtfulReference, RegionRow, RegionRules, RegionSetRow, RegionTarget, RegionTask};
pub use removal::Removed;
pub use row_checks::RowChecks;
pub use row_set::RowSet;
pub(crate) use scored::ScoredGeneration;
pub use scores::{ReferenceVector, Score, ScoringTask, StoredVector, Which};
pub use seal::Seal;
pub use snapshot::{FileRow, FirstReference, GenerationRow, ImageDetails, ImageScoreRow, PromptRow, SubjectRow, SubjectScoreRow};
pub use soundness::{CatalogFault, KnownFile, VectorSource};
pub use sql::QueryRows;
pub use standing::{EncoderCounts, ImageCounts, ModelCounts, RegionCounts};
pub(crate) use vectors::other_encoder;
pub use vectors::{EncoderRow, Gap, Gaps, KeyedVector, NewVector, PartIds, PartRow, Target, VectorKey, VectorPlace};
pub use windows::{FoundPlace, LocalScore, SubjectPlace, WindowScore};

use crate::text::shell_word;

use crate::error::{Error, Result};
use entries::NamedRows;
use known_generations::GenerationsAhead;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use seal::Sealing;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a statement waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// An open catalog.
pub struct Catalog {
    db: Connection,
    /// More readers of the same moment.
    others: RefCell<Vec<Connection>>,
    seal: Sealing,
}

/// Catalog changes that become durable together, or not at all.
pub struct Changes<'c> {
    tx: Transaction<'c>,
    /// Rows changed by the connection before these changes.
    before: u64,
    seal: &'c Sealing,
    named: RefCell<NamedRows>,
    ahead: RefCell<GenerationsAhead>,
    /// Images whose files are as the catalog knows them, as far as these changes have looked.
    unchanged: RefCell<RowSet>,
}

impl Catalog {
    /// Makes a new catalog at `path`, which must not exist, with paths kept by `rule`. It is a single file, complete and on
    /// the disk, that may be renamed.
    ///
    /// # Errors
    /// The file cannot be written; what is left of it is useless.
    pub fn create(path: &Path, rule: PathRule) -> Result<()> {
        let act = "create the catalog";
        let mut db = Connection::open(path).map_err(catalog(act))?;
        configure_to_read(&db)?;
        // With the rollback journal, each failure is that of a statement. In WAL mode the pages would get into
        // the file when the connection closes, and SQLite does not report it when that fails.
        db.pragma_update(None, "synchronous", "full").map_err(catalog(act))?;
        schema::create(&mut db, rule)?;
        seal::seal(&db).map_err(catalog(act))?;
        room::check(path)?;
        use_log(&db)?;
        db.close().map_err(|(_, e)| catalog(act)(e))?;
        let left = ["-journal", "-wal"].map(|suffix| beside(path, suffix)).into_iter().find(|file| has_content(file));
        match left {
            Some(file) => Err(Error::Damaged(format!("{} was not written into the new catalog", file.display()))),
            None => Ok(()),
        }
    }

    /// Opens the catalog at `path` for reading.
    ///
    /// # Errors
    /// It is not a catalog, is a newer one, or cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Catalog> {
        Self::read(path, false)
    }

    /// Does the same as [`Catalog::open_to_read`] for a caller that holds the data set's lock.
    ///
    /// # Errors
    /// Same as [`Catalog::open_to_read`].
    pub fn open_to_read_alone(path: &Path) -> Result<Catalog> {
        Self::read(path, true)
    }

    fn read(path: &Path, alone: bool) -> Result<Catalog> {
        let act = "open the catalog";
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let copy = room::open_copy(path, flags, alone)?;
        let mut wanted = if copy.is_some() { 0 } else { readers::wanted(path) };
        let mut db = match copy {
            Some(copy) => copy,
            None => Connection::open_with_flags(path, flags).map_err(catalog(act))?,
        };
        if let Err(e) = db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
            // In WAL mode even a reader writes, next to the file. Where nobody can write, nobody changes the
            // file either, and it can be read as it is, unless a writer's log still holds a part of it.
            match e.sqlite_error_code() {
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if !has_log(path) => {
                    let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                    db = Connection::open_with_flags(immutable(path), flags).map_err(catalog(act))?;
                    wanted = 0;
                }
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => return Err(unread_log(path)),
                Some(ErrorCode::NotADatabase) => return Err(Error::ForeignCatalog(path.to_path_buf())),
                _ => return Err(catalog(act)(e)),
            }
        }
        configure_to_read(&db)?;
        // One transaction for as long as the catalog is open: every read sees the same moment.
        let others = readers::begin(&db, path, wanted)?;
        schema::check_to_read(&db, path)?;
        paths::install(&db, path)?;
        Ok(Catalog { db, others: RefCell::new(others), seal: Sealing::default() })
    }

    /// Opens the catalog at `path` for writing, and upgrades it to the newest schema version.
    ///
    /// # Errors
    /// Same as [`Catalog::open_to_read`].
    pub fn open_to_write(path: &Path) -> Result<Catalog> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        room::check(path)?;
        let mut db = Connection::open_with_flags(path, flags).map_err(catalog("open the catalog"))?;
        schema::version(&db, path)?; // before anything is set in a file that may not be ours
        configure(&db)?;
        schema::upgrade(&mut db, path)?;
        paths::install(&db, path)?;
        let seal = Sealing::of(&db).map_err(catalog("read the seal"))?;
        Ok(Catalog { db, others: RefCell::default(), seal })
    }

    /// Begins a set of changes.
    ///
    /// # Errors
    /// Another process holds the catalog.
    pub fn begin(&mut self) -> Result<Changes<'_>> {
        let before = self.db.total_changes();
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(catalog("begin to write"))?;
        Ok(Changes {
            tx,
            before,
            seal: &self.seal,
            named: RefCell::default(),
            ahead: RefCell::default(),
            unchanged: RefCell::default(),
        })
    }
}

impl Changes<'_> {
    /// Returns the images whose files were looked at while their rows came in, and are as the catalog knows them.
    pub fn take_unchanged_images(&self) -> RowSet {
        self.unchanged.take()
    }

    /// Makes the changes durable.
    ///
    /// # Errors
    /// The disk is full or failing; nothing of the set is kept.
    pub fn commit(self) -> Result<()> {
        if self.tx.total_changes() != self.before {
            self.seal.open(&self.tx).map_err(catalog("commit"))?;
        }
        self.tx.commit().map_err(catalog("commit"))
    }
}

/// Returns whether there is a log of changes next to the catalog.
fn has_log(path: &Path) -> bool {
    has_content(&beside(path, "-wal"))
}

fn has_content(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0)
}

/// Returns the path of a file that SQLite keeps next to a catalog: `-wal`, `-shm` or `-journal`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the log of a catalog that is gone, if there is one. SQLite would take its changes into whatever catalog is
/// put in that place.
pub(crate) fn orphaned_log(path: &Path) -> Option<PathBuf> {
    ["-wal", "-journal"].map(|suffix| beside(path, suffix)).into_iter().find(|file| has_content(file))
}

/// Returns the error for changes that a killed writer left in the log, in a place that cannot be written to.
fn unread_log(path: &Path) -> Error {
    let dir = path.parent().unwrap_or(Path::new("."));
    Error::request(
        format!(
            "{} has changes that are only in its log, catalog.sqlite-wal, and this place cannot be written to",
            path.display()
        ),
        format!(
            "copy the whole data set, including the log, to a place that can be written to, and use it there: `cp -r {} COPY && msdata -d COPY verify`",
            shell_word(dir)
        ),
    )
}

/// Returns the address of a file that SQLite may take to be unchanging.
fn immutable(path: &Path) -> String {
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

fn configure_to_read(db: &Connection) -> Result<()> {
    let act = "configure the catalog";
    db.busy_timeout(BUSY_TIMEOUT).map_err(catalog(act))?;
    // Otherwise SQLite plans a statement again for each bound value, which is half the time of an unchanged ingest.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(catalog(act))?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn configure(db: &Connection) -> Result<()> {
    let act = "configure the catalog";
    configure_to_read(db)?;
    use_log(db)?;
    db.pragma_update(None, "synchronous", "full").map_err(catalog(act))?;
    db.pragma_update(None, "foreign_keys", true).map_err(catalog(act))?;
    db.pragma_update(None, "cache_size", -128_000).map_err(catalog(act))?; // 128 MB: what comes in no order looks up rows all over the catalog
    Ok(())
}

/// Turns WAL mode on. SQLite answers with the mode that it is in then, which differs if the file system cannot do it.
fn use_log(db: &Connection) -> Result<()> {
    let act = "configure the catalog";
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |r| r.get(0)).map_err(catalog(act))?;
    if mode != "wal" {
        return Err(Error::request(
            "the catalog cannot be written with a log (WAL) in this place",
            "keep the data set on a local file system",
        ));
    }
    Ok(())
}

/// Turns an SQLite error into ours: what was tried, and the reason in words.
fn catalog(action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |e| {
        if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt)) {
            return Error::Damaged(format!("catalog.sqlite: {e}"));
        }
        let full = matches!(&e, rusqlite::Error::SqliteFailure(f, _) if f.code == ErrorCode::DiskFull);
        if full {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Error::Io { action: "write", path: "catalog.sqlite".into(), source };
        }
        if matches!(e.sqlite_error_code(), Some(ErrorCode::SystemIoFailure)) {
            return Error::request(
                format!("catalog: cannot {action}: {e}"),
                "the disk is full or failing, or files may not grow that large (`ulimit -f`): fix that and run the same command again",
            );
        }
        Error::Catalog { action, source: Box::new(e) }
    }
}

impl Drop for Catalog {
    /// Seals what a writer leaves when it ends. If that fails (a full disk), the catalog stays unsealed, and the
    /// next writer seals it.
    fn drop(&mut self) {
        self.seal.close(&self.db);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_where_nobody_can_write_is_named_with_what_to_do() {
        let error = unread_log(Path::new("/mnt/old set/catalog.sqlite"));
        assert!(error.to_string().contains("catalog.sqlite-wal"), "{error}");
        assert!(error.hint().unwrap().contains("`cp -r '/mnt/old set' COPY && msdata -d COPY verify`"));
    }

    #[test]
    fn a_file_that_nobody_changes_is_found_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("odd? #1 100%.sqlite");
        Catalog::create(&path, PathRule::Absolute).unwrap();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(immutable(&path), flags).unwrap();
        assert!(schema::version(&db, &path).is_ok());
        assert!(!has_log(&path));
    }

    #[test]
    fn what_is_no_database_is_no_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        std::fs::write(&path, "words ".repeat(1000)).unwrap();
        assert!(matches!(Catalog::open_to_read(&path), Err(Error::ForeignCatalog(_))));
        assert!(matches!(Catalog::open_to_write(&path), Err(Error::ForeignCatalog(_))));
    }
}

//! The catalog: one SQLite file that knows what is there, where its vectors lie, and what was scored.
//!
//! | module | noun |
//! |---|---|
//! | `schema` | making and upgrading the file |
//! | `embedding` | what is to be embedded, and the stage |
//! | `entries` | subjects, prompts, generations: put in, compared with what is there |
//! | `removal` | the same: taken out |
//! | `images` | what is known of the image files |
//! | `paths` | absolute or relative: how their paths are kept |
//! | `vectors` | encoders, parts, and where each vector lies |
//! | `scores` | what is to be scored, and the scores |
//! | `facts` | what a report and an export read |
//! | `results` | what a digest and a backup read beside them |
//! | `queue` | the jobs of a generator |
//! | `seeds` | the seeds that are asked of every prompt |
//! | `sql` | the user's own queries |
//!
//! Promises: the file is in WAL mode with `synchronous=FULL`, so a committed transaction survives a
//! power cut; one process writes (the data set holds the lock), any number read; foreign keys are
//! enforced. No other module of the library speaks to SQLite.

mod embedding;
mod entries;
mod facts;
mod images;
mod paths;
mod queue;
mod removal;
mod results;
mod schema;
mod scores;
mod seeds;
mod sql;
mod vectors;

pub use embedding::{ImageTask, PromptTask, StagedVector};
pub use entries::{Change, Conflict, ContentOf, Entry, Put};
pub use facts::{FileFact, FirstReference, GenerationFact, ImageFact, ImageScoreFact, PromptFact, SubjectFact, SubjectScoreFact};
pub use images::{Content, Duplicate, ImageRow, Tally};
pub use paths::{PathRule, PlacedImage};
pub use queue::{JobEnd, JobRow, JobStart, JobState, JobTally};
pub use removal::Removal;
pub use scores::{Candidate, ReferenceVector, Score, Which};
pub use sql::QueryRows;
pub use vectors::{EncoderRow, Gap, Gaps, KeyedVector, NewVector, PartRow, Place, Target, VectorKey};

use crate::error::{Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// An open catalog.
pub struct Catalog {
    db: Connection,
}

/// Catalog changes that become durable together, or not at all.
pub struct Changes<'c> {
    tx: Transaction<'c>,
}

impl Catalog {
    /// Makes a new catalog at `path`, which must not exist, with paths kept by `rule`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path, rule: PathRule) -> Result<()> {
        let mut db = Connection::open(path).map_err(catalog("create the catalog"))?;
        configure(&db)?;
        schema::create(&mut db, rule)
    }

    /// Opens the catalog at `path` to read.
    ///
    /// # Errors
    /// It is no catalog, a newer one, or cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Catalog> {
        let act = "open the catalog";
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(catalog(act))?;
        if let Err(e) = db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
            // In WAL mode even a reader writes, beside the file. Where nobody can write, nobody changes the
            // file either, and it can be read as it is; unless a writer's log still holds a part of it.
            match e.sqlite_error_code() {
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if !has_log(path) => {
                    let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                    db = Connection::open_with_flags(immutable(path), flags).map_err(catalog(act))?;
                }
                Some(ErrorCode::NotADatabase) => return Err(Error::ForeignCatalog(path.to_path_buf())),
                _ => return Err(catalog(act)(e)),
            }
        }
        configure_to_read(&db)?;
        // One transaction for as long as the catalog is open: every read sees the same moment.
        db.execute_batch("BEGIN").map_err(catalog(act))?;
        schema::check_to_read(&db, path)?;
        paths::install(&db, path)?;
        Ok(Catalog { db })
    }

    /// Opens the catalog at `path` to write, and brings it to the newest schema version.
    ///
    /// # Errors
    /// As [`Catalog::open_to_read`].
    pub fn open_to_write(path: &Path) -> Result<Catalog> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(catalog("open the catalog"))?;
        schema::version(&db, path)?; // before anything is set in a file that may be another's
        configure(&db)?;
        schema::upgrade(&mut db, path)?;
        paths::install(&db, path)?;
        Ok(Catalog { db })
    }

    /// Begins a set of changes.
    ///
    /// # Errors
    /// Another process holds the catalog.
    pub fn begin(&mut self) -> Result<Changes<'_>> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(catalog("begin to write"))?;
        Ok(Changes { tx })
    }

    /// SQLite's own check and the foreign keys: every fault it finds, as sentences.
    ///
    /// # Errors
    /// The check itself cannot run.
    pub fn integrity_faults(&self) -> Result<Vec<String>> {
        let act = "check the catalog";
        let mut faults = Vec::new();
        let mut check = self.db.prepare("PRAGMA integrity_check").map_err(catalog(act))?;
        let lines = check.query_map([], |r| r.get::<_, String>(0)).map_err(catalog(act))?;
        for line in lines {
            let line = line.map_err(catalog(act))?;
            if line != "ok" {
                faults.push(line);
            }
        }
        let mut keys = self
            .db
            .prepare("SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2")
            .map_err(catalog(act))?;
        let rows = keys
            .query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, i64>(2)?)))
            .map_err(catalog(act))?;
        for row in rows {
            let (table, parent, n) = row.map_err(catalog(act))?;
            faults.push(format!("{n} rows of {table} name a row of {parent} that is not there"));
        }
        Ok(faults)
    }

    /// What SQLite cannot know to be wrong: every contradiction between tables, as sentences.
    ///
    /// # Errors
    /// SQLite's.
    pub fn contradictions(&self) -> Result<Vec<String>> {
        const CHECKS: &[(&str, &str)] = &[
            (
                "vectors lie beyond the end of their part, or in a part of another encoder",
                "SELECT (SELECT count(*) FROM image_vector v JOIN part p ON p.id = v.part WHERE v.row >= p.rows OR v.encoder <> p.encoder)
                      + (SELECT count(*) FROM prompt_vector v JOIN part p ON p.id = v.part WHERE v.row >= p.rows OR v.encoder <> p.encoder)",
            ),
            (
                "image scores do not have one subject score for each subject of the prompt",
                "SELECT count(*) FROM image_score s JOIN generation g ON g.id = s.generation
                 WHERE (SELECT count(*) FROM subject_score u WHERE u.generation = s.generation AND u.encoder = s.encoder)
                    <> (SELECT count(*) FROM prompt_subject ps WHERE ps.prompt = g.prompt)",
            ),
            (
                "images belong to no subject and no generation",
                "SELECT count(*) FROM image i WHERE NOT EXISTS (SELECT 1 FROM reference_image r WHERE r.image = i.id)
                                                AND NOT EXISTS (SELECT 1 FROM generation g WHERE g.image = i.id)",
            ),
            (
                "subjects have no reference",
                "SELECT count(*) FROM subject s WHERE NOT EXISTS (SELECT 1 FROM reference_image r WHERE r.subject = s.id)",
            ),
            (
                "prompts have no subject",
                "SELECT count(*) FROM prompt p WHERE NOT EXISTS (SELECT 1 FROM prompt_subject ps WHERE ps.prompt = p.id)",
            ),
        ];
        let mut found = Vec::new();
        for (what, sql) in CHECKS {
            let n: i64 = self.db.query_row(sql, [], |r| r.get(0)).map_err(catalog("check the catalog"))?;
            if n > 0 {
                found.push(format!("{n} {what}"));
            }
        }
        Ok(found)
    }
}

impl Changes<'_> {
    /// Makes the changes durable.
    ///
    /// # Errors
    /// The disk is full or failing; nothing of the set is kept.
    pub fn commit(self) -> Result<()> {
        self.tx.commit().map_err(catalog("commit"))
    }
}

/// Whether a log of changes lies beside the catalog.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|meta| meta.len() > 0)
}

/// The address of a file that SQLite may take for unchanging.
fn immutable(path: &Path) -> String {
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

fn configure_to_read(db: &Connection) -> Result<()> {
    let act = "configure the catalog";
    db.busy_timeout(BUSY_TIMEOUT).map_err(catalog(act))?;
    // Otherwise SQLite plans a statement anew for each value that is bound: half of an unchanged ingest.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(catalog(act))?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn configure(db: &Connection) -> Result<()> {
    let act = "configure the catalog";
    configure_to_read(db)?;
    db.pragma_update(None, "journal_mode", "wal").map_err(catalog(act))?;
    db.pragma_update(None, "synchronous", "full").map_err(catalog(act))?;
    db.pragma_update(None, "foreign_keys", true).map_err(catalog(act))?;
    db.pragma_update(None, "cache_size", -32_000).map_err(catalog(act))?; // 32 MB
    Ok(())
}

/// Turns an SQLite error into ours: what was tried, and the reason in words.
fn catalog(action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |e| {
        let full = matches!(&e, rusqlite::Error::SqliteFailure(f, _) if f.code == ErrorCode::DiskFull);
        if full {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Error::Io { action: "write", path: "catalog.sqlite".into(), source };
        }
        Error::Catalog { action, source: Box::new(e) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! Making a catalog, knowing one, bringing an older one up to date.

use super::catalog;
use super::paths::{PathRule, set_rule};
use crate::error::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// "msdt": tells our files from other SQLite databases.
const APPLICATION_ID: i64 = 0x6d73_6474;

/// Version `n + 1` is version `n` plus step `n`; a new catalog takes them all. A step, once released,
/// is never edited.
const STEPS: &[&str] = &[
    concat!(include_str!("../../schema/catalog.sql"), include_str!("../../schema/views.sql")),
    include_str!("../../schema/stress_test.sql"),
    include_str!("../../schema/paths.sql"),
];

const NEWEST: i64 = STEPS.len() as i64;

pub fn create(db: &mut Connection, rule: PathRule) -> Result<()> {
    migrate(db, 0, rule)
}

/// Readers take any version they know; only a writer upgrades.
pub fn check_to_read(db: &Connection, path: &Path) -> Result<()> {
    let found = version(db, path)?;
    if found < NEWEST {
        return Err(Error::request(
            format!("{} has the older schema version {found}", path.display()),
            "any command that writes brings it up to date, such as `msdata score`",
        ));
    }
    Ok(())
}

pub fn upgrade(db: &mut Connection, path: &Path) -> Result<()> {
    match version(db, path)? {
        NEWEST => Ok(()),
        older => migrate(db, older, PathRule::Absolute),
    }
}

/// The schema version, of a catalog that this program knows.
pub fn version(db: &Connection, path: &Path) -> Result<i64> {
    let read = |pragma: &str| db.pragma_query_value(None, pragma, |r| r.get::<_, i64>(0));
    let foreign = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => Error::ForeignCatalog(path.to_path_buf()),
        _ => catalog("read the schema version")(e),
    };
    if read("application_id").map_err(foreign)? != APPLICATION_ID {
        return Err(Error::ForeignCatalog(path.to_path_buf()));
    }
    let found = read("user_version").map_err(catalog("read the schema version"))?;
    if found > NEWEST {
        return Err(Error::NewerCatalog { path: path.to_path_buf(), found, known: NEWEST });
    }
    Ok(found)
}

fn migrate(db: &mut Connection, from: i64, rule: PathRule) -> Result<()> {
    let act = "make the schema";
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(catalog(act))?;
    for step in &STEPS[from as usize..] {
        tx.execute_batch(step).map_err(catalog(act))?;
    }
    set_rule(&tx, rule).map_err(catalog(act))?;
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(catalog(act))?;
    tx.pragma_update(None, "user_version", NEWEST).map_err(catalog(act))?;
    tx.commit().map_err(catalog(act))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{ImageFormat, ImageStatus, Provenance, SceneType, SubjectKind};

    fn words<T: Copy + ToString>(all: &[T]) -> String {
        all.iter().map(|w| format!("'{}'", w.to_string())).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn checks_repeat_the_closed_sets() {
        let schema = STEPS.concat();
        for set in [
            format!("status IN ({})", words(ImageStatus::ALL)),
            format!("format IN ({})", words(ImageFormat::ALL)),
            format!("scene_type IN ({})", words(SceneType::ALL)),
            format!("kind IN ({})", words(SubjectKind::ALL)),
            format!("provenance IN ({})", words(Provenance::ALL)),
            format!("state IN ({})", words(crate::catalog::JobState::ALL)),
        ] {
            assert!(schema.contains(&set), "schema/catalog.sql lacks: {set}");
        }
    }

    #[test]
    fn an_older_version_is_brought_up_to_date_by_whoever_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(STEPS[0]).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let error = crate::catalog::Catalog::open_to_read(&path).err().unwrap();
        assert!(error.to_string().contains("older schema version 1"), "{error}");
        crate::catalog::Catalog::open_to_write(&path).unwrap();
        let upgraded = Connection::open(&path).unwrap();
        assert_eq!(upgraded.query_row("SELECT count(*) FROM jobs", [], |r| r.get::<_, i64>(0)).unwrap(), 0);
        assert!(crate::catalog::Catalog::open_to_read(&path).is_ok());
    }

    #[test]
    fn a_newer_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        crate::catalog::Catalog::create(&path, PathRule::Absolute).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = crate::catalog::Catalog::open_to_read(&path).err().unwrap();
        assert!(matches!(error, Error::NewerCatalog { found: 99, .. }), "{error}");
    }

    #[test]
    fn another_database_is_no_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let error = crate::catalog::Catalog::open_to_write(&path).err().unwrap();
        assert!(matches!(error, Error::ForeignCatalog(_)), "{error}");
    }
}

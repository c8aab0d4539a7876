//! Makes a catalog, recognizes one, and upgrades an older one.

use super::catalog;
use super::paths::{PathRule, set_rule};
use crate::error::{Error, Result};
use crate::text::plain;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// "msdt": distinguishes our files from other SQLite databases.
const APPLICATION_ID: i64 = 0x6d73_6474;

/// The steps: version `n + 1` is version `n` plus step `n`; a new catalog takes them all. A released step
/// is never edited.
const STEPS: &[&str] = &[
    concat!(include_str!("../../schema/catalog.sql"), include_str!("../../schema/views.sql")),
    include_str!("../../schema/stress_test.sql"),
    include_str!("../../schema/pixels.sql"),
    include_str!("../../schema/embedding_failures.sql"),
    include_str!("../../schema/staleness.sql"),
    include_str!("../../schema/roots.sql"),
    include_str!("../../schema/soundness.sql"),
    include_str!("../../schema/paths.sql"),
    include_str!("../../schema/windows.sql"),
    include_str!("../../schema/regions.sql"),
    include_str!("../../schema/metrics.sql"),
    include_str!("../../schema/checks.sql"),
];

const NEWEST: i64 = STEPS.len() as i64;

pub fn create(db: &mut Connection, rule: PathRule) -> Result<()> {
    migrate(db, 0, rule)
}

/// Checks that a reader can read this version; only a writer upgrades.
pub fn check_to_read(db: &Connection, path: &Path) -> Result<()> {
    let found = version(db, path)?;
    if found < NEWEST {
        return Err(Error::request(
            format!("{} has the older schema version {found}", path.display()),
            "any command that writes upgrades it, such as `msdata score`",
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

/// Returns the schema version of a catalog, if this program knows it.
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
    // The rows have changed: the next writer seals them.
    if from > 0 {
        tx.execute("UPDATE seal SET digest = NULL", []).map_err(catalog(act))?;
    }
    set_rule(&tx, rule).map_err(catalog(act))?;
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(catalog(act))?;
    tx.pragma_update(None, "user_version", NEWEST).map_err(catalog(act))?;
    tx.commit().map_err(catalog(act))
}

/// An object of a schema as SQLite keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SchemaObject {
    row: i64,
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

impl SchemaObject {
    fn is_same(&self, other: &SchemaObject) -> bool {
        (&self.kind, &self.name, &self.table, &self.sql) == (&other.kind, &other.name, &other.table, &other.sql)
    }

    /// Returns whether it is what `other` became when some of its bytes changed.
    fn was(&self, other: &SchemaObject) -> bool {
        const ALIKE: f64 = 0.8;
        match (&self.sql, &other.sql) {
            (Some(a), Some(b)) => strsim::normalized_levenshtein(a, b) >= ALIKE,
            _ => self.name == other.name,
        }
    }
}

fn objects(db: &Connection) -> rusqlite::Result<Vec<SchemaObject>> {
    // Text that is no longer UTF-8 must still be comparable.
    let text = |r: &rusqlite::Row<'_>, column| -> rusqlite::Result<Option<String>> {
        Ok(match r.get_ref(column)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            ValueRef::Null => None,
            ValueRef::Integer(n) => Some(n.to_string()),
            ValueRef::Real(x) => Some(x.to_string()),
        })
    };
    db.prepare("SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat*' ORDER BY rowid")?
        .query_map([], |r| {
            Ok(SchemaObject {
                row: r.get(0)?,
                kind: text(r, 1)?.unwrap_or_default(),
                name: text(r, 2)?.unwrap_or_default(),
                table: text(r, 3)?.unwrap_or_default(),
                sql: text(r, 4)?,
            })
        })?
        .collect()
}

/// Where a catalog's schema differs from the schema of this program.
#[derive(Default)]
struct Differences {
    /// What an object must be, and which row it is now, if any.
    wrong: Vec<(SchemaObject, Option<i64>)>,
    /// Objects that are not ours.
    others: Vec<SchemaObject>,
}

fn differences(db: &Connection) -> rusqlite::Result<Differences> {
    let model = Connection::open_in_memory()?;
    for step in STEPS {
        model.execute_batch(step)?;
    }
    let mut found = objects(db)?;
    let mut wrong = Vec::new();
    for expected in objects(&model)? {
        match found.iter().position(|o| o.is_same(&expected)) {
            Some(at) => drop(found.swap_remove(at)),
            None => wrong.push(expected),
        }
    }
    let mut pair = |expected: SchemaObject| {
        let named = found.iter().position(|o| o.name == expected.name);
        let at = named.or_else(|| found.iter().position(|o| o.was(&expected)));
        (expected, at.map(|at| found.swap_remove(at).row))
    };
    let wrong = wrong.into_iter().map(&mut pair).collect();
    Ok(Differences { wrong, others: found })
}

/// Returns tables, indices, views and triggers that are not as this program makes them; and views and triggers of
/// others.
pub fn faults(db: &Connection) -> Result<(Vec<String>, Vec<String>)> {
    let found = differences(db).map_err(catalog("compare the schema"))?;
    let wrong = found.wrong.iter().map(|(object, row)| {
        let is = if row.is_some() { "is not as msdata made it" } else { "is gone" };
        format!("the {} {} {is}", object.kind, object.name)
    });
    let others =
        found.others.iter().map(|object| format!("the {} {} was not made by msdata", plain(&object.kind), plain(&object.name)));
    Ok((wrong.collect(), others.collect()))
}

/// Gives each object of the schema the text that it must have, even if SQLite cannot read what is there; returns what
/// was done. Rows of tables are not touched.
pub fn rebuild(path: &Path) -> Result<Vec<String>> {
    let act = "rebuild the schema";
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(catalog(act))?;
    // Without this, a text that SQLite cannot read stops everything.
    db.pragma_update(None, "writable_schema", true).map_err(catalog(act))?;
    if version(&db, path)? != NEWEST {
        return Ok(Vec::new()); // upgrading comes first
    }
    let found = differences(&db).map_err(catalog(act))?;
    if found.wrong.is_empty() {
        return Ok(Vec::new());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(catalog(act))?;
    let (mut done, mut indices) = (Vec::new(), Vec::new());
    for (object, row) in &found.wrong {
        let SchemaObject { kind, name, table, sql, .. } = object;
        match row {
            Some(row) => tx
                .execute(
                    "UPDATE sqlite_schema SET type = ?2, name = ?3, tbl_name = ?4, sql = ?5 WHERE rowid = ?1",
                    rusqlite::params![row, kind, name, table, sql],
                )
                .map(drop),
            None if kind == "view" || kind == "trigger" => tx
                .execute(
                    "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, 0, ?4)",
                    rusqlite::params![kind, name, table, sql],
                )
                .map(drop),
            None if kind == "index" => {
                indices.extend(sql.as_deref());
                Ok(())
            }
            None => continue,
        }
        .map_err(catalog(act))?;
        done.push(format!("restored the {kind} {name}"));
    }
    let cookie: i64 = tx.pragma_query_value(None, "schema_version", |r| r.get(0)).map_err(catalog(act))?;
    tx.pragma_update(None, "schema_version", cookie + 1).map_err(catalog(act))?;
    tx.execute_batch("PRAGMA writable_schema = RESET").map_err(catalog(act))?;
    for sql in indices {
        tx.execute_batch(sql).map_err(catalog(act))?;
    }
    tx.commit().map_err(catalog(act))?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{Better, ImageFormat, ImageStatus, Provenance, SceneType, SubjectKind};
    use crate::windows::Pattern;

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
            format!("pattern IN ({})", words(Pattern::ALL)),
            format!("transparency IN ({})", words(crate::image::Transparency::ALL)),
            format!("better IN ({})", words(Better::ALL)),
        ] {
            assert!(schema.contains(&set), "schema/catalog.sql lacks: {set}");
        }
        // Where rows are many, a new catalog says the same without a list.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        crate::catalog::Catalog::create(&path, PathRule::Absolute).unwrap();
        let made = objects(&Connection::open(&path).unwrap()).unwrap();
        for (table, column, words) in [
            ("image", "status", words(ImageStatus::ALL)),
            ("image", "format", words(ImageFormat::ALL)),
            ("prompt", "scene_type", words(SceneType::ALL)),
            ("subject", "kind", words(SubjectKind::ALL)),
            ("region", "kind", words(SubjectKind::ALL)),
            ("job", "state", words(crate::catalog::JobState::ALL)),
        ] {
            let each: Vec<String> = words.split(", ").map(|word| format!("{column} = {word}")).collect();
            let check = format!("CHECK ({})", each.join(" OR "));
            let object = made.iter().find(|o| o.name == table && o.kind == "table").unwrap();
            assert!(object.sql.as_ref().unwrap().contains(&check), "{table} lacks: {check}");
        }
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

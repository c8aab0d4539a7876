//! A catalog of schema version 1, frozen in `schema_1.sql`, becomes what a new one is, with its rows.

use crate::support::lab::{err, msdata, ok, refused};
use msdata::catalog::{Catalog, PathRule};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn old_catalog(path: &Path) {
    Connection::open(path).unwrap().execute_batch(include_str!("schema_1.sql")).unwrap();
}

/// The rows of a query, each value as SQL writes it.
fn rows(db: &Connection, query: &str) -> Vec<String> {
    let mut statement = db.prepare(query).unwrap();
    let columns = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let value = |column| row.get::<_, rusqlite::types::Value>(column).map(|value| format!("{value:?}"));
        Ok((0..columns).map(value).collect::<Result<Vec<_>, _>>()?.join(" | "))
    };
    statement.query_map([], line).unwrap().collect::<Result<_, _>>().unwrap()
}

fn tables(db: &Connection) -> Vec<String> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name";
    db.prepare(names).unwrap().query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn columns(db: &Connection, table: &str) -> String {
    let query = format!("SELECT '\"' || name || '\"' FROM pragma_table_info('{table}')");
    let names: Vec<String> = db.prepare(&query).unwrap().query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    names.join(", ")
}

/// What SQLite keeps of each table, view, index and trigger: its text, and what it understood of it.
fn schema(db: &Connection) -> BTreeMap<String, Vec<String>> {
    let objects = "SELECT type, name FROM sqlite_schema WHERE name <> 'sqlite_sequence'";
    let mut statement = db.prepare(objects).unwrap();
    let objects = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?))).unwrap();
    objects
        .map(|object| {
            let (kind, name) = object.unwrap();
            let known = [
                format!("SELECT tbl_name, sql FROM sqlite_schema WHERE type = '{kind}' AND name = '{name}'"),
                format!("SELECT * FROM pragma_table_xinfo('{name}')"),
                format!("SELECT name, \"unique\", origin, partial FROM pragma_index_list('{name}') ORDER BY name"),
                format!("SELECT * FROM pragma_index_xinfo('{name}')"),
                format!("SELECT * FROM pragma_foreign_key_list('{name}')"),
            ];
            (format!("{kind} {name}"), known.iter().flat_map(|query| rows(db, query)).collect())
        })
        .collect()
}

#[test]
fn an_upgraded_catalog_is_as_a_new_one_and_keeps_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let [old, upgraded, new] = ["old", "upgraded", "new"].map(|name| dir.path().join(name));
    old_catalog(&old);
    fs::copy(&old, &upgraded).unwrap();
    let catalog = Catalog::open_to_write(&upgraded).unwrap();
    assert_eq!(catalog.integrity_faults().unwrap(), []);
    assert_eq!(catalog.schema_faults().unwrap(), (vec![], vec![]));
    assert_eq!(catalog.row_checks(true).unwrap().contradictions, []);
    drop(catalog);
    Catalog::create(&new, PathRule::Absolute).unwrap();
    let [old, upgraded, new] = [old, upgraded, new].map(|path| Connection::open(path).unwrap());

    // The schema, object by object, and what SQLite made of it.
    let (is, expected) = (schema(&upgraded), schema(&new));
    assert_eq!(is.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (object, known) in &expected {
        assert_eq!(&is[object], known, "{object}");
    }
    for pragma in ["PRAGMA user_version", "PRAGMA application_id"] {
        assert_eq!(rows(&upgraded, pragma), rows(&new, pragma), "{pragma}");
    }

    // The rows of the tables that were there, and in those that came later what a new catalog has in them.
    let known_then = tables(&old);
    for table in tables(&new) {
        if known_then.contains(&table) {
            let columns = columns(&old, &table);
            // Files that were not usable are to be read again, and a text's vector on its way was not known to be fresh.
            let before = match table.as_str() {
                "image" => "SELECT id, path, status, reason, iif(status = 'ok', bytes, NULL), iif(status = 'ok', mtime_ns, NULL),
                            blake3, format, width, height FROM image ORDER BY 1"
                    .to_owned(),
                "staged_vector" => format!("SELECT {columns} FROM staged_vector WHERE prompt IS NULL ORDER BY 1, 2"),
                _ => format!("SELECT {columns} FROM {table} ORDER BY 1, 2"),
            };
            let before = rows(&old, &before);
            assert!(!before.is_empty(), "schema_1.sql has no rows of {table}");
            assert_eq!(rows(&upgraded, &format!("SELECT {columns} FROM {table} ORDER BY 1, 2")), before, "{table}");
        } else {
            let query = format!("SELECT {} FROM {table}", if table == "seal" { "id" } else { "*" });
            assert_eq!(rows(&upgraded, &query), rows(&new, &query), "{table}");
        }
    }

    // Checks still check, and a column that came later has its default.
    assert!(upgraded.execute("UPDATE generation SET meta = '{'", []).is_err());
    assert_eq!(upgraded.execute("UPDATE generation SET meta = '{}', regions = NULL", []), Ok(6));
    assert_eq!(rows(&upgraded, "SELECT DISTINCT text_only FROM model"), ["Integer(0)"]);
}

#[test]
fn readers_say_what_upgrades_and_it_does() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("data/embeddings")).unwrap();
    old_catalog(&dir.path().join("data/catalog.sqlite"));
    let said = refused(dir.path(), &["report"]);
    assert!(said.contains("data/catalog.sqlite has the older schema version 1"), "{said}");
    assert!(said.contains("`msdata score`"), "{said}");
    let score = msdata(dir.path(), &["score"]).output().unwrap();
    assert_eq!(score.status.code(), Some(3), "{}", err(&score)); // three images cannot be used
    let report = ok(dir.path(), &["report", "--by", "model", "--format", "csv"]);
    let cells: Vec<Vec<&str>> = report.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(cells[0][..6], ["model", "images", "subjects", "missing", "clip_t_dinov2-small", "similarity_dinov2-small"]);
    assert_eq!(cells[1][..6], ["A", "1", "2", "2", "0.25", "0.5"]);
    assert_eq!(cells[2][..6], ["B", "1", "2", "2", "", "0.3125"]);
}

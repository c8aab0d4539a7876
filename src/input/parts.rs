//! A table that a program wrote as a directory of files, as Spark, Dask and Polars do.

use crate::error::{Error, Result};
use crate::problem::{Origin, Problem};
use crate::text::quote;
use crate::watch::Stop;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Entries of a directory that are listed where they are no parts; the others are counted.
const MOST_LISTED: usize = 20;

/// Names after which a directory is more than its files, and why it cannot be read as their sum.
const TABLES: [(&str, &str); 4] = [
    ("_delta_log", "a Delta table: some of its files may be of earlier versions; write the table as plain Parquet"),
    (".hoodie", "a Hudi table: some of its files may be of earlier versions; write the table as plain Parquet"),
    ("_spark_metadata", "the output of a stream: some of its files may not count; write the table as plain Parquet"),
    ("_temporary", "not written to the end: `_temporary` is what Spark has not finished"),
];

/// How a part is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartForm {
    Parquet,
    Csv,
    Json,
}

impl PartForm {
    fn name(self) -> &'static str {
        match self {
            PartForm::Parquet => "Parquet",
            PartForm::Csv => "CSV",
            PartForm::Json => "JSON",
        }
    }

    /// Returns the form of a file: Parquet by its content, the others by their name; or what is wrong with it.
    fn of(path: &Path) -> std::result::Result<Option<PartForm>, String> {
        if is_parquet(path) {
            return Ok(Some(PartForm::Parquet));
        }
        if let Some(reason) = unfinished_parquet(path) {
            return Err(reason);
        }
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let name = [".gz", ".zst"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
        Ok(match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "csv" | "tsv" => Some(PartForm::Csv),
            "json" | "jsonl" | "ndjson" => Some(PartForm::Json),
            _ => None,
        })
    }
}

/// Returns whether a file begins as Parquet does.
pub(crate) fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    super::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok_and(|()| &magic == b"PAR1")
}

/// Says what is wrong with a file that is named as Parquet and is not.
pub(crate) fn unfinished_parquet(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?.to_lowercase();
    if !matches!(&*extension, "parquet" | "pq") {
        return None;
    }
    let is_empty = path.metadata().is_ok_and(|meta| meta.len() == 0);
    let what = if is_empty { "an empty file" } else { "it does not begin as a Parquet file does (PAR1)" };
    Some(format!("{what}; was it written to the end?"))
}

/// Returns whether a directory holds what [`parts`] would take for a part or for the sign of a table.
pub(crate) fn first_part(dir: &Path, stop: Stop<'_>) -> Result<Option<String>> {
    let is_part = |name: &String| {
        let path = dir.join(name);
        match path.is_dir() {
            true => name.starts_with('_') || is_partition(&path),
            false => !name.starts_with('_') && !matches!(PartForm::of(&path), Ok(None)),
        }
    };
    Ok(super::names(dir, stop)?.into_iter().find(is_part))
}

/// Returns whether a directory is a table of Parquet files, perhaps in partitions.
pub(crate) fn holds_parquet(dir: &Path, stop: Stop<'_>) -> Result<bool> {
    let names = super::names(dir, stop)?;
    Ok(names.iter().map(|name| dir.join(name)).any(|path| is_partition(&path) || !path.is_dir() && is_parquet(&path)))
}

/// Whether a directory is one of a table that is partitioned in Hive's way, `key=value`.
fn is_partition(dir: &Path) -> bool {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split_once('=').is_some_and(|(key, _)| !key.is_empty()) && dir.is_dir()
}

/// Returns the files of a directory that a program wrote as one table, sorted by name: all of them Parquet or, unless
/// `only_parquet`, all CSV or all JSON. What such programs put beside them is passed over: `_SUCCESS`, `_metadata`, hidden
/// files, `.crc` files.
///
/// # Errors
/// [`Error::Manifest`] names every entry that is something else; or the directory cannot be read.
pub(crate) fn parts(dir: &Path, only_parquet: bool, stop: Stop<'_>) -> Result<Vec<PathBuf>> {
    let wrong = |path: &Path, reason: String| Problem { origin: Origin::whole(path), reason };
    for (name, what) in TABLES {
        if dir.join(name).is_dir() {
            return Err(Error::Manifest(vec![wrong(dir, format!("it is {what}"))]));
        }
    }
    let (mut parts, mut problems): (Vec<(PathBuf, PartForm)>, Vec<Problem>) = (Vec::new(), Vec::new());
    let mut further = 0;
    for name in super::names(dir, stop)? {
        let path = dir.join(&name);
        let reason = if path.is_dir() {
            match name.split_once('=') {
                Some((key, _)) => format!(
                    "a partition: its column {} is in the names of directories and not in the files; write the table without \
                     partitions (`partitionBy`, `partition_cols`, `partition_on`), so that the column is in every file",
                    quote(key)
                ),
                None => "a directory within a directory of parts; give it on its own, or move it away".to_owned(),
            }
        } else if name.starts_with('_') || name.ends_with(".crc") {
            continue;
        } else {
            match PartForm::of(&path) {
                Err(reason) => reason,
                Ok(Some(form)) if only_parquet && form != PartForm::Parquet => {
                    format!("{}, not Parquet; move it away", form.name())
                }
                Ok(Some(form)) => match parts.first() {
                    Some((first, other)) if *other != form => {
                        let first = first.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        format!("{}, but {} beside it is {}: a directory is one table", form.name(), quote(&first), other.name())
                    }
                    _ => {
                        parts.push((path, form));
                        continue;
                    }
                },
                Ok(None) => {
                    "not a part of a table by its name or content; rename it if it is one (.csv, .json), or else move it away"
                        .to_owned()
                }
            }
        };
        if problems.len() < MOST_LISTED { problems.push(wrong(&path, reason)) } else { further += 1 }
    }
    if parts.is_empty() && problems.is_empty() {
        let forms = if only_parquet { "Parquet" } else { "Parquet, CSV or JSON" };
        problems.push(wrong(dir, format!("a directory without any {forms} file")));
    }
    problems.extend((further > 0).then(|| Problem::further(dir.into(), further)));
    if problems.is_empty() { Ok(parts.into_iter().map(|(path, _)| path).collect()) } else { Err(Error::Manifest(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_spark_writes_and_what_is_not_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let said = |only: bool| match parts(dir.path(), only, Stop::default()) {
            Ok(parts) => parts.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>(),
            Err(Error::Manifest(problems)) => {
                let bare = |p: &Problem| p.to_string().replace(&format!("{}/", dir.path().display()), "");
                problems.iter().map(|p| bare(p).split([';', ':']).take(2).collect::<Vec<_>>().join(":")).collect()
            }
            Err(e) => panic!("{e}"),
        };
        assert!(said(true)[0].ends_with("a directory without any Parquet file"));
        for name in ["part-1.snappy.parquet", "part-0", "_SUCCESS", "_metadata", ".part-0.crc", "part-0.crc"] {
            fs::write(at(name), "PAR1").unwrap();
        }
        assert_eq!(said(true), ["part-0", "part-1.snappy.parquet"]);
        fs::write(at("x.csv"), "a").unwrap();
        fs::write(at("part-2.parquet"), "").unwrap();
        fs::write(at("notes.txt"), "").unwrap();
        fs::create_dir_all(at("model=A")).unwrap();
        assert_eq!(
            said(false),
            [
                "model=A: a partition",
                "notes.txt: not a part of a table by its name or content",
                "part-2.parquet: an empty file",
                "x.csv: CSV, but `part-0` beside it is Parquet",
            ]
        );
        assert_eq!(said(true)[3], "x.csv: CSV, not Parquet");
        fs::create_dir_all(at("_delta_log")).unwrap();
        assert!(said(true)[0].contains("it is a Delta table"), "{:?}", said(true));
    }
}

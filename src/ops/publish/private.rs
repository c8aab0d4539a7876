//! Paths and names of this machine in texts that are to be published.

use super::described::{ColumnKind, PublishedTable};
use crate::error::{Error, Result};
use crate::text::quote;
use crate::watch::Watch;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use regex::Regex;
use std::fs::File;
use std::path::Path;

/// Columns in which people and programs write what they like.
const FREE: [&str; 8] = ["meta", "reason", "source", "caption", "label", "license", "regions", "file"];

/// An absolute path: of two names at least, of a home, or of a drive.
const ABSOLUTE: &str = r#"(?:^|[\s"'=(\[,:])(?P<path>(?:/[\w.+@~-]+){2,}|file:/[^\s"']+|~/[^\s"']+|[A-Za-z]:\\[^\s"']+)"#;

/// Findings listed in the error; the others are counted.
const NAMED: usize = 10;

/// Looks for what only means something on this machine.
struct Seeker {
    absolute: Regex,
    machine: Option<Regex>,
}

impl Seeker {
    fn new() -> Result<Seeker> {
        let regex = |pattern: &str| Regex::new(pattern).map_err(|e| Error::Damaged(e.to_string()));
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        // A short name is a word like others.
        let machine = (name.len() >= 4 && name != "localhost").then(|| regex(&format!(r"\b{}\b", regex::escape(&name))));
        Ok(Seeker { absolute: regex(ABSOLUTE)?, machine: machine.transpose()? })
    }

    fn find<'t>(&self, text: &'t str) -> Option<(&'static str, &'t str)> {
        if let Some(found) = self.absolute.captures(text).and_then(|found| found.name("path")) {
            return Some(("a path of this machine", found.as_str()));
        }
        self.machine.as_ref()?.find(text).map(|found| ("the name of this machine", found.as_str()))
    }
}

/// Refuses tables that hold paths or the name of this machine.
///
/// # Errors
/// The first findings, with their table, column and row.
pub fn refuse(dir: &Path, tables: &[PublishedTable], watch: &mut Watch<'_>) -> Result<()> {
    let seeker = Seeker::new()?;
    let (mut found, mut count, mut in_meta) = (Vec::new(), 0_u64, false);
    for table in tables {
        let free = |name: &str| FREE.contains(&name);
        if !table.columns.iter().any(|c| c.kind == ColumnKind::Text && free(&c.name)) {
            continue;
        }
        let mut row = 0;
        for file in &table.files {
            let path = dir.join(file);
            let opened = File::open(&path).map_err(Error::io("read", &path))?;
            let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(Error::parquet(&path))?;
            let roots = builder.schema().fields().iter().enumerate();
            let roots: Vec<usize> = roots.filter(|(_, field)| free(field.name())).map(|(at, _)| at).collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
            for batch in builder.with_projection(mask).build().map_err(Error::parquet(&path))? {
                watch.check()?;
                let batch = batch.map_err(|e| Error::parquet(&path)(e.into()))?;
                for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                    let Ok(texts) = cast(column, &DataType::Utf8) else { continue };
                    let texts = texts.as_string::<i32>();
                    for at in (0..texts.len()).filter(|at| texts.is_valid(*at)) {
                        let Some((what, word)) = seeker.find(texts.value(at)) else { continue };
                        count += 1;
                        in_meta |= field.name() == "meta";
                        if found.len() < NAMED {
                            found.push(format!(
                                "  {}: row {}: `{}` has {what}, {}",
                                table.name,
                                row + at + 1,
                                field.name(),
                                quote(word)
                            ));
                        }
                    }
                }
                row += batch.num_rows();
            }
        }
    }
    if count == 0 {
        return Ok(());
    }
    let rest = count - found.len() as u64;
    found.extend((rest > 0).then(|| format!("  … and {rest} more")));
    let hint = match in_meta {
        true => {
            "`--without-meta` leaves the meta data of generations out; change the other texts in their manifests, and ingest them with `--replace`"
        }
        false => "change these texts in their manifests, and ingest them with `--replace`",
    };
    Err(Error::request(
        format!("{count} texts say where things are on this machine; nothing was written\n{}", found.join("\n")),
        hint,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_and_what_looks_like_them_is_not() {
        let seeker = Seeker::new().unwrap();
        for text in ["/home/me/x.png", r#"{"out":"/data/run 1/x"}"#, "in ~/x", r"C:\Users\me", "file:///x/y", "log=/var/log/a"] {
            assert_eq!(seeker.find(text).map(|(what, _)| what), Some("a path of this machine"), "{text}");
        }
        for text in
            ["https://example.org/a/b", "and/or/not", "1/2/3", "image/png", "/imagine a cat", "a cat, and a / b", "50 C: hot"]
        {
            assert_eq!(seeker.find(text), None, "{text}");
        }
    }
}

//! The images inside published tables, unpacked into files.

use super::rows::builder;
use crate::durable::{Temporary, directory_of, make_directory, sync_dir};
use crate::embeddings::guarded;
use crate::error::{Error, Result};
use crate::input;
use crate::layout::{PUBLISHED_IMAGES, PUBLISHED_REFERENCES};
use crate::problem::{Origin, Problem};
use crate::text::quote;
use crate::watch::Watch;
use arrow::array::{Array, AsArray, BinaryArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

/// The column of images.
pub const IMAGE: &str = "image";

/// Rows at a time: an image may have a gigabyte.
const BATCH: usize = 8;

/// Bad images that are listed.
const MOST: usize = 1000;

/// Returns a published name of an image, if it is one.
///
/// # Errors
/// A sentence: it leads elsewhere.
pub fn checked(name: &str) -> std::result::Result<&str, String> {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    let within = parts.iter().all(|part| matches!(part, Component::Normal(_))) && parts.len() > 1;
    let known = [PUBLISHED_IMAGES, PUBLISHED_REFERENCES].iter().any(|of| parts.first() == Some(&Component::Normal(of.as_ref())));
    match within && known && !name.contains('\\') {
        true => Ok(name),
        false => Err(format!("`path` is {}, not a name in {PUBLISHED_IMAGES} or {PUBLISHED_REFERENCES}", quote(name))),
    }
}

/// Unpacks the images of these tables below `into`.
pub fn unpack(files: &[PathBuf], into: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let (mut problems, mut dirs, mut done) = (Vec::new(), BTreeSet::new(), 0);
    for file in files {
        let builder = builder(file)?;
        let roots = builder.schema().fields().iter().enumerate();
        let wanted: Vec<usize> =
            roots.filter(|(_, f)| [IMAGE, "path", "blake3"].contains(&f.name().as_str())).map(|(at, _)| at).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let mut reader =
            guarded(file, || builder.with_projection(mask).with_batch_size(BATCH).build().map_err(Error::parquet(file)))?;
        let mut row = 0;
        while let Some(batch) = guarded(file, || reader.next().transpose().map_err(|e| Error::parquet(file)(e.into())))? {
            watch.check()?;
            let images = guarded(file, || images(file, &batch))?;
            for (name, content, bytes) in &images {
                row += 1;
                let Some((at, bytes)) = bytes else { continue };
                let written = match (checked(name), content) {
                    (Err(e), _) => Err(e),
                    (_, Some(content)) if blake3::hash(&bytes.value(*at)[..]).to_hex().as_str() != content => {
                        Err(format!("the image {} is not the one that `blake3` says: the table is damaged", quote(name)))
                    }
                    (Ok(name), _) => write(&into.join(name), bytes.value(*at), &mut dirs)?,
                };
                if let Err(reason) = written
                    && problems.len() < MOST
                {
                    problems.push(Problem { origin: Origin::row(file, row), reason });
                }
                done += 1;
            }
            watch.report("images", done, None);
        }
    }
    dirs.iter().try_for_each(|dir| sync_dir(dir))?;
    if problems.is_empty() { Ok(()) } else { Err(Error::Manifest(problems)) }
}

/// An image of a table: its name, its BLAKE3, and where its bytes are.
type Packed = (String, Option<String>, Option<(usize, BinaryArray)>);

fn images(file: &Path, batch: &RecordBatch) -> Result<Vec<Packed>> {
    let wrong = |reason: &str| Error::Parquet { path: file.to_owned(), reason: reason.to_owned() };
    let arrow = |e: arrow::error::ArrowError| Error::parquet(file)(e.into());
    let text = |name: &str| {
        let column = batch.column_by_name(name).ok_or_else(|| wrong(&format!("it has no column `{name}`")))?;
        cast(column, &DataType::Utf8).map_err(arrow)
    };
    let (names, contents) = (text("path")?, text("blake3")?);
    let (names, contents) = (names.as_string::<i32>(), contents.as_string::<i32>());
    let column = batch.column_by_name(IMAGE).and_then(|column| column.as_struct_opt());
    let column = column.ok_or_else(|| wrong("column `image` must hold bytes and a path"))?;
    let bytes = column.column_by_name("bytes").ok_or_else(|| wrong("column `image` holds no bytes"))?;
    let bytes = cast(bytes, &DataType::Binary).map_err(arrow)?;
    let bytes = bytes.as_binary::<i32>().clone();
    Ok((0..batch.num_rows())
        .map(|at| {
            let there = column.is_valid(at) && bytes.is_valid(at);
            let name = if names.is_valid(at) { names.value(at).to_owned() } else { String::new() };
            (name, contents.is_valid(at).then(|| contents.value(at).to_owned()), there.then(|| (at, bytes.clone())))
        })
        .collect())
}

/// Writes an image, unless it is there.
fn write(path: &Path, bytes: &[u8], dirs: &mut BTreeSet<PathBuf>) -> Result<std::result::Result<(), String>> {
    let dir = directory_of(path);
    match path.symlink_metadata() {
        Ok(meta) if meta.is_file() && meta.len() == bytes.len() as u64 => {
            let known = input::read(path, meta.len()).map_err(Error::io("read", path))?;
            if known == bytes {
                return Ok(Ok(()));
            }
        }
        Err(_) => {
            make_directory(dir)?;
            let mut file = Temporary::beside(path)?;
            file.file.write_all(bytes).map_err(Error::io("write", path))?;
            file.give_name()?;
            dirs.insert(dir.to_owned());
            return Ok(Ok(()));
        }
        _ => {}
    }
    Ok(Err(format!(
        "{} is there and is something else: move it away, or unpack elsewhere with `--output DIR`",
        quote(&path.display().to_string())
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert!(checked("images/a/b/1.png").is_ok() && checked("references/a/0.png").is_ok());
        for name in
            ["/etc/passwd", "../x.png", "images/../../x", "images", "catalog.sqlite", "other/x.png", "images\\..\\x/y", ""]
        {
            assert!(checked(name).is_err(), "{name}");
        }
    }
}

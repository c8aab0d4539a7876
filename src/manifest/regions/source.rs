//! A region file: its records one by one, or its text as a whole.

use super::super::fields::{Fields, number_of};
use super::super::parquet_rows::ParquetRows;
use super::super::records::{Elements, Lines, Next, OpenRecords, RecordFault, Text};
use super::intake::Intake;
use crate::error::{Error, Result, io_reason};
use crate::input::is_parquet;
use crate::problem::{Origin, Position, Problem};
use crate::text::quote;
use serde_json::value::RawValue;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Largest file that is read as a whole, in bytes of its text.
const MOST_TEXT: usize = 1 << 30;

/// Opens a file; returns its text, and its name in lower case without `.gz` or `.zst`.
pub fn open<'w>(path: &Path, intake: &Intake<'_, 'w>) -> Result<(String, Text<'w>)> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (stem, text) = Text::open(path, &name, intake.stop()).map_err(|e| match e {
        OpenRecords::Io(e) => Error::io("read", path)(e),
        OpenRecords::Not(what) => Error::Manifest(vec![Problem { origin: Origin::whole(path), reason: what }]),
    })?;
    Ok((stem.to_owned(), text))
}

/// Returns the text of a file as a whole, or notes why there is none.
pub fn whole(path: &Path, intake: &mut Intake<'_, '_>) -> Result<Option<String>> {
    let (_, text) = open(path, intake)?;
    let text = text.rest(MOST_TEXT);
    intake.check()?;
    let reason = match text {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(Some(text)),
            Err(_) => "not valid UTF-8".to_owned(),
        },
        Err(e) if e.kind() == std::io::ErrorKind::FileTooLarge => {
            format!("it holds more than {} MiB; split it", MOST_TEXT >> 20)
        }
        Err(e) => io_reason(&e),
    };
    intake.problem(&Origin::whole(path), reason);
    Ok(None)
}

/// Calls `each` with every object of a file: JSON Lines, a JSON array, one object over many lines, rows of Parquet. What it says is
/// wrong is noted at the object's line.
pub fn objects<'a, 'w>(
    path: &Path,
    intake: &mut Intake<'a, 'w>,
    mut each: impl FnMut(&mut Intake<'a, 'w>, &Origin, &Fields<'_>) -> std::result::Result<(), String>,
) -> Result<()> {
    let file: Arc<Path> = path.into();
    if is_parquet(path) {
        return table(path, &file, intake, each);
    }
    let (_, mut text) = open(path, intake)?;
    let is_array = text.first_byte() == Some(b'[');
    let mut next: Box<dyn FnMut() -> Next<Vec<u8>> + '_> = if is_array {
        let mut elements = Elements::new(text);
        Box::new(move || elements.next())
    } else {
        let mut lines = Lines::new(text);
        Box::new(move || lines.next())
    };
    let mut read = |intake: &mut Intake<'a, 'w>, place: &Origin, bytes: &[u8]| {
        let read = std::str::from_utf8(bytes).map_err(|_| "not valid UTF-8".to_owned());
        let done = read.and_then(Fields::from_json).and_then(|fields| each(intake, place, &fields));
        if let Err(reason) = done {
            intake.problem(place, reason);
        }
    };
    let mut is_first = !is_array;
    while let Some(record) = next() {
        intake.check()?;
        let was_first = std::mem::take(&mut is_first);
        let (line, begins) = match &record {
            Ok((line, bytes)) => (*line, !bytes.trim_ascii_end().ends_with(b"}")),
            Err(fault) => (fault.line, true),
        };
        let place = Origin { file: file.clone(), place: Position::Line(line) };
        if was_first && begins {
            // Not a line of its own: the file may be one object.
            if let Some(text) = whole(path, intake)? {
                read(intake, &place, text.as_bytes());
            }
            return Ok(());
        }
        match record {
            Ok((_, bytes)) => read(intake, &place, &bytes),
            Err(RecordFault { reason, last, .. }) => {
                intake.problem(&place, reason);
                if last {
                    break;
                }
            }
        }
    }
    intake.check()
}

/// Calls `each` with every row of a Parquet file. What is null in it is absent, but for `regions`: there null must not be
/// taken for an empty list.
fn table<'a, 'w>(
    path: &Path,
    file: &Arc<Path>,
    intake: &mut Intake<'a, 'w>,
    mut each: impl FnMut(&mut Intake<'a, 'w>, &Origin, &Fields<'_>) -> std::result::Result<(), String>,
) -> Result<()> {
    let mut rows = parquet(path, intake)?;
    let columns = rows.columns().clone();
    while let Some(next) = rows.next() {
        intake.check()?;
        let row = next.as_ref().map_or_else(|fault| fault.line, |(row, _)| *row);
        let place = Origin { file: file.clone(), place: Position::Row(row) };
        let done = match next {
            Ok((_, cells)) => {
                let given = columns.iter().zip(cells).filter(|(name, cell)| *name == "regions" || !cell.is_absent());
                each(intake, &place, &Fields(given.map(|(name, cell)| (name.as_str().into(), cell)).collect()))
            }
            Err(fault) => Err(fault.reason),
        };
        if let Err(reason) = done {
            intake.problem(&place, reason);
        }
    }
    intake.check()
}

/// Opens a Parquet file.
pub fn parquet(path: &Path, intake: &Intake<'_, '_>) -> Result<ParquetRows> {
    let rows = ParquetRows::open(path, |_| Ok(()), |_, _| true, intake.stop());
    let whole = |reason| Error::Manifest(vec![Problem { origin: Origin::whole(path), reason }]);
    rows.map(|(rows, _)| rows).map_err(whole)
}

/// Returns whether a file's name has one of these extensions, perhaps with `.gz` or `.zst` after it.
pub fn is_named(path: &Path, extensions: &[&str]) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = [".gz", ".zst"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
    name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && extensions.contains(&extension))
}

/// Returns a path as seen from the directory that `below` is relative to.
pub fn joined(below: &Path, path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in below.join(path).components() {
        match part {
            Component::ParentDir if matches!(whole.components().next_back(), Some(Component::Normal(_))) => drop(whole.pop()),
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}

/// The keys under which an image may be named.
const IMAGE_KEYS: [&str; 8] = ["image", "image_path", "image_name", "file_name", "filename", "filepath", "file", "path"];

/// Returns the name of the image that an object is about.
pub fn image_name(fields: &Fields<'_>) -> std::result::Result<String, String> {
    let mut given = IMAGE_KEYS.iter().filter(|key| fields.optional_raw(key).is_some());
    match (given.next(), given.next()) {
        (Some(key), None) => match fields.text(key)? {
            name if name.trim().is_empty() => Err(format!("`{key}` is blank")),
            name => Ok(name),
        },
        (Some(one), Some(other)) => Err(format!("`{one}` and `{other}` both name an image; keep one")),
        (None, _) => Err(format!("nothing names the image; write its path as `{}`", IMAGE_KEYS[0])),
    }
}

/// Returns the size of an image, if both sides are given.
pub fn size(fields: &Fields<'_>, width: &str, height: &str) -> std::result::Result<Option<[u32; 2]>, String> {
    let side = |name: &str| match fields.optional_raw(name) {
        None => Ok(None),
        Some(_) => match fields.integer(name)? {
            side @ 1..=0xffff_ffff => Ok(Some(side as u32)),
            side => Err(format!("`{name}` {side} is not a size in pixels")),
        },
    };
    Ok(side(width)?.zip(side(height)?).map(|(width, height)| [width, height]))
}

/// Reads the points of a polygon, [x1, y1, x2, y2, …].
pub fn points(json: &str) -> std::result::Result<Vec<[f64; 2]>, String> {
    let form = || format!("a polygon must be a list of numbers x1, y1, x2, y2, …, not {}", quote(json));
    let numbers: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| form())?;
    let numbers: Vec<f64> =
        numbers.into_iter().map(|n| number_of(n.get())).collect::<std::result::Result<_, _>>().map_err(|_| form())?;
    if numbers.len() % 2 == 1 {
        return Err(form());
    }
    Ok(numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}

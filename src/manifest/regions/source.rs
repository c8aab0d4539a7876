//! A region file: its records one by one, or its text as a whole.

use super::super::fields::Fields;
use super::super::records::{Elements, Lines, Next, OpenRecords, RecordFault, Text};
use super::intake::Intake;
use crate::error::{Error, Result, io_reason};
use crate::problem::{Origin, Position, Problem};
use std::path::Path;
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

/// Calls `each` with every object of a file: JSON Lines, a JSON array, or one object over many lines. What it says is
/// wrong is noted at the object's line.
pub fn objects<'a, 'w>(
    path: &Path,
    intake: &mut Intake<'a, 'w>,
    mut each: impl FnMut(&mut Intake<'a, 'w>, &Origin, &Fields<'_>) -> std::result::Result<(), String>,
) -> Result<()> {
    let file: Arc<Path> = path.into();
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

//! A first look at an image file: is it there, what is it, how large, which bytes.

use super::decode::head;
use super::door::Door;
use crate::error::io_reason;
use crate::input::{FileState, state_of};
use crate::vocabulary::{ImageStatus, Outcome, Probe};
use std::io;
use std::path::Path;

/// Largest image file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Looks at the image at `path`, a file or a member of a container, whose size and time then count: reads all its bytes for the hash, but decodes only the head of the image.
pub fn probe(path: &Path) -> Probe {
    look(&Door::default(), path)
}

/// As [`probe`], through a door.
pub(super) fn look(door: &Door, path: &Path) -> Probe {
    look_and_read(door, path).0
}

/// As [`look`], with the bytes that were looked at; `None` where they could not be read.
pub(super) fn look_and_read(door: &Door, path: &Path) -> (Probe, Option<Vec<u8>>) {
    let unusable =
        |status, reason| (Probe { bytes: None, mtime_ns: None, blake3: None, outcome: Outcome::Unusable(status, reason) }, None);
    let (bytes, mtime_ns) = match state_of(path) {
        FileState::There { bytes, mtime_ns } => (bytes, mtime_ns),
        FileState::Missing(reason) => return unusable(ImageStatus::Missing, reason),
        FileState::Unusable(reason) => return unusable(ImageStatus::Unreadable, reason),
    };
    let there = |blake3, outcome| Probe { bytes: Some(bytes), mtime_ns: Some(mtime_ns), blake3, outcome };
    // The same bytes give the hash and the size: nobody can change the file in between.
    match door.read(path) {
        Ok(data) => (there(Some(*blake3::hash(&data).as_bytes()), outcome(&data)), Some(data)),
        Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
            (there(None, Outcome::Unusable(ImageStatus::Oversized, io_reason(&e))), None)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => unusable(ImageStatus::Missing, io_reason(&e)),
        Err(e) => (there(None, Outcome::Unusable(ImageStatus::Unreadable, io_reason(&e))), None),
    }
}

/// Looks at the bytes of an image file, as [`probe`] looks at a file.
pub fn probe_bytes(data: &[u8]) -> Probe {
    let bytes = data.len() as u64;
    let (blake3, outcome) = match bytes > MAX_FILE_BYTES {
        true => (None, too_large(bytes)),
        false => (Some(*blake3::hash(data).as_bytes()), outcome(data)),
    };
    Probe { bytes: Some(bytes), mtime_ns: None, blake3, outcome }
}

fn too_large(bytes: u64) -> Outcome {
    Outcome::Unusable(ImageStatus::Oversized, format!("{} MiB is over the limit of 1 GiB", bytes >> 20))
}

fn outcome(data: &[u8]) -> Outcome {
    match head(data) {
        Ok((format, width, height)) => Outcome::Image { format, width, height },
        Err(fault) => Outcome::Unusable(fault.status, fault.reason),
    }
}

/// All bytes of the image file at `path`.
///
/// # Errors
/// It cannot be read, is not a regular file, or is larger than [`MAX_FILE_BYTES`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    Door::default().read(path)
}

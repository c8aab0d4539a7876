//! A first look at an image file: is it there, what is it, how large, which bytes.

use super::decode::head;
use crate::error::io_reason;
use crate::manifest::{FileState, state_of};
use crate::vocabulary::{ImageStatus, Outcome, Probe};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Largest image file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Looks at the file at `path`: reads all its bytes for the hash, but decodes only the head of the image.
pub fn probe(path: &Path) -> Probe {
    let unusable =
        |status, reason| Probe { bytes: None, mtime_ns: None, blake3: None, outcome: Outcome::Unusable(status, reason) };
    let (bytes, mtime_ns) = match state_of(path) {
        FileState::There { bytes, mtime_ns } => (bytes, mtime_ns),
        FileState::Missing(reason) => return unusable(ImageStatus::Missing, reason),
        FileState::Unusable(reason) => return unusable(ImageStatus::Unreadable, reason),
    };
    let there = |blake3, outcome| Probe { bytes: Some(bytes), mtime_ns: Some(mtime_ns), blake3, outcome };
    if bytes > MAX_FILE_BYTES {
        let reason = format!("{} MiB is over the limit of 1 GiB", bytes >> 20);
        return there(None, Outcome::Unusable(ImageStatus::Oversized, reason));
    }
    // The same bytes give the hash and the size: nobody can change the file in between.
    match read(path) {
        Ok(data) => there(Some(*blake3::hash(&data).as_bytes()), outcome(&data)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => unusable(ImageStatus::Missing, io_reason(&e)),
        Err(e) => there(None, Outcome::Unusable(ImageStatus::Unreadable, io_reason(&e))),
    }
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
/// It cannot be read, is no regular file, or is larger than [`MAX_FILE_BYTES`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let refuse = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
    match state_of(path) {
        FileState::There { bytes, .. } if bytes <= MAX_FILE_BYTES => {
            let mut data = Vec::with_capacity(bytes as usize);
            File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut data)?;
            Ok(data)
        }
        FileState::There { bytes, .. } => Err(refuse(format!("{} MiB is over the limit of 1 GiB", bytes >> 20))),
        FileState::Missing(_) => Err(io::ErrorKind::NotFound.into()),
        FileState::Unusable(reason) => Err(refuse(reason)),
    }
}

//! Reads a manifest ahead of its intake, on a thread of its own: while rows go into the catalog, the next are read.

use crate::error::Result;
use crate::manifest::{Located, Manifest, ManifestSettings, RowKind};
use crate::problem::Problem;
use crate::watch::Stop;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Most rows that are handed over at once.
const MOST_ROWS: usize = 256;

/// Bytes of rows after which they are handed over: a row may be long.
const MOST_BYTES: usize = 1 << 20;

/// Batches that wait to be taken in.
const BATCHES: usize = 4;

/// Reads the next row of a manifest.
pub type Read<'w, T> = fn(&mut Manifest<'w>) -> Option<std::result::Result<Located<T>, Problem>>;

/// What comes of reading a manifest.
pub enum Ahead<T> {
    /// The next rows, each read or refused.
    Rows(Vec<std::result::Result<Located<T>, Problem>>),
    /// Its end, with what is known then.
    End {
        /// Prompts that were given a scene type.
        scenes_given: u64,
        /// Warnings about the file.
        warnings: Vec<Problem>,
    },
}

/// Reads a manifest, and passes what comes to `take`, in order, until that fails.
///
/// # Errors
/// The manifest cannot be opened, or `take` fails.
pub fn read_ahead<'w, T: Send>(
    path: &Path,
    kind: RowKind,
    reading: &ManifestSettings,
    stop: Stop<'w>,
    read: Read<'w, T>,
    take: impl FnOnce(&Receiver<Result<Ahead<T>>>) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let (give, ahead) = sync_channel(BATCHES);
        scope.spawn(move || {
            // Whoever does not listen any more has failed already.
            let _ = match Manifest::open(path, kind, reading, stop) {
                Ok(manifest) => give_all(manifest, read, &give),
                Err(e) => give.send(Err(e)).ok(),
            };
        });
        // The receiver ends with this call, and with it the thread.
        let ahead = ahead;
        take(&ahead)
    })
}

fn give_all<'w, T>(mut manifest: Manifest<'w>, read: Read<'w, T>, give: &SyncSender<Result<Ahead<T>>>) -> Option<()> {
    let mut rows = Vec::new();
    let mut given = 0;
    while let Some(row) = read(&mut manifest) {
        rows.push(row);
        if rows.len() == MOST_ROWS || manifest.bytes_read() - given >= MOST_BYTES {
            given = manifest.bytes_read();
            give.send(Ok(Ahead::Rows(std::mem::take(&mut rows)))).ok()?;
        }
    }
    give.send(Ok(Ahead::Rows(rows))).ok()?;
    give.send(Ok(Ahead::End { scenes_given: manifest.scenes_given(), warnings: manifest.into_warnings() })).ok()
}

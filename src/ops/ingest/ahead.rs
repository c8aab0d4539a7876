//! Reads a manifest ahead of its intake, on a thread of its own: while rows go into the catalog, the next are read. To look at
//! the images of generations takes as long as to read their rows, and has a third thread.

use crate::error::Result;
use crate::manifest::{Generation, Located, Look, Manifest, ManifestSettings, Prompt, RowKind, Subject};
use crate::problem::Problem;
use crate::watch::Stop;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Most rows that are handed over at once.
const MOST_ROWS: usize = 256;

/// Bytes of rows after which they are handed over: a row may be long.
const MOST_BYTES: usize = 1 << 20;

/// Batches that wait to be taken in, and batches that wait to be looked at.
const BATCHES: usize = 4;

/// Reads the next row of a manifest.
type Read<'w, T> = fn(&mut Manifest<'w>) -> Option<RowRead<T>>;

/// A row that was read, or refused.
type RowRead<T> = std::result::Result<Located<T>, Problem>;

/// Where rows go.
type Giver<T> = SyncSender<Result<Ahead<T>>>;

/// Reads a manifest to its end and gives all that comes, unless nobody listens any more: whoever does not has failed already.
pub type GiveAll<'w, T> = fn(Manifest<'w>, &Giver<T>) -> Option<()>;

/// What comes of reading a manifest.
pub enum Ahead<T> {
    /// The next rows, each read or refused.
    Rows(Vec<RowRead<T>>),
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
    give_all: GiveAll<'w, T>,
    take: impl FnOnce(&Receiver<Result<Ahead<T>>>) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let (give, ahead) = sync_channel(BATCHES);
        scope.spawn(move || {
            let _ = match Manifest::open(path, kind, reading, stop) {
                Ok(manifest) => give_all(manifest, &give),
                Err(e) => give.send(Err(e)).ok(),
            };
        });
        // The receiver ends with this call, and with it the thread.
        let ahead = ahead;
        take(&ahead)
    })
}

/// Gives the subjects of a manifest.
pub fn give_subjects(manifest: Manifest<'_>, give: &Giver<Subject>) -> Option<()> {
    give_rows(manifest, Manifest::next_subject, give)
}

/// Gives the prompts of a manifest.
pub fn give_prompts(manifest: Manifest<'_>, give: &Giver<Prompt>) -> Option<()> {
    give_rows(manifest, Manifest::next_prompt, give)
}

/// Gives the rows of a manifest as they are read.
fn give_rows<'w, T>(mut manifest: Manifest<'w>, read: Read<'w, T>, give: &Giver<T>) -> Option<()> {
    while let Some(rows) = batch(&mut manifest, read) {
        give.send(Ok(Ahead::Rows(rows))).ok()?;
    }
    give_end(manifest, give)
}

/// Gives the generations of a manifest, whose images are looked at by a thread of its own while the next rows are read.
pub fn give_generations(mut manifest: Manifest<'_>, give: &Giver<Generation>) -> Option<()> {
    thread::scope(|scope| {
        let (ask, asked) = sync_channel::<Vec<PathBuf>>(BATCHES);
        let (tell, looks) = sync_channel::<Vec<Look>>(BATCHES);
        scope.spawn(move || {
            let look = |paths: Vec<PathBuf>| tell.send(paths.into_iter().map(Look::at).collect()).ok();
            asked.into_iter().try_for_each(look)
        });
        let mut unsettled = VecDeque::new();
        loop {
            let next = batch(&mut manifest, Manifest::next_placed_generation);
            let at_end = next.is_none();
            if let Some(mut rows) = next {
                ask.send(rows.iter_mut().flatten().map(|placed| placed.row.take_path()).collect()).ok()?;
                unsettled.push_back(rows);
            }
            // No more than fit into both channels, so that neither thread waits for the other to take what it has.
            while unsettled.len() >= if at_end { 1 } else { BATCHES } {
                let mut looks = looks.recv().ok()?.into_iter();
                let settle = |placed| match placed {
                    Ok(placed) => Some(manifest.settle_generation(placed, looks.next()?)),
                    Err(problem) => Some(Err(problem)),
                };
                let rows: Option<_> = unsettled.pop_front()?.into_iter().map(settle).collect();
                give.send(Ok(Ahead::Rows(rows?))).ok()?;
            }
            if at_end {
                return give_end(manifest, give);
            }
        }
    })
}

/// Reads the next rows of a manifest; `None`: it has no more.
fn batch<'w, T>(manifest: &mut Manifest<'w>, read: Read<'w, T>) -> Option<Vec<RowRead<T>>> {
    let before = manifest.bytes_read();
    let mut rows = Vec::new();
    while rows.len() < MOST_ROWS
        && manifest.bytes_read() - before < MOST_BYTES
        && let Some(row) = read(manifest)
    {
        rows.push(row);
    }
    (!rows.is_empty()).then_some(rows)
}

fn give_end<T>(manifest: Manifest<'_>, give: &Giver<T>) -> Option<()> {
    give.send(Ok(Ahead::End { scenes_given: manifest.scenes_given(), warnings: manifest.into_warnings() })).ok()
}

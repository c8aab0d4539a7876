//! Reads images out of containers. What was found out about a container is kept for the next member, within bounds, and
//! forgotten when the container changes.

use super::parquet_cells::{Cells, Cursor};
use super::tar::TarIndex;
use crate::input::{Container, FileState, Member, state};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Members of tars whose places are remembered, in all: some 100 MB.
const MOST_PLACES: usize = 2_000_000;

/// Tars that are remembered.
const MOST_TARS: usize = 256;

/// Parquet files that are remembered, and places in each from which rows are read on: threads that share a file need
/// few. Each place holds a page and a batch, some tens of megabytes.
const MOST_TABLES: usize = 8;
const MOST_CURSORS: usize = 4;

/// A state of a container: another size or time is another state.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    file: PathBuf,
    state: FileState,
}

/// Something remembered, made by whoever needs it first while the others wait.
type Slot<T> = Arc<OnceLock<Result<T, String>>>;

/// What is known about containers; the latest used are last.
struct Memory {
    tars: Vec<(Stamp, Slot<TarIndex>)>,
    tables: Vec<(Stamp, Slot<Table>)>,
}

/// A Parquet file, from which one thread reads at a time.
struct Table {
    cells: Cells,
    cursors: Mutex<Vec<Cursor>>,
}

static MEMORY: Mutex<Memory> = Mutex::new(Memory { tars: Vec::new(), tables: Vec::new() });

/// Reads a member of at most `limit` bytes from its container, which is open.
///
/// # Errors
/// It is not there (`NotFound`), too large (`FileTooLarge`), or the container cannot be read.
pub(super) fn read(member: &Member, mut container: File, limit: u64) -> io::Result<Vec<u8>> {
    let stamp = Stamp { file: member.file.clone(), state: state(&container.metadata()?) };
    match member.kind {
        Container::Tar => {
            let slot = with(|memory| slot(&mut memory.tars, &stamp, MOST_TARS));
            let is_new = slot.get().is_none();
            let index = known(&slot, || TarIndex::read(&container))?;
            if is_new {
                with(|memory| forget_tars(&mut memory.tars));
            }
            index.member(&mut container, &member.name, limit)
        }
        Container::Parquet => {
            let slot = with(|memory| slot(&mut memory.tables, &stamp, MOST_TABLES));
            let open = || Ok(Table { cells: Cells::open(&container)?, cursors: Mutex::new(Vec::new()) });
            let Table { cells, cursors } = known(&slot, open)?;
            let absent = |reason| io::Error::new(io::ErrorKind::NotFound, reason);
            let row = member.name.parse::<u64>();
            let row = row.map_err(|_| absent("what follows `#` is not the number of a row, counted from 0".to_owned()))?;
            if row >= cells.rows() {
                return Err(absent(format!("no row {row}: the Parquet file has {} rows, counted from 0", cells.rows())));
            }
            let mut cursors = cursors.lock().unwrap_or_else(PoisonError::into_inner);
            let mut cursor = match take_nearest(&mut cursors, cells.group_of(row), row) {
                Some(cursor) => cursor,
                None => cells.begin(container, row)?,
            };
            let bytes = cursor.read(row, limit);
            // After a fault of the file, a reader has no place any more.
            if !matches!(&bytes, Err(e) if e.kind() == io::ErrorKind::InvalidData) {
                keep(&mut cursors, cursor, MOST_CURSORS);
            }
            bytes
        }
    }
}

fn with<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    act(&mut MEMORY.lock().unwrap_or_else(PoisonError::into_inner))
}

fn known<T>(slot: &Slot<T>, make: impl FnOnce() -> io::Result<T>) -> io::Result<&T> {
    let made = slot.get_or_init(|| make().map_err(|e| crate::error::io_reason(&e)));
    made.as_ref().map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason.clone()))
}

/// Returns the slot of a container, and forgets earlier states of it.
fn slot<T>(slots: &mut Vec<(Stamp, Slot<T>)>, stamp: &Stamp, most: usize) -> Slot<T> {
    let at = slots.iter().rposition(|(known, _)| known == stamp);
    let slot = at.map_or_else(Slot::default, |at| slots.remove(at).1);
    slots.retain(|(known, _)| known.file != stamp.file);
    keep(slots, (stamp.clone(), slot.clone()), most);
    slot
}

fn keep<T>(kept: &mut Vec<T>, new: T, most: usize) {
    if kept.len() >= most {
        kept.remove(0);
    }
    kept.push(new);
}

/// Forgets the indices used longest ago until the rest is small enough; the latest stays.
fn forget_tars(tars: &mut Vec<(Stamp, Slot<TarIndex>)>) {
    let places = |slot: &Slot<TarIndex>| slot.get().and_then(|made| made.as_ref().ok()).map_or(0, TarIndex::len);
    let mut left = MOST_PLACES;
    let fits = |(_, slot): &&(Stamp, Slot<TarIndex>)| {
        let fits = places(slot) <= left;
        left = left.saturating_sub(places(slot));
        fits
    };
    let stay = tars.iter().rev().take_while(fits).count().max(1);
    tars.drain(..tars.len().saturating_sub(stay));
}

/// Takes the cursor that stands at a row or the least way before it.
fn take_nearest(cursors: &mut Vec<Cursor>, group: usize, row: u64) -> Option<Cursor> {
    let distances = cursors.iter().enumerate().filter_map(|(at, cursor)| Some((cursor.distance(group, row)?, at)));
    distances.min().map(|(_, at)| cursors.remove(at))
}

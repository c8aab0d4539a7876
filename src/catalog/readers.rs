//! More connections that read a catalog as of one moment: where rows are many, reading them is what takes the time, and
//! each connection reads on a thread of its own.

use super::{Catalog, catalog, configure_to_read};
use crate::error::Result;
use rusqlite::{Connection, OpenFlags};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Bytes of a catalog from which on more readers are worth their opening.
const WORTH: u64 = 64 << 20;
/// Most readers beside the first.
const MOST: usize = 7;
/// Times that a moment is sought, between the changes of a writer, which all readers share.
const TRIES: usize = 5;
/// Ranges of rows that each reader takes, some: whichever is faster takes more.
const RANGES_OF_READER: u64 = 16;

/// Returns how many readers a catalog should have beside the first.
pub(super) fn wanted(path: &Path) -> usize {
    let is_large = std::fs::metadata(path).is_ok_and(|meta| meta.len() >= WORTH);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    if is_large { (threads - 1).min(MOST) } else { 0 }
}

/// Begins to read: all that `db` reads from now on is of one moment. Returns as many other readers of that moment as are
/// wanted, or none: they only make it faster.
pub(super) fn begin(db: &Connection, path: &Path, wanted: usize) -> Result<Vec<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = |_| Connection::open_with_flags(path, flags).ok().filter(|db| configure_to_read(db).is_ok());
    let mut others: Vec<Connection> = (0..wanted).filter_map(open).collect();
    for _ in 0..TRIES {
        let before: Option<Vec<i64>> = others.iter().map(changes_seen).collect();
        begin_one(db)?;
        // A reader that has seen no change since before `db` began, and begins after it, begins at the same moment.
        let began = others.iter().all(|other| begin_one(other).is_ok());
        if began && before.is_some() && others.iter().map(changes_seen).collect::<Option<Vec<i64>>>() == before {
            return Ok(others);
        }
        for one in others.iter().chain([db]).filter(|one| !one.is_autocommit()) {
            one.execute_batch("COMMIT").map_err(catalog("begin to read"))?;
        }
    }
    others.clear();
    begin_one(db)?;
    Ok(others)
}

/// The number that SQLite gives to a catalog as a connection sees it, which is another after each change by others.
fn changes_seen(db: &Connection) -> Option<i64> {
    db.pragma_query_value(None, "data_version", |r| r.get(0)).ok()
}

fn begin_one(db: &Connection) -> Result<()> {
    let begin = "BEGIN; SELECT count(*) FROM sqlite_schema";
    db.execute_batch(begin).map_err(catalog("begin to read"))
}

/// Calls a function with each reader, on threads of their own, and returns what it returned, that of `db` first.
pub(super) fn on_each<T: Send>(
    db: &Connection,
    others: Vec<Connection>,
    read: impl Fn(&Connection) -> T + Sync,
) -> (Vec<T>, Vec<Connection>) {
    thread::scope(|scope| {
        let read = &read;
        let running: Vec<_> = others.into_iter().map(|other| scope.spawn(move || (read(&other), other))).collect();
        let mut found = vec![read(db)];
        let mut others = Vec::with_capacity(running.len());
        for one in running {
            let (value, other) = one.join().unwrap_or_else(|panic| resume_unwind(panic));
            found.push(value);
            others.push(other);
        }
        (found, others)
    })
}

impl Catalog {
    /// Has all readers of the catalog read rows of a table, whose first and last row `ends` gives as a query: each goes through
    /// some ranges of rows, from one row to another, and adds what it reads to a value of its own, which `start` makes. What is
    /// made of the rows must not depend on which reader read which, nor on their order. The values are returned.
    ///
    /// # Errors
    /// SQLite reports an error, or `read` fails.
    pub(super) fn read_in_ranges<T: Send>(
        &self,
        ends: &str,
        start: impl Fn() -> T + Sync,
        read: impl Fn(&Connection, [i64; 2], &mut T) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        let ends = self.db.query_row(ends, [], |r| Ok((r.get(0)?, r.get(1)?))).map_err(catalog("find the ends of a table"))?;
        let (Some(first), Some(last)): (Option<i64>, Option<i64>) = ends else { return Ok(vec![start()]) };
        let (others, next) = (self.others.take(), AtomicU64::new(0));
        let (span, ranges) = (last.abs_diff(first), RANGES_OF_READER * (1 + others.len() as u64));
        let length = span / ranges + 1;
        let run = |db: &Connection| -> Result<T> {
            let mut value = start();
            loop {
                let from = next.fetch_add(1, Ordering::Relaxed).saturating_mul(length);
                if from > span {
                    return Ok(value);
                }
                let range = [from, from.saturating_add(length - 1).min(span)].map(|row| first.saturating_add_unsigned(row));
                read(db, range, &mut value)?;
            }
        };
        let (values, others) = on_each(&self.db, others, run);
        self.others.replace(others);
        values.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Catalog, PathRule};
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn all_read_the_same_moment_while_a_writer_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Catalog::create(&path, PathRule::Absolute).unwrap();
        let stop = AtomicBool::new(false);
        let count = |db: &Connection| db.query_row("SELECT count(*) FROM model", [], |r| r.get::<_, i64>(0)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let db = Connection::open(&path).unwrap();
                db.pragma_update(None, "synchronous", "off").unwrap();
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    db.execute("INSERT INTO model (name) VALUES (?1)", [format!("m{number}")]).unwrap();
                }
            });
            let (mut shared, mut last) = (0, 0);
            for _ in 0..200 {
                let db = Connection::open(&path).unwrap();
                let others = begin(&db, &path, 2).unwrap();
                let (counts, others) = on_each(&db, others, count);
                assert!(counts.iter().all(|n| *n == counts[0]), "{counts:?}");
                assert_eq!(counts.len(), 1 + others.len());
                shared += others.len();
                last = counts[0].max(last);
            }
            stop.store(true, Ordering::Relaxed);
            assert!(last > 0 && shared > 0, "{last} rows, {shared} readers");
        });
    }
}

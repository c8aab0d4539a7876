//! A data set on disk: how it is made, opened, locked and queried, and how rows are removed.
//!
//! The use cases (ingest, embed, report, …) are in [`crate::ops`], one file or folder each, as methods of [`Dataset`].
//!
//! | module | noun |
//! |---|---|
//! | this | [`Dataset`] |
//! | `lock` | the right to write |
//! | `removal` | [`Removal`]: which rows to remove; [`RemovalPreview`]: what would go |

mod lock;
mod removal;

pub use crate::catalog::Removed;
pub use removal::{PartFile, Removal, RemovalPreview};

pub(crate) use lock::Lock;

use crate::catalog::{Catalog, Changes, EncoderRow, PathRule, QueryRows, Tally, beside, orphaned_log};
use crate::durable::{directory_of, into_place, sync_dir};
use crate::embeddings::{Hold, Store};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::layout::{CATALOG, CATALOG_TEMPORARY, EMBEDDINGS};
use crate::text::shell_word;
use std::fs;
use std::path::{Path, PathBuf};

/// Most images named in a summary; the catalog knows them all.
pub(crate) const NAMED: usize = 10;

/// An open data set: the directory with `catalog.sqlite` and `embeddings/`.
pub struct Dataset {
    pub(crate) dir: PathBuf,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    /// Opens its image files.
    pub(crate) door: Door,
    /// Held while this value may need the parts that its catalog names.
    _hold: Option<Hold>,
    /// Held while this value may write.
    _lock: Option<Lock>,
}

impl Dataset {
    /// Makes an empty data set in `dir` (which is made if it does not exist) and opens it for writing. It keeps absolute
    /// paths.
    ///
    /// # Errors
    /// There is already a data set in `dir`, or the directory cannot be written.
    pub fn init(dir: &Path) -> Result<Dataset> {
        Dataset::init_with(dir, PathRule::Absolute)
    }

    /// Does the same as [`Dataset::init`], with paths of images kept as `rule` says.
    ///
    /// # Errors
    /// Same as [`Dataset::init`].
    pub fn init_with(dir: &Path, rule: PathRule) -> Result<Dataset> {
        let path = dir.join(CATALOG);
        if let Some(log) = (!path.exists()).then(|| orphaned_log(&path)).flatten() {
            return Err(Error::request(
                format!("{} is the log of a catalog that is gone; a new catalog would take in its changes", log.display()),
                format!(
                    "put that catalog back as {}, or move the log away: `mv {log} {log}.old`",
                    shell_word(&path),
                    log = shell_word(&log)
                ),
            ));
        }
        let embeddings = dir.join(EMBEDDINGS);
        let made: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).collect();
        fs::create_dir_all(&embeddings).map_err(Error::io("make", &embeddings))?;
        let lock = Lock::take(dir)?;
        if path.exists() {
            return Err(Error::AlreadyThere(dir.to_path_buf()));
        }
        // Made under another name, so that a half-made catalog is never found.
        let temporary = dir.join(CATALOG_TEMPORARY);
        remove_catalog(&temporary)?;
        let made = Catalog::create(&temporary, rule)
            .and_then(|()| into_place(&temporary, &path))
            .and_then(|()| made.into_iter().try_for_each(|dir| sync_dir(directory_of(dir))))
            .and_then(|()| Dataset::opened(dir, Catalog::open_to_write(&path)?, None, Some(lock)));
        if made.is_err() {
            // Best effort, the log first: the error that matters is the one that is returned, and what cannot be
            // removed is complete.
            let _ = remove_catalog(&temporary).and_then(|()| remove_catalog(&path));
        }
        made
    }

    /// Opens the data set in `dir` for reading. It shows the state of this moment, whatever others
    /// write meanwhile.
    ///
    /// # Errors
    /// There is no data set in `dir`, or its catalog is damaged, foreign or newer than this program.
    pub fn open_to_read(dir: &Path) -> Result<Dataset> {
        let path = catalog_of(dir)?;
        let hold = Hold::take(&dir.join(EMBEDDINGS));
        Dataset::opened(dir, Catalog::open_to_read(&path)?, hold, None)
    }

    /// Opens the data set in `dir` for writing. Only one process at a time can.
    ///
    /// # Errors
    /// Same as [`Dataset::open_to_read`]; another process is writing.
    pub fn open_to_write(dir: &Path) -> Result<Dataset> {
        let path = catalog_of(dir)?;
        let lock = Lock::take(dir)?;
        let data = Dataset::opened(dir, Catalog::open_to_write(&path)?, None, Some(lock))?;
        data.store.sweep(&data.catalog.part_ids()?)?;
        Ok(data)
    }

    pub(crate) fn opened(dir: &Path, catalog: Catalog, hold: Option<Hold>, lock: Option<Lock>) -> Result<Dataset> {
        let dir = dir.canonicalize().map_err(Error::io("resolve", dir))?;
        let store = Store::new(dir.join(EMBEDDINGS), &catalog.parts()?, &catalog.window_parts()?);
        let door = Door::default().with(catalog.roots()?);
        Ok(Dataset { dir, catalog, store, door, _hold: hold, _lock: lock })
    }

    /// Returns its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the encoders whose vectors it holds, by name.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn encoders(&self) -> Result<Vec<EncoderRow>> {
        self.catalog.encoders()
    }

    /// Returns the number of image files by state, as last read.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn images(&self) -> Result<Tally> {
        self.catalog.tally()
    }

    /// Returns the first images that cannot be used, as last read, each with its reason.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn unusable_images(&self) -> Result<Vec<String>> {
        self.catalog.unusable_images(NAMED)
    }

    /// Runs one read-only SQL statement on the tables and views of the catalog.
    ///
    /// # Errors
    /// It writes, is not SQL, or `rows` fails.
    pub fn query(&mut self, sql: &str, rows: QueryRows<'_>) -> Result<()> {
        self.catalog.query(sql, rows)
    }
}

/// Returns the path of the catalog of the data set in `dir`.
///
/// # Errors
/// There is no data set in `dir`.
pub(crate) fn catalog_of(dir: &Path) -> Result<PathBuf> {
    let path = dir.join(CATALOG);
    if path.is_file() { Ok(path) } else { Err(Error::NoDataSet(dir.to_path_buf())) }
}

/// Removes a catalog and what SQLite keeps next to it, the catalog last: a log without one would get into the next.
fn remove_catalog(path: &Path) -> Result<()> {
    for file in [beside(path, "-wal"), beside(path, "-journal"), beside(path, "-shm"), path.to_path_buf()] {
        match fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", file)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Commits, then removes the parts that nothing in the catalog needs any more. In this order, because a part without a
/// row is garbage, but a row without its part would be damage.
///
/// # Errors
/// The disk is full or failing.
pub(crate) fn commit(changes: Changes<'_>, store: &Store) -> Result<()> {
    let unused = changes.drop_unused_parts()?;
    changes.commit()?;
    store.remove(&unused)
}

//! The lock by which only one process writes at a time.

use crate::error::{Error, Result};
use crate::layout::LOCK;
use std::fs::{File, TryLockError};
use std::path::Path;

/// The right to write. Dropping it gives the right back at once, even if a process that was just being started
/// still holds a copy of the open file.
pub struct Lock(File);

impl Lock {
    /// Takes the lock for the data set in `dir`.
    ///
    /// # Errors
    /// Another process has it, or the lock file cannot be written.
    pub fn take(dir: &Path) -> Result<Lock> {
        let path = dir.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io("write", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.to_path_buf())),
            Err(TryLockError::Error(e)) => Err(Error::io("lock", &path)(e)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

//! The lock of a run: it is prepared, trained and measured by one program at a time.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::disk::open_exclusive;
use crate::error::{Error, Result};
use crate::train::checkpoint::is_training_in;

/// File in the folder of a run that is locked while the run is in use.
const LOCK: &str = "run.lock";
/// [`is_busy`] holds the lock for a moment.
const N_TRIES: usize = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A run that no other program, and no other part of this one, uses until this is dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Locks the run in `folder`.
    ///
    /// # Errors
    /// When it is in use, or the file cannot be written.
    pub fn take(folder: &Path) -> Result<Self> {
        for _ in 0..N_TRIES {
            if let Some(file) = open_exclusive(&folder.join(LOCK))? {
                return Ok(Self { _file: file });
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        Err(in_use(folder))
    }
}

/// Returns the error about a run in use.
pub(super) fn in_use(folder: &Path) -> Error {
    let reason = "is being prepared, trained or measured, here or in another program; stop that, or \
                  wait for its end";
    Error::data(folder, reason)
}

/// Returns whether the run in `folder` is in use.
pub(super) fn is_busy(folder: &Path) -> bool {
    let lock = folder.join(LOCK);
    let is_locked = || match open_exclusive(&lock) {
        Ok(opened) => opened.is_none(),
        // There, a file in use cannot be opened; elsewhere the disk may be read-only.
        Err(_) => cfg!(windows),
    };
    (lock.exists() && is_locked()) || is_training_in(folder)
}

//! How far the index of a file is: written by the thread that makes it, read by who waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of a file's length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extent {
    /// Frames counted so far.
    pub frames: u64,
    /// Seconds from the first frame to the last one counted.
    pub secs: f64,
    /// Share of the file that was read, [0, 1], where it can be told.
    pub share: Option<f32>,
    /// Nothing more will be counted: `frames` and `secs` are the file's.
    pub is_complete: bool,
    /// Why the file cannot be indexed.
    pub failure: Option<String>,
}

/// The making of an index; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Indexing(Arc<Mutex<Option<Extent>>>);

impl Indexing {
    /// How far it is; `None` before it begins.
    pub fn extent(&self) -> Option<Extent> {
        self.lock().clone()
    }

    /// So many frames lie within so many seconds, the given share of the file.
    pub(super) fn report(&self, frames: u64, secs: f64, share: Option<f32>) {
        *self.lock() = Some(Extent {
            frames,
            secs,
            share: share.map(|s| s.clamp(0.0, 1.0)),
            ..Extent::default()
        });
    }

    /// The index is made.
    pub(super) fn complete(&self, times: &[f64]) {
        *self.lock() = Some(Extent {
            frames: times.len() as u64,
            secs: times.last().copied().unwrap_or(0.0),
            share: Some(1.0),
            is_complete: true,
            failure: None,
        });
    }

    /// There will be none.
    pub(super) fn fail(&self, why: String) {
        self.lock().get_or_insert_default().failure = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Extent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Progress of indexing a file: written by the indexing thread, read by others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Length of a file as far as it is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extent {
    /// Number of frames counted so far.
    pub frames: u64,
    /// Time from the first frame to the last one counted in seconds.
    pub secs: f64,
    /// Fraction of the file that was read, [0, 1], if known.
    pub share: Option<f32>,
    /// Whether counting is complete: `frames` and `secs` are those of the file.
    pub is_complete: bool,
    /// Reason why the file cannot be indexed.
    pub failure: Option<String>,
}

/// Shared progress of an index; clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Indexing(Arc<Mutex<Option<Extent>>>);

impl Indexing {
    /// Returns the progress; `None` before it starts.
    pub fn extent(&self) -> Option<Extent> {
        self.lock().clone()
    }

    /// Reports `frames` frames within `secs` seconds, the fraction `share` of the file.
    pub(super) fn report(&self, frames: u64, secs: f64, share: Option<f32>) {
        *self.lock() = Some(Extent {
            frames,
            secs,
            share: share.map(|s| s.clamp(0.0, 1.0)),
            ..Extent::default()
        });
    }

    /// Reports the finished index.
    pub(super) fn complete(&self, times: &[f64]) {
        *self.lock() = Some(Extent {
            frames: times.len() as u64,
            secs: times.last().copied().unwrap_or(0.0),
            share: Some(1.0),
            is_complete: true,
            failure: None,
        });
    }

    /// Reports that indexing failed.
    pub(super) fn fail(&self, why: String) {
        self.lock().get_or_insert_default().failure = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Extent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Training progress shared between its threads and the window.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::gui::training::progress::TrainProgress;
use crate::gui::waker::Waker;

/// Minimum interval between wake-ups of the window.
const WAKE_EVERY: Duration = Duration::from_millis(150);
/// The progress of a training behind a briefly held lock.
#[derive(Debug)]
pub struct SharedProgress {
    /// The progress and its version, which counts changes.
    progress: Mutex<(TrainProgress, u64)>,
    woken: Mutex<Instant>,
    waker: Waker,
}

impl SharedProgress {
    /// Starts with version 1.
    pub fn new(progress: TrainProgress, waker: Waker) -> Self {
        Self {
            progress: Mutex::new((progress, 1)),
            woken: Mutex::new(Instant::now()),
            waker,
        }
    }

    /// Changes the progress and wakes the window, immediately if urgent.
    pub fn update(&self, is_urgent: bool, change: impl FnOnce(&mut TrainProgress)) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut progress.0);
        progress.1 += 1;
        drop(progress);
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if is_urgent || woken.elapsed() >= WAKE_EVERY {
            *woken = Instant::now();
            self.waker.wake();
        }
    }

    /// Returns the progress.
    pub fn into_progress(self) -> TrainProgress {
        let progress = self.progress.into_inner();
        progress.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Returns the progress and its version if it has changed since version `seen`.
    pub fn newer(&self, seen: u64) -> Option<(TrainProgress, u64)> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        (progress.1 != seen).then(|| progress.clone())
    }
}

//! How a training goes, where its threads and the window find it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::gui::views::train::running::progress::TrainProgress;
use crate::gui::waker::Waker;

/// The window is not woken by every step.
const WAKE_EVERY: Duration = Duration::from_millis(150);
/// The progress of a training behind a lock that is never held for long.
#[derive(Debug)]
pub struct SharedProgress {
    /// The progress and how often it has changed.
    progress: Mutex<(TrainProgress, u64)>,
    woken: Mutex<Instant>,
    waker: Waker,
}

impl SharedProgress {
    /// Begins with version 1.
    pub fn new(progress: TrainProgress, waker: Waker) -> Self {
        Self {
            progress: Mutex::new((progress, 1)),
            woken: Mutex::new(Instant::now()),
            waker,
        }
    }

    /// Changes the progress and wakes the window, at once where it is urgent.
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

    /// The progress if it has changed since version `seen`, with its version.
    pub fn newer(&self, seen: u64) -> Option<(TrainProgress, u64)> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        (progress.1 != seen).then(|| progress.clone())
    }
}

//! Control of a running training: resume, pause, stop.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use poselens_engine::concurrency::StopFlag;

/// State of the training as requested by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// Run.
    Go,
    /// Pause; it can be resumed.
    Pause,
    /// Stop; it can be resumed from its folder.
    Stop,
}

/// The requested state, and the stop flag of the current training segment.
#[derive(Debug)]
pub struct TrainControl {
    state: Mutex<(Requested, StopFlag)>,
    changed: Condvar,
}

impl Default for TrainControl {
    fn default() -> Self {
        Self {
            state: Mutex::new((Requested::Go, StopFlag::new())),
            changed: Condvar::new(),
        }
    }
}

impl TrainControl {
    /// Returns the flag that is raised to end the current segment.
    pub fn flag(&self) -> StopFlag {
        self.lock().1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Requested, StopFlag)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the requested state. `Stop` cannot be undone.
    pub fn ask(&self, requested: Requested) {
        let mut state = self.lock();
        if state.0 != Requested::Stop {
            state.0 = requested;
        }
        if state.0 != Requested::Go {
            state.1.stop();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Returns the requested state.
    pub fn requested(&self) -> Requested {
        self.lock().0
    }

    /// Blocks while paused; returns the flag of the next segment, `None` after `Stop`.
    pub fn next_segment(&self, on_pause: impl FnOnce()) -> Option<StopFlag> {
        let mut state = self.lock();
        if state.0 == Requested::Pause {
            on_pause();
            let pausing = |s: &mut (Requested, StopFlag)| s.0 == Requested::Pause;
            let woken = self.changed.wait_while(state, pausing);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if state.0 == Requested::Stop {
            return None;
        }
        state.1 = StopFlag::new();
        Some(state.1.clone())
    }
}

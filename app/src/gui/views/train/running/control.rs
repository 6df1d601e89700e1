//! What the user asks of a training at work.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use poselens_engine::concurrency::StopFlag;

/// What the user wants of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// Go on.
    Go,
    /// Wait, ready to go on.
    Pause,
    /// End; it can be resumed from its folder.
    Stop,
}

/// What was requested, and the stop flag of the stretch that runs.
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
    /// Raised when the stretch that runs is to end.
    pub fn flag(&self) -> StopFlag {
        self.lock().1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Requested, StopFlag)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wanted. "Stop" is for good.
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

    /// What is wanted.
    pub fn requested(&self) -> Requested {
        self.lock().0
    }

    /// Waits while there is a pause; the flag of the next stretch, `None` at the end.
    pub fn next_stretch(&self, on_pause: impl FnOnce()) -> Option<StopFlag> {
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

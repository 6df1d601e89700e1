//! Handover from loader threads to a worker: only the result of the last request arrives.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A slot for one loaded item. Loads may finish in any order; the newest request wins.
#[derive(Debug)]
pub(super) struct Handover<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    newest_ticket: u64,
    ready: Option<T>,
}

impl<T> Default for Handover<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                newest_ticket: 0,
                ready: None,
            }),
        }
    }
}

impl<T> Handover<T> {
    /// Registers a new request, which invalidates earlier ones.
    pub(super) fn next_ticket(&self) -> u64 {
        let mut state = self.lock();
        state.newest_ticket += 1;
        state.ready = None;
        state.newest_ticket
    }

    pub(super) fn is_current(&self, ticket: u64) -> bool {
        self.lock().newest_ticket == ticket
    }

    /// Puts `item` into the slot for the worker; returns `false` if there is a newer request.
    pub(super) fn offer(&self, ticket: u64, item: T) -> bool {
        let mut state = self.lock();
        let is_current = state.newest_ticket == ticket;
        if is_current {
            state.ready = Some(item);
        }
        is_current
    }

    pub(super) fn take(&self) -> Option<T> {
        self.lock().ready.take()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a slow load of an abandoned choice replaces the choice made later.
    #[test]
    fn a_late_load_of_an_earlier_request_is_ignored() {
        let handover = Handover::default();
        let (first, second) = (handover.next_ticket(), handover.next_ticket());
        assert!(handover.offer(second, "second"));
        assert!(!handover.offer(first, "first"));
        assert_eq!(handover.take(), Some("second"));
        assert_eq!(handover.take(), None);
    }
}

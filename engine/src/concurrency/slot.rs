//! A mailbox for one item in which the newest wins, which prevents queues of stale frames.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A mailbox for one item; clones share it.
#[derive(Debug)]
pub struct Slot<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    item: Option<T>,
    closed: bool,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    item: None,
                    closed: false,
                }),
                changed: Condvar::new(),
            }),
        }
    }
}

impl<T> Slot<T> {
    /// Creates an empty, open slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `item` in and returns the item it replaced, so that the caller can count the drop. A
    /// closed slot returns `item` itself.
    pub fn put(&self, item: T) -> Option<T> {
        let mut state = self.lock();
        if state.closed {
            return Some(item);
        }
        let displaced = state.item.replace(item);
        drop(state);
        self.shared.changed.notify_one();
        displaced
    }

    /// Takes the item without waiting; `None` if the slot is empty.
    pub fn try_take(&self) -> Option<T> {
        self.lock().item.take()
    }

    /// Waits up to `timeout` for an item. Returns `None` after the time-out, or if the slot is
    /// closed and empty.
    pub fn take_timeout(&self, timeout: Duration) -> Option<T> {
        let (mut state, _) = self
            .shared
            .changed
            .wait_timeout_while(self.lock(), timeout, |s| s.item.is_none() && !s.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.item.take()
    }

    /// Closes the slot: waiting readers wake up, the last item can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_all();
    }

    /// Returns whether the slot is closed and its last item was taken.
    pub fn is_finished(&self) -> bool {
        let state = self.lock();
        state.closed && state.item.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a slow reader gets stale items or a drop is not counted.
    #[test]
    fn the_newest_item_wins_and_the_displaced_one_comes_back() {
        let slot = Slot::new();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.try_take(), Some(2));
        assert_eq!(slot.try_take(), None);
    }

    /// Fails when a stop leaves a reader waiting.
    #[test]
    fn closing_wakes_a_waiting_reader_and_keeps_the_last_item() {
        let slot: Slot<u8> = Slot::new();
        let reader = slot.clone();
        let thread = std::thread::spawn(move || reader.take_timeout(Duration::from_mins(1)));
        slot.close();
        assert_eq!(thread.join().unwrap(), None);
        assert_eq!(slot.put(3), Some(3));
        assert!(slot.is_finished());
    }
}

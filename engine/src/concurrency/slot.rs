//! A mailbox for one item in which the newest wins: the cure for queues of stale frames.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One place for one item, shared by clones of the slot.
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
    /// An empty, open slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `item` in and hands back the item it displaced: the caller counts the drop.
    /// A closed slot hands `item` itself back.
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

    /// The item if there is one, at once.
    pub fn try_take(&self) -> Option<T> {
        self.lock().item.take()
    }

    /// Waits up to `timeout` for an item. `None` after the time-out or once closed and empty.
    pub fn take_timeout(&self, timeout: Duration) -> Option<T> {
        let (mut state, _) = self
            .shared
            .changed
            .wait_timeout_while(self.lock(), timeout, |s| s.item.is_none() && !s.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.item.take()
    }

    /// No further items: waiting readers wake, the last item stays takeable.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_all();
    }

    /// Whether the slot was closed and its last item taken.
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

    /// Fails when a slow reader would see stale items or a drop would go uncounted.
    #[test]
    fn the_newest_item_wins_and_the_displaced_one_comes_back() {
        let slot = Slot::new();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.try_take(), Some(2));
        assert_eq!(slot.try_take(), None);
    }

    /// Fails when a stop would leave a reader waiting.
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

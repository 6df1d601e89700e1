//! A bounded queue that never blocks: a full one loses its oldest item.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

/// The end of the queue for adding items. The receiver is disconnected when it is dropped, after
/// the last item.
#[derive(Debug)]
pub(super) struct Queue<T> {
    newest: Sender<T>,
    oldest: Receiver<T>,
}

impl<T> Queue<T> {
    /// Creates an empty queue for `capacity` items.
    pub(super) fn new(capacity: usize) -> (Self, Receiver<T>) {
        let (newest, oldest) = bounded(capacity);
        let receiver = oldest.clone();
        (Self { newest, oldest }, receiver)
    }

    /// Adds an item; returns the number of items removed to make room for it.
    pub(super) fn push(&self, mut item: T) -> u64 {
        let mut n_removed = 0;
        loop {
            match self.newest.try_send(item) {
                // Never disconnected: this end has a receiver as well.
                Ok(()) | Err(TrySendError::Disconnected(_)) => return n_removed,
                Err(TrySendError::Full(back)) => {
                    n_removed += u64::from(self.oldest.try_recv().is_ok());
                    item = back;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a receiver that has stopped blocks the sender, gets stale frames first when it
    /// resumes, or drops are not counted.
    #[test]
    fn a_full_queue_loses_its_oldest_items() {
        let (queue, receiver) = Queue::new(3);
        let removed: Vec<u64> = (0..5).map(|i| queue.push(i)).collect();
        assert_eq!(removed, [0, 0, 0, 1, 1]);
        drop(queue);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [2, 3, 4]);
    }
}

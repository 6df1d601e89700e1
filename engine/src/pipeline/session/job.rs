//! A piece of work on a thread of its own, with progress and one result.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::Notify;
use crate::concurrency::{StopFlag, Worker};
use crate::error::Result;

/// Running work with progress `P` and result `T`. Dropping it stops the work and waits for its end.
pub(super) struct Job<P, T> {
    shared: Arc<Mutex<Shared<P, T>>>,
    worker: Worker,
}

struct Shared<P, T> {
    progress: P,
    outcome: Option<Result<T>>,
}

impl<P: Clone + Default + Send + 'static, T: Send + 'static> Job<P, T> {
    /// Starts `work` on a thread called `name`. `work` passes its progress to the given function;
    /// `notify` is called after each progress and at the end.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub(super) fn start(
        name: &str,
        notify: Notify,
        work: impl FnOnce(&StopFlag, &mut dyn FnMut(P)) -> Result<T> + Send + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(Mutex::new(Shared {
            progress: P::default(),
            outcome: None,
        }));
        let (ours, failed) = (Arc::clone(&shared), Arc::clone(&shared));
        let notify_failed = Arc::clone(&notify);
        let worker = Worker::spawn(
            name,
            StopFlag::new(),
            move |stop| {
                let outcome = work(stop, &mut |progress| {
                    lock(&ours).progress = progress;
                    notify();
                })?;
                lock(&ours).outcome = Some(Ok(outcome));
                notify();
                Ok(())
            },
            move |error| {
                lock(&failed).outcome = Some(Err(error));
                notify_failed();
            },
        )?;
        Ok(Self { shared, worker })
    }

    /// Returns the latest progress.
    pub(super) fn progress(&self) -> P {
        lock(&self.shared).progress.clone()
    }

    /// Asks the work to stop.
    pub(super) fn stop(&self) {
        self.worker.stop();
    }

    /// Returns the result; `None` while running and after it was taken.
    pub(super) fn try_outcome(&self) -> Option<Result<T>> {
        lock(&self.shared).outcome.take()
    }
}

fn lock<P, T>(shared: &Mutex<Shared<P, T>>) -> MutexGuard<'_, Shared<P, T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

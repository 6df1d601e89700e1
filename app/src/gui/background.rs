//! Background tasks with a single result, such as a check or an image.

use std::sync::{Arc, Mutex, PoisonError};

use poselens_engine::Result;
use poselens_engine::concurrency::{StopFlag, Worker};

use crate::gui::waker::Waker;

/// A thread and its result. Dropping it raises the stop flag without waiting.
#[derive(Debug)]
pub struct Task<T> {
    worker: Option<Worker>,
    answer: Arc<Mutex<Option<Result<T>>>>,
}

impl<T: Send + 'static> Task<T> {
    /// Runs `work` on a thread called `name`; a panic becomes an error.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub fn start(
        name: &str,
        waker: &Waker,
        work: impl FnOnce(&StopFlag) -> Result<T> + Send + 'static,
    ) -> Result<Self> {
        let answer = Arc::new(Mutex::new(None));
        let (good, bad) = (Arc::clone(&answer), Arc::clone(&answer));
        let (wake, wake_too) = (waker.clone(), waker.clone());
        let put = |place: &Mutex<_>, value| {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        };
        let worker = Worker::spawn(
            name,
            StopFlag::new(),
            move |stop| {
                let value = work(stop)?;
                put(&good, Ok(value));
                wake.wake();
                Ok(())
            },
            move |error| {
                put(&bad, Err(error));
                wake_too.wake();
            },
        )?;
        Ok(Self {
            worker: Some(worker),
            answer,
        })
    }

    /// Returns the result once it is ready; only once.
    pub fn poll(&self) -> Option<Result<T>> {
        self.answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

/// Takes the result of a finished task and clears the task.
pub(super) fn take<T: Send + 'static>(task: &mut Option<Task<T>>) -> Option<Result<T>> {
    let answer = task.as_ref()?.poll()?;
    *task = None;
    Some(answer)
}

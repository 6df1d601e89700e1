//! Work of which one answer is awaited, such as a check or a picture.

use std::sync::{Arc, Mutex, PoisonError};

use poselens_engine::Result;
use poselens_engine::concurrency::{StopFlag, Worker};

use crate::gui::waker::Waker;

/// A thread and its answer. Dropping it says "stop" and waits for nothing.
#[derive(Debug)]
pub struct Task<T> {
    worker: Option<Worker>,
    answer: Arc<Mutex<Option<Result<T>>>>,
}

impl<T: Send + 'static> Task<T> {
    /// Runs `work` on a thread called `name`; a panic becomes an error.
    ///
    /// # Errors
    /// When the operating system gives no thread.
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

    /// The answer, once.
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

/// Takes the answer of a task that is there and done.
pub fn take<T: Send + 'static>(task: &mut Option<Task<T>>) -> Option<Result<T>> {
    let answer = task.as_ref()?.poll()?;
    *task = None;
    Some(answer)
}

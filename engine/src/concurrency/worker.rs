//! Named threads that stop on request, join on drop and turn a panic into a message.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A stop request shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Creates a flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests a stop, permanently.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether a stop was requested.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Interval between checks of a thread that may never end.
const LOOK: Duration = Duration::from_millis(2);

/// A named thread. Dropping it requests a stop and waits for its end.
#[derive(Debug)]
pub struct Worker {
    name: String,
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Runs `work` on a thread called `name` until it returns; it must check the flag at least
    /// every few hundred milliseconds. An error or a panic is passed to `on_failure`, on that
    /// thread.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub fn spawn(
        name: &str,
        stop: StopFlag,
        work: impl FnOnce(&StopFlag) -> Result<()> + Send + 'static,
        on_failure: impl FnOnce(Error) + Send + 'static,
    ) -> Result<Self> {
        let (worker, flag) = (name.to_owned(), stop.clone());
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| work(&flag)));
                match outcome {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => on_failure(error),
                    Err(panic) => on_failure(Error::Panicked {
                        worker,
                        message: panic_message(panic.as_ref()),
                    }),
                }
            })
            .map_err(|e| Error::Failed(format!("cannot start the {name} thread: {e}")))?;
        Ok(Self {
            name: name.to_owned(),
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the name of the thread.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Requests a stop without waiting.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Waits for the thread to end by itself.
    pub fn join(mut self) {
        self.wait();
    }

    /// Waits up to `patience` for the thread to end by itself; returns whether it has. A thread
    /// that is still running then is told to stop and detached.
    pub fn join_within(&mut self, patience: Duration) -> bool {
        let begin = Instant::now();
        while !self.is_finished() {
            if begin.elapsed() >= patience {
                self.stop.stop();
                self.thread = None;
                return false;
            }
            std::thread::sleep(LOOK);
        }
        self.wait();
        true
    }

    /// Requests a stop and lets the thread end by itself: for work that cannot be interrupted and
    /// whose result is not needed.
    pub fn detach(mut self) {
        self.stop.stop();
        self.thread = None;
    }

    fn wait(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(worker = self.name, "the failure handler itself panicked");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.stop();
        self.wait();
    }
}

/// Returns the text of a panic's payload.
fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a panic in a worker is not reported or ends the program.
    #[test]
    fn a_panic_becomes_an_error() {
        let (tx, rx) = crossbeam::channel::bounded(1);
        let worker = Worker::spawn(
            "crasher",
            StopFlag::new(),
            |_| panic!("index {} of 3", 7),
            move |e| tx.send(e.to_string()).unwrap(),
        )
        .unwrap();
        worker.join();
        assert_eq!(
            rx.recv().unwrap(),
            "the crasher thread failed: index 7 of 3"
        );
    }
}

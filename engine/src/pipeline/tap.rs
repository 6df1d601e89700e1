//! Recording of the presented frames.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crate::concurrency::{StopFlag, Worker};
use crate::error::Result;
use crate::frame::Frame;
use crate::source::SourceInfo;

use super::event::{Event, EventSender};
use super::{Presented, TapProgress};

/// Receives every frame of the infer thread, in order; redraws and frames from the history are
/// excluded.
pub trait Tap: Send {
    /// Receives a frame as it comes from the source, before the model and regardless of whether the
    /// model will process it. It must not block in live mode. Most recordings only need
    /// [`Tap::offer`].
    ///
    /// # Errors
    /// When the recording cannot continue; it is closed then.
    fn offer_raw(&mut self, _frame: &Frame, _source: &Arc<SourceInfo>) -> Result<()> {
        Ok(())
    }

    /// Called when the source has reached its end: [`Tap::finish`] follows, and the remaining sound
    /// of the source belongs to the recording. Otherwise it was stopped early.
    fn source_ended(&mut self) {}

    /// Notes what the recording lacks because its source is damaged or incomplete.
    fn source_lacks(&mut self, _what: &str) {}

    /// Notes that the recording ends before its source, and why.
    fn ended_early(&mut self, _reason: &str) {}

    /// Reports that `n` frames of a live source were lost before the next one.
    fn skipped(&mut self, _n: u64) {}

    /// Receives a frame with its results. It must not block in live mode: a full queue counts a
    /// drop.
    ///
    /// # Errors
    /// When the recording cannot continue; it is closed then.
    fn offer(&mut self, presented: &Presented) -> Result<()>;

    /// Returns the outputs that failed since the last call, one line each; the others continue.
    fn news(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the progress.
    fn progress(&self) -> TapProgress;

    /// Writes the remaining frames and closes, on a separate thread. Frames still queued at `by`
    /// are skipped and counted as drops; without `by` there is no time limit.
    ///
    /// # Errors
    /// When the recording cannot be closed, or a failure was not reported before.
    fn finish(self: Box<Self>, by: Option<Instant>) -> Result<TapProgress>;
}

/// Creates a recording for the given first frame.
pub type MakeTap = Box<dyn FnOnce(&Presented) -> Result<Box<dyn Tap>> + Send>;

/// The running recording and those being closed. Shared, so that it outlives a panic of the infer
/// thread; dropping the last clone waits until every file is closed.
#[derive(Clone)]
pub(super) struct Taps {
    running: Arc<Mutex<Option<Running>>>,
    closing: Arc<Mutex<Vec<Worker>>>,
    /// Set when the run ends: the time by which recordings are closed; no new one starts.
    by: Arc<OnceLock<Instant>>,
    emit: EventSender,
}

/// A recording and the source it belongs to.
struct Running {
    tap: Box<dyn Tap>,
    source: Arc<SourceInfo>,
}

impl std::fmt::Debug for Taps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taps").finish_non_exhaustive()
    }
}

impl Taps {
    pub(super) fn new(emit: EventSender) -> Self {
        Self {
            running: Arc::default(),
            closing: Arc::default(),
            by: Arc::default(),
            emit,
        }
    }

    pub(super) fn begin(&self, make: MakeTap, first: &Presented) {
        self.finish();
        if self.is_over() {
            return;
        }
        match make(first) {
            Ok(tap) => {
                let source = Arc::clone(&first.source);
                *self.running() = Some(Running { tap, source });
            }
            Err(error) => self.emit.send(Event::RecordingFailed(error)),
        }
    }

    pub(super) fn offer(&self, presented: &Presented) {
        self.with_running(&presented.source, |tap| tap.offer(presented));
    }

    pub(super) fn offer_raw(&self, frame: &Frame, source: &Arc<SourceInfo>, n_skipped: u64) {
        self.with_running(source, |tap| {
            tap.skipped(n_skipped);
            tap.offer_raw(frame, source)
        });
    }

    /// Closes the running recording unless it belongs to `source`.
    pub(super) fn keep_only(&self, source: &SourceInfo) {
        let is_other = |running: &Running| running.source.name != source.name;
        if self.running().as_ref().is_some_and(is_other) {
            self.finish();
        }
    }

    /// Calls `work` with the running recording; in-flight frames of another source are ignored.
    fn with_running(&self, source: &SourceInfo, work: impl FnOnce(&mut dyn Tap) -> Result<()>) {
        let mut running = self.running();
        let of_source = |running: &&mut Running| running.source.name == source.name;
        let Some(Running { tap, .. }) = running.as_mut().filter(of_source) else {
            return;
        };
        let outcome = work(tap.as_mut());
        for failure in tap.news() {
            self.emit.send(Event::OutputFailed(failure));
        }
        if let Err(error) = outcome {
            let ended = running.take();
            drop(running);
            self.emit.send(Event::RecordingFailed(error));
            if let Some(Running { tap, .. }) = ended {
                self.close(tap, true);
            }
        }
    }

    pub(super) fn progress(&self) -> Option<TapProgress> {
        self.running().as_ref().map(|r| r.tap.progress())
    }

    /// Closes the running recording, if any, on a separate thread.
    pub(super) fn finish(&self) {
        let running = self.running().take();
        if let Some(Running { tap, .. }) = running {
            self.close(tap, false);
        }
    }

    /// Prevents new recordings; those being closed skip the frames still queued for an encoder at
    /// `by`. Only the first call counts.
    pub(super) fn end_by(&self, by: Instant) {
        self.by.get_or_init(|| by);
    }

    fn is_over(&self) -> bool {
        self.by.get().is_some()
    }

    /// Waits until every file is closed.
    pub(super) fn wait(&self) {
        let closing = std::mem::take(&mut *locked(&self.closing));
        for worker in closing {
            worker.join();
        }
    }

    /// Closes a recording on a separate thread; if it has failed, its end was already reported.
    fn close(&self, tap: Box<dyn Tap>, has_failed: bool) {
        let (done, failed) = (self.emit.clone(), self.emit.clone());
        let by = self.by.get().copied();
        let closer = Worker::spawn(
            "recording end",
            StopFlag::new(),
            move |_| {
                let closed = tap.finish(by)?;
                if !has_failed {
                    done.send(Event::Recorded(closed));
                }
                Ok(())
            },
            move |error| {
                if has_failed {
                    tracing::debug!(%error, "closing a recording that had failed");
                } else {
                    failed.send(Event::RecordingFailed(error));
                }
            },
        );
        let mut closing = locked(&self.closing);
        closing.retain(|worker| !worker.is_finished());
        match closer {
            Ok(worker) => closing.push(worker),
            Err(error) => self.emit.send(Event::RecordingFailed(error)),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        locked(&self.running)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

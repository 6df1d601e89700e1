//! Recording: where pictures go besides the window.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::concurrency::{StopFlag, Worker};
use crate::error::Result;
use crate::frame::Frame;
use crate::source::SourceInfo;

use super::event::{Event, EventSender};
use super::{Presented, TapProgress};

/// Takes every picture of the infer thread, in order; redraws and pictures from the past are left
/// out.
pub trait Tap: Send {
    /// Takes a frame as it comes from the source, before the model has seen it and whether it will
    /// or not. It must not wait in live running. Most recordings need only [`Tap::offer`].
    ///
    /// # Errors
    /// When the recording cannot go on; it is closed then.
    fn offer_raw(&mut self, _frame: &Frame, _source: &Arc<SourceInfo>) -> Result<()> {
        Ok(())
    }

    /// The source has come to its end: what follows is [`Tap::finish`], and what the source still
    /// has besides pictures belongs to the recording. Without this it was stopped before.
    fn source_ended(&mut self) {}

    /// So many frames of a live source were lost before the next one came.
    fn skipped(&mut self, _n: u64) {}

    /// Takes one picture. It must not wait in live running: a full queue counts a drop.
    ///
    /// # Errors
    /// When the recording cannot go on; it is closed then.
    fn offer(&mut self, presented: &Presented) -> Result<()>;

    /// How far it is.
    fn progress(&self) -> TapProgress;

    /// Writes what is left and closes; on a thread of its own, it may take its time.
    ///
    /// # Errors
    /// When the recording cannot be closed.
    fn finish(self: Box<Self>) -> Result<TapProgress>;
}

/// Starts a recording that fits the given first picture.
pub type MakeTap = Box<dyn FnOnce(&Presented) -> Result<Box<dyn Tap>> + Send>;

/// The running recording and those being closed. Shared, so that it outlives a panic of the
/// infer thread; dropping the last clone waits until every file is closed.
#[derive(Clone)]
pub(super) struct Taps {
    running: Arc<Mutex<Option<Running>>>,
    closing: Arc<Mutex<Vec<Worker>>>,
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
            emit,
        }
    }

    pub(super) fn begin(&self, make: MakeTap, first: &Presented) {
        self.finish();
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

    /// Pictures of another source, still on their way, are left out.
    fn with_running(&self, source: &SourceInfo, work: impl FnOnce(&mut dyn Tap) -> Result<()>) {
        let mut running = self.running();
        if let Some(Running { tap, .. }) = running
            .as_mut()
            .filter(|running| running.source.name == source.name)
            && let Err(error) = work(tap.as_mut())
        {
            drop(running);
            self.emit.send(Event::RecordingFailed(error));
            self.finish();
        }
    }

    pub(super) fn progress(&self) -> Option<TapProgress> {
        self.running().as_ref().map(|r| r.tap.progress())
    }

    /// Closes the running recording, if any, on a thread of its own.
    pub(super) fn finish(&self) {
        let Some(Running { tap, .. }) = self.running().take() else {
            return;
        };
        let (done, failed) = (self.emit.clone(), self.emit.clone());
        let closer = Worker::spawn(
            "recording end",
            StopFlag::new(),
            move |_| {
                done.send(Event::Recorded(tap.finish()?));
                Ok(())
            },
            move |error| failed.send(Event::RecordingFailed(error)),
        );
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        closing.retain(|worker| !worker.is_finished());
        match closer {
            Ok(worker) => closing.push(worker),
            Err(error) => self.emit.send(Event::RecordingFailed(error)),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

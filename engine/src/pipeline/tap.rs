//! Recording: where pictures go besides the window.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::concurrency::{StopFlag, Worker};
use crate::error::Result;
use crate::frame::Frame;
use crate::source::SourceInfo;

use super::Presented;
use super::event::{Event, EventSender};

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

/// State of a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TapProgress {
    /// The file or folder being written.
    pub path: PathBuf,
    /// Pictures taken.
    pub frames: u64,
    /// Pictures lost because the encoder was too slow.
    pub drops: u64,
    /// Pictures lost from the annotated video alone, where a raw one is written beside it.
    pub annotated_drops: u64,
    /// Length so far, seconds of the source.
    pub secs: f64,
    /// Bytes written so far.
    pub bytes: u64,
}

/// The running recording and those being closed. Shared, so that it outlives a panic of the
/// infer thread; dropping the last clone waits until every file is closed.
#[derive(Clone)]
pub(super) struct Taps {
    running: Arc<Mutex<Option<Box<dyn Tap>>>>,
    closing: Arc<Mutex<Vec<Worker>>>,
    emit: EventSender,
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
            Ok(tap) => *self.running() = Some(tap),
            Err(error) => self.emit.send(Event::RecordingFailed(error)),
        }
    }

    pub(super) fn offer(&self, presented: &Presented) {
        self.with_running(|tap| tap.offer(presented));
    }

    pub(super) fn offer_raw(&self, frame: &Frame, source: &Arc<SourceInfo>) {
        self.with_running(|tap| tap.offer_raw(frame, source));
    }

    fn with_running(&self, work: impl FnOnce(&mut dyn Tap) -> Result<()>) {
        let mut running = self.running();
        if let Some(tap) = running.as_mut()
            && let Err(error) = work(tap.as_mut())
        {
            drop(running);
            self.emit.send(Event::RecordingFailed(error));
            self.finish();
        }
    }

    pub(super) fn progress(&self) -> Option<TapProgress> {
        self.running().as_ref().map(|tap| tap.progress())
    }

    /// Closes the running recording, if any, on a thread of its own.
    pub(super) fn finish(&self) {
        let Some(tap) = self.running().take() else {
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

    fn running(&self) -> MutexGuard<'_, Option<Box<dyn Tap>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

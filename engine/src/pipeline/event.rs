//! News from the workers to the window.

use std::sync::Arc;

use crossbeam::channel::Sender;

use crate::error::Error;
use crate::source::{SourceInfo, SourceStatus};

use super::{Notify, TapProgress};

/// Something the user should see or the window must react to.
#[derive(Debug)]
pub enum Event {
    /// Frames now come from this source.
    SourceReady(Arc<SourceInfo>),
    /// A source could not be opened (the old one goes on) or failed while running.
    SourceFailed {
        /// As the user named it.
        name: String,
        /// Why, and the remedy.
        error: Error,
    },
    /// The source delivered less than it should have.
    SourceWarning {
        /// The source's name.
        name: String,
        /// What is wrong with it.
        warning: String,
        /// Whether frames are lost or not to be trusted because the input is damaged.
        is_damage: bool,
    },
    /// The source's device does otherwise than before: it has gone silent, a connection is being
    /// tried (with the number of the try), or frames come again ([`SourceStatus::Ok`]).
    SourceStatus {
        /// The source's name.
        name: String,
        /// How its device does now.
        status: SourceStatus,
    },
    /// The last frame was delivered.
    SourceEnded,
    /// Poses now come from this model.
    ModelReady(String),
    /// A model could not be loaded (the old one goes on) or failed while running.
    ModelFailed {
        /// Its name.
        name: String,
        /// Why, and the remedy.
        error: Error,
    },
    /// A recording is closed and complete.
    Recorded(TapProgress),
    /// One output of a recording has failed, in a line that names it; the others go on.
    OutputFailed(String),
    /// A recording could not be started, continued or closed.
    RecordingFailed(Error),
    /// A worker ended by a panic: the pipeline must be started anew.
    WorkerFailed(Error),
}

/// The workers' end of the event channel.
#[derive(Clone)]
pub(super) struct EventSender {
    events: Sender<Event>,
    notify: Notify,
}

impl std::fmt::Debug for EventSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventSender").finish_non_exhaustive()
    }
}

impl EventSender {
    pub(super) fn new(events: Sender<Event>, notify: Notify) -> Self {
        Self { events, notify }
    }

    /// Never waits: a window that does not read must not stop a camera.
    pub(super) fn send(&self, event: Event) {
        if let Err(lost) = self.events.try_send(event) {
            // Printed nowhere by default: its reader has ended, or has 64 others to show first.
            tracing::debug!(event = ?lost.into_inner(), "an event has no reader");
        }
        (self.notify)();
    }

    pub(super) fn wake(&self) {
        (self.notify)();
    }

    /// For [`crate::concurrency::Worker::spawn`].
    pub(super) fn on_worker_failure(&self) -> impl FnOnce(Error) + Send + 'static {
        let emit = self.clone();
        move |error| emit.send(Event::WorkerFailed(error))
    }
}

//! Events sent from the workers to the window.

use std::sync::Arc;

use crossbeam::channel::Sender;

use crate::error::Error;
use crate::source::{SourceInfo, SourceStatus};

use super::{Notify, TapProgress};

/// An event to show to the user, or that the window must react to.
#[derive(Debug)]
pub enum Event {
    /// Frames now come from this source.
    SourceReady(Arc<SourceInfo>),
    /// A source could not be opened (the old one continues) or failed while running.
    SourceFailed {
        /// Name of the source as given by the user.
        name: String,
        /// The reason, with a remedy.
        error: Error,
    },
    /// The source delivered less than it should have.
    SourceWarning {
        /// Name of the source.
        name: String,
        /// Description of the problem.
        warning: String,
        /// Whether frames are lost or unreliable because the input is damaged.
        is_damage: bool,
    },
    /// The state of the source's device has changed: it stopped delivering, a reconnection is
    /// attempted (with the number of the attempt), or frames arrive again ([`SourceStatus::Ok`]).
    SourceStatus {
        /// Name of the source.
        name: String,
        /// New state of its device.
        status: SourceStatus,
    },
    /// The last frame was delivered.
    SourceEnded,
    /// Poses now come from this model.
    ModelReady(String),
    /// A model could not be loaded (the old one continues) or failed while running.
    ModelFailed {
        /// Name of the model.
        name: String,
        /// The reason, with a remedy.
        error: Error,
    },
    /// A recording is closed and complete.
    Recorded(TapProgress),
    /// One output of a recording failed, with a line that names it; the others continue.
    OutputFailed(String),
    /// A recording could not be started, continued or closed.
    RecordingFailed(Error),
    /// A worker panicked: the pipeline must be restarted.
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

    /// Sends without blocking: a window that does not read must not stop a camera.
    pub(super) fn send(&self, event: Event) {
        if let Err(lost) = self.events.try_send(event) {
            // Not shown by default: the receiver is gone, or has 64 other events queued.
            tracing::debug!(event = ?lost.into_inner(), "an event has no reader");
        }
        (self.notify)();
    }

    pub(super) fn wake(&self) {
        (self.notify)();
    }

    /// Returns the failure callback for [`crate::concurrency::Worker::spawn`].
    pub(super) fn on_worker_failure(&self) -> impl FnOnce(Error) + Send + 'static {
        let emit = self.clone();
        move |error| emit.send(Event::WorkerFailed(error))
    }
}

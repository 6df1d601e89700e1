//! Progress events of a training run.

use std::time::Duration;

use crossbeam::channel::Sender;

use super::checkpoint::EpochRecord;
use super::held_out::HeldOutPose;

/// Reason why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All epochs are finished.
    Finished,
    /// The epoch limit of this call is reached.
    EpochLimit,
    /// A stop was requested.
    Requested,
    /// The loss or a gradient became NaN or infinite.
    Diverged,
}

/// Extent of a training run that starts or resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Number of epochs finished before.
    pub epoch: u64,
    /// Total number of epochs.
    pub epochs: u64,
    /// Steps per epoch.
    pub steps_per_epoch: u64,
    /// Number of steps over which the learning rate rises from 0.
    pub warm_up_steps: u64,
    /// Number of training people.
    pub people: usize,
    /// Number of trainable parameters.
    pub n_learning: u64,
}

impl Started {
    /// Returns the total number of steps.
    pub fn steps(&self) -> u64 {
        self.epochs * self.steps_per_epoch
    }
}

/// Progress event of a training run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Training starts or resumes.
    Started(Started),
    /// A step is finished. Dropped if the channel is full.
    Step {
        /// Number of finished steps.
        step: u64,
        /// Total number of steps.
        steps: u64,
        /// Loss of the batch.
        loss: f64,
        /// Learning rate of the step.
        lr: f64,
        /// Throughput in people per second.
        images_per_sec: f64,
        /// Estimated remaining seconds, without validation.
        eta_secs: f64,
    },
    /// Validation starts; sent before the epoch's [`Self::Epoch`].
    Measuring {
        /// Number of finished epochs.
        epoch: u64,
    },
    /// Images could not be read; sent before the epoch's [`Self::Epoch`].
    Broken {
        /// Number of such images in the epoch.
        pictures: u64,
        /// Error message of the first one in this run, with its file.
        first: String,
    },
    /// An epoch is finished and evaluated; the first is the network before training.
    Epoch(EpochRecord),
    /// Predictions of these weights for a few held-out people; sent before the epoch's
    /// [`Self::Epoch`].
    HeldOut {
        /// Number of finished epochs.
        epoch: u64,
        /// Labels and predictions, always of the same people.
        people: Vec<HeldOutPose>,
    },
    /// The checkpoint folder is up to date.
    Saved {
        /// Whether these are the best weights so far.
        is_best: bool,
    },
    /// Training has ended.
    Stopped(StopReason),
}

/// Time to wait for room in the channel for an event that must not be lost.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends an important event; a reader that is gone or blocked does not stop the training.
pub(super) fn tell(events: &Sender<Event>, event: Event) {
    if let Err(lost) = events.send_timeout(event, SEND_TIMEOUT) {
        tracing::debug!(event = ?lost.into_inner(), "a training event has no reader");
    }
}

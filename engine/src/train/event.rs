//! News of a training.

use std::time::Duration;

use crossbeam::channel::Sender;

use super::checkpoint::EpochRecord;
use super::seen::SeenPose;

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// All epochs are done.
    Finished,
    /// As many epochs as this run was to do are done.
    EpochLimit,
    /// Somebody said "stop".
    Asked,
    /// The loss or a gradient is no number any more.
    Diverged,
}

/// News of a training.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It begins or goes on.
    Started {
        /// Epochs done before.
        epoch: u64,
        /// Epochs in all.
        epochs: u64,
        /// Steps in an epoch.
        steps_per_epoch: u64,
        /// People learned from.
        people: usize,
        /// Numbers that learn.
        n_learning: u64,
    },
    /// One step is done. Dropped where nobody reads.
    Step {
        /// Finished steps.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Loss of its batch.
        loss: f64,
        /// Its learning rate.
        lr: f64,
        /// People per second.
        images_per_sec: f64,
        /// Time left, without validation.
        eta_secs: f64,
    },
    /// Held-out people are about to be asked about; comes before the epoch's [`Self::Epoch`].
    Measuring {
        /// Finished epochs.
        epoch: u64,
    },
    /// Pictures could not be used; comes before the epoch's [`Self::Epoch`].
    Broken {
        /// So many of the epoch.
        pictures: u64,
        /// What is wrong with the first that was met in this run, with its file.
        first: String,
    },
    /// An epoch is done and measured; the first is the network before training.
    Epoch(EpochRecord),
    /// What these weights find in a few held-out people; comes before the epoch's [`Self::Epoch`].
    Seen {
        /// Finished epochs.
        epoch: u64,
        /// Always the same people.
        people: Vec<SeenPose>,
    },
    /// The folder is up to date.
    Saved {
        /// These are the best weights so far.
        is_best: bool,
    },
    /// It has ended.
    Stopped(Reason),
}

/// How long the trainer waits for somebody to read news that matter.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends news that matter; a reader that has gone or sleeps does not stop the training.
pub(super) fn tell(events: &Sender<Event>, event: Event) {
    if let Err(lost) = events.send_timeout(event, PATIENCE) {
        tracing::debug!(event = ?lost.into_inner(), "a training event has no reader");
    }
}

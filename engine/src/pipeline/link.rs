//! The link between capture and infer: a slot or a short queue, as the pacing asks.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, SendTimeoutError, Sender, bounded};

use crate::concurrency::{Slot, StopFlag};
use crate::frame::Frame;
use crate::source::SourceInfo;

use super::Pacing;

/// How often a waiting worker looks at its stop flag and commands: a hundredth of what a person
/// notices on a slider, and 40 wake-ups a second cost nothing measurable.
pub(super) const POLL: Duration = Duration::from_millis(25);

/// Frames between capture and infer when none may be lost: one in work, one ready.
const N_QUEUED: usize = 2;

/// A frame with its origin.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) frame: Frame,
    pub(super) source: Arc<SourceInfo>,
}

/// What travels over the link.
#[derive(Debug)]
pub(super) enum Item {
    Frame(Captured),
    /// The source has ended; only sent where no frame may be lost.
    End,
}

#[derive(Debug)]
pub(super) enum FramesIn {
    Newest(Slot<Captured>),
    Every(Sender<Item>),
}

#[derive(Debug)]
pub(super) enum FramesOut {
    Newest(Slot<Captured>),
    Every(Receiver<Item>),
}

pub(super) fn link(pacing: Pacing) -> (FramesIn, FramesOut) {
    match pacing {
        Pacing::Live => {
            let slot = Slot::new();
            (FramesIn::Newest(slot.clone()), FramesOut::Newest(slot))
        }
        Pacing::EveryFrame => {
            let (tx, rx) = bounded(N_QUEUED);
            (FramesIn::Every(tx), FramesOut::Every(rx))
        }
    }
}

impl FramesIn {
    /// Passes a frame on; `true` when an unseen one was dropped for it.
    pub(super) fn send(&self, captured: Captured, stop: &StopFlag) -> bool {
        match self {
            Self::Newest(slot) => slot.put(captured).is_some(),
            Self::Every(queue) => {
                send_waiting(queue, Item::Frame(captured), stop);
                false
            }
        }
    }

    /// Announces the end behind the last frame; `false` when the link has no order to keep.
    pub(super) fn end(&self, stop: &StopFlag) -> bool {
        match self {
            Self::Newest(_) => false,
            Self::Every(queue) => {
                send_waiting(queue, Item::End, stop);
                true
            }
        }
    }
}

impl FramesOut {
    pub(super) fn take(&self) -> Option<Item> {
        match self {
            Self::Newest(slot) => slot.take_timeout(POLL).map(Item::Frame),
            Self::Every(queue) => queue.recv_timeout(POLL).ok(),
        }
    }
}

fn send_waiting(queue: &Sender<Item>, mut item: Item, stop: &StopFlag) {
    while !stop.is_stopped() {
        match queue.send_timeout(item, POLL) {
            Err(SendTimeoutError::Timeout(back)) => item = back,
            Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
        }
    }
}

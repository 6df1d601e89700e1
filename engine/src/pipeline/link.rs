//! The link between capture and infer: a slot or a short queue, as the pacing asks.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, SendTimeoutError, Sender, bounded};

use crate::concurrency::{Slot, StopFlag};
use crate::frame::Frame;
use crate::source::SourceInfo;

use super::Pacing;
use super::event::Event;

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
    /// The user went there: it is looked at by itself, and not recorded.
    pub(super) is_visited: bool,
}

/// What travels over the link.
#[derive(Debug)]
pub(super) enum Item {
    Frame(Captured),
    /// No frame follows; to be told once those before it are done.
    End(Event),
}

#[derive(Debug)]
pub(super) enum FramesIn {
    Newest(Newest),
    Every(Sender<Item>),
}

#[derive(Debug)]
pub(super) enum FramesOut {
    Newest(Newest),
    Every(Receiver<Item>),
}

/// The newest frame, and the end behind it.
#[derive(Debug, Clone, Default)]
pub(super) struct Newest {
    frame: Slot<Captured>,
    end: Slot<Event>,
}

pub(super) fn link(pacing: Pacing) -> (FramesIn, FramesOut) {
    match pacing {
        Pacing::Live => {
            let newest = Newest::default();
            (FramesIn::Newest(newest.clone()), FramesOut::Newest(newest))
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
            Self::Newest(newest) => newest.frame.put(captured).is_some(),
            Self::Every(queue) => {
                send_waiting(queue, Item::Frame(captured), stop);
                false
            }
        }
    }

    /// Announces the end: it arrives behind the last frame.
    pub(super) fn end(&self, event: Event, stop: &StopFlag) {
        match self {
            Self::Newest(newest) => {
                newest.end.put(event);
            }
            Self::Every(queue) => send_waiting(queue, Item::End(event), stop),
        }
    }

    /// Takes back an end that has not arrived: the picture goes on with another run.
    pub(super) fn go_on(&self) {
        if let Self::Newest(newest) = self {
            newest.end.try_take();
        }
    }
}

impl FramesOut {
    pub(super) fn take(&self) -> Option<Item> {
        match self {
            Self::Newest(newest) => newest.take(),
            Self::Every(queue) => queue.recv_timeout(POLL).ok(),
        }
    }
}

impl Newest {
    fn take(&self) -> Option<Item> {
        // The end is looked at first: a frame put in before it is then sure to be seen.
        let Some(event) = self.end.try_take() else {
            return self.frame.take_timeout(POLL).map(Item::Frame);
        };
        let Some(last) = self.frame.try_take() else {
            return Some(Item::End(event));
        };
        self.end.put(event);
        Some(Item::Frame(last))
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

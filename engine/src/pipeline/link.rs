//! Link between capture and infer: a slot or a short queue, depending on the pacing.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, SendTimeoutError, Sender, bounded};

use crate::concurrency::{Slot, StopFlag};
use crate::frame::Frame;
use crate::source::SourceInfo;

use super::Pacing;
use super::event::Event;

/// Interval at which a waiting worker checks its stop flag and commands: a hundredth of what a
/// person notices on a slider, and 40 wake-ups per second cost nothing measurable.
pub(super) const POLL: Duration = Duration::from_millis(25);

/// Queue length between capture and infer when no frame may be lost: one in work, one ready.
const N_QUEUED: usize = 2;

/// A frame with its source.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) frame: Frame,
    pub(super) source: Arc<SourceInfo>,
    /// Whether the user sought to it: it is processed without tracking state and not recorded.
    pub(super) is_visited: bool,
}

/// An item on the link.
#[derive(Debug)]
pub(super) enum Item {
    Frame(Captured),
    /// No frame follows; the event is sent once the frames before it are done.
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

/// The newest frame, and the end after it.
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
    /// Passes a frame on; returns `true` if an unprocessed one was dropped for it.
    pub(super) fn send(&self, captured: Captured, stop: &StopFlag) -> bool {
        match self {
            Self::Newest(newest) => newest.frame.put(captured).is_some(),
            Self::Every(queue) => {
                send_waiting(queue, Item::Frame(captured), stop);
                false
            }
        }
    }

    /// Announces the end: it arrives after the last frame.
    pub(super) fn end(&self, event: Event, stop: &StopFlag) {
        match self {
            Self::Newest(newest) => {
                newest.end.put(event);
            }
            Self::Every(queue) => send_waiting(queue, Item::End(event), stop),
        }
    }

    /// Withdraws an end that has not arrived: another run follows.
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
        // The end is checked first, so that a frame sent before it is certain to be seen.
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

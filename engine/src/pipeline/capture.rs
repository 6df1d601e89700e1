//! The capture thread: reads the source and plays files at their own speed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;

use crate::concurrency::{Slot, StopFlag};
use crate::error::Result;
use crate::frame::Frame;
use crate::source::{FrameSource, SeekTo, SourceInfo};

use super::event::{Event, EventSender};
use super::handover::Handover;
use super::link::{Captured, FramesIn, POLL};
use super::moves::{Move, Moves};
use super::stats::Meter;
use super::tap::Taps;
use super::watch::Watched;
use super::{OpenSource, Pacing, Playback};

/// A file whose decoding lags this much plays slower instead of catching up.
const MAX_LAG: Duration = Duration::from_millis(500);
/// A longer gap between two frames is treated as a damaged time stamp, not as a pause in the video.
const MAX_STEP: Duration = Duration::from_secs(10);

/// Interval at which a paused camera is read: often enough to notice that it was unplugged, at
/// little cost.
const IDLE_INTERVAL: Duration = Duration::from_millis(250);

/// Command to change the source.
pub(super) enum SourceChange {
    Open(Opened),
    Close,
}

/// An open source with the function to open it again.
pub(super) struct Opened {
    source: Box<dyn FrameSource>,
    open: OpenSource,
}

impl Opened {
    pub(super) fn new(source: Box<dyn FrameSource>, open: OpenSource) -> Self {
        Self { source, open }
    }
}

impl std::fmt::Debug for SourceChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(opened) => f.debug_tuple("Open").field(opened.source.info()).finish(),
            Self::Close => f.write_str("Close"),
        }
    }
}

/// Channels of the capture thread.
pub(super) struct Parts {
    pub(super) pacing: Pacing,
    pub(super) frames: FramesIn,
    pub(super) playback: Slot<Playback>,
    pub(super) moves: Moves,
    pub(super) restart: Receiver<()>,
    pub(super) source: Arc<Handover<SourceChange>>,
    pub(super) watched: Watched,
    pub(super) meter: Arc<Meter>,
    pub(super) taps: Taps,
    pub(super) emit: EventSender,
}

pub(super) struct Capture {
    parts: Parts,
    playback: Playback,
    current: Option<Current>,
}

/// The source being read.
struct Current {
    /// `None` after the end or a failure; a restart opens it again.
    source: Option<Box<dyn FrameSource>>,
    open: OpenSource,
    info: Arc<SourceInfo>,
    /// Frame that was read but is not due yet.
    pending: Option<Frame>,
    clock: Clock,
    last_id: Option<u64>,
    /// Whether the last frame was read; the file stays open for seeking.
    is_over: bool,
    /// Whether the user sought to the next frame: it is shown even while paused.
    is_visiting: bool,
    /// Time of the next read of a paused camera.
    rests_until: Option<Instant>,
    /// Frames captured before this time are stale: a camera buffered them while it was paused.
    fresh_from: Option<Instant>,
}

/// Maps the time stamps of a file to the wall clock; anchored by the first frame after a pause.
#[derive(Debug, Default)]
struct Clock {
    anchor: Option<(Instant, f64)>,
}

impl Clock {
    /// Returns the time until a frame stamped `time_secs` is due.
    fn wait(&mut self, time_secs: f64, speed: f64, now: Instant) -> Duration {
        let (start, first) = *self.anchor.get_or_insert((now, time_secs));
        let due = Duration::try_from_secs_f64((time_secs - first) / speed)
            .ok()
            .and_then(|offset| start.checked_add(offset));
        let wait = due.map(|due| due.saturating_duration_since(now));
        let lag = due.map(|due| now.saturating_duration_since(due));
        match (wait, lag) {
            (Some(wait), Some(lag)) if wait <= MAX_STEP && lag <= MAX_LAG => wait,
            _ => {
                self.anchor = Some((now, time_secs));
                Duration::ZERO
            }
        }
    }
}

impl Capture {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            playback: Playback::default(),
            current: None,
        }
    }

    pub(super) fn run(mut self, stop: &StopFlag) {
        while !stop.is_stopped() {
            let wait = self.step(stop);
            if !wait.is_zero() && self.parts.restart.recv_timeout(wait.min(POLL)).is_ok() {
                self.restart();
            }
            if self.parts.restart.try_recv().is_ok() {
                self.restart();
            }
            if let Some(playback) = self.parts.playback.try_take() {
                self.set_playback(playback);
            }
            if let Some(to) = self.parts.moves.take() {
                self.go(to);
            }
            if let Some(change) = self.parts.source.take() {
                self.change(change);
            }
        }
    }

    /// Reads or delivers one frame; returns how long the thread may sleep.
    fn step(&mut self, stop: &StopFlag) -> Duration {
        let Some(current) = &mut self.current else {
            return POLL;
        };
        if let Some(frame) = &current.pending {
            // The first frame of a file is shown even while paused, so that a restart is visible.
            let is_shown = self.playback.is_playing || current.is_visiting;
            if !is_shown && current.last_id.is_some() {
                if current.info.is_live {
                    // It would be stale on resuming.
                    current.pending = None;
                }
                return POLL;
            }
            let is_paced =
                self.parts.pacing == Pacing::Live && !current.info.is_live && !current.is_visiting;
            if is_paced {
                let speed = self.playback.speed;
                let wait = current.clock.wait(frame.time_secs, speed, Instant::now());
                if !wait.is_zero() {
                    return wait;
                }
            }
            self.deliver(stop);
            return Duration::ZERO;
        }
        let is_needed = self.playback.is_playing || current.is_visiting || current.info.is_live;
        if !is_needed && current.last_id.is_some() {
            // The end is not reported while the last frame is viewed either.
            return POLL;
        }
        let now = Instant::now();
        if let Some(until) = current.rests_until.filter(|&until| until > now) {
            return until - now;
        }
        let Some(source) = current.source.as_mut().filter(|_| !current.is_over) else {
            return POLL;
        };
        match source.next_frame() {
            Ok(Some(frame)) if current.info.is_live && !self.playback.is_playing => {
                // Frames skipped by seeking are not drops.
                current.last_id = Some(frame.id);
                current.rests_until = Some(Instant::now() + IDLE_INTERVAL);
            }
            Ok(Some(frame)) if current.fresh_from.is_some_and(|t| frame.captured < t) => {
                current.last_id = Some(frame.id);
            }
            Ok(Some(frame)) => {
                current.fresh_from = None;
                current.pending = Some(frame);
            }
            Ok(None) => match self.parts.source.take() {
                // Interrupted by this change of source.
                Some(change) => self.change(change),
                None => self.end(stop),
            },
            Err(error) => {
                let name = current.info.name.clone();
                if let Some(warning) = source.warning() {
                    self.parts.emit.send(Event::SourceWarning {
                        name: name.clone(),
                        warning: warning.to_owned(),
                        is_damage: source.is_damaged(),
                    });
                }
                current.source = None;
                // Frames read before the failure are recorded like a whole file.
                let event = Event::SourceFailed { name, error };
                self.parts.frames.end(event, stop);
            }
        }
        Duration::ZERO
    }

    fn deliver(&mut self, stop: &StopFlag) {
        let Some(current) = &mut self.current else {
            return;
        };
        let Some(mut frame) = current.pending.take() else {
            return;
        };
        // A file's frame counts as captured when it is due, not when it was decoded.
        if !current.info.is_live {
            frame.captured = Instant::now();
        }
        let skipped = match current.last_id.replace(frame.id) {
            Some(last) if current.info.is_live => frame.id.saturating_sub(last + 1),
            _ => 0,
        };
        let is_visited = std::mem::take(&mut current.is_visiting);
        if !is_visited {
            self.parts.taps.offer_raw(&frame, &current.info, skipped);
        }
        let captured = Captured {
            frame,
            source: Arc::clone(&current.info),
            is_visited,
        };
        // Counted before it is sent, so that frames in flight are never missing from the count.
        self.parts.meter.captured(skipped);
        if self.parts.frames.send(captured, stop) {
            self.parts.meter.displaced();
        }
    }

    fn end(&mut self, stop: &StopFlag) {
        let Some(current) = &mut self.current else {
            return;
        };
        if let Some(source) = &current.source
            && let Some(warning) = source.warning()
        {
            self.parts.emit.send(Event::SourceWarning {
                name: current.info.name.clone(),
                warning: warning.to_owned(),
                is_damage: source.is_damaged(),
            });
        }
        // A source without frames would loop at full speed, and an image would be processed again
        // and again.
        let has_several = current.last_id.is_some_and(|id| id > 0);
        (current.is_over, current.is_visiting) = (true, false);
        if current.info.is_live {
            current.source = None;
        }
        if self.playback.is_looping && has_several && !current.info.is_live {
            self.restart();
        } else {
            self.parts.frames.end(Event::SourceEnded, stop);
        }
    }

    fn restart(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        self.parts.frames.go_on();
        current.pending = None;
        let open = Arc::clone(&current.open);
        let again = match current.source.take() {
            // Rewinding keeps the frame index; reopening would rebuild it.
            Some(mut source) => match source.rewind() {
                Ok(true) => Ok(source),
                Ok(false) => {
                    // Closes the device first, so that it can be opened again.
                    drop(source);
                    open()
                }
                Err(error) => Err(error),
            },
            None => open(),
        };
        match again {
            Ok(source) => {
                self.watch(source.as_ref());
                self.current = Some(Current::new(Opened { source, open }));
            }
            Err(error) => self.parts.emit.send(Event::SourceFailed {
                name: current.info.name.clone(),
                error,
            }),
        }
    }

    fn watch(&self, source: &dyn FrameSource) {
        self.parts
            .watched
            .set(&source.info().name, source.monitor());
    }

    fn set_playback(&mut self, playback: Playback) {
        let before = std::mem::replace(&mut self.playback, playback);
        let Some(current) = &mut self.current else {
            return;
        };
        if before != playback {
            current.clock = Clock::default();
        }
        if before.is_playing != playback.is_playing && current.info.is_live {
            self.parts
                .watched
                .monitor()
                .set_resting(!playback.is_playing);
            current.rests_until = None;
            current.fresh_from = playback.is_playing.then(Instant::now);
        }
    }

    /// Seeks to another frame of a file; live sources are handled by the infer thread.
    fn go(&mut self, to: Move) {
        let Some(current) = &mut self.current else {
            return;
        };
        let paused = Playback {
            is_playing: false,
            ..self.playback
        };
        if current.info.is_live {
            let playback = Playback {
                is_playing: to.follow,
                ..self.playback
            };
            return self.set_playback(playback);
        }
        if to.follow {
            return;
        }
        if to.steps == 1 && to.seek.is_none() && !current.is_over {
            // The next frame comes anyway: no index is needed.
            current.is_visiting = true;
        } else if let Err(error) = current.jump(to) {
            self.parts.emit.send(Event::SourceWarning {
                name: current.info.name.clone(),
                warning: error.to_string(),
                is_damage: false,
            });
        } else {
            self.parts.frames.go_on();
        }
        if to.steps != 0 {
            self.set_playback(paused);
        }
    }

    fn change(&mut self, change: SourceChange) {
        self.parts.meter.reset();
        self.parts.frames.go_on();
        self.current = match change {
            SourceChange::Open(opened) => {
                self.watch(opened.source.as_ref());
                let current = Current::new(opened);
                let event = Event::SourceReady(Arc::clone(&current.info));
                self.parts.emit.send(event);
                // After the event: the window starts a new recording before it learns of the end.
                self.parts.taps.keep_only(&current.info);
                Some(current)
            }
            SourceChange::Close => None,
        };
    }
}

impl Current {
    fn new(opened: Opened) -> Self {
        Self {
            info: Arc::new(opened.source.info().clone()),
            source: Some(opened.source),
            open: opened.open,
            pending: None,
            clock: Clock::default(),
            last_id: None,
            is_over: false,
            is_visiting: false,
            rests_until: None,
            fresh_from: None,
        }
    }

    /// Seeks to another frame if the source supports it.
    fn jump(&mut self, to: Move) -> Result<()> {
        let source = match &mut self.source {
            Some(source) => source,
            // After a failure, opening again may succeed.
            none => none.insert((self.open)()?),
        };
        let mut from = self.last_id.unwrap_or(0);
        if let Some(place) = to.seek {
            if !source.seek(place)? {
                return Ok(());
            }
            if to.steps != 0
                && let Some(frame) = source.next_frame()?
            {
                from = frame.id;
            }
        }
        if to.steps != 0 && !source.seek(SeekTo::Frame(from.saturating_add_signed(to.steps)))? {
            return Ok(());
        }
        self.pending = None;
        self.clock = Clock::default();
        self.is_over = false;
        self.is_visiting = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a file plays too fast, races after a stall, or hangs at a damaged time stamp.
    #[test]
    fn the_clock_follows_time_stamps_and_recovers() {
        let mut clock = Clock::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(clock.wait(5.0, 1.0, at(0)), Duration::ZERO);
        assert_eq!(clock.wait(5.25, 1.0, at(50)), Duration::from_millis(200));
        assert_eq!(clock.wait(5.25, 1.0, at(300)), Duration::ZERO);
        assert_eq!(clock.wait(5.5, 1.0, at(1500)), Duration::ZERO);
        assert_eq!(clock.wait(5.75, 1.0, at(1500)), Duration::from_millis(250));
        assert_eq!(clock.wait(6.25, 2.0, at(1500)), Duration::from_millis(375));
        for bad in [f64::NAN, f64::INFINITY, -3.0, 1e18] {
            assert_eq!(clock.wait(bad, 1.0, at(1500)), Duration::ZERO);
        }
        clock.wait(0.0, 1.0, at(2000));
        assert_eq!(clock.wait(0.5, 1.0, at(2000)), Duration::from_millis(500));
    }
}

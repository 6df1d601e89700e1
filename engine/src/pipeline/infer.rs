//! The infer thread: runs the model on the newest frame, builds the overlay scene and feeds the
//! recording.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Receiver;
use poselens_shaders::scene::Scene;

use crate::concurrency::{Slot, StopFlag};
use crate::error::Result;
use crate::estimator::Infer;
use crate::frame::Frame;
use crate::output::{PoseOutput, Stage, Timings};
use crate::overlay;
use crate::pose::Pose;
use crate::send::Streams;

use super::draw;
use super::event::{Event, EventSender};
use super::handover::Handover;
use super::history::History;
use super::link::{Captured, FramesOut, Item};
use super::moves::{Move, Moves};
use super::stats::Meter;
use super::tap::{MakeTap, Taps};
use super::watch::{Watched, Watcher};
use super::{Look, Notify, Pacing, Presented, Review};

/// A loaded model.
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) infer: Box<dyn Infer>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Loaded").field(&self.name).finish()
    }
}

/// Commands for the recording.
pub(super) enum RecordControl {
    Start(MakeTap),
    Stop,
}

/// Channels of the infer thread.
pub(super) struct Parts {
    pub(super) pacing: Pacing,
    pub(super) frames: FramesOut,
    pub(super) look: Slot<Look>,
    pub(super) moves: Moves,
    pub(super) watched: Watched,
    pub(super) record: Receiver<RecordControl>,
    pub(super) streams: Slot<Option<Arc<Streams>>>,
    pub(super) model: Arc<Handover<Loaded>>,
    pub(super) presented: Slot<Presented>,
    pub(super) notify: Notify,
    pub(super) meter: Arc<Meter>,
    pub(super) emit: EventSender,
    pub(super) taps: Taps,
    /// Once set, queued frames are skipped.
    pub(super) cut: StopFlag,
}

/// Limits of the time for a frame of a live source: never so short that only one person is estimated,
/// never so long that fewer than ten frames a second are shown.
const BUDGET: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(100)];

/// Returns the time that an estimator may take per frame: two frames of the source, since the newest
/// frame replaces those that arrive meanwhile.
fn live_budget(rate: Option<f64>) -> Duration {
    let [least, most] = BUDGET;
    let two_frames = rate.filter(|r| *r > 0.0).map(|r| 2.0 / r);
    let secs = two_frames.filter(|secs| *secs < most.as_secs_f64());
    secs.map_or(most, Duration::from_secs_f64).max(least)
}

pub(super) struct InferLoop {
    parts: Parts,
    look: Arc<Look>,
    model: Option<Loaded>,
    /// The newest frame with its poses, without overlays, for redrawing.
    last: Option<Presented>,
    /// Whether the look or the model changed since `last` was drawn.
    is_stale: bool,
    wanted_tap: Option<MakeTap>,
    streams: Option<Arc<Streams>>,
    watcher: Watcher,
    history: History,
    /// Index of the past frame on the screen, from the oldest in the history.
    review: Option<usize>,
    /// Whether its poses are the stored ones; the current model has not processed it.
    is_recalled: bool,
    /// Other people were selected than those of the newest frame's poses.
    is_selected_anew: bool,
    /// The newest frame was processed by itself, not as the successor of the one before.
    is_visited: bool,
}

impl InferLoop {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            look: Arc::default(),
            model: None,
            last: None,
            is_stale: false,
            wanted_tap: None,
            streams: None,
            watcher: Watcher::default(),
            history: History::default(),
            review: None,
            is_recalled: false,
            is_selected_anew: false,
            is_visited: false,
        }
    }

    pub(super) fn run(mut self, stop: &StopFlag) {
        while !stop.is_stopped() {
            self.take_commands();
            if self.parts.pacing == Pacing::EveryFrame && self.model.is_none() {
                // Without a model frames would be passed on without poses.
                std::thread::sleep(super::link::POLL);
                continue;
            }
            let item = self.parts.frames.take();
            // Commands sent while this thread waited apply to the frame that has arrived: a
            // recording starts with the first one.
            self.take_commands();
            match item {
                Some(Item::Frame(_)) if self.parts.cut.is_stopped() => {}
                Some(Item::Frame(captured)) => self.frame(captured),
                Some(Item::End(event)) => self.parts.emit.send(event),
                // No frame for a moment: a paused view handles seeking and changes of the look.
                None => match self.parts.moves.take() {
                    Some(to) => self.go(to),
                    None if self.is_stale => self.redraw(),
                    None => {}
                },
            }
        }
        self.parts.taps.finish();
    }

    fn take_commands(&mut self) {
        // The capture thread cannot report it, because it is the one that waits.
        if let Some(news) = self.watcher.news(&self.parts.watched) {
            self.parts.emit.send(news);
        }
        if let Some(look) = self.parts.look.try_take() {
            if let Some(model) = &mut self.model {
                model.infer.set_smoothing(look.smoothing);
                model.infer.set_selection(&look.selection);
            }
            self.is_selected_anew |= look.selection != self.look.selection;
            self.look = Arc::new(look);
            self.is_stale = true;
        }
        if let Some(mut loaded) = self.parts.model.take() {
            loaded.infer.set_smoothing(self.look.smoothing);
            loaded.infer.set_selection(&self.look.selection);
            self.parts.emit.send(Event::ModelReady(loaded.name.clone()));
            self.model = Some(loaded);
            self.is_stale = true;
            if let Some(last) = &mut self.last {
                last.output = None;
            }
        }
        if let Some(streams) = self.parts.streams.try_take() {
            self.streams = streams;
        }
        while let Ok(control) = self.parts.record.try_recv() {
            match control {
                RecordControl::Start(make) => self.wanted_tap = Some(make),
                RecordControl::Stop => {
                    self.wanted_tap = None;
                    self.parts.taps.finish();
                }
            }
        }
    }

    fn frame(&mut self, captured: Captured) {
        let Captured {
            frame,
            source,
            is_visited,
        } = captured;
        self.review = None;
        self.is_recalled = false;
        self.is_selected_anew = false;
        self.is_visited = is_visited;
        if self
            .last
            .as_ref()
            .is_some_and(|last| !Arc::ptr_eq(&last.source, &source))
        {
            self.history.clear();
        }
        if self.parts.pacing == Pacing::Live
            && let Some(model) = &mut self.model
        {
            model.infer.set_budget(Some(live_budget(source.rate)));
        }
        let output = if is_visited {
            self.visit(&frame, &[])
        } else {
            self.infer(&frame)
        };
        if output.is_some() {
            self.parts.meter.inferred();
        }
        let bare = Presented {
            source,
            frame,
            scene: Arc::new(Scene::default()),
            timings: output.as_ref().map(|o| o.timings).unwrap_or_default(),
            output,
            is_redraw: false,
            review: None,
            look: Arc::clone(&self.look),
        };
        self.last = Some(bare.clone());
        self.is_stale = false;
        let presented = self.look_at(bare);
        if !is_visited {
            if let Some(make) = self.wanted_tap.take() {
                self.parts.taps.begin(make, &presented);
            }
            self.parts.taps.offer(&presented);
            if let (Some(streams), Some(output)) = (&self.streams, &presented.output) {
                streams.push(output);
            }
        }
        if presented.source.is_live && self.parts.pacing == Pacing::Live {
            let output = presented.output.as_deref();
            self.history.push(&presented.frame, output);
            let history = &self.history;
            self.parts.meter.held(history.len(), history.secs());
        }
        self.present(presented);
    }

    /// Seeks within the last seconds of a live source.
    fn go(&mut self, to: Move) {
        let newest = self.history.len().checked_sub(1);
        let live = self.last.as_ref().filter(|last| last.source.is_live);
        let (Some(newest), Some(live), false) = (newest, live, to.follow) else {
            return;
        };
        let from = match to.seek {
            Some(place) => self.history.index(place).min(newest),
            None => self.review.unwrap_or(newest),
        };
        let i = from.saturating_add_signed(to.steps as isize).min(newest);
        let Some((frame, output)) = self.history.get(i) else {
            return;
        };
        self.review = Some(i);
        let bare = Presented {
            source: Arc::clone(&live.source),
            frame,
            scene: Arc::default(),
            timings: Timings::default(),
            output: output.map(Arc::new),
            is_redraw: true,
            review: Some(Review {
                frames_back: newest - i,
                secs_back: self.history.secs_back(i),
            }),
            look: Arc::clone(&self.look),
        };
        // The stored poses are shown at once, those of the current model follow.
        self.last = Some(bare.clone());
        let presented = self.look_at(bare);
        self.present(presented);
        (self.is_stale, self.is_recalled) = (true, true);
    }

    fn redraw(&mut self) {
        self.is_stale = false;
        let Some(mut last) = self.last.clone() else {
            return;
        };
        let is_recalled = std::mem::take(&mut self.is_recalled);
        let is_selected_anew = std::mem::take(&mut self.is_selected_anew);
        // A network without maps of a kind is not run again for them.
        let has_maps = last.look.requested().cover(self.look.requested());
        if is_selected_anew && self.review.is_none() && !self.is_visited {
            // The people who were not selected are known to the tracker only.
            let frame = last.frame.clone();
            last.output = self.infer(&frame).or(last.output);
            last.look = Arc::clone(&self.look);
            self.last = Some(last.clone());
        } else if is_recalled || is_selected_anew || last.output.is_none() || !has_maps {
            let near = last.output.as_ref().map_or(&[][..], |o| &o.poses);
            let frame = last.frame.clone();
            // Without a model the stored poses are kept.
            last.output = self.visit(&frame, near).or(last.output);
            last.look = Arc::clone(&self.look);
            self.last = Some(last.clone());
        }
        last.is_redraw = true;
        let presented = self.look_at(last);
        self.present(presented);
    }

    fn infer(&mut self, frame: &Frame) -> Option<Arc<PoseOutput>> {
        let requested = self.look.requested();
        self.with_model(|infer| infer.infer(frame, requested))
    }

    /// Like [`Self::infer`], for a single frame that does not change the tracking state.
    fn visit(&mut self, frame: &Frame, near: &[Pose]) -> Option<Arc<PoseOutput>> {
        let requested = self.look.requested();
        self.with_model(|infer| infer.visit(frame, near, requested))
    }

    /// Runs the model; one that fails is removed, and frames continue without poses.
    fn with_model(
        &mut self,
        work: impl FnOnce(&mut dyn Infer) -> Result<PoseOutput>,
    ) -> Option<Arc<PoseOutput>> {
        let model = self.model.as_mut()?;
        match work(model.infer.as_mut()) {
            Ok(output) => Some(Arc::new(output)),
            Err(error) => {
                let name = model.name.clone();
                self.model = None;
                self.parts.emit.send(Event::ModelFailed { name, error });
                None
            }
        }
    }

    /// Adds the overlays.
    fn look_at(&self, mut presented: Presented) -> Presented {
        let Some(output) = &mut presented.output else {
            return presented;
        };
        let look = &self.look;
        draw::apply_smoothing(look, output);
        presented.look = Arc::clone(look);
        if !look.overlays.is_empty() {
            presented.scene = presented.timings.measure(Stage::Overlay, || {
                Arc::new(overlay::scene(output, &look.overlays, &look.style))
            });
        }
        presented
    }

    fn present(&self, presented: Presented) {
        self.parts.presented.put(presented);
        (self.parts.notify)();
    }
}

//! Live running: threads around a [`FrameSource`] and an [`Infer`].
//!
//! ```text
//! capture --Link<Captured>--> infer --Slot<Presented>--> window
//!                               `--> Tap (recording)         every worker --Event(64)--> window
//! ```
//!
//! [`Pacing`] decides the link: the newest frame wins ([`Pacing::Live`]) or none is lost
//! ([`Pacing::EveryFrame`]). What the window draws is a [`Presented`]: the frame, the scene that
//! the current [`Look`] puts over it, and the poses computed from that very frame. Recordings
//! draw the scene into it. Latency means from a frame's capture to [`Pipeline::take`].
//!
//! A paused picture can be stepped through: a file in both directions without end, a live picture
//! through the seconds in its [`history`]. An [`Inspector`] looks closely at single frames.
//!
//! Sources and models may be exchanged while it runs: a loader thread prepares the new one, the
//! old one works until then. The pipeline starts with neither; a source without a model shows
//! its bare pictures, so that a camera is visible while weights are still being read.

mod capture;
mod draw;
mod event;
mod handover;
mod history;
mod infer;
mod inspect;
mod link;
mod look;
mod moves;
#[cfg(test)]
mod moves_tests;
mod presented;
mod progress;
#[cfg(test)]
mod recording_tests;
pub mod session;
mod snapshot;
#[cfg(test)]
mod source_tests;
mod stats;
mod tap;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::concurrency::{Slot, StopFlag, Worker};
use crate::error::{Error, Result};
use crate::estimator::Infer;
use crate::source::{CameraFormats, CameraReport, Extent, FrameSource, SeekTo};

use capture::{Capture, Opened, SourceChange};
use event::EventSender;
use handover::Handover;
use infer::{InferLoop, Loaded, RecordControl};
use moves::Moves;
use stats::Meter;
use tap::Taps;
use watch::Watched;

pub use event::Event;
pub use inspect::{InspectEvent, InspectRequest, Inspection, Inspector, N_INSPECTED};
pub use look::Look;
pub use presented::{Pacing, Playback, Presented, Review};
pub use progress::TapProgress;
pub use snapshot::save_png;
pub use stats::Stats;
pub use tap::{MakeTap, Tap};

/// Opens a source; called again for every restart and loop.
pub type OpenSource = Arc<dyn Fn() -> Result<Box<dyn FrameSource>> + Send + Sync>;
/// Builds a model; called once, on a loader thread.
pub type MakeInfer = Box<dyn FnOnce() -> Result<Box<dyn Infer>> + Send>;
/// Called by workers whenever there is something new to draw or an event to read.
pub type Notify = Arc<dyn Fn() + Send + Sync>;

/// Events that may wait for the window; more are logged and lost.
const N_EVENTS: usize = 64;
/// Commands that may wait for a worker.
const N_CONTROLS: usize = 16;

/// How long the frame at work may take when the run is to end: it is left out then.
const LAST_FRAME: Duration = Duration::from_millis(400);
/// When encoders leave out what still waits for them, counted from the end of the run. The rest of
/// a second is for closing the files.
const CLOSING: Duration = Duration::from_millis(600);

/// The running threads. Dropping it ends them within a second, whatever they do, with every file
/// closed; see [`Pipeline::dismiss`].
#[derive(Debug)]
pub struct Pipeline {
    stop: StopFlag,
    cut: StopFlag,
    /// When the run was first told to end.
    cut_at: OnceLock<Instant>,
    events: Receiver<Event>,
    emit: EventSender,
    presented: Slot<Presented>,
    meter: Arc<Meter>,
    look: Slot<Look>,
    playback: Slot<Playback>,
    /// Where to go: for files the capture thread knows how, for live pictures the infer thread.
    moves: [Moves; 2],
    restart: Sender<()>,
    record: Sender<RecordControl>,
    source: Arc<Handover<SourceChange>>,
    watched: Watched,
    model: Arc<Handover<Loaded>>,
    loaders: Vec<Worker>,
    capture: Worker,
    infer: Worker,
    taps: Taps,
}

impl Pipeline {
    /// Starts the threads, with neither source nor model yet.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(pacing: Pacing, notify: Notify) -> Result<Self> {
        let (stop, cut) = (StopFlag::new(), StopFlag::new());
        let (event_tx, events) = bounded(N_EVENTS);
        let emit = EventSender::new(event_tx, Arc::clone(&notify));
        let (frames_in, frames_out) = link::link(pacing);
        let (restart, restart_rx) = bounded(N_CONTROLS);
        let (record, record_rx) = bounded(N_CONTROLS);
        let presented = Slot::new();
        let meter = Arc::new(Meter::default());
        let (look, playback) = (Slot::new(), Slot::new());
        let moves = [Moves::default(), Moves::default()];
        let source = Arc::new(Handover::default());
        let watched = Watched::default();
        let model = Arc::new(Handover::default());
        let taps = Taps::new(emit.clone());

        let capture = Capture::new(capture::Parts {
            pacing,
            frames: frames_in,
            playback: playback.clone(),
            moves: moves[0].clone(),
            restart: restart_rx,
            source: Arc::clone(&source),
            watched: watched.clone(),
            meter: Arc::clone(&meter),
            taps: taps.clone(),
            emit: emit.clone(),
        });
        let infer = InferLoop::new(infer::Parts {
            pacing,
            frames: frames_out,
            look: look.clone(),
            moves: moves[1].clone(),
            watched: watched.clone(),
            record: record_rx,
            model: Arc::clone(&model),
            presented: presented.clone(),
            notify,
            meter: Arc::clone(&meter),
            emit: emit.clone(),
            taps: taps.clone(),
            cut: cut.clone(),
        });
        let capture = Worker::spawn(
            "capture",
            stop.clone(),
            move |stop| {
                capture.run(stop);
                Ok(())
            },
            emit.on_worker_failure(),
        )?;
        let infer = {
            let failed = emit.on_worker_failure();
            let taps_of_failed = taps.clone();
            Worker::spawn(
                "infer",
                stop.clone(),
                move |stop| {
                    infer.run(stop);
                    Ok(())
                },
                move |error| {
                    // The recording stays whole although the thread that fed it is gone.
                    taps_of_failed.finish();
                    failed(error);
                },
            )?
        };
        Ok(Self {
            stop,
            cut,
            cut_at: OnceLock::new(),
            events,
            emit,
            presented,
            meter,
            look,
            playback,
            moves,
            restart,
            record,
            source,
            watched,
            model,
            loaders: Vec::new(),
            capture,
            infer,
            taps,
        })
    }

    /// Opens a source on a loader thread and changes to it when it is ready
    /// ([`Event::SourceReady`]); [`Event::SourceFailed`] leaves the old one running.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn switch_source(&mut self, name: &str, open: OpenSource) -> Result<()> {
        let (ticket, source, emit) = (
            self.source.next_ticket(),
            Arc::clone(&self.source),
            self.emit.clone(),
        );
        let failed = failure_of_source(name, ticket, &self.source, &self.emit);
        let watched = self.watched.clone();
        self.load("source loader", failed, move || {
            let opened = open()?;
            let change = SourceChange::Open(Opened::new(opened, open));
            let old = watched.monitor();
            if source.offer(ticket, change) {
                // An unplugged camera would otherwise keep the reader until it is given up.
                old.interrupt();
                emit.wake();
            }
            Ok(())
        })
    }

    /// Closes the source: a camera is released.
    pub fn close_source(&mut self) {
        let ticket = self.source.next_ticket();
        let old = self.watched.monitor();
        self.source.offer(ticket, SourceChange::Close);
        old.interrupt();
    }

    /// Builds a model on a loader thread and changes to it when it is ready
    /// ([`Event::ModelReady`]); [`Event::ModelFailed`] leaves the old one running.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn switch_model(&mut self, name: &str, make: MakeInfer) -> Result<()> {
        let (ticket, model, emit) = (
            self.model.next_ticket(),
            Arc::clone(&self.model),
            self.emit.clone(),
        );
        let failed = {
            let (name, model, emit) = (name.to_owned(), Arc::clone(&model), emit.clone());
            move |error| {
                if model.is_current(ticket) {
                    emit.send(Event::ModelFailed { name, error });
                }
            }
        };
        let name = name.to_owned();
        self.load("model loader", failed, move || {
            let infer = make()?;
            if model.offer(ticket, Loaded { name, infer }) {
                emit.wake();
            }
            Ok(())
        })
    }

    /// Draws differently from the next picture on; a standing picture is drawn again.
    pub fn set_look(&self, look: Look) {
        self.look.put(look);
    }

    /// Plays, pauses, loops.
    pub fn set_playback(&self, playback: Playback) {
        self.playback.put(playback);
    }

    /// Pauses and goes so many frames on (or back, below 0): in a file any number, in a live
    /// picture within the last seconds ([`Stats::held_secs`]; [`Presented::review`] says where). The
    /// frame's poses are computed anew with the present model, and with the maps that the look
    /// needs. A file that cannot be indexed says so in [`Event::SourceWarning`].
    pub fn step(&self, n: i64) {
        for moves in &self.moves {
            moves.step(n);
        }
    }

    /// Goes to a frame: in a file by number or time, playing on from there where it plays; in a
    /// paused live picture by its number among those held, the oldest first, or by its time. Of
    /// many requests only the last counts.
    pub fn seek(&self, to: SeekTo) {
        for moves in &self.moves {
            moves.seek(to);
        }
    }

    /// Shows the present again after a live picture was paused. Also say so by
    /// [`Pipeline::set_playback`], which counts from its next call on.
    pub fn follow_live(&self) {
        self.moves[0].follow();
    }

    /// Begins the file again.
    ///
    /// # Errors
    /// When the capture thread has not taken its earlier commands.
    pub fn restart(&self) -> Result<()> {
        self.restart.try_send(()).map_err(|_| busy("capture"))
    }

    /// Records from the next picture on; `make` is called with it on the infer thread.
    ///
    /// # Errors
    /// When the infer thread has not taken its earlier commands.
    pub fn start_recording(&self, make: MakeTap) -> Result<()> {
        self.record
            .try_send(RecordControl::Start(make))
            .map_err(|_| busy("infer"))
    }

    /// Ends the recording; [`Event::Recorded`] follows when the file is closed.
    ///
    /// # Errors
    /// When the infer thread has not taken its earlier commands.
    pub fn stop_recording(&self) -> Result<()> {
        self.record
            .try_send(RecordControl::Stop)
            .map_err(|_| busy("infer"))
    }

    /// The newest picture, if there is one that was not taken yet. Taking counts as drawing:
    /// call it where the pixels go to the screen.
    pub fn take(&self) -> Option<Presented> {
        let presented = self.presented.try_take()?;
        if !presented.is_redraw {
            self.meter.drawn(presented.frame.captured.elapsed());
        }
        Some(presented)
    }

    /// The next event, if there is one.
    pub fn try_event(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Rates, latency and drops of the last seconds.
    pub fn stats(&self) -> Stats {
        self.meter.stats()
    }

    /// How long the file is, as far as the index made ahead has told; `None` without one.
    pub fn extent(&self) -> Option<Extent> {
        self.watched.monitor().extent()
    }

    /// What the camera can deliver; nothing for other sources.
    pub fn formats(&self) -> CameraFormats {
        self.watched.monitor().formats()
    }

    /// What the camera delivered and what was lost of it; `None` for other sources.
    pub fn camera(&self) -> Option<CameraReport> {
        self.watched.camera()
    }

    /// How far the running recording is.
    pub fn recording(&self) -> Option<TapProgress> {
        self.taps.progress()
    }

    /// Ends the run soon, when its source has been told to end: frames that wait for the model are
    /// left out, and so are those that wait too long for an encoder. Events go on.
    pub fn cut_short(&self) {
        self.cut.stop();
        self.taps
            .end_by(*self.cut_at.get_or_init(Instant::now) + CLOSING);
    }

    /// Closes the recording now, without the frame at work; [`Event::Recorded`] follows.
    pub fn close_recording(&self) {
        self.taps.finish();
    }

    /// Says "stop" without waiting.
    pub fn stop(&self) {
        self.cut_short();
        self.stop.stop();
        self.watched.monitor().interrupt();
    }

    /// Whether both workers run: after a panic ([`Event::WorkerFailed`]) start a new pipeline.
    pub fn is_running(&self) -> bool {
        !self.capture.is_finished() && !self.infer.is_finished()
    }

    /// Stops on a thread of its own: the caller (the window) does not wait for a frame to end.
    pub fn dismiss(self) {
        self.stop();
        let moved = Arc::new(Mutex::new(Some(self)));
        let held = Arc::clone(&moved);
        let ended = Worker::spawn(
            "pipeline end",
            StopFlag::new(),
            move |_| {
                drop(held.lock().unwrap_or_else(PoisonError::into_inner).take());
                Ok(())
            },
            |error| tracing::error!(%error, "stopping the pipeline failed"),
        );
        match ended {
            Ok(worker) => worker.detach(),
            Err(error) => tracing::error!(%error, "stopping the pipeline on the caller's thread"),
        }
    }

    fn load(
        &mut self,
        name: &str,
        failed: impl FnOnce(Error) + Send + 'static,
        work: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.loaders.retain(|loader| !loader.is_finished());
        // A flag of its own: dropping a finished loader says "stop" to whoever shares its flag.
        let loader = Worker::spawn(name, StopFlag::new(), move |_| work(), failed)?;
        self.loaders.push(loader);
        Ok(())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop();
        // A loader cannot be interrupted inside a driver or a weights file; what it still
        // delivers is dropped with the handover.
        for loader in self.loaders.drain(..) {
            loader.detach();
        }
        let waited = self.cut_at.get().map_or(Duration::ZERO, Instant::elapsed);
        if !self.infer.join_within(LAST_FRAME.saturating_sub(waited)) {
            tracing::warn!("the model was left at work on a frame that is left out");
        }
        self.taps.finish();
        self.taps.wait();
    }
}

fn failure_of_source(
    name: &str,
    ticket: u64,
    source: &Arc<Handover<SourceChange>>,
    emit: &EventSender,
) -> impl FnOnce(Error) + Send + 'static {
    let (name, source, emit) = (name.to_owned(), Arc::clone(source), emit.clone());
    move |error| {
        if source.is_current(ticket) {
            emit.send(Event::SourceFailed { name, error });
        }
    }
}

fn busy(worker: &str) -> Error {
    Error::Invalid(format!("the {worker} thread is busy; try again"))
}

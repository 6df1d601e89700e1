//! Live pipeline: threads around a [`FrameSource`] and an [`Infer`].
//!
//! ```text
//! capture --Link<Captured>--> infer --Slot<Presented>--> window
//!                               `--> Tap (recording)         every worker --Event(64)--> window
//! ```
//!
//! [`Pacing`] selects the link: the newest frame wins ([`Pacing::Live`]) or none is lost
//! ([`Pacing::EveryFrame`]). The window draws a [`Presented`]: the frame, the scene that the
//! current [`Look`] puts over it, and the poses computed from that frame. Recordings draw the scene
//! into it. Latency is measured from a frame's capture to [`Pipeline::take`].
//!
//! A paused view can be stepped through: a file in both directions without limit, a live source
//! through the seconds in its [`history`]. An [`Inspector`] analyses single frames in detail.
//!
//! Sources and models can be exchanged while running: a loader thread prepares the new one while
//! the old one continues. The pipeline starts with neither; a source without a model shows plain
//! frames, so that a camera is visible while weights are still being read.

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
#[cfg(test)]
mod send_tests;
pub mod session;
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
use crate::send::Streams;
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
pub use stats::Stats;
pub use tap::{MakeTap, Tap};

/// Opens a source; called again for every restart and loop.
pub type OpenSource = Arc<dyn Fn() -> Result<Box<dyn FrameSource>> + Send + Sync>;
/// Builds a model; called once, on a loader thread.
pub type MakeInfer = Box<dyn FnOnce() -> Result<Box<dyn Infer>> + Send>;
/// Called by workers whenever there is something new to draw or an event to read.
pub type Notify = Arc<dyn Fn() + Send + Sync>;

/// Capacity of the event channel to the window; further events are logged and dropped.
const N_EVENTS: usize = 64;
/// Capacity of a worker's command channel.
const N_CONTROLS: usize = 16;

/// Time limit for the current frame when the run ends; it is skipped after that.
const LAST_FRAME: Duration = Duration::from_millis(400);
/// Time after the end of the run at which encoders skip the frames still queued. The rest of a
/// second is for closing the files.
const CLOSING: Duration = Duration::from_millis(600);

/// The running threads. Dropping it ends them within a second, whatever they are doing, with every
/// file closed; see [`Pipeline::dismiss`].
#[derive(Debug)]
pub struct Pipeline {
    stop: StopFlag,
    cut: StopFlag,
    /// Time of the first request to end the run.
    cut_at: OnceLock<Instant>,
    events: Receiver<Event>,
    emit: EventSender,
    presented: Slot<Presented>,
    meter: Arc<Meter>,
    look: Slot<Look>,
    playback: Slot<Playback>,
    /// Seek requests: for files to the capture thread, for live sources to the infer thread.
    moves: [Moves; 2],
    restart: Sender<()>,
    record: Sender<RecordControl>,
    streams: Slot<Option<Arc<Streams>>>,
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
    /// When the operating system cannot create a thread.
    pub fn start(pacing: Pacing, notify: Notify) -> Result<Self> {
        let (stop, cut) = (StopFlag::new(), StopFlag::new());
        let (event_tx, events) = bounded(N_EVENTS);
        let emit = EventSender::new(event_tx, Arc::clone(&notify));
        let (frames_in, frames_out) = link::link(pacing);
        let (restart, restart_rx) = bounded(N_CONTROLS);
        let (record, record_rx) = bounded(N_CONTROLS);
        let presented = Slot::new();
        let meter = Arc::new(Meter::default());
        let (look, playback, streams) = (Slot::new(), Slot::new(), Slot::new());
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
            streams: streams.clone(),
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
                    // The recording stays intact although the thread that fed it is gone.
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
            streams,
            source,
            watched,
            model,
            loaders: Vec::new(),
            capture,
            infer,
            taps,
        })
    }

    /// Opens a source on a loader thread and switches to it when it is ready
    /// ([`Event::SourceReady`]); [`Event::SourceFailed`] leaves the old one running.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
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
                // An unplugged camera would otherwise block the reader until its timeout.
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

    /// Builds a model on a loader thread and switches to it when it is ready
    /// ([`Event::ModelReady`]); [`Event::ModelFailed`] leaves the old one running.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
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

    /// Applies a look from the next frame on; a paused frame is redrawn.
    pub fn set_look(&self, look: Look) {
        self.look.put(look);
    }

    /// Sets playing, looping and speed.
    pub fn set_playback(&self, playback: Playback) {
        self.playback.put(playback);
    }

    /// Pauses and moves `n` frames forward (backward if negative): in a file without limit, in a
    /// live source within the last seconds ([`Stats::held_secs`]; [`Presented::review`] has the
    /// position). The frame's poses are computed again with the current model, including the maps
    /// that the look needs. A file that cannot be indexed is reported by [`Event::SourceWarning`].
    pub fn step(&self, n: i64) {
        for moves in &self.moves {
            moves.step(n);
        }
    }

    /// Seeks to a frame: in a file by index or time, continuing from there if it is playing; in a
    /// paused live source by its index in the history, from the oldest, or by its time. Of several
    /// requests only the last one counts.
    pub fn seek(&self, to: SeekTo) {
        for moves in &self.moves {
            moves.seek(to);
        }
    }

    /// Returns to the live frame after a pause. Call [`Pipeline::set_playback`] as well, which
    /// takes effect from its next call on.
    pub fn follow_live(&self) {
        self.moves[0].follow();
    }

    /// Restarts the file from its beginning.
    ///
    /// # Errors
    /// When the capture thread has not processed its earlier commands.
    pub fn restart(&self) -> Result<()> {
        self.restart.try_send(()).map_err(|_| busy("capture"))
    }

    /// Records from the next frame on; `make` is called with it on the infer thread.
    ///
    /// # Errors
    /// When the infer thread has not processed its earlier commands.
    pub fn start_recording(&self, make: MakeTap) -> Result<()> {
        self.record
            .try_send(RecordControl::Start(make))
            .map_err(|_| busy("infer"))
    }

    /// Ends the recording; [`Event::Recorded`] follows when the file is closed.
    ///
    /// # Errors
    /// When the infer thread has not processed its earlier commands.
    pub fn stop_recording(&self) -> Result<()> {
        self.record
            .try_send(RecordControl::Stop)
            .map_err(|_| busy("infer"))
    }

    /// Sends the poses of every frame from the next one on to `streams`, in place of earlier ones;
    /// `None` ends it.
    pub fn send_to(&self, streams: Option<Arc<Streams>>) {
        self.streams.put(streams);
    }

    /// Returns the newest frame that has not been taken yet. Taking counts as drawing: call it
    /// where the pixels go to the screen.
    pub fn take(&self) -> Option<Presented> {
        let presented = self.presented.try_take()?;
        if !presented.is_redraw {
            self.meter.drawn(presented.frame.captured.elapsed());
        }
        Some(presented)
    }

    /// Returns the next event, if any.
    pub fn try_event(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Returns rates, latency and drops of the last seconds.
    pub fn stats(&self) -> Stats {
        self.meter.stats()
    }

    /// Returns the length of the file as far as its index is known; `None` without an index.
    pub fn extent(&self) -> Option<Extent> {
        self.watched.monitor().extent()
    }

    /// Returns the formats that the camera supports; empty for other sources.
    pub fn formats(&self) -> CameraFormats {
        self.watched.monitor().formats()
    }

    /// Returns counts of delivered and lost camera frames; `None` for other sources.
    pub fn camera(&self) -> Option<CameraReport> {
        self.watched.camera()
    }

    /// Returns the progress of the running recording.
    pub fn recording(&self) -> Option<TapProgress> {
        self.taps.progress()
    }

    /// Ends the run soon, once its source has been told to end: queued frames are skipped by the
    /// model, and by encoders after a time limit. Events are still sent.
    pub fn cut_short(&self) {
        self.cut.stop();
        self.taps
            .end_by(*self.cut_at.get_or_init(Instant::now) + CLOSING);
    }

    /// Closes the recording now, without the frame in progress; [`Event::Recorded`] follows.
    pub fn close_recording(&self) {
        self.taps.finish();
    }

    /// Requests a stop without waiting.
    pub fn stop(&self) {
        self.cut_short();
        self.stop.stop();
        self.watched.monitor().interrupt();
    }

    /// Returns whether both workers run: after a panic ([`Event::WorkerFailed`]) start a new
    /// pipeline.
    pub fn is_running(&self) -> bool {
        !self.capture.is_finished() && !self.infer.is_finished()
    }

    /// Stops on a separate thread: the caller (the window) does not wait for a frame to end.
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
        // A separate flag: dropping a finished loader stops every worker that shares its flag.
        let loader = Worker::spawn(name, StopFlag::new(), move |_| work(), failed)?;
        self.loaders.push(loader);
        Ok(())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop();
        // A loader cannot be interrupted inside a driver or a weights file; its result is dropped
        // with the handover.
        for loader in self.loaders.drain(..) {
            loader.detach();
        }
        let waited = self.cut_at.get().map_or(Duration::ZERO, Instant::elapsed);
        if !self.infer.join_within(LAST_FRAME.saturating_sub(waited)) {
            tracing::warn!("the model did not stop in time; what it still processes is left out");
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
    Error::Failed(format!("the {worker} thread is busy; try again"))
}

//! The thread that owns a camera: it opens, negotiates and reads until told to stop.
//!
//! Drivers may hang forever in any call, so no thread waits for this one: a [`Connection`] is
//! either released (`release`) within a bounded time or detached. A thread that wakes up later
//! finds its stop flag raised and its slot closed, and exits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::decode::Decoder;
use super::driver::{CameraFormat, CameraInfo, Device, Driver, Refusal, Shot};
use super::find::{Identity, Target};
use super::negotiate::ranked;
use crate::concurrency::{Slot, StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::geometry::Size;
use crate::source::monitor::SourceMonitor;
use crate::source::pixels::PixelFormat;

/// Maximum number of cameras tried if none was specified.
const MAX_TRIED_CAMERAS: usize = 16;

/// Number of formats tried before a camera counts as refusing all of them.
const MAX_TRIED_FORMATS: usize = 12;

/// Time limit for the first frame of a camera that was not specified, before the next one is tried.
/// USB cameras start within 3 s.
const FIRST_FRAME: Duration = Duration::from_secs(3);

/// Interval between frames while they are not displayed: well below the stall limit.
const HIDDEN_INTERVAL: Duration = Duration::from_millis(400);

/// State shared by all connections of one source.
pub(super) struct Context {
    pub(super) driver: Arc<dyn Driver>,
    /// Requested size and frames per second.
    pub(super) wish: (Size, f64),
    /// Requested format, used if the camera offers it.
    pub(super) wanted: Option<CameraFormat>,
    pub(super) pool: FramePool,
    pub(super) monitor: SourceMonitor,
    /// Frame ids continue across connections.
    pub(super) next_id: AtomicU64,
}

/// Reports of a connection other than frames.
pub(super) enum ConnectionEvent {
    /// One of several cameras is being tried; the time limit for opening restarts.
    Trying,
    /// Frames will follow.
    Opened(Opened),
    /// The thread has ended.
    Failed(Error),
}

/// The camera that was opened, and its format.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) identity: Identity,
    pub(super) format: CameraFormat,
}

/// A camera thread, seen from other threads.
pub(super) struct Connection {
    worker: Worker,
    pub(super) events: Receiver<ConnectionEvent>,
    /// The newest frame. Closed when the thread ends.
    pub(super) frames: Slot<Frame>,
}

impl Connection {
    /// Starts a thread that looks for `target`.
    pub(super) fn start(context: &Arc<Context>, target: Target) -> Result<Self> {
        // Room for one report per tried camera, plus `Opened` and `Failed`.
        let (tx, events) = bounded(2 + MAX_TRIED_CAMERAS);
        let frames = Slot::new();
        let reader = Reader {
            context: Arc::clone(context),
            frames: frames.clone(),
            events: tx.clone(),
        };
        let orphaned = frames.clone();
        let worker = Worker::spawn(
            "camera",
            StopFlag::new(),
            move |stop| reader.run(&target, stop),
            move |error| {
                let _ = tx.try_send(ConnectionEvent::Failed(error));
                orphaned.close();
            },
        )?;
        Ok(Self {
            worker,
            events,
            frames,
        })
    }

    /// Returns the reason why the thread ended, if it reported one.
    pub(super) fn failure(&self) -> Error {
        self.events
            .try_iter()
            .find_map(|events| match events {
                ConnectionEvent::Failed(error) => Some(error),
                ConnectionEvent::Trying | ConnectionEvent::Opened(_) => None,
            })
            .unwrap_or_else(|| Error::source("camera", "its thread ended without a reason"))
    }

    /// Ends the thread; one that does not end within `patience` is abandoned.
    pub(super) fn release(mut self, patience: Duration) {
        self.worker.stop();
        self.frames.close();
        if !self.worker.join_within(patience) {
            tracing::warn!("a camera thread is stuck in its driver and was abandoned");
        }
    }
}

/// State of the camera thread.
struct Reader {
    context: Arc<Context>,
    frames: Slot<Frame>,
    events: Sender<ConnectionEvent>,
}

/// A camera that was started.
struct Started {
    info: CameraInfo,
    device: Box<dyn Device>,
    stream: Stream,
}

/// State of a running stream.
struct Stream {
    format: CameraFormat,
    decoder: Decoder,
    /// Capture time of the last frame that was passed on.
    last: Option<Instant>,
    health: Health,
}

/// Counts damaged frames among the latest ones.
#[derive(Debug, Default)]
struct Health {
    n_frames: u64,
    n_damaged: u64,
}

impl Health {
    /// Number of frames per evaluation: a few seconds.
    const WINDOW: u64 = 60;

    /// Number of damaged frames per window from which the trouble is reported, with a remedy.
    const MANY: u64 = 6;

    /// Counts frames; at the end of a window, returns the message to report.
    #[expect(
        clippy::option_option,
        reason = "a window that ended well clears what was said"
    )]
    fn add(&mut self, n_whole: u64, n_damaged: u64) -> Option<Option<String>> {
        self.n_frames += n_whole + n_damaged;
        self.n_damaged += n_damaged;
        if self.n_frames < Self::WINDOW {
            return None;
        }
        let Self {
            n_frames,
            n_damaged,
        } = std::mem::take(self);
        Some((n_damaged >= Self::MANY).then(|| {
            format!(
                "{n_damaged} of the last {n_frames} frames were damaged and skipped; check the \
                 cable, or plug the camera into another port"
            )
        }))
    }
}

impl Reader {
    /// Opens the camera and reads from it until told to stop.
    fn run(self, target: &Target, stop: &StopFlag) -> Result<()> {
        let cameras = self.context.driver.list()?;
        let candidates = target.find(&cameras)?;
        let Some(started) = self.choose(candidates, stop)? else {
            return Ok(());
        };
        let Started {
            info,
            mut device,
            mut stream,
        } = started;
        let identity = Identity::new(info, &cameras);
        let format = stream.format;
        let opened = Opened { identity, format };
        let _ = self.events.try_send(ConnectionEvent::Opened(opened));
        while !stop.is_stopped() {
            self.read_frame(device.as_mut(), &mut stream, stop)?;
        }
        Ok(())
    }

    /// Starts the first candidate that delivers. Of several, a grey one (infrared, depth) is only
    /// used if no other delivers.
    fn choose(&self, mut candidates: Vec<CameraInfo>, stop: &StopFlag) -> Result<Option<Started>> {
        if let [named] = &candidates[..] {
            return self.start(named, stop);
        }
        candidates.truncate(MAX_TRIED_CAMERAS);
        let mut problems = Vec::new();
        let mut gray = None;
        for candidate in &candidates {
            match self.try_out(candidate, stop) {
                Ok(Some(started)) if started.stream.format.pixels.is_gray() => {
                    gray.get_or_insert(candidate);
                }
                Ok(started) => return Ok(started),
                Err(error) => {
                    tracing::warn!(camera = candidate.name, %error, "trying the next camera");
                    problems.push(error.to_string());
                }
            }
        }
        match gray {
            Some(gray) => self.start(gray, stop),
            None => Err(Error::source(
                "camera",
                format!("none of them delivers frames: {}", problems.join("; ")),
            )),
        }
    }

    /// Starts a camera and waits for its first complete frame.
    fn try_out(&self, info: &CameraInfo, stop: &StopFlag) -> Result<Option<Started>> {
        let _ = self.events.try_send(ConnectionEvent::Trying);
        let Some(mut started) = self.start(info, stop)? else {
            return Ok(None);
        };
        let begin = Instant::now();
        while !stop.is_stopped() {
            if self.read_frame(started.device.as_mut(), &mut started.stream, stop)? {
                return Ok(Some(started));
            }
            if begin.elapsed() >= FIRST_FRAME {
                return Err(Error::source(&info.name, "delivers no frames"));
            }
        }
        Ok(None)
    }

    /// Opens a camera and starts it; `None` if stopped meanwhile.
    fn start(&self, info: &CameraInfo, stop: &StopFlag) -> Result<Option<Started>> {
        if let Some(problem) = &info.problem {
            return Err(Error::source(&info.name, problem.as_str()));
        }
        let mut device = self.context.driver.open(info)?;
        if stop.is_stopped() {
            return Ok(None);
        }
        let format = self.negotiate(&info.name, device.as_mut(), stop)?;
        Ok(Some(Started {
            info: info.clone(),
            device,
            stream: Stream {
                format,
                decoder: Decoder::new(),
                last: None,
                health: Health::default(),
            },
        }))
    }

    /// Starts the best format that the camera accepts.
    fn negotiate(
        &self,
        name: &str,
        device: &mut dyn Device,
        stop: &StopFlag,
    ) -> Result<CameraFormat> {
        let (size, rate) = self.context.wish;
        let mut refusal = None;
        let offered = ranked(&device.formats()?, size, rate);
        let wanted = self.context.wanted.filter(|f| offered.contains(f));
        if let (Some(format), None) = (self.context.wanted, wanted) {
            tracing::warn!(camera = name, %format, "the requested format is not offered");
        }
        let rest = offered.iter().copied().filter(|f| Some(*f) != wanted);
        for format in wanted
            .into_iter()
            .chain(rest)
            .take(MAX_TRIED_FORMATS)
            .take_while(|_| !stop.is_stopped())
        {
            match device.start(format) {
                Ok(format) => {
                    tracing::info!(camera = name, %format, "camera started");
                    self.context.monitor.set_formats(format, offered);
                    return Ok(format);
                }
                Err(Refusal::Camera(error)) => return Err(error),
                Err(Refusal::Format(error)) => {
                    tracing::warn!(camera = name, %format, %error, "trying the next format");
                    refusal.get_or_insert(error);
                }
            }
        }
        Err(refusal.unwrap_or_else(|| {
            Error::source(
                name,
                "offers no format that is read here; choose another camera",
            )
        }))
    }

    /// Waits for a frame and publishes it, unless it is damaged. Returns whether there is a new
    /// one.
    fn read_frame(
        &self,
        device: &mut dyn Device,
        stream: &mut Stream,
        stop: &StopFlag,
    ) -> Result<bool> {
        let reading = device.read()?;
        if stop.is_stopped() {
            return Ok(false);
        }
        let monitor = &self.context.monitor;
        // Every frame gets an id, so that missing ones can be counted.
        let n_lost = reading.n_skipped + reading.n_damaged;
        self.context.next_id.fetch_add(n_lost, Ordering::Relaxed);
        monitor.add_dropped(reading.n_skipped);
        for _ in 0..reading.n_damaged {
            self.count_damaged("it is empty or marked as damaged");
        }
        self.count_damage(stream, reading.n_skipped, reading.n_damaged);
        let Some(Shot { picture, captured }) = reading.shot else {
            return Ok(false);
        };
        let is_soon = stream
            .last
            .is_some_and(|last| captured - last < HIDDEN_INTERVAL);
        // Later H.264 frames depend on this one.
        if monitor.is_resting() && is_soon && picture.format != PixelFormat::H264 {
            // Decoding is most of the work, and the frame is not displayed.
            return Ok(false);
        }
        stream.last = Some(captured);
        let id = self.context.next_id.fetch_add(1, Ordering::Relaxed);
        let (size, pixels) = match stream.decoder.decode(&picture, &self.context.pool) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.count_damaged(&error.to_string());
                self.count_damage(stream, 0, 1);
                return Ok(false);
            }
        };
        self.count_damage(stream, 1, 0);
        // The time since the first frame is filled in when the frame is taken out.
        let mut frame = Frame::new(id, 0.0, size, pixels);
        frame.captured = captured;
        if self.frames.put(frame).is_some() && !stop.is_stopped() {
            let n_dropped = monitor.add_dropped(1);
            tracing::trace!(n_dropped, "a newer camera frame displaced an unread one");
        }
        Ok(true)
    }

    /// Reports persistent damage to other threads, and its end.
    fn count_damage(&self, stream: &mut Stream, n_whole: u64, n_damaged: u64) {
        if let Some(trouble) = stream.health.add(n_whole, n_damaged) {
            self.context.monitor.set_trouble(trouble);
        }
    }

    fn count_damaged(&self, reason: &str) {
        let n = self.context.monitor.add_damaged();
        if n.is_power_of_two() {
            tracing::warn!(n, reason, "skipped a damaged camera frame");
        }
    }
}

//! The thread that owns a camera: it opens, negotiates and reads until told to stop.
//!
//! Drivers may hang for ever in any call, so nobody waits for this thread: a [`Connection`] is
//! either let go (`release`) within a bounded time or detached. A thread that wakes up
//! after that finds its stop flag raised and its slot closed, and leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::driver::{CameraFormat, Device, Driver};
use super::find::{Identity, Target};
use super::negotiate::ranked;
use crate::concurrency::{Slot, StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::geometry::Size;
use crate::source::monitor::SourceMonitor;
use crate::source::pixels::to_rgba;

/// Formats that are tried before a camera counts as refusing all of them.
const MAX_TRIED_FORMATS: usize = 6;

/// Time between frames while nobody looks: well below what counts as a stall.
const REST: Duration = Duration::from_millis(400);

/// What all connections of one source share.
pub(super) struct Context {
    pub(super) driver: Arc<dyn Driver>,
    /// Wanted size and frames per second.
    pub(super) wish: (Size, f64),
    /// Wanted format, where the camera offers it.
    pub(super) wanted: Option<CameraFormat>,
    pub(super) pool: FramePool,
    pub(super) monitor: SourceMonitor,
    /// Frame numbers go on across connections.
    pub(super) next_id: AtomicU64,
}

/// What a connection reports besides frames.
pub(super) enum News {
    /// Frames will follow.
    Opened(Opened),
    /// The thread has ended.
    Failed(Error),
}

/// Which camera was opened, and how.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) identity: Identity,
    pub(super) format: CameraFormat,
}

/// One camera thread, seen from outside.
pub(super) struct Connection {
    worker: Worker,
    pub(super) news: Receiver<News>,
    /// The newest frame. Closed when the thread ends.
    pub(super) frames: Slot<Frame>,
}

impl Connection {
    /// Starts a thread that looks for `target`.
    pub(super) fn start(context: &Arc<Context>, target: Target) -> Result<Self> {
        // Two places: at most one `Opened` and one `Failed` are ever sent.
        let (tx, news) = bounded(2);
        let frames = Slot::new();
        let reader = Reader {
            context: Arc::clone(context),
            frames: frames.clone(),
            news: tx.clone(),
        };
        let orphaned = frames.clone();
        let worker = Worker::spawn(
            "camera",
            StopFlag::new(),
            move |stop| reader.run(&target, stop),
            move |error| {
                let _ = tx.try_send(News::Failed(error));
                orphaned.close();
            },
        )?;
        Ok(Self {
            worker,
            news,
            frames,
        })
    }

    /// Why the thread ended, as far as it said.
    pub(super) fn failure(&self) -> Error {
        self.news
            .try_iter()
            .find_map(|news| match news {
                News::Failed(error) => Some(error),
                News::Opened(_) => None,
            })
            .unwrap_or_else(|| Error::source("camera", "its thread ended without a reason"))
    }

    /// Ends the thread; one that does not end within `patience` is abandoned.
    pub(super) fn release(self, patience: Duration) {
        self.worker.stop();
        self.frames.close();
        let asked = Instant::now();
        while !self.worker.is_finished() {
            if asked.elapsed() >= patience {
                tracing::warn!("a camera thread is stuck in its driver and was abandoned");
                return self.worker.detach();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.worker.join();
    }
}

/// The inside of the thread.
struct Reader {
    context: Arc<Context>,
    frames: Slot<Frame>,
    news: Sender<News>,
}

impl Reader {
    fn run(&self, target: &Target, stop: &StopFlag) -> Result<()> {
        let driver = &self.context.driver;
        let cameras = driver.list()?;
        let info = target.find(&cameras)?;
        let mut device = driver.open(info.index)?;
        if stop.is_stopped() {
            return Ok(());
        }
        let format = self.negotiate(&info.name, device.as_mut(), stop)?;
        let identity = Identity::new(info, &cameras);
        let _ = self
            .news
            .try_send(News::Opened(Opened { identity, format }));
        let mut last = None;
        while !stop.is_stopped() {
            self.read_frame(device.as_mut(), format, stop, &mut last)?;
        }
        Ok(())
    }

    /// Starts the best format that the camera really accepts.
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
            tracing::warn!(camera = name, %format, "the wanted format is not on offer");
        }
        let rest = offered.iter().copied().filter(|f| Some(*f) != wanted);
        for format in wanted
            .into_iter()
            .chain(rest)
            .take(MAX_TRIED_FORMATS)
            .take_while(|_| !stop.is_stopped())
        {
            match device.start(format) {
                Ok(()) => {
                    tracing::info!(camera = name, %format, "camera started");
                    self.context.monitor.set_formats(format, offered);
                    return Ok(format);
                }
                Err(error) => {
                    tracing::warn!(camera = name, %format, %error, "trying the next format");
                    refusal.get_or_insert(error);
                }
            }
        }
        Err(refusal.unwrap_or_else(|| {
            Error::source(
                name,
                "offers no format this program reads (YUYV, NV12, MJPEG)",
            )
        }))
    }

    /// Reads one frame and puts it up, unless it is damaged.
    fn read_frame(
        &self,
        device: &mut dyn Device,
        format: CameraFormat,
        stop: &StopFlag,
        last: &mut Option<Instant>,
    ) -> Result<()> {
        let raw = device.read()?;
        let captured = Instant::now();
        if stop.is_stopped() {
            return Ok(());
        }
        let Context { pool, monitor, .. } = &*self.context;
        let is_soon = last.is_some_and(|last| captured - last < REST);
        if monitor.is_resting() && is_soon {
            // Decoding is most of the work, and nobody looks.
            return Ok(());
        }
        *last = Some(captured);
        let id = self.context.next_id.fetch_add(1, Ordering::Relaxed);
        let mut pixels = pool.take(format.size);
        if let Err(error) = to_rgba(format.pixels, &raw, format.size, pixels.bytes_mut()) {
            let n = monitor.add_damaged();
            if n.is_power_of_two() {
                tracing::warn!(n, %error, "skipped a damaged camera frame");
            }
            return Ok(());
        }
        // The time since the first frame is filled in where frames are handed out.
        let mut frame = Frame::new(id, 0.0, format.size, pixels);
        frame.captured = captured;
        if self.frames.put(frame).is_some() && !stop.is_stopped() {
            let n_dropped = monitor.add_dropped(1);
            tracing::trace!(n_dropped, "a newer camera frame displaced an unread one");
        }
        Ok(())
    }
}

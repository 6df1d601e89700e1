//! A camera as a frame source that survives hangs and unplugging.
//!
//! `next_frame` is the watchdog: it waits for frames in short steps, declares a silent camera
//! stalled, abandons its thread and reconnects by name, with growing pauses. The caller only gets
//! an error when the first opening fails or an outage exceeds its time limit.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crossbeam::channel::RecvTimeoutError;

use super::driver::Driver;
use super::find::{Identity, Target};
use super::reader::{Connection, ConnectionEvent, Context, Opened};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::source::monitor::{SourceMonitor, SourceStatus};
use crate::source::{FrameSource, OpenOptions, SourceInfo};
use crate::words::{counted, were};

/// Time limits of a camera.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// Limit for opening, and again for the first frame after it.
    pub(super) open: Duration,
    /// Limit between frames. After half of it the camera is shown as stalled.
    pub(super) frame: Duration,
    /// Interval between checks of the stop flag.
    pub(super) poll: Duration,
    /// Pause after the first failed attempt to reconnect; doubles with every attempt.
    pub(super) first_pause: Duration,
    /// Maximum pause between attempts.
    pub(super) max_pause: Duration,
    /// Limit from the loss of a camera to giving it up.
    pub(super) outage: Duration,
    /// Limit for a thread to leave its driver when the camera is closed.
    pub(super) release: Duration,
}

impl Timing {
    /// Exposure in the dark stretches frames to about 0.2 s, and USB cameras start within 3 s.
    pub(super) const REAL: Self = Self {
        open: Duration::from_secs(5),
        frame: Duration::from_secs(2),
        poll: Duration::from_millis(50),
        first_pause: Duration::from_millis(250),
        max_pause: Duration::from_secs(4),
        outage: Duration::from_secs(30),
        release: Duration::from_millis(500),
    };
}

/// A camera as a frame source.
pub(super) struct CameraSource {
    context: Arc<Context>,
    timing: Timing,
    stop: StopFlag,
    info: SourceInfo,
    identity: Identity,
    /// `None` once the camera is lost.
    connection: Option<Connection>,
    /// Capture time of the source's very first frame.
    epoch: Option<Instant>,
    /// Capture time of the last frame, or the time when the current connection was opened.
    last_sign: Instant,
    /// Whether the current connection has delivered a frame.
    has_delivered: bool,
    outage: Option<Outage>,
    warning: Option<String>,
}

/// Outage from the loss of a camera to its next frame.
struct Outage {
    since: Instant,
    attempt: u32,
}

impl CameraSource {
    /// Opens the camera called `target`.
    pub(super) fn open(
        driver: Arc<dyn Driver>,
        target: Target,
        options: &OpenOptions,
        timing: Timing,
    ) -> Result<Self> {
        driver.authorize(&options.stop)?;
        let context = Arc::new(Context {
            driver,
            wish: (options.size, options.rate),
            wanted: options.format,
            pool: FramePool::new(),
            monitor: SourceMonitor::new(options.stop.clone()),
            next_id: AtomicU64::new(0),
        });
        let label = target.label();
        let (connection, opened) = connect(&context, target, timing.open, &timing, &options.stop)?
            .ok_or_else(|| Error::Cancelled(format!("{label}: opening was stopped")))?;
        Ok(Self {
            context,
            timing,
            stop: options.stop.clone(),
            info: info(&opened),
            identity: opened.identity,
            connection: Some(connection),
            epoch: None,
            last_sign: Instant::now(),
            has_delivered: false,
            outage: None,
            warning: None,
        })
    }

    fn deliver(&mut self, mut frame: Frame) -> Frame {
        let epoch = *self.epoch.get_or_insert(frame.captured);
        frame.time_secs = frame.captured.duration_since(epoch).as_secs_f64();
        self.last_sign = frame.captured;
        self.has_delivered = true;
        self.context.monitor.set_status(SourceStatus::Ok);
        if let Some(outage) = self.outage.take() {
            let away = outage.since.elapsed();
            tracing::warn!(camera = self.info.name, ?away, "camera is back");
            self.context.monitor.add_outage(away);
        }
        self.update_warning();
        frame
    }

    fn update_warning(&mut self) {
        let monitor = &self.context.monitor;
        let outages = monitor.outages();
        let away = (outages.n > 0).then(|| {
            let secs = outages.time.as_secs_f64();
            format!(
                "the camera was disconnected {}, {secs:.1} s in total",
                counted(outages.n, "time")
            )
        });
        let n = monitor.n_damaged();
        let damaged = (n > 0).then(|| format!("{} skipped", were(n, "damaged camera frame")));
        let parts: Vec<_> = away.into_iter().chain(damaged).collect();
        self.warning = (!parts.is_empty()).then(|| parts.join("; "));
    }

    /// Returns the reason to give up a silent connection, if any.
    fn diagnose(&self, connection: &Connection) -> Option<Error> {
        if connection.frames.is_finished() {
            return Some(connection.failure());
        }
        let silence = self.last_sign.elapsed();
        let limit = if self.has_delivered {
            self.timing.silence(self.info.rate)
        } else {
            self.timing.open
        };
        if silence >= limit {
            let n = self.context.monitor.n_damaged();
            return Some(Error::source(
                &self.info.name,
                format!(
                    "no frame for {:.1} s ({n} damaged ones so far)",
                    silence.as_secs_f64()
                ),
            ));
        }
        if silence >= limit / 2 && self.outage.is_none() {
            let since = self.last_sign;
            if self
                .context
                .monitor
                .set_status(SourceStatus::Stalled { since })
            {
                tracing::debug!(camera = self.info.name, ?silence, "camera is late");
            }
        }
        None
    }

    /// Reconnects. Returns early when stopped.
    fn reconnect(&mut self, mut problem: Error) -> Result<()> {
        tracing::warn!(camera = self.info.name, %problem, "camera lost, reconnecting");
        // Measured from the first loss until a frame arrives: a camera that opens but never
        // delivers is not retried forever.
        let outage = self.outage.get_or_insert_with(|| Outage {
            since: Instant::now(),
            attempt: 0,
        });
        while let Some(left) = self.timing.outage.checked_sub(outage.since.elapsed()) {
            pause(
                self.timing.pause_before(outage.attempt).min(left),
                &self.timing,
                &self.stop,
            );
            if self.stop.is_stopped() {
                return Ok(());
            }
            outage.attempt += 1;
            let attempt = outage.attempt;
            self.context
                .monitor
                .set_status(SourceStatus::Reconnecting { attempt });
            let target = Target::Again(self.identity.clone());
            match connect(
                &self.context,
                target,
                self.timing.open.min(left),
                &self.timing,
                &self.stop,
            ) {
                Ok(Some((connection, opened))) => {
                    self.info = info(&opened);
                    self.identity = opened.identity;
                    self.connection = Some(connection);
                    self.last_sign = Instant::now();
                    self.has_delivered = false;
                    return Ok(());
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::debug!(camera = self.info.name, attempt, %error, "still away");
                    problem = error;
                }
            }
        }
        let away = outage.since.elapsed();
        self.context.monitor.add_outage(away);
        self.context.monitor.set_status(SourceStatus::Lost);
        self.update_warning();
        Err(Error::source(
            &self.info.name,
            format!(
                "lost for {} s ({problem}); check its cable, then open it again",
                self.timing.outage.as_secs()
            ),
        ))
    }
}

impl FrameSource for CameraSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if self.stop.is_stopped() {
                return Ok(None);
            }
            let Some(connection) = &self.connection else {
                return Ok(None);
            };
            if let Some(frame) = connection.frames.take_timeout(self.timing.poll) {
                return Ok(Some(self.deliver(frame)));
            }
            if let Some(problem) = self.diagnose(connection) {
                if let Some(connection) = self.connection.take() {
                    // It has ended, or was silent for too long already: do not wait long.
                    connection.release(self.timing.poll);
                }
                self.reconnect(problem)?;
            }
        }
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    fn monitor(&self) -> SourceMonitor {
        self.context.monitor.clone()
    }
}

impl Drop for CameraSource {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.release(self.timing.release);
        }
    }
}

impl Timing {
    /// Returns the maximum silence of a running camera with this rate, so that one with one frame
    /// per second does not count as silent.
    pub(super) fn silence(&self, rate: Option<f64>) -> Duration {
        let intervals = rate.map(|rate| 3.0 / rate.max(0.1));
        let slow = intervals.map_or(Duration::ZERO, Duration::from_secs_f64);
        self.frame.max(slow)
    }

    /// No pause before the first attempt: a loose plug is often back at once.
    pub(super) fn pause_before(&self, n_tries: u32) -> Duration {
        match n_tries.checked_sub(1) {
            None => Duration::ZERO,
            Some(n) => self
                .first_pause
                .saturating_mul(1 << n.min(16))
                .min(self.max_pause),
        }
    }
}

/// Starts a camera thread and waits for its first report; `None` if stopped meanwhile.
fn connect(
    context: &Arc<Context>,
    target: Target,
    limit: Duration,
    timing: &Timing,
    stop: &StopFlag,
) -> Result<Option<(Connection, Opened)>> {
    let label = target.label();
    let connection = Connection::start(context, target)?;
    let mut started = Instant::now();
    let outcome = loop {
        match connection.events.recv_timeout(timing.poll) {
            Ok(ConnectionEvent::Opened(opened)) => return Ok(Some((connection, opened))),
            Ok(ConnectionEvent::Trying) => started = Instant::now(),
            Ok(ConnectionEvent::Failed(error)) => break Err(error),
            Err(RecvTimeoutError::Disconnected) => break Err(connection.failure()),
            Err(RecvTimeoutError::Timeout) if stop.is_stopped() => break Ok(None),
            Err(RecvTimeoutError::Timeout) if started.elapsed() >= limit => {
                break Err(Error::source(
                    label,
                    format!(
                        "did not open within {:.0} s; unplug it, plug it in again, or close other programs that use it",
                        limit.as_secs_f64()
                    ),
                ));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    connection.release(timing.poll);
    outcome
}

/// Sleeps in steps and returns early when stopped.
fn pause(duration: Duration, timing: &Timing, stop: &StopFlag) {
    let started = Instant::now();
    while let Some(left) = duration.checked_sub(started.elapsed())
        && !left.is_zero()
        && !stop.is_stopped()
    {
        std::thread::sleep(left.min(timing.poll));
    }
}

fn info(opened: &Opened) -> SourceInfo {
    SourceInfo {
        name: opened.identity.label(),
        size: Some(opened.format.size),
        rate: opened.format.rate,
        n_frames: None,
        is_live: true,
    }
}

//! Cameras, with every time-out they need.
//!
//! A `driver` lists and opens cameras and reads raw frames; any of its calls may hang. Each
//! camera has one thread (`reader`) that finds it (`find`), chooses a format (`negotiate`) and
//! puts the newest frame into a slot, after `decode`. The `watchdog` takes frames out, and
//! reconnects a camera that falls silent; [`super::SourceMonitor`] shows other threads how it
//! fares. The driver of the real system is `v4l2` on Linux, `nokhwa` elsewhere.

mod decode;
mod driver;
#[cfg(test)]
mod fake;
mod find;
mod negotiate;
#[cfg(not(target_os = "linux"))]
mod nokhwa;
mod reader;
#[cfg(target_os = "linux")]
mod v4l2;
mod watchdog;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};

pub use driver::{CameraFormat, CameraInfo};

use self::driver::Driver;
use self::find::Target;
use self::negotiate::ranked;
#[cfg(not(target_os = "linux"))]
use self::nokhwa::NativeDriver;
#[cfg(target_os = "linux")]
use self::v4l2::NativeDriver;
use self::watchdog::{CameraSource, Timing};
use super::{FrameSource, OpenOptions, SourceKind};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};

/// The row of cameras in the table of sources.
pub(super) const KIND: SourceKind = SourceKind {
    name: "camera",
    help: "camera:0, camera:NAME (or a part of it, or its bus) or camera: a live camera",
    stands_alone: true,
    accepts: |_| false,
    open: |argument, options| open(&argument.to_string_lossy(), options),
    scrub: None,
    sound: None,
};

fn open(argument: &str, options: &OpenOptions) -> Result<Box<dyn FrameSource>> {
    let driver = Arc::new(NativeDriver);
    let target = Target::parse(argument);
    let source = CameraSource::open(driver, target, options, Timing::REAL)?;
    Ok(Box::new(source))
}

/// The cameras that are plugged in, by index. None of them is opened.
///
/// # Errors
/// When the system does not answer within 5 s.
pub fn list_cameras() -> Result<Vec<CameraInfo>> {
    within(Timing::REAL.open, || NativeDriver.list())
}

/// Every camera with the formats that it offers and this program reads, best first. All are opened
/// for a moment, at once, so that one that hangs delays no other.
///
/// # Errors
/// When the system does not answer within 5 s. That of a camera says why it cannot be opened, offers
/// nothing that is read, or does not answer.
pub fn camera_formats() -> Result<Vec<(CameraInfo, Result<Vec<CameraFormat>>)>> {
    NativeDriver.authorize(&StopFlag::new())?;
    let begun = list_cameras()?.into_iter().map(|camera| {
        let asked = camera.clone();
        let query = Query::start(&format!("camera query {}", camera.index), move || {
            if let Some(problem) = &asked.problem {
                return Err(Error::source(&asked.name, problem.as_str()));
            }
            let formats = NativeDriver.open(&asked)?.formats()?;
            let OpenOptions { size, rate, .. } = OpenOptions::default();
            Ok(ranked(&formats, size, rate))
        });
        (camera, query)
    });
    let begun: Vec<_> = begun.collect();
    let deadline = Instant::now() + Timing::REAL.open;
    let answer = |(camera, query): (CameraInfo, Result<Query<_>>)| {
        let left = deadline.saturating_duration_since(Instant::now());
        let formats = query.and_then(|query| query.answer(&camera.name, left));
        (camera, formats)
    };
    Ok(begun.into_iter().map(answer).collect())
}

/// The result of `work`, which runs on a thread that is abandoned after `limit`.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    Query::start("camera query", work)?.answer("cameras", limit)
}

/// Something that a driver was asked, on a thread of its own.
struct Query<T> {
    worker: Worker,
    answer: Receiver<Result<T>>,
}

impl<T: Send + 'static> Query<T> {
    fn start(name: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Self> {
        let (tx, answer) = bounded(1);
        let failed = tx.clone();
        let worker = Worker::spawn(
            name,
            StopFlag::new(),
            move |_| {
                // Nothing listens any more after the time-out.
                let _ = tx.try_send(Ok(work()?));
                Ok(())
            },
            move |error| {
                let _ = failed.try_send(Err(error));
            },
        )?;
        Ok(Self { worker, answer })
    }

    /// The answer, for which `subject` has so long.
    fn answer(self, subject: &str, limit: Duration) -> Result<T> {
        self.answer.recv_timeout(limit).unwrap_or_else(|_| {
            self.worker.detach();
            Err(Error::source(
                subject,
                format!(
                    "the system did not answer within {:.0} s; unplug and replug the camera",
                    Timing::REAL.open.as_secs_f64()
                ),
            ))
        })
    }
}

#[cfg(test)]
mod tests;

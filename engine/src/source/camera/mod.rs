//! Cameras, with time-outs for every driver call.
//!
//! A `driver` lists and opens cameras and reads raw frames; any of its calls may hang. Each camera
//! has one thread (`reader`) that finds it (`find`), selects a format (`negotiate`) and puts the
//! newest frame into a slot after decoding it (`decode`). The `watchdog` takes frames out, and
//! reconnects a camera that stops delivering; [`super::SourceMonitor`] exposes its state to other
//! threads. The system driver is `v4l2` on Linux, `nokhwa` elsewhere.

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

/// Entry of [`super::SOURCES`].
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

/// Lists the cameras that are plugged in by index, without opening them.
///
/// # Errors
/// When the system does not respond within 5 s.
pub fn list_cameras() -> Result<Vec<CameraInfo>> {
    within(Timing::REAL.open, || NativeDriver.list())
}

/// Lists every camera with the formats that it offers and this program supports, best first. All
/// are opened briefly and in parallel, so that one that hangs delays no other.
///
/// # Errors
/// When the system does not respond within 5 s. The error of a camera tells that it cannot be
/// opened, offers no supported format, or does not respond.
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

/// Returns the result of `work`, which runs on a thread that is abandoned after `limit`.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    Query::start("camera query", work)?.answer("cameras", limit)
}

/// A driver query on a separate thread.
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
                // After the time-out there is no receiver.
                let _ = tx.try_send(Ok(work()?));
                Ok(())
            },
            move |error| {
                let _ = failed.try_send(Err(error));
            },
        )?;
        Ok(Self { worker, answer })
    }

    /// Waits up to `limit` for the result; `subject` names the query in messages.
    fn answer(self, subject: &str, limit: Duration) -> Result<T> {
        self.answer.recv_timeout(limit).unwrap_or_else(|_| {
            self.worker.detach();
            Err(Error::source(
                subject,
                format!(
                    "the system did not respond within {:.0} s; unplug and replug the camera",
                    Timing::REAL.open.as_secs_f64()
                ),
            ))
        })
    }
}

#[cfg(test)]
mod tests;

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
use std::time::Duration;

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

/// The formats that a camera offers and this program reads, best first. Opens the camera for a
/// moment.
///
/// # Errors
/// When the camera cannot be opened, offers nothing that is read, or does not answer within 5 s.
pub fn camera_formats(camera: &CameraInfo) -> Result<Vec<CameraFormat>> {
    NativeDriver.authorize(&StopFlag::new())?;
    let camera = camera.clone();
    within(Timing::REAL.open, move || {
        let formats = NativeDriver.open(&camera)?.formats()?;
        let OpenOptions { size, rate, .. } = OpenOptions::default();
        Ok(ranked(&formats, size, rate))
    })
}

/// The result of `work`, which runs on a thread that is abandoned after `limit`.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (tx, rx) = crossbeam::channel::bounded(1);
    let failed = tx.clone();
    let worker = Worker::spawn(
        "camera query",
        StopFlag::new(),
        move |_| {
            // Nobody listens any more after the time-out.
            let _ = tx.try_send(Ok(work()?));
            Ok(())
        },
        move |error| {
            let _ = failed.try_send(Err(error));
        },
    )?;
    rx.recv_timeout(limit).unwrap_or_else(|_| {
        worker.detach();
        Err(Error::source(
            "cameras",
            format!(
                "the system did not answer within {:.0} s; unplug and replug the camera",
                limit.as_secs_f64()
            ),
        ))
    })
}

#[cfg(test)]
mod tests;

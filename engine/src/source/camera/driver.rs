//! Interface to an operating system's cameras; tests substitute a fake.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::source::pixels::{PixelFormat, RawImage};

/// A camera known to the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraInfo {
    /// Current index; changes when cameras are plugged in or out.
    pub index: u32,
    /// Model name; identical cameras share it.
    pub name: String,
    /// Connection or manufacturer, for a tooltip.
    pub description: String,
    /// Distinguishes two cameras of one name: the path of the bus or the system's own id.
    pub id: String,
    /// Reason why it should not be opened, if known: its driver does not respond.
    pub problem: Option<String>,
}

impl CameraInfo {
    /// Returns the name, with the connection if another one of `all` has the same name.
    pub fn label(&self, all: &[Self]) -> String {
        let is_unique = all.iter().all(|c| c.name != self.name || c.id == self.id);
        if is_unique {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.id)
        }
    }
}

/// A frame format that a camera offers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CameraFormat {
    /// Width and height in pixels.
    pub size: Size,
    /// Frames per second; `None` if the camera does not report it.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Layout of the bytes.
    pub pixels: PixelFormat,
}

impl std::fmt::Display for CameraFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.rate_text();
        write!(f, "{} at {rate} as {}", self.size, self.pixels)
    }
}

impl CameraFormat {
    /// Formats `30 fps` or `29.97 fps`.
    pub fn rate_text(&self) -> String {
        match self.rate {
            Some(rate) => format!("{} fps", (rate * 100.0).round() / 100.0),
            None => "its own rate".to_owned(),
        }
    }
}

/// The cameras of a system. Every call except `authorize` may block forever or panic, so it is only
/// made on threads that can be abandoned.
pub(super) trait Driver: Send + Sync {
    /// Asks the user for access if the system requires it; returns early when stopped.
    fn authorize(&self, stop: &StopFlag) -> Result<()>;

    /// Lists the cameras that are plugged in, including those that cannot be opened at the moment.
    fn list(&self) -> Result<Vec<CameraInfo>>;

    /// Opens a camera without starting it.
    fn open(&self, camera: &CameraInfo) -> Result<Box<dyn Device>>;
}

/// An open camera; it stays on the thread that opened it.
pub(super) trait Device {
    /// Returns the decodable formats on offer; an error explains why there are none.
    fn formats(&mut self) -> Result<Vec<CameraFormat>>;

    /// Starts streaming in this format, or the nearest that the camera has, and returns the actual
    /// one. May be called again after a failure.
    fn start(&mut self, format: CameraFormat) -> Result<CameraFormat, Refusal>;

    /// Waits for the next frame, for a few hundred milliseconds at most if the system allows it.
    fn read(&mut self) -> Result<Reading<'_>>;
}

/// Reason why a format was not started.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Another format may succeed.
    Format(Error),
    /// No format will succeed: the camera is in use, unplugged or not accessible.
    Camera(Error),
}

/// Result of reading a camera once.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    /// The newest complete frame, if any.
    pub(super) shot: Option<Shot<'a>>,
    /// Number of complete frames skipped for it.
    pub(super) n_skipped: u64,
    /// Number of frames that were empty or marked as damaged.
    pub(super) n_damaged: u64,
}

/// A frame as the camera delivered it.
#[derive(Debug)]
pub(super) struct Shot<'a> {
    pub(super) picture: RawImage<'a>,
    /// Capture time, by the driver's clock if that is reliable.
    pub(super) captured: Instant,
}

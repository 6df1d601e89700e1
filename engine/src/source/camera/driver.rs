//! What the rest of [`super`] needs from an operating system's cameras; tests put a fake here.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::source::pixels::{Picture, PixelFormat};

/// A camera that the system knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraInfo {
    /// Its present number: changes when cameras are plugged in or out.
    pub index: u32,
    /// Its model's name; two cameras of one model share it.
    pub name: String,
    /// Where it is attached or who made it, for a tooltip.
    pub description: String,
    /// What tells two cameras of one name apart: the path of its bus or the system's own id.
    pub id: String,
    /// Why it is not to be opened, where that is known: its driver does not answer.
    pub problem: Option<String>,
}

impl CameraInfo {
    /// Its name, and where it is attached if another of `all` has the same name.
    pub fn label(&self, all: &[Self]) -> String {
        let is_unique = all.iter().all(|c| c.name != self.name || c.id == self.id);
        if is_unique {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.id)
        }
    }
}

/// A picture format that a camera offers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CameraFormat {
    /// Width and height.
    pub size: Size,
    /// Frames per second; `None` where the camera does not say.
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
    /// `30 fps`, `29.97 fps`.
    pub fn rate_text(&self) -> String {
        match self.rate {
            Some(rate) => format!("{} fps", (rate * 100.0).round() / 100.0),
            None => "its own rate".to_owned(),
        }
    }
}

/// The cameras of a system. Every call except `authorize` may block for ever or panic, so it is
/// only made on threads that can be abandoned.
pub(super) trait Driver: Send + Sync {
    /// Asks the user for access where the system wants that; returns early when stopped.
    fn authorize(&self, stop: &StopFlag) -> Result<()>;

    /// The cameras that are plugged in now, also those that cannot be opened at the moment.
    fn list(&self) -> Result<Vec<CameraInfo>>;

    /// Takes hold of a camera without starting it.
    fn open(&self, camera: &CameraInfo) -> Result<Box<dyn Device>>;
}

/// An open camera; it stays on the thread that opened it.
pub(super) trait Device {
    /// The formats on offer, as far as they can be decoded; an error says why there are none.
    fn formats(&mut self) -> Result<Vec<CameraFormat>>;

    /// Starts the flow of frames in this format, or the nearest the camera has: says which. May
    /// be called again after a failure.
    fn start(&mut self, format: CameraFormat) -> Result<CameraFormat, Refusal>;

    /// Waits for the next frame, for a few hundred milliseconds at most where the system can.
    fn read(&mut self) -> Result<Reading<'_>>;
}

/// Why a format was not started.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Another format may go better.
    Format(Error),
    /// No format will: the camera is in use, unplugged or not accessible.
    Camera(Error),
}

/// What one look at a camera brought.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    /// The newest whole frame, if any came.
    pub(super) shot: Option<Shot<'a>>,
    /// Whole frames before it that were passed over for it.
    pub(super) n_skipped: u64,
    /// Frames that came empty or marked as damaged.
    pub(super) n_damaged: u64,
}

/// A frame as the camera delivered it.
#[derive(Debug)]
pub(super) struct Shot<'a> {
    pub(super) picture: Picture<'a>,
    /// When it was captured, by the driver's clock if that can be trusted.
    pub(super) captured: Instant,
}

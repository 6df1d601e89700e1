//! What the rest of [`super`] needs from an operating system's cameras; tests put a fake here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::concurrency::StopFlag;
use crate::error::Result;
use crate::geometry::Size;
use crate::source::pixels::PixelFormat;

/// A camera that the system knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraInfo {
    /// Its present number: changes when cameras are plugged in or out.
    pub index: u32,
    /// Its model's name; two cameras of one model share it.
    pub name: String,
    /// Where it is attached or who made it, for a tooltip.
    pub description: String,
    /// What tells two cameras of one name apart: the device's path or the system's own id.
    pub id: String,
}

/// A picture format that a camera offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraFormat {
    /// Width and height.
    pub size: Size,
    /// Frames per second.
    pub rate: u32,
    /// Layout of the bytes.
    pub pixels: PixelFormat,
}

impl std::fmt::Display for CameraFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {} fps as {}", self.size, self.rate, self.pixels)
    }
}

/// The cameras of a system. Every call except `authorize` may block for ever or panic, so it is
/// only made on threads that can be abandoned.
pub(super) trait Driver: Send + Sync {
    /// Asks the user for access where the system wants that; returns early when stopped.
    fn authorize(&self, stop: &StopFlag) -> Result<()>;

    /// The cameras that are plugged in now.
    fn list(&self) -> Result<Vec<CameraInfo>>;

    /// Takes hold of a camera without starting it.
    fn open(&self, index: u32) -> Result<Box<dyn Device>>;
}

/// An open camera; it stays on the thread that opened it.
pub(super) trait Device {
    /// The formats on offer, as far as they can be decoded.
    fn formats(&mut self) -> Result<Vec<CameraFormat>>;

    /// Starts the flow of frames in exactly this format; may be called again after a failure.
    fn start(&mut self, format: CameraFormat) -> Result<()>;

    /// Waits for the next frame's bytes.
    fn read(&mut self) -> Result<Cow<'_, [u8]>>;
}

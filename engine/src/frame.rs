//! Video frames: pooled pixel buffers with time stamps.
//!
//! Every source delivers RGBA with 8 bits per channel and without row padding: texture, crop,
//! encoder and overlays all read this layout without another conversion (RGB would save a quarter
//! of the memory but needs a conversion for the texture and the encoder).

mod resample;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::geometry::Size;

pub use self::resample::{letterboxed, resample};

/// Bytes per pixel.
pub const BYTES_PER_PIXEL: usize = 4;

/// One frame of a source. Cloning shares the pixels.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Number within its source, from 0. Live sources skip numbers when they drop frames.
    pub id: u64,
    /// Seconds since the source's first frame (presentation time stamp, or monotonic clock).
    pub time_secs: f64,
    /// Time when the frame reached this program: latency is measured from here.
    pub captured: Instant,
    /// Name without folder of the image file that contains just this frame; `None` for frames of
    /// videos and cameras.
    pub file: Option<Arc<str>>,
    size: Size,
    pixels: Arc<Pixels>,
}

impl Frame {
    /// Creates a frame from `rgba` (`size.area() * 4` bytes, red first).
    ///
    /// # Panics
    /// When the buffer has a different length.
    pub fn new(id: u64, time_secs: f64, size: Size, rgba: Pixels) -> Self {
        assert_eq!(rgba.bytes.len(), size.area() * BYTES_PER_PIXEL);
        Self {
            id,
            time_secs,
            captured: Instant::now(),
            file: None,
            size,
            pixels: Arc::new(rgba),
        }
    }

    /// Creates a black frame.
    #[cfg(test)]
    pub(crate) fn blank(time_secs: f64, size: Size) -> Self {
        let rgba = vec![0; size.area() * BYTES_PER_PIXEL];
        Self::new(0, time_secs, size, Pixels::unpooled(rgba))
    }

    /// Sets the name of the image file that contains the frame.
    pub fn of_file(self, name: impl Into<Arc<str>>) -> Self {
        Self {
            file: Some(name.into()),
            ..self
        }
    }

    /// Returns width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns red, green, blue and alpha (always 255) of every pixel, row by row.
    pub fn rgba(&self) -> &[u8] {
        &self.pixels.bytes
    }
}

/// Pixel bytes that return to their pool when the last frame that shares them is dropped.
#[derive(Debug)]
pub struct Pixels {
    bytes: Vec<u8>,
    pool: Option<FramePool>,
}

impl Pixels {
    /// Wraps bytes that belong to no pool.
    pub fn unpooled(bytes: Vec<u8>) -> Self {
        Self { bytes, pool: None }
    }

    /// Returns the bytes for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Returns the bytes for reading.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// A small pool of reusable pixel buffers, so that a running source allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct FramePool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl FramePool {
    /// Maximum number of free buffers; more are released. Enough while a stalled recorder is
    /// absorbed elsewhere, few enough that 1280x720 keeps the pool under 30 MB.
    const MAX_FREE: usize = 8;

    /// Creates an empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a buffer for a frame of `size`; its contents are left over from earlier use.
    pub fn take(&self, size: Size) -> Pixels {
        let n = size.area() * BYTES_PER_PIXEL;
        let mut bytes = self.lock().pop().unwrap_or_default();
        bytes.resize(n, 255);
        Pixels {
            bytes,
            pool: Some(self.clone()),
        }
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut free = self.lock();
        if free.len() < Self::MAX_FREE {
            free.push(bytes);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.free
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when live running allocates memory for every frame.
    #[test]
    fn a_dropped_frame_returns_its_buffer() {
        let pool = FramePool::new();
        let size = Size::new(8, 4);
        let frame = Frame::new(0, 0.0, size, pool.take(size));
        let shared = frame.clone();
        let address = frame.rgba().as_ptr();
        drop(frame);
        assert!(pool.lock().is_empty(), "still shared");
        drop(shared);
        assert_eq!(pool.take(size).bytes().as_ptr(), address);
    }
}

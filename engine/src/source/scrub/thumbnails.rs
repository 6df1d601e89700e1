//! Thumbnails, evenly spread over a file, for a strip.

use crossbeam::channel::{Receiver, bounded};
use image::{RgbaImage, imageops};

use super::Scrub;
use crate::concurrency::{StopFlag, Worker};
use crate::error::Result;
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;

/// One thumbnail.
#[derive(Debug, Clone)]
pub struct Thumbnail {
    /// Position in the strip, from 0.
    pub slot: usize,
    /// The scaled frame with index and time of the original: the one in the middle of its part of
    /// the file, or the key frame before that if it lies in the same part.
    pub frame: Frame,
}

/// A thread that makes thumbnails in order. Dropping it cancels.
#[derive(Debug)]
pub struct Thumbnails {
    ready: Receiver<Thumbnail>,
    worker: Option<Worker>,
}

impl Thumbnails {
    /// Starts making `n` thumbnails whose longer side is `side` pixels. `open` opens the file (with
    /// its own [`Scrub`]) on the worker; `notify` is called after each thumbnail and at the end.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub fn start(
        n: usize,
        side: usize,
        open: impl FnOnce() -> Result<Scrub> + Send + 'static,
        notify: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let (made, ready) = bounded(n.max(1));
        let worker = Worker::spawn(
            "thumbnails",
            StopFlag::new(),
            move |stop| {
                let mut scrub = open()?;
                let n_frames = scrub.n_frames();
                for slot in 0..n {
                    if stop.is_stopped() {
                        return Ok(());
                    }
                    let part = n_frames as f64 / n as f64;
                    let middle = ((slot as f64 + 0.5) * part) as usize;
                    let begin = (slot as f64 * part).ceil() as usize;
                    let reach = middle.saturating_sub(begin);
                    let i = scrub.cheap_near(middle.min(n_frames - 1), reach);
                    match scrub.frame(i) {
                        Ok(frame) => {
                            // A dropped receiver means cancellation.
                            let frame = small(&frame, side);
                            if made.send(Thumbnail { slot, frame }).is_err() {
                                return Ok(());
                            }
                        }
                        Err(error) => tracing::warn!(slot, %error, "a thumbnail is left out"),
                    }
                    notify();
                }
                Ok(())
            },
            |error| tracing::warn!(%error, "no thumbnails"),
        )?;
        Ok(Self {
            ready,
            worker: Some(worker),
        })
    }

    /// Returns the next thumbnail that is ready.
    pub fn try_next(&self) -> Option<Thumbnail> {
        self.ready.try_recv().ok()
    }

    /// Returns whether all thumbnails were returned.
    pub fn is_finished(&self) -> bool {
        self.ready.is_empty() && self.worker.as_ref().is_none_or(Worker::is_finished)
    }
}

impl Drop for Thumbnails {
    fn drop(&mut self) {
        // A frame in the middle of a long group takes a while; do not wait for it.
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

/// Scales the frame down by averaging until its longer side has at most `side` pixels.
fn small(frame: &Frame, side: usize) -> Frame {
    let Size { width, height } = frame.size();
    let factor = (side as f64 / width.max(height) as f64).min(1.0);
    let scaled = |n: usize| ((n as f64 * factor).round() as u32).max(1);
    let (w, h) = (scaled(width), scaled(height));
    let Some(picture) = RgbaImage::from_raw(width as u32, height as u32, frame.rgba().to_vec())
    else {
        return frame.clone();
    };
    let picture = imageops::thumbnail(&picture, w, h);
    let size = Size::new(w as usize, h as usize);
    Frame::new(
        frame.id,
        frame.time_secs,
        size,
        Pixels::unpooled(picture.into_raw()),
    )
}

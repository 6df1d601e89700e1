//! A part of a source: from one time to another, or so many frames.

use super::{FrameSource, SourceInfo, SourceMonitor};
use crate::error::Result;
use crate::frame::Frame;

/// Which frames of a source to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Trim {
    /// Frames before this time are skipped (decoded, not delivered).
    pub start_secs: Option<f64>,
    /// The first frame at or after this time ends the source.
    pub end_secs: Option<f64>,
    /// So many frames end the source.
    pub max_frames: Option<u64>,
}

/// A source of which only a part is delivered. Frame numbers and times stay the source's own,
/// so that they can be found again in the original.
pub struct Trimmed {
    inner: Box<dyn FrameSource>,
    trim: Trim,
    n_delivered: u64,
}

impl Trimmed {
    /// The `trim` part of `inner`.
    pub fn new(inner: Box<dyn FrameSource>, trim: Trim) -> Self {
        Self {
            inner,
            trim,
            n_delivered: 0,
        }
    }
}

impl FrameSource for Trimmed {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.trim.max_frames.is_some_and(|n| self.n_delivered >= n) {
            return Ok(None);
        }
        while let Some(frame) = self.inner.next_frame()? {
            if self.trim.end_secs.is_some_and(|end| frame.time_secs >= end) {
                return Ok(None);
            }
            if self
                .trim
                .start_secs
                .is_none_or(|start| frame.time_secs >= start)
            {
                self.n_delivered += 1;
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn warning(&self) -> Option<&str> {
        self.inner.warning()
    }

    fn monitor(&self) -> SourceMonitor {
        self.inner.monitor()
    }
}

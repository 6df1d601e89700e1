//! A part of a source: a time range, a number of frames, or until stopped.

use super::{FrameSource, SourceInfo, SourceMonitor};
use crate::concurrency::StopFlag;
use crate::error::Result;
use crate::frame::Frame;

/// Range of frames to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Trim {
    /// Frames before this time are skipped (decoded, not delivered).
    pub start_secs: Option<f64>,
    /// The first frame at or after this time ends the source.
    pub end_secs: Option<f64>,
    /// Number of frames after which the source ends.
    pub max_frames: Option<u64>,
}

/// A source of which only a part is delivered. Frame numbers and times stay those of the original.
pub struct Trimmed {
    inner: Box<dyn FrameSource>,
    trim: Trim,
    stop: StopFlag,
    n_delivered: u64,
}

impl Trimmed {
    /// Restricts `inner` to `trim`, and ends early when `stop` is raised: this also applies to
    /// files, which have no stop flag.
    pub fn new(inner: Box<dyn FrameSource>, trim: Trim, stop: StopFlag) -> Self {
        Self {
            inner,
            trim,
            stop,
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
        while !self.stop.is_stopped() {
            let Some(frame) = self.inner.next_frame()? else {
                return Ok(None);
            };
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

    fn is_damaged(&self) -> bool {
        self.inner.is_damaged()
    }

    fn monitor(&self) -> SourceMonitor {
        self.inner.monitor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Pixels;
    use crate::geometry::Size;

    /// One frame per second without end; the user presses Ctrl+C during the third.
    struct Endless {
        info: SourceInfo,
        n: u64,
        stop: StopFlag,
    }

    impl FrameSource for Endless {
        fn info(&self) -> &SourceInfo {
            &self.info
        }

        fn next_frame(&mut self) -> Result<Option<Frame>> {
            self.n += 1;
            if self.n == 3 {
                self.stop.stop();
            }
            let pixels = Pixels::unpooled(vec![0; 4]);
            let frame = Frame::new(self.n, self.n as f64, Size::new(1, 1), pixels);
            Ok(Some(frame))
        }
    }

    fn delivered(trim: Trim) -> Vec<u64> {
        let stop = StopFlag::new();
        let endless = Endless {
            info: SourceInfo {
                name: "endless".to_owned(),
                size: None,
                rate: None,
                n_frames: None,
                is_live: false,
            },
            n: 0,
            stop: stop.clone(),
        };
        let mut source = Trimmed::new(Box::new(endless), trim, stop);
        std::iter::from_fn(|| source.next_frame().unwrap())
            .map(|frame| frame.id)
            .collect()
    }

    /// Fails when Ctrl+C only takes effect at the end of a file, or drops a frame that was already
    /// read.
    #[test]
    fn a_stop_ends_any_source_after_the_frame_at_hand() {
        assert_eq!(delivered(Trim::default()), [1, 2, 3]);
        // Also while a long part is skipped.
        let late = Trim {
            start_secs: Some(1e6),
            ..Trim::default()
        };
        assert!(delivered(late).is_empty());
    }
}

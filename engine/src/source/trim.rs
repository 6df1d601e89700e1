//! A part of a source: a time range, a number of frames, or until stopped.

use std::fmt::Write as _;

use super::{FrameSource, SourceInfo, SourceMonitor};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::words::counted;

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
    /// Number of frames before the range, and the time of the last one in seconds.
    skipped: (u64, f64),
}

impl Trimmed {
    /// Restricts `inner` to `trim`, and ends early when `stop` is raised: this also applies to
    /// files, which have no stop flag. A range without frames is an error.
    pub fn new(inner: Box<dyn FrameSource>, trim: Trim, stop: StopFlag) -> Self {
        Self {
            inner,
            trim,
            stop,
            n_delivered: 0,
            skipped: (0, 0.0),
        }
    }

    /// Returns the end of the range; an error if it has no frames. `next_secs` is the time of the
    /// first frame after it, if there is one.
    fn end(&self, next_secs: Option<f64>) -> Result<Option<Frame>> {
        let (n_skipped, last_secs) = self.skipped;
        let extent = match next_secs {
            _ if self.n_delivered > 0 => return Ok(None),
            Some(secs) => format!("its next one is at {secs:.3} s"),
            None if n_skipped == 0 => return Ok(None),
            None => format!(
                "it has {}, the last one at {last_secs:.3} s",
                counted(n_skipped, "frame")
            ),
        };
        let mut range = String::new();
        // Writing to a string cannot fail.
        if let Some(secs) = self.trim.start_secs {
            let _ = write!(range, " from {secs} s on");
        }
        if let Some(secs) = self.trim.end_secs {
            let _ = write!(range, " before {secs} s");
        }
        let name = &self.inner.info().name;
        Err(Error::source(
            name,
            format!("has no frames{range}: {extent}"),
        ))
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
                return self.end(None);
            };
            if self.trim.end_secs.is_some_and(|end| frame.time_secs >= end) {
                return self.end(Some(frame.time_secs));
            }
            if self
                .trim
                .start_secs
                .is_none_or(|start| frame.time_secs >= start)
            {
                self.n_delivered += 1;
                return Ok(Some(frame));
            }
            self.skipped = (self.skipped.0 + 1, frame.time_secs);
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
    use super::super::{OpenOptions, SourceSpec};
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

    /// Fails when a range without frames ends like a whole one, or the message lacks the name of the
    /// file or its length.
    #[test]
    fn a_range_without_frames_is_an_error() {
        let range = |start_secs, end_secs| {
            let clip = SourceSpec::parse("sample").unwrap();
            let clip = clip.open(&OpenOptions::default()).unwrap();
            let trim = Trim {
                start_secs,
                end_secs,
                max_frames: None,
            };
            let mut source = Trimmed::new(clip, trim, StopFlag::new());
            source.next_frame().map(|frame| frame.unwrap().id)
        };
        assert_eq!(range(Some(2.86), None).unwrap(), 86);
        let message = range(Some(2.9), None).unwrap_err().to_string();
        let line =
            "sample clip: has no frames from 2.9 s on: it has 87 frames, the last one at 2.86";
        assert!(message.starts_with(line), "{message}");
        let message = range(Some(1.01), Some(1.02)).unwrap_err().to_string();
        let line =
            "sample clip: has no frames from 1.01 s on before 1.02 s: its next one is at 1.03";
        assert!(message.starts_with(line), "{message}");
    }
}

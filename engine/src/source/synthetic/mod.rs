//! A synthetic source: a rendered person that stands, sways and swings arms and legs.
//!
//! It needs no device and no file, is the same in every run, and its joints are known
//! ([`joints_at`]), which makes it a fixture for tests. `synthetic` delivers as fast as frames are
//! read, with exact time stamps `i / rate`; `synthetic:live` behaves like a camera: it runs in real
//! time and drops frames that are not read in time.

mod figure;

use std::time::{Duration, Instant};

pub use self::figure::joints_at;
use super::{FrameSource, OpenOptions, SourceInfo, SourceKind, SourceMonitor};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::geometry::Size;

/// Entry of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "synthetic",
    help: "synthetic or synthetic:live: a moving drawn figure",
    stands_alone: true,
    accepts: |_| false,
    open: |argument, options| open(&argument.to_string_lossy(), options),
    scrub: None,
    sound: None,
};

/// Supported side lengths of a frame in pixels.
const SIDES: std::ops::RangeInclusive<usize> = 16..=8192;

/// Interval between checks of the stop flag.
const POLL: Duration = Duration::from_millis(200);

fn open(argument: &str, options: &OpenOptions) -> Result<Box<dyn FrameSource>> {
    let is_live = match argument {
        "" => false,
        "live" => true,
        other => {
            return Err(Error::source(
                format!("synthetic:{other}"),
                "no such kind; write synthetic or synthetic:live",
            ));
        }
    };
    Ok(Box::new(Synthetic::new(is_live, options)?))
}

/// The sequence of rendered frames.
struct Synthetic {
    info: SourceInfo,
    size: Size,
    rate: f64,
    max_frames: u64,
    next_id: u64,
    background: Vec<u8>,
    pool: FramePool,
    stop: StopFlag,
    monitor: SourceMonitor,
    /// Time when frame 0 was due, once a live source has started.
    started: Option<Instant>,
}

impl Synthetic {
    fn new(is_live: bool, options: &OpenOptions) -> Result<Self> {
        let OpenOptions { size, rate, .. } = *options;
        if !SIDES.contains(&size.width) || !SIDES.contains(&size.height) {
            return Err(Error::source(
                "synthetic",
                format!("cannot be drawn at {size}; sides go from 16 to 8192"),
            ));
        }
        // The limits keep every time stamp and pause representable.
        if !(1e-3..=1e6).contains(&rate) {
            return Err(Error::source(
                "synthetic",
                format!("cannot run at {rate} frames per second; give 0.001 to 1000000"),
            ));
        }
        Ok(Self {
            info: SourceInfo {
                name: "synthetic figure".to_owned(),
                size: Some(size),
                rate: Some(rate),
                n_frames: options.max_frames,
                is_live,
            },
            size,
            rate,
            max_frames: options.max_frames.unwrap_or(u64::MAX),
            next_id: 0,
            background: figure::background(size),
            pool: FramePool::new(),
            stop: options.stop.clone(),
            monitor: SourceMonitor::new(options.stop.clone()),
            started: None,
        })
    }

    /// Returns the delay of frame `id` after frame 0.
    fn due(&self, id: u64) -> Duration {
        Duration::from_secs_f64(id as f64 / self.rate)
    }

    /// Waits for the next frame's due time, or skips to the newest frame that is already due; its
    /// due time is the capture time.
    fn keep_pace(&mut self) -> Instant {
        let started = *self.started.get_or_insert_with(Instant::now);
        let newest = ((started.elapsed().as_secs_f64() * self.rate) as u64)
            .min(self.max_frames.saturating_sub(1));
        if newest > self.next_id {
            self.monitor.add_dropped(newest - self.next_id);
            self.next_id = newest;
        }
        let due = self.due(self.next_id);
        while let Some(left) = due.checked_sub(started.elapsed())
            && !left.is_zero()
            && !self.stop.is_stopped()
        {
            std::thread::sleep(left.min(POLL));
        }
        started + due
    }
}

impl FrameSource for Synthetic {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.next_id >= self.max_frames {
            return Ok(None);
        }
        let captured = self.info.is_live.then(|| self.keep_pace());
        if self.stop.is_stopped() {
            return Ok(None);
        }
        let id = self.next_id;
        self.next_id += 1;
        let time_secs = id as f64 / self.rate;
        let mut pixels = self.pool.take(self.size);
        pixels.bytes_mut().copy_from_slice(&self.background);
        figure::draw(pixels.bytes_mut(), self.size, time_secs);
        let mut frame = Frame::new(id, time_secs, self.size, pixels);
        if let Some(captured) = captured {
            frame.captured = captured;
        }
        Ok(Some(frame))
    }

    fn monitor(&self) -> SourceMonitor {
        self.monitor.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceSpec;
    use crate::test_wait::{quickly, timed};

    fn small(rate: f64, max_frames: Option<u64>) -> OpenOptions {
        OpenOptions {
            size: Size::new(64, 48),
            rate,
            max_frames,
            ..OpenOptions::default()
        }
    }

    fn open_spec(text: &str, options: &OpenOptions) -> Result<Box<dyn FrameSource>> {
        SourceSpec::parse(text)?.open(options)
    }

    /// Fails when two runs differ, time stamps drift, or the end comes early or late.
    #[test]
    fn it_is_deterministic_exact_in_time_and_ends_on_request() {
        let mut runs = [(); 2].map(|()| open_spec("synthetic", &small(29.97, Some(3))).unwrap());
        let mut last = Vec::new();
        for i in 0..3_u32 {
            let [a, b] = runs.each_mut().map(|r| r.next_frame().unwrap().unwrap());
            assert_eq!((a.id, a.time_secs), (u64::from(i), f64::from(i) / 29.97));
            assert_eq!(a.rgba(), b.rgba());
            assert_ne!(a.rgba(), last);
            last = a.rgba().to_vec();
        }
        assert!(runs[0].next_frame().unwrap().is_none());
        assert_eq!(runs[0].info().n_frames, Some(3));
        assert!(!runs[0].info().is_live);
    }

    /// Fails when the simulated camera delivers too early, queues old frames, or does not count
    /// drops.
    #[test]
    fn live_keeps_real_time_and_drops_what_came_too_late() {
        let options = small(100.0, None);
        let mut source = open_spec("synthetic:live", &options).unwrap();
        let first = source.next_frame().unwrap().unwrap();
        let second = source.next_frame().unwrap().unwrap();
        let gap = second.captured.duration_since(first.captured);
        assert!((gap.as_secs_f64() - second.time_secs).abs() < 1e-6);
        assert!(second.captured <= Instant::now(), "not before its time");
        std::thread::sleep(Duration::from_millis(80));
        let late = source.next_frame().unwrap().unwrap();
        assert!(late.id >= second.id + 7, "{} after {}", late.id, second.id);
        assert!(source.monitor().n_dropped() >= late.id - second.id - 1);
        assert!(source.info().is_live);
    }

    /// Fails when an endless or slow live source cannot be stopped.
    #[test]
    fn stopping_ends_it() {
        for text in ["synthetic", "synthetic:live"] {
            quickly(Duration::from_secs(1), || {
                let options = small(0.01, None);
                let mut source = open_spec(text, &options).unwrap();
                assert!(source.next_frame().unwrap().is_some());
                options.stop.stop();
                timed(move || assert!(source.next_frame().unwrap().is_none()))
            });
        }
    }

    /// Fails when invalid options cause a panic instead of an error.
    #[test]
    fn invalid_options_are_errors() {
        let error = |text: &str, options: &OpenOptions| open_spec(text, options).is_err();
        assert!(error("synthetic:dead", &small(30.0, None)));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9] {
            assert!(error("synthetic", &small(rate, None)));
        }
        for size in [
            Size::new(0, 9),
            Size::new(640, 15),
            Size::square(usize::MAX),
        ] {
            let options = OpenOptions {
                size,
                ..OpenOptions::default()
            };
            assert!(error("synthetic", &options));
        }
        let mut none = open_spec("synthetic:live", &small(30.0, Some(0))).unwrap();
        assert!(none.next_frame().unwrap().is_none());
    }
}

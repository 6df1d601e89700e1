//! The last seconds of a live source, for stepping back while it is paused.
//!
//! Stores the frames that the infer thread has shown, with their times and poses. Measured for
//! 1280x720 frames of fine stripes on one core of an Intel Xeon server with AVX-512 (the fastest of
//! 100), 30 frames per second in 512 MiB:
//!
//! | form | cost a frame | bytes a frame | seconds held | loss |
//! |---|---|---|---|---|
//! | RGBA | 0.24 ms | 3.69 MB | 4.9 | none |
//! | RGB | 0.53 ms | 2.76 MB | 6.5 | none |
//! | YUV 4:2:0 | 1.2 ms (back 2.0 ms) | 1.38 MB | 12.9 | colour at half resolution, greys none |
//! | JPEG, quality 90 | 54 ms | 0.30 MB | 60 | as YUV 4:2:0 and more |
//!
//! Cameras deliver 4:2:0 or 4:2:2 themselves, so YUV 4:2:0 loses next to nothing of their output,
//! and 10 s fit.

mod yuv;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::frame::{Frame, FramePool};
use crate::geometry::Size;
use crate::output::{PeopleCount, PoseOutput, Timings};
use crate::pose::Pose;
use crate::skeleton::Skeleton;
use crate::source::{SAME_SECS, SeekTo};

/// Length of the history in seconds, if memory suffices.
const MAX_SECS: f64 = 10.0;
/// Memory for frames in bytes: 12.9 s of 1280x720 at 30 frames per second, 5.7 s of 1920x1080.
const MAX_BYTES: usize = 512 << 20;

/// Shown frames of one live source, oldest first.
#[derive(Debug)]
pub(super) struct History {
    kept: VecDeque<Kept>,
    /// Buffer of the last dropped frame: once warm, the history allocates no pixel memory.
    free: Option<Vec<u8>>,
    bytes: usize,
    max_bytes: usize,
    pool: FramePool,
}

#[derive(Debug)]
struct Kept {
    id: u64,
    time_secs: f64,
    captured: Instant,
    size: Size,
    yuv: Vec<u8>,
    found: Option<Found>,
}

/// The poses found in a frame, without maps.
#[derive(Debug)]
struct Found {
    model: Arc<str>,
    skeleton: &'static Skeleton,
    poses: Vec<Pose>,
    people: PeopleCount,
}

impl Default for History {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
            free: None,
            bytes: 0,
            max_bytes: MAX_BYTES,
            pool: FramePool::new(),
        }
    }
}

impl History {
    /// Stores a frame and the poses found in it.
    pub(super) fn push(&mut self, frame: &Frame, output: Option<&PoseOutput>) {
        if self
            .kept
            .back()
            .is_some_and(|k| k.time_secs > frame.time_secs)
        {
            self.clear();
        }
        let n = yuv::n_bytes(frame.size());
        let oldest_wanted = frame.time_secs - MAX_SECS;
        while let Some(first) = self.kept.front()
            && (first.time_secs < oldest_wanted || self.bytes + n > self.max_bytes)
        {
            if let Some(first) = self.kept.pop_front() {
                self.bytes -= first.yuv.len();
                // If several are dropped, frames have become slower or larger than before.
                self.free = Some(first.yuv);
            }
        }
        let mut yuv = self.free.take().unwrap_or_default();
        yuv.resize(n, 0);
        yuv::encode(frame.rgba(), frame.size(), &mut yuv);
        self.bytes += n;
        self.kept.push_back(Kept {
            id: frame.id,
            time_secs: frame.time_secs,
            captured: frame.captured,
            size: frame.size(),
            yuv,
            found: output.map(|o| Found {
                model: Arc::clone(&o.model),
                skeleton: o.skeleton,
                poses: o.poses.clone(),
                people: o.people,
            }),
        });
    }

    /// Removes all frames and frees their memory.
    pub(super) fn clear(&mut self) {
        self.kept = VecDeque::new();
        self.free = None;
        self.bytes = 0;
    }

    /// Returns the number of stored frames.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns the time from the oldest frame to the newest in seconds.
    pub(super) fn secs(&self) -> f64 {
        match (self.kept.front(), self.kept.back()) {
            (Some(first), Some(last)) => last.time_secs - first.time_secs,
            _ => 0.0,
        }
    }

    /// Returns the index of the requested frame; 0 is the oldest.
    pub(super) fn index(&self, to: SeekTo) -> usize {
        match to {
            SeekTo::Frame(i) => usize::try_from(i).unwrap_or(usize::MAX),
            SeekTo::Secs(secs) => self
                .kept
                .partition_point(|k| k.time_secs <= secs + SAME_SECS)
                .saturating_sub(1),
        }
    }

    /// Returns the time from a frame to the newest in seconds.
    pub(super) fn secs_back(&self, i: usize) -> f64 {
        match (self.kept.get(i), self.kept.back()) {
            (Some(kept), Some(last)) => last.time_secs - kept.time_secs,
            _ => 0.0,
        }
    }

    /// Returns a frame by its index from the oldest, with the poses found in it.
    pub(super) fn get(&self, i: usize) -> Option<(Frame, Option<PoseOutput>)> {
        let kept = self.kept.get(i)?;
        let mut pixels = self.pool.take(kept.size);
        yuv::decode(&kept.yuv, kept.size, pixels.bytes_mut());
        let mut frame = Frame::new(kept.id, kept.time_secs, kept.size, pixels);
        frame.captured = kept.captured;
        let output = kept.found.as_ref().map(|found| PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&found.model),
            skeleton: found.skeleton,
            poses: found.poses.clone(),
            regions: Vec::new(),
            timings: Timings::default(),
            people: found.people,
        });
        Some((frame, output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Pixels;

    const SIZE: Size = Size::new(16, 8);

    fn frame(id: u64, secs: f64) -> Frame {
        let rgba = vec![(id % 251) as u8; SIZE.area() * 4];
        Frame::new(id, secs, SIZE, Pixels::unpooled(rgba))
    }

    fn filled(n: u64, rate: f64, max_bytes: usize) -> History {
        let mut history = History {
            max_bytes,
            ..History::default()
        };
        for id in 0..n {
            history.push(&frame(id, id as f64 / rate), None);
            assert!(history.bytes <= max_bytes);
        }
        history
    }

    /// Fails when less than ten seconds are stored although they fit, more than the limit, or the
    /// wrong ones.
    #[test]
    fn ten_seconds_are_held_or_as_many_as_fit() {
        let history = filled(1000, 30.0, MAX_BYTES);
        assert_eq!(history.len(), 301);
        assert!((history.secs() - 10.0).abs() < 1e-9);
        let (oldest, _) = history.get(0).unwrap();
        assert_eq!(oldest.id, 699);
        let n_bytes = yuv::n_bytes(SIZE);
        let history = filled(1000, 30.0, 50 * n_bytes + 1);
        assert_eq!(history.len(), 50);
        assert_eq!(history.get(49).unwrap().0.id, 999);
        assert!(history.get(50).is_none());
        let in_720p = MAX_BYTES / yuv::n_bytes(Size::new(1280, 720));
        assert!(in_720p >= 300, "{in_720p} frames of 1280x720");
    }

    /// Fails when frame memory is allocated for every frame.
    #[test]
    fn a_full_history_reuses_its_buffers() {
        let mut history = filled(400, 32.0, MAX_BYTES);
        let address = |h: &History, i: usize| h.kept[i].yuv.as_ptr();
        for id in 400..420 {
            let first = address(&history, 0);
            history.push(&frame(id, id as f64 / 32.0), None);
            assert_eq!(address(&history, history.len() - 1), first);
        }
    }

    /// Fails when a time leads to another frame than the one shown then, or frames of two runs are
    /// mixed.
    #[test]
    fn frames_are_found_by_time_and_a_new_run_begins_empty() {
        let mut history = filled(10, 10.0, MAX_BYTES);
        // A time computed from ticks may lie a rounding error before its frame.
        for (secs, i) in [
            (0.0, 0),
            (0.25, 2),
            (0.3 - 1e-7, 3),
            (0.9, 9),
            (7.0, 9),
            (-1.0, 0),
        ] {
            assert_eq!(history.index(SeekTo::Secs(secs)), i, "{secs}");
        }
        assert!((history.secs_back(4) - 0.5).abs() < 1e-9);
        history.push(&frame(0, 0.0), None);
        assert_eq!((history.len(), history.secs()), (1, 0.0));
    }
}

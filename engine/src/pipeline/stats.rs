//! Rates, latency and drops of the last seconds.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Length of the window for rates and latencies: long enough to be readable, short enough to react.
const WINDOW: Duration = Duration::from_secs(2);
/// Minimum number of frames, to measure models slower than the window.
const MIN_MARKS: usize = 4;
/// Number of stored latencies: two seconds at 120 frames per second.
const N_LATENCIES: usize = 240;

/// Speed statistics for the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stats {
    /// Frames per second from the source.
    pub source_fps: f64,
    /// Frames per second through the model.
    pub inference_fps: f64,
    /// Median time from capture to drawing.
    pub latency_p50: Option<Duration>,
    /// 95th percentile of the time from capture to drawing.
    pub latency_p95: Option<Duration>,
    /// Frames that the model did not process, since the source was opened.
    pub drops: u64,
    /// Frames delivered by the source, since it was opened.
    pub frames: u64,
    /// Frames replaced by newer ones on their way to the model.
    pub displaced: u64,
    /// Number of live frames in the history.
    pub held_frames: usize,
    /// Time from the oldest of them to the newest in seconds.
    pub held_secs: f64,
}

/// Shared by the workers, which write, and the window, which reads.
#[derive(Debug, Default)]
pub(super) struct Meter {
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    captured: VecDeque<Instant>,
    inferred: VecDeque<Instant>,
    latencies: VecDeque<Duration>,
    drops: u64,
    displaced: u64,
    frames: u64,
    held: (usize, f64),
}

impl Meter {
    /// Counts a frame sent to the model, before which the source lost `n_lost` frames.
    pub(super) fn captured(&self, n_lost: u64) {
        let mut marks = self.lock();
        mark(&mut marks.captured, Instant::now());
        marks.frames += 1;
        marks.drops += n_lost;
    }

    /// Counts a frame replaced by the one that followed.
    pub(super) fn displaced(&self) {
        let mut marks = self.lock();
        marks.displaced += 1;
        marks.drops += 1;
    }

    pub(super) fn inferred(&self) {
        mark(&mut self.lock().inferred, Instant::now());
    }

    pub(super) fn drawn(&self, latency: Duration) {
        let mut marks = self.lock();
        if marks.latencies.len() == N_LATENCIES {
            marks.latencies.pop_front();
        }
        marks.latencies.push_back(latency);
        // As many as were processed within the window.
        let n = marks
            .inferred
            .len()
            .max(marks.captured.len())
            .max(MIN_MARKS);
        while marks.latencies.len() > n {
            marks.latencies.pop_front();
        }
    }

    pub(super) fn held(&self, frames: usize, secs: f64) {
        self.lock().held = (frames, secs);
    }

    pub(super) fn reset(&self) {
        *self.lock() = Marks::default();
    }

    pub(super) fn stats(&self) -> Stats {
        let marks = self.lock();
        let now = Instant::now();
        let mut sorted: Vec<Duration> = marks.latencies.iter().copied().collect();
        sorted.sort_unstable();
        Stats {
            source_fps: rate(&marks.captured, now),
            inference_fps: rate(&marks.inferred, now),
            latency_p50: percentile(&sorted, 0.50),
            latency_p95: percentile(&sorted, 0.95),
            drops: marks.drops,
            frames: marks.frames,
            displaced: marks.displaced,
            held_frames: marks.held.0,
            held_secs: marks.held.1,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mark(marks: &mut VecDeque<Instant>, now: Instant) {
    marks.push_back(now);
    while marks.len() > MIN_MARKS && marks.front().is_some_and(|&first| now - first > WINDOW) {
        marks.pop_front();
    }
}

/// Returns marks per second; 0 if none arrived for the window and three mean periods.
fn rate(marks: &VecDeque<Instant>, now: Instant) -> f64 {
    let (Some(&first), Some(&last)) = (marks.front(), marks.back()) else {
        return 0.0;
    };
    let span = last - first;
    if span.is_zero() {
        return 0.0;
    }
    let period = span / (marks.len() - 1) as u32;
    if now.saturating_duration_since(last) > WINDOW.max(3 * period) {
        return 0.0;
    }
    1.0 / period.as_secs_f64()
}

/// Returns the nearest-rank percentile of sorted values.
fn percentile(sorted: &[Duration], p: f64) -> Option<Duration> {
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the displayed frame rate differs from that of the source, or persists after it
    /// has stopped.
    #[test]
    fn rates_follow_the_marks() {
        let start = Instant::now();
        let mut marks = VecDeque::new();
        for i in 0..100 {
            mark(&mut marks, start + Duration::from_millis(40 * i));
        }
        let end = start + Duration::from_secs(4);
        assert!((rate(&marks, end) - 25.0).abs() < 1e-6);
        assert!(marks.len() <= 51);
        assert_eq!(rate(&marks, end + Duration::from_secs(3)), 0.0);
        assert_eq!(rate(&VecDeque::new(), end), 0.0);
    }

    /// Fails when the median or the 95th percentile is off by one rank.
    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.50), Some(Duration::from_millis(10)));
        assert_eq!(percentile(&sorted, 0.95), Some(Duration::from_millis(19)));
        assert_eq!(percentile(&sorted[..1], 0.95), Some(sorted[0]));
        assert_eq!(percentile(&[], 0.5), None);
    }
}

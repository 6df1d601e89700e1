//! A line a second about speed, for measurements that take long (`tests/soak.sh`): printed with
//! `--log poselens_app::figures=trace`.

use std::time::{Duration, Instant};

/// Says when a second has passed.
#[derive(Debug)]
pub struct EverySecond {
    last: Instant,
}

impl Default for EverySecond {
    fn default() -> Self {
        Self {
            last: Instant::now(),
        }
    }
}

impl EverySecond {
    /// Whether the last line is a second old and a line would be printed.
    pub fn is_due(&mut self) -> bool {
        let is_due = tracing::enabled!(tracing::Level::TRACE)
            && self.last.elapsed() >= Duration::from_secs(1);
        if is_due {
            self.last = Instant::now();
        }
        is_due
    }
}

/// Prints the line. `latency` is the median and the 95th percentile of the last seconds,
/// milliseconds.
pub fn trace(frames: u64, drops: u64, latency: Option<(f64, f64)>) {
    let (p50_ms, p95_ms) = latency.unwrap_or((f64::NAN, f64::NAN));
    tracing::trace!(frames, drops, p50_ms, p95_ms);
}

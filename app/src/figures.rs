//! Logs speed once a second for long measurements (`tests/soak.sh`): printed with `--log
//! poselens_app::figures=trace`.

use std::time::{Duration, Instant};

/// Timer that is due once a second.
#[derive(Debug)]
pub(crate) struct EverySecond {
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
    /// Returns whether a second has passed since the last line and the line would be printed.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = tracing::enabled!(tracing::Level::TRACE)
            && self.last.elapsed() >= Duration::from_secs(1);
        if is_due {
            self.last = Instant::now();
        }
        is_due
    }
}

/// Logs the line. `latency` is the median and the 95th percentile of the last seconds in
/// milliseconds.
pub(crate) fn trace(frames: u64, drops: u64, latency: Option<(f64, f64)>) {
    let (p50_ms, p95_ms) = latency.unwrap_or((f64::NAN, f64::NAN));
    tracing::trace!(frames, drops, p50_ms, p95_ms);
}

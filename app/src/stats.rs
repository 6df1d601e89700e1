//! Percentiles for reports.

use std::collections::BTreeMap;
use std::time::Duration;

use poselens_engine::output::{Stage, Timings};
use serde::Serialize;

/// Median and 95th percentile in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Median in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile in milliseconds.
    pub p95_ms: f64,
}

impl Percentiles {
    /// Computes the percentiles of times in milliseconds; `None` if there are none.
    pub fn of(mut millis: Vec<f64>) -> Option<Self> {
        millis.sort_by(f64::total_cmp);
        let at = |q: f64| {
            let i = (q * (millis.len().checked_sub(1)?) as f64).round() as usize;
            millis.get(i).copied()
        };
        Some(Self {
            p50_ms: round3(at(0.5)?),
            p95_ms: round3(at(0.95)?),
        })
    }
}

/// A histogram of times with bins that grow by 1 %: gives percentiles of any number of frames in
/// bounded memory, with an error of at most 0.5 %.
#[derive(Debug, Clone, Default)]
pub struct Times {
    classes: Vec<u64>,
    n: u64,
}

/// Upper limit of the first bin in milliseconds.
const FIRST_MS: f64 = 1e-3;
/// Ratio of the upper limits of consecutive bins.
const GROWTH: f64 = 1.01;
/// Number of bins; the last contains all times from 12 hours on.
const N_CLASSES: usize = 2_500;

impl Times {
    /// Adds a time.
    pub fn push(&mut self, millis: f64) {
        // NaN counts as 0.
        let class = (millis.max(FIRST_MS) / FIRST_MS).ln() / GROWTH.ln();
        let class = (class.ceil() as usize).min(N_CLASSES - 1);
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes[class] += 1;
        self.n += 1;
    }

    /// Returns the percentiles; `None` if no time was added.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let at = |q: f64| {
            let rank = (q * (self.n.checked_sub(1)?) as f64).round() as u64;
            let mut seen = 0;
            let class = self.classes.iter().position(|n| {
                seen += n;
                seen > rank
            })?;
            Some(FIRST_MS * GROWTH.powf(class as f64 - 0.5))
        };
        Some(Percentiles {
            p50_ms: round3(at(0.5)?),
            p95_ms: round3(at(0.95)?),
        })
    }
}

/// Times per stage over many frames.
#[derive(Debug, Clone, Default)]
pub struct StageTimes {
    stages: BTreeMap<&'static str, Times>,
}

impl StageTimes {
    /// Adds the stage times of one frame; stages that did not run are skipped.
    pub fn push(&mut self, timings: &Timings) {
        for stage in Stage::ALL {
            let time = timings.get(stage);
            if time > Duration::ZERO {
                self.push_millis(stage, time.as_secs_f64() * 1e3);
            }
        }
    }

    /// Adds a time of one stage.
    pub fn push_millis(&mut self, stage: Stage, millis: f64) {
        self.stages.entry(stage.name()).or_default().push(millis);
    }

    /// Returns percentiles by stage name.
    pub fn report(&self) -> BTreeMap<&'static str, Percentiles> {
        let row = |(&name, times): (&&'static str, &Times)| Some((name, times.percentiles()?));
        self.stages.iter().filter_map(row).collect()
    }
}

/// Rounds to three decimals, i.e. microseconds for values in milliseconds.
pub(crate) fn round3(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Returns the peak resident memory of this process in MiB, if the system reports it.
pub(crate) fn peak_memory_mib() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(round3(kib / 1024.0))
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the median or the 95th percentile is off by one rank.
    #[test]
    fn percentiles_are_ranks() {
        let millis = (0..=100).rev().map(f64::from).collect();
        let p = Percentiles::of(millis).unwrap();
        assert_eq!((p.p50_ms, p.p95_ms), (50.0, 95.0));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }

    /// Fails when statistics of a long run need memory per frame, or have an error over 0.5 %.
    #[test]
    fn times_are_counted_in_bins() {
        let mut times = Times::default();
        assert_eq!(times.percentiles(), None);
        for i in 0..100_001 {
            times.push(1.0 + f64::from(i) / 1e3);
        }
        let p = times.percentiles().unwrap();
        assert!((p.p50_ms / 51.0 - 1.0).abs() < 0.006, "{p:?}");
        assert!((p.p95_ms / 96.0 - 1.0).abs() < 0.006, "{p:?}");
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            times.push(odd);
        }
        assert!(times.classes.len() <= N_CLASSES);
    }
}

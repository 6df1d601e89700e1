//! Percentiles for reports.

use std::collections::BTreeMap;
use std::time::Duration;

use poselens_engine::output::{Stage, Timings};
use serde::Serialize;

/// Median and 95th percentile in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the values are not larger.
    pub p50_ms: f64,
    /// 95 % of the values are not larger.
    pub p95_ms: f64,
}

impl Percentiles {
    /// Of a list of milliseconds; `None` when it is empty.
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

/// Times per stage over many frames.
#[derive(Debug, Clone, Default)]
pub struct StageTimes {
    millis: BTreeMap<&'static str, Vec<f64>>,
}

impl StageTimes {
    /// Adds the stages of one frame; stages that did not run are left out.
    pub fn push(&mut self, timings: &Timings) {
        for stage in Stage::ALL {
            let time = timings.get(stage);
            if time > Duration::ZERO {
                self.push_millis(stage, time.as_secs_f64() * 1e3);
            }
        }
    }

    /// Adds one time of one stage.
    pub fn push_millis(&mut self, stage: Stage, millis: f64) {
        self.millis.entry(stage.name()).or_default().push(millis);
    }

    /// Percentiles per stage name.
    pub fn report(&self) -> BTreeMap<&'static str, Percentiles> {
        let row = |(&name, millis): (&&'static str, &Vec<f64>)| {
            Some((name, Percentiles::of(millis.clone())?))
        };
        self.millis.iter().filter_map(row).collect()
    }
}

/// Three decimals: microseconds when the unit is a millisecond.
pub fn round3(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Largest resident memory of this process so far in MiB, where the system tells.
pub fn peak_memory_mib() -> Option<f64> {
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

    /// Fails when the median or the tail of a report would be off by a rank.
    #[test]
    fn percentiles_are_ranks() {
        let millis = (0..=100).rev().map(f64::from).collect();
        let p = Percentiles::of(millis).unwrap();
        assert_eq!((p.p50_ms, p.p95_ms), (50.0, 95.0));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }
}

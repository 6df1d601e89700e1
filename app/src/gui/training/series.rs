//! Curves over steps, of bounded size.

use std::path::Path;

use poselens_engine::disk::replace;
use poselens_engine::train::EpochRecord;
use poselens_engine::{Error, Result};
use serde::{Deserialize, Serialize};

/// File with the losses of a training in its folder, so that a resumed one has the whole curve.
const LOSSES: &str = "losses.json";
/// Maximum number of points; longer curves are thinned out.
const N_POINTS: usize = 2000;

/// A curve over steps: each point is the mean of `stride` steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Pairs of step and value.
    pub points: Vec<[f64; 2]>,
    stride: usize,
    sum: f64,
    n: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            sum: 0.0,
            n: 0,
        }
    }
}

impl Series {
    /// Returns the losses of a training that was stopped in `folder`: those that were stored, and the
    /// means of the epochs for which none were.
    pub fn recalled(folder: &Path, history: &[EpochRecord]) -> Self {
        let text = std::fs::read_to_string(folder.join(LOSSES)).ok();
        let stored: Option<Self> = text.and_then(|text| serde_json::from_str(&text).ok());
        let stored = stored.filter(|stored| stored.points.len() <= N_POINTS);
        let mut series = stored.unwrap_or_default();
        for record in history {
            let (step, last) = (record.step as f64, series.points.last());
            let is_there = last.is_some_and(|last| step <= last[0] + series.stride as f64);
            if let Some(loss) = record.loss.filter(|_| !is_there) {
                series.points.push([step, loss]);
            }
        }
        series
    }

    /// Stores the losses of the training in `folder`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store(&self, folder: &Path) -> Result<()> {
        let path = folder.join(LOSSES);
        let text = serde_json::to_string(self);
        let text = text.map_err(|e| Error::data(&path, format!("cannot be written: {e}")))?;
        replace(&path, text.as_bytes())
    }

    /// Adds the value of a step.
    pub fn push(&mut self, step: f64, value: f64) {
        self.sum += value;
        self.n += 1;
        if self.n < self.stride {
            return;
        }
        self.points.push([step, self.sum / self.n as f64]);
        (self.sum, self.n) = (0.0, 0);
        if self.points.len() >= N_POINTS {
            let pairs = self.points.chunks(2);
            let last = |pair: &[[f64; 2]]| pair.last().map_or(0.0, |p| p[0]);
            let mean = |pair: &[[f64; 2]]| pair.iter().map(|p| p[1]).sum::<f64>();
            self.points = pairs
                .map(|pair| [last(pair), mean(pair) / pair.len() as f64])
                .collect();
            self.stride *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the record of an epoch of ten steps.
    fn record(epoch: u64) -> EpochRecord {
        EpochRecord {
            hits: Vec::new(),
            epoch,
            step: 10 * epoch,
            lr: 0.1,
            loss: (epoch > 0).then_some(0.5),
            pck: None,
            oks_ap: None,
            secs: 1.0,
            images_per_sec: 1.0,
            broken: 0,
            gates: std::collections::BTreeMap::new(),
            pck_parts: std::collections::BTreeMap::new(),
        }
    }

    /// Fails when the curve of a resumed training begins anew, or lacks the epochs of a session that
    /// stored no losses.
    #[test]
    fn a_resumed_training_has_the_whole_curve() {
        let folder = tempfile::tempdir().unwrap();
        let history = [0, 1, 2, 3].map(record);
        let means = Series::recalled(folder.path(), &history);
        assert_eq!(means.points, [[10.0, 0.5], [20.0, 0.5], [30.0, 0.5]]);
        let mut series = Series::default();
        for step in 1..=14 {
            series.push(f64::from(step), 2.0);
        }
        series.store(folder.path()).unwrap();
        let recalled = Series::recalled(folder.path(), &history);
        assert_eq!(recalled.points[..14], series.points[..]);
        assert_eq!(recalled.points[14..], [[20.0, 0.5], [30.0, 0.5]]);
        assert_eq!(Series::recalled(folder.path(), &history[..2]), series);
        std::fs::write(folder.path().join(LOSSES), "{}").unwrap();
        assert_eq!(Series::recalled(folder.path(), &history), means);
    }

    /// Fails when a long training uses unbounded memory, or thinning distorts its curve.
    #[test]
    fn thinned_curves_stay_bounded_and_undistorted() {
        let mut series = Series::default();
        for step in 1..=100_000 {
            series.push(f64::from(step), 3.0 * f64::from(step));
        }
        assert!(series.points.len() < N_POINTS && series.points.len() > N_POINTS / 3);
        for [step, value] in &series.points {
            // The mean of a linear ramp over a stride lags half a stride behind its last step.
            let behind = (3.0 * step - value) / 3.0;
            assert!((0.0..=64.0).contains(&behind), "{step} {value}");
        }
    }
}

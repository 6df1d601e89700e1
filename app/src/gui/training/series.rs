//! Curves over steps, of bounded size.

/// Maximum number of points; longer curves are thinned out.
const N_POINTS: usize = 2000;

/// A curve over steps: each point is the mean of `stride` steps.
#[derive(Debug, Clone)]
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

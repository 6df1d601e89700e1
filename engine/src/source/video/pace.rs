//! Frames that are missing from a stream of constant frame rate, by the times of the others.

/// Maximum number of missing frames in one stream: nine hours at 30 frames per second. Bounds the
/// memory that damaged times can request.
const MAX_MISSING: usize = 1 << 20;

/// One irregular distance in this many leaves a frame rate constant: cameras drop single frames.
const ONE_IRREGULAR_IN: usize = 20;

/// The distance between the frames of a stream, and the time of the last one.
#[derive(Debug)]
pub(super) struct Pace {
    /// Ticks from one frame to the next; `None` if it is unknown or no frame can be missing
    /// unnoticed.
    step: Option<f64>,
    /// Time of the last frame in ticks.
    last: Option<f64>,
    n_distances: usize,
    /// Number of distances that are not one step.
    n_irregular: usize,
    n_left: usize,
}

impl Pace {
    pub(super) fn new(step: Option<f64>) -> Self {
        Self {
            step,
            last: None,
            n_distances: 0,
            n_irregular: 0,
            n_left: MAX_MISSING,
        }
    }

    /// Sets the step, if it becomes known after opening.
    pub(super) fn set_step(&mut self, step: Option<f64>) {
        self.step = step;
    }

    /// Notes that the first frame is due at `start`. Ignored after the first frame.
    pub(super) fn begin(&mut self, start: i64) {
        if let (Some(step), None) = (self.step, self.last) {
            self.last = Some(start as f64 - step);
        }
    }

    /// Notes the next frame in presentation order.
    pub(super) fn pass(&mut self, pts: i64) {
        let pts = pts as f64;
        if let (Some(step), Some(last)) = (self.step, self.last) {
            self.n_distances += 1;
            let is_regular = ((pts - last) / step - 1.0).abs() < 0.5;
            self.n_irregular += usize::from(!is_regular);
        }
        self.last = Some(pts);
    }

    /// Returns the times of the frames that are missing before and between the next frames, which
    /// are at `shown` in presentation order. Empty if the frame rate is not constant.
    pub(super) fn missing(&mut self, shown: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut missing = Vec::new();
        let Some(step) = self.step else {
            return missing;
        };
        if self.n_irregular * ONE_IRREGULAR_IN > self.n_distances {
            return missing;
        }
        let mut last = self.last;
        for pts in shown {
            let pts = pts as f64;
            if let Some(last) = last {
                let n_steps = ((pts - last) / step).round();
                let n = (n_steps - 1.0).max(0.0) as usize;
                if n <= self.n_left {
                    self.n_left -= n;
                    let time = |k: usize| last + (pts - last) * k as f64 / n_steps;
                    missing.extend((1..=n).map(|k| time(k).round() as i64));
                }
            }
            last = Some(pts);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns a pace of `step` that has passed these frames.
    fn after(step: f64, frames: impl IntoIterator<Item = i64>) -> Pace {
        let mut pace = Pace::new(Some(step));
        frames.into_iter().for_each(|pts| pace.pass(pts));
        pace
    }

    /// Fails when missing frames are not placed at their times, or frames are invented where the
    /// rate varies or is unknown.
    #[test]
    fn missing_frames_are_placed_where_the_rate_is_constant() {
        // 30 frames per second in milliseconds.
        let mut pace = after(100.0 / 3.0, [0, 33, 67]);
        assert_eq!(pace.missing([100, 200]), [133, 167]);
        assert!(pace.missing([67, 100, 133]).is_empty());
        assert!(after(100.0, [0, 100, 350]).missing([900]).is_empty());
        assert!(Pace::new(None).missing([0, 1000]).is_empty());
        let mut late = Pace::new(Some(100.0));
        late.begin(500);
        assert_eq!(late.missing([800]), [500, 600, 700]);
        late.pass(500);
        late.begin(0);
        assert_eq!(late.missing([700]), [600]);
        // A camera that dropped one frame of forty.
        let dropped = (0..20).chain(21..40).map(|i| 100 * i);
        assert_eq!(after(100.0, dropped).missing([4200]), [4000, 4100]);
    }

    proptest! {
        /// Fails when damaged times request memory without bound, or are not in order.
        #[test]
        fn any_times_are_survived(step in 1e-6..1e9_f64, times in prop::collection::vec(any::<i64>(), 0..20)) {
            let mut pace = Pace::new(Some(step));
            let missing = pace.missing(times.iter().copied());
            prop_assert!(missing.len() <= MAX_MISSING);
            for pts in times {
                pace.pass(pts);
            }
        }
    }
}

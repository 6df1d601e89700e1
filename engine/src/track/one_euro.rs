//! The One-Euro filter: joints at rest do not jitter, moving joints do not lag.
//!
//! Casiez, Roussel, Vogel: "1 EUR Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
//! Interactive Systems", CHI 2012. A first-order low-pass whose cut-off frequency grows with
//! speed: `cutoff = min_cutoff + beta * |speed|`, the speed itself low-passed at `d_cutoff`.
//!
//! Two things differ from the paper. Speed is measured in person sizes per second instead of pixels
//! per second, so that the parameters hold at any resolution and distance. The weight of a new
//! value is `1 - exp(-2 pi cutoff dt)`, the exact step response of the low-pass, instead of the
//! first-order form `1 / (1 + 1 / (2 pi cutoff dt))`, so that results do not depend on the frame
//! rate.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use crate::pose::{Keypoint, Pose};

/// Parameters of the One-Euro filter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OneEuro {
    /// Cut-off frequency at rest in Hz, > 0. Smaller values smooth more and react more slowly.
    pub min_cutoff: f64,
    /// Growth of the cut-off with speed: Hz per (person size per second), >= 0. A joint at constant
    /// speed lags by less than `1 / (2 pi beta)` person sizes, at any speed.
    pub beta: f64,
    /// Cut-off frequency of the speed estimate in Hz, > 0. The paper uses 1.
    pub d_cutoff: f64,
}

impl Default for OneEuro {
    /// At rest and 30 frames per second, jitter is reduced to a third. The lag of a moving joint
    /// stays under 1.6 % of the person's size (6 pixels for a person 400 pixels high).
    fn default() -> Self {
        Self {
            min_cutoff: 1.0,
            beta: 10.0,
            d_cutoff: 1.0,
        }
    }
}

/// Gaps longer than this, in seconds, reset the filter: older values are no longer informative.
pub const MAX_GAP_SECS: f64 = 0.5;

/// Lower bound on the person's size in pixels: below it, a joint's position is mostly noise.
pub(super) const MIN_SIZE: f64 = 16.0;

/// Lower bound on the time step in seconds: no camera exceeds 1000 Hz, and nearly equal time stamps
/// would make the speed infinite.
pub(super) const MIN_STEP_SECS: f64 = 1e-3;

/// One-Euro filters for all joints of one person.
#[derive(Debug, Clone)]
pub struct Smoother {
    params: OneEuro,
    joints: Vec<Option<Joint>>,
    last_secs: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Joint {
    seen_secs: f64,
    axes: [Axis; 2],
}

#[derive(Debug, Clone, Copy)]
struct Axis {
    raw: f64,
    /// Filtered position in pixels.
    value: f64,
    /// Filtered speed in person sizes per second.
    speed: f64,
}

impl Smoother {
    /// Creates filters without any history.
    pub fn new(params: OneEuro) -> Self {
        Self {
            params,
            joints: Vec::new(),
            last_secs: None,
        }
    }

    /// Returns filters with the same parameters without any history.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.params)
    }

    /// Replaces the parameters from the next value on and keeps the filters' state.
    pub fn set_params(&mut self, params: OneEuro) {
        self.params = params;
    }

    /// Returns the smoothed joints of a person of `size` pixels at `time_secs`.
    ///
    /// The filters are reset when time stands still, goes backwards or jumps by more than
    /// [`MAX_GAP_SECS`]. A joint whose score does not exceed [`Pose::COUNTING_SCORE`] is passed
    /// through without updating its filter: its position is a guess that would drag later values
    /// along. A joint with a non-finite position is replaced by the last known position with score
    /// 0.
    pub fn smooth(&mut self, time_secs: f64, size: f64, raw: &[Keypoint]) -> Vec<Keypoint> {
        let fresh = |last: f64| {
            let dt = time_secs - last;
            dt > 0.0 && dt <= MAX_GAP_SECS
        };
        if !self.last_secs.is_some_and(fresh) || self.joints.len() != raw.len() {
            self.joints = vec![None; raw.len()];
        }
        self.last_secs = Some(time_secs);
        let size = if size.is_finite() { size } else { 0.0 }.max(MIN_SIZE);
        let params = self.params;
        let step = |(joint, k): (&mut Option<Joint>, &Keypoint)| {
            if !(k.x.is_finite() && k.y.is_finite() && k.score.is_finite()) {
                let [x, y] = joint.map_or([0.0; 2], |j| j.axes.map(|a| a.value as f32));
                return Keypoint { x, y, score: 0.0 };
            }
            if k.score <= Pose::COUNTING_SCORE {
                return *k;
            }
            let raw = [f64::from(k.x), f64::from(k.y)];
            let next = match joint.filter(|j| fresh(j.seen_secs)) {
                Some(j) => {
                    let dt = time_secs - j.seen_secs;
                    [0, 1].map(|i| j.axes[i].step(raw[i], dt, size, &params))
                }
                None => raw.map(|raw| Axis {
                    raw,
                    value: raw,
                    speed: 0.0,
                }),
            };
            *joint = Some(Joint {
                seen_secs: time_secs,
                axes: next,
            });
            let [x, y] = next.map(|a| a.value as f32);
            Keypoint { x, y, ..*k }
        };
        self.joints.iter_mut().zip(raw).map(step).collect()
    }
}

impl Axis {
    fn step(self, raw: f64, dt: f64, size: f64, params: &OneEuro) -> Self {
        let blend = |cutoff: f64| 1.0 - (-TAU * cutoff * dt).exp();
        let measured = (raw - self.raw) / (dt.max(MIN_STEP_SECS) * size);
        let speed = self.speed + blend(params.d_cutoff) * (measured - self.speed);
        let cutoff = params.min_cutoff + params.beta * speed.abs();
        let value = self.value + blend(cutoff) * (raw - self.value);
        Self { raw, value, speed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: f64 = 300.0;

    fn at(x: f64) -> Keypoint {
        Keypoint {
            x: x as f32,
            y: -x as f32,
            score: 0.9,
        }
    }

    /// Returns the filtered x of a joint that follows `path` (pixels over seconds) at `hz` for
    /// `secs`.
    fn run(hz: f64, secs: f64, path: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut smoother = Smoother::new(OneEuro::default());
        (0..=(secs * hz) as usize)
            .map(|i| {
                let t = i as f64 / hz;
                let out = smoother.smooth(t, SIZE, &[at(path(t))])[0];
                assert_eq!(out.x, -out.y, "both axes are filtered alike");
                f64::from(out.x)
            })
            .collect()
    }

    proptest! {
        /// Fails when a joint at rest drifts or is displaced.
        #[test]
        fn constant_input_stays_constant(x in -50.0..2000.0_f64, hz in 5.0..240.0) {
            let x = f64::from(x as f32);
            prop_assert!(run(hz, 1.0, |_| x).iter().all(|v| (v - x).abs() < 1e-3));
        }

        /// Fails when the filter does not converge after a step, or overshoots.
        #[test]
        fn a_step_converges_without_overshoot(step in 1.0..300.0_f64, hz in 10.0..120.0) {
            let out = run(hz, 2.0, |t| if t < 0.2 { 0.0 } else { step });
            prop_assert!(out.iter().all(|v| *v <= step + 1e-3));
            prop_assert!(out.is_sorted());
            prop_assert!(step - out[out.len() - 1] < 0.01 * step);
        }

        /// Fails when the joints of fast movements are drawn too far behind the body.
        #[test]
        fn lag_is_bounded_at_any_speed(speed in 1.0..4000.0_f64, hz in 10.0..120.0) {
            let out = run(hz, 3.0, |t| speed * t);
            let end = (3.0 * hz).floor() / hz;
            let lag = speed * end - out[out.len() - 1];
            let bound = SIZE / (TAU * OneEuro::default().beta);
            prop_assert!(lag > -0.01 && lag < bound, "{lag} of {bound}");
        }

        /// Fails when the smoothing depends on the camera's frame rate.
        #[test]
        fn thirty_and_sixty_hertz_agree(amplitude in 5.0..100.0_f64, beat in 0.1..1.0_f64) {
            let path = |t: f64| amplitude * (TAU * beat * t).sin();
            let (slow, fast) = (run(30.0, 3.0, path), run(60.0, 3.0, path));
            for (s, f) in slow.iter().zip(fast.iter().step_by(2)) {
                prop_assert!((s - f).abs() < 0.06 * amplitude, "{s} {f}");
            }
        }

        /// Fails when the smoothing depends on resolution or distance.
        #[test]
        fn scaling_the_input_scales_the_result(xs in prop::collection::vec(0.0..300.0_f32, 2..20)) {
            let mut near = Smoother::new(OneEuro::default());
            let mut far = Smoother::new(OneEuro::default());
            for (i, x) in xs.iter().enumerate() {
                let t = i as f64 / 30.0;
                let k = |scale: f32| Keypoint { x: scale * x, y: 0.0, score: 1.0 };
                let a = near.smooth(t, 2.0 * SIZE, &[k(2.0)])[0].x;
                let b = far.smooth(t, SIZE, &[k(1.0)])[0].x;
                prop_assert!((a - 2.0 * b).abs() < 1e-3);
            }
        }

        /// Fails when one NaN makes all later values of a joint NaN.
        #[test]
        fn nan_input_never_reaches_the_output(values in prop::collection::vec(any::<[f32; 3]>(), 1..20),
                                times in prop::collection::vec(any::<f64>(), 20),
                                size in any::<f64>()) {
            let last = times[values.len() - 1];
            let mut smoother = Smoother::new(OneEuro::default());
            for (k, t) in values.into_iter().zip(times) {
                let out = smoother.smooth(t, size, &[Keypoint::from(k)])[0];
                prop_assert!(!out.x.is_nan() && !out.y.is_nan() && !out.score.is_nan());
            }
            // A new run works normally.
            let start = if (last - 10.0).abs() < 5.0 { 100.0 } else { 10.0 };
            for i in 0..3 {
                let out = smoother.smooth(start + f64::from(i) / 30.0, SIZE, &[at(7.0)]);
                prop_assert_eq!(out[0], at(7.0));
            }
        }
    }

    /// Fails when a joint glides across the image after a pause, a seek or a loop.
    #[test]
    fn gaps_and_jumps_back_reset_the_filter() {
        for later in [1.0 / 30.0 + MAX_GAP_SECS + 0.01, 0.01, 1.0 / 30.0] {
            let mut smoother = Smoother::new(OneEuro::default());
            smoother.smooth(0.0, SIZE, &[at(0.0)]);
            smoother.smooth(1.0 / 30.0, SIZE, &[at(0.0)]);
            assert_eq!(smoother.smooth(later, SIZE, &[at(200.0)])[0].x, 200.0);
        }
    }

    /// Fails when the guessed position of a hidden joint affects its later positions.
    #[test]
    fn a_hidden_joint_does_not_drag() {
        let mut smoother = Smoother::new(OneEuro::default());
        let hidden = Keypoint {
            score: 0.1,
            ..at(250.0)
        };
        smoother.smooth(0.0, SIZE, &[at(10.0)]);
        assert_eq!(smoother.smooth(0.1, SIZE, &[hidden])[0], hidden);
        assert_eq!(smoother.smooth(0.2, SIZE, &[at(10.0)])[0].x, 10.0);
    }

    /// Fails when smoothing is too weak: alternating noise must shrink to a third or less.
    #[test]
    fn jitter_shrinks() {
        let out = run(30.0, 3.0, |t| {
            if (t * 30.0).round() as i64 % 2 == 0 {
                1.0
            } else {
                -1.0
            }
        });
        assert!(out[60..].iter().all(|v| v.abs() < 1.0 / 3.0));
    }
}

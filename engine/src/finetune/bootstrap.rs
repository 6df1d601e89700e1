//! Figures before and after a training with bootstrap intervals, paired by frame: every resampled
//! set of frames is measured with both networks.

use serde::{Deserialize, Serialize};

use super::errors::FrameErrors;
use crate::augment::Rng;

/// Number of resampled sets.
const N_RESAMPLED: usize = 2000;
/// Share of the resampled values that lies in an interval.
const LEVEL: f64 = 0.95;
/// Limits of PCK in torso lengths.
const LIMITS: [f64; 2] = [0.1, 0.2];
/// With fewer frames no difference is clear.
pub(super) const MIN_FRAMES: usize = 3;
/// Seed of the resampling.
const SEED: u64 = 15;

/// Lower and upper limit.
pub type Interval = [f64; 2];

/// 95 % intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of [`Figures::error_torso`].
    pub error_torso: Interval,
    /// Of [`Figures::pck_0_1`].
    pub pck_0_1: Interval,
    /// Of [`Figures::pck_0_2`].
    pub pck_0_2: Interval,
}

/// Means over all labelled joints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Mean error in torso lengths.
    pub error_torso: f64,
    /// Share of joints within 0.1 torso lengths, 0 to 1.
    pub pck_0_1: f64,
    /// Share of joints within 0.2 torso lengths, 0 to 1.
    pub pck_0_2: f64,
    /// Intervals of these figures.
    pub intervals: Intervals,
}

/// Figures of two networks on the same frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Number of frames.
    pub frames: usize,
    /// Number of people.
    pub people: usize,
    /// Number of labelled joints.
    pub joints: usize,
    /// Number of people without a torso length, who are not measured.
    pub left_out: usize,
    /// Figures of the old network.
    pub before: Figures,
    /// Figures of the new network.
    pub after: Figures,
    /// New minus old.
    pub difference: Figures,
}

/// Sums over the joints of one frame: their number, errors, joints within each limit.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: f64,
    values: [f64; 3],
}

impl Sums {
    fn of(frame: &FrameErrors) -> Self {
        let mut sums = Self::default();
        for error in frame.people.iter().flatten() {
            sums.n += 1.0;
            sums.values[0] += error;
            for (sum, limit) in sums.values[1..].iter_mut().zip(LIMITS) {
                *sum += f64::from(u8::from(*error <= limit));
            }
        }
        sums
    }

    fn add(&mut self, other: &Self) {
        self.n += other.n;
        for (sum, value) in self.values.iter_mut().zip(other.values) {
            *sum += value;
        }
    }

    fn means(&self) -> [f64; 3] {
        self.values.map(|value| value / self.n.max(1.0))
    }
}

impl Figures {
    fn of([error_torso, pck_0_1, pck_0_2]: [f64; 3], samples: &[[f64; 3]]) -> Self {
        let [a, b, c] = [0, 1, 2].map(|i| interval(samples.iter().map(|s| s[i]).collect()));
        Self {
            error_torso,
            pck_0_1,
            pck_0_2,
            intervals: Intervals {
                error_torso: a,
                pck_0_1: b,
                pck_0_2: c,
            },
        }
    }
}

/// Returns the limits between which the middle [`LEVEL`] of the values lies.
fn interval(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    let outside = (1.0 - LEVEL) / 2.0 * last;
    let at = |i: f64| values.get(i as usize).copied().unwrap_or_default();
    [at(outside.floor()), at((last - outside).ceil())]
}

/// Compares the errors of two networks in the same frames; `left_out` people were not measured.
/// `None` without a labelled joint.
pub(super) fn compare(
    before: &[FrameErrors],
    after: &[FrameErrors],
    left_out: usize,
) -> Option<Comparison> {
    let sums = |frames: &[FrameErrors]| frames.iter().map(Sums::of).collect::<Vec<_>>();
    let both = [sums(before), sums(after)];
    let n = before.len().min(after.len());
    let [old, new] = both.each_ref().map(|sums| total(sums, &mut (0..n)));
    if old.n == 0.0 {
        return None;
    }
    let [of_old, of_new, of_difference] = &resampled(&both, n);
    let (old_means, new_means) = (old.means(), new.means());
    Some(Comparison {
        frames: n,
        people: before.iter().map(|frame| frame.people.len()).sum(),
        joints: old.n as usize,
        left_out,
        before: Figures::of(old_means, of_old),
        after: Figures::of(new_means, of_new),
        difference: Figures::of(less(new_means, old_means), of_difference),
    })
}

fn total(sums: &[Sums], frames: &mut dyn Iterator<Item = usize>) -> Sums {
    let mut total = Sums::default();
    frames.for_each(|i| total.add(&sums[i]));
    total
}

/// Returns the means of the old and the new network, and their difference, in resampled sets of `n`
/// frames.
fn resampled(both: &[Vec<Sums>; 2], n: usize) -> [Vec<[f64; 3]>; 3] {
    let mut rng = Rng::new(&[SEED]);
    let mut samples: [Vec<[f64; 3]>; 3] = Default::default();
    for _ in 0..N_RESAMPLED {
        let drawn: Vec<usize> = (0..n).map(|_| rng.below(n)).collect();
        let [old, new] = both
            .each_ref()
            .map(|sums| total(sums, &mut drawn.iter().copied()));
        if old.n > 0.0 {
            let (old, new) = (old.means(), new.means());
            for (samples, values) in samples.iter_mut().zip([old, new, less(new, old)]) {
                samples.push(values);
            }
        }
    }
    samples
}

/// Returns the 95 % interval of the difference in PCK of two networks on the same images, paired by
/// image; for each image, the number of found joints and of all is given. `None` if these are not the
/// same images, or too few for an interval.
pub fn pck_interval(before: &[[u32; 2]], after: &[[u32; 2]]) -> Option<Interval> {
    let n = before.len();
    let is_same = |(old, new): (&[u32; 2], &[u32; 2])| old[1] == new[1];
    if n < MIN_FRAMES || n != after.len() || !before.iter().zip(after).all(is_same) {
        return None;
    }
    let sums = |[found, all]: &[u32; 2]| Sums {
        n: f64::from(*all),
        values: [f64::from(*found), 0.0, 0.0],
    };
    let both = [before, after].map(|hits| hits.iter().map(sums).collect::<Vec<_>>());
    let [.., differences] = resampled(&both, n);
    let shares: Vec<f64> = differences.iter().map(|values| values[0]).collect();
    (!shares.is_empty()).then(|| interval(shares))
}

fn less(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns frames of one person with ten joints each, all with the same error.
    pub(crate) fn frames(errors: &[f64]) -> Vec<FrameErrors> {
        let frame = |(i, error): (usize, &f64)| FrameErrors {
            clip: "clip".to_owned(),
            frame: i as u32,
            people: vec![vec![*error; 10]],
            poses: Vec::new(),
        };
        errors.iter().enumerate().map(frame).collect()
    }

    /// Fails when a difference of two joints in hundreds is called clear, or one in most images is not,
    /// or networks are compared on other images.
    #[test]
    fn few_joints_are_no_clear_difference() {
        let before = vec![[10, 12]; 25];
        let mut after = before.clone();
        after[3][0] += 1;
        after[17][0] += 1;
        let [low, high] = pck_interval(&before, &after).unwrap();
        assert!(low <= 0.0 && high > 0.0, "{low} {high}");
        let clear: Vec<_> = before
            .iter()
            .map(|[found, all]| [found + 1, *all])
            .collect();
        let [low, _] = pck_interval(&before, &clear).unwrap();
        assert!((low - 1.0 / 12.0).abs() < 1e-9, "{low}");
        assert_eq!(pck_interval(&before, &clear[1..]), None);
        assert_eq!(pck_interval(&before[..2], &clear[..2]), None);
    }

    /// Fails when a mean or share is wrong, or an interval differs from the normal distribution's,
    /// whose 95 % are 1.96 standard errors on either side of the mean of many frames.
    #[test]
    fn intervals_of_known_data() {
        let mut rng = Rng::new(&[3]);
        let n = 400;
        let before: Vec<f64> = (0..n).map(|_| 0.15 + 0.02 * rng.normals()[0]).collect();
        let after: Vec<f64> = before
            .iter()
            .map(|e| e - 0.05 + 0.01 * rng.normals()[0])
            .collect();
        let compared = compare(&frames(&before), &frames(&after), 2).unwrap();
        assert_eq!(
            (compared.frames, compared.people, compared.joints),
            (n, n, 10 * n)
        );
        assert_eq!(compared.left_out, 2);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((compared.before.error_torso - mean(&before)).abs() < 1e-12);
        let within = after.iter().filter(|e| **e <= 0.1).count() as f64 / n as f64;
        assert!((compared.after.pck_0_1 - within).abs() < 1e-12);
        assert_eq!(compared.after.pck_0_2, 1.0);
        for (figures, sigma) in [(compared.before, 0.02), (compared.difference, 0.01)] {
            let [low, high] = figures.intervals.error_torso;
            let half = 1.96 * sigma / f64::from(n as u32).sqrt();
            let middle = figures.error_torso;
            assert!(
                (middle - low - half).abs() < 0.25 * half,
                "{low} {middle} {high}"
            );
            assert!(
                (high - middle - half).abs() < 0.25 * half,
                "{low} {middle} {high}"
            );
        }
        // Paired: the difference is known far better than either value.
        let width = |of: Interval| of[1] - of[0];
        let of_before = width(compared.before.intervals.error_torso);
        assert!(width(compared.difference.intervals.error_torso) < 0.7 * of_before);
        assert_eq!(compare(&[], &[], 0), None);
    }
}

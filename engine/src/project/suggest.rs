//! Which frames are worth labelling: those that the network is unsure about.
//!
//! [`choose`] picks frames by their [`measures`](super::measures) in turn, plus some at random,
//! because a model can be confidently wrong.

use std::collections::BTreeMap;

use super::difference::Differences;
use super::person::FrameKey;
use super::reason::{Reason, Suggestion};
use crate::augment::Rng;

/// One suggestion in this many is drawn at random, and one is drawn from the hold-out.
const ONE_IN: usize = 5;
/// Minimum time between suggested frames of a clip in seconds. Images of a folder have no times.
pub(super) const APART_SECS: f64 = 0.5;

/// Value from which on a measure is a reason.
fn threshold(reason: Reason) -> f64 {
    match reason {
        Reason::Change | Reason::Peaks => 0.3,
        Reason::Bones => 3.0,
        Reason::Flip => 0.2,
        Reason::Different => 0.5,
        Reason::ByHand | Reason::HoldOut | Reason::Random => 0.0,
    }
}

/// A frame with its measures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    pub at: FrameKey,
    /// Time in seconds; `None` for images, which may be as close as they like.
    pub secs: Option<f64>,
    pub is_held_out: bool,
    /// Values of the measures that exist for this frame.
    pub values: Vec<(Reason, f64)>,
    /// Description by the network's features; may be empty.
    pub description: Vec<f32>,
}

/// Frames that were suggested before.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken {
    /// Their times by clip.
    pub times: BTreeMap<u32, Vec<f64>>,
    /// The descriptions that are known.
    pub descriptions: Vec<Vec<f32>>,
}

/// Completes the choice of `kept` frames to up to `n` of `frames`, at least [`APART_SECS`] apart in
/// their clip, also from those at the times of those `taken`. Returns the indices of all of them with
/// the reason for each, the kept ones first.
pub(super) fn choose(
    frames: &[Measured],
    kept: &[(usize, Suggestion)],
    taken: Taken,
    n: usize,
    rng: &mut Rng,
) -> Vec<(usize, Suggestion)> {
    let mut chosen = Chosen {
        frames,
        taken: taken.times,
        list: kept.to_vec(),
    };
    for (i, _) in kept {
        let Measured { at, secs, .. } = &frames[*i];
        chosen.taken.entry(at.clip).or_default().extend(secs);
    }
    let descriptions = frames.iter().map(|frame| &frame.description[..]);
    let mut differences = Differences::new(descriptions.collect(), &taken.descriptions);
    let shuffled = |is_held_out: bool, rng: &mut Rng| {
        let of_role = (0..frames.len()).filter(|i| frames[*i].is_held_out == is_held_out);
        let mut indices: Vec<usize> = of_role.collect();
        rng.shuffle(&mut indices);
        indices
    };
    let share = |n: usize| (n + ONE_IN / 2) / ONE_IN;
    let held_out = shuffled(true, rng);
    let n_held_out = share(n).max(1).min(n);
    let n_missing = n_held_out.saturating_sub(chosen.count(Reason::HoldOut));
    chosen.draw(&held_out, Reason::HoldOut, n_missing.min(chosen.n_left(n)));
    let rest = n - chosen.count(Reason::HoldOut).min(n);
    let n_random = share(rest).saturating_sub(chosen.count(Reason::Random));
    let n_measured = chosen.n_left(n).saturating_sub(n_random);

    // Every reason has its own list, best first; they take turns.
    let train = shuffled(false, rng);
    let ranked = Reason::MEASURED.map(|reason| {
        let value = |i: usize| {
            let mut values = frames[i].values.iter();
            let value = values.find(|(r, _)| *r == reason)?.1;
            (value >= threshold(reason)).then_some((value, i))
        };
        let mut ranked: Vec<(f64, usize)> = train.iter().filter_map(|i| value(*i)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        (reason, ranked)
    });
    let mut ranked = Vec::from(ranked);
    let n_before_random = chosen.list.len() + n_measured;
    while chosen.list.len() < n_before_random {
        let n_before = chosen.list.len();
        for (reason, list) in &mut ranked {
            if chosen.list.len() == n_before_random {
                break;
            }
            while let Some((value, i)) = list.pop() {
                if chosen.take(i, *reason, value as f32) {
                    break;
                }
            }
        }
        if chosen.list.len() < n_before_random {
            chosen.take_different(&mut differences, &train);
        }
        if chosen.list.len() == n_before {
            break;
        }
    }
    chosen.draw(&train, Reason::Random, chosen.n_left(n));
    chosen.list
}

/// The frames chosen so far.
struct Chosen<'a> {
    frames: &'a [Measured],
    /// Times of chosen frames by clip.
    taken: BTreeMap<u32, Vec<f64>>,
    list: Vec<(usize, Suggestion)>,
}

impl Chosen<'_> {
    fn count(&self, reason: Reason) -> usize {
        let of_reason = self.list.iter().filter(|(_, s)| s.reason == reason);
        of_reason.count()
    }

    /// Returns how many are missing to `n`.
    fn n_left(&self, n: usize) -> usize {
        n.saturating_sub(self.list.len())
    }

    /// Takes a frame, unless it is taken or too close to another one.
    fn take(&mut self, i: usize, reason: Reason, value: f32) -> bool {
        let frame = &self.frames[i];
        if self.list.iter().any(|(other, _)| *other == i) {
            return false;
        }
        if let Some(secs) = frame.secs {
            let times = self.taken.entry(frame.at.clip).or_default();
            // Times of frames are rounded.
            if times.iter().any(|t| (t - secs).abs() < APART_SECS - 1e-6) {
                return false;
            }
            times.push(secs);
        }
        self.list.push((i, Suggestion { reason, value }));
        true
    }

    /// Takes the frame that differs most from everything taken so far, if any differs clearly.
    fn take_different(&mut self, differences: &mut Differences<'_>, indices: &[usize]) {
        for (i, _) in &self.list {
            differences.take(*i);
        }
        let by_value = indices
            .iter()
            .filter_map(|i| Some((differences.of(*i)?, *i)));
        let clear = by_value.filter(|(value, _)| *value >= threshold(Reason::Different));
        let mut clear: Vec<(f64, usize)> = clear.collect();
        clear.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (value, i) in clear {
            if self.take(i, Reason::Different, value as f32) {
                break;
            }
        }
    }

    fn draw(&mut self, indices: &[usize], reason: Reason, n: usize) {
        let mut n_left = n;
        for i in indices {
            if n_left == 0 {
                break;
            }
            n_left -= usize::from(self.take(*i, reason, 0.0));
        }
    }
}

#[cfg(test)]
mod tests;

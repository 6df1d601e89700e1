//! Which frames are worth labelling: what the network is unsure about.
//!
//! A [`Meter`] takes the predictions of frames in order of time and measures each against its
//! neighbours; [`choose`] picks frames by these measures in turn, plus some at random, because a
//! model can be confidently wrong.

use std::collections::BTreeMap;

use super::difference::Differences;
use super::person::FrameKey;
use super::reason::{Reason, Suggestion};
use crate::augment::Rng;
use crate::output::{PoseOutput, SharedPlanes};
use crate::pose::Keypoint;
use crate::skeleton::Skeleton;

/// Minimum score of joints that measures use.
const SEEN: f32 = 0.3;
/// Minimum height of a heatmap's first peak for its second to count.
const PEAK: f32 = 0.2;
/// Peaks closer than this share of the map's width belong to one joint.
const PEAK_RADIUS: f64 = 0.12;
/// Number of joints with the most ambiguous heatmaps that are averaged.
const WORST_JOINTS: usize = 3;
/// Smallest usual deviation of a logarithmic bone length: 5 %.
pub(super) const MIN_DEVIATION: f64 = 0.05;
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

/// Measures the frames of one clip.
pub(super) struct Meter {
    skeleton: &'static Skeleton,
    last: Option<Last>,
    frames: Vec<Frame>,
}

struct Last {
    heatmaps: SharedPlanes,
    joints: Vec<Keypoint>,
}

/// Measures of a frame so far.
#[derive(Default)]
struct Frame {
    peaks: Option<f64>,
    /// Logarithms of the lengths of the limbs, relative to the median limb.
    bones: Vec<Option<f64>>,
    /// Against the frame before and the one after.
    changes: Vec<f64>,
    flips: Vec<f64>,
}

impl Meter {
    pub(super) fn new(skeleton: &'static Skeleton) -> Self {
        Self {
            skeleton,
            last: None,
            frames: Vec::new(),
        }
    }

    /// Adds the next frame.
    pub(super) fn push(&mut self, output: &PoseOutput) {
        let (Some(pose), Some(region)) = (output.poses.first(), output.regions.first()) else {
            // Nobody was found: there is nothing to compare the neighbours with.
            self.last = None;
            self.frames.push(Frame::default());
            return;
        };
        let now = Last {
            heatmaps: region.heatmaps.clone(),
            joints: pose.keypoints_raw.clone(),
        };
        let mut frame = Frame {
            peaks: second_peak(&now.heatmaps),
            bones: bones(self.skeleton, &now.joints),
            ..Frame::default()
        };
        if let (Some(last), Some(before)) = (&self.last, self.frames.last_mut()) {
            let change = change(&last.heatmaps, &now.heatmaps);
            let flip = flip(self.skeleton, &last.joints, &now.joints);
            for frame in [before, &mut frame] {
                frame.changes.extend(change);
                frame.flips.extend(flip);
            }
        }
        self.last = Some(now);
        self.frames.push(frame);
    }

    /// Returns the measures of every frame, in the order in which they were added.
    pub(super) fn finish(self) -> Vec<Vec<(Reason, f64)>> {
        let usual: Vec<Option<(f64, f64)>> = (0..self.skeleton.limbs.len())
            .map(|limb| {
                let lengths = self.frames.iter().filter_map(|f| *f.bones.get(limb)?);
                let lengths: Vec<f64> = lengths.collect();
                let middle = median(lengths.clone())?;
                let deviations = lengths.iter().map(|length| (length - middle).abs());
                Some((middle, median(deviations.collect())?.max(MIN_DEVIATION)))
            })
            .collect();
        let unlikely = |frame: &Frame| {
            let limbs = frame
                .bones
                .iter()
                .zip(&usual)
                .filter_map(|(length, usual)| {
                    let (middle, deviation) = (*usual)?;
                    Some(((*length)? - middle).abs() / deviation)
                });
            limbs.reduce(f64::max)
        };
        let mean = |values: &[f64]| {
            let n = values.len() as f64;
            (n > 0.0).then(|| values.iter().sum::<f64>() / n)
        };
        let measures = |frame: &Frame| {
            let values = [
                (Reason::Change, mean(&frame.changes)),
                (Reason::Peaks, frame.peaks),
                (Reason::Bones, unlikely(frame)),
                (Reason::Flip, mean(&frame.flips)),
            ];
            let known = values.into_iter().filter_map(|(r, v)| Some((r, v?)));
            known
                .filter(|(_, value)| value.is_finite())
                .collect::<Vec<_>>()
        };
        self.frames.iter().map(measures).collect()
    }
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Returns the share of the heatmaps that does not overlap, 0 to 1. Both are relative to the region
/// around the person, so that this is the change of the pose and not of the place.
fn change(a: &SharedPlanes, b: &SharedPlanes) -> Option<f64> {
    if a.n == 0 || (a.n, a.size) != (b.n, b.size) {
        return None;
    }
    let (mut common, mut all) = (0.0, 0.0);
    for (a, b) in a.values.iter().zip(b.values.iter()) {
        let (a, b) = (f64::from(a.max(0.0)), f64::from(b.max(0.0)));
        common += a.min(b);
        all += a.max(b);
    }
    (all > 0.0).then(|| 1.0 - common / all)
}

/// Returns the height of the second peak relative to the first, averaged over the joints where it
/// is highest.
fn second_peak(maps: &SharedPlanes) -> Option<f64> {
    let mut ratios: Vec<f64> = (0..maps.n).filter_map(|joint| ratio(maps, joint)).collect();
    ratios.sort_by(|a, b| b.total_cmp(a));
    ratios.truncate(WORST_JOINTS);
    let n = ratios.len() as f64;
    (n > 0.0).then(|| ratios.iter().sum::<f64>() / n)
}

fn ratio(maps: &SharedPlanes, joint: usize) -> Option<f64> {
    let (plane, width) = (maps.plane(joint), maps.size.width);
    let height = maps.size.height;
    let best = (0..plane.len()).max_by(|a, b| plane[*a].total_cmp(&plane[*b]))?;
    if plane[best] < PEAK {
        return None;
    }
    let radius = (PEAK_RADIUS * width as f64).max(2.0);
    let is_far = |at: usize| {
        let dx = (at % width).abs_diff(best % width) as f64;
        let dy = (at / width).abs_diff(best / width) as f64;
        dx.hypot(dy) > radius
    };
    // The slope of the first peak is higher than many a second peak.
    let is_peak = |at: usize| {
        let (x, y) = (at % width, at / width);
        let value = plane[at];
        (x == 0 || plane[at - 1] <= value)
            && (x + 1 == width || plane[at + 1] <= value)
            && (y == 0 || plane[at - width] <= value)
            && (y + 1 == height || plane[at + width] <= value)
    };
    let others = (0..plane.len()).filter(|&at| is_far(at) && is_peak(at));
    let second = others.map(|at| plane[at]).fold(0.0, f32::max);
    Some(f64::from(second / plane[best]))
}

fn seen(joints: &[Keypoint], joint: usize) -> Option<Keypoint> {
    joints.get(joint).copied().filter(|k| k.score >= SEEN)
}

/// Returns the logarithm of the length of each limb relative to the median limb.
pub(super) fn bones(skeleton: &Skeleton, joints: &[Keypoint]) -> Vec<Option<f64>> {
    let length = |[a, b]: [usize; 2]| {
        let (a, b) = (seen(joints, a)?, seen(joints, b)?);
        Some(a.point().distance(b.point())).filter(|length| *length > 0.0)
    };
    let lengths: Vec<Option<f64>> = skeleton.limbs.iter().map(|limb| length(*limb)).collect();
    let scale = median(lengths.iter().flatten().copied().collect());
    let relative = |length: &Option<f64>| Some((length.as_ref()? / scale?).ln());
    lengths.iter().map(relative).collect()
}

/// Returns the share of the way between two poses that exchanging left and right would save; 0 if
/// it would save nothing.
pub(super) fn flip(skeleton: &Skeleton, a: &[Keypoint], b: &[Keypoint]) -> Option<f64> {
    let (mut same, mut crossed, mut n) = (0.0, 0.0, 0);
    for (j, &m) in skeleton.mirror.iter().enumerate().filter(|(j, m)| j < *m) {
        let pairs = [seen(a, j), seen(a, m), seen(b, j), seen(b, m)];
        if let [Some(aj), Some(am), Some(bj), Some(bm)] = pairs {
            let way = |p: Keypoint, q: Keypoint| p.point().distance(q.point());
            same += way(aj, bj) + way(am, bm);
            crossed += way(aj, bm) + way(am, bj);
            n += 1;
        }
    }
    let saved = if crossed < same {
        1.0 - crossed / same
    } else {
        0.0
    };
    (n > 0).then_some(saved)
}

/// Chooses up to `n` of `frames`, at least [`APART_SECS`] apart in their clip, also from those at
/// the times of those `taken`. Returns their indices with the reason for each.
pub(super) fn choose(
    frames: &[Measured],
    taken: Taken,
    n: usize,
    rng: &mut Rng,
) -> Vec<(usize, Suggestion)> {
    let mut chosen = Chosen {
        frames,
        taken: taken.times,
        list: Vec::new(),
    };
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
    chosen.draw(&held_out, Reason::HoldOut, n_held_out);
    let rest = n - chosen.list.len();
    let n_measured = rest - share(rest);

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
    chosen.draw(&train, Reason::Random, n - chosen.list.len());
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

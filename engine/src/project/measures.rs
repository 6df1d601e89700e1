//! How unsure the network is about a frame: measures of its prediction and of the change from the
//! frames before and after.

use serde::{Deserialize, Serialize};

use super::heatmaps::HeatmapPeaks;
use super::reason::Reason;
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

/// The prediction for the best person in a frame, as far as measures need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Prediction {
    joints: Vec<Keypoint>,
    heatmaps: HeatmapPeaks,
    /// Height of the second peak relative to the first.
    second_peak: Option<f64>,
}

impl Prediction {
    /// Returns the prediction in an output with heatmaps; `None` if nobody was found.
    pub(super) fn of(output: &PoseOutput) -> Option<Self> {
        let (pose, region) = (output.poses.first()?, output.regions.first()?);
        Some(Self {
            joints: pose.keypoints_raw.clone(),
            heatmaps: HeatmapPeaks::of(&region.heatmaps),
            second_peak: second_peak(&region.heatmaps),
        })
    }
}

/// Measures of a frame before they are compared with those of the clip.
#[derive(Default)]
struct Raw {
    peaks: Option<f64>,
    /// Logarithms of the lengths of the limbs, relative to the median limb.
    bones: Vec<Option<f64>>,
    /// Against the frame before and the one after.
    changes: Vec<f64>,
    flips: Vec<f64>,
}

/// Returns the measures of frames of one clip, which are in order of time; `None` stands for a frame
/// in which nobody was found.
pub(super) fn measures(
    skeleton: &Skeleton,
    frames: &[Option<&Prediction>],
) -> Vec<Vec<(Reason, f64)>> {
    let mut raw: Vec<Raw> = frames.iter().map(|frame| alone(skeleton, *frame)).collect();
    for i in 1..frames.len() {
        // Next to a frame without a person there is nothing to compare with.
        if let (Some(last), Some(now)) = (frames[i - 1], frames[i]) {
            let change = last.heatmaps.change(&now.heatmaps);
            let flip = flip(skeleton, &last.joints, &now.joints);
            for frame in &mut raw[i - 1..=i] {
                frame.changes.extend(change);
                frame.flips.extend(flip);
            }
        }
    }
    let usual: Vec<Option<(f64, f64)>> = (0..skeleton.limbs.len())
        .map(|limb| {
            let lengths = raw.iter().filter_map(|frame| *frame.bones.get(limb)?);
            let lengths: Vec<f64> = lengths.collect();
            let middle = median(lengths.clone())?;
            let deviations = lengths.iter().map(|length| (length - middle).abs());
            Some((middle, median(deviations.collect())?.max(MIN_DEVIATION)))
        })
        .collect();
    raw.iter().map(|frame| finished(frame, &usual)).collect()
}

fn alone(skeleton: &Skeleton, prediction: Option<&Prediction>) -> Raw {
    prediction.map_or_else(Raw::default, |prediction| Raw {
        peaks: prediction.second_peak,
        bones: bones(skeleton, &prediction.joints),
        ..Raw::default()
    })
}

/// Returns the measures of a frame that exist; `usual` has the median of each limb and the usual
/// deviation from it.
fn finished(frame: &Raw, usual: &[Option<(f64, f64)>]) -> Vec<(Reason, f64)> {
    let limbs = frame.bones.iter().zip(usual);
    let unlikely = limbs.filter_map(|(length, usual)| {
        let (middle, deviation) = (*usual)?;
        Some(((*length)? - middle).abs() / deviation)
    });
    let mean = |values: &[f64]| {
        let n = values.len() as f64;
        (n > 0.0).then(|| values.iter().sum::<f64>() / n)
    };
    let values = [
        (Reason::Change, mean(&frame.changes)),
        (Reason::Peaks, frame.peaks),
        (Reason::Bones, unlikely.reduce(f64::max)),
        (Reason::Flip, mean(&frame.flips)),
    ];
    let known = values.into_iter().filter_map(|(r, v)| Some((r, v?)));
    known.filter(|(_, value)| value.is_finite()).collect()
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
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

#[cfg(test)]
mod tests;

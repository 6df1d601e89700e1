//! How sure a top-down network is that its region shows a person.

use super::follow::counting;
use crate::pose::Pose;

/// Poses with fewer counting joints are rejected.
const MIN_JOINTS: usize = 5;

/// Weight of a new frame in the running average of the evidence.
const RATE: f64 = 1.0 / 12.0;

/// Returns the evidence of a person whose average was `last` before this pose, `None` for a new
/// person. Evidence is the mean score of the better half of the joints, averaged over about twelve
/// frames; `None` when too few joints count.
pub fn evidence_with(last: Option<f64>, pose: &Pose) -> Option<f64> {
    let joints = MIN_JOINTS.min(pose.keypoints_raw.len()).max(1);
    if counting(pose).count() < joints {
        return None;
    }
    let now = evidence(pose);
    Some(last.map_or(now, |last| last + RATE * (now - last)))
}

/// Returns the mean score of the better half of the joints.
fn evidence(pose: &Pose) -> f64 {
    let mut scores: Vec<f32> = pose.keypoints_raw.iter().map(|k| k.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let n = (scores.len() / 2).max(1);
    scores.iter().take(n).map(|&s| f64::from(s)).sum::<f64>() / n as f64
}

//! Past joint positions of a moving person, and their predicted positions.
//!
//! A joint is seen when it has a score above 0 and a position. Bottom-up networks leave joints that
//! they do not find at (0, 0, 0); these are ignored everywhere in this module.

use super::one_euro::{MIN_SIZE, MIN_STEP_SECS};
use crate::geometry::{BBox, Point};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;

/// Seconds for which a joint that is no longer seen keeps moving with the person.
const MEMORY_SECS: f64 = 0.5;

/// Time in seconds for which a person who is not seen is expected to reappear: long enough to walk
/// past somebody, or behind a pillar.
pub const MAX_GONE_SECS: f64 = 1.0;

/// The same for a person who was last seen close to another one, and is hidden by them.
pub(super) const MAX_HIDDEN_SECS: f64 = 3.0;

/// Averaging time of the velocity in seconds. Joints jitter by a hundredth of a person between
/// frames, which over a thirtieth of a second would be a third of a person per second.
const SPEED_SECS: f64 = 0.1;

/// Tolerance around a predicted joint, in person sizes per second since it was seen: standing
/// people start to walk (1.4 metres a second, where one size is about one metre), and wrists are
/// faster than the person. Without it, slow networks could not track anybody.
const UNFORESEEN: f64 = 2.0;

/// Lower bound on the box's shorter side as a fraction of the longer one: a single arm or a person
/// seen from the side has hardly any area, but its joints are not located more precisely.
const LEAST_ASPECT: f64 = 1.0 / 3.0;

/// Number of additional unmatched joints included in the mean. Of two poses that fit a person
/// equally well, this prefers the one with more common joints, and keeps a fragment of three joints
/// from taking the track id of the body from which it broke off.
const DOUBT: f64 = 2.0;

/// Returns whether a joint was found.
pub(super) fn is_seen(k: &Keypoint) -> bool {
    k.score > 0.0 && k.score.is_finite() && k.x.is_finite() && k.y.is_finite()
}

/// Motion state of a person.
#[derive(Debug, Clone)]
pub(super) struct Motion {
    /// Last seen position and time of each joint; `None` when that is too long ago.
    joints: Vec<Option<Seen>>,
    /// Velocity of the whole person in pixels per second; `None` until seen twice.
    velocity: Option<[f64; 2]>,
    /// Time at which the person was last seen.
    seen_secs: f64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    point: Point,
    secs: f64,
}

/// Predicted joints of a person at one time.
#[derive(Debug)]
pub(super) struct Prediction {
    /// Predicted position in pixels of each joint, and its tolerance for motion in person sizes.
    joints: Vec<Option<(Point, f64)>>,
    /// Box around the joints.
    pub(super) bbox: BBox,
    /// Area of that box, in square pixels.
    area: f64,
    /// Longer side of that box, in pixels.
    pub(super) size: f64,
}

impl Motion {
    /// Starts a new person.
    pub(super) fn start(time_secs: f64, pose: &Pose) -> Self {
        let mut moving = Self {
            joints: Vec::new(),
            velocity: None,
            seen_secs: time_secs,
        };
        moving.step(time_secs, pose);
        moving
    }

    /// Returns the time at which the person was last seen.
    pub(super) fn seen_secs(&self) -> f64 {
        self.seen_secs
    }

    /// Updates the state with the pose at `time_secs`.
    pub(super) fn step(&mut self, time_secs: f64, pose: &Pose) {
        self.joints.resize(pose.keypoints_raw.len(), None);
        let mut speeds = [Vec::new(), Vec::new()];
        for (last, k) in self.joints.iter_mut().zip(&pose.keypoints_raw) {
            if is_seen(k) {
                let point = k.point();
                if let Some(Seen { point: from, secs }) = *last
                    && time_secs - secs >= MIN_STEP_SECS
                {
                    speeds[0].push((point.x - from.x) / (time_secs - secs));
                    speeds[1].push((point.y - from.y) / (time_secs - secs));
                }
                let secs = time_secs;
                *last = Some(Seen { point, secs });
            } else {
                *last = last.filter(|seen| time_secs - seen.secs <= MEMORY_SECS);
            }
        }
        let since_secs = time_secs - self.seen_secs;
        self.seen_secs = time_secs;
        if since_secs > MEMORY_SECS {
            // The mean velocity over so long a time says little about the next moment.
            self.velocity = None;
            return;
        }
        let new = 1.0 - (-since_secs / SPEED_SECS).exp();
        // The median: a joint that jumps to another person must not drag this one along.
        let [Some(x), Some(y)] = speeds.map(median) else {
            return;
        };
        self.velocity = Some(match self.velocity {
            None => [x, y],
            Some([u, v]) => [u + new * (x - u), v + new * (y - v)],
        });
    }

    /// Predicts the joints at `time_secs`, assuming constant velocity.
    pub(super) fn expected(&self, time_secs: f64) -> Prediction {
        let ahead = |Seen { point, secs }: Seen| {
            let [dx, dy] = self.moved(time_secs - secs);
            let point = Point::new(point.x + dx, point.y + dy);
            // Capped: with slow networks, the tolerance does not keep growing.
            (
                point,
                UNFORESEEN * (time_secs - secs).clamp(0.0, MEMORY_SECS),
            )
        };
        let joints: Vec<_> = self.joints.iter().map(|j| j.map(ahead)).collect();
        let bbox = BBox::around(joints.iter().flatten().map(|(p, _)| *p)).unwrap_or_default();
        let [longer, shorter] = sides(bbox);
        Prediction {
            joints,
            bbox,
            area: longer * shorter,
            size: longer,
        }
    }

    /// Returns the predicted motion since the person was last seen, in pixels.
    pub(super) fn shift(&self, time_secs: f64) -> [f64; 2] {
        self.moved(time_secs - self.seen_secs)
    }

    /// Returns the motion in `secs`.
    fn moved(&self, secs: f64) -> [f64; 2] {
        let secs = secs.clamp(0.0, MAX_GONE_SECS);
        self.velocity.unwrap_or_default().map(|v| v * secs)
    }
}

/// Returns the longer and the shorter side of a person's box, with their lower bounds.
fn sides(bbox: BBox) -> [f64; 2] {
    let longer = bbox.w.max(bbox.h).max(MIN_SIZE);
    [longer, bbox.w.min(bbox.h).max(LEAST_ASPECT * longer)]
}

/// Returns how similar two poses in one frame are, from 0 to 1: COCO's object keypoint similarity
/// over the joints that count in both; 0 if there are fewer than three.
pub fn oks(a: &Pose, b: &Pose, skeleton: &Skeleton) -> f64 {
    let joints = similarities(a, b, skeleton);
    if joints.len() < 3 {
        return 0.0;
    }
    joints.iter().sum::<f64>() / joints.len() as f64
}

/// Similarity from which two joints are the same one.
const SAME_JOINT: f64 = 0.7;

/// Returns the fraction of the joints counting in both poses that are the same ones.
pub fn shared_joints(a: &Pose, b: &Pose, skeleton: &Skeleton) -> f64 {
    let joints = similarities(a, b, skeleton);
    let n_same = joints.iter().filter(|s| **s > SAME_JOINT).count();
    n_same as f64 / joints.len().max(1) as f64
}

/// Returns the object keypoint similarity of each joint that counts in both poses.
fn similarities(a: &Pose, b: &Pose, skeleton: &Skeleton) -> Vec<f64> {
    let counts = |k: &Keypoint| is_seen(k) && k.score > Pose::COUNTING_SCORE;
    let area = |pose: &Pose| {
        let joints = pose.keypoints_raw.iter().filter(|k| counts(k));
        let [longer, shorter] = sides(BBox::around(joints.map(|k| k.point())).unwrap_or_default());
        longer * shorter
    };
    let area = area(a).max(area(b));
    let pairs = a.keypoints_raw.iter().zip(&b.keypoints_raw).enumerate();
    let similarity = |(j, (a, b)): (usize, (&Keypoint, &Keypoint))| {
        let d = a.point().distance(b.point());
        (-d * d / (8.0 * area * skeleton.sigma(j).powi(2))).exp()
    };
    let pairs = pairs.filter(|(_, (a, b))| counts(a) && counts(b));
    pairs.map(similarity).collect()
}

impl Prediction {
    /// Returns how well `pose` fits the predicted person, from 0 to below 1: COCO's object keypoint
    /// similarity over the joints seen in both, with a tolerance widened for motion, and lowered
    /// when there are few such joints.
    ///
    /// It is 0 without a common joint. Joints are remembered for half a second, so such a pose
    /// shows a part of the body that has not been seen for that long; overlapping boxes could not
    /// tell it from another person behind.
    pub(super) fn similarity(&self, pose: &Pose, skeleton: &Skeleton) -> f64 {
        let (mut sum, mut n) = (0.0, DOUBT);
        let joints = self.joints.iter().zip(&pose.keypoints_raw).enumerate();
        for (j, (expected, k)) in joints {
            let Some((point, motion)) = expected.filter(|_| is_seen(k)) else {
                continue;
            };
            let tolerance = (2.0 * skeleton.sigma(j)).powi(2) + motion.powi(2);
            let d = point.distance(k.point());
            sum += (-d * d / (2.0 * self.area * tolerance)).exp();
            n += 1.0;
        }
        sum / n
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a few joints found on another person change the predicted motion, or a briefly
    /// unseen joint does not move along with the person.
    #[test]
    fn stray_joints_do_not_change_the_course() {
        let coco = Skeleton::by_name("coco17").unwrap();
        let at = |x: f32, stray: [f32; 5]| {
            let joint = |j: u8| {
                let dx = stray.get(usize::from(j)).copied().unwrap_or_default();
                Keypoint::from([x + f32::from(j % 4) * 20.0 + dx, 10.0 * f32::from(j), 0.9])
            };
            Pose::from_keypoints((0..17).map(joint).collect())
        };
        let mut moving = Motion::start(0.0, &at(0.0, [0.0; 5]));
        moving.step(0.1, &at(20.0, [0.0; 5]));
        for stray in [[-200.0; 5], [200.0; 5]] {
            let mut strayed = moving.clone();
            strayed.step(0.2, &at(40.0, stray));
            let [u, v] = strayed.velocity.unwrap();
            assert!((u - 200.0).abs() < 1e-3 && v.abs() < 1e-3, "{u} {v}");
        }
        let mut hidden = at(40.0, [0.0; 5]);
        hidden.keypoints_raw[16] = Keypoint::default();
        moving.step(0.2, &hidden);
        let (point, _) = moving.expected(0.3).joints[16].unwrap();
        assert!(point.distance(Point::new(60.0, 160.0)) < 1e-3, "{point:?}");
        let expected = moving.expected(0.3);
        let there = expected.similarity(&at(60.0, [0.0; 5]), coco);
        assert!(there > 0.89 && there < 1.0, "{there}");
        assert!(expected.similarity(&at(200.0, [0.0; 5]), coco) < 0.2);
    }
}

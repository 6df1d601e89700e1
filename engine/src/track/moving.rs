//! Where a moving person's joints were, and where they are expected next.
//!
//! A joint is seen when it has a score above 0 and a position; networks that find several people
//! leave the joints they do not find at (0, 0, 0), and those take part in nothing here.

use super::one_euro::{MIN_SIZE, MIN_STEP_SECS};
use crate::geometry::{BBox, Point};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;

/// For so long, in seconds, a joint that is no longer seen moves on with the person, and a person
/// that is no longer seen is expected to come back.
pub(super) const MEMORY_SECS: f64 = 0.5;

/// Speed is averaged over about this time, in seconds: joints jitter by a hundredth of a person
/// between frames, which over a thirtieth of a second would be a third of a person per second.
const SPEED_SECS: f64 = 0.1;

/// How far a joint may be from where it is expected, in person sizes per second since it was
/// seen: standing people start to walk (1.4 metres a second, a size being about one metre) and
/// wrists are faster than their person. Without it, slow networks could not follow anybody.
const UNFORESEEN: f64 = 2.0;

/// The box's shorter side counts as at least this share of the longer one: an arm alone or a
/// person seen from the side has hardly any area, but joints are not found better for that.
const LEAST_ASPECT: f64 = 1.0 / 3.0;

/// So many more joints that fit nowhere are added to the mean: of two poses that lie equally well
/// on a person, the one with more joints in common is the person, and a fragment of three joints
/// does not take the identity from the body it broke off.
const DOUBT: f64 = 2.0;

/// A joint has been found.
pub(super) fn is_seen(k: &Keypoint) -> bool {
    k.score > 0.0 && k.score.is_finite() && k.x.is_finite() && k.y.is_finite()
}

/// Where somebody was.
#[derive(Debug, Clone)]
pub(super) struct Moving {
    /// Per joint, where and when it was last seen; `None` when that is too long ago.
    joints: Vec<Option<Seen>>,
    /// Pixels per second of the whole person; `None` until seen twice.
    velocity: Option<[f64; 2]>,
    /// When the person was last seen.
    seen_secs: f64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    point: Point,
    secs: f64,
}

/// Where somebody is expected at one time.
#[derive(Debug)]
pub(super) struct Expected {
    /// Per joint, its place in pixels and the tolerance for motion in person sizes.
    joints: Vec<Option<(Point, f64)>>,
    /// Area of the box around the joints, square pixels.
    area: f64,
    /// Longer side of that box, pixels.
    pub(super) size: f64,
}

impl Moving {
    /// Somebody who was never seen before.
    pub(super) fn start(time_secs: f64, pose: &Pose) -> Self {
        let mut moving = Self {
            joints: Vec::new(),
            velocity: None,
            seen_secs: time_secs,
        };
        moving.step(time_secs, pose);
        moving
    }

    /// When the person was last seen.
    pub(super) fn seen_secs(&self) -> f64 {
        self.seen_secs
    }

    /// Goes on to the pose at `time_secs`.
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
        let new = 1.0 - (-(time_secs - self.seen_secs) / SPEED_SECS).exp();
        self.seen_secs = time_secs;
        // The median: a joint that jumps to another person must not pull this one along.
        let [Some(x), Some(y)] = speeds.map(median) else {
            return;
        };
        self.velocity = Some(match self.velocity {
            None => [x, y],
            Some([u, v]) => [u + new * (x - u), v + new * (y - v)],
        });
    }

    /// Where the joints are at `time_secs` if the person goes on as before.
    pub(super) fn expected(&self, time_secs: f64) -> Expected {
        let [u, v] = self.velocity.unwrap_or_default();
        // What was seen longer ago, by a slow network, is not known any less.
        let since = |secs: f64| (time_secs - secs).clamp(0.0, MEMORY_SECS);
        let ahead = |Seen { point, secs }: Seen| {
            let dt = since(secs);
            let point = Point::new(point.x + u * dt, point.y + v * dt);
            (point, UNFORESEEN * dt)
        };
        let joints: Vec<_> = self.joints.iter().map(|j| j.map(ahead)).collect();
        let bbox = BBox::around(joints.iter().flatten().map(|(p, _)| *p)).unwrap_or_default();
        let longer = bbox.w.max(bbox.h).max(MIN_SIZE);
        let shorter = bbox.w.min(bbox.h).max(LEAST_ASPECT * longer);
        Expected {
            joints,
            area: longer * shorter,
            size: longer,
        }
    }
}

impl Expected {
    /// How well `pose` lies where the person is expected, from 0 to below 1: COCO's object
    /// keypoint similarity over the joints seen in both, its tolerance widened for motion,
    /// lowered where these are few.
    ///
    /// Without a common joint it is 0: joints are remembered for half a second, so the pose shows
    /// a part of the body that the person has not shown for that long. Overlapping boxes would
    /// not tell that part from somebody behind.
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

    /// Fails when a few joints found on somebody else throw the person off course, or a joint
    /// that is not seen for a moment is left behind.
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
        let mut moving = Moving::start(0.0, &at(0.0, [0.0; 5]));
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

//! One pose of a person from those of the closer and the finder.
//!
//! The closer sees a person at a higher resolution, the finder knows the people around and is trained
//! on other images: each locates some joints better, and its score tells which. Where both agree, the
//! mean by squared scores is more exact than either; where they do not, the joint with the higher score
//! is taken.
//!
//! The finder does not run in each frame. What it contributed to a joint stays, relative to the
//! closer's joint, until it runs again, as long as the closer's joint moves steadily: without this, the
//! pose would alternate between the two networks.

use crate::geometry::{BBox, Point};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;

/// Joints that are closer than this many standard deviations of human annotators (OKS sigma times the
/// square root of the person's area) are at the same place.
const SAME_PLACE: f64 = 4.0;

/// Advantage in score of a joint that lies where it was in the last frame: where the networks disagree
/// and are equally sure, the pose must not jump from one to the other.
const STEADY: f32 = 1.5;

/// What the finder has contributed to the pose of a person, to be kept in frames without it.
#[derive(Debug, Clone)]
pub(super) struct Contribution {
    /// The closer's joints in the last frame.
    close: Vec<Keypoint>,
    /// Added to each joint of the closer, x and y in pixels and score; `None` where the closer's joint
    /// was taken.
    shifts: Vec<Option<[f32; 3]>>,
}

/// Returns the pose made of the closer's and the finder's of the same person in one frame, and what the
/// finder has contributed. `before` is what it had contributed to the last frame.
pub(super) fn merged(
    close: &Pose,
    found: &Pose,
    before: Option<&Contribution>,
    skeleton: &Skeleton,
) -> (Pose, Contribution) {
    let radius = radius(close);
    let sureness = |j: usize, k: &Keypoint| {
        let last = before.and_then(|before| before.joint(j));
        let is_near = |last: Point| last.distance(k.point()) <= radius * skeleton.sigma(j);
        k.score
            * if last.is_some_and(is_near) {
                STEADY
            } else {
                1.0
            }
    };
    let joints = close.keypoints_raw.iter().zip(&found.keypoints_raw);
    let merge = |(j, (a, b)): (usize, (&Keypoint, &Keypoint))| {
        if !is_located(b) {
            return *a;
        }
        let is_found_better = !is_located(a) || sureness(j, b) > sureness(j, a);
        let better = if is_found_better { b } else { a };
        if !is_located(a) || a.point().distance(b.point()) > radius * skeleton.sigma(j) {
            return *better;
        }
        let [of_a, of_b] = [a, b].map(|k| k.score.powi(2));
        let mean = |a: f32, b: f32| (of_a * a + of_b * b) / (of_a + of_b);
        [mean(a.x, b.x), mean(a.y, b.y), better.score].into()
    };
    let all: Vec<Keypoint> = joints.enumerate().map(merge).collect();
    let shift = |(merged, own): (&Keypoint, &Keypoint)| {
        let is_shifted = is_located(own) && merged != own;
        is_shifted.then_some([merged.x - own.x, merged.y - own.y, merged.score - own.score])
    };
    let contribution = Contribution {
        shifts: all.iter().zip(&close.keypoints_raw).map(shift).collect(),
        close: close.keypoints_raw.clone(),
    };
    (Pose::from_keypoints(all), contribution)
}

impl Contribution {
    /// Returns the place of a joint of the person in the last frame.
    fn joint(&self, j: usize) -> Option<Point> {
        let close = self.close.get(j).filter(|k| is_located(k))?.point();
        let [x, y, _] = self.shifts[j].unwrap_or_default().map(f64::from);
        Some(Point::new(close.x + x, close.y + y))
    }

    /// Returns the pose of the same person in the next frame, where the finder did not run.
    pub(super) fn applied(&mut self, close: &Pose, skeleton: &Skeleton) -> Pose {
        let radius = radius(close);
        let last = std::mem::replace(&mut self.close, close.keypoints_raw.clone());
        let shifts = self.shifts.iter_mut().zip(last);
        let joints = close.keypoints_raw.iter().zip(shifts).enumerate();
        let shifted = joints.map(|(j, (now, (shift, last)))| {
            let tolerance = radius * skeleton.sigma(j);
            let is_steady = is_located(now) && now.point().distance(last.point()) <= tolerance;
            *shift = shift.filter(|_| is_steady);
            let Some([x, y, score]) = *shift else {
                return *now;
            };
            [now.x + x, now.y + y, (now.score + score).clamp(0.0, 1.0)].into()
        });
        Pose::from_keypoints(shifted.collect())
    }
}

/// Returns the distance in pixels within which joints are at the same place, for a sigma of 1.
fn radius(pose: &Pose) -> f64 {
    let located = pose.keypoints_raw.iter().filter(|k| is_located(k));
    let bbox = BBox::around(located.map(|k| k.point())).unwrap_or_default();
    SAME_PLACE * bbox.area().sqrt()
}

/// Returns whether a joint has a place: bottom-up networks leave joints that they do not find at
/// (0, 0, 0).
fn is_located(k: &Keypoint) -> bool {
    k.score > 0.0 && k.score.is_finite() && k.x.is_finite() && k.y.is_finite()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coco() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    /// A person of about 80 x 160 pixels, moved by `dx`.
    fn person(dx: f32, score: f32) -> Pose {
        let joint = |i: u8| {
            let [column, row] = [i % 5, i].map(f32::from);
            Keypoint::from([50.0 + dx + 20.0 * column, 40.0 + 10.0 * row, score])
        };
        Pose::from_keypoints((0..17).map(joint).collect())
    }

    /// Fails when the better of two different places is not taken, equal places are not averaged, or a
    /// joint that one network has not found is lost or drawn towards the corner.
    #[test]
    fn each_joint_is_that_of_the_surer_network() {
        let wrist = coco().joint("l_wrist").unwrap();
        let mut close = person(0.0, 0.8);
        let mut found = person(2.0, 0.4);
        close.keypoints_raw[wrist] = [10.0, 10.0, 0.2].into();
        found.keypoints_raw[0] = Keypoint::default();
        found.keypoints_raw[1].score = f32::NAN;
        let (pose, _) = merged(&close, &found, None, coco());
        let joints = &pose.keypoints_raw;
        assert_eq!(joints[wrist], found.keypoints_raw[wrist]);
        assert_eq!(joints[0], close.keypoints_raw[0]);
        assert_eq!(joints[1], close.keypoints_raw[1]);
        // 2 pixels apart, weights 0.64 and 0.16.
        let hip = coco().joint("l_hip").unwrap();
        let expected = close.keypoints_raw[hip].x + 2.0 * 0.16 / 0.8;
        assert!((joints[hip].x - expected).abs() < 1e-4);
        assert!((joints[hip].score - 0.8).abs() < 1e-6);
    }

    /// Fails when the pose alternates between the networks from frame to frame, or a contribution stays
    /// after the closer has found the joint elsewhere.
    #[test]
    fn a_contribution_stays_while_the_joint_moves_steadily() {
        let wrist = coco().joint("l_wrist").unwrap();
        let at = |x: f32, wrist_x: f32| {
            let mut pose = person(x, 0.8);
            pose.keypoints_raw[wrist] = [wrist_x, 20.0, 0.2].into();
            pose
        };
        let found = person(0.0, 0.6);
        let (first, mut contribution) = merged(&at(0.0, 10.0), &found, None, coco());
        let second = contribution.applied(&at(1.0, 12.0), coco());
        for (a, b) in first.keypoints_raw.iter().zip(&second.keypoints_raw) {
            assert!(
                (b.x - a.x).abs() <= 2.01 && (b.y - a.y).abs() < 0.01,
                "{a:?} {b:?}"
            );
            assert!((a.score - b.score).abs() < 1e-6);
        }
        let third = at(2.0, 190.0);
        let pose = contribution.applied(&third, coco());
        assert_eq!(pose.keypoints_raw[wrist], third.keypoints_raw[wrist]);
        let back = at(3.0, 14.0);
        let pose = contribution.applied(&back, coco());
        assert_eq!(pose.keypoints_raw[wrist], back.keypoints_raw[wrist]);
    }

    /// Fails when two networks that disagree and are equally sure make a joint jump from frame to frame.
    #[test]
    fn a_joint_stays_where_it_was() {
        let wrist = coco().joint("l_wrist").unwrap();
        let at = |x: f32, score: f32| {
            let mut pose = person(0.0, 0.8);
            pose.keypoints_raw[wrist] = [x, 20.0, score].into();
            pose
        };
        let (_, first) = merged(&at(10.0, 0.4), &at(190.0, 0.45), None, coco());
        let (second, _) = merged(&at(12.0, 0.45), &at(192.0, 0.4), Some(&first), coco());
        assert_eq!(second.keypoints_raw[wrist].x, 192.0);
        let (third, _) = merged(&at(12.0, 0.9), &at(192.0, 0.4), Some(&first), coco());
        assert_eq!(third.keypoints_raw[wrist].x, 12.0);
    }

    proptest! {
        /// Fails when a merged joint lies outside of the two it is made of, or a score leaves 0 to 1.
        #[test]
        fn a_merged_joint_lies_between_its_two(
            a in prop::collection::vec([0f32..640.0, 0.0..480.0, 0.0..1.0], 17),
            b in prop::collection::vec([0f32..640.0, 0.0..480.0, 0.0..1.0], 17),
        ) {
            let pose = |joints: Vec<[f32; 3]>| {
                Pose::from_keypoints(joints.into_iter().map(Keypoint::from).collect())
            };
            let (close, found) = (pose(a), pose(b));
            let (merged, mut contribution) = merged(&close, &found, None, coco());
            let all = close.keypoints_raw.iter().zip(&found.keypoints_raw);
            for ((a, b), m) in all.zip(&merged.keypoints_raw) {
                let inside = |m: f32, a: f32, b: f32| {
                    a.min(b) - 1e-3 <= m && m <= a.max(b) + 1e-3
                };
                prop_assert!(inside(m.x, a.x, b.x) && inside(m.y, a.y, b.y));
                prop_assert!((0.0..=1.0).contains(&m.score));
            }
            let again = contribution.applied(&close, coco());
            for (m, n) in merged.keypoints_raw.iter().zip(&again.keypoints_raw) {
                prop_assert!(!is_located(n) || m.point().distance(n.point()) < 1e-3);
            }
        }
    }
}

//! Object keypoint similarity (OKS) between a pose and a person, 0 to 1, and non-maximum
//! suppression of overlapping poses based on it.
//!
//! Each joint contributes `exp(-d^2 / (2 area (2 sigma)^2))`, where `d` is the error in pixels,
//! `sigma` comes from the skeleton, and `area` is the person's size.

use crate::geometry::{BBox, Point};
use crate::sample::Annotation;

/// Returns the similarity of a predicted pose to a labelled person, averaged over the labelled
/// joints, as pycocotools computes it. For a person without labels, `d` is the distance per axis
/// outside the box enlarged to three times its size, over all joints.
pub fn oks(pose: &[Point], person: &Annotation, sigmas: &[f64]) -> f64 {
    let BBox { x, y, w, h } = person.bbox;
    let outside = |v: f64, start: f64, side: f64| {
        (start - side - v).max(0.0) + (v - start - 2.0 * side).max(0.0)
    };
    let unlabelled = person.joints.iter().all(|j| j.labelled().is_none());
    let joints = pose.iter().zip(&person.joints).zip(sigmas);
    let similarities = joints.filter_map(|((p, joint), &sigma)| {
        let (dx, dy) = match joint.labelled() {
            Some(q) => (p.x - q.x, p.y - q.y),
            None if unlabelled => (outside(p.x, x, w), outside(p.y, y, h)),
            None => return None,
        };
        Some(similarity(dx, dy, person.area, sigma))
    });
    mean(similarities)
}

/// Returns the similarity of two predicted poses over all joints; the scale is the mean of their
/// areas.
pub fn oks_of_poses(a: &ScoredPose, b: &ScoredPose, sigmas: &[f64]) -> f64 {
    let area = f64::midpoint(a.area, b.area);
    let joints = a.points.iter().zip(&b.points).zip(sigmas);
    mean(joints.map(|((p, q), &sigma)| similarity(p.x - q.x, p.y - q.y, area, sigma)))
}

fn similarity(dx: f64, dy: f64, area: f64, sigma: f64) -> f64 {
    // Epsilon as numpy's `spacing(1)`: a person of area 0 gives 0 or 1 instead of NaN.
    let e = (dx * dx + dy * dy) / (2.0 * sigma).powi(2) / (area + f64::EPSILON) / 2.0;
    (-e).exp()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), v| (sum + v, n + 1));
    if n == 0 { 0.0 } else { sum / f64::from(n) }
}

/// A pose with area and score, as input to non-maximum suppression.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredPose {
    /// Joints in the skeleton's order, in image pixels.
    pub points: Vec<Point>,
    /// Area in square pixels, of the box, the crop or the pose's extent, consistently for all
    /// poses.
    pub area: f64,
    /// Confidence of the pose.
    pub score: f64,
}

/// Returns the indices of the remaining poses, best first, after removing every pose whose
/// similarity to a better one exceeds `threshold`.
pub fn oks_nms(poses: &[ScoredPose], threshold: f64, sigmas: &[f64]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for i in by_score(poses) {
        let alone = |&k: &usize| oks_of_poses(&poses[k], &poses[i], sigmas) <= threshold;
        if kept.iter().all(alone) {
            kept.push(i);
        }
    }
    kept
}

fn by_score(poses: &[ScoredPose]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..poses.len()).collect();
    order.sort_by(|&a, &b| poses[b].score.total_cmp(&poses[a].score));
    order
}

#[cfg(test)]
mod tests {
    use super::super::coco_ap::tests::golden_detections;
    use super::*;
    use crate::skeleton::Skeleton;
    use crate::test_golden::json;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(serde::Deserialize)]
    struct Expected {
        #[serde(rename = "0.9")]
        at_90: Vec<usize>,
        #[serde(rename = "0.5")]
        at_50: Vec<usize>,
        #[serde(rename = "0.2")]
        at_20: Vec<usize>,
        rescored: BTreeMap<usize, f64>,
        area: BTreeMap<usize, f64>,
    }

    fn sigmas() -> &'static [f64] {
        &Skeleton::by_name("coco17").unwrap().oks_sigmas
    }

    /// Fails when the suppression keeps other poses than the official code.
    #[test]
    fn suppression_equals_the_official_one() {
        let detections = golden_detections();
        let expected: BTreeMap<u64, Expected> = json("transpose/oks_nms_expected.json");
        for (image_id, expected) in expected {
            let ids: Vec<usize> = (0..detections.len())
                .filter(|&i| detections[i].image_id == image_id)
                .collect();
            let poses: Vec<ScoredPose> = ids
                .iter()
                .map(|i| ScoredPose {
                    points: detections[*i].points.clone(),
                    area: expected.area[i],
                    score: expected.rescored[i],
                })
                .collect();
            let hard = |threshold| {
                let kept = oks_nms(&poses, threshold, sigmas());
                let mut kept: Vec<usize> = kept.into_iter().map(|i| ids[i]).collect();
                kept.sort_unstable();
                kept
            };
            assert_eq!(hard(0.9), expected.at_90, "image {image_id}");
            assert_eq!(hard(0.5), expected.at_50, "image {image_id}");
            assert_eq!(hard(0.2), expected.at_20, "image {image_id}");
        }
    }

    proptest! {
        /// Fails when the similarity leaves 0..=1, is not symmetric, or is not 1 between a pose and
        /// itself.
        #[test]
        fn similarity_is_symmetric_and_bounded(
            a in proptest::collection::vec((-500.0..500.0, -500.0..500.0), 17),
            b in proptest::collection::vec((-500.0..500.0, -500.0..500.0), 17),
            area in 0.0..1e5,
        ) {
            let pose = |points: &[(f64, f64)]| ScoredPose {
                points: points.iter().map(|&(x, y)| Point::new(x, y)).collect(),
                area,
                score: 0.5,
            };
            let (a, b) = (pose(&a), pose(&b));
            let ab = oks_of_poses(&a, &b, sigmas());
            prop_assert!((0.0..=1.0).contains(&ab));
            prop_assert_eq!(ab, oks_of_poses(&b, &a, sigmas()));
            prop_assert_eq!(oks_of_poses(&a, &a, sigmas()), 1.0);
        }
    }
}

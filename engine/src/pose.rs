//! Keypoints and poses, the result of pose estimation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::geometry::{BBox, Point};

/// One joint in image pixels (pixel centres at integers) with the network's confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "[f32; 3]", into = "[f32; 3]")]
pub struct Keypoint {
    /// Horizontal position, increasing to the right.
    pub x: f32,
    /// Vertical position, increasing downwards.
    pub y: f32,
    /// Maximum of the joint's heatmap: about 0 (absent) to 1 (certain), with slight overshoot.
    pub score: f32,
}

impl Keypoint {
    /// Returns the position without the score.
    pub fn point(self) -> Point {
        Point::new(f64::from(self.x), f64::from(self.y))
    }
}

impl From<[f32; 3]> for Keypoint {
    fn from([x, y, score]: [f32; 3]) -> Self {
        Self { x, y, score }
    }
}

impl From<Keypoint> for [f32; 3] {
    fn from(k: Keypoint) -> Self {
        [k.x, k.y, k.score]
    }
}

/// One person in one frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pose {
    /// Track id, from 1; `None` before tracking.
    pub track_id: Option<u64>,
    /// Confidence of the person: mean of the keypoint scores above 0.2, 0 if there are none.
    pub score: f32,
    /// Box around the counting keypoints in image pixels.
    #[serde(rename = "box")]
    pub bbox: BBox,
    /// Joints in the skeleton's order, temporally smoothed if smoothing is on.
    pub keypoints: Vec<Keypoint>,
    /// Joints as decoded, before smoothing.
    pub keypoints_raw: Vec<Keypoint>,
    /// Joints in previous frames, oldest first; empty without tracking. Not written to files, in
    /// which each line is one of these steps.
    #[serde(skip)]
    pub past: Vec<Arc<PastStep>>,
}

/// A person's joints in a previous frame.
#[derive(Debug, Clone, PartialEq)]
pub struct PastStep {
    /// Time in the source's seconds.
    pub time_secs: f64,
    /// Joints, smoothed if smoothing is on.
    pub keypoints: Vec<Keypoint>,
    /// Joints as decoded, before smoothing.
    pub keypoints_raw: Vec<Keypoint>,
}

impl Pose {
    /// Minimum score of keypoints that count for the person's score and box (the person score of
    /// the TransPose test protocol uses the same 0.2).
    pub const COUNTING_SCORE: f32 = 0.2;

    /// Creates a pose from decoded joints; computes score and box, without a track id.
    pub fn from_keypoints(keypoints: Vec<Keypoint>) -> Self {
        let mut pose = Self {
            keypoints_raw: keypoints.clone(),
            keypoints,
            ..Self::default()
        };
        let counting = counting(&pose.keypoints).map(|k| k.point());
        let bbox = BBox::around(counting).unwrap_or_default();
        pose.score = Self::mean_score(&pose.keypoints);
        pose.bbox = bbox;
        pose
    }

    /// Returns the confidence of the person as a detection: the mean score of all joints, in which a
    /// joint that was not found counts as 0. Unlike [`Self::score`], it ranks whole people before
    /// fragments.
    pub fn detection_score(&self) -> f32 {
        let n = self.keypoints.len().max(1) as f32;
        self.keypoints.iter().map(|k| k.score).sum::<f32>() / n
    }

    /// Returns the mean score of the counting joints; 0 if there are none.
    pub fn mean_score(keypoints: &[Keypoint]) -> f32 {
        let n = counting(keypoints).count();
        counting(keypoints).map(|k| k.score).sum::<f32>() / n.max(1) as f32
    }
}

fn counting(keypoints: &[Keypoint]) -> impl Iterator<Item = &Keypoint> {
    keypoints.iter().filter(|k| k.score > Pose::COUNTING_SCORE)
}

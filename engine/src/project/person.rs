//! Labelled people: [`Person`]s with [`Joint`]s in the frames of clips.

use serde::{Deserialize, Serialize};

use crate::geometry::{Point, Size};
use crate::pose::Keypoint;
use crate::sample::Visibility;
use crate::skeleton::JointMap;

/// A frame of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct FrameKey {
    /// Id of the clip.
    pub clip: u32,
    /// Index of the frame in the clip, from 0.
    pub frame: u32,
}

impl FrameKey {
    /// Creates the key of frame `frame` of clip `clip`.
    pub const fn new(clip: u32, frame: u32) -> Self {
        Self { clip, frame }
    }
}

impl From<(u32, u32)> for FrameKey {
    fn from((clip, frame): (u32, u32)) -> Self {
        Self { clip, frame }
    }
}

impl From<FrameKey> for (u32, u32) {
    fn from(key: FrameKey) -> Self {
        (key.clip, key.frame)
    }
}

/// How far a joint has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JointState {
    /// As predicted, imported or interpolated.
    Proposed,
    /// Placed by hand in a person that is not confirmed yet.
    Touched,
    /// Part of a confirmed person. Only these are used for training.
    Confirmed,
}

/// One joint of a labelled person: 12 bytes, because a project may have millions.
///
/// Positions have a resolution of 1/100 pixel and may lie outside the image. In files a joint is
/// `[x, y, score, visibility, is_touched]` with COCO's visibility: 0 absent, 1 occluded, 2 visible.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Joint {
    x: f32,
    y: f32,
    /// In ten-thousandths.
    score: u16,
    /// Whether the joint is visible, occluded or absent (unlabelled).
    pub visibility: Visibility,
    /// Whether the position or visibility was set by hand.
    pub is_touched: bool,
}

type Stored = (f32, f32, f64, u8, u8);

/// Largest distance of a joint from the image's origin in pixels, twice the largest image: up to
/// there, `f32` represents hundredths.
const FARTHEST: f64 = 32_768.0;
const SCORES: f64 = 1e4;

/// Joints with a smaller score are proposed as absent.
const UNLIKELY: f32 = 0.2;

impl Joint {
    /// A joint that is not labelled.
    pub const ABSENT: Self = Self {
        x: 0.0,
        y: 0.0,
        score: 0,
        visibility: Visibility::Unlabelled,
        is_touched: false,
    };

    /// Creates an untouched joint. Positions are rounded to hundredths of a pixel and limited to
    /// 32768, scores to 0 to 1; a position that is not a number makes it absent.
    pub fn new(point: Point, score: f32, visibility: Visibility) -> Self {
        let (Some(x), Some(y)) = (hundredths(point.x), hundredths(point.y)) else {
            return Self::ABSENT;
        };
        Self {
            x,
            y,
            score: (f64::from(score).clamp(0.0, 1.0) * SCORES).round() as u16,
            visibility,
            is_touched: false,
        }
    }

    /// Creates a proposal from a prediction; absent if the model did not find the joint.
    pub fn predicted(keypoint: Keypoint) -> Self {
        if keypoint.score > 0.0 {
            Self::new(keypoint.point(), keypoint.score, Visibility::Visible)
        } else {
            Self::ABSENT
        }
    }

    /// Creates the proposals of a person from a prediction in another skeleton. Unlikely joints are
    /// proposed as absent, at their place: accepting a frame must not confirm an ankle in the face.
    pub(super) fn all_predicted(keypoints: &[Keypoint], map: &JointMap) -> Vec<Self> {
        let proposed = |keypoint: Keypoint| {
            let joint = Self::predicted(keypoint);
            match joint.visibility {
                Visibility::Visible if keypoint.score < UNLIKELY => Self {
                    visibility: Visibility::Unlabelled,
                    ..joint
                },
                _ => joint,
            }
        };
        let origins = map.iter();
        origins
            .map(|origin| origin.map_or(Self::ABSENT, |o| proposed(o.pick(keypoints))))
            .collect()
    }

    /// Returns the position in image pixels; meaningless if absent.
    pub fn point(&self) -> Point {
        Point::new(f64::from(self.x), f64::from(self.y))
    }

    /// Returns the position as it is stored, which prints in at most two decimals.
    pub fn xy(&self) -> [f32; 2] {
        [self.x, self.y]
    }

    /// Returns the model's confidence, 0 to 1; 0 for joints that were placed by hand.
    pub fn score(&self) -> f32 {
        (f64::from(self.score) / SCORES) as f32
    }

    /// Returns the position if the joint is labelled.
    pub fn labelled(&self) -> Option<Point> {
        (self.visibility != Visibility::Unlabelled).then(|| self.point())
    }

    /// Returns the position if the joint is labelled on a pixel of an image of size `image`.
    pub fn inside(&self, image: Size) -> Option<Point> {
        let label = crate::sample::Joint {
            point: self.point(),
            visibility: self.visibility,
        };
        label.inside(image)
    }

    /// Returns the joint at another position, with everything else unchanged; absent joints become
    /// visible.
    pub(super) fn moved_to(self, point: Point) -> Self {
        let visibility = match self.visibility {
            Visibility::Unlabelled => Visibility::Visible,
            other => other,
        };
        Self {
            score: self.score,
            is_touched: self.is_touched,
            ..Self::new(point, 0.0, visibility)
        }
    }

    /// Returns the joint with another visibility.
    pub(super) fn shown_as(self, visibility: Visibility) -> Self {
        Self { visibility, ..self }
    }

    /// Returns the joint as placed by hand.
    pub(super) fn touched(self) -> Self {
        Self {
            is_touched: true,
            ..self
        }
    }
}

/// Rounds a coordinate to hundredths; `None` if it is not a number.
fn hundredths(value: f64) -> Option<f32> {
    // Adding 0 turns -0 into 0.
    let rounded = (value.clamp(-FARTHEST, FARTHEST) * 100.0).round() / 100.0 + 0.0;
    (!value.is_nan()).then_some(rounded as f32)
}

/// Returns COCO's number for a visibility.
pub(super) fn flag(visibility: Visibility) -> u8 {
    match visibility {
        Visibility::Unlabelled => 0,
        Visibility::Hidden => 1,
        Visibility::Visible => 2,
    }
}

impl TryFrom<Stored> for Joint {
    type Error = String;

    fn try_from((x, y, score, visible, touched): Stored) -> Result<Self, String> {
        let visibility = match visible {
            0 => Visibility::Unlabelled,
            1 => Visibility::Hidden,
            2 => Visibility::Visible,
            other => return Err(format!("visibility {other} of a joint; it is 0, 1 or 2")),
        };
        let point = Point::new(f64::from(x), f64::from(y));
        let joint = Self::new(point, score as f32, visibility);
        let is_valid = (joint.x, joint.y) == (x, y) && (0.0..=1.0).contains(&score) && touched <= 1;
        if !is_valid {
            return Err(format!(
                "a joint at {x}, {y} with score {score}, touched {touched}; positions are \
                 hundredths of a pixel up to {FARTHEST}"
            ));
        }
        Ok(Self {
            is_touched: touched == 1,
            ..joint
        })
    }
}

impl From<Joint> for Stored {
    fn from(joint: Joint) -> Self {
        (
            joint.x,
            joint.y,
            f64::from(joint.score) / SCORES,
            flag(joint.visibility),
            u8::from(joint.is_touched),
        )
    }
}

/// One person in one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Id, unique in the project and never used again.
    pub id: u64,
    /// Whether the labels were accepted. Only confirmed people are used for training.
    #[serde(rename = "confirmed")]
    pub is_confirmed: bool,
    /// Joints in the skeleton's order.
    pub joints: Vec<Joint>,
}

impl Person {
    /// Returns how far joint `joint` has been checked; `None` if there is no such joint.
    pub fn state(&self, joint: usize) -> Option<JointState> {
        let joint = self.joints.get(joint)?;
        Some(match (self.is_confirmed, joint.is_touched) {
            (true, _) => JointState::Confirmed,
            (false, true) => JointState::Touched,
            (false, false) => JointState::Proposed,
        })
    }

    /// Returns whether anything of it was made by hand: such a person is never replaced by another
    /// proposal.
    pub fn has_handwork(&self) -> bool {
        self.is_confirmed || self.joints.iter().any(|joint| joint.is_touched)
    }
}

/// Returns the mean distance of the joints that both have, in pixels; `None` if there are none.
pub(super) fn mean_distance(a: &[Joint], b: &[Joint]) -> Option<f64> {
    let both = a.iter().zip(b);
    let both = both.filter_map(|(a, b)| Some(a.labelled()?.distance(b.labelled()?)));
    let (n, sum) = both.fold((0, 0.0), |(n, sum), d| (n + 1, sum + d));
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Fails when a joint changes by being written and read, so that a reopened project differs
        /// from the one that was closed.
        #[test]
        fn joints_are_read_as_written(
            x in -40_000.0..40_000.0f64, y in -40_000.0..40_000.0f64, score in 0.0..1.0f32,
            visible in 0..3u8, is_touched: bool,
        ) {
            let visibility = [Visibility::Unlabelled, Visibility::Hidden, Visibility::Visible];
            let joint = Joint {
                is_touched,
                ..Joint::new(Point::new(x, y), score, visibility[usize::from(visible)])
            };
            let text = serde_json::to_string(&joint).unwrap();
            prop_assert_eq!(serde_json::from_str::<Joint>(&text).unwrap(), joint, "{}", text);
            prop_assert!(text.len() <= 40, "{}", text);
        }
    }

    /// Fails when values that no version writes are accepted from a damaged file.
    #[test]
    fn impossible_joints_are_refused() {
        for text in [
            "[1.005,2,0.5,2,0]",
            "[1e9,2,0.5,2,0]",
            "[1,2,1.5,2,0]",
            "[1,2,0.5,3,0]",
            "[1,2,0.5,2,2]",
            "[1,2,0.5,2]",
            "[null,2,0.5,2,0]",
        ] {
            assert!(serde_json::from_str::<Joint>(text).is_err(), "{text}");
        }
        assert_eq!(
            Joint::new(Point::new(f64::NAN, 1.0), 0.5, Visibility::Visible),
            Joint::ABSENT
        );
        assert_eq!(Joint::predicted(Keypoint::default()), Joint::ABSENT);
    }

    /// Fails when accepting a frame confirms joints that the model is not sure to see, or their place
    /// is lost.
    #[test]
    fn unlikely_joints_are_proposed_as_absent() {
        let skeleton = crate::skeleton::Skeleton::by_name("coco17").unwrap();
        let map = skeleton.map_to(&skeleton.name).unwrap();
        let keypoint = |score| Keypoint::from([7.0, 9.0, score]);
        let mut keypoints = vec![keypoint(0.9); skeleton.n_joints()];
        keypoints[15] = keypoint(0.05);
        let joints = Joint::all_predicted(&keypoints, &map);
        assert_eq!(joints[14].labelled(), Some(Point::new(7.0, 9.0)));
        assert_eq!(joints[15].labelled(), None);
        assert_eq!(joints[15].point(), Point::new(7.0, 9.0));
    }

    /// Fails when a joint takes so much memory that 100,000 frames with proposals do not fit.
    #[test]
    fn a_joint_is_small() {
        assert_eq!(size_of::<Joint>(), 12);
    }
}

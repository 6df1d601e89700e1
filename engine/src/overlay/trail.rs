//! Trails: the path of hands, feet and head during the last second.

use poselens_shaders::canvas::Paint;
use poselens_shaders::scene::{Mark, Scene};
use poselens_shaders::trail::Trail;

use super::skeleton::{color, limb_width};
use super::{OverlayStyle, pen};
use crate::output::PoseOutput;
use crate::pose::Keypoint;

/// Joints with a trail, matched by the end of their names: trails of all seventeen joints would
/// hide the person.
const ENDS: [&str; 4] = ["wrist", "ankle", "nose", "head_top"];

/// Opacity at the joint; a trail fades to 0 at its older end.
const OPACITY: f32 = 0.85;

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
    let joints = output.skeleton.joints.iter().enumerate();
    let ends: Vec<usize> = joints
        .filter(|(_, name)| ENDS.iter().any(|end| name.ends_with(end)))
        .map(|(j, _)| j)
        .collect();
    for pose in output.poses.iter().rev() {
        let size = pose.bbox.w.max(pose.bbox.h) as f32;
        let width = 0.8 * limb_width(size, pen(output.frame.size()));
        for &j in &ends {
            let place = |k: Option<&Keypoint>| match k {
                Some(k) if style.draws(j, k) => [k.x, k.y],
                // The trail is interrupted where the joint was not seen.
                _ => [f32::NAN; 2],
            };
            let past = pose.past.iter().map(|step| step.keypoints.get(j));
            let points: Vec<_> = past.chain([pose.keypoints.get(j)]).map(place).collect();
            if points.len() > 1 {
                scene.marks.push(Mark::Trail(Trail {
                    points,
                    width,
                    paint: Paint::new(color(output.skeleton.side(j)), OPACITY),
                }));
            }
        }
    }
}

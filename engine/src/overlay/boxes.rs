//! A box around each person, with track id and score.

use poselens_shaders::canvas::Paint;
use poselens_shaders::scene::{Label, Mark, Rect, Scene};
use poselens_shaders::{CENTER, INK};

use super::skeleton::limb_width;
use super::{OverlayStyle, pen};
use crate::output::PoseOutput;

/// Padding between the outermost joints and the box, as a fraction of the box's longer side: joints
/// lie inside the body.
const MARGIN: f64 = 0.04;

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
    for pose in output.poses.iter().rev() {
        let bbox = pose.bbox;
        let longer = bbox.w.max(bbox.h);
        let is_drawable = [bbox.x, bbox.y, bbox.w, bbox.h]
            .iter()
            .all(|v| v.is_finite());
        if !is_drawable || longer <= 0.0 {
            continue;
        }
        let margin = MARGIN * longer;
        let min = [bbox.x - margin, bbox.y - margin].map(|v| v as f32);
        let max = [bbox.x + bbox.w + margin, bbox.y + bbox.h + margin].map(|v| v as f32);
        let pen = pen(output.frame.size());
        let width = 0.5 * limb_width(longer as f32, pen);
        // A dark outline keeps the line visible on bright backgrounds.
        for (stroke, paint) in [
            (width + 2.0 * pen, Paint::new(INK, 0.5)),
            (width, Paint::new(CENTER, 0.9)),
        ] {
            scene.marks.push(Mark::Rect(Rect {
                min,
                max,
                corner: 3.0 * width,
                stroke,
                paint,
            }));
        }
        let score = format!("{:.0} %", 100.0 * pose.score.clamp(0.0, 1.0));
        let text = match pose.track_id.filter(|_| style.track_ids) {
            Some(id) => format!("#{id} {score}"),
            None => score,
        };
        scene.marks.push(Mark::Label(Label::above(min, text)));
    }
}

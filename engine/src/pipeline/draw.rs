//! Overlays drawn into a copy of a frame.

use std::sync::Arc;

use poselens_shaders::canvas::Canvas;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::View;

use super::Look;
use crate::frame::{Frame, FramePool};
use crate::output::PoseOutput;
use crate::pose::PastStep;

/// Selects smoothed or decoded joints of the poses as `look` requires.
pub(super) fn apply_smoothing(look: &Look, output: &mut Arc<PoseOutput>) {
    if !look.is_smoothed && output.poses.iter().any(|p| p.keypoints != p.keypoints_raw) {
        for pose in &mut Arc::make_mut(output).poses {
            pose.keypoints.clone_from(&pose.keypoints_raw);
            for step in &mut pose.past {
                *step = Arc::new(PastStep {
                    keypoints: step.keypoints_raw.clone(),
                    ..PastStep::clone(step)
                });
            }
        }
    }
}

/// Returns the frame with a scene drawn in, in a buffer of `pool`; the frame itself if the scene is
/// empty.
pub(super) fn annotated(scene: &Scene, frame: &Frame, pool: &FramePool) -> Frame {
    if scene.is_empty() {
        return frame.clone();
    }
    let size = frame.size();
    let mut pixels = pool.take(size);
    pixels.bytes_mut().copy_from_slice(frame.rgba());
    let mut canvas = Canvas::new(pixels.bytes_mut(), size.width, size.height);
    scene.draw(&mut canvas, &View::whole([size.width, size.height]));
    let mut picture = Frame::new(frame.id, frame.time_secs, size, pixels);
    picture.captured = frame.captured;
    picture
}

//! Warnings about a prediction that are not visible in its drawing.

use poselens_engine::output::PoseOutput;

/// Box size in pixels below which each limb covers only a few pixels.
const SMALL: f64 = 64.0;

/// Returns the note for a prediction whose joints are drawn from `threshold` upwards.
pub(super) fn prediction_note(output: &PoseOutput, threshold: f32) -> Option<String> {
    let Some(best) = output.poses.first() else {
        return Some("No person found".to_owned());
    };
    let is_drawn = |score: f32| score >= threshold;
    let mut joints = output.poses.iter().flat_map(|pose| &pose.keypoints);
    if !joints.any(|joint| is_drawn(joint.score)) {
        return Some(format!(
            "A person may be there, but every joint is below the threshold of {threshold:.2}"
        ));
    }
    let size = best.bbox.w.max(best.bbox.h);
    let is_small = size < SMALL && output.frame.size().width as f64 > 2.0 * SMALL;
    is_small.then(|| format!("Only {size:.0} pixels high: too small for the network to be exact"))
}

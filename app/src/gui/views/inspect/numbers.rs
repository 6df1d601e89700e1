//! Numeric values of the selected joint and of the pixel under the pointer.

use poselens_engine::geometry::Point;
use poselens_engine::output::PoseOutput;

use crate::gui::state::inspect::Pick;
use crate::gui::views::inspect::shown;
use crate::gui::views::inspect::state::ModelSlot;

/// Returns a model's values for the pick as lines of caption and number.
pub(super) fn of_pick(output: &PoseOutput, pick: &Pick) -> Vec<(&'static str, String)> {
    let Some(picked) = shown::picked(output, pick) else {
        let text = match pick {
            Pick::Joint { name, .. } if output.skeleton.joint(name).is_none() => {
                format!("this model has no joint {name}")
            }
            _ => "no person was found in this frame".to_owned(),
        };
        return vec![("joint", text)];
    };
    let place = format!("{:.2}, {:.2}", picked.point.x, picked.point.y);
    let region = shown::region(output, Some(picked.point));
    let (Some((j, keypoint)), Some(region)) = (picked.joint, region) else {
        return vec![("pixel", place)];
    };
    let mut lines = vec![
        ("score", format!("{:.3}", keypoint.score)),
        ("image", place),
    ];
    if let Some(peak) = shown::peak(region, j, keypoint) {
        let [x, y] = peak.pixel;
        lines.push(("highest", format!("{x}, {y} = {:.3}", peak.value)));
        let (u, v) = (peak.decoded.x, peak.decoded.y);
        lines.push(("decoded", format!("{u:.2}, {v:.2}")));
    }
    lines
}

/// Returns the pixel, map value and heatmap value at a point of the image.
pub(super) fn under(model_slot: &ModelSlot, pick: Option<&Pick>, point: Point) -> String {
    let mut parts = vec![format!("{:.0}, {:.0}", point.x, point.y)];
    if let Some(map) = &model_slot.shown.map
        && let Some(value) = shown::value_at(&map.map, 0, &map.image_from_map, point)
    {
        parts.push(format!("map {}", short(value)));
    }
    let found = model_slot.found.as_ref();
    if let Some(output) = found
        && let Some(region) = shown::region(output, Some(point))
    {
        let picked = pick.and_then(|pick| shown::picked(output, pick));
        let at = |j| shown::value_at(&region.heatmaps, j, &region.image_from_heatmap, point);
        // Without a joint: the maximum over all joints, as displayed.
        let value = match picked.and_then(|p| p.joint) {
            Some((j, _)) => at(j),
            None => (0..region.heatmaps.n).filter_map(at).reduce(f32::max),
        };
        parts.extend(value.map(|v| format!("heatmap {}", short(v))));
    }
    parts.join("   ")
}

/// Formats three significant digits: attention to one of a thousand tokens is about 0.001.
fn short(value: f32) -> String {
    if value != 0.0 && value.abs() < 0.01 {
        format!("{value:.2e}")
    } else {
        format!("{value:.3}")
    }
}

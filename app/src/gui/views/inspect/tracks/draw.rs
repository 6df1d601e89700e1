//! Drawing of recorded people.

use poselens_engine::frame::Frame;
use poselens_engine::output::{PeopleCount, PoseOutput, Timings};
use poselens_engine::overlay::{OverlaySpec, OverlayStyle, overlay, pen, scene};
use poselens_engine::pose::Pose;
use poselens_shaders::canvas::Paint;
use poselens_shaders::scene::{Mark, Rect};

use crate::gui::views::inspect::tracks::people::{RecordedPeople, color};

/// Distance between the joints of a chosen person and the box around them, as a fraction of its
/// longer side.
const MARGIN: f64 = 0.06;

/// Returns the marks of the people in a frame: each in the colour of its track, chosen ones with a
/// box; `None` if they are not drawn.
pub(in crate::gui::views::inspect) fn marks(
    people: &RecordedPeople,
    frame: &Frame,
) -> Option<Vec<Mark>> {
    if !people.is_drawn {
        return None;
    }
    let Some(recorded) = people.recorded() else {
        return Some(Vec::new());
    };
    let overlays: Vec<&OverlaySpec> = overlay("skeleton").into_iter().collect();
    let mut marks = Vec::new();
    // The best person is drawn last.
    for pose in recorded.poses.iter().rev() {
        let is_chosen = pose.track_id.is_some_and(|id| people.chosen.contains(&id));
        if is_chosen {
            marks.push(box_around(pose, frame));
        }
        let output = PoseOutput {
            frame: frame.clone(),
            model: recorded.model.clone(),
            skeleton: recorded.skeleton,
            poses: vec![pose.clone()],
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        };
        let style = OverlayStyle {
            tint: Some(color(pose.track_id)),
            ..OverlayStyle::default()
        };
        marks.extend(scene(&output, &overlays, &style).marks);
    }
    Some(marks)
}

fn box_around(pose: &Pose, frame: &Frame) -> Mark {
    let bbox = pose.bbox;
    let margin = MARGIN * bbox.w.max(bbox.h);
    let pen = pen(frame.size());
    Mark::Rect(Rect {
        min: [bbox.x - margin, bbox.y - margin].map(|v| v as f32),
        max: [bbox.x + bbox.w + margin, bbox.y + bbox.h + margin].map(|v| v as f32),
        corner: 4.0 * pen,
        stroke: 2.0 * pen,
        paint: Paint::new(color(pose.track_id), 1.0),
    })
}

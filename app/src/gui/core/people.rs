//! Which people of the live view are estimated and shown.

use poselens_engine::geometry::Point;
use poselens_engine::output::PoseOutput;
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::track::{Follow, Selection};

use crate::gui::action::people::PeopleAction;
use crate::gui::core::Core;
use crate::gui::ui_state::Level;

impl Core {
    pub(super) fn run_people(&mut self, action: PeopleAction) {
        let now = self.ui_state.selection.clone();
        let selection = match action {
            PeopleAction::Estimate(people) => {
                (self.state.people, self.ui_state.people) = (people, people);
                if let Some(model) = self.ui_state.wanted_model.clone() {
                    self.load_model(model);
                }
                return;
            }
            PeopleAction::Restore => std::mem::take(&mut self.ui_state.selection_before),
            PeopleAction::ShowHidden => Selection {
                follow: now.follow,
                ..Selection::default()
            },
            PeopleAction::Follow(follow) => Selection {
                follow,
                ..now.clone()
            },
            PeopleAction::FollowAt(point) => {
                let follow = self.person_at(point).map(Follow::Id);
                if let Some(Follow::Id(id)) = follow {
                    let text = format!("Following #{id}; click beside the person to show everyone");
                    self.ui_state.say(Level::Info, text);
                }
                Selection {
                    follow,
                    ..now.clone()
                }
            }
            PeopleAction::HideAt(point) => {
                let Some(id) = self.person_at(point) else {
                    return;
                };
                let mut selection = now.clone();
                selection.follow.take_if(|follow| *follow == Follow::Id(id));
                selection.hidden.insert(id);
                let text = format!("#{id} is hidden; the Model panel shows hidden people again");
                self.ui_state.say(Level::Info, text);
                selection
            }
        };
        self.select(selection);
    }

    /// Shows other people from the next frame on.
    pub(super) fn select(&mut self, selection: Selection) {
        if selection != self.ui_state.selection {
            let before = std::mem::replace(&mut self.ui_state.selection, selection);
            self.ui_state.selection_before = before;
            self.look_changed();
        }
    }

    fn person_at(&self, point: Point) -> Option<u64> {
        let output = self.ui_state.presented.as_ref()?.output.as_ref()?;
        person_at(output, point, self.state.keypoint_threshold)
    }
}

/// Returns the track id of the person at a point of the image: of those whose box contains it, the
/// one with the nearest drawn joint.
fn person_at(output: &PoseOutput, point: Point, threshold: f32) -> Option<u64> {
    let is_drawn = |joint: &&Keypoint| joint.score >= threshold;
    let distance = |pose: &Pose| {
        let joints = pose.keypoints.iter().filter(is_drawn);
        joints
            .map(|joint| joint.point().distance(point))
            .min_by(f64::total_cmp)
    };
    let hit = output.poses.iter().filter(|pose| pose.bbox.contains(point));
    let hit = hit.filter_map(|pose| Some((distance(pose)?, pose.track_id?)));
    hit.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::frame::{Frame, Pixels};
    use poselens_engine::geometry::Size;
    use poselens_engine::output::{PeopleCount, Timings};
    use poselens_engine::skeleton::Skeleton;

    /// Fails when a click picks another person than the one with the nearest joint, or one whose
    /// joints are not drawn.
    #[test]
    fn the_person_with_the_nearest_joint_is_picked() {
        let person = |id: u64, x: f32, score: f32| {
            let joint = |j: u8| Keypoint {
                x: x + 8.0 * f32::from(j % 5),
                y: 10.0 * f32::from(j),
                score,
            };
            Pose {
                track_id: Some(id),
                ..Pose::from_keypoints((0..17).map(joint).collect())
            }
        };
        let output = PoseOutput {
            frame: Frame::new(0, 0.0, Size::new(1, 1), Pixels::unpooled(vec![0; 4])),
            model: "m".into(),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: vec![
                person(1, 0.0, 0.9),
                person(2, 20.0, 0.9),
                person(3, 200.0, 0.25),
            ],
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        };
        let at = |x, y, threshold| person_at(&output, Point::new(x, y), threshold);
        assert_eq!(at(2.0, 52.0, 0.3), Some(1));
        assert_eq!(at(50.0, 42.0, 0.3), Some(2));
        assert_eq!(at(205.0, 52.0, 0.3), None);
        assert_eq!(at(205.0, 52.0, 0.2), Some(3));
        assert_eq!(at(400.0, 52.0, 0.2), None);
    }
}

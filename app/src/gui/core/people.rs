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
                let follow = match self.hit(point) {
                    Hit::Person(id) => {
                        let text =
                            format!("Following #{id}; click beside the person to show everyone");
                        self.ui_state.say(Level::Info, text);
                        Some(Follow::Id(id))
                    }
                    Hit::WithoutId => {
                        self.ui_state.say(Level::Warning, WITHOUT_ID);
                        return;
                    }
                    Hit::Nobody => None,
                };
                Selection {
                    follow,
                    ..now.clone()
                }
            }
            PeopleAction::HideAt(point) => {
                let id = match self.hit(point) {
                    Hit::Person(id) => id,
                    Hit::WithoutId => {
                        self.ui_state.say(Level::Warning, WITHOUT_ID);
                        return;
                    }
                    Hit::Nobody => return,
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

    fn hit(&self, point: Point) -> Hit {
        let presented = self.ui_state.presented.as_ref();
        let output = presented.and_then(|presented| presented.output.as_ref());
        output.map_or(Hit::Nobody, |output| {
            hit(output, point, self.state.keypoint_threshold)
        })
    }
}

/// The message of a click on a person without a track id.
const WITHOUT_ID: &str = "This person has no number in this frame, which is too far from the frames \
    that were tracked; press Space to play from here, then click the person";

/// A click on the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hit {
    /// The person with this track id.
    Person(u64),
    /// A person without a track id.
    WithoutId,
    Nobody,
}

/// Returns the person at a point of the image: of those whose box contains it, the one with the
/// nearest drawn joint.
fn hit(output: &PoseOutput, point: Point, threshold: f32) -> Hit {
    let is_drawn = |joint: &&Keypoint| joint.score >= threshold;
    let distance = |pose: &Pose| {
        let joints = pose.keypoints.iter().filter(is_drawn);
        joints
            .map(|joint| joint.point().distance(point))
            .min_by(f64::total_cmp)
    };
    let hit = output.poses.iter().filter(|pose| pose.bbox.contains(point));
    let hit = hit.filter_map(|pose| Some((distance(pose)?, pose.track_id)));
    match hit.min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, Some(id))) => Hit::Person(id),
        Some((_, None)) => Hit::WithoutId,
        None => Hit::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::frame::{Frame, Pixels};
    use poselens_engine::geometry::Size;
    use poselens_engine::output::{PeopleCount, Timings};
    use poselens_engine::skeleton::Skeleton;

    /// Fails when a click picks another person than the one with the nearest joint, or one whose
    /// joints are not drawn, or overlooks a person without an id.
    #[test]
    fn the_person_with_the_nearest_joint_is_picked() {
        let person = |id: Option<u64>, x: f32, score: f32| {
            let joint = |j: u8| Keypoint {
                x: x + 8.0 * f32::from(j % 5),
                y: 10.0 * f32::from(j),
                score,
            };
            Pose {
                track_id: id,
                ..Pose::from_keypoints((0..17).map(joint).collect())
            }
        };
        let output = PoseOutput {
            frame: Frame::new(0, 0.0, Size::new(1, 1), Pixels::unpooled(vec![0; 4])),
            model: "m".into(),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: vec![
                person(Some(1), 0.0, 0.9),
                person(Some(2), 20.0, 0.9),
                person(Some(3), 200.0, 0.25),
                person(None, 300.0, 0.9),
            ],
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        };
        let at = |x, y, threshold| hit(&output, Point::new(x, y), threshold);
        assert_eq!(at(2.0, 52.0, 0.3), Hit::Person(1));
        assert_eq!(at(50.0, 42.0, 0.3), Hit::Person(2));
        assert_eq!(at(205.0, 52.0, 0.3), Hit::Nobody);
        assert_eq!(at(205.0, 52.0, 0.2), Hit::Person(3));
        assert_eq!(at(302.0, 52.0, 0.3), Hit::WithoutId);
        assert_eq!(at(400.0, 52.0, 0.2), Hit::Nobody);
    }
}

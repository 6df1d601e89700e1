//! What a gesture does to the labels.
//!
//! A [`Gesture`] becomes an [`Edit`] on the thread that owns the project, from the labels at that
//! moment: gestures that follow each other faster than the disk add up.

use poselens_engine::geometry::{Affine2, BBox, Point};
use poselens_engine::project::{Edit, FrameKey, Joint, Labels, Person};
use poselens_engine::sample::Visibility;
use poselens_engine::{Error, Result};

use crate::gui::action::label::PersonChange;

/// A change to the labels of one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Gesture {
    /// Place a joint of a person.
    Place(u64, usize, Point),
    /// Move a joint of a person by x and y in pixels.
    Nudge(u64, usize, [f64; 2]),
    /// Make a joint of a person visible, occluded or absent in turn.
    Cycle(u64, usize),
    /// Move, turn or scale a person.
    Transform(u64, Affine2),
    /// Change a person.
    Change(u64, PersonChange),
    /// Add a person.
    Add(Vec<Joint>),
    /// Copy the people of the previous labelled frame.
    Copy,
    /// Fill in the frames between the nearest confirmed ones.
    Fill,
    /// Accept all people.
    Accept,
}

impl Gesture {
    /// Returns whether a key makes it; the pointer makes the others.
    pub(super) const fn is_by_key(&self) -> bool {
        !matches!(self, Self::Place(..) | Self::Transform(..))
    }

    /// Returns the edit that the gesture makes in frame `at`.
    ///
    /// # Errors
    /// When the person or joint is gone, or there is no frame to copy or fill in from.
    pub(super) fn edit(self, at: FrameKey, labels: &Labels) -> Result<Edit> {
        let find = |person: u64| -> Result<&Person> {
            let found = labels.frame(at).and_then(|frame| frame.person(person));
            found.ok_or_else(|| Error::Failed("this person is gone".to_owned()))
        };
        let joint_of = |person: u64, joint: usize| -> Result<Joint> {
            let found = find(person)?.joints.get(joint).copied();
            found.ok_or_else(|| Error::Invalid(format!("there is no joint {joint}")))
        };
        Ok(match self {
            Self::Place(person, joint, to) => Edit::MoveJoint {
                at,
                person,
                joint,
                to,
            },
            Self::Nudge(person, joint, [x, y]) => {
                let now = joint_of(person, joint)?;
                let from = place(&now).or_else(|| middle(find(person).ok()?));
                let Point { x: left, y: top } = from.unwrap_or_default();
                Edit::MoveJoint {
                    at,
                    person,
                    joint,
                    to: Point::new(left + x, top + y),
                }
            }
            Self::Cycle(person, joint) => {
                let now = joint_of(person, joint)?;
                let visibility = next(now.visibility);
                match (place(&now), middle(find(person)?)) {
                    // It was never anywhere.
                    (None, Some(to)) => Edit::MoveJoint {
                        at,
                        person,
                        joint,
                        to,
                    },
                    _ => Edit::SetVisibility {
                        at,
                        person,
                        joint,
                        visibility,
                    },
                }
            }
            Self::Transform(person, by) => Edit::Transform { at, person, by },
            Self::Change(person, change) => changed(at, find(person)?, change),
            Self::Add(joints) => Edit::AddPerson { at, joints },
            Self::Copy => {
                let from = labels.copied_before(at);
                let none = "no earlier frame of this clip has people to copy";
                let from = from.ok_or_else(|| Error::Failed(none.to_owned()))?;
                Edit::CopyPoses { from, to: at }
            }
            Self::Fill => {
                let around = labels.filled_around(at);
                let none = "nothing to fill in: accept a frame before and one after this one";
                let (from, to) = around.ok_or_else(|| Error::Failed(none.to_owned()))?;
                Edit::Interpolate { from, to }
            }
            Self::Accept => Edit::Accept { at },
        })
    }
}

fn changed(at: FrameKey, person: &Person, change: PersonChange) -> Edit {
    let id = person.id;
    let center = middle(person).unwrap_or_default();
    let by = match change {
        PersonChange::Move(x, y) => Affine2::shift(x, y),
        PersonChange::Turn(degrees) => Affine2::turn(center, degrees),
        PersonChange::Scale(factor) => Affine2::scale(center, factor),
        PersonChange::Swap => return Edit::SwapSides { at, person: id },
        PersonChange::Delete => return Edit::DeletePerson { at, person: id },
        PersonChange::Confirm => {
            return Edit::Confirm {
                at,
                person: id,
                is_confirmed: !person.is_confirmed,
            };
        }
    };
    Edit::Transform { at, person: id, by }
}

/// Returns the visibility that follows in the cycle visible, occluded, absent.
fn next(visibility: Visibility) -> Visibility {
    match visibility {
        Visibility::Visible => Visibility::Hidden,
        Visibility::Hidden => Visibility::Unlabelled,
        Visibility::Unlabelled => Visibility::Visible,
    }
}

/// Returns the position of a joint, also of an absent one that had one before.
pub(super) fn place(joint: &Joint) -> Option<Point> {
    let was_placed = joint.xy() != Joint::ABSENT.xy();
    joint.labelled().or(was_placed.then(|| joint.point()))
}

/// Returns the middle of the box around a person's joints; `None` without joints.
pub(super) fn middle(person: &Person) -> Option<Point> {
    let bbox = BBox::around(person.joints.iter().filter_map(Joint::labelled));
    Some(bbox?.center())
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::project::{Change, template};
    use poselens_engine::skeleton::Skeleton;
    use proptest::prelude::*;

    const AT: FrameKey = FrameKey::new(1, 7);
    const PERSON: u64 = 1;

    /// Returns labels with one person in [`AT`].
    fn labels(joints: Vec<Joint>) -> Labels {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let mut labels = Labels::new(skeleton);
        let now = Some(Person {
            id: PERSON,
            is_confirmed: false,
            joints,
        });
        let added = Change::Person {
            at: AT,
            was: None,
            now,
        };
        labels.apply(&[added]).unwrap();
        labels
    }

    fn standing() -> Vec<Joint> {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        template(skeleton, Point::new(320.0, 240.0), 300.0)
    }

    proptest! {
        /// Fails when a nudge does not move exactly its joint by exactly its distance, so that
        /// repeated keys do not add up.
        #[test]
        fn a_nudge_moves_one_joint(joint in 0..17_usize, x in -1.0..1.0_f64, y in -1.0..1.0_f64) {
            let labels = labels(standing());
            let was = standing()[joint].point();
            let edit = Gesture::Nudge(PERSON, joint, [x, y]).edit(AT, &labels).unwrap();
            let to = Point::new(was.x + x, was.y + y);
            prop_assert_eq!(edit, Edit::MoveJoint { at: AT, person: PERSON, joint, to });
        }

        /// Fails when turning or scaling a person moves its middle, or moving does not.
        #[test]
        fn a_person_is_turned_and_scaled_about_its_middle(
            degrees in -90.0..90.0_f64, factor in 0.5..2.0_f64, x in -50.0..50.0_f64,
        ) {
            let labels = labels(standing());
            let person = labels.people(AT)[0].clone();
            let center = middle(&person).unwrap();
            for (change, wanted) in [
                (PersonChange::Turn(degrees), center),
                (PersonChange::Scale(factor), center),
                (PersonChange::Move(x, 2.0 * x), Point::new(center.x + x, center.y + 2.0 * x)),
            ] {
                let edit = Gesture::Change(PERSON, change).edit(AT, &labels).unwrap();
                let Edit::Transform { by, .. } = edit else {
                    panic!("{edit:?}");
                };
                prop_assert!(by.apply(center).distance(wanted) < 1e-6);
            }
        }
    }

    /// Fails when right-clicking a joint three times does not bring it back, or one that was never
    /// placed becomes visible in the corner of the image.
    #[test]
    fn visibility_goes_round_in_three() {
        let mut seen = vec![Visibility::Visible];
        for _ in 0..3 {
            seen.push(next(*seen.last().unwrap()));
        }
        assert_eq!(
            seen[1..],
            [
                Visibility::Hidden,
                Visibility::Unlabelled,
                Visibility::Visible
            ]
        );
        let mut joints = standing();
        joints[4] = Joint::ABSENT;
        let labels = labels(joints);
        let edit = Gesture::Cycle(PERSON, 4).edit(AT, &labels).unwrap();
        let to = middle(&labels.people(AT)[0]).unwrap();
        let wanted = Edit::MoveJoint {
            at: AT,
            person: PERSON,
            joint: 4,
            to,
        };
        assert_eq!(edit, wanted);
    }

    /// Fails when a gesture on something that is gone does not say so in a line.
    #[test]
    fn gestures_without_an_object_are_refused() {
        let labels = labels(standing());
        let line = |gesture: Gesture| gesture.edit(AT, &labels).unwrap_err().to_string();
        let swap = Gesture::Change(99, PersonChange::Swap);
        assert_eq!(line(swap), "this person is gone");
        assert!(line(Gesture::Copy).contains("no earlier frame"));
        assert!(line(Gesture::Fill).contains("nothing to fill in"));
        assert!(line(Gesture::Nudge(PERSON, 17, [1.0, 0.0])).contains("no joint 17"));
    }
}

//! What a user can do to labels: [`Edit`]s, each of which becomes a list of [`Change`]s.

use super::labels::{Change, Labels};
use super::person::{FrameKey, Joint, Person, mean_distance};
use super::reason::Suggestion;
use crate::error::{Error, Result};
use crate::geometry::{Affine2, Point};
use crate::sample::Visibility;
use crate::track::assign;

/// Labels for a frame that were not made by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameProposal {
    /// The frame.
    pub at: FrameKey,
    /// Why the frame should be labelled; `None` leaves it as it is.
    pub suggestion: Option<Suggestion>,
    /// Joints of each person.
    pub people: Vec<Vec<Joint>>,
    /// Whether the people count as confirmed.
    pub is_confirmed: bool,
}

/// One step that is recorded, undone and redone as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Moves a joint by hand; an absent joint becomes visible.
    MoveJoint {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
        /// Index of the joint.
        joint: usize,
        /// New position in image pixels.
        to: Point,
    },
    /// Sets whether a joint is visible, occluded or absent.
    SetVisibility {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
        /// Index of the joint.
        joint: usize,
        /// The new value.
        visibility: Visibility,
    },
    /// Adds a person by hand.
    AddPerson {
        /// The frame.
        at: FrameKey,
        /// Joints in the skeleton's order.
        joints: Vec<Joint>,
    },
    /// Adds a person that a model has found. Its joints are proposals.
    ProposePerson {
        /// The frame.
        at: FrameKey,
        /// Joints in the skeleton's order.
        joints: Vec<Joint>,
    },
    /// Deletes a person.
    DeletePerson {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
    },
    /// Exchanges the left and right joints of a person.
    SwapSides {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
    },
    /// Moves, turns or scales a whole person.
    Transform {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
        /// Maps old to new positions.
        by: Affine2,
    },
    /// Copies all people of one frame to another frame, in place of the proposals there.
    CopyPoses {
        /// The frame to copy.
        from: FrameKey,
        /// The frame to copy to.
        to: FrameKey,
    },
    /// Fills the frames between two frames with confirmed people, who are moved linearly. Proposals
    /// are replaced, frames with handwork are left as they are.
    Interpolate {
        /// The frame before the first one to fill.
        from: FrameKey,
        /// The frame after the last one to fill, of the same clip.
        to: FrameKey,
    },
    /// Accepts or withdraws one person.
    Confirm {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
        /// Whether the person is confirmed from now on.
        is_confirmed: bool,
    },
    /// Accepts a frame: all people in it are confirmed.
    Accept {
        /// The frame.
        at: FrameKey,
    },
    /// Suggests a frame, or withdraws the suggestion.
    Suggest {
        /// The frame.
        at: FrameKey,
        /// The suggestion; `None` withdraws it.
        suggestion: Option<Suggestion>,
    },
    /// Adds proposals in place of earlier ones. Frames with handwork keep their people and get no
    /// others.
    Propose {
        /// The frames, each at most once.
        frames: Vec<FrameProposal>,
    },
    /// Withdraws the suggestions of some frames together with the proposals in them, and adds others.
    Repropose {
        /// Frames that are no longer suggested. Handwork in them stays.
        withdrawn: Vec<FrameKey>,
        /// The other frames, each at most once.
        frames: Vec<FrameProposal>,
    },
}

impl Edit {
    /// Returns the name of the edit, as it is written to the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MoveJoint { .. } => "move joint",
            Self::SetVisibility { .. } => "set visibility",
            Self::AddPerson { .. } => "add person",
            Self::ProposePerson { .. } => "propose person",
            Self::DeletePerson { .. } => "delete person",
            Self::SwapSides { .. } => "swap sides",
            Self::Transform { .. } => "transform person",
            Self::CopyPoses { .. } => "copy poses",
            Self::Interpolate { .. } => "interpolate",
            Self::Confirm { .. } => "confirm person",
            Self::Accept { .. } => "accept frame",
            Self::Suggest { .. } => "suggest frame",
            Self::Propose { .. } => "propose",
            Self::Repropose { .. } => "replace proposals",
        }
    }

    /// Returns the changes that the edit makes to `labels`; empty if it makes none.
    ///
    /// # Errors
    /// When a person or joint does not exist, or a position is not finite.
    pub(super) fn changes(&self, labels: &Labels) -> Result<Vec<Change>> {
        let mut changes = Changes {
            labels,
            next_id: labels.next_id(),
            list: Vec::new(),
        };
        match self {
            Self::MoveJoint {
                at,
                person,
                joint,
                to,
            } => {
                changes.joint(*at, *person, *joint, |was| was.moved_to(*to), [*to])?;
            }
            Self::SetVisibility {
                at,
                person,
                joint,
                visibility,
            } => changes.joint(*at, *person, *joint, |was| was.shown_as(*visibility), [])?,
            Self::AddPerson { at, joints } => {
                let joints = joints.iter().map(|joint| joint.touched()).collect();
                changes.add(*at, joints, false)?;
            }
            Self::ProposePerson { at, joints } => changes.add(*at, joints.clone(), false)?,
            Self::DeletePerson { at, person } => {
                let was = changes.person(*at, *person)?.clone();
                changes.remove(*at, was);
            }
            Self::SwapSides { at, person } => {
                let joints = changes.person(*at, *person)?.joints.clone();
                for (joint, &partner) in labels.skeleton().mirror.iter().enumerate() {
                    if joint != partner {
                        changes.joint(*at, *person, joint, |_| joints[partner], [])?;
                    }
                }
            }
            Self::Transform { at, person, by } => {
                let joints = changes.person(*at, *person)?.joints.clone();
                for (joint, was) in joints.iter().enumerate() {
                    if let Some(to) = was.labelled().map(|point| by.apply(point)) {
                        changes.joint(*at, *person, joint, |was| was.moved_to(to), [to])?;
                    }
                }
            }
            Self::CopyPoses { from, to } => changes.copy(*from, *to)?,
            Self::Interpolate { from, to } => changes.interpolate(*from, *to)?,
            Self::Confirm {
                at,
                person,
                is_confirmed,
            } => {
                let was = changes.person(*at, *person)?.is_confirmed;
                changes.confirm(*at, *person, was, *is_confirmed);
            }
            Self::Accept { at } => {
                for person in labels.people(*at) {
                    changes.confirm(*at, person.id, person.is_confirmed, true);
                }
                let was = labels.frame(*at).is_some_and(|frame| frame.is_accepted);
                if !was {
                    let (at, now) = (*at, true);
                    changes.list.push(Change::Accepted { at, was, now });
                }
            }
            Self::Suggest { at, suggestion } => changes.suggest(*at, *suggestion),
            Self::Propose { frames } => {
                for frame in frames {
                    changes.propose(frame)?;
                }
            }
            Self::Repropose { withdrawn, frames } => {
                for at in withdrawn {
                    changes.suggest(*at, None);
                    changes.clear(*at);
                }
                for frame in frames {
                    changes.propose(frame)?;
                }
            }
        }
        Ok(changes.list)
    }
}

/// Collects the changes of one edit.
struct Changes<'a> {
    labels: &'a Labels,
    next_id: u64,
    list: Vec<Change>,
}

impl Changes<'_> {
    fn person(&self, at: FrameKey, id: u64) -> Result<&Person> {
        let FrameKey { clip, frame } = at;
        let missing = || Error::Invalid(format!("frame {frame} of clip {clip} has no person {id}"));
        let person = self.labels.frame(at).and_then(|labels| labels.person(id));
        person.ok_or_else(missing)
    }

    /// Replaces a joint by hand. `places` are positions to be checked.
    fn joint(
        &mut self,
        at: FrameKey,
        person: u64,
        joint: usize,
        change: impl FnOnce(Joint) -> Joint,
        places: impl IntoIterator<Item = Point>,
    ) -> Result<()> {
        let was = self.person(at, person)?.joints.get(joint).copied();
        let was = was.ok_or_else(|| Error::Invalid(format!("there is no joint {joint}")))?;
        for Point { x, y } in places {
            if !(x.is_finite() && y.is_finite()) {
                return Err(Error::Invalid(format!("{x}, {y} is no position")));
            }
        }
        let now = change(was).touched();
        if now != was {
            self.list.push(Change::Joint {
                at,
                person,
                joint,
                was,
                now,
            });
        }
        Ok(())
    }

    fn add(&mut self, at: FrameKey, joints: Vec<Joint>, is_confirmed: bool) -> Result<()> {
        let n = self.labels.skeleton().n_joints();
        if joints.len() != n {
            let found = joints.len();
            return Err(Error::Invalid(format!(
                "{found} joints of a person, not {n}"
            )));
        }
        let next_id = self.next_id.checked_add(1);
        let next_id = next_id.ok_or_else(|| Error::Invalid("every id is taken".to_owned()))?;
        let now = Some(Person {
            id: self.next_id,
            is_confirmed,
            joints,
        });
        self.next_id = next_id;
        self.list.push(Change::Person { at, was: None, now });
        Ok(())
    }

    fn remove(&mut self, at: FrameKey, was: Person) {
        let was = Some(was);
        self.list.push(Change::Person { at, was, now: None });
    }

    fn confirm(&mut self, at: FrameKey, person: u64, was: bool, now: bool) {
        if was != now {
            self.list.push(Change::Confirmed {
                at,
                person,
                was,
                now,
            });
        }
    }

    fn suggest(&mut self, at: FrameKey, now: Option<Suggestion>) {
        let was = self.labels.frame(at).and_then(|labels| labels.suggestion);
        if was != now {
            self.list.push(Change::Suggestion { at, was, now });
        }
    }

    /// Removes the proposals of a frame; returns false if it has handwork, which stays.
    fn clear(&mut self, at: FrameKey) -> bool {
        let labels = self.labels;
        let people = labels.people(at);
        let is_accepted = labels.frame(at).is_some_and(|labels| labels.is_accepted);
        if is_accepted || people.iter().any(Person::has_handwork) {
            return false;
        }
        for person in people {
            self.remove(at, person.clone());
        }
        true
    }

    fn propose(&mut self, proposal: &FrameProposal) -> Result<()> {
        let at = proposal.at;
        if proposal.suggestion.is_some() {
            self.suggest(at, proposal.suggestion);
        }
        if !proposal.people.is_empty() && self.clear(at) {
            for joints in &proposal.people {
                self.add(at, joints.clone(), proposal.is_confirmed)?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, from: FrameKey, to: FrameKey) -> Result<()> {
        let labels = self.labels;
        let people = labels.people(from);
        if from == to || people.is_empty() {
            let FrameKey { clip, frame } = from;
            let reason = format!("frame {frame} of clip {clip} has no people to copy");
            return Err(Error::Invalid(reason));
        }
        // Handwork in the target stays beside the copies.
        self.clear(to);
        for person in people {
            let joints = person.joints.iter().map(|joint| joint.touched());
            self.add(to, joints.collect(), false)?;
        }
        Ok(())
    }

    fn interpolate(&mut self, from: FrameKey, to: FrameKey) -> Result<()> {
        let labels = self.labels;
        let confirmed = |at: FrameKey| {
            let people = labels.people(at).iter();
            people
                .filter(|person| person.is_confirmed)
                .collect::<Vec<_>>()
        };
        let (first, last) = (confirmed(from), confirmed(to));
        if from.clip != to.clip || from >= to || first.is_empty() || last.is_empty() {
            let reason = "fill in between two frames of a clip that both have a confirmed person";
            return Err(Error::Invalid(reason.to_owned()));
        }
        let closeness: Vec<Vec<f64>> = first
            .iter()
            .map(|a| last.iter().map(|b| -distance(a, b)).collect())
            .collect();
        let partners = assign(&closeness, f64::NEG_INFINITY);
        let pairs: Vec<(&Person, &Person)> = first
            .iter()
            .zip(partners)
            .filter_map(|(a, partner)| Some((*a, *last.get(partner?)?)))
            .collect();
        for frame in from.frame + 1..to.frame {
            let at = FrameKey::new(from.clip, frame);
            let share = f64::from(frame - from.frame) / f64::from(to.frame - from.frame);
            if self.clear(at) {
                for (a, b) in &pairs {
                    let joints = a.joints.iter().zip(&b.joints);
                    let joints = joints.map(|(a, b)| between(*a, *b, share));
                    self.add(at, joints.collect(), false)?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the mean distance of the joints that both people have, in pixels; very far if there are
/// none.
fn distance(a: &Person, b: &Person) -> f64 {
    mean_distance(&a.joints, &b.joints).unwrap_or(1e9)
}

/// Returns the joint at `share` of the way from `a` to `b`: absent if either is, occluded if either
/// is.
fn between(a: Joint, b: Joint, share: f64) -> Joint {
    let (Some(p), Some(q)) = (a.labelled(), b.labelled()) else {
        return Joint::ABSENT;
    };
    let mix = |p: f64, q: f64| p + share * (q - p);
    let point = Point::new(mix(p.x, q.x), mix(p.y, q.y));
    let is_hidden = [a, b].iter().any(|j| j.visibility == Visibility::Hidden);
    let visibility = if is_hidden {
        Visibility::Hidden
    } else {
        Visibility::Visible
    };
    Joint::new(point, 0.0, visibility)
}

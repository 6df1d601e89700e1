//! The labels of a project in memory, and the [`Change`]s that every edit consists of.
//!
//! A change names what was there and what is there now, so that it can be checked when it is
//! replayed and undone exactly. Applying one takes logarithmic time in the number of frames.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;

use serde::{Deserialize, Serialize};

use super::person::{FrameKey, Joint, Person};
use super::reason::Suggestion;
use crate::skeleton::Skeleton;

/// The labels of one frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FrameLabels {
    /// Why the frame should be labelled, if it was suggested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
    /// Whether the frame was accepted as a whole, also without people.
    #[serde(default, rename = "accepted", skip_serializing_if = "is_false")]
    pub is_accepted: bool,
    /// People by ascending id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Person>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl FrameLabels {
    /// Returns a person by id.
    pub fn person(&self, id: u64) -> Option<&Person> {
        let at = self.people.binary_search_by_key(&id, |p| p.id).ok()?;
        self.people.get(at)
    }

    /// Returns whether the frame was accepted, or at least one person in it is confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.is_accepted || self.people.iter().any(|p| p.is_confirmed)
    }

    /// Returns whether it was accepted as a frame that shows nobody.
    pub fn is_without_people(&self) -> bool {
        self.is_accepted && self.people.is_empty()
    }

    /// Returns whether it has people that are not confirmed.
    pub fn is_proposed(&self) -> bool {
        self.people.iter().any(|p| !p.is_confirmed)
    }

    /// Returns whether a person in it is confirmed.
    fn has_confirmed(&self) -> bool {
        self.people.iter().any(|p| p.is_confirmed)
    }

    /// Returns whether a person in it was made by hand.
    fn has_handwork(&self) -> bool {
        self.people.iter().any(Person::has_handwork)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn tally(&self) -> Tally {
        let confirmed = self.people.iter().filter(|p| p.is_confirmed).count();
        Tally {
            confirmed: usize::from(self.is_confirmed()),
            without_people: usize::from(self.is_without_people()),
            proposed: usize::from(self.is_proposed()),
            suggested: usize::from(self.suggestion.is_some()),
            confirmed_people: confirmed,
            proposed_people: self.people.len() - confirmed,
        }
    }
}

/// Counts over all frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Number of frames with confirmed people, or accepted without people.
    pub confirmed: usize,
    /// Number of frames accepted without people, which are among the confirmed ones.
    pub without_people: usize,
    /// Number of frames with people that are not confirmed.
    pub proposed: usize,
    /// Number of suggested frames.
    pub suggested: usize,
    /// Number of confirmed people.
    pub confirmed_people: usize,
    /// Number of people that are not confirmed.
    pub proposed_people: usize,
}

impl Tally {
    fn replace(&mut self, old: Self, new: Self) {
        for (sum, old, new) in [
            (&mut self.confirmed, old.confirmed, new.confirmed),
            (
                &mut self.without_people,
                old.without_people,
                new.without_people,
            ),
            (&mut self.proposed, old.proposed, new.proposed),
            (&mut self.suggested, old.suggested, new.suggested),
            (
                &mut self.confirmed_people,
                old.confirmed_people,
                new.confirmed_people,
            ),
            (
                &mut self.proposed_people,
                old.proposed_people,
                new.proposed_people,
            ),
        ] {
            *sum = (*sum + new).saturating_sub(old);
        }
    }
}

/// The smallest step of an edit: one value before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// A joint.
    Joint {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
        /// Index of the joint in the skeleton.
        joint: usize,
        /// The joint before.
        was: Joint,
        /// The joint after.
        now: Joint,
    },
    /// A whole person, absent before (added) or after (deleted).
    Person {
        /// The frame.
        at: FrameKey,
        /// The person before.
        was: Option<Person>,
        /// The person after.
        now: Option<Person>,
    },
    /// Whether a person is confirmed.
    Confirmed {
        /// The frame.
        at: FrameKey,
        /// Id of the person.
        person: u64,
        /// The value before.
        was: bool,
        /// The value after.
        now: bool,
    },
    /// Whether a frame is accepted.
    Accepted {
        /// The frame.
        at: FrameKey,
        /// The value before.
        was: bool,
        /// The value after.
        now: bool,
    },
    /// The suggestion of a frame.
    Suggestion {
        /// The frame.
        at: FrameKey,
        /// The suggestion before.
        was: Option<Suggestion>,
        /// The suggestion after.
        now: Option<Suggestion>,
    },
}

impl Change {
    /// Returns the frame that changes.
    pub fn at(&self) -> FrameKey {
        match self {
            Self::Joint { at, .. }
            | Self::Person { at, .. }
            | Self::Confirmed { at, .. }
            | Self::Accepted { at, .. }
            | Self::Suggestion { at, .. } => *at,
        }
    }

    /// Returns the change that reverts this one.
    pub fn inverse(mut self) -> Self {
        match &mut self {
            Self::Joint { was, now, .. } => std::mem::swap(was, now),
            Self::Person { was, now, .. } => std::mem::swap(was, now),
            Self::Confirmed { was, now, .. } | Self::Accepted { was, now, .. } => {
                std::mem::swap(was, now);
            }
            Self::Suggestion { was, now, .. } => std::mem::swap(was, now),
        }
        self
    }
}

/// All labels of a project. Two are equal if every frame, person and joint is, and the next person
/// gets the same id.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    skeleton: &'static Skeleton,
    /// Frames with labels or a suggestion.
    frames: BTreeMap<FrameKey, FrameLabels>,
    /// Frames with a confirmed person, and those with one made by hand: among 100,000 proposals,
    /// the nearest ones are found without looking at every frame.
    confirmed: BTreeSet<FrameKey>,
    by_hand: BTreeSet<FrameKey>,
    next_id: u64,
    tally: Tally,
}

impl Labels {
    /// Creates labels without frames.
    pub fn new(skeleton: &'static Skeleton) -> Self {
        Self {
            skeleton,
            frames: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            by_hand: BTreeSet::new(),
            next_id: 1,
            tally: Tally::default(),
        }
    }

    /// Creates labels from the frames of a snapshot.
    ///
    /// # Errors
    /// When a frame is listed twice, or a person has another skeleton or a repeated id.
    pub fn from_frames(
        skeleton: &'static Skeleton,
        next_id: u64,
        frames: impl IntoIterator<Item = (FrameKey, FrameLabels)>,
    ) -> Result<Self, String> {
        let mut this = Self::new(skeleton);
        for (at, labels) in frames {
            let FrameKey { clip, frame } = at;
            for person in &labels.people {
                this.check(person)?;
            }
            if !labels.people.is_sorted_by(|a, b| a.id < b.id) {
                return Err(format!(
                    "people of frame {frame} of clip {clip} are not in order"
                ));
            }
            this.tally.replace(Tally::default(), labels.tally());
            this.list(at, labels.has_confirmed(), labels.has_handwork());
            if this.frames.insert(at, labels).is_some() {
                return Err(format!("frame {frame} of clip {clip} is listed twice"));
            }
        }
        this.next_id = this.next_id.max(next_id);
        Ok(this)
    }

    /// Returns the skeleton of the joints.
    pub fn skeleton(&self) -> &'static Skeleton {
        self.skeleton
    }

    /// Returns the labels of a frame; `None` if it has neither labels nor a suggestion.
    pub fn frame(&self, at: FrameKey) -> Option<&FrameLabels> {
        self.frames.get(&at)
    }

    /// Returns the people in a frame.
    pub fn people(&self, at: FrameKey) -> &[Person] {
        self.frame(at).map_or(&[], |labels| &labels.people)
    }

    /// Returns all frames with labels or a suggestion, by clip and index.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = (FrameKey, &FrameLabels)> {
        self.frames.iter().map(|(at, labels)| (*at, labels))
    }

    /// Returns the frames of one clip, by index.
    pub fn frames_of(
        &self,
        clip: u32,
    ) -> impl DoubleEndedIterator<Item = (FrameKey, &FrameLabels)> {
        self.range(FrameKey::new(clip, 0)..=FrameKey::new(clip, u32::MAX))
    }

    /// Returns the frames with labels or a suggestion in a range, in order.
    pub(super) fn range(
        &self,
        range: impl RangeBounds<FrameKey>,
    ) -> impl DoubleEndedIterator<Item = (FrameKey, &FrameLabels)> {
        self.frames.range(range).map(|(at, labels)| (*at, labels))
    }

    /// Returns the counts over all frames.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns the id of the next person.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Applies all changes or, if one of them does not fit, none.
    ///
    /// # Errors
    /// When the labels are not what a change says they were.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), String> {
        for (n, change) in changes.iter().enumerate() {
            if let Err(reason) = self.change(change) {
                self.revert(&changes[..n])?;
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Reverts changes that were applied last.
    ///
    /// # Errors
    /// When the labels are not what the changes left behind.
    pub fn revert(&mut self, changes: &[Change]) -> Result<(), String> {
        for change in changes.iter().rev() {
            self.change(&change.clone().inverse())?;
        }
        Ok(())
    }

    /// Keeps the lists of frames up to date.
    fn list(&mut self, at: FrameKey, has_confirmed: bool, has_handwork: bool) {
        for (list, is_listed) in [
            (&mut self.confirmed, has_confirmed),
            (&mut self.by_hand, has_handwork),
        ] {
            if is_listed {
                list.insert(at);
            } else {
                list.remove(&at);
            }
        }
    }

    /// Returns the frames with a confirmed person.
    pub(super) fn confirmed(&self) -> &BTreeSet<FrameKey> {
        &self.confirmed
    }

    /// Returns the frames with a person made by hand.
    pub(super) fn by_hand(&self) -> &BTreeSet<FrameKey> {
        &self.by_hand
    }

    /// Checks a person of a file and remembers that its id is taken.
    fn check(&mut self, person: &Person) -> Result<(), String> {
        let n = self.skeleton.n_joints();
        if person.joints.len() != n {
            let (id, found) = (person.id, person.joints.len());
            return Err(format!("person {id} has {found} joints, not {n}"));
        }
        let next = person.id.checked_add(1).ok_or("the last id is taken")?;
        self.next_id = self.next_id.max(next);
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<(), String> {
        if let Change::Person { was, now, .. } = change {
            for person in [was, now].into_iter().flatten() {
                self.check(person)?;
            }
        }
        let at = change.at();
        let place = self.frames.entry(at);
        let mut labels = match place {
            Entry::Occupied(place) => place,
            Entry::Vacant(place) => place.insert_entry(FrameLabels::default()),
        };
        let before = labels.get().tally();
        let changed = set(labels.get_mut(), change);
        let now = labels.get();
        let after = now.tally();
        let (has_confirmed, has_handwork) = (now.has_confirmed(), now.has_handwork());
        if now.is_empty() {
            labels.remove();
        }
        self.tally.replace(before, after);
        self.list(at, has_confirmed, has_handwork);
        let FrameKey { clip, frame } = at;
        changed.map_err(|reason| format!("frame {frame} of clip {clip}: {reason}"))
    }
}

/// Returns the place of a person; where it is missing, the place that it would have.
fn find(labels: &FrameLabels, id: u64) -> Result<usize, (usize, String)> {
    let place = labels.people.binary_search_by_key(&id, |p| p.id);
    place.map_err(|place| (place, format!("there is no person {id}")))
}

/// Sets a value; nothing is changed if the value before is another one.
fn set(labels: &mut FrameLabels, change: &Change) -> Result<(), String> {
    let fits = |fits: bool, what: &str| {
        let other = || format!("{what} is not what it was when this edit was made");
        fits.then_some(()).ok_or_else(other)
    };
    match change {
        Change::Joint {
            person,
            joint,
            was,
            now,
            ..
        } => {
            let place = find(labels, *person).map_err(|(_, missing)| missing)?;
            let joints = &mut labels.people[place].joints;
            let there = joints.get_mut(*joint);
            let there = there.ok_or_else(|| format!("there is no joint {joint}"))?;
            fits(there == was, "the joint")?;
            *there = *now;
        }
        Change::Person { was, now, .. } => match (was, now) {
            (None, None) => {}
            (None, Some(now)) => match find(labels, now.id) {
                Ok(_) => return Err(format!("there is a person {} already", now.id)),
                Err((place, _)) => labels.people.insert(place, now.clone()),
            },
            (Some(was), None) => {
                let place = find(labels, was.id).map_err(|(_, missing)| missing)?;
                fits(labels.people[place] == *was, "the person")?;
                labels.people.remove(place);
            }
            (Some(was), Some(now)) => {
                let place = find(labels, was.id).map_err(|(_, missing)| missing)?;
                fits(
                    labels.people[place] == *was && was.id == now.id,
                    "the person",
                )?;
                labels.people[place] = now.clone();
            }
        },
        Change::Confirmed {
            person, was, now, ..
        } => {
            let place = find(labels, *person).map_err(|(_, missing)| missing)?;
            fits(labels.people[place].is_confirmed == *was, "the person")?;
            labels.people[place].is_confirmed = *now;
        }
        Change::Accepted { was, now, .. } => {
            fits(labels.is_accepted == *was, "the acceptance")?;
            labels.is_accepted = *now;
        }
        Change::Suggestion { was, now, .. } => {
            fits(labels.suggestion == *was, "the suggestion")?;
            labels.suggestion = *now;
        }
    }
    Ok(())
}

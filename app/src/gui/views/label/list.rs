//! The list of frames, kept up to date edit by edit.

use std::collections::BTreeSet;
use std::ops::Bound;

use poselens_engine::project::{FrameKey, FrameLabels, Labels};

use crate::gui::state::label::Listed;

/// Frames of one kind, by clip and index.
#[derive(Debug, Default)]
pub(super) struct FrameList {
    listed: Listed,
    frames: Vec<FrameKey>,
    /// Those that are not confirmed.
    open: BTreeSet<FrameKey>,
    /// Suggested frames that are confirmed.
    done: BTreeSet<FrameKey>,
}

impl FrameList {
    /// Lists the frames of a project.
    pub(super) fn new(labels: &Labels, listed: Listed) -> Self {
        let all = || labels.frames();
        let of_kind = all().filter(|(_, frame)| is_listed(frame, listed));
        let open = all().filter(|(_, frame)| is_open(frame, listed));
        let done = all().filter(|(_, frame)| is_done(frame));
        Self {
            listed,
            frames: of_kind.map(|(at, _)| at).collect(),
            open: open.map(|(at, _)| at).collect(),
            done: done.map(|(at, _)| at).collect(),
        }
    }

    /// Returns the kind of the listed frames.
    pub(super) fn listed(&self) -> Listed {
        self.listed
    }

    /// Updates frames that were edited.
    pub(super) fn update(&mut self, labels: &Labels, edited: &[FrameKey]) {
        for &at in edited {
            let frame = labels.frame(at);
            let is_now = frame.is_some_and(|frame| is_listed(frame, self.listed));
            match (self.frames.binary_search(&at), is_now) {
                (Err(place), true) => self.frames.insert(place, at),
                (Ok(place), false) => {
                    self.frames.remove(place);
                }
                _ => {}
            }
            let is_open = frame.is_some_and(|frame| is_open(frame, self.listed));
            let is_done = frame.is_some_and(is_done);
            for (list, is_now) in [(&mut self.open, is_open), (&mut self.done, is_done)] {
                if is_now {
                    list.insert(at);
                } else {
                    list.remove(&at);
                }
            }
        }
    }

    /// Returns the listed frames.
    pub(super) fn frames(&self) -> &[FrameKey] {
        &self.frames
    }

    /// Returns the number of suggested frames that are confirmed.
    pub(super) fn n_done(&self) -> usize {
        self.done.len()
    }

    /// Returns the index of a frame, if it is listed.
    pub(super) fn position(&self, at: FrameKey) -> Option<usize> {
        self.frames.binary_search(&at).ok()
    }

    /// Returns the listed frame after `at`, or before it; `None` at the end.
    pub(super) fn next(&self, at: FrameKey, is_forward: bool) -> Option<FrameKey> {
        let place = self.frames.partition_point(|frame| *frame < at);
        if is_forward {
            let is_here = self.frames.get(place) == Some(&at);
            self.frames.get(place + usize::from(is_here)).copied()
        } else {
            self.frames.get(place.checked_sub(1)?).copied()
        }
    }

    /// Returns the listed frame after `at` that is not confirmed yet, starting again at the first
    /// one; `None` if all are confirmed.
    pub(super) fn next_open(&self, at: FrameKey) -> Option<FrameKey> {
        let after = self.open.range((Bound::Excluded(at), Bound::Unbounded));
        let next = after.chain(&self.open).next().copied();
        next.filter(|next| *next != at)
    }

    /// Returns the first listed frame that is not confirmed yet.
    pub(super) fn first_open(&self) -> Option<FrameKey> {
        self.open.first().copied()
    }
}

fn is_listed(frame: &FrameLabels, listed: Listed) -> bool {
    match listed {
        Listed::Suggested => frame.suggestion.is_some(),
        Listed::Proposed => frame.is_proposed(),
        Listed::Confirmed => frame.is_confirmed(),
    }
}

fn is_open(frame: &FrameLabels, listed: Listed) -> bool {
    is_listed(frame, listed) && !frame.is_confirmed()
}

fn is_done(frame: &FrameLabels) -> bool {
    frame.suggestion.is_some() && frame.is_confirmed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::project::{Change, Reason, Suggestion};
    use poselens_engine::skeleton::Skeleton;
    use proptest::prelude::*;

    fn key(frame: u32) -> FrameKey {
        FrameKey::new(1, frame)
    }

    /// Suggests a frame or withdraws that, or accepts it or withdraws that.
    fn toggled(labels: &Labels, at: FrameKey, is_suggestion: bool) -> Change {
        let frame = labels.frame(at);
        if is_suggestion {
            let was = frame.and_then(|frame| frame.suggestion);
            let (reason, value) = (Reason::Random, 0.0);
            let now = was.is_none().then_some(Suggestion { reason, value });
            Change::Suggestion { at, was, now }
        } else {
            let was = frame.is_some_and(|frame| frame.is_accepted);
            Change::Accepted { at, was, now: !was }
        }
    }

    proptest! {
        /// Fails when a list that was updated edit by edit differs from a new one.
        #[test]
        fn an_updated_list_equals_a_new_one(
            steps in prop::collection::vec((0..12_u32, any::<bool>()), 1..60),
            which in 0..3_usize,
        ) {
            let mut labels = Labels::new(Skeleton::by_name("coco17").unwrap());
            let listed = Listed::ALL[which];
            let mut list = FrameList::new(&labels, listed);
            for (frame, is_suggestion) in steps {
                let change = toggled(&labels, key(frame), is_suggestion);
                labels.apply(&[change]).unwrap();
                list.update(&labels, &[key(frame)]);
                let new = FrameList::new(&labels, listed);
                prop_assert_eq!(list.frames(), new.frames());
                prop_assert_eq!(list.n_done(), new.n_done());
                prop_assert_eq!(list.first_open(), new.first_open());
            }
            for at in 0..12 {
                let mut frames = list.frames().iter();
                let after = frames.clone().find(|f| f.frame > at).copied();
                let before = frames.rfind(|f| f.frame < at).copied();
                prop_assert_eq!(list.next(key(at), true), after);
                prop_assert_eq!(list.next(key(at), false), before);
            }
        }
    }

    /// Fails when going on shows a frame that is done although others are not, or never ends.
    #[test]
    fn going_on_visits_every_open_frame() {
        let mut labels = Labels::new(Skeleton::by_name("coco17").unwrap());
        for frame in [2, 5, 9] {
            let change = toggled(&labels, key(frame), true);
            labels.apply(&[change]).unwrap();
        }
        let mut list = FrameList::new(&labels, Listed::Suggested);
        let mut at = key(5);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let change = toggled(&labels, at, false);
            labels.apply(&[change]).unwrap();
            list.update(&labels, &[at]);
            seen.push(at.frame);
            let Some(next) = list.next_open(at) else {
                break;
            };
            at = next;
        }
        assert_eq!(seen, [5, 9, 2]);
        assert_eq!(list.next_open(at), None);
    }
}

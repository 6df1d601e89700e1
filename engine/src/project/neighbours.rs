//! The labelled frames around a frame, from which poses are copied or filled in.

use super::labels::{FrameLabels, Labels};
use super::person::{FrameKey, Person};

impl Labels {
    /// Returns the frame of the same clip that [`Edit::CopyPoses`](super::Edit) copies from: the
    /// last one before `at` with people that were made by hand, else with proposals.
    pub fn copied_before(&self, at: FrameKey) -> Option<FrameKey> {
        let has_handwork = |labels: &FrameLabels| labels.people.iter().any(Person::has_handwork);
        let by_hand = self.last_before(at, has_handwork);
        by_hand.or_else(|| self.last_before(at, |labels| !labels.people.is_empty()))
    }

    /// Returns the two frames of the same clip that [`Edit::Interpolate`](super::Edit) fills
    /// between when `at` is shown: the nearest frames with a confirmed person on both sides, or
    /// `at` and the nearest one before it, else after it, if `at` has such a person itself.
    pub fn filled_around(&self, at: FrameKey) -> Option<(FrameKey, FrameKey)> {
        let is_confirmed = |labels: &FrameLabels| labels.people.iter().any(|p| p.is_confirmed);
        let before = self.last_before(at, is_confirmed);
        let after = || {
            let last = FrameKey::new(at.clip, u32::MAX);
            let mut later = self.range(FrameKey::new(at.clip, at.frame.checked_add(1)?)..=last);
            later.find_map(|(at, labels)| is_confirmed(labels).then_some(at))
        };
        let here = self.frame(at).is_some_and(is_confirmed).then_some(at);
        match (before, here) {
            (Some(before), Some(here)) => Some((before, here)),
            (before, here) => Some((before.or(here)?, after()?)),
        }
    }

    /// Returns the last frame before `at` in the same clip whose labels are `wanted`.
    fn last_before(&self, at: FrameKey, wanted: impl Fn(&FrameLabels) -> bool) -> Option<FrameKey> {
        let mut earlier = self.range(FrameKey::new(at.clip, 0)..at).rev();
        earlier.find_map(|(at, labels)| wanted(labels).then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::edit::Edit;
    use super::super::test_project::{joints, project};
    use super::*;

    /// Fails when poses are copied from proposals although an earlier frame was corrected, or from
    /// another clip, or frames are filled in from one that is not confirmed.
    #[test]
    fn the_nearest_suitable_frames_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = project(folder.path(), 2, 50);
        let key = |frame| FrameKey::new(1, frame);
        let mut confirmed = |at: FrameKey| {
            let joints = joints(5.0);
            project.apply(&Edit::AddPerson { at, joints }).unwrap();
            project.apply(&Edit::Accept { at }).unwrap();
        };
        confirmed(key(10));
        confirmed(key(30));
        confirmed(FrameKey::new(2, 5));
        let proposal = super::super::edit::FrameProposal {
            at: key(20),
            suggestion: None,
            people: vec![joints(7.0)],
            is_confirmed: false,
        };
        let frames = vec![proposal];
        project.apply(&Edit::Propose { frames }).unwrap();
        // An accepted frame without people has nothing to fill in from.
        project.apply(&Edit::Accept { at: key(15) }).unwrap();
        let labels = project.labels();
        assert_eq!(labels.copied_before(key(25)), Some(key(10)));
        assert_eq!(labels.copied_before(key(31)), Some(key(30)));
        assert_eq!(labels.copied_before(key(10)), None);
        assert_eq!(labels.filled_around(key(20)), Some((key(10), key(30))));
        assert_eq!(labels.filled_around(key(30)), Some((key(10), key(30))));
        assert_eq!(labels.filled_around(key(10)), Some((key(10), key(30))));
        assert_eq!(labels.filled_around(key(40)), None);
        assert_eq!(labels.filled_around(FrameKey::new(2, 5)), None);
    }

    /// Fails when only proposals are there and nothing can be copied.
    #[test]
    fn proposals_are_copied_where_nothing_was_made_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = project(folder.path(), 1, 50);
        let proposal = super::super::edit::FrameProposal {
            at: FrameKey::new(1, 4),
            suggestion: None,
            people: vec![joints(7.0)],
            is_confirmed: false,
        };
        let frames = vec![proposal];
        project.apply(&Edit::Propose { frames }).unwrap();
        let found = project.labels().copied_before(FrameKey::new(1, 9));
        assert_eq!(found, Some(FrameKey::new(1, 4)));
    }
}

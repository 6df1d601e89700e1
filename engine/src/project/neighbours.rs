//! The labelled frames around a frame, from which poses are copied or filled in.

use super::labels::Labels;
use super::person::FrameKey;

impl Labels {
    /// Returns the frame of the same clip that [`Edit::CopyPoses`](super::Edit) copies from: the
    /// last one before `at` with people that were made by hand, else with proposals.
    pub fn copied_before(&self, at: FrameKey) -> Option<FrameKey> {
        let first = FrameKey::new(at.clip, 0);
        let by_hand = self.by_hand().range(first..at).next_back().copied();
        by_hand.or_else(|| {
            let mut earlier = self.range(first..at).rev();
            earlier.find_map(|(at, labels)| (!labels.people.is_empty()).then_some(at))
        })
    }

    /// Returns the two frames of the same clip that [`Edit::Interpolate`](super::Edit) fills
    /// between when `at` is shown: the nearest frames with a confirmed person on both sides, or
    /// `at` and the nearest one before it, else after it, if `at` has such a person itself.
    pub fn filled_around(&self, at: FrameKey) -> Option<(FrameKey, FrameKey)> {
        let [before, after] = self.confirmed_around(at);
        let here = self.confirmed().get(&at).copied();
        match (before, here) {
            (Some(before), Some(here)) => Some((before, here)),
            (before, here) => Some((before.or(here)?, after?)),
        }
    }

    /// Returns the nearest frames of the same clip with a confirmed person before and after `at`.
    pub(super) fn confirmed_around(&self, at: FrameKey) -> [Option<FrameKey>; 2] {
        let first = FrameKey::new(at.clip, 0);
        let last = FrameKey::new(at.clip, u32::MAX);
        let before = self.confirmed().range(first..at).next_back();
        let after = self
            .confirmed()
            .range(at..=last)
            .find(|frame| **frame != at);
        [before.copied(), after.copied()]
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

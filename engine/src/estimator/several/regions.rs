//! Whom to look at, and where.

use crate::geometry::{BBox, Roi, Size};
use crate::pose::Pose;
use crate::preprocess::InputSpec;
use crate::track::{Selector, Sighting, Track, region_around};

/// A tracked person that nobody has seen for this long, in seconds, is not looked for in their
/// predicted region; the finder finds them in the whole frame.
pub(super) const MAX_BLIND_SECS: f64 = 0.25;

/// Seconds without the person after which the region is that of the found pose.
const GAP_SECS: f64 = 0.15;

/// A person in a frame: tracked, found by the finder, or both.
pub(super) struct Subject {
    pub(super) track: Option<Track>,
    /// The pose of the finder.
    pub(super) found: Option<Pose>,
}

impl Subject {
    /// Returns the track id.
    pub(super) fn id(&self) -> Option<u64> {
        self.track.as_ref().and_then(|t| t.id)
    }

    /// Returns whether the person was looked at closely before.
    pub(super) fn is_followed(&self) -> bool {
        self.track.as_ref().is_some_and(|t| t.evidence.is_some())
    }

    /// Returns whether the person is known and was seen a moment ago.
    pub(super) fn is_expected(&self) -> bool {
        let expected = |t: &Track| t.id.is_some() && t.gone_secs <= MAX_BLIND_SECS;
        self.track.as_ref().is_some_and(expected)
    }

    /// Returns the region to look at; `None` if there is none.
    pub(super) fn region(&self, frame: Size, input: &InputSpec) -> Option<Roi> {
        let followed = self.track.as_ref().filter(|track| {
            let is_there = |found: &Pose| {
                // The followed box is steadier, and larger than a fragment that the finder sees.
                let followed = track.followed_box();
                let is_inside = followed.is_some_and(|b| b.contains(found.bbox.center()));
                track.gone_secs <= GAP_SECS && is_inside
            };
            match &self.found {
                Some(found) => is_there(found),
                None => track.gone_secs <= MAX_BLIND_SECS,
            }
        });
        let around = || around(self.found.as_ref()?, frame, input);
        followed
            .and_then(|track| track.region(frame, input.padding, input.size.aspect()))
            .or_else(around)
    }

    /// Returns whether the person may be seen in the frame.
    pub(super) fn may_be_seen(&self) -> bool {
        let is_near = |t: &Track| t.gone_secs <= MAX_BLIND_SECS;
        self.found.is_some() || self.track.as_ref().is_some_and(is_near)
    }

    fn bbox(&self) -> BBox {
        let track = || self.track.as_ref().map(Track::bbox);
        let found = self.found.as_ref().map(|pose| pose.bbox);
        found.or_else(track).unwrap_or_default()
    }
}

/// Returns the region around the joints of a pose; `None` if none counts.
pub(super) fn around(pose: &Pose, frame: Size, input: &InputSpec) -> Option<Roi> {
    region_around(pose, frame, input.padding, input.size.aspect())
}

/// Returns the people of a frame: those tracked, each with the pose assigned to them, then the others
/// that the finder has found. `owners` has the index of the track of each found pose.
pub(super) fn subjects(
    tracks: Vec<Track>,
    found: Vec<Sighting>,
    owners: &[Option<usize>],
) -> Vec<Subject> {
    let tracked = tracks.into_iter().map(|track| Subject {
        track: Some(track),
        found: None,
    });
    let mut subjects: Vec<Subject> = tracked.collect();
    for (sighting, owner) in found.into_iter().zip(owners) {
        let found = Some(sighting.pose);
        match owner.and_then(|i| subjects.get_mut(i)) {
            Some(subject) => subject.found = found,
            None => subjects.push(Subject { track: None, found }),
        }
    }
    subjects
}

/// Returns the indices of the people to look at, the largest first: those who are selected and may be
/// seen.
pub(super) fn due(subjects: &[Subject], selector: &Selector) -> Vec<usize> {
    let is_due = |s: &Subject| s.may_be_seen() && selector.may_return(s.id());
    let mut due: Vec<usize> = (0..subjects.len())
        .filter(|&i| is_due(&subjects[i]))
        .collect();
    let size = |i: usize| subjects[i].bbox().area();
    due.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    due
}

//! Which poses of the closer and the finder are taken for people.

use super::Look;
use super::regions::Subject;
use crate::estimator::following::Thresholds;
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;
use crate::track::{Sighting, evidence_with, oks, shared_joints};

/// Minimum evidence of a single pose relative to that of the average: somebody who is hidden must not
/// be seen for as long as the average takes to fall.
const LEAST_NOW: f64 = 0.8;

/// Two poses of the closer that are more similar than this show the same person.
const SAME_PERSON: f64 = 0.7;

/// Largest fraction of the joints of a pose of the closer that may be those of another one: where
/// people overlap, a pose may begin on one person and end on another.
const MAX_SHARED: f64 = 0.4;

/// A pose of the closer that is less similar than this to the finder's shows somebody else, or parts
/// of two people.
const LEAST_FOUND: f64 = 0.25;

/// A pose of the finder has a say if so many of its joints count.
const SURE_JOINTS: usize = 6;

/// A pose of the finder that is more similar than this to a pose of the closer shows the same person.
const SAME_FOUND: f64 = 0.5;

/// Advantage of a tracked person over one who has just been found: bodies that the finder has split
/// into several people must not replace the tracked ones.
const KNOWN: f64 = 1.0;

/// The pose of a subject.
pub(super) struct Choice {
    /// Index of the subject.
    pub(super) subject: usize,
    pub(super) pose: Pose,
    /// Key of the subject's track.
    pub(super) track: Option<u64>,
    /// Average evidence, if the pose is the closer's.
    pub(super) evidence: Option<f64>,
}

impl From<Choice> for Sighting {
    fn from(choice: Choice) -> Self {
        Self {
            pose: choice.pose,
            of: choice.track,
            evidence: choice.evidence,
        }
    }
}

/// A believed pose of the closer.
struct Close<'a> {
    look: &'a Look,
    evidence: f64,
    /// How well it fits its subject.
    fit: f64,
}

/// Returns the poses of the people seen in a frame: of each subject the pose of the closer if it
/// shows that person, otherwise the pose of the finder, if any.
pub(super) fn sightings(
    subjects: &[Subject],
    looks: &[Look],
    thresholds: Thresholds,
    skeleton: &Skeleton,
) -> Vec<Choice> {
    let mut close: Vec<Close<'_>> = looks
        .iter()
        .filter_map(|look| {
            let subject = &subjects[look.subject];
            let last = subject.track.as_ref().and_then(|t| t.evidence);
            let evidence = evidence_with(last, &look.pose)?;
            let least = if last.is_some() {
                thresholds.keep
            } else {
                thresholds.start
            };
            let fit = fit(subject, &look.pose, skeleton);
            let shows_found = subject.found.as_ref().is_none_or(|found| {
                oks(found, &look.pose, skeleton) >= LEAST_FOUND || !is_sure(found)
            });
            let now = evidence_with(None, &look.pose)?;
            // A NaN is no evidence.
            let is_person = evidence >= least && now >= LEAST_NOW * least && shows_found;
            is_person.then_some(Close {
                look,
                evidence,
                fit,
            })
        })
        .collect();
    // The best fit first; ties go to the earlier subject.
    close.sort_by(|a, b| {
        b.fit
            .total_cmp(&a.fit)
            .then(a.look.subject.cmp(&b.look.subject))
    });
    let mut kept: Vec<Close<'_>> = Vec::new();
    let mut is_taken = vec![false; subjects.len()];
    for one in close {
        let pose = &one.look.pose;
        let is_mixed = kept.iter().any(|other| {
            let shared = shared_joints(pose, &other.look.pose, skeleton);
            shared > MAX_SHARED || oks(pose, &other.look.pose, skeleton) > SAME_PERSON
        });
        if is_mixed {
            // Somebody who was just found was a part of the other person.
            is_taken[one.look.subject] = subjects[one.look.subject].id().is_none();
        } else {
            kept.push(one);
        }
    }
    let shows = |pose: &Pose| {
        let shown = kept.iter().map(|k| oks(&k.look.pose, pose, skeleton));
        shown.fold(0.0, f64::max) > SAME_FOUND
    };
    let choice = |(i, subject): (usize, &Subject)| {
        let track = subject.track.as_ref().map(|t| t.key);
        if let Some(close) = kept.iter().find(|k| k.look.subject == i) {
            return Some(Choice {
                subject: i,
                pose: close.look.pose.clone(),
                track,
                evidence: Some(close.evidence),
            });
        }
        let found = subject.found.as_ref()?;
        (!is_taken[i] && !shows(found)).then(|| Choice {
            subject: i,
            pose: found.clone(),
            track,
            evidence: None,
        })
    };
    subjects.iter().enumerate().filter_map(choice).collect()
}

/// Returns whether a pose of the finder and one of the closer show the same person.
pub(super) fn is_same(found: &Pose, close: &Pose, skeleton: &Skeleton) -> bool {
    oks(found, close, skeleton) > SAME_FOUND
}

/// Returns whether a pose of the finder is complete enough to be compared.
fn is_sure(found: &Pose) -> bool {
    let counting = |k: &&Keypoint| k.score > Pose::COUNTING_SCORE;
    found.keypoints_raw.iter().filter(counting).count() >= SURE_JOINTS
}

/// Returns how well a pose fits a subject: the pose found for it, or the prediction.
fn fit(subject: &Subject, pose: &Pose, skeleton: &Skeleton) -> f64 {
    let found = subject
        .found
        .as_ref()
        .map(|found| oks(found, pose, skeleton));
    let track = subject.track.as_ref();
    let predicted = track.map(|track| track.fit(pose, skeleton));
    let known = if subject.id().is_some() { KNOWN } else { 0.0 };
    let best = [found, predicted].into_iter().flatten();
    known + best.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::geometry::{Affine2, Size};
    use crate::output::{Planes, RegionOutput};
    use crate::track::{MultiOptions, MultiTracker, Track};

    const THRESHOLDS: Thresholds = Thresholds {
        start: 0.5,
        keep: 0.4,
    };

    fn coco() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    fn person(x: f32, score: f32) -> Pose {
        let joint = |i: u8| {
            let [column, row] = [i % 5, i].map(f32::from);
            Keypoint::from([x + 10.0 * column, 40.0 + 10.0 * row, score])
        };
        Pose::from_keypoints((0..17).map(joint).collect())
    }

    fn tracks(poses: &[Pose]) -> Vec<Track> {
        let mut tracker = MultiTracker::new(MultiOptions::new(1.0, coco()));
        let frame = |t| Frame::blank(t, Size::new(640, 480));
        let sighting = |pose: &Pose| Sighting {
            evidence: Some(0.8),
            ..Sighting::from(pose.clone())
        };
        tracker.observe(&frame(0.0), poses.iter().map(sighting).collect(), true);
        tracker.tracks(&frame(0.03))
    }

    fn look(subject: usize, pose: &Pose) -> Look {
        let heatmaps = Planes {
            n: 0,
            size: Size::new(1, 1),
            values: Vec::new(),
        };
        Look {
            subject,
            pose: pose.clone(),
            region: RegionOutput {
                heatmaps: heatmaps.into(),
                image_from_heatmap: Affine2::IDENTITY,
                attention: Vec::new(),
                query_key: Vec::new(),
                fields: None,
                description: Vec::new(),
                track_id: None,
            },
        }
    }

    /// Returns, for each subject, the x of its pose and whether it is the closer's.
    fn chosen(subjects: &[Subject], looks: &[Look]) -> Vec<Option<(f32, bool)>> {
        let choices = sightings(subjects, looks, THRESHOLDS, coco());
        let of = |i: usize| {
            let choice = choices.iter().find(|c| c.subject == i)?;
            Some((choice.pose.keypoints_raw[0].x, choice.evidence.is_some()))
        };
        (0..subjects.len()).map(of).collect()
    }

    /// Fails when a region that shows the person in front is taken for the one behind, or a body
    /// split by the finder becomes two people.
    #[test]
    fn two_regions_do_not_show_one_person() {
        let (front, behind) = (person(200.0, 0.8), person(260.0, 0.7));
        let subjects = |found: Option<Pose>| -> Vec<Subject> {
            let tracks = tracks(&[front.clone(), behind.clone()]).into_iter();
            let tracked = tracks.map(|track| Subject {
                track: Some(track),
                found: None,
            });
            let split = found.map(|pose| Subject {
                track: None,
                found: Some(pose),
            });
            tracked.chain(split).collect()
        };
        let looks = [look(0, &front), look(1, &front)];
        assert_eq!(chosen(&subjects(None), &looks), [Some((200.0, true)), None]);
        let mut arm = front.clone();
        for k in arm.keypoints_raw.iter_mut().skip(4) {
            *k = Keypoint::default();
        }
        let looks = [look(0, &front), look(1, &behind), look(2, &front)];
        let all = chosen(&subjects(Some(arm)), &looks);
        assert_eq!(all, [Some((200.0, true)), Some((260.0, true)), None]);
    }

    /// Fails when furniture replaces the finder's pose, a weak pose of a known person is lost, or a
    /// NaN is believed.
    #[test]
    fn a_person_is_believed_by_evidence() {
        let here = person(200.0, 0.8);
        let weak = person(200.0, 0.45);
        let found = Subject {
            track: None,
            found: Some(person(203.0, 0.6)),
        };
        let known = tracks(std::slice::from_ref(&here)).remove(0);
        let known = Subject {
            track: Some(known),
            found: None,
        };
        let chosen = |subject: &Subject, pose: &Pose| {
            chosen(std::slice::from_ref(subject), &[look(0, pose)])[0]
        };
        assert_eq!(chosen(&found, &here), Some((200.0, true)));
        assert_eq!(chosen(&found, &weak), Some((203.0, false)));
        assert_eq!(chosen(&known, &weak), Some((200.0, true)));
        assert_eq!(chosen(&known, &person(200.0, 0.25)), None);
        assert_eq!(chosen(&known, &person(200.0, f32::NAN)), None);
        let lost = person(f32::NAN, 0.9);
        assert_eq!(chosen(&found, &lost), Some((203.0, false)));
    }
}

//! One of several tracked people.

use super::{Sighting, Track};
use crate::geometry::Size;
use crate::pose::Pose;
use crate::skeleton::Skeleton;
use crate::track::appearance::Appearance;
use crate::track::contact::Looks;
use crate::track::follow::FollowBox;
use crate::track::identity::TrackIdentity;
use crate::track::motion::{MAX_GONE_SECS, Motion, Prediction};

/// Minimum similarity between a pose and a predicted person. With COCO's median sigma and frames a
/// thirtieth of a second apart, 0.2 corresponds to 0.27 person sizes or about a quarter of a metre,
/// closer than two people can stand next to each other.
const LEAST_SIMILARITY: f64 = 0.2;

/// Weight of the overlap of boxes relative to the similarity of joints: it decides between people
/// whose joints fit equally well.
const BOX_WEIGHT: f64 = 0.1;

/// Weight of the similarity of colours, counted from [`USUAL_COLOURS`].
const COLOUR_WEIGHT: f64 = 0.4;

/// Similarity of colours that speaks neither for nor against a person.
const USUAL_COLOURS: f64 = 0.7;

/// A person who was not seen in the last frame is not matched to a pose with other colours than
/// this.
const LEAST_COLOURS: f64 = 0.4;

/// Disadvantage of a person who was not seen in the last frame: the tolerance for their motion would
/// make them fit the poses of people who were.
const LOST: f64 = 0.3;

/// Least merit of a pair. Pairs are counted from it: the closer to the merits of bad pairs, the less
/// a second bad pair makes up for a good one.
pub(super) const LEAST_MERIT: f64 = -0.4;

/// A lost person is found again by their colours alone if these are at least this similar,
const SAME_COLOURS: f64 = 0.85;
/// and the pose is at most this many person sizes away,
const NEAR: f64 = 1.0;
/// plus this many for each second, the speed of a runner.
const NEAR_PER_SEC: f64 = 4.0;

/// A lost person is not found again in a pose that is smaller than this fraction of their size: a hand
/// of the person in front would replace the whole body. Half a body is larger.
const LEAST_SIZE: f64 = 0.15;

/// Growth of the box in frames in which the person was not found, relative to the last one.
const MAX_MISSES: u32 = 4;

/// A box that would move by less than this fraction of its longer side stays: walking moves it by
/// more in a thirtieth of a second, jitter by less.
const MIN_MOVEMENT: f64 = 0.02;

/// Returns the box after the predicted motion of its person.
fn moved(follow: FollowBox, motion: &Motion, time_secs: f64) -> FollowBox {
    let [dx, dy] = motion.shift(time_secs);
    if dx.hypot(dy) < MIN_MOVEMENT * follow.size() {
        follow
    } else {
        follow.shifted([dx, dy])
    }
}

/// How long a person has not been seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absence {
    pub(super) secs: f64,
    /// Whether the person was not seen in the last frame.
    pub(super) is_lost: bool,
}

/// A person.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// Number within the tracker.
    pub(super) key: u64,
    pub(super) motion: Motion,
    /// Track state; `None` until the track is confirmed.
    pub(super) known: Option<TrackIdentity>,
    pub(super) looks: Looks,
    /// Box from which the region is made; `None` until a joint counts.
    follow: Option<FollowBox>,
    /// Number of consecutive frames without the person.
    misses: u32,
    evidence: Option<f64>,
}

impl Person {
    pub(super) fn new(key: u64, time_secs: f64, frame: Size, sighting: &Sighting) -> Self {
        Self {
            key,
            motion: Motion::start(time_secs, &sighting.pose),
            known: None,
            looks: Looks::default(),
            follow: FollowBox::start(&sighting.pose, frame),
            misses: 0,
            evidence: sighting.evidence,
        }
    }

    /// Updates the person with the pose found in the frame.
    pub(super) fn step(&mut self, time_secs: f64, frame: Size, sighting: &Sighting) {
        let pose = &sighting.pose;
        match &mut self.follow {
            Some(follow) if self.misses == 0 => {
                *follow = moved(*follow, &self.motion, time_secs);
                follow.step(pose, frame);
            }
            // After a gap the old box says little.
            follow => *follow = FollowBox::start(pose, frame).or(*follow),
        }
        self.motion.step(time_secs, pose);
        self.misses = 0;
        self.evidence = sighting.evidence.or(self.evidence);
    }

    /// Notes that the person was not found in the frame.
    pub(super) fn miss(&mut self) {
        self.misses += 1;
        if self.misses <= MAX_MISSES
            && let Some(follow) = &mut self.follow
        {
            follow.miss();
        }
    }

    /// Returns whether the person is hidden by another one.
    pub(super) fn is_hidden(&self, time_secs: f64) -> bool {
        self.motion.seen_secs() != time_secs && self.known.is_some() && self.looks.has_rivals()
    }

    /// Predicts the person.
    pub(super) fn track(&self, time_secs: f64) -> Track {
        let moved = |follow| moved(follow, &self.motion, time_secs);
        Track {
            key: self.key,
            id: self.known.as_ref().map(TrackIdentity::id),
            evidence: self.evidence,
            gone_secs: time_secs - self.motion.seen_secs(),
            expected: self.motion.expected(time_secs),
            follow: self.follow.map(moved),
        }
    }

    /// Returns how well a pose fits this person, who is `expected` there; `None` if it is another
    /// person's.
    pub(super) fn merit(
        &self,
        expected: &Prediction,
        absence: Absence,
        pose: &Pose,
        looks: Option<&Appearance>,
        skeleton: &Skeleton,
    ) -> Option<f64> {
        let Absence { secs, is_lost } = absence;
        let colours = looks.zip(self.looks.known());
        let colours = colours.map(|(new, known)| known.similarity(new));
        if is_lost && colours.is_some_and(|c| c < LEAST_COLOURS) {
            return None;
        }
        if is_lost && pose.bbox.w.max(pose.bbox.h) < LEAST_SIZE * expected.size {
            return None;
        }
        // After a long time, a place means nothing.
        if is_lost && secs > MAX_GONE_SECS && colours.is_none_or(|c| c < SAME_COLOURS) {
            return None;
        }
        let lost = if is_lost { LOST } else { 0.0 };
        let fit = expected.similarity(pose, skeleton);
        if fit >= LEAST_SIMILARITY {
            let overlap = BOX_WEIGHT * expected.bbox.iou(pose.bbox);
            let colours = colours.map_or(0.0, |c| COLOUR_WEIGHT * (c - USUAL_COLOURS));
            return Some(fit + overlap + colours - lost);
        }
        let distance = expected.bbox.center().distance(pose.bbox.center());
        let reach = (NEAR + NEAR_PER_SEC * secs.min(MAX_GONE_SECS)) * expected.size;
        let is_found_again = is_lost && distance <= reach;
        // Below everything that fits by position.
        colours
            .filter(|c| is_found_again && *c >= SAME_COLOURS)
            .map(|c| LEAST_MERIT + 0.1 * c)
    }
}

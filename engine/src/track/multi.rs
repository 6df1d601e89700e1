//! Tracking of several people found by a bottom-up network in the whole frame.

use super::Tracker;
use super::assign::assign;
use super::identity::TrackIdentity;
use super::motion::{MEMORY_SECS, Motion, Prediction, is_seen};
use super::one_euro::OneEuro;
use crate::geometry::{Roi, Size};
use crate::pose::Pose;
use crate::skeleton::Skeleton;

/// Minimum similarity between a pose and a predicted person. With COCO's median sigma and frames a
/// thirtieth of a second apart, 0.2 corresponds to 0.27 person sizes or about a quarter of a metre,
/// closer than two people can stand next to each other.
const LEAST_SIMILARITY: f64 = 0.2;

/// A new pose with at least this fraction of the joints is confirmed at once. With fewer, it may be
/// a fragment that was not joined to its body, and has to be seen in the next frame as well.
const CLEAR_SHARE: f64 = 0.5;

/// Frames further apart than this, in seconds, are not consecutive: the source jumped.
const JUMP_SECS: f64 = 5.0;

/// Time in seconds for which a person who is not seen is remembered.
pub(super) const MAX_GONE_SECS: f64 = 1.0;

/// Options of [`MultiTracker`].
#[derive(Debug, Clone, Copy)]
pub struct MultiOptions {
    /// Aspect ratio (width / height) of the network's input.
    pub aspect: f64,
    /// Skeleton of the poses; its sigmas determine how far each joint may be from its prediction.
    pub skeleton: &'static Skeleton,
    /// Parameters of the temporal smoothing; `None` returns joints as decoded.
    pub smoothing: Option<OneEuro>,
}

impl MultiOptions {
    /// Returns the defaults for a network input of this aspect ratio (width / height).
    pub fn new(aspect: f64, skeleton: &'static Skeleton) -> Self {
        Self {
            aspect,
            skeleton,
            smoothing: Some(OneEuro::default()),
        }
    }
}

/// Tracks the people that a bottom-up network finds in the whole frame.
///
/// Poses are matched to the predicted people, most similar pair first. Only people seen in the
/// frame are returned. A person who was not seen for half a second is forgotten; a network that
/// needs longer per frame still remembers the people of its last frame. Track ids count up from 1,
/// in the order of the poses' scores.
///
/// A new pose is confirmed and numbered at once when it has half of the joints, and in the first
/// frame of a run, because a still image has no second one. Otherwise it must be seen in two
/// consecutive frames, so that flickering fragments do not use up ids.
///
/// All people are forgotten when time goes backwards or jumps, or when the frame size changes; the
/// next frame then counts as the first. A second update at the time of the first frame belongs to
/// that frame.
#[derive(Debug, Clone)]
pub struct MultiTracker {
    options: MultiOptions,
    people: Vec<Person>,
    last_id: u64,
    first_secs: f64,
    last_secs: f64,
    frame: Size,
}

#[derive(Debug, Clone)]
struct Person {
    moving: Motion,
    /// Track state; `None` until the track is confirmed.
    known: Option<TrackIdentity>,
}

impl MultiTracker {
    /// Creates a tracker without any people.
    pub fn new(options: MultiOptions) -> Self {
        Self {
            options,
            people: Vec::new(),
            last_id: 0,
            first_secs: f64::NEG_INFINITY,
            last_secs: f64::NEG_INFINITY,
            frame: Size::new(0, 0),
        }
    }

    /// Removes the people who are too old to be matched in this frame.
    fn begin_frame(&mut self, time_secs: f64, frame: Size) {
        // A NaN time stamp never follows another one.
        let follows = (0.0..=JUMP_SECS).contains(&(time_secs - self.last_secs));
        if !follows || frame != self.frame {
            self.people.clear();
            self.first_secs = time_secs;
            self.frame = frame;
        }
        let last_secs = std::mem::replace(&mut self.last_secs, time_secs);
        self.people.retain(|p| {
            let seen_secs = p.moving.seen_secs();
            seen_secs == last_secs || time_secs - seen_secs <= MEMORY_SECS
        });
    }

    /// Returns, for each pose, the index of the person assigned to it.
    fn owners(&self, time_secs: f64, poses: &[Pose]) -> Vec<Option<usize>> {
        let people = self.people.iter();
        let expected: Vec<Prediction> = people.map(|p| p.moving.expected(time_secs)).collect();
        let similarity = |pose: &Pose| {
            expected
                .iter()
                .map(|e| e.similarity(pose, self.options.skeleton))
                .collect()
        };
        let table: Vec<Vec<f64>> = poses.iter().map(similarity).collect();
        assign(&table, LEAST_SIMILARITY)
    }
}

impl Tracker for MultiTracker {
    fn regions(&mut self, frame: Size) -> Vec<Roi> {
        vec![Roi::whole(frame, self.options.aspect)]
    }

    fn update(&mut self, time_secs: f64, frame: Size, mut poses: Vec<Pose>) -> Vec<Pose> {
        self.begin_frame(time_secs, frame);
        poses.retain(|pose| pose.keypoints_raw.iter().any(is_seen));
        poses.sort_by(best_first);
        let owners = self.owners(time_secs, &poses);
        let is_first = time_secs == self.first_secs;
        let mut given = Vec::with_capacity(poses.len());
        for (pose, owner) in poses.into_iter().zip(owners) {
            let i = owner.unwrap_or(self.people.len());
            match self.people.get_mut(i) {
                Some(person) => person.moving.step(time_secs, &pose),
                None => self.people.push(Person {
                    moving: Motion::start(time_secs, &pose),
                    known: None,
                }),
            }
            let person = &mut self.people[i];
            if person.known.is_none() && (owner.is_some() || is_first || is_clear(&pose)) {
                self.last_id += 1;
                person.known = Some(TrackIdentity::new(self.last_id, self.options.smoothing));
            }
            if let Some(known) = &mut person.known {
                let size = person.moving.expected(time_secs).size;
                given.push(known.pose(time_secs, size, pose));
            }
        }
        self.people
            .retain(|p| p.known.is_some() || p.moving.seen_secs() == time_secs);
        given
    }

    fn set_smoothing(&mut self, params: OneEuro) {
        if self.options.smoothing.is_some() {
            self.options.smoothing = Some(params);
            for known in self.people.iter_mut().filter_map(|p| p.known.as_mut()) {
                known.set_smoothing(params);
            }
        }
    }

    fn copied(&self) -> Box<dyn Tracker> {
        Box::new(self.clone())
    }

    fn fresh(&self) -> Box<dyn Tracker> {
        Box::new(Self::new(self.options))
    }

    fn reset(&mut self) {
        *self = Self::new(self.options);
    }
}

/// Returns whether enough joints are seen to confirm a new person at once.
fn is_clear(pose: &Pose) -> bool {
    let seen = pose.keypoints_raw.iter().filter(|k| is_seen(k)).count();
    seen as f64 >= CLEAR_SHARE * pose.keypoints_raw.len() as f64
}

/// Compares by decreasing score. Ties are broken by the poses' contents only, so that the order of
/// a network's output does not affect the track ids.
fn best_first(a: &Pose, b: &Pose) -> std::cmp::Ordering {
    let numbers = |p: &Pose| {
        let triples = p.keypoints_raw.iter().map(|&k| <[f32; 3]>::from(k));
        triples.flatten().collect::<Vec<f32>>()
    };
    let compare = |a: &Pose, b: &Pose| {
        let (a, b) = (numbers(a), numbers(b));
        let unequal = a.iter().zip(&b).map(|(x, y)| x.total_cmp(y));
        unequal
            .fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            .then(a.len().cmp(&b.len()))
    };
    b.score.total_cmp(&a.score).then_with(|| compare(a, b))
}

#[cfg(test)]
mod tests;

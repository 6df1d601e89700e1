//! Tracking of several people.

mod person;

use self::person::{Absence, LEAST_MERIT, Person};
use super::Tracker;
use super::appearance::{Appearance, appearances};
use super::assign::assign_in_total;
use super::contact::Verdict;
use super::follow::{FollowBox, counting};
use super::identity::TrackIdentity;
use super::motion::{MAX_GONE_SECS, MAX_HIDDEN_SECS, Prediction, is_seen};
use super::one_euro::OneEuro;
use crate::frame::Frame;
use crate::geometry::{BBox, Roi, Size};
use crate::pose::Pose;
use crate::skeleton::Skeleton;

/// A new pose with at least this fraction of the joints is confirmed at once. With fewer, it may be
/// a fragment that was not joined to its body, and has to be seen in the next frame as well.
const CLEAR_SHARE: f64 = 0.5;

/// A new pose with fewer counting joints is not confirmed.
const MIN_JOINTS: usize = 3;

/// Frames further apart than this, in seconds, are not consecutive: the source jumped.
const JUMP_SECS: f64 = 5.0;

/// Fraction of the smaller of two boxes that the other one covers when people are in contact.
const CONTACT: f64 = 0.2;

/// Advantage in similarity of a pose for the person in whose region it was found.
const OWN_REGION: f64 = 0.1;

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

/// Tracks several people.
///
/// Poses are matched to the predicted people by joints, box and the colours of the torso, so that
/// the total similarity is as large as possible. Only people seen in the frame are returned. A person
/// who was not seen for a second is forgotten; a network that needs longer per frame still remembers
/// the people of its last frame. Track ids count up from 1, in the order of the poses' scores, and
/// are not reused.
///
/// A new pose is confirmed and numbered at once when a top-down network has confirmed it, when it has
/// half of the joints, and in the first frame of a run, because a still image has no second one.
/// Otherwise it must be seen twice in a row, so that flickering fragments do not use up ids.
///
/// People who come close to each other may be confused while one hides the other. When they are seen
/// clearly again and their colours fit better the other way round, their ids are exchanged.
///
/// All people are forgotten when time goes backwards or jumps, or when the frame size changes; the
/// next frame then counts as the first. A second update at the time of the first frame belongs to
/// that frame.
#[derive(Debug, Clone)]
pub struct MultiTracker {
    options: MultiOptions,
    people: Vec<Person>,
    last_id: u64,
    last_key: u64,
    first_secs: f64,
    /// Time of the frame before the current one.
    previous_secs: f64,
    last_secs: f64,
    frame: Size,
}

/// A person expected in a frame.
#[derive(Debug)]
pub struct Track {
    /// Number of the person within the tracker, also before they are confirmed.
    pub key: u64,
    /// Track id; `None` until the person is confirmed.
    pub id: Option<u64>,
    /// Average evidence of the poses found in the person's region; `None` until there is one.
    pub evidence: Option<f64>,
    /// Seconds since the person was seen.
    pub gone_secs: f64,
    expected: Prediction,
    follow: Option<FollowBox>,
}

impl Track {
    /// Returns the predicted box around the joints.
    pub fn bbox(&self) -> BBox {
        self.expected.bbox
    }

    /// Returns how well a pose fits the predicted joints, from 0 to below 1.
    pub fn fit(&self, pose: &Pose, skeleton: &Skeleton) -> f64 {
        self.expected.similarity(pose, skeleton)
    }

    /// Returns the region in which the person is expected; `None` if no joint counts.
    pub fn region(&self, frame: Size, padding: f64, aspect: f64) -> Option<Roi> {
        let follow = self.follow.as_ref()?;
        Some(follow.region(frame, padding, aspect))
    }

    /// Returns the box from which the region is made.
    pub fn followed_box(&self) -> Option<BBox> {
        self.follow.as_ref().map(FollowBox::bbox)
    }
}

/// A pose found in a frame.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The pose.
    pub pose: Pose,
    /// The person in whose region it was found ([`Track::key`]).
    pub of: Option<u64>,
    /// Average evidence of the person with this pose, if it was found in a region: it then confirms
    /// a new person at once.
    pub evidence: Option<f64>,
}

impl From<Pose> for Sighting {
    fn from(pose: Pose) -> Self {
        Self {
            pose,
            of: None,
            evidence: None,
        }
    }
}

/// A tracked person in a frame.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The pose, with track id, smoothed joints and past.
    pub pose: Pose,
    /// Index of the sighting.
    pub sighting: usize,
}

impl MultiTracker {
    /// Creates a tracker without any people.
    pub fn new(options: MultiOptions) -> Self {
        Self {
            options,
            people: Vec::new(),
            last_id: 0,
            last_key: 0,
            first_secs: f64::NEG_INFINITY,
            previous_secs: f64::NEG_INFINITY,
            last_secs: f64::NEG_INFINITY,
            frame: Size::new(0, 0),
        }
    }

    /// Returns the people who may be seen in `frame`.
    pub fn tracks(&mut self, frame: &Frame) -> Vec<Track> {
        self.begin_frame(frame.time_secs, frame.size());
        let people = self.people.iter();
        people.map(|p| p.track(frame.time_secs)).collect()
    }

    /// Returns, for each sighting in `frame`, the index in [`Self::tracks`] of the person assigned to
    /// it.
    pub fn owners(&mut self, frame: &Frame, sightings: &[Sighting]) -> Vec<Option<usize>> {
        self.begin_frame(frame.time_secs, frame.size());
        let poses: Vec<Pose> = sightings.iter().map(|s| s.pose.clone()).collect();
        let looks = appearances(&poses, self.options.skeleton, frame);
        self.assigned(frame.time_secs, sightings, &looks)
    }

    /// Takes the poses found in `frame`; `is_complete` says whether all of the frame was searched.
    /// Returns the tracked people, best first.
    pub fn observe(
        &mut self,
        frame: &Frame,
        sightings: Vec<Sighting>,
        is_complete: bool,
    ) -> Vec<Seen> {
        let time_secs = frame.time_secs;
        self.begin_frame(time_secs, frame.size());
        let mut numbered: Vec<_> = sightings.into_iter().enumerate().collect();
        numbered.retain(|(_, s)| s.pose.keypoints_raw.iter().any(is_seen));
        numbered.sort_by(|a, b| best_first(&a.1.pose, &b.1.pose));
        let (indices, sightings): (Vec<_>, Vec<_>) = numbered.into_iter().unzip();
        let poses: Vec<Pose> = sightings.iter().map(|s| s.pose.clone()).collect();
        let looks = appearances(&poses, self.options.skeleton, frame);
        let owners = self.assigned(time_secs, &sightings, &looks);
        let mut seen = Vec::with_capacity(poses.len());
        let n_known = self.people.len();
        for ((sighting, owner), looks) in sightings.iter().zip(&owners).zip(looks) {
            let person = match owner {
                Some(i) => {
                    self.people[*i].step(time_secs, frame.size(), sighting);
                    Some(*i)
                }
                // A pose far from the person in whose region it was found is no new person.
                None if sighting.of.is_some() => None,
                None => {
                    self.last_key += 1;
                    let new = Person::new(self.last_key, time_secs, frame.size(), sighting);
                    self.people.push(new);
                    Some(self.people.len() - 1)
                }
            };
            seen.push((person, looks));
        }
        for person in &mut self.people {
            if person.motion.seen_secs() != time_secs {
                person.miss();
            }
        }
        let (known, new) = self.people.split_at_mut(n_known);
        for hidden in known.iter_mut().filter(|p| p.is_hidden(time_secs)) {
            for new in &mut *new {
                new.looks.suspect(hidden.key);
                hidden.looks.suspect(new.key);
            }
        }
        self.compare(time_secs, &seen);
        let mut given = Vec::with_capacity(poses.len());
        let is_first = time_secs == self.first_secs;
        let found = seen.into_iter().zip(sightings).zip(indices).zip(owners);
        for ((((person, _), sighting), index), owner) in found {
            let Some(i) = person else {
                continue;
            };
            let person = &mut self.people[i];
            let n_joints = counting(&sighting.pose).count();
            let is_sure = owner.is_some() || is_first || is_clear(&sighting.pose);
            let is_confirmed = sighting.evidence.is_some() || (is_sure && n_joints >= MIN_JOINTS);
            if person.known.is_none() && is_confirmed {
                self.last_id += 1;
                person.known = Some(TrackIdentity::new(self.last_id, self.options.smoothing));
            }
            if let Some(known) = &mut person.known {
                let size = person.motion.expected(time_secs).size;
                given.push(Seen {
                    pose: known.pose(time_secs, size, sighting.pose),
                    sighting: index,
                });
            }
        }
        self.people
            .retain(|p| p.known.is_some() || p.motion.seen_secs() == time_secs || !is_complete);
        given
    }

    /// Removes the people who are too old to be matched in this frame.
    fn begin_frame(&mut self, time_secs: f64, frame: Size) {
        if time_secs == self.last_secs && frame == self.frame {
            return;
        }
        // A NaN time stamp never follows another one.
        let follows = (0.0..=JUMP_SECS).contains(&(time_secs - self.last_secs));
        if !follows || frame != self.frame {
            self.people.clear();
            self.first_secs = time_secs;
            self.frame = frame;
        }
        let last_secs = std::mem::replace(&mut self.last_secs, time_secs);
        self.previous_secs = last_secs;
        self.people.retain(|p| {
            let seen_secs = p.motion.seen_secs();
            let is_hidden = p.known.is_some() && p.looks.has_rivals();
            let secs = if is_hidden {
                MAX_HIDDEN_SECS
            } else {
                MAX_GONE_SECS
            };
            seen_secs == last_secs || time_secs - seen_secs <= secs
        });
    }

    /// Returns, for each sighting, the index of the person assigned to it.
    fn assigned(
        &self,
        time_secs: f64,
        sightings: &[Sighting],
        looks: &[Option<Appearance>],
    ) -> Vec<Option<usize>> {
        let people = self.people.iter();
        let expected: Vec<Prediction> = people.map(|p| p.motion.expected(time_secs)).collect();
        let row = |(sighting, looks): (&Sighting, &Option<Appearance>)| {
            let merit = |(person, expected): (&Person, &Prediction)| {
                let seen_secs = person.motion.seen_secs();
                let absence = Absence {
                    secs: time_secs - seen_secs,
                    is_lost: seen_secs < self.previous_secs,
                };
                let skeleton = self.options.skeleton;
                let own = if sighting.of == Some(person.key) {
                    OWN_REGION
                } else {
                    0.0
                };
                let pose = &sighting.pose;
                let merit = person.merit(expected, absence, pose, looks.as_ref(), skeleton);
                merit.map_or(f64::NAN, |merit| merit + own)
            };
            self.people.iter().zip(&expected).map(merit).collect()
        };
        let table: Vec<Vec<f64>> = sightings.iter().zip(looks).map(row).collect();
        assign_in_total(&table, LEAST_MERIT)
    }

    /// Notes contacts and appearances, and exchanges the identities of people who were confused.
    /// `seen` has the index and, if clear, the appearance of each person seen in this frame.
    fn compare(&mut self, time_secs: f64, seen: &[(Option<usize>, Option<Appearance>)]) {
        // An unconfirmed person may be a fragment of another one.
        let bbox = |p: &Person| match p.known {
            Some(_) => p.motion.expected(time_secs).bbox,
            None => BBox::default(),
        };
        let boxes: Vec<(u64, BBox)> = self.people.iter().map(|p| (p.key, bbox(p))).collect();
        let mut in_contact = vec![false; boxes.len()];
        for (i, (_, bbox)) in boxes.iter().enumerate() {
            for (j, (other, of_other)) in boxes.iter().enumerate().filter(|(j, _)| *j != i) {
                let smaller = bbox.area().min(of_other.area());
                if bbox.intersection(*of_other) <= CONTACT * smaller || smaller <= 0.0 {
                    continue;
                }
                let is_seen = |p: &Person| p.motion.seen_secs() == time_secs;
                if is_seen(&self.people[i]) && is_seen(&self.people[j]) {
                    in_contact[i] = true;
                    self.people[i].looks.meet(*other);
                } else {
                    self.people[i].looks.suspect(*other);
                }
            }
        }
        for (i, looks) in seen.iter().filter_map(|(i, looks)| i.zip(looks.as_ref())) {
            if !in_contact[i] {
                self.people[i].looks.look(looks);
            }
        }
        for i in 0..self.people.len() {
            let rivals: Vec<u64> = self.people[i].looks.rivals().collect();
            for key in rivals {
                let Some(j) = self.people.iter().position(|p| p.key == key) else {
                    self.people[i].looks.part(key);
                    continue;
                };
                let is_seen = self.people[i].motion.seen_secs() == time_secs;
                if in_contact[i] || in_contact[j] || !is_seen {
                    continue;
                }
                self.decide(i, j, time_secs);
            }
        }
    }

    /// Decides whether two rivals, of whom the first is seen, were confused.
    fn decide(&mut self, i: usize, j: usize, time_secs: f64) {
        let Ok([a, b]) = self.people.get_disjoint_mut([i, j]) else {
            return;
        };
        let is_other_seen = b.motion.seen_secs() == time_secs;
        let verdict = a.looks.verdict(&b.looks, is_other_seen);
        if verdict == Verdict::Open {
            return;
        }
        let is_back = a.looks.known().is_none();
        if verdict == Verdict::Exchanged && a.known.is_some() && b.known.is_some() {
            std::mem::swap(&mut a.known, &mut b.known);
            a.looks.exchange(&mut b.looks);
            for known in [&mut a.known, &mut b.known].into_iter().flatten() {
                known.forget();
            }
            if is_back {
                // The id that was given meanwhile is nobody's.
                b.known = None;
            }
        }
        if is_other_seen {
            a.looks.part(b.key);
            b.looks.part(a.key);
        }
    }
}

impl Tracker for MultiTracker {
    fn regions(&mut self, frame: Size) -> Vec<Roi> {
        vec![Roi::whole(frame, self.options.aspect)]
    }

    fn update(&mut self, frame: &Frame, poses: Vec<Pose>) -> Vec<Pose> {
        let sightings = poses.into_iter().map(Sighting::from).collect();
        let seen = self.observe(frame, sightings, true);
        seen.into_iter().map(|seen| seen.pose).collect()
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

    fn forget(&mut self) {
        self.people.clear();
        // The next frame does not follow another one.
        self.last_secs = f64::NEG_INFINITY;
    }

    fn reset(&mut self) {
        *self = Self::new(self.options);
    }
}

/// Returns whether enough joints count to confirm a new person at once.
fn is_clear(pose: &Pose) -> bool {
    counting(pose).count() as f64 >= CLEAR_SHARE * pose.keypoints_raw.len() as f64
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
mod crossing_tests;
#[cfg(test)]
mod tests;

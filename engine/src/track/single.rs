//! One person at a time: found in the whole picture, then followed with a closer look.

use super::Tracker;
use super::follow::{Followed, counting, search_regions};
use super::one_euro::{OneEuro, Smoother};
use crate::geometry::{Roi, Size};
use crate::pose::Pose;

/// Fewer counting joints than this are not a person.
const MIN_JOINTS: usize = 5;

/// After this many frames in a row without the person, the search begins: a quarter of a second
/// at 30 frames a second, enough for a blurred turn.
const MAX_MISSES: usize = 8;

/// Options of [`SingleTracker`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SingleOptions {
    /// Width over height of the network's input.
    pub aspect: f64,
    /// Side of the region over the side of the box around the joints. Widened by up to 1.4 when
    /// joints are missing, since they may lie outside.
    pub padding: f64,
    /// A pose with at least this score ([`Pose::score`]) is a new person.
    ///
    /// SFM gave 0.57 and more to a person seen from behind across a room and 0.66 to 0.96 to
    /// people at a desk (15 clips), 0.33 to 0.50 to furniture in an empty room.
    pub start_score: f32,
    /// A followed person whose pose scores lower was missed in that frame.
    pub keep_score: f32,
    /// Smoothing of joints over time; `None` hands them on as decoded.
    pub smoothing: Option<OneEuro>,
}

impl SingleOptions {
    /// The defaults for a network whose input has this aspect (width / height).
    pub fn new(aspect: f64) -> Self {
        Self {
            aspect,
            padding: 1.25,
            start_score: 0.52,
            keep_score: 0.45,
            smoothing: Some(OneEuro::default()),
        }
    }
}

/// Follows one person.
///
/// While there is nobody, it looks at one region a frame: the whole picture, then parts of it in
/// turn. A pose with enough counting joints is a new person with a new identity; from then on the
/// region is the padded box around the joints. The person is given up after several frames without
/// such a pose, when time goes backwards, or when the picture changes its size.
#[derive(Debug)]
pub struct SingleTracker {
    options: SingleOptions,
    smoother: Option<Smoother>,
    state: State,
    last_id: u64,
    last_secs: f64,
    frame: Size,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Number of frames searched so far.
    Searching(usize),
    Following {
        person: Followed,
        misses: usize,
    },
}

impl SingleTracker {
    /// A tracker that has seen nobody.
    pub fn new(options: SingleOptions) -> Self {
        Self {
            options,
            smoother: options.smoothing.map(Smoother::new),
            state: State::Searching(0),
            last_id: 0,
            last_secs: f64::NEG_INFINITY,
            frame: Size::new(0, 0),
        }
    }

    fn lose(&mut self) {
        self.state = State::Searching(0);
        if let Some(smoother) = &mut self.smoother {
            smoother.reset();
        }
    }

    fn is_person(&self, pose: &Pose) -> bool {
        let joints = MIN_JOINTS.min(pose.keypoints_raw.len()).max(1);
        let least = match self.state {
            State::Searching(_) => self.options.start_score,
            State::Following { .. } => self.options.keep_score,
        };
        pose.score >= least && counting(pose).count() >= joints
    }

    /// `pose` with identity and smoothed joints.
    fn known(&mut self, time_secs: f64, size: f64, pose: Pose) -> Pose {
        let mut known = match &mut self.smoother {
            None => pose,
            Some(smoother) => {
                let smoothed = smoother.smooth(time_secs, size, &pose.keypoints_raw);
                Pose {
                    keypoints_raw: pose.keypoints_raw,
                    ..Pose::from_keypoints(smoothed)
                }
            }
        };
        known.track_id = Some(self.last_id);
        known
    }
}

impl Tracker for SingleTracker {
    fn regions(&mut self, frame: Size) -> Vec<Roi> {
        if frame != self.frame {
            self.frame = frame;
            self.lose();
        }
        let SingleOptions {
            aspect, padding, ..
        } = self.options;
        vec![match &self.state {
            State::Following { person, .. } => person.region(frame, padding, aspect),
            State::Searching(n) => {
                let regions = search_regions(frame, aspect);
                regions[n % regions.len()]
            }
        }]
    }

    fn update(&mut self, time_secs: f64, frame: Size, poses: Vec<Pose>) -> Vec<Pose> {
        if time_secs < self.last_secs || frame != self.frame {
            self.frame = frame;
            self.lose();
        }
        self.last_secs = time_secs;
        let best = poses.into_iter().max_by(|a, b| a.score.total_cmp(&b.score));
        let person = best.as_ref().filter(|p| self.is_person(p));
        self.state = match (self.state, person) {
            (State::Searching(n), found) => {
                let Some(person) = found.and_then(|p| Followed::start(p, frame)) else {
                    self.state = State::Searching(n.wrapping_add(1));
                    return Vec::new();
                };
                self.last_id += 1;
                State::Following { person, misses: 0 }
            }
            (State::Following { mut person, .. }, Some(pose)) => {
                person.step(pose, frame);
                State::Following { person, misses: 0 }
            }
            (State::Following { misses, .. }, None) if misses + 1 >= MAX_MISSES => {
                self.lose();
                return Vec::new();
            }
            (State::Following { mut person, misses }, None) => {
                person.miss();
                let misses = misses + 1;
                State::Following { person, misses }
            }
        };
        let State::Following { person, .. } = self.state else {
            return Vec::new();
        };
        let size = person.size();
        best.map(|pose| self.known(time_secs, size, pose))
            .into_iter()
            .collect()
    }

    fn reset(&mut self) {
        *self = Self::new(self.options);
    }
}

#[cfg(test)]
mod tests;

//! Tracking of one person: found in the whole frame, then followed in a crop.

use super::Tracker;
use super::evidence::evidence_with;
use super::follow::{FollowBox, search_regions};
use super::identity::TrackIdentity;
use super::one_euro::OneEuro;
use crate::frame::Frame;
use crate::geometry::{Roi, Size};
use crate::pose::Pose;

/// Number of consecutive misses after which the search starts: a quarter of a second at 30 frames
/// per second, enough for a blurred turn.
const MAX_MISSES: usize = 8;

/// Options of [`SingleTracker`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SingleOptions {
    /// Aspect ratio (width / height) of the network's input.
    pub aspect: f64,
    /// Side of the region divided by the side of the box around the joints. It grows by up to 1.4
    /// when joints are missing, since they may lie outside.
    pub padding: f64,
    /// Minimum evidence to start a new person. Evidence is the mean score of the better half of the
    /// joints, which separates people from furniture where the mean of all joints does not. Typical
    /// scores depend on the weights, so the model card states this limit and the next.
    pub start_evidence: f64,
    /// A person whose evidence, averaged over about twelve frames, falls below this has left.
    pub keep_evidence: f64,
    /// Parameters of the temporal smoothing; `None` returns joints as decoded.
    pub smoothing: Option<OneEuro>,
}

impl SingleOptions {
    /// Returns the defaults for a network input of this aspect ratio (width / height).
    pub fn new(aspect: f64) -> Self {
        Self {
            aspect,
            padding: 1.25,
            start_evidence: 0.5,
            keep_evidence: 0.4,
            smoothing: Some(OneEuro::default()),
        }
    }
}

/// Follows one person.
///
/// While no person is known, it searches one region per frame: the whole frame, then parts of it in
/// turn. A pose with enough counting joints starts a new person with a new track id; from then on
/// the region is the padded box around the joints. The person is dropped after several frames
/// without such a pose, when time goes backwards, or when the frame size changes.
#[derive(Debug, Clone)]
pub struct SingleTracker {
    options: SingleOptions,
    state: State,
    /// The followed person; `None` while searching.
    known: Option<TrackIdentity>,
    last_id: u64,
    last_secs: f64,
    frame: Size,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Number of frames searched so far.
    Searching(usize),
    Following {
        person: FollowBox,
        misses: usize,
        /// Running average over the last frames.
        evidence: f64,
    },
}

impl SingleTracker {
    /// Creates a tracker without a person.
    pub fn new(options: SingleOptions) -> Self {
        Self {
            options,
            state: State::Searching(0),
            known: None,
            last_id: 0,
            last_secs: f64::NEG_INFINITY,
            frame: Size::new(0, 0),
        }
    }

    fn lose(&mut self) {
        self.state = State::Searching(0);
        self.known = None;
    }

    /// Returns the average evidence including `pose`; `None` when too few of its joints count.
    fn evidence_with(&self, pose: &Pose) -> Option<f64> {
        let last = match self.state {
            State::Searching(_) => None,
            State::Following { evidence, .. } => Some(evidence),
        };
        evidence_with(last, pose)
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

    fn update(&mut self, frame: &Frame, poses: Vec<Pose>) -> Vec<Pose> {
        let (time_secs, frame) = (frame.time_secs, frame.size());
        if time_secs < self.last_secs || frame != self.frame {
            self.frame = frame;
            self.lose();
        }
        self.last_secs = time_secs;
        let best = poses.into_iter().max_by(|a, b| a.score.total_cmp(&b.score));
        let seen = best
            .as_ref()
            .and_then(|pose| Some((pose, self.evidence_with(pose)?)));
        let SingleOptions {
            start_evidence,
            keep_evidence,
            ..
        } = self.options;
        // The comparisons are ordered so that NaN counts as no evidence.
        self.state = match (self.state, seen) {
            (State::Searching(n), seen) => {
                let start = seen
                    .filter(|(_, evidence)| *evidence >= start_evidence)
                    .and_then(|(pose, e)| Some((FollowBox::start(pose, frame)?, e)));
                let Some((person, evidence)) = start else {
                    self.state = State::Searching(n.wrapping_add(1));
                    return Vec::new();
                };
                self.last_id += 1;
                self.known = Some(TrackIdentity::new(self.last_id, self.options.smoothing));
                State::Following {
                    person,
                    misses: 0,
                    evidence,
                }
            }
            (State::Following { mut person, .. }, Some((pose, evidence)))
                if evidence >= keep_evidence =>
            {
                person.step(pose, frame);
                State::Following {
                    person,
                    misses: 0,
                    evidence,
                }
            }
            (State::Following { misses, .. }, _) if misses + 1 >= MAX_MISSES => {
                self.lose();
                return Vec::new();
            }
            (
                State::Following {
                    mut person,
                    misses,
                    evidence,
                },
                seen,
            ) => {
                person.miss();
                State::Following {
                    person,
                    misses: misses + 1,
                    // Low scores enter the average in misses as well: otherwise one good frame in
                    // eight would keep furniture alive.
                    evidence: seen.map_or(evidence, |(_, now)| now),
                }
            }
        };
        let State::Following { person, .. } = self.state else {
            return Vec::new();
        };
        let seen = self.known.as_mut().zip(best);
        seen.map(|(known, pose)| known.pose(time_secs, person.size(), pose))
            .into_iter()
            .collect()
    }

    fn set_smoothing(&mut self, params: OneEuro) {
        if self.options.smoothing.is_some() {
            self.options.smoothing = Some(params);
            if let Some(known) = &mut self.known {
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
        self.lose();
    }

    fn reset(&mut self) {
        *self = Self::new(self.options);
    }
}

#[cfg(test)]
mod tests;

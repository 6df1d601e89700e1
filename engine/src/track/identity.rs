//! The state of a person that persists from frame to frame.

use std::collections::VecDeque;
use std::sync::Arc;

use super::one_euro::{OneEuro, Smoother};
use crate::pose::{PastStep, Pose};

/// Length of the past returned with each pose, in seconds.
const PAST_SECS: f64 = 1.0;

/// Track id, smoothing filters and past of one person.
#[derive(Debug, Clone)]
pub(super) struct TrackIdentity {
    id: u64,
    smoother: Option<Smoother>,
    /// Past positions, oldest first.
    past: VecDeque<Arc<PastStep>>,
}

impl TrackIdentity {
    /// Creates a person without a past; `smoothing: None` returns joints as decoded.
    pub(super) fn new(id: u64, smoothing: Option<OneEuro>) -> Self {
        Self {
            id,
            smoother: smoothing.map(Smoother::new),
            past: VecDeque::new(),
        }
    }

    /// Returns `pose` with track id, smoothed joints and past. `size` is the person's size in
    /// pixels.
    pub(super) fn pose(&mut self, time_secs: f64, size: f64, pose: Pose) -> Pose {
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
        known.track_id = Some(self.id);
        let is_old = |step: &Arc<PastStep>| time_secs - step.time_secs > PAST_SECS;
        while self.past.front().is_some_and(is_old) {
            self.past.pop_front();
        }
        known.past = self.past.iter().cloned().collect();
        self.past.push_back(Arc::new(PastStep {
            time_secs,
            keypoints: known.keypoints.clone(),
            keypoints_raw: known.keypoints_raw.clone(),
        }));
        known
    }

    /// Returns the track id.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Forgets filter states and past, which belong to another person.
    pub(super) fn forget(&mut self) {
        self.smoother = self.smoother.as_ref().map(Smoother::anew);
        self.past.clear();
    }

    /// Replaces the filter parameters from the next frame on, if smoothing is enabled.
    pub(super) fn set_smoothing(&mut self, params: OneEuro) {
        if let Some(smoother) = &mut self.smoother {
            smoother.set_params(params);
        }
    }
}

//! Looking for a person at a given place.

use std::sync::Arc;

use super::{Estimator, Infer, RequestedMaps};
use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::output::{Approach, PeopleCount, PoseOutput, Timings};
use crate::pose::Pose;

/// Number of regions that a top-down network processes: the given one, then the one around the
/// joints found in it.
const N_LOOKS: usize = 2;

impl Estimator {
    pub(super) fn people_near(&mut self, frame: &Frame, near: BBox) -> Result<PoseOutput> {
        let nothing = RequestedMaps::default();
        if self.network().spec().approach == Approach::BottomUp {
            return self.inspect(frame, &[], nothing);
        }
        let mut tracker = self.fresh_tracker();
        let network = self.network_mut();
        let mut roi = network.input().roi(near);
        let mut timings = Timings::default();
        let mut poses = Vec::new();
        for _ in 0..N_LOOKS {
            let result = network.infer_region(frame, &roi, nothing, &mut timings)?;
            let people = result.people.into_iter();
            let people = people.map(|found| Pose::from_keypoints(found.joints));
            // Each look has to show a person by itself.
            tracker.reset();
            let found = tracker.update(frame, people.collect());
            if found.is_empty() {
                break;
            }
            poses = found;
            if let Some(around) = tracker.regions(frame.size()).first() {
                roi = *around;
            }
        }
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::from(network.spec().name),
            skeleton: network.skeleton(),
            poses,
            regions: Vec::new(),
            timings,
            people: PeopleCount::default(),
        })
    }
}

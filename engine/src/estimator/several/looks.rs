//! Close looks at people: the closer processes the regions of a frame in one batch.

use super::regions::{self, Subject};
use super::{RequestedMaps, Several};
use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::Roi;
use crate::output::{RegionOutput, Timings};
use crate::pose::Pose;
use crate::track::evidence_with;

/// Result of a close look at a subject.
pub(super) struct Look {
    /// Index of the subject.
    pub(super) subject: usize,
    pub(super) pose: Pose,
    pub(super) region: RegionOutput,
}

impl Several {
    /// Looks closely at some of the subjects; people seen for the first time are looked at twice,
    /// the second time in the region around the joints found in the first.
    pub(super) fn look(
        &mut self,
        frame: &Frame,
        subjects: &[Subject],
        chosen: &[usize],
        requested: RequestedMaps,
        timings: &mut Timings,
    ) -> Result<Vec<Look>> {
        let region = |i: usize| Some((i, subjects[i].region(frame.size(), &self.closer.input)?));
        let first: Vec<_> = chosen.iter().filter_map(|&i| region(i)).collect();
        let mut looks = self.look_at(frame, &first, requested, timings)?;
        let again = |look: &Look| {
            let evidence = evidence_with(None, &look.pose)?;
            let is_new = !subjects[look.subject].is_followed();
            let input = &self.closer.input;
            let region = regions::around(&look.pose, frame.size(), input)?;
            (is_new && evidence >= self.thresholds.start).then_some((look.subject, region))
        };
        let second: Vec<_> = looks.iter().filter_map(again).collect();
        for look in self.look_at(frame, &second, requested, timings)? {
            if let Some(place) = looks.iter_mut().find(|l| l.subject == look.subject) {
                *place = look;
            }
        }
        Ok(looks)
    }

    fn look_at(
        &mut self,
        frame: &Frame,
        places: &[(usize, Roi)],
        requested: RequestedMaps,
        timings: &mut Timings,
    ) -> Result<Vec<Look>> {
        let rois: Vec<_> = places.iter().map(|(_, roi)| *roi).collect();
        let (closer, costs) = (&mut self.closer, &mut self.costs);
        let results = costs.time_closer(rois.len(), || {
            closer.infer_regions(frame, &rois, requested, timings)
        })?;
        let looks = places
            .iter()
            .zip(results)
            .filter_map(|((subject, _), result)| {
                let person = result.people.into_iter().next()?;
                Some(Look {
                    subject: *subject,
                    pose: Pose::from_keypoints(person.joints),
                    region: result.region,
                })
            });
        Ok(looks.collect())
    }
}

//! Close looks at people: the closer processes the regions of a frame in one batch.

use super::regions::{self, Subject};
use super::{RequestedMaps, Several};
use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::Roi;
use crate::output::{RegionOutput, Timings};
use crate::pose::Pose;
use crate::track::evidence_with;

/// Maximum number of looks at a person seen for the first time.
const N_LOOKS: usize = 5;

/// Regions whose intersection over union is at least this are the same.
const SAME_REGION: f64 = 0.93;

/// Result of a close look at a subject.
pub(super) struct Look {
    /// Index of the subject.
    pub(super) subject: usize,
    pub(super) pose: Pose,
    pub(super) region: RegionOutput,
}

impl Several {
    /// Looks closely at some of the subjects. People seen for the first time are looked at again in
    /// the region around the joints found, until it hardly changes: the finder may have seen their
    /// heads only.
    pub(super) fn look(
        &mut self,
        frame: &Frame,
        subjects: &[Subject],
        chosen: &[usize],
        requested: RequestedMaps,
        timings: &mut Timings,
    ) -> Result<Vec<Look>> {
        let region = |i: usize| Some((i, subjects[i].region(frame.size(), &self.closer.input)?));
        let mut places: Vec<_> = chosen.iter().filter_map(|&i| region(i)).collect();
        let mut looks: Vec<Look> = Vec::new();
        for n in 0..N_LOOKS {
            let found = self.look_at(frame, &places, requested, timings)?;
            let again = |look: &Look| {
                let evidence = evidence_with(None, &look.pose)?;
                let is_new = !subjects[look.subject].is_followed();
                let region = regions::around(&look.pose, frame.size(), &self.closer.input)?;
                let (_, last) = places.iter().find(|(i, _)| *i == look.subject)?;
                let is_other = n == 0 || last.bbox().iou(region.bbox()) < SAME_REGION;
                let is_due = is_new && is_other && evidence >= self.thresholds.start;
                is_due.then_some((look.subject, region))
            };
            places = found.iter().filter_map(again).collect();
            for look in found {
                match looks.iter_mut().find(|l| l.subject == look.subject) {
                    Some(place) => *place = look,
                    None => looks.push(look),
                }
            }
            if places.is_empty() {
                break;
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

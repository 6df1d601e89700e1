//! Labels that the old network predicts.

use crate::error::{Error, Result};
use crate::estimator::{Averaging, Estimator, Infer, Network, NetworkOptions, RequestedMaps};
use crate::frame::Frame;
use crate::geometry::{BBox, Roi};
use crate::output::{Approach, Timings};
use crate::pose::Keypoint;
use crate::project::{Joint, Person};
use crate::skeleton::{JointMap, Skeleton};

/// Least score of a joint that becomes a label.
const CERTAIN: f32 = 0.4;
/// Fewest such joints of a person who becomes a label; others are regions without labels.
const MIN_JOINTS: usize = 4;

/// Predicts labels with the network that the training begins from.
pub(super) struct Predictor {
    estimator: Estimator,
    /// From the network's joints to the project's.
    map: JointMap,
}

impl Predictor {
    /// Loads the network.
    ///
    /// # Errors
    /// When it cannot be loaded, or its joints are not the project's.
    pub(super) fn load(options: &NetworkOptions, skeleton: &'static Skeleton) -> Result<Self> {
        let network = Network::load(options)?;
        let found = network.skeleton();
        let map = found.map_to(&skeleton.name).ok_or_else(|| {
            Error::Failed(format!(
                "the weights find the joints of {}, the project has those of {}",
                found.name, skeleton.name
            ))
        })?;
        Ok(Self {
            estimator: Estimator::new(network, false),
            map,
        })
    }

    /// Returns the people in a frame as live inference finds them.
    pub(super) fn people(&mut self, frame: &Frame) -> Result<Vec<Person>> {
        let none = RequestedMaps::default();
        let output = self.estimator.inspect(frame, &[], none)?;
        let found = output.poses.iter().filter(|pose| pose.score > 0.0);
        Ok(found.map(|pose| self.person(&pose.keypoints_raw)).collect())
    }

    /// Returns the people in a frame, averaged over the mirrored input: a plain run of the same
    /// network differs from them by as much as its predictions vary.
    pub(super) fn averaged_people(&mut self, frame: &Frame) -> Result<Vec<Person>> {
        let input = *self.estimator.network().input();
        let roi = match self.estimator.network().spec().approach {
            Approach::BottomUp => Roi::whole(frame.size(), input.size.aspect()),
            Approach::TopDown => {
                let people = self.people(frame)?;
                let Some(bbox) = people.iter().find_map(labelled_box) else {
                    return Ok(Vec::new());
                };
                input.roi(bbox)
            }
        };
        let averaging = Averaging {
            flip: true,
            ..Averaging::default()
        };
        let mut timings = Timings::default();
        let network = self.estimator.network_mut();
        let found = network.infer_region_averaged(frame, &roi, &averaging, &mut timings)?;
        Ok(found
            .iter()
            .map(|found| self.person(&found.joints))
            .collect())
    }

    fn person(&self, found: &[Keypoint]) -> Person {
        let origins = self.map.iter();
        let joints: Vec<Joint> = origins
            .map(|origin| origin.map_or(Joint::ABSENT, |o| Joint::predicted(o.pick(found))))
            .map(|joint| {
                if joint.score() < CERTAIN {
                    Joint::ABSENT
                } else {
                    joint
                }
            })
            .collect();
        let n_labelled = joints
            .iter()
            .filter(|joint| joint.labelled().is_some())
            .count();
        Person {
            id: 0,
            is_confirmed: n_labelled >= MIN_JOINTS,
            joints,
        }
    }
}

/// Returns the box around the labelled joints of a person who is a label.
fn labelled_box(person: &Person) -> Option<BBox> {
    let points = person.joints.iter().filter_map(Joint::labelled);
    BBox::around(points).filter(|_| person.is_confirmed)
}

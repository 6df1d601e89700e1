//! A network with a tracker: people are found and tracked from frame to frame.

use std::sync::Arc;

use super::{Infer, Network, Want};
use crate::error::Result;
use crate::frame::Frame;
use crate::output::{Approach, PoseOutput, Stage, Timings};
use crate::pose::Pose;
use crate::track::{
    OneEuro, SeveralOptions, SeveralTracker, SingleOptions, SingleTracker, Tracker, assign,
};

/// A network with a tracker, which finds and tracks people from frame to frame.
pub struct Estimator {
    network: Network,
    tracker: Box<dyn Tracker>,
    last_secs: f64,
}

impl Estimator {
    /// Creates an estimator that tracks one person (top-down networks) or all people (bottom-up
    /// networks); `smooth` enables temporal smoothing of the joints.
    pub fn new(network: Network, smooth: bool) -> Self {
        let tracker: Box<dyn Tracker> = match network.spec.approach {
            Approach::TopDown => Box::new(single(&network, smooth)),
            Approach::BottomUp => {
                let aspect = network.input.size.aspect();
                let defaults = SeveralOptions::new(aspect, network.skeleton);
                Box::new(SeveralTracker::new(SeveralOptions {
                    smoothing: defaults.smoothing.filter(|_| smooth),
                    ..defaults
                }))
            }
        };
        Self {
            network,
            tracker,
            last_secs: f64::NEG_INFINITY,
        }
    }

    /// Returns the network, with its model card and input format.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

fn single(network: &Network, smooth: bool) -> SingleTracker {
    let defaults = SingleOptions::new(network.input.size.aspect());
    let evidence = network.card.evidence;
    SingleTracker::new(SingleOptions {
        padding: network.input.padding,
        start_evidence: evidence.map_or(defaults.start_evidence, |e| e.start),
        keep_evidence: evidence.map_or(defaults.keep_evidence, |e| e.keep),
        smoothing: defaults.smoothing.filter(|_| smooth),
        ..defaults
    })
}

impl Infer for Estimator {
    fn infer(&mut self, frame: &Frame, want: Want) -> Result<PoseOutput> {
        if frame.time_secs < self.last_secs {
            // A new run: track ids start again at 1.
            self.tracker.reset();
        }
        self.last_secs = frame.time_secs;
        self.look(frame, want)
    }

    fn set_smoothing(&mut self, params: OneEuro) {
        self.tracker.set_smoothing(params);
    }

    fn inspect(&mut self, frame: &Frame, near: &[Pose], want: Want) -> Result<PoseOutput> {
        let fresh = self.tracker.fresh();
        let live = std::mem::replace(&mut self.tracker, fresh);
        let found = self.look_closely(frame, near, want);
        self.tracker = live;
        let mut output = found?;
        let owners = assign(&closeness(&output.poses, near), f64::NEG_INFINITY);
        for (pose, owner) in output.poses.iter_mut().zip(owners) {
            pose.keypoints.clone_from(&pose.keypoints_raw);
            pose.past.clear();
            pose.track_id = owner.and_then(|i| near[i].track_id);
        }
        Ok(output)
    }
}

/// Returns the negative distance between box centres, for every pose and each of `others`.
fn closeness(poses: &[Pose], others: &[Pose]) -> Vec<Vec<f64>> {
    let distance = |a: &Pose, b: &Pose| a.bbox.center().distance(b.bbox.center());
    let to_others = |pose: &Pose| others.iter().map(|o| -distance(pose, o)).collect();
    poses.iter().map(to_others).collect()
}

impl Estimator {
    /// Processes one frame with a tracker that has no people yet. A top-down network first searches
    /// for a person, unless `near` tells where to look, then runs on the crop and returns its maps.
    /// A bottom-up network processes the whole frame and needs no second run.
    fn look_closely(&mut self, frame: &Frame, near: &[Pose], want: Want) -> Result<PoseOutput> {
        let known = self
            .tracker
            .update(frame.time_secs, frame.size(), near.to_vec());
        if known.is_empty() && self.network.spec.approach == Approach::TopDown {
            self.tracker.reset();
            if self.look(frame, Want::default())?.poses.is_empty() {
                // Nobody was found, so the whole frame is processed.
                self.tracker.reset();
            }
        }
        self.look(frame, want)
    }

    /// Processes the regions chosen by the tracker.
    fn look(&mut self, frame: &Frame, want: Want) -> Result<PoseOutput> {
        let mut timings = Timings::default();
        let rois = timings.measure(Stage::Track, || self.tracker.regions(frame.size()));
        let mut poses = Vec::new();
        let mut regions = Vec::with_capacity(rois.len());
        for roi in &rois {
            let look = self.network.look(frame, roi, want, &mut timings)?;
            let people = look.people.into_iter();
            poses.extend(people.map(|found| Pose::from_keypoints(found.joints)));
            regions.push(look.region);
        }
        let poses = timings.measure(Stage::Track, || {
            self.tracker.update(frame.time_secs, frame.size(), poses)
        });
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&self.network.name),
            skeleton: self.network.skeleton,
            poses,
            regions,
            timings,
        })
    }
}

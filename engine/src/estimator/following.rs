//! A network with a tracker: people are found and tracked from frame to frame.

use std::sync::Arc;

use super::{Infer, Network, RegionResult, RequestedMaps};
use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::{BBox, Roi};
use crate::output::{Approach, PeopleCount, PoseOutput, Stage, Timings};
use crate::pose::Pose;
use crate::track::{
    KnownPeople, MultiOptions, MultiTracker, OneEuro, SceneCut, Selection, Selector, SingleOptions,
    SingleTracker, Tracker, assign,
};

/// A network with a tracker, which finds and tracks people from frame to frame.
pub struct Estimator {
    network: Network,
    tracker: Box<dyn Tracker>,
    cuts: SceneCut,
    selector: Selector,
    known: KnownPeople,
    /// Tracker and scene before the last frame, with which the same frame gives the same poses again.
    before: Option<(Box<dyn Tracker>, SceneCut)>,
    /// Id and time of the last frame.
    last: (u64, f64),
}

impl Estimator {
    /// Creates an estimator that tracks one person (top-down networks) or all people (bottom-up
    /// networks); `smooth` enables temporal smoothing of the joints.
    pub fn new(network: Network, smooth: bool) -> Self {
        let tracker: Box<dyn Tracker> = match network.spec.approach {
            Approach::TopDown => Box::new(single(&network, smooth)),
            Approach::BottomUp => {
                let aspect = network.input.size.aspect();
                let defaults = MultiOptions::new(aspect, network.skeleton);
                Box::new(MultiTracker::new(MultiOptions {
                    smoothing: defaults.smoothing.filter(|_| smooth),
                    ..defaults
                }))
            }
        };
        Self {
            network,
            tracker,
            cuts: SceneCut::default(),
            selector: Selector::default(),
            known: KnownPeople::default(),
            before: None,
            last: (0, f64::NEG_INFINITY),
        }
    }

    /// Returns the network, with its model card and input format.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Returns a tracker of the same kind without any people.
    pub(super) fn fresh_tracker(&self) -> Box<dyn Tracker> {
        self.tracker.fresh()
    }

    /// Returns the network, to run it without tracking.
    pub fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }
}

/// Minimum evidence for people in regions, by the network's model card.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thresholds {
    /// For a new person.
    pub(super) start: f64,
    /// For a known person.
    pub(super) keep: f64,
}

impl Thresholds {
    pub(super) fn of(network: &Network) -> Self {
        let defaults = SingleOptions::new(network.input.size.aspect());
        let evidence = network.card.evidence;
        Self {
            start: evidence.map_or(defaults.start_evidence, |e| e.start),
            keep: evidence.map_or(defaults.keep_evidence, |e| e.keep),
        }
    }
}

/// Returns a tracker of one person for a top-down network.
pub(super) fn single(network: &Network, smooth: bool) -> SingleTracker {
    let defaults = SingleOptions::new(network.input.size.aspect());
    let Thresholds { start, keep } = Thresholds::of(network);
    SingleTracker::new(SingleOptions {
        padding: network.input.padding,
        start_evidence: start,
        keep_evidence: keep,
        smoothing: defaults.smoothing.filter(|_| smooth),
        ..defaults
    })
}

impl Infer for Estimator {
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput> {
        let this = (frame.id, frame.time_secs);
        match &self.before {
            // A paused frame is processed again when other maps are requested.
            Some((tracker, cuts)) if this == self.last => {
                self.tracker = tracker.copied();
                self.cuts = cuts.clone();
            }
            _ => {
                if frame.time_secs < self.last.1 {
                    // A new run: track ids start again at 1.
                    self.tracker.reset();
                    self.selector.reset();
                    self.known.clear();
                }
                self.before = Some((self.tracker.copied(), self.cuts.clone()));
                self.last = this;
            }
        }
        let is_cut = self.cuts.is_cut(frame);
        if is_cut {
            self.tracker.forget();
        }
        let mut output = self.infer_regions(frame, requested, is_cut)?;
        self.known.tracked(frame, &output.poses);
        self.selector.keep_selected(frame, &mut output.poses);
        Ok(output)
    }

    fn set_selection(&mut self, selection: &Selection) {
        self.selector.set(selection);
    }

    fn set_smoothing(&mut self, params: OneEuro) {
        self.tracker.set_smoothing(params);
        if let Some((tracker, _)) = &mut self.before {
            tracker.set_smoothing(params);
        }
    }

    fn inspect(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let mut output = self.infer_alone(frame, near, requested)?;
        let ids = nearest_ids(&output.poses, near);
        give_ids(&mut output.poses, &ids);
        self.selector
            .clone()
            .keep_selected(frame, &mut output.poses);
        Ok(output)
    }

    fn visit(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let mut output = self.infer_alone(frame, near, requested)?;
        let ids = visited_ids(&self.known, frame, &output.poses, near);
        give_ids(&mut output.poses, &ids);
        self.known.visited(frame, &output.poses);
        self.selector
            .clone()
            .keep_selected(frame, &mut output.poses);
        Ok(output)
    }

    fn look_at(&mut self, frame: &Frame, near: BBox) -> Result<PoseOutput> {
        self.people_near(frame, near)
    }
}

/// Removes smoothing and past of poses that were found in a single frame, and gives them these track
/// ids. Returns the pairs of old and new ids.
pub(super) fn give_ids(poses: &mut [Pose], ids: &[Option<u64>]) -> Vec<(u64, Option<u64>)> {
    let mut pairs = Vec::with_capacity(poses.len());
    for (pose, given) in poses.iter_mut().zip(ids) {
        pose.keypoints.clone_from(&pose.keypoints_raw);
        pose.past.clear();
        pairs.extend(pose.track_id.map(|own| (own, *given)));
        pose.track_id = *given;
    }
    pairs
}

/// Returns, for each pose, the track id of the nearest of `near`.
pub(super) fn nearest_ids(poses: &[Pose], near: &[Pose]) -> Vec<Option<u64>> {
    let owners = assign(&closeness(poses, near), f64::NEG_INFINITY).into_iter();
    owners.map(|owner| near[owner?].track_id).collect()
}

/// Returns the track ids of the people in a visited frame: those of known people in frames around it,
/// otherwise of `near`.
pub(super) fn visited_ids(
    known: &KnownPeople,
    frame: &Frame,
    poses: &[Pose],
    near: &[Pose],
) -> Vec<Option<u64>> {
    known
        .ids(frame, poses)
        .unwrap_or_else(|| nearest_ids(poses, near))
}

/// Returns the negative distance between box centres, for every pose and each of `others`.
fn closeness(poses: &[Pose], others: &[Pose]) -> Vec<Vec<f64>> {
    let distance = |a: &Pose, b: &Pose| a.bbox.center().distance(b.bbox.center());
    let to_others = |pose: &Pose| others.iter().map(|o| -distance(pose, o)).collect();
    poses.iter().map(to_others).collect()
}

impl Estimator {
    /// Processes one frame with a tracker of its own; the ids are its own as well.
    fn infer_alone(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let fresh = self.tracker.fresh();
        let live = std::mem::replace(&mut self.tracker, fresh);
        let found = self.infer_unordered(frame, near, requested);
        self.tracker = live;
        found
    }

    /// Processes one frame with a tracker that has no people yet. A top-down network first searches
    /// for a person, unless `near` tells where to look, then runs on the crop and returns its maps.
    /// A bottom-up network processes the whole frame and needs no second run.
    fn infer_unordered(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let known = self.tracker.update(frame, near.to_vec());
        if known.is_empty() && self.network.spec.approach == Approach::TopDown {
            self.tracker.reset();
            if self
                .infer_regions(frame, RequestedMaps::default(), false)?
                .poses
                .is_empty()
            {
                // Nobody was found, so the whole frame is processed.
                self.tracker.reset();
            }
        }
        self.infer_regions(frame, requested, false)
    }

    /// Processes the regions chosen by the tracker. Where a top-down network finds a person in a new
    /// scene, it processes the region around the joints as well: a still image has no next frame.
    fn infer_regions(
        &mut self,
        frame: &Frame,
        requested: RequestedMaps,
        is_new_scene: bool,
    ) -> Result<PoseOutput> {
        let mut timings = Timings::default();
        let rois = timings.measure(Stage::Track, || self.tracker.regions(frame.size()));
        let mut looks = self.look_in(frame, &rois, requested, &mut timings)?;
        if is_new_scene && self.network.spec.approach == Approach::TopDown {
            let mut scout = self.tracker.copied();
            if !scout.update(frame, poses(&looks)).is_empty() {
                let rois = scout.regions(frame.size());
                let closer = self.look_in(frame, &rois, requested, &mut timings)?;
                if !self
                    .tracker
                    .copied()
                    .update(frame, poses(&closer))
                    .is_empty()
                {
                    looks = closer;
                }
            }
        }
        let poses = poses(&looks);
        let regions = looks.into_iter().map(|look| look.region).collect();
        let poses = timings.measure(Stage::Track, || self.tracker.update(frame, poses));
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&self.network.name),
            skeleton: self.network.skeleton,
            people: PeopleCount {
                found: poses.len(),
                ..PeopleCount::default()
            },
            poses,
            regions,
            timings,
        })
    }

    fn look_in(
        &mut self,
        frame: &Frame,
        rois: &[Roi],
        requested: RequestedMaps,
        timings: &mut Timings,
    ) -> Result<Vec<RegionResult>> {
        let network = &mut self.network;
        let look = |roi| network.infer_region(frame, roi, requested, timings);
        rois.iter().map(look).collect()
    }
}

/// Returns the poses found in regions.
fn poses(looks: &[RegionResult]) -> Vec<Pose> {
    let people = looks.iter().flat_map(|look| &look.people);
    people
        .map(|found| Pose::from_keypoints(found.joints.clone()))
        .collect()
}

//! Several people: a bottom-up network finds them, a top-down network looks at each closely.
//!
//! The *finder*, a bottom-up network, processes the whole frame, but not in every frame. In between,
//! the tracker predicts where people are. The *closer*, a top-down network, processes the region of
//! each person, all regions of a frame in one batch ([`regions`]). Its poses are believed if they
//! show a person by the thresholds of its model card, and not another one ([`believe`]), and joined
//! with those of the finder ([`merge`]); otherwise the pose of the finder stays. When there is nobody
//! to be found, the closer searches the frame as it does for one person.
//!
//! [`schedule`] decides when the finder runs and how many people are looked at. For files, this
//! depends on time stamps only; live, on the measured times and the time available.

mod believe;
#[cfg(test)]
mod fields_tests;
mod looks;
mod merge;
mod regions;
mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::following::{Thresholds, give_ids, nearest_ids, single, visited_ids};
use super::{Infer, Network, NetworkOptions, RequestedMaps};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Roi;
use crate::model::model;
use crate::output::{Approach, PeopleCount, PoseOutput, RegionOutput, Stage, Timings};
use crate::pose::Pose;
use crate::skeleton::JointMap;
use crate::track::{
    KnownPeople, MultiOptions, MultiTracker, OneEuro, SceneCut, Selection, Selector, Sighting,
    SingleTracker, Track, Tracker, evidence_with,
};
use believe::{Choice, is_same};
use looks::Look;
use merge::{Contribution, merged};
use regions::{MAX_BLIND_SECS, Subject};
use schedule::{Costs, Schedule};

/// The bottom-up network that finds people, an entry of `MODELS`.
pub const FINDER: &str = "ssa-sfm-2";

/// Finds several people and looks at each closely.
pub struct Several {
    finder: Network,
    closer: Network,
    /// Joints of the closer's skeleton in the finder's.
    names: JointMap,
    thresholds: Thresholds,
    /// Maximum number of people to look at per frame.
    most: usize,
    /// Time available per frame; `None` if every frame counts.
    budget: Option<Duration>,
    costs: Costs,
    selector: Selector,
    known: KnownPeople,
    state: State,
    /// The finder's output for the last frame, if its limb fields were requested.
    whole: Option<RegionOutput>,
    /// The state before the last frame, with which the same frame gives the same poses again.
    before: Option<State>,
    /// Id and time of the last frame.
    last: (u64, f64),
}

/// What is remembered from frame to frame.
#[derive(Clone)]
struct State {
    tracker: MultiTracker,
    cuts: SceneCut,
    /// What the finder has contributed to the poses of the last frame, by track id.
    contributions: BTreeMap<u64, Contribution>,
    /// Searches while nobody is known.
    search: SingleTracker,
    schedule: Schedule,
}

impl Several {
    /// Creates an estimator that looks closely with the network `closer` at up to `most` people per
    /// frame. The finder is loaded onto the same device. `smooth` enables temporal smoothing.
    ///
    /// # Errors
    /// When `closer` is not a top-down network, or the finder cannot be loaded.
    pub fn new(closer: Network, most: usize, smooth: bool) -> Result<Self> {
        let finder = Network::load(&NetworkOptions {
            device: closer.selected.spec,
            threads: closer.n_threads(),
            ..NetworkOptions::bundled(model(FINDER)?)
        })?;
        Self::with_finder(finder, closer, most, smooth)
    }

    /// Creates an estimator like [`Several::new`] with a given finder.
    ///
    /// # Errors
    /// When the networks are not a bottom-up and a top-down one, or no joints correspond.
    pub fn with_finder(
        finder: Network,
        closer: Network,
        most: usize,
        smooth: bool,
    ) -> Result<Self> {
        for (network, approach, what) in [
            (&finder, Approach::BottomUp, "finds several people"),
            (&closer, Approach::TopDown, "looks at one person at a time"),
        ] {
            if network.spec.approach != approach {
                let name = network.spec.name;
                return Err(Error::Invalid(format!("{name} is not a model that {what}")));
            }
        }
        let names = finder.skeleton.map_to(&closer.skeleton.name);
        let names = names.ok_or_else(|| {
            let (from, to) = (&finder.skeleton.name, &closer.skeleton.name);
            Error::Invalid(format!("the joints of {from} are not known in {to}"))
        })?;
        let defaults = MultiOptions::new(closer.input.size.aspect(), closer.skeleton);
        let state = State {
            tracker: MultiTracker::new(MultiOptions {
                smoothing: defaults.smoothing.filter(|_| smooth),
                ..defaults
            }),
            cuts: SceneCut::default(),
            contributions: BTreeMap::new(),
            search: single(&closer, false),
            schedule: Schedule::default(),
        };
        Ok(Self {
            names,
            thresholds: Thresholds::of(&closer),
            finder,
            closer,
            most,
            budget: None,
            costs: Costs::default(),
            selector: Selector::default(),
            known: KnownPeople::default(),
            state,
            whole: None,
            before: None,
            last: (0, f64::NEG_INFINITY),
        })
    }

    /// Returns the network that looks at people closely.
    pub fn network(&self) -> &Network {
        &self.closer
    }

    /// Processes a frame with the current state.
    fn process(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput> {
        let mut timings = Timings::default();
        let tracks = timings.measure(Stage::Track, || self.state.tracker.tracks(frame));
        let n_shown = tracks
            .iter()
            .filter(|t| self.selector.may_return(t.id))
            .count();
        let budget = self.budget.map(|budget| self.costs.budget(budget));
        let is_complete =
            self.state
                .schedule
                .is_due(frame.time_secs, n_shown.min(self.most), budget);
        let found = if is_complete {
            self.find(frame, requested, &mut timings)?
        } else {
            Vec::new()
        };
        let found: Vec<Sighting> = found.into_iter().map(Sighting::from).collect();
        let owners = timings.measure(Stage::Track, || self.state.tracker.owners(frame, &found));
        let subjects = regions::subjects(tracks, found, &owners);
        if !subjects.iter().any(Subject::may_be_seen) {
            return self.search(frame, requested, timings, is_complete);
        }
        let due = regions::due(&subjects, &self.selector);
        let n = Schedule::n_looks(self.most, is_complete, budget).min(due.len());
        let looked = self.look(frame, &subjects, &due[..n], requested, &mut timings)?;
        let (subjects, looks) = (&subjects, &looked);
        let skeleton = self.closer.skeleton;
        let mut sightings = timings.measure(Stage::Track, || {
            believe::sightings(subjects, looks, self.thresholds, skeleton)
        });
        let mut contributions = self.merge(subjects, &mut sightings);
        let is_close: Vec<bool> = sightings.iter().map(|s| s.evidence.is_some()).collect();
        let sources: Vec<_> = sightings.iter().map(|s| s.subject).collect();
        let n_left_out = {
            let beyond = &due[n..];
            let is_beyond = |s: &Choice| beyond.contains(&s.subject);
            sightings.iter().filter(|s| is_beyond(s)).count()
        };
        let sightings = sightings.into_iter().map(Sighting::from).collect();
        let seen = timings.measure(Stage::Track, || {
            self.state.tracker.observe(frame, sightings, is_complete)
        });
        let mut ids = vec![None; subjects.len()];
        self.state.contributions.clear();
        for seen in &seen {
            ids[sources[seen.sighting]] = seen.pose.track_id;
            let contribution = contributions[seen.sighting].take();
            let of_person = seen.pose.track_id.zip(contribution);
            self.state.contributions.extend(of_person);
        }
        let is_lost = subjects.iter().zip(&ids).any(|(subject, id)| {
            subject.is_expected() && id.is_none() && self.selector.may_return(subject.id())
        });
        let people = PeopleCount {
            found: self.n_people(frame),
            closely: seen.iter().filter(|s| is_close[s.sighting]).count(),
            left_out: n_left_out,
        };
        self.state
            .schedule
            .done(frame.time_secs, is_complete, is_lost || n_left_out > 0);
        let regions = looked
            .into_iter()
            .map(|look| RegionOutput {
                track_id: ids[look.subject],
                ..look.region
            })
            .collect();
        let poses = seen.into_iter().map(|seen| seen.pose).collect();
        Ok(self.output(frame, poses, regions, people, timings))
    }

    /// Processes a frame and adds the finder's limb fields if requested: they are those of this frame,
    /// whether the finder was due or not.
    fn process_with_fields(
        &mut self,
        frame: &Frame,
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        self.whole = None;
        let mut output = self.process(frame, requested)?;
        if requested.fields && self.whole.is_none() {
            self.find(frame, requested, &mut output.timings)?;
        }
        output.regions.extend(self.whole.take());
        Ok(output)
    }

    /// Joins the closer's poses with those of the finder, or with what it has contributed before.
    /// Returns what it contributes to each.
    fn merge(&mut self, subjects: &[Subject], choices: &mut [Choice]) -> Vec<Option<Contribution>> {
        let skeleton = self.closer.skeleton;
        let merge = |choice: &mut Choice| {
            choice.evidence?;
            let subject = &subjects[choice.subject];
            let before = subject
                .id()
                .and_then(|id| self.state.contributions.remove(&id));
            let close = &choice.pose;
            let (pose, contribution) = match &subject.found {
                Some(found) if is_same(found, close, skeleton) => {
                    merged(close, found, before.as_ref(), skeleton)
                }
                Some(_) => return None,
                None => {
                    let mut before = before?;
                    (before.applied(close, skeleton), before)
                }
            };
            choice.pose = pose;
            Some(contribution)
        };
        choices.iter_mut().map(merge).collect()
    }

    /// Returns the number of people who were seen in the frame or a moment before.
    fn n_people(&mut self, frame: &Frame) -> usize {
        let tracks = self.state.tracker.tracks(frame);
        let is_here = |t: &&Track| t.id.is_some() && t.gone_secs <= MAX_BLIND_SECS;
        tracks.iter().filter(is_here).count()
    }

    /// Runs the finder; returns the people in the closer's skeleton.
    fn find(
        &mut self,
        frame: &Frame,
        requested: RequestedMaps,
        timings: &mut Timings,
    ) -> Result<Vec<Pose>> {
        let whole = Roi::whole(frame.size(), self.finder.input.size.aspect());
        let fields = RequestedMaps {
            fields: requested.fields,
            ..RequestedMaps::default()
        };
        let (finder, costs) = (&mut self.finder, &mut self.costs);
        let result = costs.time_finder(|| finder.infer_region(frame, &whole, fields, timings))?;
        self.whole = Some(result.region).filter(|region| region.fields.is_some());
        let people = result.people.iter().map(|p| p.renamed(&self.names));
        Ok(people.map(|p| Pose::from_keypoints(p.joints)).collect())
    }

    /// Searches with the closer alone, as for one person.
    fn search(
        &mut self,
        frame: &Frame,
        requested: RequestedMaps,
        mut timings: Timings,
        is_complete: bool,
    ) -> Result<PoseOutput> {
        self.state.contributions.clear();
        let rois = self.state.search.regions(frame.size());
        let closer = &mut self.closer;
        let results = closer.infer_regions(frame, &rois, requested, &mut timings)?;
        let mut regions = Vec::new();
        let mut poses = Vec::new();
        for result in results {
            regions.push(result.region);
            let people = result.people.into_iter();
            poses.extend(people.map(|p| Pose::from_keypoints(p.joints)));
        }
        let tracker = &mut self.state.tracker;
        let seen = timings.measure(Stage::Track, || {
            let started = self.state.search.update(frame, poses);
            let sightings = started.into_iter().map(|pose| Sighting {
                evidence: evidence_with(None, &pose),
                ..Sighting::from(pose)
            });
            tracker.observe(frame, sightings.collect(), is_complete)
        });
        if !seen.is_empty() {
            self.state.search.reset();
        }
        let poses: Vec<Pose> = seen.into_iter().map(|seen| seen.pose).collect();
        for (region, pose) in regions.iter_mut().zip(&poses) {
            region.track_id = pose.track_id;
        }
        let people = PeopleCount {
            found: poses.len(),
            closely: poses.len(),
            left_out: 0,
        };
        self.state
            .schedule
            .done(frame.time_secs, is_complete, false);
        Ok(self.output(frame, poses, regions, people, timings))
    }

    /// Returns the output with the selected people only.
    fn output(
        &mut self,
        frame: &Frame,
        mut poses: Vec<Pose>,
        mut regions: Vec<RegionOutput>,
        people: PeopleCount,
        timings: Timings,
    ) -> PoseOutput {
        self.known.tracked(frame, &poses);
        self.selector.keep_selected(frame, &mut poses);
        keep_regions_of(&poses, &mut regions);
        PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&self.closer.name),
            skeleton: self.closer.skeleton,
            poses,
            regions,
            timings,
            people,
        }
    }
}

impl Several {
    /// Processes a frame without the state of the run; everyone is returned, with ids of their own.
    fn process_alone(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let mut fresh = self.state.clone();
        fresh.reset();
        let n_joints = self.closer.skeleton.n_joints();
        let known = near.iter().filter(|p| p.keypoints_raw.len() == n_joints);
        fresh.tracker.update(frame, known.cloned().collect());
        let live = (
            std::mem::replace(&mut self.state, fresh),
            std::mem::take(&mut self.selector),
            std::mem::take(&mut self.known),
            self.budget.take(),
        );
        let found = self.process_with_fields(frame, requested);
        (self.state, self.selector, self.known, self.budget) = live;
        found
    }

    /// Keeps the selected people of a frame that was processed on its own, and their regions.
    fn selected(&self, mut output: PoseOutput) -> PoseOutput {
        let frame = output.frame.clone();
        self.selector
            .clone()
            .keep_selected(&frame, &mut output.poses);
        keep_regions_of(&output.poses, &mut output.regions);
        output
    }
}

/// Gives people who were found in a single frame these track ids, and their regions as well.
fn renumber(output: &mut PoseOutput, ids: &[Option<u64>]) {
    let pairs = give_ids(&mut output.poses, ids);
    for region in &mut output.regions {
        let given = pairs.iter().find(|(own, _)| Some(*own) == region.track_id);
        region.track_id = given.and_then(|(_, id)| *id);
    }
}

/// Keeps the regions of these people, and those of nobody.
fn keep_regions_of(poses: &[Pose], regions: &mut Vec<RegionOutput>) {
    regions.retain(|r| r.track_id.is_none() || poses.iter().any(|p| p.track_id == r.track_id));
}

impl Infer for Several {
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput> {
        let this = (frame.id, frame.time_secs);
        match &self.before {
            // A paused frame is processed again when other maps are requested.
            Some(before) if this == self.last => self.state = before.clone(),
            _ => {
                if frame.time_secs < self.last.1 {
                    // A new run: track ids start again at 1.
                    self.state.reset();
                    self.selector.reset();
                    self.known.clear();
                }
                self.before = Some(self.state.clone());
                self.last = this;
            }
        }
        if self.state.cuts.is_cut(frame) {
            self.state.forget();
        }
        self.process_with_fields(frame, requested)
    }

    fn set_smoothing(&mut self, params: OneEuro) {
        self.state.tracker.set_smoothing(params);
        if let Some(before) = &mut self.before {
            before.tracker.set_smoothing(params);
        }
    }

    fn set_selection(&mut self, selection: &Selection) {
        self.selector.set(selection);
    }

    fn set_budget(&mut self, budget: Option<Duration>) {
        self.budget = budget;
    }

    fn inspect(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let mut output = self.process_alone(frame, near, requested)?;
        let ids = nearest_ids(&output.poses, near);
        renumber(&mut output, &ids);
        Ok(self.selected(output))
    }

    fn visit(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let mut output = self.process_alone(frame, near, requested)?;
        let ids = visited_ids(&self.known, frame, &output.poses, near);
        renumber(&mut output, &ids);
        self.known.visited(frame, &output.poses);
        Ok(self.selected(output))
    }
}

impl State {
    /// Forgets all people, because the scene has changed.
    fn forget(&mut self) {
        self.tracker.forget();
        self.search.reset();
        self.contributions.clear();
        self.schedule = Schedule::default();
    }

    /// Forgets everything, for a new run.
    fn reset(&mut self) {
        self.forget();
        self.tracker.reset();
        self.cuts = SceneCut::default();
    }
}

//! Evaluation of weights on the live path (crop, network, decoding) with labelled people.

use std::collections::BTreeMap;

use super::held_out::{HeldOutPose, is_displayed};
use super::parts::{Answers, Parts};
use crate::codec::DecodedPerson;
use crate::concurrency::StopFlag;
use crate::dataset::{Annotation, Dataset, LeftOut, picture};
use crate::error::{Error, Result};
use crate::estimator::{Network, NetworkOptions, RequestedMaps};
use crate::eval::{EvalOptions, EvalReport, check_people, evaluate_bottom_up, evaluate_top_down};
use crate::frame::Frame;
use crate::geometry::{BBox, Roi};
use crate::model::{Card, ModelSpec, Weights};
use crate::output::{Approach, Timings};
use crate::pose::Keypoint;
use crate::skeleton::{JointMap, Skeleton};

/// Metrics of an evaluation; `None` where the labels do not suffice.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Measured {
    /// PCK@0.2, 0 to 1.
    pub pck: Option<f64>,
    /// COCO average precision, 0 to 1.
    pub oks_ap: Option<f64>,
    /// PCK@0.2 of each part of the set, 0 to 1, by its name.
    pub pck_parts: BTreeMap<String, f64>,
    /// Number of joints of which PCK is the fraction.
    pub n_joints: usize,
    /// Number of found joints and of all, for each image.
    pub hits: Vec<[u32; 2]>,
    /// Predictions for the people selected for display.
    pub seen: Vec<HeldOutPose>,
}

/// People for whom the network is run.
#[derive(Clone, Copy)]
enum Subset<'a> {
    /// All people, until a stop is requested.
    All(&'a StopFlag),
    /// Only the people selected for display; the metrics are meaningless then.
    Displayed,
}

impl Subset<'_> {
    /// Returns whether to run a person, given whether it is selected for display.
    ///
    /// # Errors
    /// When a stop was requested.
    fn includes(self, is_displayed: bool) -> Result<bool> {
        match self {
            Self::Displayed => Ok(is_displayed),
            Self::All(stop) if stop.is_stopped() => {
                Err(Error::Cancelled("the validation was stopped".to_owned()))
            }
            Self::All(_) => Ok(true),
        }
    }
}

/// The validation people.
#[derive(Debug)]
pub(super) struct Validation {
    /// Top-down networks: joints are converted to the network's skeleton.
    dataset: Dataset,
    /// Bottom-up networks: map from the network's joints to those of the labels, because OKS
    /// defines no sigma for synthesised joints like the neck.
    names: Option<JointMap>,
    /// Parts that are measured on their own as well.
    parts: Parts,
}

/// The metrics of all people, and PCK of each part.
type Reports = (EvalReport, BTreeMap<String, f64>);

impl Validation {
    /// Creates an evaluation of networks like `spec` with joints of `skeleton` on `dataset`.
    ///
    /// # Errors
    /// When there are no usable people, or the skeletons have no joints in common.
    pub(super) fn new(
        dataset: Dataset,
        spec: &ModelSpec,
        skeleton: &'static Skeleton,
    ) -> Result<Self> {
        let strangers = || {
            Error::Invalid(format!(
                "the joints of the validation set ({}) cannot be renamed to {}",
                dataset.skeleton.name, skeleton.name
            ))
        };
        let (mut dataset, names) = match spec.approach {
            Approach::TopDown => (dataset.renamed_to(skeleton).ok_or_else(strangers)?, None),
            Approach::BottomUp => {
                let names = skeleton.map_to(&dataset.skeleton.name);
                let names = names.ok_or_else(strangers)?;
                (dataset, Some(names))
            }
        };
        check_people(&dataset.samples, &mut dataset.left_out)
            .map_err(|error| Error::Invalid(format!("the validation set: {error}")))?;
        Ok(Self {
            dataset,
            names,
            parts: Parts::default(),
        })
    }

    /// Also measures parts, for each of which the names of its clips are given.
    pub(super) fn with_parts(mut self, clips: &BTreeMap<String, Vec<String>>) -> Self {
        self.parts = Parts::of(&self.dataset, clips);
        self
    }

    /// Returns the counts of unused labels.
    pub(super) fn left_out(&self) -> &LeftOut {
        &self.dataset.left_out
    }

    /// Evaluates `weights`, used as `card` says. An unreadable image is an error: a metric over
    /// fewer people would not be comparable. `None` if a stop was requested before the end.
    ///
    /// # Errors
    /// When the network, its device or an image fails.
    pub(super) fn measure(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
        stop: &StopFlag,
    ) -> Result<Option<Measured>> {
        match self.run(options, card, weights, Subset::All(stop)) {
            // Any error will occur again when the validation is repeated on resuming.
            Err(_) if stop.is_stopped() => Ok(None),
            measured => measured.map(Some),
        }
    }

    /// Returns the predictions of `weights` for the people selected for display.
    ///
    /// # Errors
    /// When the network, its device or an image fails.
    pub(super) fn predict(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
    ) -> Result<Vec<HeldOutPose>> {
        let displayed = Subset::Displayed;
        Ok(self.run(options, card, weights, displayed)?.seen)
    }

    fn run(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
        subset: Subset<'_>,
    ) -> Result<Measured> {
        let mut network = Network::with_card(options, card.clone(), weights)?;
        let mut seen = Vec::new();
        let (report, pck_parts) = match &self.names {
            None => self.run_top_down(&mut network, subset, &mut seen),
            Some(names) => self.run_bottom_up(&mut network, names, subset, &mut seen),
        }?;
        Ok(Measured {
            n_joints: report.pck.as_ref().map_or(0, |pck| pck.n_joints),
            pck: report.pck.and_then(|pck| pck.mean),
            oks_ap: report.oks.and_then(|oks| oks.ap),
            hits: report.hits.into_values().collect(),
            pck_parts,
            seen,
        })
    }

    fn run_top_down(
        &self,
        network: &mut Network,
        subset: Subset<'_>,
        seen: &mut Vec<HeldOutPose>,
    ) -> Result<Reports> {
        let eval = EvalOptions::new(*network.input());
        let mut answers = Answers::default();
        let mut current: Option<Frame> = None;
        let (skeleton, samples) = (self.dataset.skeleton, &self.dataset.samples);
        let n_people = samples.iter().map(|s| s.annotations.len()).sum();
        let mut asked = 0;
        let report = evaluate_top_down(skeleton, samples, &eval, &mut |sample, roi| {
            let is_displayed = is_displayed(asked, n_people);
            if !subset.includes(is_displayed)? {
                asked += 1;
                return Ok(vec![Keypoint::from([0.0; 3]); skeleton.n_joints()]);
            }
            let frame = match current.take() {
                Some(frame) if frame.id == sample.image_id => frame,
                _ => picture::of_sample(sample)?,
            };
            let result = network.infer_region(
                &frame,
                roi,
                RequestedMaps::default(),
                &mut Timings::default(),
            )?;
            current = Some(frame);
            let found = result.people.into_iter().next();
            let found = found.map_or_else(Vec::new, |found| found.joints);
            let mut people = sample.annotations.iter();
            let is_asked = |a: &&Annotation| eval.input.roi_of(a, sample.size) == Some(*roi);
            if is_displayed && let Some(person) = people.find(is_asked) {
                seen.push(HeldOutPose {
                    path: sample.path.clone(),
                    image_id: sample.image_id,
                    size: sample.size,
                    orientation: sample.orientation,
                    roi: *roi,
                    skeleton,
                    labels: person.joints.clone(),
                    found: found.clone(),
                });
            }
            asked += 1;
            if !self.parts.is_empty() {
                answers.add_region(sample.image_id, *roi, &found);
            }
            Ok(found)
        })?;
        let parts = match subset {
            Subset::All(_) => self.parts.top_down(skeleton, &eval, &answers)?,
            Subset::Displayed => BTreeMap::new(),
        };
        Ok((report, parts))
    }

    fn run_bottom_up(
        &self,
        network: &mut Network,
        names: &JointMap,
        subset: Subset<'_>,
        seen: &mut Vec<HeldOutPose>,
    ) -> Result<Reports> {
        let input = *network.input();
        let eval = EvalOptions::new(input);
        let mut answers = Answers::default();
        let (skeleton, samples) = (self.dataset.skeleton, &self.dataset.samples);
        let n_people = samples.iter().map(|s| s.annotations.len()).sum();
        let mut asked = 0;
        let report = evaluate_bottom_up(skeleton, samples, &eval, &mut |sample| {
            let first = asked;
            asked += sample.annotations.len();
            let people = sample.annotations.iter().enumerate();
            let displayed = people.filter(|(i, _)| is_displayed(first + i, n_people));
            let displayed: Vec<&Annotation> = displayed.map(|(_, person)| person).collect();
            if !subset.includes(!displayed.is_empty())? {
                return Ok(Vec::new());
            }
            let frame = picture::of_sample(sample)?;
            let whole = Roi::whole(frame.size(), input.size.aspect());
            let result = network.infer_region(
                &frame,
                &whole,
                RequestedMaps::default(),
                &mut Timings::default(),
            )?;
            let found = result.people.iter().map(|person| person.renamed(names));
            let found: Vec<DecodedPerson> = found.collect();
            for person in displayed {
                let Some(roi) = input.roi_of(person, sample.size) else {
                    continue;
                };
                seen.push(HeldOutPose {
                    path: sample.path.clone(),
                    image_id: sample.image_id,
                    size: sample.size,
                    orientation: sample.orientation,
                    roi,
                    skeleton,
                    labels: person.joints.clone(),
                    found: answer_in(person.bbox, &found, skeleton),
                });
            }
            if !self.parts.is_empty() {
                answers.add_people(sample.image_id, &found);
            }
            Ok(found)
        })?;
        let parts = match subset {
            Subset::All(_) => self.parts.bottom_up(skeleton, &eval, &answers)?,
            Subset::Displayed => BTreeMap::new(),
        };
        Ok((report, parts))
    }
}

/// Returns the prediction with most joints in a box; undetected joints if there is none.
fn answer_in(bbox: BBox, found: &[DecodedPerson], skeleton: &Skeleton) -> Vec<Keypoint> {
    let inside = |person: &&DecodedPerson| {
        let joints = person.joints.iter();
        let is_inside = |k: &&Keypoint| k.score > 0.0 && bbox.contains(k.point());
        joints.filter(is_inside).count()
    };
    let best = found.iter().max_by_key(inside);
    best.filter(|person| inside(person) > 0).map_or_else(
        || vec![Keypoint::default(); skeleton.n_joints()],
        |person| person.joints.clone(),
    )
}

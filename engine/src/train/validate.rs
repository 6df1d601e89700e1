//! Evaluation of weights on the live path (crop, network, decoding) with labelled people.

use super::seen::{SeenPose, is_looked_at};
use crate::codec::Found;
use crate::concurrency::StopFlag;
use crate::dataset::{Annotation, Dataset, LeftOut, picture};
use crate::error::{Error, Result};
use crate::estimator::{Network, NetworkOptions, Want};
use crate::eval::{EvalOptions, EvalReport, check_people, evaluate, evaluate_scenes};
use crate::frame::Frame;
use crate::geometry::{BBox, Roi};
use crate::model::{Card, ModelSpec, Weights};
use crate::output::{Approach, Timings};
use crate::pose::Keypoint;
use crate::skeleton::{JointMap, Skeleton};

/// Metrics of an evaluation; `None` where the labels do not suffice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// PCK@0.2, 0 to 1.
    pub pck: Option<f64>,
    /// COCO average precision, 0 to 1.
    pub oks_ap: Option<f64>,
    /// Predictions for the people selected for display.
    pub seen: Vec<SeenPose>,
}

/// People for whom the network is run.
#[derive(Clone, Copy)]
enum Asked<'a> {
    /// All people, until a stop is requested.
    Everybody(&'a StopFlag),
    /// Only the people selected for display; the metrics are meaningless then.
    LookedAt,
}

impl Asked<'_> {
    /// Returns whether to run a person, given whether it is selected for display.
    ///
    /// # Errors
    /// When a stop was requested.
    fn includes(self, is_looked_at: bool) -> Result<bool> {
        match self {
            Self::LookedAt => Ok(is_looked_at),
            Self::Everybody(stop) if stop.is_stopped() => {
                Err(Error::Cancelled("the validation was stopped".to_owned()))
            }
            Self::Everybody(_) => Ok(true),
        }
    }
}

/// The validation people.
#[derive(Debug)]
pub struct Validation {
    /// Top-down networks: joints are converted to the network's skeleton.
    dataset: Dataset,
    /// Bottom-up networks: map from the network's joints to those of the labels, because OKS
    /// defines no sigma for synthesised joints like the neck.
    names: Option<JointMap>,
}

impl Validation {
    /// Creates an evaluation of networks like `spec` with joints of `skeleton` on `dataset`.
    ///
    /// # Errors
    /// When there are no usable people, or the skeletons have no joints in common.
    pub fn new(dataset: Dataset, spec: &ModelSpec, skeleton: &'static Skeleton) -> Result<Self> {
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
        Ok(Self { dataset, names })
    }

    /// Returns the counts of unused labels.
    pub fn left_out(&self) -> &LeftOut {
        &self.dataset.left_out
    }

    /// Evaluates `weights`, used as `card` says. An unreadable image is an error: a metric over
    /// fewer people would not be comparable. `None` if a stop was requested before the end.
    ///
    /// # Errors
    /// When the network, its device or an image fails.
    pub fn measure(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
        stop: &StopFlag,
    ) -> Result<Option<Measured>> {
        match self.ask(options, card, weights, Asked::Everybody(stop)) {
            // Any error will occur again when the validation is repeated on resuming.
            Err(_) if stop.is_stopped() => Ok(None),
            measured => measured.map(Some),
        }
    }

    /// Returns the predictions of `weights` for the people selected for display.
    ///
    /// # Errors
    /// When the network, its device or an image fails.
    pub fn look(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
    ) -> Result<Vec<SeenPose>> {
        let looked_at = Asked::LookedAt;
        Ok(self.ask(options, card, weights, looked_at)?.seen)
    }

    fn ask(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
        whom: Asked<'_>,
    ) -> Result<Measured> {
        let mut network = Network::with_card(options, card.clone(), weights)?;
        let mut seen = Vec::new();
        let report = match &self.names {
            None => self.ask_one_by_one(&mut network, whom, &mut seen),
            Some(names) => self.ask_for_all(&mut network, names, whom, &mut seen),
        }?;
        Ok(Measured {
            pck: report.pck.and_then(|pck| pck.mean),
            oks_ap: report.oks.and_then(|oks| oks.ap),
            seen,
        })
    }

    fn ask_one_by_one(
        &self,
        network: &mut Network,
        whom: Asked<'_>,
        seen: &mut Vec<SeenPose>,
    ) -> Result<EvalReport> {
        let eval = EvalOptions::new(*network.input());
        let mut current: Option<Frame> = None;
        let (skeleton, samples) = (self.dataset.skeleton, &self.dataset.samples);
        let n_people = samples.iter().map(|s| s.annotations.len()).sum();
        let mut asked = 0;
        evaluate(skeleton, samples, &eval, &mut |sample, roi| {
            let is_looked_at = is_looked_at(asked, n_people);
            if !whom.includes(is_looked_at)? {
                asked += 1;
                return Ok(vec![Keypoint::from([0.0; 3]); skeleton.n_joints()]);
            }
            let frame = match current.take() {
                Some(frame) if frame.id == sample.image_id => frame,
                _ => picture::of_sample(sample)?,
            };
            let look = network.look(&frame, roi, Want::default(), &mut Timings::default())?;
            current = Some(frame);
            let found = look.people.into_iter().next();
            let found = found.map_or_else(Vec::new, |found| found.joints);
            let mut people = sample.annotations.iter();
            let is_asked = |a: &&Annotation| eval.input.roi_of(a, sample.size) == Some(*roi);
            if is_looked_at && let Some(person) = people.find(is_asked) {
                seen.push(SeenPose {
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
            Ok(found)
        })
    }

    fn ask_for_all(
        &self,
        network: &mut Network,
        names: &JointMap,
        whom: Asked<'_>,
        seen: &mut Vec<SeenPose>,
    ) -> Result<EvalReport> {
        let input = *network.input();
        let (skeleton, samples) = (self.dataset.skeleton, &self.dataset.samples);
        let n_people = samples.iter().map(|s| s.annotations.len()).sum();
        let mut asked = 0;
        evaluate_scenes(skeleton, samples, &EvalOptions::new(input), &mut |sample| {
            let first = asked;
            asked += sample.annotations.len();
            let people = sample.annotations.iter().enumerate();
            let looked_at = people.filter(|(i, _)| is_looked_at(first + i, n_people));
            let looked_at: Vec<&Annotation> = looked_at.map(|(_, person)| person).collect();
            if !whom.includes(!looked_at.is_empty())? {
                return Ok(Vec::new());
            }
            let frame = picture::of_sample(sample)?;
            let whole = Roi::whole(frame.size(), input.size.aspect());
            let look = network.look(&frame, &whole, Want::default(), &mut Timings::default())?;
            let found = look.people.iter().map(|person| person.renamed(names));
            let found: Vec<Found> = found.collect();
            for person in looked_at {
                let Some(roi) = input.roi_of(person, sample.size) else {
                    continue;
                };
                seen.push(SeenPose {
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
            Ok(found)
        })
    }
}

/// Returns the prediction with most joints in a box; undetected joints if there is none.
fn answer_in(bbox: BBox, found: &[Found], skeleton: &Skeleton) -> Vec<Keypoint> {
    let inside = |person: &&Found| {
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

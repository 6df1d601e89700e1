//! How good weights are: the live path (crop, network, decoding) on labelled people.

use super::seen::{SeenPose, is_looked_at};
use crate::dataset::{Annotation, Dataset, picture};
use crate::error::{Error, Result};
use crate::estimator::{Network, NetworkOptions, Want};
use crate::eval::{EvalOptions, evaluate};
use crate::frame::Frame;
use crate::model::{Card, Weights};
use crate::output::Timings;
use crate::pose::Keypoint;
use crate::preprocess::clip_box;
use crate::skeleton::Skeleton;

/// What was measured; `None` where the labels do not suffice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// PCK@0.2.
    pub pck: Option<f64>,
    /// COCO average precision.
    pub oks_ap: Option<f64>,
    /// The people to be looked at.
    pub seen: Vec<SeenPose>,
}

/// The people measured on, their joints named by the network's skeleton.
#[derive(Debug)]
pub struct Validation {
    dataset: Dataset,
}

impl Validation {
    /// Measures on `dataset`.
    ///
    /// # Errors
    /// When its joints have no names in `skeleton`.
    pub fn new(dataset: &Dataset, skeleton: &'static Skeleton) -> Result<Self> {
        let renamed = dataset.renamed_to(skeleton).ok_or_else(|| {
            Error::Invalid(format!(
                "the joints of the validation set ({}) cannot be renamed to {}",
                dataset.skeleton.name, skeleton.name
            ))
        })?;
        Ok(Self { dataset: renamed })
    }

    /// Measures `weights`, used as `card` says. A picture that cannot be read is an error: a
    /// number over fewer people would not be comparable.
    ///
    /// # Errors
    /// When the network, its device or a picture fails.
    pub fn measure(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
    ) -> Result<Measured> {
        self.ask(options, card, weights, false)
    }

    /// What `weights` find in the people to be looked at.
    ///
    /// # Errors
    /// When the network, its device or a picture fails.
    pub fn look(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
    ) -> Result<Vec<SeenPose>> {
        Ok(self.ask(options, card, weights, true)?.seen)
    }

    /// Asks the network about everybody, or only about those to be looked at; the figures mean
    /// nothing then.
    fn ask(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
        only_looked_at: bool,
    ) -> Result<Measured> {
        let mut network = Network::with_card(options, card.clone(), weights)?;
        let eval = EvalOptions::new(*network.input());
        let mut current: Option<Frame> = None;
        let (skeleton, samples) = (self.dataset.skeleton, &self.dataset.samples);
        let n_people = samples.iter().map(|s| s.annotations.len()).sum();
        let (mut asked, mut seen) = (0, Vec::new());
        let report = evaluate(skeleton, samples, &eval, &mut |sample, roi| {
            let is_looked_at = is_looked_at(asked, n_people);
            if only_looked_at && !is_looked_at {
                asked += 1;
                return Ok(vec![Keypoint::from([0.0; 3]); skeleton.n_joints()]);
            }
            let frame = match current.take() {
                Some(frame) if frame.id == sample.image_id => frame,
                _ => picture::read(&sample.path, sample.image_id)?,
            };
            let look = network.look(&frame, roi, Want::default(), &mut Timings::default())?;
            current = Some(frame);
            let found = look.people.into_iter().next();
            let found = found.map_or_else(Vec::new, |found| found.joints);
            let mut people = sample.annotations.iter();
            let is_asked = |a: &&Annotation| {
                clip_box(a.bbox, sample.size).is_some_and(|b| eval.input.roi(b) == *roi)
            };
            if is_looked_at && let Some(person) = people.find(is_asked) {
                seen.push(SeenPose {
                    path: sample.path.clone(),
                    image_id: sample.image_id,
                    roi: *roi,
                    skeleton,
                    labels: person.joints.clone(),
                    found: found.clone(),
                });
            }
            asked += 1;
            Ok(found)
        })?;
        Ok(Measured {
            pck: report.pck.and_then(|pck| pck.mean),
            oks_ap: report.oks.and_then(|oks| oks.ap),
            seen,
        })
    }
}

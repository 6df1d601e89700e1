//! What both protocols count: labelled people, the answers for them, and the report.

use super::coco_ap::{Detection, coco_ap};
use super::pck::Pck;
use super::pckh::Pckh;
use super::report::{EvalOptions, EvalReport};
use crate::error::{Error, Result};
use crate::geometry::{Point, Roi};
use crate::preprocess::InputSpec;
use crate::sample::{Annotation, Joint, Sample};
use crate::skeleton::Skeleton;

/// Everybody who is asked about, with the region that a network of `input` looks at: people with
/// a labelled joint and a positive area who are not a crowd.
pub(super) fn labelled_people<'a>(
    sample: &'a Sample,
    input: &InputSpec,
) -> impl Iterator<Item = (Roi, &'a Annotation)> {
    sample.annotations.iter().filter_map(|a| {
        let counts = !a.is_crowd && a.area > 0.0;
        let roi = input.roi_of(a, sample.size).filter(|_| counts)?;
        a.joints.iter().find_map(Joint::labelled)?;
        Some((roi, a))
    })
}

/// Refuses an answer of `n` joints from a model of another skeleton.
pub(super) fn check_joints(skeleton: &Skeleton, n: usize) -> Result<()> {
    if n == skeleton.n_joints() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the model answers with {n} joints, the labels are {} with {}; choose weights for {}",
        skeleton.name,
        skeleton.n_joints(),
        skeleton.name
    )))
}

/// Counts of one evaluation.
pub(super) struct Tally {
    skeleton: &'static Skeleton,
    pck: Pck,
    pckh: Pckh,
    /// For OKS.
    pub(super) detections: Vec<Detection>,
    /// People that the predictor was asked about.
    pub(super) n_people: usize,
}

impl Tally {
    /// Nobody yet.
    pub(super) fn new(skeleton: &'static Skeleton, options: &EvalOptions) -> Self {
        Self {
            skeleton,
            pck: Pck::new(skeleton, options.pck_threshold),
            pckh: Pckh::new(skeleton, options.pckh_threshold),
            detections: Vec::new(),
            n_people: 0,
        }
    }

    /// For PCK and PCKh: one person's labels and joints. A joint labelled outside the picture
    /// cannot be seen by anybody: it is neither asked for, nor measures a torso or head.
    pub(super) fn add(&mut self, sample: &Sample, label: &Annotation, joints: &[Point]) {
        let labels = label.joints.iter().map(|j| j.inside(sample.size));
        let labels: Vec<_> = labels.collect();
        self.pck.add(&labels, joints);
        self.pckh.add(label.head_box, &labels, joints);
    }

    /// All metrics.
    pub(super) fn report(self, samples: &[Sample]) -> EvalReport {
        let sigmas = &self.skeleton.oks_sigmas;
        EvalReport {
            n_people: self.n_people,
            pck: self.pck.report(),
            pckh: self.pckh.report(),
            oks: (!sigmas.is_empty()).then(|| coco_ap(samples, &self.detections, sigmas)),
        }
    }
}

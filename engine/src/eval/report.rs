//! What an evaluation is asked, and what it tells.

use serde::{Deserialize, Serialize};

use super::coco_ap::CocoAp;
use super::pck::PckReport;
use super::pckh::PckhReport;
use crate::preprocess::InputSpec;
use crate::sample::DetectedBox;

/// How to evaluate.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// What the network wants to see: decides the regions around the boxes.
    pub input: InputSpec,
    /// Boxes of a detector instead of the labelled ones.
    pub boxes: Option<Vec<DetectedBox>>,
    /// Fraction of the torso within which PCK counts a joint as found.
    pub pck_threshold: f64,
    /// Fraction of the head within which PCKh counts a joint as found.
    pub pckh_threshold: f64,
    /// Poses more similar (OKS) than this to a better one are dropped before the COCO numbers.
    pub nms_threshold: f64,
}

impl EvalOptions {
    /// The usual thresholds (0.2 torsos, 0.5 heads, 0.9 OKS) and the labelled boxes.
    pub fn new(input: InputSpec) -> Self {
        Self {
            input,
            boxes: None,
            pck_threshold: 0.2,
            pckh_threshold: 0.5,
            nms_threshold: 0.9,
        }
    }
}

/// All metrics of one evaluation, from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// Labelled people, or boxes of a detector, that the predictor was asked about.
    pub n_people: usize,
    /// `None` without labelled boxes or without a labelled torso.
    pub pck: Option<PckReport>,
    /// `None` without labelled boxes or without a labelled head.
    pub pckh: Option<PckhReport>,
    /// `None` for skeletons without OKS sigmas.
    pub oks: Option<CocoAp>,
}

impl EvalReport {
    /// Drops every metric but the one called `name` (a row of [`super::METRICS`]).
    pub fn keep_only(&mut self, name: &str) {
        self.pck = self.pck.take().filter(|_| name == "pck");
        self.pckh = self.pckh.take().filter(|_| name == "pckh");
        self.oks = self.oks.take().filter(|_| name == "oks");
    }
}

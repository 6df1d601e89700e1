//! Options and results of an evaluation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::coco_ap::CocoAp;
use super::pck::PckReport;
use super::pckh::PckhReport;
use crate::preprocess::InputSpec;
use crate::sample::DetectedBox;

/// Options of an evaluation.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// Input format of the network, which determines the regions around the boxes.
    pub input: InputSpec,
    /// Boxes of a detector to use instead of the labelled ones.
    pub boxes: Option<Vec<DetectedBox>>,
    /// Maximum error of a joint that PCK counts as correct, as a fraction of the torso length.
    pub pck_threshold: f64,
    /// Maximum error of a joint that PCKh counts as correct, as a fraction of the head size.
    pub pckh_threshold: f64,
    /// OKS threshold of the non-maximum suppression before the COCO metrics are computed.
    pub nms_threshold: f64,
}

impl EvalOptions {
    /// Returns the usual thresholds (0.2 torsos, 0.5 heads, 0.9 OKS) with the labelled boxes.
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
    /// Number of people evaluated: labelled people, or boxes of a detector.
    pub n_people: usize,
    /// PCK; `None` without labelled boxes or without a labelled torso.
    pub pck: Option<PckReport>,
    /// Number of correct joints of which PCK is the mean, and of all, by image.
    #[serde(skip)]
    pub hits: BTreeMap<u64, [u32; 2]>,
    /// PCKh; `None` without labelled boxes or without a labelled head.
    pub pckh: Option<PckhReport>,
    /// COCO's OKS metrics; `None` for skeletons without OKS sigmas.
    pub oks: Option<CocoAp>,
}

impl EvalReport {
    /// Drops every metric except the one named `name` (a row of [`super::METRICS`]).
    pub fn keep_only(&mut self, name: &str) {
        self.pck = self.pck.take().filter(|_| name == "pck");
        self.pckh = self.pckh.take().filter(|_| name == "pckh");
        self.oks = self.oks.take().filter(|_| name == "oks");
    }
}

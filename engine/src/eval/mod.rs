//! Accuracy: predicted joints against labelled ones.
//!
//! [`protocol::evaluate`] walks over labelled pictures and asks a predictor for each person's
//! joints, [`evaluate_scenes`] asks for everybody in each picture. Both fill an
//! [`EvalReport`] with the [`METRICS`]: object keypoint similarity ([`oks`]) and the COCO averages
//! built on it ([`coco_ap`]), and the shares of joints within a distance that is a fraction of the
//! torso ([`pck`]) or of the head ([`pckh`]). [`chart()`] draws the report.

mod chart;
pub mod coco_ap;
pub mod oks;
pub mod pck;
pub mod pckh;
pub mod protocol;
pub mod rates;
mod report;
mod scenes;
mod tally;

pub use chart::chart;
pub use protocol::evaluate;
pub use report::{EvalOptions, EvalReport};
pub use scenes::evaluate_scenes;
pub use tally::check_people;

/// Whether more or less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    HigherIsBetter,
    /// Less is better.
    LowerIsBetter,
}

/// One metric: a row of [`METRICS`].
pub struct MetricSpec {
    /// `oks`, `pck`, `pckh`: the key in the report.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// What the number is: `AP`, `share of joints`. Always from 0 to 1.
    pub unit: &'static str,
    /// Which of two numbers is better.
    pub direction: Direction,
    /// The one number that stands for the metric; `None` where it could not be computed.
    pub headline: fn(&EvalReport) -> Option<f64>,
}

/// Every metric.
pub const METRICS: &[MetricSpec] = &[
    MetricSpec {
        name: "oks",
        help: "COCO average precision and recall over object keypoint similarity",
        unit: "AP",
        direction: Direction::HigherIsBetter,
        headline: |report| report.oks.as_ref()?.ap,
    },
    MetricSpec {
        name: "pck",
        help: "share of joints within a fraction of the torso",
        unit: "share of joints",
        direction: Direction::HigherIsBetter,
        headline: |report| report.pck.as_ref()?.mean,
    },
    MetricSpec {
        name: "pckh",
        help: "share of joints within a fraction of the head",
        unit: "share of joints",
        direction: Direction::HigherIsBetter,
        headline: |report| report.pckh.as_ref()?.mean,
    },
];

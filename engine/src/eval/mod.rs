//! Accuracy metrics: predicted joints against labelled ones.
//!
//! [`top_down::evaluate_top_down`] iterates over labelled images and calls a predictor for each person's
//! joints; [`evaluate_bottom_up`] calls it for all people in each image. Both fill an [`EvalReport`]
//! with the [`METRICS`]: object keypoint similarity ([`oks`]) and the COCO averages built on it
//! ([`coco_ap`]), and the fractions of joints within a distance relative to the torso ([`pck`]) or
//! the head ([`pckh`]). [`chart()`] draws the report. [`identity`] measures how well people keep their
//! track ids in labelled video.

mod bottom_up;
mod chart;
pub mod coco_ap;
pub mod identity;
pub mod oks;
pub mod pck;
pub mod pckh;
pub mod rates;
mod report;
mod tally;
pub mod top_down;

pub use bottom_up::evaluate_bottom_up;
pub use chart::chart;
pub use report::{EvalOptions, EvalReport};
pub use tally::check_people;
pub use top_down::evaluate_top_down;

/// Whether higher or lower values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Higher values are better, as for accuracy.
    HigherIsBetter,
    /// Lower values are better, as for errors.
    LowerIsBetter,
}

/// An available metric: a row of [`METRICS`].
pub struct MetricSpec {
    /// Key in the report: `oks`, `pck`, `pckh`.
    pub name: &'static str,
    /// One-line description for `--help`.
    pub help: &'static str,
    /// Unit of the value: `AP`, `share of joints`. Values are always from 0 to 1.
    pub unit: &'static str,
    /// Whether higher or lower values are better.
    pub direction: Direction,
    /// Returns the single value that summarises the metric; `None` where it could not be computed.
    pub headline: fn(&EvalReport) -> Option<f64>,
}

/// All metrics.
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

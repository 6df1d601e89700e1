//! Why a frame should be labelled.

use serde::{Deserialize, Serialize};

/// Reason for labelling a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Chosen by the user.
    ByHand,
    /// Drawn from the hold-out, to measure training.
    HoldOut,
    /// Drawn at random.
    Random,
    /// Heatmaps differ from those of the frames before and after.
    Change,
    /// Heatmaps have several peaks.
    Peaks,
    /// Bones have unlikely lengths.
    Bones,
    /// Left and right are swapped compared with the frames before and after.
    Flip,
    /// Looks different from the other frames to the network.
    Different,
}

impl Reason {
    /// Reasons that the model's predictions give, in the order in which they take turns.
    pub const MEASURED: [Self; 4] = [Self::Change, Self::Peaks, Self::Bones, Self::Flip];

    /// Returns the explanation for display; [`Suggestion::value`] is the number that it mentions.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ByHand => "chosen by hand",
            Self::HoldOut => "hold-out frame drawn at random, to measure training",
            Self::Random => "drawn at random",
            Self::Change => "heatmaps change: share that does not overlap with the neighbours'",
            Self::Peaks => "several peaks: height of the second relative to the first",
            Self::Bones => "unlikely bone lengths: distance from the median in usual deviations",
            Self::Flip => {
                "left and right swapped: share of the distance to the neighbours saved \
                           by swapping"
            }
            Self::Different => {
                "looks different to the network: distance from the nearest other suggestion \
                 relative to the usual one between frames"
            }
        }
    }
}

/// A frame's reason for being labelled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The reason.
    pub reason: Reason,
    /// Value of the measure behind the reason; 0 where there is none.
    pub value: f32,
}

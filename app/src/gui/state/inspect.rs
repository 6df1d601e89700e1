//! What the user chose to see of a network: saved with the window's other choices.

use std::collections::BTreeMap;

use poselens_engine::geometry::Point;
use poselens_engine::output::{Direction, RegionOutput};
use serde::{Deserialize, Deserializer, Serialize};

/// What of a network's inside lies over the picture. Which of them a model has follows from its
/// answer, never from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Nothing: the bare picture.
    Picture,
    /// Heatmaps of the joints.
    Heatmap,
    /// Attention maps.
    Maps,
    /// Queries and keys of self-attention.
    QueryKey,
}

impl What {
    /// All, in the order of the switch.
    pub const ALL: [Self; 4] = [Self::Picture, Self::Heatmap, Self::Maps, Self::QueryKey];

    /// What the switch says.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Picture => "None",
            Self::Heatmap => "Heatmap",
            Self::Maps => "Maps",
            Self::QueryKey => "Query-key",
        }
    }

    /// What it tells.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Picture => "The image alone",
            Self::Heatmap => "Where the network expects the joint",
            Self::Maps => "Attention: where the network amplifies or suppresses features",
            Self::QueryKey => "Self-attention: which places the network reads to judge a place",
        }
    }

    /// Whether a region has it.
    pub fn is_in(self, region: &RegionOutput) -> bool {
        match self {
            Self::Picture => true,
            Self::Heatmap => region.heatmaps.n > 0,
            Self::Maps => !region.attention.is_empty(),
            Self::QueryKey => !region.query_key.is_empty(),
        }
    }

    /// What was asked for where the region has it, else the most telling it has.
    pub fn of(region: &RegionOutput, wanted: Option<Self>) -> Self {
        let by_worth = [Self::QueryKey, Self::Maps, Self::Heatmap, Self::Picture];
        wanted
            .into_iter()
            .chain(by_worth)
            .find(|what| what.is_in(region))
            .unwrap_or(Self::Picture)
    }
}

/// What is asked about: a joint or a place in the picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Pick {
    /// A joint by its name, of the n-th person; another model shows its joint of that name.
    Joint {
        /// Name in the skeleton.
        name: String,
        /// Place among the poses of the answer.
        person: usize,
    },
    /// Image pixels.
    Pixel(Point),
}

/// The user's choices for looking inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// What is shown; `None` shows the most telling that a model has.
    pub what: Option<What>,
    /// Mean-field iteration; `None` is the last.
    pub iteration: Option<usize>,
    /// How self-attention is read.
    pub direction: Direction,
    /// Row in the grid of layers and heads; beyond the last it is the last.
    #[serde(deserialize_with = "layer")]
    pub layer: usize,
    /// Head; `None` is the mean of all.
    pub head: Option<usize>,
    /// Strength of maps over the picture, [0, 1].
    pub opacity: f32,
    /// Strength below which the picture is left alone, [0, 1].
    pub threshold: f32,
    /// Smooth between a map's pixels; otherwise they are squares.
    pub is_smooth: bool,
    /// Colours stand for all possible values; otherwise for those of this frame.
    pub is_range_fixed: bool,
    /// Limbs and joints are drawn over the map.
    pub has_skeleton: bool,
    /// Two models that are compared are drawn over one picture; otherwise side by side.
    pub is_overlaid: bool,
    /// Exports ask for their place; otherwise they go to the folder of recordings.
    pub asks_where: bool,
    /// Group of maps last chosen, by model.
    pub maps: BTreeMap<String, String>,
}

/// Beyond every layer, and the largest number that TOML has.
const LAST_LAYER: usize = (i64::MAX as u64 & usize::MAX as u64) as usize;

/// Version 0.1.0 wrote a larger one.
fn layer<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    Ok(usize::deserialize(from)?.min(LAST_LAYER))
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            what: None,
            iteration: None,
            direction: Direction::Dependency,
            layer: LAST_LAYER,
            head: None,
            opacity: 0.7,
            threshold: 0.0,
            is_smooth: false,
            is_range_fixed: false,
            has_skeleton: true,
            is_overlaid: false,
            asks_where: false,
            maps: BTreeMap::new(),
        }
    }
}

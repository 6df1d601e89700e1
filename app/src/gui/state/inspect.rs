//! The user's choices in the Inspect view, saved with the other settings.

use std::collections::BTreeMap;

use poselens_engine::geometry::Point;
use poselens_engine::output::{Direction, PoseOutput, RegionOutput};
use serde::{Deserialize, Deserializer, Serialize};

/// What is drawn over the image in Inspect. Availability follows from the model's output, never
/// from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Nothing: the plain image.
    Picture,
    /// Heatmaps of the joints.
    Heatmap,
    /// Attention maps.
    Maps,
    /// Queries and keys of self-attention.
    QueryKey,
    /// Part affinity fields.
    Fields,
}

impl What {
    /// All variants, in the order of the switch.
    pub const ALL: [Self; 5] = [
        Self::Picture,
        Self::Heatmap,
        Self::Maps,
        Self::QueryKey,
        Self::Fields,
    ];

    /// Returns the label of the switch.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Picture => "None",
            Self::Heatmap => "Heatmap",
            Self::Maps => "Maps",
            Self::QueryKey => "Query-key",
            Self::Fields => "Fields",
        }
    }

    /// Returns the tooltip.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Picture => "Image only",
            Self::Heatmap => "Where the network expects the joint",
            Self::Maps => "Attention: where the network amplifies or suppresses features",
            Self::QueryKey => "Self-attention: which positions the network attends to",
            Self::Fields => "Limb fields: where the network sees limbs, and in which direction",
        }
    }

    /// Returns whether a region contains it; limb fields are those of the whole frame.
    pub fn is_in(self, output: &PoseOutput, region: &RegionOutput) -> bool {
        match self {
            Self::Picture => true,
            Self::Heatmap => region.heatmaps.n > 0,
            Self::Maps => !region.attention.is_empty(),
            Self::QueryKey => !region.query_key.is_empty(),
            Self::Fields => output.limb_fields().is_some(),
        }
    }

    /// Returns the requested variant if the region has it, else the most informative one it has.
    pub fn of(output: &PoseOutput, region: &RegionOutput, wanted: Option<Self>) -> Self {
        let by_worth = [Self::QueryKey, Self::Maps, Self::Heatmap, Self::Picture];
        wanted
            .into_iter()
            .chain(by_worth)
            .find(|what| what.is_in(output, region))
            .unwrap_or(Self::Picture)
    }
}

/// The selected joint or pixel whose maps are shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Pick {
    /// A joint of the n-th person, stored by name so that it carries over to other models.
    Joint {
        /// Name in the skeleton.
        name: String,
        /// Index in the list of predicted poses.
        person: usize,
    },
    /// Position in image pixels.
    Pixel(Point),
}

/// The user's choices in Inspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// What is shown; `None` means the most informative variant available.
    pub what: Option<What>,
    /// Mean-field iteration; `None` means the last.
    pub iteration: Option<usize>,
    /// Direction in which self-attention is read.
    pub direction: Direction,
    /// Row in the grid of layers and heads; larger values mean the last row.
    #[serde(deserialize_with = "layer")]
    pub layer: usize,
    /// Attention head; `None` averages all heads.
    pub head: Option<usize>,
    /// Name of the limb whose field is shown; `None` shows those of the selected joint, or all.
    pub limb: Option<String>,
    /// Opacity of maps over the image, [0, 1].
    pub opacity: f32,
    /// Value below which a map is transparent, [0, 1].
    pub threshold: f32,
    /// Whether maps are interpolated smoothly; otherwise their pixels are squares.
    pub is_smooth: bool,
    /// Whether colours cover all possible values; otherwise those of this frame.
    pub is_range_fixed: bool,
    /// Whether limbs and joints are drawn over the map.
    pub has_skeleton: bool,
    /// Whether measures are written at the joints.
    pub has_measures: bool,
    /// Whether two compared models are drawn over one image; otherwise side by side.
    pub is_overlaid: bool,
    /// Whether exports ask for a destination; otherwise they go to the recordings folder.
    pub asks_where: bool,
    /// Last chosen group of maps, by model.
    pub maps: BTreeMap<String, String>,
}

/// Larger than any layer index; the largest integer that TOML supports.
const LAST_LAYER: usize = (i64::MAX as u64 & usize::MAX as u64) as usize;

/// Clamps the layer, because version 0.1.0 wrote a larger value.
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
            limb: None,
            opacity: 0.7,
            threshold: 0.0,
            is_smooth: false,
            is_range_fixed: false,
            has_skeleton: true,
            has_measures: false,
            is_overlaid: false,
            asks_where: false,
            maps: BTreeMap::new(),
        }
    }
}

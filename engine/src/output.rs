//! Results of the frame path: maps from the network, poses, and time per stage.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::geometry::{Affine2, Size};
use crate::pose::Pose;
use crate::skeleton::Skeleton;

/// How a network finds people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approach {
    /// Processes the region of one person and predicts one heatmap per joint.
    TopDown,
    /// Processes the whole frame and predicts fields for all people in it.
    BottomUp,
}

/// A stack of float maps of equal size, such as one heatmap per joint. `V` is the memory of the
/// values: a vector while they are computed, shared once they are a result ([`SharedPlanes`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Planes<V = Vec<f32>> {
    /// Number of maps.
    pub n: usize,
    /// Size of each map in pixels.
    pub size: Size,
    /// `n * size.area()` values, map by map, row by row.
    pub values: V,
}

/// Maps that are passed on without being copied, up to the GPU.
pub type SharedPlanes = Planes<Arc<[f32]>>;

impl From<Planes> for SharedPlanes {
    fn from(Planes { n, size, values }: Planes) -> Self {
        Self {
            n,
            size,
            values: values.into(),
        }
    }
}

impl<V: AsRef<[f32]>> Planes<V> {
    /// Returns map `i`, row by row.
    pub fn plane(&self, i: usize) -> &[f32] {
        let area = self.size.area();
        &self.values.as_ref()[i * area..(i + 1) * area]
    }
}

/// Meaning of an attention map, which determines how it is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    /// Signed map in (-1, 1) around 0 (SFM's M and M_deeper): displayed with diverging colours.
    Signed,
    /// Non-negative factor that multiplies features (SFM's gate, MCA's attention).
    Gate,
    /// Row or column of a query-key matrix: non-negative.
    QueryKey,
}

impl AttentionKind {
    /// Describes the meaning of the values for display.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Signed => {
                "From -1 to 1: above 0 the network amplifies features there, below 0 it \
                 suppresses them"
            }
            Self::Gate => {
                "Factor that the network multiplies features by: 1 keeps them, 0 removes them, \
                 more amplifies them"
            }
            Self::QueryKey => "Attention weights: those of one position sum to 1",
        }
    }
}

/// Position of an attention map in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MapPlace {
    /// Index of the stack, transformer layer or block, from 0 in order of execution.
    pub layer: usize,
    /// Mean-field iteration, from 1; `None` for maps that are not iterative.
    pub iteration: Option<usize>,
}

/// One attention map of one region, or one per part.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMap {
    /// Name in the model's specification, e.g. `x51.M` or `x13.gate`.
    pub name: String,
    /// Title for display, e.g. `coarse attention, first pyramid`.
    pub title: String,
    /// Meaning of the values.
    pub kind: AttentionKind,
    /// Position in the network.
    pub place: MapPlace,
    /// Values used by the network: one plane, or one per joint (`map.n` is the number of joints).
    pub map: SharedPlanes,
    /// Smallest and largest possible value.
    pub range: (f32, f32),
    /// Maps the map's pixels to image pixels.
    pub image_from_map: Affine2,
}

impl AttentionMap {
    /// Returns plane `i` as a separate map; `None` if it does not exist.
    pub fn plane(&self, i: usize) -> Option<Self> {
        (i < self.map.n).then(|| Self {
            map: Planes {
                n: 1,
                size: self.map.size,
                values: match self.map.n {
                    1 => Arc::clone(&self.map.values),
                    _ => self.map.plane(i).into(),
                },
            },
            name: self.name.clone(),
            title: self.title.clone(),
            ..*self
        })
    }

    /// Returns the maximum over all planes as a separate map.
    pub fn largest(&self) -> Self {
        let values = (0..self.map.size.area()).map(|at| {
            let planes = (0..self.map.n).map(|i| self.map.plane(i)[at]);
            planes.fold(f32::NEG_INFINITY, f32::max)
        });
        Self {
            map: Planes {
                n: 1,
                size: self.map.size,
                values: values.collect(),
            },
            name: self.name.clone(),
            title: self.title.clone(),
            ..*self
        }
    }

    /// Returns the value at which the map has no effect, if values lie on both sides of it. Such
    /// maps come from HSA: its signed maps around 0, its gate (a factor from -1 to 3) around 1.
    pub fn neutral(&self) -> Option<f32> {
        match self.kind {
            AttentionKind::Signed => Some(0.0),
            AttentionKind::Gate if self.range.0 < 0.0 => Some(1.0),
            AttentionKind::Gate | AttentionKind::QueryKey => None,
        }
    }
}

/// Queries and keys of one self-attention layer. Every row `A[i, :]` of the attention matrix (the
/// tokens that token `i` attends to) and every column `A[:, j]` (the tokens that attend to token
/// `j`) can be computed from them; the matrix itself has millions of entries and is never stored.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryKey {
    /// Name in the model's specification.
    pub name: String,
    /// Title for display, e.g. `self-attention, layer 2`.
    pub title: String,
    /// Index of the layer, from 0.
    pub layer: usize,
    /// Number of attention heads; head `m` uses features `m * d / heads ..`.
    pub heads: usize,
    /// Size of the token grid: token `i` is at `(i % width, i / width)`.
    pub grid: Size,
    /// `L x d` values, token by token, with `L = grid.area()`.
    pub queries: Vec<f32>,
    /// `L x d` values, token by token.
    pub keys: Vec<f32>,
    /// Maps the grid's pixels to image pixels.
    pub image_from_map: Affine2,
}

/// Reading direction of an attention matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The tokens that a token attends to: a row.
    #[default]
    Dependency,
    /// The tokens that attend to a token: a column.
    Affected,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Dependency, Self::Affected];

    /// Returns the name used in files, options and names of maps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dependency => "dependency",
            Self::Affected => "affected",
        }
    }

    /// Returns the title for display.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Dependency => "positions that it attends to",
            Self::Affected => "positions that attend to it",
        }
    }
}

/// Maps predicted for one region of the frame.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionOutput {
    /// One map per joint; empty (`n == 0`) if not requested.
    pub heatmaps: SharedPlanes,
    /// Maps heatmap pixels to image pixels.
    pub image_from_heatmap: Affine2,
    /// Attention maps; empty if not requested.
    pub attention: Vec<AttentionMap>,
    /// Self-attention layers; empty if not requested.
    pub query_key: Vec<QueryKey>,
}

/// Processing stages of a frame, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Cropping and normalisation.
    Warp,
    /// Forward pass of the network.
    Forward,
    /// Decoding of heatmaps to keypoints.
    Decode,
    /// Assignment of track ids and smoothing.
    Track,
    /// Drawing of overlays.
    Overlay,
    /// H.264 encoding and writing.
    Encode,
}

impl Stage {
    /// Every stage in order.
    pub const ALL: [Self; 6] = [
        Self::Warp,
        Self::Forward,
        Self::Decode,
        Self::Track,
        Self::Overlay,
        Self::Encode,
    ];

    /// Returns the name used in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warp => "warp",
            Self::Forward => "forward",
            Self::Decode => "decode",
            Self::Track => "track",
            Self::Overlay => "overlay",
            Self::Encode => "encode",
        }
    }
}

/// Time per stage for one frame; stages that did not run are zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timings([Duration; Stage::ALL.len()]);

impl Timings {
    /// Returns the time of `stage`.
    pub fn get(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// Adds to the time of `stage`.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        self.0[stage as usize] += time;
    }

    /// Runs `work` and adds its time to `stage`.
    pub fn measure<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = std::time::Instant::now();
        let result = work();
        self.add(stage, start.elapsed());
        result
    }
}

/// Results for one frame, with the frame that the poses were computed from.
#[derive(Debug, Clone)]
pub struct PoseOutput {
    /// The processed frame.
    pub frame: Frame,
    /// Name of the model.
    pub model: Arc<str>,
    /// Defines the keypoints.
    pub skeleton: &'static Skeleton,
    /// People, best first.
    pub poses: Vec<Pose>,
    /// Heatmaps and attention maps for each processed region.
    pub regions: Vec<RegionOutput>,
    /// Time per stage so far.
    pub timings: Timings,
}

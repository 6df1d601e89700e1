//! What the frame path hands on: maps from the network, poses, and how long each stage took.

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
    /// It looks at one person's region and answers with one heatmap per joint.
    TopDown,
    /// It looks at the whole picture and answers with fields of everybody in it.
    BottomUp,
}

/// A stack of equally large float maps, such as one heatmap per joint.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    /// Number of maps.
    pub n: usize,
    /// Size of each.
    pub size: Size,
    /// `n * size.area()` values, map by map, row by row.
    pub values: Vec<f32>,
}

impl Planes {
    /// Map `i`, row by row.
    pub fn plane(&self, i: usize) -> &[f32] {
        let area = self.size.area();
        &self.values[i * area..(i + 1) * area]
    }
}

/// What an attention map means, which decides how it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    /// Signed map in (-1, 1) around 0 (SFM's M and M_deeper): shown with diverging colours.
    Signed,
    /// Non-negative factor that multiplies features (SFM's gate, MCA's attention).
    Gate,
    /// Row or column of a query-key matrix: non-negative.
    QueryKey,
}

impl AttentionKind {
    /// What its values say, in words.
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
            Self::QueryKey => "Shares of attention: those that one place reads sum to 1",
        }
    }
}

/// Where in a network an attention map arises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MapPlace {
    /// Stack, transformer layer or block, counted from 0 in the order of execution.
    pub layer: usize,
    /// Mean-field iteration, from 1; `None` where a map is computed in one go.
    pub iteration: Option<usize>,
}

/// One attention map of one region, or one per part.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMap {
    /// Name in the model's specification: `x51.M`, `x13.gate`.
    pub name: String,
    /// The same in words, as the model describes it: `coarse attention, first pyramid`.
    pub title: String,
    /// What it means.
    pub kind: AttentionKind,
    /// Where it arises.
    pub place: MapPlace,
    /// The values the network used: one plane, or one per joint (`map.n` is the number of joints).
    pub map: Planes,
    /// Smallest and largest value the map can take.
    pub range: (f32, f32),
    /// Where the map's pixels lie in the image.
    pub image_from_map: Affine2,
}

impl AttentionMap {
    /// Plane `i` as a map of its own; `None` when there is no such plane.
    pub fn plane(&self, i: usize) -> Option<Self> {
        (i < self.map.n).then(|| Self {
            map: Planes {
                n: 1,
                size: self.map.size,
                values: self.map.plane(i).to_vec(),
            },
            name: self.name.clone(),
            title: self.title.clone(),
            ..*self
        })
    }

    /// The largest value of all planes at each place, as a map of its own.
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

    /// The value at which the map changes nothing, where it can lie on both sides of it. Such
    /// maps come from HSA: its signed maps around 0, its gate (a factor from -1 to 3) around 1.
    pub fn neutral(&self) -> Option<f32> {
        match self.kind {
            AttentionKind::Signed => Some(0.0),
            AttentionKind::Gate if self.range.0 < 0.0 => Some(1.0),
            AttentionKind::Gate | AttentionKind::QueryKey => None,
        }
    }
}

/// Queries and keys of one self-attention layer. Every row `A[i, :]` of the attention matrix
/// (what token `i` reads) and every column `A[:, j]` (who reads token `j`) follows from them;
/// the matrix itself has millions of entries and is never kept.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryKey {
    /// Name in the model's specification.
    pub name: String,
    /// The same in words, as the model describes it: `self-attention, layer 2`.
    pub title: String,
    /// Layer, from 0.
    pub layer: usize,
    /// Attention heads; head `m` uses features `m * d / heads ..`.
    pub heads: usize,
    /// Tokens as a picture: token `i` is pixel `(i % width, i / width)`.
    pub grid: Size,
    /// `L x d` values, token by token, with `L = grid.area()`.
    pub queries: Vec<f32>,
    /// `L x d` values, token by token.
    pub keys: Vec<f32>,
    /// Where the grid's pixels lie in the image.
    pub image_from_map: Affine2,
}

/// Which way to read an attention matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// What a token reads: a row.
    #[default]
    Dependency,
    /// Who reads a token: a column.
    Affected,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Dependency, Self::Affected];

    /// The name used in files, options and names of maps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dependency => "dependency",
            Self::Affected => "affected",
        }
    }

    /// The same in words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Dependency => "what the place reads",
            Self::Affected => "places that read it",
        }
    }
}

/// What the network said about one region of the frame.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionOutput {
    /// One map per joint; empty (`n == 0`) when nobody asked for them.
    pub heatmaps: Planes,
    /// Where heatmap pixels lie in the image.
    pub image_from_heatmap: Affine2,
    /// Attention maps; empty when nobody asked for them.
    pub attention: Vec<AttentionMap>,
    /// Self-attention layers; empty when nobody asked for them.
    pub query_key: Vec<QueryKey>,
}

/// The stages a frame passes, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Crop and normalise.
    Warp,
    /// The network.
    Forward,
    /// Heatmaps to keypoints.
    Decode,
    /// Identity and smoothing.
    Track,
    /// Drawing onto the picture.
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

    /// The name used in reports and JSON.
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

/// Time spent per stage on one frame; stages that did not run are zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timings([Duration; Stage::ALL.len()]);

impl Timings {
    /// Time of `stage`.
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

/// Everything known about one frame. The picture is the one the poses were computed from.
#[derive(Debug, Clone)]
pub struct PoseOutput {
    /// The picture.
    pub frame: Frame,
    /// Name of the model.
    pub model: Arc<str>,
    /// Meaning of the keypoints.
    pub skeleton: &'static Skeleton,
    /// People, best first.
    pub poses: Vec<Pose>,
    /// Maps per region looked at.
    pub regions: Vec<RegionOutput>,
    /// Time per stage so far.
    pub timings: Timings,
}

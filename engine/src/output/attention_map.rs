//! Attention maps of a network, and the queries and keys of self-attention.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Planes, SharedPlanes};
use crate::geometry::{Affine2, Size};

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
            Self::Dependency => "what the selected position attends to",
            Self::Affected => "what attends to the selected position",
        }
    }
}

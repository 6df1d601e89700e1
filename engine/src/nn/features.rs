//! [`Features`]: the data that flows between layers.

use candle_core::{Result, Tensor};

use super::autograd::Traced;
use super::graph::Recorded;

/// A feature map in a network: `C` channels of `H` x `W` for each of `N` inputs.
#[derive(Clone)]
pub enum Features {
    /// `[N, C, H, W]` on any device, for candle's operations; differentiable by candle.
    Tensor(Tensor),
    /// A value of a graph, for inference: layers record what is to be computed. It stands for any
    /// number of inputs.
    Recorded(Recorded),
    /// Channels-last map for our CPU kernels that records its history for the backward pass.
    Traced(Traced),
}

impl Features {
    /// Converts a network's output to a tensor `[N, C, H, W]`.
    ///
    /// # Errors
    /// When memory runs out, or for a recorded map, which has no values.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match self {
            Self::Tensor(x) => Ok(x.clone()),
            Self::Recorded(_) => candle_core::bail!("a recorded map has no values"),
            Self::Traced(map) => map.to_tensor(),
        }
    }

    /// Returns the shape `[N, C, H, W]`; a recorded map counts as one input.
    ///
    /// # Errors
    /// When a tensor does not have four dimensions.
    pub fn dims4(&self) -> Result<[usize; 4]> {
        match self {
            Self::Tensor(x) => {
                let (n, c, h, w) = x.dims4()?;
                Ok([n, c, h, w])
            }
            Self::Recorded(map) => {
                let shape = map.shape();
                Ok([1, shape.c, shape.h, shape.w])
            }
            Self::Traced(map) => {
                let [n, h, w, c] = map.map().dims();
                Ok([n, c, h, w])
            }
        }
    }
}

/// Returns all `maps` as recorded maps if one of them is.
///
/// # Errors
/// When only some of them are.
pub(super) fn recorded<const N: usize>(maps: [&Features; N]) -> Result<Option<[Recorded; N]>> {
    let first = maps.iter().find_map(|map| match map {
        Features::Recorded(map) => Some(map),
        _ => None,
    });
    let Some(first) = first else {
        return Ok(None);
    };
    let mut all = maps.map(|_| first.clone());
    for (recorded, map) in all.iter_mut().zip(maps) {
        match map {
            Features::Recorded(map) => *recorded = map.clone(),
            _ => candle_core::bail!("a map with values among recorded ones"),
        }
    }
    Ok(Some(all))
}

/// Returns all `maps` as traced maps if one of them is; constant tensors made by a model, such as
/// positions, are converted here.
pub(super) fn traced<const N: usize>(maps: [&Features; N]) -> Result<Option<[Traced; N]>> {
    let first = maps.iter().find_map(|map| match map {
        Features::Traced(map) => Some(map),
        _ => None,
    });
    let Some(first) = first else {
        return Ok(None);
    };
    let mut all = maps.map(|_| first.clone());
    for (traced, map) in all.iter_mut().zip(maps) {
        *traced = match map {
            Features::Traced(map) => map.clone(),
            Features::Tensor(x) => Traced::enter(x, first.kernels())?,
            Features::Recorded(_) => candle_core::bail!("a recorded map among traced ones"),
        };
    }
    Ok(Some(all))
}

//! [`Features`]: the data that flows between layers.

use candle_core::{Device, Result, Tensor};

use super::autograd::{Traced, with_values};
use super::kernels::{self, Nhwc};
use super::{Mode, Pass};

/// A feature map in a network: `C` channels of `H` x `W` for each of `N` inputs.
pub enum Features {
    /// `[N, C, H, W]` on any device, for candle's operations; differentiable by candle.
    Tensor(Tensor),
    /// Channels-last map for our CPU kernels; inference only.
    Nhwc(Nhwc),
    /// Channels-last map for our CPU kernels that records its history for the backward pass.
    Traced(Traced),
}

impl Features {
    /// Converts a network's input: to a channels-last map if the pass has kernels, otherwise to a
    /// tensor. In training, and for inputs that require gradients, channels-last maps are traced.
    ///
    /// # Errors
    /// When `x` is not `[N, C, H, W]`; with kernels, when it is not f32 in CPU memory.
    pub fn enter(x: &Tensor, pass: &Pass) -> Result<Self> {
        match &pass.kernels {
            None => Ok(Self::Tensor(x.clone())),
            Some(kernels) if pass.mode == Mode::Train || x.track_op() => {
                Traced::enter(x, kernels).map(Self::Traced)
            }
            Some(kernels) => {
                let (n, c, h, w) = x.dims4()?;
                let map = with_values(x, |data, _| {
                    Ok(kernels::from_nchw(data, [n, c, h, w], &kernels.buffers))
                })?;
                Ok(Self::Nhwc(map))
            }
        }
    }

    /// Converts tokens `x [N, L, C]` in row-major order to a map of `height` x `width` pixels.
    ///
    /// # Errors
    /// When `x` does not have three dimensions or `height * width` tokens.
    pub fn enter_tokens(x: &Tensor, (height, width): (usize, usize), pass: &Pass) -> Result<Self> {
        let (n, len, c) = x.dims3()?;
        if len != height * width {
            candle_core::bail!("{len} tokens are not a map of {width}x{height} pixels");
        }
        match &pass.kernels {
            Some(kernels) if pass.mode == Mode::Eval && !x.track_op() => {
                let map = with_values(x, |data, _| {
                    Ok(kernels.buffers.map_from(n, height, width, c, data))
                })?;
                Ok(Self::Nhwc(map))
            }
            _ => Ok(Self::Tensor(
                x.reshape((n, height, width, c))?.permute((0, 3, 1, 2))?,
            )),
        }
    }

    /// Converts a network's output to a tensor `[N, C, H, W]`.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match self {
            Self::Tensor(x) => Ok(x.clone()),
            Self::Nhwc(map) => {
                let [n, h, w, c] = map.dims();
                let mut values = vec![0.0; map.data().len()];
                kernels::to_nchw(map, &mut values);
                Tensor::from_vec(values, (n, c, h, w), &Device::Cpu)
            }
            Self::Traced(map) => map.to_tensor(),
        }
    }

    /// Returns the shape `[N, C, H, W]`.
    ///
    /// # Errors
    /// When a tensor does not have four dimensions.
    pub fn dims4(&self) -> Result<[usize; 4]> {
        match self {
            Self::Tensor(x) => {
                let (n, c, h, w) = x.dims4()?;
                Ok([n, c, h, w])
            }
            Self::Nhwc(map) => Ok(channels_second(map)),
            Self::Traced(map) => Ok(channels_second(map.map())),
        }
    }
}

fn channels_second(map: &Nhwc) -> [usize; 4] {
    let [n, h, w, c] = map.dims();
    [n, c, h, w]
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
            Features::Nhwc(_) => candle_core::bail!("a map without history among traced ones"),
        };
    }
    Ok(Some(all))
}

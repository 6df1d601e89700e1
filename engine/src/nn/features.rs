//! What flows between layers.

use candle_core::{Device, Result, Tensor};

use super::kernels::{self, Nhwc};
use super::learn::{Traced, with_values};
use super::{Mode, Pass};

/// A feature map on its way through a network: `C` channels of `H` x `W` for each of `N` inputs.
pub enum Features {
    /// `[N, C, H, W]` on any device, for candle's operations; remembers its history where gradients
    /// are wanted.
    Tensor(Tensor),
    /// Channels last, for our CPU kernels; inference only.
    Nhwc(Nhwc),
    /// Channels last, for our CPU kernels; remembers its history.
    Traced(Traced),
}

impl Features {
    /// Enters a network: for the kernels where the pass brings them, as a tensor otherwise. Values
    /// of a pass that learns, or that have a history, are traced.
    ///
    /// # Errors
    /// When `x` is not `[N, C, H, W]`; with kernels, when it is not f32 in the processor's memory.
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

    /// Enters a network as a map of `height` x `width` pixels: the tokens of `x [N, L, C]` in
    /// reading order.
    ///
    /// # Errors
    /// When `x` has other dimensions or another number of tokens.
    pub fn enter_tokens(x: &Tensor, (height, width): (usize, usize), pass: &Pass) -> Result<Self> {
        let (n, len, c) = x.dims3()?;
        if len != height * width {
            candle_core::bail!("{len} tokens are no map of {width}x{height} pixels");
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

    /// Leaves the network as `[N, C, H, W]`.
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

    /// Inputs, channels, height, width.
    ///
    /// # Errors
    /// When a tensor has other than four dimensions.
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

/// All of `maps` traced, where one of them is: tensors that a model makes by itself, such as
/// positions, enter here.
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

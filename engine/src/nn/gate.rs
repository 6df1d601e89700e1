//! High-level spatial attention: a one-channel gate from two large stencils.
//!
//! `M = tanh(low(proj(f)))`, `M_deeper = tanh(high(M))`, output `f (1 + M + M * M_deeper)`
//! (eq. 2-4 of <https://arxiv.org/abs/2107.13693>).

use std::sync::OnceLock;

use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::conv::{fixed, kernels_of, values};
use super::kernels::{self, Activation, Nhwc, PackedDepthwise};
use super::{Conv2d, Features, Pass};

/// The layers that compute the gate.
pub struct SpatialGate {
    proj: Conv2d,
    low: Stencil,
    high: Stencil,
    weights: OnceLock<Vec<f32>>,
}

/// The gate's two maps, one channel each.
pub enum GateMaps {
    /// `M` and `M_deeper`, `[N, 1, H, W]`.
    Tensor(Tensor, Tensor),
    /// `M` and `M_deeper`, channels last.
    Nhwc(Nhwc, Nhwc),
}

/// A one-channel convolution followed by tanh.
struct Stencil {
    conv: Conv2d,
    packed: OnceLock<PackedDepthwise>,
}

/// Side of the stencils.
const KERNEL: usize = 7;

impl SpatialGate {
    /// Tensors `proj.weight [1, C, 1, 1]`, `low` and `high` `.weight [1, 1, 7, 7]`, `.bias [1]`.
    /// Fresh weights make M nearly 0, so the gate begins near the identity.
    pub fn new(vb: &VarBuilder<'_>, channels: usize) -> Result<Self> {
        let stencil = |name: &str, stdev: f64| {
            let init = Init::Randn { mean: 0.0, stdev };
            Ok::<_, candle_core::Error>(Stencil {
                conv: Conv2d::with_init(&vb.pp(name), (1, 1), KERNEL, 1, true, init)?,
                packed: OnceLock::new(),
            })
        };
        Ok(Self {
            proj: Conv2d::new(&vb.pp("proj"), (channels, 1), 1, 1, false)?,
            low: stencil("low", 0.02)?,
            high: stencil("high", 0.1)?,
            weights: OnceLock::new(),
        })
    }

    /// The maps for features `f`.
    pub fn maps(&self, f: &Features, pass: &mut Pass) -> Result<GateMaps> {
        match f {
            Features::Tensor(_) => {
                let projected = self.proj.forward(f, pass)?;
                let m = self
                    .low
                    .conv
                    .forward(&projected, pass)?
                    .to_tensor()?
                    .tanh()?;
                let again = Features::Tensor(m.clone());
                let m_deeper = self.high.conv.forward(&again, pass)?.to_tensor()?.tanh()?;
                Ok(GateMaps::Tensor(m, m_deeper))
            }
            Features::Nhwc(f) => {
                let macs = |_: &Nhwc| f.data().len() as u64;
                let projected = pass.layer(self.proj.name(), macs, |pass| {
                    let weight = self.proj.weight();
                    let weights = fixed(&self.weights, weight, || values(weight))?;
                    let kernels = kernels_of(pass)?;
                    let (pool, threads) = (&kernels.buffers, &kernels.threads);
                    Ok(kernels::project(f.view(), weights, pool, threads))
                })?;
                let m = self.low.forward(&projected, pass)?;
                let m_deeper = self.high.forward(&m, pass)?;
                Ok(GateMaps::Nhwc(m, m_deeper))
            }
        }
    }
}

impl Stencil {
    fn forward(&self, x: &Nhwc, pass: &mut Pass) -> Result<Nhwc> {
        let macs = |y: &Nhwc| (KERNEL * KERNEL * y.data().len()) as u64;
        pass.layer(self.conv.name(), macs, |pass| {
            let packed = fixed(&self.packed, self.conv.weight(), || {
                let bias = self.conv.bias().map(values).transpose()?;
                let weight = values(self.conv.weight())?;
                Ok(PackedDepthwise::new(1, KERNEL, &weight, bias.as_deref()))
            })?;
            let threads = &kernels_of(pass)?.threads;
            Ok(kernels::depthwise(
                packed,
                x,
                None,
                Activation::Tanh,
                threads,
            ))
        })
    }
}

impl GateMaps {
    /// `f (1 + M + M * M_deeper) + bias`, with an optional bias per channel.
    pub fn apply(&self, f: Features, bias: Option<&Tensor>, pass: &Pass) -> Result<Features> {
        match (self, f) {
            (Self::Nhwc(m, m_deeper), Features::Nhwc(mut f)) => {
                let bias = bias.map(values).transpose()?;
                let threads = &kernels_of(pass)?.threads;
                kernels::gate(f.view_mut(), m, m_deeper, bias.as_deref(), threads);
                Ok(Features::Nhwc(f))
            }
            (maps, f) => {
                let [_, _, gate] = maps.tensors()?;
                let y = f.to_tensor()?.broadcast_mul(&gate)?;
                Ok(Features::Tensor(match bias {
                    None => y,
                    Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?,
                }))
            }
        }
    }

    /// `M`, `M_deeper` and the gate `1 + M + M * M_deeper`, each `[N, 1, H, W]`.
    pub fn tensors(&self) -> Result<[Tensor; 3]> {
        let (m, m_deeper) = match self {
            Self::Tensor(m, m_deeper) => (m.clone(), m_deeper.clone()),
            Self::Nhwc(m, m_deeper) => (one_channel(m)?, one_channel(m_deeper)?),
        };
        let gate = ((&m + (&m * &m_deeper)?)? + 1.0)?;
        Ok([m, m_deeper, gate])
    }
}

/// A one-channel map has the same order of values in both layouts.
fn one_channel(map: &Nhwc) -> Result<Tensor> {
    let [n, h, w, _] = map.dims();
    Tensor::from_slice(map.data(), (n, 1, h, w), &Device::Cpu)
}

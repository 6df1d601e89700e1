//! High-level spatial attention: a one-channel gate from two 7x7 convolutions.
//!
//! `M = tanh(low(proj(f)))`, `M_deeper = tanh(high(M))`, output `f (1 + M + M * M_deeper)`
//! (eq. 2-4 of <https://arxiv.org/abs/2107.13693>).

use std::sync::OnceLock;

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::common::{cached_if_frozen, kernels_of, to_vec};
use super::conv::{convolve_fast, pack};
use super::features::traced;
use super::kernels::{self, Activation, Epilogue, PackedConv};
use super::{Conv2d, DepthwiseConv, Features, Pass, autograd};

/// The layers of the gate.
pub struct SpatialGate {
    proj: Conv2d,
    low: DepthwiseConv,
    high: DepthwiseConv,
    weights: OnceLock<Vec<f32>>,
    /// Packed weights of a head, followed by those of `proj`.
    stacked: OnceLock<PackedConv>,
}

/// The gate's two maps with one channel each.
pub struct GateMaps {
    m: Features,
    m_deeper: Features,
}

/// Kernel size of the two convolutions.
const KERNEL: usize = 7;

impl SpatialGate {
    /// Creates the layers from `proj.weight [1, C, 1, 1]`, and `weight [1, 1, 7, 7]` and `bias [1]`
    /// of `low` and `high`. The random initialisation makes M nearly 0, so the gate starts near the
    /// identity.
    pub fn new(vb: &VarBuilder<'_>, channels: usize) -> Result<Self> {
        let stencil = |name: &str, stdev: f64| {
            let init = Init::Randn { mean: 0.0, stdev };
            DepthwiseConv::with_init(&vb.pp(name), 1, KERNEL, true, init)
        };
        Ok(Self {
            proj: Conv2d::new(&vb.pp("proj"), (channels, 1), 1, 1, false)?,
            low: stencil("low", 0.02)?,
            high: stencil("high", 0.1)?,
            weights: OnceLock::new(),
            stacked: OnceLock::new(),
        })
    }

    /// Computes the gate's maps for features `f`.
    pub fn maps(&self, f: &Features, pass: &mut Pass) -> Result<GateMaps> {
        let projected = self.project(f, pass)?;
        self.deepen(&projected, pass)
    }

    /// Computes the gate's maps for features `f`, and the 1x1 convolution `head` of the gated
    /// features.
    ///
    /// The gate has one value per pixel, so it can be applied after the head, whose output has
    /// fewer channels to multiply: `head(f g) = g W f + b`. The kernels compute `W f` and the
    /// projection as one convolution with an additional row, so that `f` is read once.
    pub fn head(
        &self,
        f: &Features,
        head: &Conv2d,
        pass: &mut Pass,
    ) -> Result<(Features, GateMaps)> {
        let Features::Nhwc(map) = f else {
            let maps = self.maps(f, pass)?;
            let y = head.forward_without_bias(f, pass)?;
            return Ok((maps.apply(y, head.bias(), pass)?, maps));
        };
        let n_joints = head.weight().dim(0)?;
        let macs = |_: &Features| ((n_joints + 1) * map.data().len()) as u64;
        let both = pass.layer(head.name(), macs, |pass| {
            let packed = cached_if_frozen(&self.stacked, head.weight(), || {
                let rows = Tensor::cat(&[head.weight(), self.proj.weight()], 0)?;
                pack(&rows, None, 1, map)
            })?;
            convolve_fast(packed, map, Epilogue::NONE, pass)
        })?;
        let Features::Nhwc(both) = both else {
            candle_core::bail!("expected a channels-last map");
        };
        let projected = kernels::copy_channels(both.channels(n_joints, 1), both.buffers());
        let maps = self.deepen(&Features::Nhwc(projected), pass)?;
        let GateMaps {
            m: Features::Nhwc(m),
            m_deeper: Features::Nhwc(m_deeper),
        } = &maps
        else {
            candle_core::bail!("expected channels-last attention maps");
        };
        let bias = head.bias().map(to_vec).transpose()?;
        let threads = &kernels_of(pass)?.threads;
        let f = both.channels(0, n_joints);
        let y = kernels::gated(f, m, m_deeper, bias.as_deref(), threads);
        Ok((Features::Nhwc(y), maps))
    }

    /// Computes the maps from the projected features.
    fn deepen(&self, projected: &Features, pass: &mut Pass) -> Result<GateMaps> {
        let m = self.low.apply(projected, None, Activation::Tanh, pass)?;
        let m_deeper = self.high.apply(&m, None, Activation::Tanh, pass)?;
        Ok(GateMaps { m, m_deeper })
    }

    fn project(&self, f: &Features, pass: &mut Pass) -> Result<Features> {
        let Features::Nhwc(f) = f else {
            return self.proj.forward(f, pass);
        };
        let macs = |_: &Features| f.data().len() as u64;
        pass.layer(self.proj.name(), macs, |pass| {
            let weight = self.proj.weight();
            let weights = cached_if_frozen(&self.weights, weight, || to_vec(weight))?;
            let kernels = kernels_of(pass)?;
            let (pool, threads) = (&kernels.buffers, &kernels.threads);
            let y = kernels::project(f.view(), weights, pool, threads);
            Ok(Features::Nhwc(y))
        })
    }
}

impl GateMaps {
    /// Computes `f (1 + M + M * M_deeper) + bias`, with an optional bias per channel.
    pub fn apply(&self, f: Features, bias: Option<&Tensor>, pass: &Pass) -> Result<Features> {
        if let Some([f, m, m_deeper]) = traced([&f, &self.m, &self.m_deeper])? {
            return autograd::gate(&f, [&m, &m_deeper], bias).map(Features::Traced);
        }
        match (&self.m, &self.m_deeper, f) {
            (Features::Nhwc(m), Features::Nhwc(m_deeper), Features::Nhwc(mut f)) => {
                let bias = bias.map(to_vec).transpose()?;
                let threads = &kernels_of(pass)?.threads;
                kernels::gate(f.view_mut(), m, m_deeper, bias.as_deref(), threads);
                Ok(Features::Nhwc(f))
            }
            (_, _, f) => {
                let [_, _, gate] = self.tensors()?;
                let y = f.to_tensor()?.broadcast_mul(&gate)?;
                Ok(Features::Tensor(match bias {
                    None => y,
                    Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?,
                }))
            }
        }
    }

    /// Returns `M`, `M_deeper` and the gate `1 + M + M * M_deeper`, each `[N, 1, H, W]`.
    pub fn tensors(&self) -> Result<[Tensor; 3]> {
        let (m, m_deeper) = (self.m.to_tensor()?, self.m_deeper.to_tensor()?);
        let gate = ((&m + (&m * &m_deeper)?)? + 1.0)?;
        Ok([m, m_deeper, gate])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, copy, gradcheck, learn_alike};
    use proptest::prelude::*;

    fn run(bias: bool, vb: &VarBuilder<'_>, f: &Features, pass: &mut Pass) -> Result<Features> {
        let channels = f.dims4()?[1];
        let gate = SpatialGate::new(vb, channels)?;
        let bias = bias
            .then(|| vb.get_with_hints(channels, "bias", Init::Const(0.0)))
            .transpose()?;
        let maps = gate.maps(f, pass)?;
        maps.apply(copy(f), bias.as_ref(), pass)
    }

    /// Fails when the gradient misses one of the three paths from the features to the gated result.
    #[test]
    fn has_the_right_gradient() {
        for shape in [[2, 3, 5, 8], [1, 2, 9, 3], [1, 1, 2, 2]] {
            for bias in [false, true] {
                gradcheck(&[&shape], |vb, x, pass| run(bias, vb, &x[0], pass));
            }
        }
    }

    /// Fails when training with our kernels differs from training with candle's convolution.
    #[test]
    fn kernel_gradients_match_candle() {
        for shape in [[2, 3, 9, 6], [1, 2, 4, 13]] {
            learn_alike(&[&shape], |vb, x, pass| run(true, vb, &x[0], pass));
            learn_alike(&[&shape], |vb, x, pass| {
                let head = Conv2d::new(&vb.pp("head"), (shape[1], 5), 1, 1, true)?;
                Ok(SpatialGate::new(vb, shape[1])?.head(&x[0], &head, pass)?.0)
            });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Fails when the gate kernels differ from the tensor implementation.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..40usize, h in 1..17usize, w in 1..17usize, bias: bool) {
            agree(&[&[n, c, h, w]], |vb, x, pass| run(bias, vb, &x[0], pass));
        }

        /// Fails when applying the head before the gate gives a different result than after it.
        #[test]
        fn heads_agree(
            n in 1..3usize,
            c in 1..40usize,
            (h, w) in (1..17usize, 1..17usize),
            joints in 1..36usize,
            bias: bool,
        ) {
            agree(&[&[n, c, h, w]], |vb, x, pass| {
                let gate = SpatialGate::new(vb, c)?;
                let head = Conv2d::new(&vb.pp("head"), (c, joints), 1, 1, bias)?;
                if pass.kernels.is_some() {
                    Ok(gate.head(&x[0], &head, pass)?.0)
                } else {
                    let gated = gate.maps(&x[0], pass)?.apply(copy(&x[0]), None, pass)?;
                    head.forward(&gated, pass)
                }
            });
        }
    }
}

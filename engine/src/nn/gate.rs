//! High-level spatial attention: a one-channel gate from two 7x7 convolutions.
//!
//! `M = tanh(low(proj(f)))`, `M_deeper = tanh(high(M))`, output `f (1 + M + M * M_deeper)`
//! (eq. 2-4 of <https://arxiv.org/abs/2107.13693>).

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::features::{recorded, traced};
use super::graph::{ConvCall, Op, Recorded};
use super::kernels::Activation;
use super::{Conv2d, DepthwiseConv, Features, autograd};

/// The layers of the gate.
pub struct SpatialGate {
    proj: Conv2d,
    low: DepthwiseConv,
    high: DepthwiseConv,
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
        })
    }

    /// Computes the gate's maps for features `f`.
    pub fn maps(&self, f: &Features) -> Result<GateMaps> {
        self.deepen(&self.proj.forward(f)?)
    }

    /// Computes the gate's maps for features `f`, and the 1x1 convolution `head` of the gated
    /// features.
    ///
    /// The gate has one value per pixel, so it can be applied after the head, whose output has
    /// fewer channels to multiply: `head(f g) = g W f + b`. A recorded graph computes `W f` and the
    /// projection as one convolution with an additional row, so that `f` is read once.
    pub fn head(&self, f: &Features, head: &Conv2d) -> Result<(Features, GateMaps)> {
        let Features::Recorded(map) = f else {
            let maps = self.maps(f)?;
            let y = head.forward_without_bias(f)?;
            return Ok((maps.apply(&y, (head.name(), head.bias()))?, maps));
        };
        let n_joints = head.weight().dim(0)?;
        let rows = Tensor::cat(&[head.weight(), self.proj.weight()], 0)?;
        let call = ConvCall {
            name: head.name(),
            weight: &rows,
            bias: None,
            stride: 1,
            relu: false,
        };
        let both = map.convolve(call, None)?;
        let last = Op::Slice {
            from: n_joints,
            channels: 1,
        };
        let projected = both.push("", last, &[])?;
        let maps = self.deepen(&Features::Recorded(projected))?;
        let y = maps.record(&both, n_joints, (head.name(), head.bias()))?;
        Ok((Features::Recorded(y), maps))
    }

    /// Computes the maps from the projected features.
    fn deepen(&self, projected: &Features) -> Result<GateMaps> {
        let m = self.low.apply(projected, None, Activation::Tanh)?;
        let m_deeper = self.high.apply(&m, None, Activation::Tanh)?;
        Ok(GateMaps { m, m_deeper })
    }
}

impl GateMaps {
    /// Computes `f (1 + M + M * M_deeper) + bias`, with an optional bias per channel of the layer
    /// called `name`.
    pub fn apply(&self, f: &Features, (name, bias): (&str, Option<&Tensor>)) -> Result<Features> {
        if let Features::Recorded(f) = f {
            let y = self.record(f, f.shape().c, (name, bias))?;
            return Ok(Features::Recorded(y));
        }
        if let Some([f, m, m_deeper]) = traced([f, &self.m, &self.m_deeper])? {
            return autograd::gate(&f, [&m, &m_deeper], bias).map(Features::Traced);
        }
        let [_, _, gate] = self.show()?;
        let y = f.to_tensor()?.broadcast_mul(&gate.to_tensor()?)?;
        Ok(Features::Tensor(match bias {
            None => y,
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?,
        }))
    }

    /// Records the gate of the first `channels` of `f`.
    fn record(
        &self,
        f: &Recorded,
        channels: usize,
        (name, bias): (&str, Option<&Tensor>),
    ) -> Result<Recorded> {
        let Some([m, m_deeper]) = recorded([&self.m, &self.m_deeper])? else {
            candle_core::bail!("a gate with values among recorded maps");
        };
        let bias = bias
            .map(|bias| f.weight((name, "bias"), bias))
            .transpose()?;
        f.push("", Op::Gate { channels, bias }, &[&m, &m_deeper])
    }

    /// Returns `M`, `M_deeper` and the gate `1 + M + M * M_deeper`, each `[N, 1, H, W]`.
    pub fn show(&self) -> Result<[Features; 3]> {
        let gate = if let Some([m, m_deeper]) = recorded([&self.m, &self.m_deeper])? {
            let product = m.push("", Op::Mul, &[&m_deeper])?;
            let op = Op::Add {
                factor: 1,
                relu: false,
            };
            let sum = product.push("", op, &[&m])?;
            let one = Tensor::ones(1, DType::F32, &Device::Cpu)?;
            let op = Op::Affine {
                factor: sum.weight(("gate", "one"), &one)?,
                shift: sum.weight(("gate", "one"), &one)?,
                relu: false,
            };
            Features::Recorded(sum.push("", op, &[])?)
        } else {
            let (m, m_deeper) = (self.m.to_tensor()?, self.m_deeper.to_tensor()?);
            Features::Tensor(((&m + (&m * &m_deeper)?)? + 1.0)?)
        };
        Ok([self.m.clone(), self.m_deeper.clone(), gate])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use proptest::prelude::*;

    fn run(bias: bool, vb: &VarBuilder<'_>, f: &Features) -> Result<Features> {
        let channels = f.dims4()?[1];
        let gate = SpatialGate::new(vb, channels)?;
        let bias = bias
            .then(|| vb.get_with_hints(channels, "bias", Init::Const(0.0)))
            .transpose()?;
        let maps = gate.maps(f)?;
        maps.apply(f, ("layer", bias.as_ref()))
    }

    /// Fails when the gradient misses one of the three paths from the features to the gated result.
    #[test]
    fn has_the_right_gradient() {
        for shape in [[2, 3, 5, 8], [1, 2, 9, 3], [1, 1, 2, 2]] {
            for bias in [false, true] {
                gradcheck(&[&shape], |vb, x, _| run(bias, vb, &x[0]));
            }
        }
    }

    /// Fails when training with our kernels differs from training with candle's convolution.
    #[test]
    fn kernel_gradients_match_candle() {
        for shape in [[2, 3, 9, 6], [1, 2, 4, 13]] {
            learn_alike(&[&shape], |vb, x, _| run(true, vb, &x[0]));
            learn_alike(&[&shape], |vb, x, _| {
                let head = Conv2d::new(&vb.pp("head"), (shape[1], 5), 1, 1, true)?;
                Ok(SpatialGate::new(vb, shape[1])?.head(&x[0], &head)?.0)
            });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Fails when the gate kernels differ from the tensor implementation.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..40usize, h in 1..17usize, w in 1..17usize, bias: bool) {
            agree(&[&[n, c, h, w]], |vb, x, _| run(bias, vb, &x[0]));
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
            agree(&[&[n, c, h, w]], |vb, x, _| {
                let gate = SpatialGate::new(vb, c)?;
                let head = Conv2d::new(&vb.pp("head"), (c, joints), 1, 1, bias)?;
                if let Features::Recorded(_) = x[0] {
                    Ok(gate.head(&x[0], &head)?.0)
                } else {
                    let gated = gate.maps(&x[0])?.apply(&x[0], ("gate", None))?;
                    head.forward(&gated)
                }
            });
        }
    }
}

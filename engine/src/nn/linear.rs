//! Transformer layers. Tokens are the pixels of a map in row-major order, and their features are
//! its channels. Between these layers tensors have the shape `[N, C, H, W]`, but are channels-last
//! in memory, so that [`to_rows`] copies nothing.

use candle_core::{D, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::autograd::{self, Fused};
use super::graph::{ConvCall, Op};
use super::{Features, Pass};

/// Computes `weight . token + bias` for every token.
pub struct Linear {
    name: String,
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Creates the layer from `weight [C_out, C_in]` (initialised with Xavier uniform) and `bias
    /// [C_out]`.
    pub fn new(vb: &VarBuilder<'_>, (c_in, c_out): (usize, usize)) -> Result<Self> {
        Ok(Self {
            name: vb.prefix(),
            weight: vb.get_with_hints((c_out, c_in), "weight", xavier_uniform(c_in, c_out))?,
            bias: vb.get_with_hints(c_out, "bias", Init::Const(0.0))?,
        })
    }

    /// Computes the linear map of every token.
    pub fn forward(&self, x: &Features) -> Result<Features> {
        self.apply(x, false)
    }

    /// Computes the linear map of every token, followed by ReLU.
    pub fn relu(&self, x: &Features) -> Result<Features> {
        self.apply(x, true)
    }

    fn apply(&self, x: &Features, relu: bool) -> Result<Features> {
        match x {
            Features::Tensor(x) => {
                let y = product(&to_rows(x)?, &self.weight, &self.bias)?;
                let y = if relu { y.relu()? } else { y };
                Ok(Features::Tensor(from_rows(&y)?))
            }
            Features::Traced(x) => {
                let y = learn_product(x, &self.weight, &self.bias, relu)?;
                Ok(Features::Traced(y))
            }
            Features::Recorded(x) => {
                let (c_out, c_in) = self.weight.dims2()?;
                let call = ConvCall {
                    name: &self.name,
                    weight: &self.weight.reshape((c_out, c_in, 1, 1))?,
                    bias: Some(&self.bias),
                    stride: 1,
                    relu,
                };
                x.convolve(call, None).map(Features::Recorded)
            }
        }
    }
}

/// Normalises the features of every token: `weight * (x - mean) / sqrt(variance + eps) + bias`.
pub struct LayerNorm {
    name: String,
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl LayerNorm {
    /// Creates the layer from `weight` and `bias`, each `[C]`.
    pub fn new(vb: &VarBuilder<'_>, channels: usize, eps: f32) -> Result<Self> {
        Ok(Self {
            name: vb.prefix(),
            weight: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
            eps,
        })
    }

    /// Computes the normalised map.
    pub fn forward(&self, x: &Features) -> Result<Features> {
        match x {
            Features::Tensor(x) => {
                let rows = to_rows(x)?;
                // The faster `layer_norm` has no backward pass.
                let y = candle_nn::ops::layer_norm_slow(&rows, &self.weight, &self.bias, self.eps)?;
                Ok(Features::Tensor(from_rows(&y)?))
            }
            Features::Traced(x) => {
                autograd::layer_norm(x, [&self.weight, &self.bias], self.eps).map(Features::Traced)
            }
            Features::Recorded(x) => {
                let op = Op::LayerNorm {
                    weight: x.weight((&self.name, "weight"), &self.weight)?,
                    bias: x.weight((&self.name, "bias"), &self.bias)?,
                    eps: self.eps,
                };
                x.push(&self.name, op, &[]).map(Features::Recorded)
            }
        }
    }
}

/// Computes the softmax over all pixels of each channel. Training uses tensors for it: only networks
/// for comparisons have it, for maps with one channel or one per joint.
pub fn softmax_over_pixels(x: &Features, pass: &Pass) -> Result<Features> {
    if let Features::Recorded(x) = x {
        return x.push("", Op::Softmax, &[]).map(Features::Recorded);
    }
    let x = x.to_tensor()?;
    let shape = x.dims4()?;
    let (n, c, h, w) = shape;
    let y = softmax(&x.reshape((n, c, h * w))?)?.reshape(shape)?;
    pass.enter(&y)
}

/// Computes the softmax over the last axis.
///
/// Subtracting a constant from all arguments does not change the result, so the maximum is
/// subtracted as a constant without gradient.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let top = x.detach().max_keepdim(D::Minus1)?;
    let exp = x.broadcast_sub(&top)?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// Returns the random initialisation of a `[c_out, c_in]` matrix.
pub(super) fn xavier_uniform(c_in: usize, c_out: usize) -> Init {
    let up = (6.0 / (c_in + c_out) as f64).sqrt();
    Init::Uniform { lo: -up, up }
}

/// Permutes `[N, C, H, W]` to `[N, H, W, C]`.
pub(super) fn to_rows(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// Permutes `[N, H, W, C]` to `[N, C, H, W]` without copying.
pub(super) fn from_rows(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))
}

/// Computes `weight . row + bias` for the rows of `[N, H, W, C]`.
pub(super) fn product(rows: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (n, h, w, c) = rows.dims4()?;
    rows.reshape((n * h * w, c))?
        .matmul(&weight.t()?)?
        .broadcast_add(bias)?
        .reshape((n, h, w, ()))
}

/// Computes `weight . token + bias` as a traced 1x1 convolution, followed by ReLU if `relu` is set.
pub(super) fn learn_product(
    x: &autograd::Traced,
    weight: &Tensor,
    bias: &Tensor,
    relu: bool,
) -> Result<autograd::Traced> {
    let (c_out, c_in) = weight.dims2()?;
    let weight = weight.reshape((c_out, c_in, 1, 1))?;
    autograd::convolve(x, &weight, Some(bias), 1, Fused { relu, low: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use proptest::prelude::*;

    /// Fails when a gradient of a linear layer, a layer norm or a softmax is wrong or missing.
    #[test]
    fn have_the_right_gradient() {
        for shape in [[2, 3, 2, 5], [1, 6, 3, 1]] {
            let c = shape[1];
            gradcheck(&[&shape], |vb, x, _| {
                Linear::new(vb, (c, 4))?.forward(&x[0])
            });
            gradcheck(&[&shape], |vb, x, _| Linear::new(vb, (c, 1))?.relu(&x[0]));
            gradcheck(&[&shape], |vb, x, _| {
                LayerNorm::new(vb, c, 1e-5)?.forward(&x[0])
            });
            gradcheck(&[&shape], |_, x, _| {
                Ok(Features::Tensor(softmax(&x[0].to_tensor()?)?))
            });
        }
    }

    /// Fails when a gradient of the linear or layer norm kernels differs from candle's.
    #[test]
    fn kernel_gradients_match_candle() {
        for shape in [[2, 3, 2, 5], [1, 16, 3, 1], [3, 37, 9, 4]] {
            let c = shape[1];
            learn_alike(&[&shape], |vb, x, _| {
                Linear::new(vb, (c, 4))?.forward(&x[0])
            });
            learn_alike(&[&shape], |vb, x, _| Linear::new(vb, (c, 33))?.relu(&x[0]));
            learn_alike(&[&shape], |vb, x, _| {
                LayerNorm::new(vb, c, 1e-5)?.forward(&x[0])
            });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the linear or layer norm kernels differ from the tensor implementation.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..40usize, out in 1..40usize, h in 1..7usize, w in 1..7usize) {
            let shape = [n, c, h, w];
            agree(&[&shape], |vb, x, _| Linear::new(vb, (c, out))?.forward(&x[0]));
            agree(&[&shape], |vb, x, _| Linear::new(vb, (c, out))?.relu(&x[0]));
            agree(&[&shape], |vb, x, _| {
                LayerNorm::new(vb, c, 1e-5)?.forward(&x[0])
            });
        }
    }
}

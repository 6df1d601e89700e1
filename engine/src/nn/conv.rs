//! [`Conv2d`], and parts shared by all layers that contain a convolution.
//!
//! Every layer has three implementations. On tensors it is written as in the papers. On recorded
//! maps, normalisation, bias, additions and activation are folded into few operations of a graph
//! ([`super::graph`]), for inference. With traced kernels ([`super::autograd`]) it can be trained.
//! All three agree to 1e-4.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::autograd::{self, Fused};
use super::features::recorded;
use super::graph::{Addend, ConvCall};
use super::{Features, elementwise};

/// Square 2D cross-correlation with zero padding `kernel / 2`: `[N, C_in, H, W]` to `[N, C_out,
/// ceil(H / stride), ceil(W / stride)]` for odd kernels.
pub struct Conv2d {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    stride: usize,
}

impl Conv2d {
    /// Creates the layer from `weight [C_out, C_in, k, k]` and, if `bias` is set, `bias [C_out]`.
    pub fn new(
        vb: &VarBuilder<'_>,
        (c_in, c_out): (usize, usize),
        kernel: usize,
        stride: usize,
        bias: bool,
    ) -> Result<Self> {
        let init = candle_nn::init::DEFAULT_KAIMING_NORMAL;
        Self::with_init(vb, (c_in, c_out), kernel, stride, bias, init)
    }

    /// Like [`Conv2d::new`], with a different random initialisation of the weights.
    pub fn with_init(
        vb: &VarBuilder<'_>,
        (c_in, c_out): (usize, usize),
        kernel: usize,
        stride: usize,
        bias: bool,
        init: Init,
    ) -> Result<Self> {
        Ok(Self {
            name: vb.prefix(),
            weight: vb.get_with_hints((c_out, c_in, kernel, kernel), "weight", init)?,
            bias: bias
                .then(|| vb.get_with_hints(c_out, "bias", Init::Const(0.0)))
                .transpose()?,
            stride,
        })
    }

    /// Returns the layer's tensor prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the weights, `[C_out, C_in, k, k]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias, `[C_out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Computes `conv(x)` with its bias.
    pub fn forward(&self, x: &Features) -> Result<Features> {
        self.apply(x, self.bias.as_ref(), false)
    }

    /// Computes `ReLU(conv(x))`.
    pub fn relu(&self, x: &Features) -> Result<Features> {
        self.apply(x, self.bias.as_ref(), true)
    }

    /// Computes `conv(x)` without its bias.
    pub fn forward_without_bias(&self, x: &Features) -> Result<Features> {
        self.apply(x, None, false)
    }

    /// Computes `conv(x) + other`, where `other` has the output's shape.
    pub fn add(&self, x: &Features, other: &Features) -> Result<Features> {
        let Some([x, other]) = recorded([x, other])? else {
            return elementwise::add(&self.forward(x)?, other, false);
        };
        let call = self.call(self.bias.as_ref(), false);
        let sum = x.convolve(call, Some((Addend::Same, &other)))?;
        Ok(Features::Recorded(sum))
    }

    fn call<'a>(&'a self, bias: Option<&'a Tensor>, relu: bool) -> ConvCall<'a> {
        ConvCall {
            name: &self.name,
            weight: &self.weight,
            bias,
            stride: self.stride,
            relu,
        }
    }

    fn apply(&self, x: &Features, bias: Option<&Tensor>, relu: bool) -> Result<Features> {
        match x {
            Features::Tensor(x) => {
                let y = convolve(x, &self.weight, bias, self.stride)?;
                Ok(Features::Tensor(if relu { y.relu()? } else { y }))
            }
            Features::Recorded(x) => {
                let y = x.convolve(self.call(bias, relu), None)?;
                Ok(Features::Recorded(y))
            }
            Features::Traced(x) => {
                let dims = self.weight.dims4()?;
                let y = if bias.is_none() && !relu && (dims.0, dims.3, self.stride) == (1, 1, 1) {
                    autograd::project(x, &self.weight)?
                } else {
                    let fused = Fused { relu, low: None };
                    autograd::convolve(x, &self.weight, bias, self.stride, fused)?
                };
                Ok(Features::Traced(y))
            }
        }
    }
}

/// Computes the convolution on tensors.
pub(super) fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
) -> Result<Tensor> {
    let y = convolve_plain(x, weight, stride)?;
    match bias {
        None => Ok(y),
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
    }
}

/// Computes the convolution with candle's operations, on any device.
fn convolve_plain(x: &Tensor, weight: &Tensor, stride: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let kernel = weight.dim(3)?;
    let pad = kernel / 2;
    let unused = |len: usize| (len + 2 * pad).saturating_sub(kernel) % stride;
    if unused(h) == unused(w) {
        return x.conv2d(weight, pad, stride, 1, 1);
    }
    // The backward pass of candle's `conv2d` fails when the numbers of left-over rows and columns
    // differ, so pixels that no window touches are cut off beforehand.
    let fit = |x: &Tensor, dim, len| {
        x.pad_with_zeros(dim, pad, pad)?
            .narrow(dim, 0, len + 2 * pad - unused(len))
    };
    fit(&fit(x, 2, h)?, 3, w)?.conv2d(weight, 0, stride, 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use proptest::prelude::*;

    /// Fails when a gradient of a convolution is wrong, or missing for odd sizes with a stride.
    #[test]
    fn has_the_right_gradient() {
        for (kernel, stride) in [(1, 1), (3, 1), (1, 2), (3, 2), (7, 2)] {
            for shape in [
                [2, 3, 8, 7],
                [1, 2, 7, 8],
                [1, 2, 6, 8],
                [1, 1, 9, 5],
                [1, 1, 2, 1],
            ] {
                gradcheck(&[&shape], |vb, x, _| {
                    let bias = shape[0] == 1;
                    let conv = Conv2d::new(vb, (shape[1], 2), kernel, stride, bias)?;
                    if bias {
                        conv.relu(&x[0])
                    } else {
                        conv.forward(&x[0])
                    }
                });
            }
        }
        let shape = [2, 2, 3, 4];
        gradcheck(&[&shape, &shape], |vb, x, _| {
            Conv2d::new(vb, (2, 2), 3, 1, true)?.add(&x[0], &x[1])
        });
    }

    /// Fails when a gradient of the convolution kernel, its bias or its ReLU differs from candle's.
    #[test]
    fn kernel_gradients_match_candle() {
        for (kernel, stride) in [(1, 1), (3, 1), (1, 2), (3, 2), (7, 2)] {
            for shape in [[2, 3, 9, 6], [1, 17, 7, 8], [2, 8, 13, 16]] {
                for (c_out, bias) in [(1, false), (1, true), (19, true), (32, false)] {
                    learn_alike(&[&shape], |vb, x, _| {
                        let conv = Conv2d::new(vb, (shape[1], c_out), kernel, stride, bias)?;
                        if bias {
                            conv.relu(&x[0])
                        } else {
                            conv.forward(&x[0])
                        }
                    });
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Fails when the convolution kernel, its bias or its ReLU differs from the tensor
        /// implementation.
        #[test]
        fn kernels_agree(
            shape in (1..3usize, 1..20usize, 1..17usize, 1..17usize),
            c_out in 1..20usize,
            kernel in prop::sample::select(vec![1, 3, 7]),
            stride in 1..3usize,
            bias: bool,
            relu: bool,
        ) {
            let shape = [shape.0, shape.1, shape.2, shape.3];
            agree(&[&shape], |vb, x, _| {
                let conv = Conv2d::new(vb, (shape[1], c_out), kernel, stride, bias)?;
                if relu {
                    conv.relu(&x[0])
                } else {
                    conv.forward(&x[0])
                }
            });
            agree(&[&shape], |vb, x, _| {
                let conv = Conv2d::new(vb, (shape[1], c_out), kernel, stride, bias)?;
                conv.forward_without_bias(&x[0])
            });
            let other = [shape[0], c_out, shape[2].div_ceil(stride), shape[3].div_ceil(stride)];
            agree(&[&shape, &other], |vb, x, _| {
                Conv2d::new(vb, (shape[1], c_out), kernel, stride, bias)?.add(&x[0], &x[1])
            });
        }
    }
}

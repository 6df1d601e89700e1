//! [`TransposedConvBn`]: learned upsampling by a factor of 2.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::graph::Op;
use super::kernels::ConvShape;
use super::{BatchNorm, Features, Pass, autograd};

const KERNEL: usize = 4;
const STRIDE: usize = 2;
const PAD: usize = 1;

/// Transposed convolution 4x4, stride 2, padding 1, without bias; then batch normalisation and
/// ReLU. `[N, C_in, H, W]` to `[N, C_out, 2 H, 2 W]`.
pub struct TransposedConvBn {
    name: String,
    weight: Tensor,
    bn: BatchNorm,
}

impl TransposedConvBn {
    /// Creates the layer from `weight [C_in, C_out, 4, 4]` under `conv` and the tensors of
    /// [`BatchNorm`] under `bn`.
    pub fn new(
        conv: &VarBuilder<'_>,
        bn: &VarBuilder<'_>,
        (c_in, c_out): (usize, usize),
    ) -> Result<Self> {
        let init = candle_nn::init::DEFAULT_KAIMING_NORMAL;
        Ok(Self {
            name: conv.prefix(),
            weight: conv.get_with_hints((c_in, c_out, KERNEL, KERNEL), "weight", init)?,
            bn: BatchNorm::new(bn, c_out)?,
        })
    }

    /// Computes `ReLU(BN(conv(x)))`.
    pub fn relu(&self, x: &Features, pass: &Pass) -> Result<Features> {
        match x {
            Features::Tensor(x) => {
                let y = x.conv_transpose2d(&self.weight, PAD, 0, STRIDE, 1)?;
                Ok(Features::Tensor(self.bn.normalise(&y, pass)?.relu()?))
            }
            Features::Traced(x) => {
                let size = (STRIDE * x.map().h(), STRIDE * x.map().w());
                let y = autograd::convolve_transposed(x, &self.weight, self.shape()?, size)?;
                let y = self.bn.normalise_traced(&y, None, true, pass)?;
                Ok(Features::Traced(y))
            }
            Features::Recorded(x) => {
                let (weight, bias) = self.bn.fold(&self.weight, 1, None)?;
                let op = Op::ConvTransposed {
                    shape: self.shape()?,
                    weight: x.weight((&self.name, "weight"), &weight)?,
                    bias: Some(x.weight((&self.name, "bias"), &bias)?),
                    relu: true,
                };
                x.push(&self.name, op, &[]).map(Features::Recorded)
            }
        }
    }

    /// Returns the shape of the convolution whose transpose this is.
    fn shape(&self) -> Result<ConvShape> {
        let (c_in, c_out, ..) = self.weight.dims4()?;
        Ok(ConvShape {
            cin: c_out,
            cout: c_in,
            kernel: KERNEL,
            stride: STRIDE,
            pad: PAD,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use proptest::prelude::*;

    fn layer(
        (c_in, c_out): (usize, usize),
        vb: &VarBuilder<'_>,
        x: &Features,
        pass: &mut Pass,
    ) -> Result<Features> {
        TransposedConvBn::new(&vb.pp("0"), &vb.pp("1"), (c_in, c_out))?.relu(x, pass)
    }

    /// Fails when a gradient of the transposed convolution or its norm is wrong.
    #[test]
    fn has_the_right_gradient() {
        for (shape, c_out) in [([2, 3, 3, 5], 2), ([1, 2, 4, 1], 3), ([1, 1, 5, 6], 1)] {
            gradcheck(&[&shape], |vb, x, pass| {
                layer((shape[1], c_out), vb, &x[0], pass)
            });
        }
    }

    /// Fails when a gradient of the transposed convolution kernels differs from candle's.
    #[test]
    fn kernel_gradients_match_candle() {
        for (shape, c_out) in [
            ([2, 3, 3, 5], 2),
            ([1, 2, 4, 1], 3),
            ([1, 17, 5, 6], 20),
            ([3, 16, 2, 13], 32),
        ] {
            learn_alike(&[&shape], |vb, x, pass| {
                layer((shape[1], c_out), vb, &x[0], pass)
            });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the kernels flip the weights, mix up their axes or shift the output.
        #[test]
        fn kernels_agree(n in 1..3usize, c_in in 1..20usize, c_out in 1..20usize, h in 1..7usize, w in 1..7usize) {
            agree(&[&[n, c_in, h, w]], |vb, x, pass| layer((c_in, c_out), vb, &x[0], pass));
        }
    }
}

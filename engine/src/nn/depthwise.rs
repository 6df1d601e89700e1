//! [`DepthwiseConv`]: a convolution of each channel with its own kernel.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::features::{recorded, traced};
use super::graph::{Op, Recorded};
use super::kernels::Activation;
use super::{Features, autograd};

/// Depthwise convolution with an odd square kernel, stride 1 and zero padding `kernel / 2`.
pub struct DepthwiseConv {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl DepthwiseConv {
    /// Creates the layer from `weight [C, 1, k, k]` and, if `bias` is set, `bias [C]`.
    pub fn new(vb: &VarBuilder<'_>, channels: usize, kernel: usize, bias: bool) -> Result<Self> {
        let init = candle_nn::init::DEFAULT_KAIMING_NORMAL;
        Self::with_init(vb, channels, kernel, bias, init)
    }

    /// Like [`DepthwiseConv::new`], with a different random initialisation of the weights.
    pub fn with_init(
        vb: &VarBuilder<'_>,
        channels: usize,
        kernel: usize,
        bias: bool,
        init: Init,
    ) -> Result<Self> {
        if kernel.is_multiple_of(2) || channels == 0 {
            candle_core::bail!("{}: depthwise kernels are odd", vb.prefix());
        }
        Ok(Self {
            name: vb.prefix(),
            weight: vb.get_with_hints((channels, 1, kernel, kernel), "weight", init)?,
            bias: bias
                .then(|| vb.get_with_hints(channels, "bias", Init::Const(0.0)))
                .transpose()?,
        })
    }

    /// Computes `conv(x)`.
    pub fn forward(&self, x: &Features) -> Result<Features> {
        self.apply(x, None, Activation::None)
    }

    /// Computes `activation(conv(x) + other)`, where `other` has `x`'s shape.
    pub fn apply(
        &self,
        x: &Features,
        other: Option<&Features>,
        activation: Activation,
    ) -> Result<Features> {
        if let Some([x, sum]) = recorded([x, other.unwrap_or(x)])? {
            let other = other.is_some().then_some(&sum);
            return self.record(&x, other, activation).map(Features::Recorded);
        }
        if let Some([x, sum]) = traced([x, other.unwrap_or(x)])? {
            let other = other.is_some().then_some(&sum);
            let (weight, bias) = (&self.weight, self.bias.as_ref());
            let y = autograd::depthwise(&x, other, weight, bias, activation)?;
            return Ok(Features::Traced(y));
        }
        let other = other.map(Features::to_tensor).transpose()?;
        let y = self.convolve(&x.to_tensor()?)?;
        let sum = match other {
            None => y,
            Some(other) => (y + other)?,
        };
        Ok(Features::Tensor(activate(&sum, activation)?))
    }

    fn record(
        &self,
        x: &Recorded,
        other: Option<&Recorded>,
        activation: Activation,
    ) -> Result<Recorded> {
        let bias = self.bias.as_ref();
        let op = Op::Depthwise {
            kernel: self.weight.dim(3)?,
            weight: x.weight((&self.name, "weight"), &self.weight)?,
            bias: bias
                .map(|bias| x.weight((&self.name, "bias"), bias))
                .transpose()?,
            adds: other.is_some(),
            activation,
        };
        let others: Vec<&Recorded> = other.into_iter().collect();
        x.push(&self.name, op, &others)
    }

    fn convolve(&self, x: &Tensor) -> Result<Tensor> {
        let (channels, _, kernel, _) = self.weight.dims4()?;
        let y = x.conv2d(&self.weight, kernel / 2, 1, 1, channels)?;
        match &self.bias {
            None => Ok(y),
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        }
    }
}

/// Applies the activation to a tensor.
pub(super) fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Relu => x.relu(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => candle_nn::ops::sigmoid(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use proptest::prelude::*;

    const ACTIVATIONS: [Activation; 4] = [
        Activation::None,
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
    ];

    /// Fails when the gradient of a channel, of a tap beyond a small map's border, of the bias or
    /// of the activation is wrong.
    #[test]
    fn has_the_right_gradient() {
        for (kernel, bias, shape) in [
            (7, false, [2, 3, 5, 8]),
            (7, true, [1, 1, 9, 4]),
            (11, true, [1, 2, 4, 3]),
            (11, true, [1, 2, 1, 13]),
        ] {
            for activation in ACTIVATIONS {
                gradcheck(&[&shape, &shape], |vb, x, _| {
                    let conv = DepthwiseConv::new(vb, shape[1], kernel, bias)?;
                    conv.apply(&x[0], Some(&x[1]), activation)
                });
            }
        }
    }

    /// Fails when a gradient of the depthwise kernel, its sum or its activation differs from
    /// candle's.
    #[test]
    fn kernel_gradients_match_candle() {
        for (kernel, bias, shape) in [
            (7, false, [2, 3, 5, 8]),
            (7, true, [1, 1, 9, 40]),
            (11, true, [1, 17, 18, 3]),
            (11, false, [2, 1, 1, 13]),
            (3, true, [1, 33, 35, 4]),
        ] {
            for activation in ACTIVATIONS {
                learn_alike(&[&shape, &shape], |vb, x, _| {
                    let conv = DepthwiseConv::new(vb, shape[1], kernel, bias)?;
                    let y = conv.apply(&x[0], Some(&x[1]), activation)?;
                    conv.apply(&y, None, activation)
                });
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the depthwise kernel differs from the tensor implementation.
        #[test]
        fn kernels_agree(
            shape in (1..3usize, 1..20usize, 1..15usize, 1..15usize),
            kernel in prop::sample::select(vec![7, 11]),
            bias: bool,
            add: bool,
            activation in prop::sample::select(ACTIVATIONS.to_vec()),
        ) {
            let shape = [shape.0, shape.1, shape.2, shape.3];
            agree(&[&shape, &shape], |vb, x, _| {
                let conv = DepthwiseConv::new(vb, shape[1], kernel, bias)?;
                conv.apply(&x[0], add.then_some(&x[1]), activation)
            });
        }
    }
}

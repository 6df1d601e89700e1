//! Convolution, batch normalisation and the operations that follow, folded into one operation of a
//! recorded graph.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::autograd::{self, Fused, Traced};
use super::common::to_vec;
use super::conv::convolve;
use super::features::{recorded, traced};
use super::graph::{Addend, ConvCall, Op, Recorded};
use super::upsample::{repeat_tensor, repeat_to};
use super::{BatchNorm, Features, Pass};

/// Convolution with padding `kernel / 2`, then batch normalisation, then what the method name says.
pub struct ConvBn {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    bn: BatchNorm,
    stride: usize,
}

impl ConvBn {
    /// Creates the layer from `conv.weight [C_out, C_in, k, k]` and
    /// `bn.{weight,bias,running_mean,running_var} [C_out]`.
    pub fn new(
        vb: &VarBuilder<'_>,
        channels: (usize, usize),
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        Self::with(&vb.pp("conv"), &vb.pp("bn"), channels, kernel, stride)
    }

    /// Like [`ConvBn::new`], with explicit prefixes `conv` and `bn` for the two tensor groups.
    pub fn with(
        conv: &VarBuilder<'_>,
        bn: &VarBuilder<'_>,
        (c_in, c_out): (usize, usize),
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        let init = candle_nn::init::DEFAULT_KAIMING_NORMAL;
        Ok(Self {
            name: conv.prefix(),
            weight: conv.get_with_hints((c_out, c_in, kernel, kernel), "weight", init)?,
            bias: None,
            bn: BatchNorm::new(bn, c_out)?,
            stride,
        })
    }

    /// Like [`ConvBn::with`], with a convolution `bias [C_out]`. The norm makes it redundant, but
    /// some published networks have it.
    pub fn with_bias(
        conv: &VarBuilder<'_>,
        bn: &VarBuilder<'_>,
        channels: (usize, usize),
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        let bias = conv.get_with_hints(channels.1, "bias", Init::Const(0.0))?;
        Ok(Self {
            bias: Some(bias),
            ..Self::with(conv, bn, channels, kernel, stride)?
        })
    }

    /// Computes `BN(conv(x))`.
    pub fn forward(&self, x: &Features, pass: &Pass) -> Result<Features> {
        self.run(x, None, false, pass)
    }

    /// Computes `BN(conv(x)) + other`, where `other` has the output's shape.
    pub fn add(&self, x: &Features, other: &Features, pass: &Pass) -> Result<Features> {
        self.run(x, Some(other), false, pass)
    }

    /// Computes `ReLU(BN(conv(x)))`.
    pub fn relu(&self, x: &Features, pass: &Pass) -> Result<Features> {
        self.run(x, None, true, pass)
    }

    /// Computes `ReLU(BN(conv(x)) + other)`, where `other` has the output's shape.
    pub fn relu_add(&self, x: &Features, other: &Features, pass: &Pass) -> Result<Features> {
        self.run(x, Some(other), true, pass)
    }

    /// Computes `ReLU(x + BN(conv(x)))`; needs stride 1 and equal numbers of input and output
    /// channels.
    ///
    /// In a recorded graph 1 is added to the centre weights of the folded convolution, so that the
    /// residual connection costs nothing.
    pub fn relu_residual(&self, x: &Features, pass: &Pass) -> Result<Features> {
        let Features::Recorded(map) = x else {
            return self.run(x, Some(x), true, pass);
        };
        let (weight, bias) = self.folded()?;
        let weight = with_identity(&weight)?;
        let y = map.convolve(self.call(&weight, Some(&bias), true), None)?;
        Ok(Features::Recorded(y))
    }

    /// Computes `ReLU(BN(conv1x1(concat(up2(low), history))))`.
    ///
    /// In a recorded graph the weights are split: the first half is applied at the low resolution,
    /// and nothing is concatenated.
    pub fn relu_concat(&self, low: &Features, history: &Features, pass: &Pass) -> Result<Features> {
        if let Some([low, history]) = recorded([low, history])? {
            return self.concat_recorded(&low, &history).map(Features::Recorded);
        }
        if let Some([low, history]) = traced([low, history])? {
            return self.concat_traced(&low, &history, pass);
        }
        let both = [repeat_tensor(&low.to_tensor()?, 2)?, history.to_tensor()?];
        let both = Features::Tensor(Tensor::cat(&both, 1)?);
        self.run(&both, None, true, pass)
    }

    /// Computes `ReLU(up2(BN(conv(low))) + other)`.
    pub fn relu_up2_add(&self, low: &Features, other: &Features, pass: &Pass) -> Result<Features> {
        if let Some([low, other]) = recorded([low, other])? {
            let (weight, bias) = self.folded()?;
            let part = low.convolve(self.call(&weight, Some(&bias), false), None)?;
            let op = Op::Add {
                factor: 2,
                relu: true,
            };
            return part.push("", op, &[&other]).map(Features::Recorded);
        }
        if let Some([low, other]) = traced([low, other])? {
            let part = self.run_traced(&low, None, false, pass)?;
            let sum = autograd::upsample_add(&part, 2, &other, true)?;
            return Ok(Features::Traced(sum));
        }
        let part = self.normalised(&low.to_tensor()?, pass)?;
        let other = other.to_tensor()?;
        let sum = (repeat_to(&part, 2, &other)? + other)?;
        Ok(Features::Tensor(sum.relu()?))
    }

    fn run(
        &self,
        x: &Features,
        other: Option<&Features>,
        relu: bool,
        pass: &Pass,
    ) -> Result<Features> {
        let is_sum = other.is_some();
        if let Some([x, other]) = recorded([x, other.unwrap_or(x)])? {
            let (weight, bias) = self.folded()?;
            let add = is_sum.then_some((Addend::Same, &other));
            let y = x.convolve(self.call(&weight, Some(&bias), relu), add)?;
            return Ok(Features::Recorded(y));
        }
        if let Some([x, other]) = traced([x, other.unwrap_or(x)])? {
            let other = is_sum.then_some(&other);
            return Ok(Features::Traced(self.run_traced(&x, other, relu, pass)?));
        }
        let y = self.normalised(&x.to_tensor()?, pass)?;
        let sum = match other {
            None => y,
            Some(other) => (y + other.to_tensor()?)?,
        };
        Ok(Features::Tensor(if relu { sum.relu()? } else { sum }))
    }

    /// Runs the whole layer with traced kernels.
    fn run_traced(
        &self,
        x: &Traced,
        other: Option<&Traced>,
        relu: bool,
        pass: &Pass,
    ) -> Result<Traced> {
        let (weight, bias) = (&self.weight, self.bias.as_ref());
        let y = autograd::convolve(x, weight, bias, self.stride, Fused::default())?;
        self.bn.normalise_traced(&y, other, relu, pass)
    }

    /// [`ConvBn::relu_concat`] of recorded maps.
    fn concat_recorded(&self, low: &Recorded, history: &Recorded) -> Result<Recorded> {
        let (weight, bias) = self.folded()?;
        let (c_low, c_history) = (low.shape().c, history.shape().c);
        let first = weight.narrow(1, 0, c_low)?;
        let second = weight.narrow(1, c_low, c_history)?;
        // The published layer computes this part at the high resolution.
        let macs = history.shape().area() * first.elem_count();
        let part = low.convolve(self.call(&first, None, false), None)?;
        let part = part.count_as(macs as u64);
        let call = self.call(&second, Some(&bias), true);
        history.convolve(call, Some((Addend::Up2, &part)))
    }

    /// [`ConvBn::relu_concat`] with traced kernels; the weights are split as described there.
    fn concat_traced(&self, low: &Traced, history: &Traced, pass: &Pass) -> Result<Features> {
        let (c_low, c_history) = (low.map().c(), history.map().c());
        let half = |first: usize, count: usize| self.weight.narrow(1, first, count);
        let first = half(0, c_low)?;
        let part = autograd::convolve(low, &first, None, 1, Fused::default())?;
        let fused = Fused {
            low: Some(&part),
            relu: false,
        };
        let second = half(c_low, c_history)?;
        let y = autograd::convolve(history, &second, self.bias.as_ref(), 1, fused)?;
        let y = self.bn.normalise_traced(&y, None, true, pass)?;
        Ok(Features::Traced(y))
    }

    /// Computes convolution and normalisation on tensors.
    fn normalised(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let y = convolve(x, &self.weight, self.bias.as_ref(), self.stride)?;
        self.bn.normalise(&y, pass)
    }

    fn call<'a>(
        &'a self,
        weight: &'a Tensor,
        bias: Option<&'a Tensor>,
        relu: bool,
    ) -> ConvCall<'a> {
        ConvCall {
            name: &self.name,
            weight,
            bias,
            stride: self.stride,
            relu,
        }
    }

    /// Returns weight and bias of the convolution with the normalisation folded in.
    ///
    /// # Errors
    /// When the weights are trainable.
    fn folded(&self) -> Result<(Tensor, Tensor)> {
        self.bn.fold(&self.weight, 0, self.bias.as_ref())
    }
}

/// Returns `weight` plus the identity: 1 at the centre tap from each channel to itself.
fn with_identity(weight: &Tensor) -> Result<Tensor> {
    let (c_out, c_in, kernel, _) = weight.dims4()?;
    let mut sum = to_vec(weight)?;
    for c in 0..c_out.min(c_in) {
        sum[((c * c_in + c) * kernel + kernel / 2) * kernel + kernel / 2] += 1.0;
    }
    Tensor::from_vec(sum, weight.dims(), weight.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::add;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use proptest::prelude::*;

    /// Variants that return one map of the convolution's output size.
    const ENDS: [&str; 4] = ["forward", "relu", "add", "relu_add"];

    fn run(layer: &ConvBn, end: &str, x: &[Features], pass: &mut Pass) -> Result<Features> {
        match end {
            "forward" => layer.forward(&x[0], pass),
            "relu" => layer.relu(&x[0], pass),
            "add" => layer.add(&x[0], &x[1], pass),
            _ => layer.relu_add(&x[0], &x[1], pass),
        }
    }

    fn layer(
        vb: &VarBuilder<'_>,
        channels: (usize, usize),
        kernel: usize,
        stride: usize,
        bias: bool,
    ) -> Result<ConvBn> {
        let (conv, bn) = (vb.pp("0"), vb.pp("1"));
        if bias {
            ConvBn::with_bias(&conv, &bn, channels, kernel, stride)
        } else {
            ConvBn::with(&conv, &bn, channels, kernel, stride)
        }
    }

    /// Returns the output size for an input of `len` pixels.
    fn out(len: usize, stride: usize) -> usize {
        len.div_ceil(stride)
    }

    /// Fails when a gradient through batch statistics, running statistics or a sum is wrong.
    #[test]
    fn has_the_right_gradient() {
        for (shape, kernel, stride) in [
            ([2, 3, 4, 5], 3, 1),
            ([1, 2, 7, 6], 7, 2),
            ([2, 2, 3, 5], 1, 2),
        ] {
            let other = [shape[0], 4, out(shape[2], stride), out(shape[3], stride)];
            for end in ENDS {
                let shapes: &[&[usize]] = if end.ends_with("add") {
                    &[&shape, &other]
                } else {
                    &[&shape]
                };
                gradcheck(shapes, |vb, x, pass| {
                    let layer = layer(vb, (shape[1], 4), kernel, stride, false)?;
                    run(&layer, end, x, pass)
                });
            }
        }
        let shape = [2, 3, 3, 4];
        gradcheck(&[&shape], |vb, x, pass| {
            ConvBn::new(vb, (3, 3), 3, 1)?.relu_residual(&x[0], pass)
        });
        gradcheck(&[&[2, 2, 2, 3], &[2, 3, 4, 6]], |vb, x, pass| {
            ConvBn::new(vb, (5, 2), 1, 1)?.relu_concat(&x[0], &x[1], pass)
        });
        gradcheck(&[&[2, 2, 2, 3], &[2, 3, 4, 5]], |vb, x, pass| {
            ConvBn::new(vb, (2, 3), 1, 1)?.relu_up2_add(&x[0], &x[1], pass)
        });
    }

    /// Fails when training with our kernels differs from training with candle's operations.
    #[test]
    fn kernel_gradients_match_candle() {
        for (kernel, stride) in [(1, 1), (3, 1), (1, 2), (3, 2), (7, 2)] {
            for shape in [[2, 3, 9, 6], [2, 5, 8, 8], [1, 2, 7, 9]] {
                let other = [shape[0], 4, out(shape[2], stride), out(shape[3], stride)];
                for end in ENDS {
                    learn_alike(&[&shape, &other], |vb, x, pass| {
                        let layer = layer(vb, (shape[1], 4), kernel, stride, false)?;
                        let y = run(&layer, end, x, pass)?;
                        add(&y, &x[1], false)
                    });
                }
            }
        }
        for (n, c, low, h, w) in [(2, 3, 5, 4, 6), (1, 17, 16, 8, 2)] {
            let shape = [n, c, h, w];
            learn_alike(&[&shape], |vb, x, pass| {
                ConvBn::new(vb, (c, c), 3, 1)?.relu_residual(&x[0], pass)
            });
            let small = [n, low, h / 2, w / 2];
            learn_alike(&[&small, &shape], |vb, x, pass| {
                ConvBn::new(vb, (low + c, 4), 1, 1)?.relu_concat(&x[0], &x[1], pass)
            });
            let odd = [n, c, h - 1, w];
            learn_alike(&[&small, &odd], |vb, x, pass| {
                ConvBn::new(vb, (low, c), 1, 1)?.relu_up2_add(&x[0], &x[1], pass)
            });
        }
    }

    /// Fails when the convolution's bias is ignored. This is invisible in training, where the
    /// norm's batch mean cancels it.
    #[test]
    fn the_convolution_bias_is_used() {
        let shape = [1, 2, 3, 3];
        agree(&[&shape], |vb, x, pass| {
            layer(vb, (2, 3), 3, 1, true)?.forward(&x[0], pass)
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Fails when folding the norm, or a fused sum or ReLU, changes the result.
        #[test]
        fn kernels_agree(
            shape in (1..3usize, 1..20usize, 1..17usize, 1..17usize),
            c_out in 1..20usize,
            kernel in prop::sample::select(vec![1, 3, 7]),
            stride in 1..3usize,
            bias: bool,
            end in prop::sample::select(ENDS.to_vec()),
        ) {
            let (n, c_in, h, w) = shape;
            let other = [n, c_out, out(h, stride), out(w, stride)];
            agree(&[&[n, c_in, h, w], &other], |vb, x, pass| {
                run(&layer(vb, (c_in, c_out), kernel, stride, bias)?, end, x, pass)
            });
        }

        /// Fails when the identity in the weights, the split concatenation or the fused upsampling
        /// changes the result.
        #[test]
        fn rewrites_agree(n in 1..3usize, c in 1..20usize, low in 1..20usize, h in 1..9usize, w in 1..9usize) {
            let shape = [n, c, h, w];
            agree(&[&shape], |vb, x, pass| {
                ConvBn::new(vb, (c, c), 3, 1)?.relu_residual(&x[0], pass)
            });
            let small = [n, low, h.div_ceil(2), w.div_ceil(2)];
            agree(&[&small, &shape], |vb, x, pass| {
                ConvBn::new(vb, (low, c), 1, 1)?.relu_up2_add(&x[0], &x[1], pass)
            });
            let (small, shape) = ([n, low, h, w], [n, c, 2 * h, 2 * w]);
            agree(&[&small, &shape], |vb, x, pass| {
                ConvBn::new(vb, (low + c, 3), 1, 1)?.relu_concat(&x[0], &x[1], pass)
            });
        }
    }
}

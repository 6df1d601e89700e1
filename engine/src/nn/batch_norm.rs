//! Batch normalisation as a separate layer, in front of an activation and a convolution.

use candle_core::{Result, Tensor, Var};
use candle_nn::{BatchNormConfig, ModuleT, VarBuilder, batch_norm};

use super::autograd::{self, Norm, Traced};
use super::common::to_vec;
use super::graph::Op;
use super::kernels::{self, Moments};
use super::{Features, Pass};

/// Batch normalisation over channels with eps 1e-5 and momentum 0.1, the values of all networks
/// here.
pub struct BatchNorm {
    name: String,
    bn: candle_nn::BatchNorm,
}

impl BatchNorm {
    /// Creates the layer from `weight`, `bias`, `running_mean` and `running_var`, each `[C]`.
    pub fn new(vb: &VarBuilder<'_>, channels: usize) -> Result<Self> {
        let config = BatchNormConfig {
            eps: 1e-5,
            momentum: 0.1,
            ..BatchNormConfig::default()
        };
        Ok(Self {
            name: vb.prefix(),
            bn: batch_norm(channels, config, vb.clone())?,
        })
    }

    /// Computes `BN(x)`.
    pub fn forward(&self, x: &Features, pass: &Pass) -> Result<Features> {
        self.apply(x, false, pass)
    }

    /// Computes `ReLU(BN(x))`.
    pub fn relu(&self, x: &Features, pass: &Pass) -> Result<Features> {
        self.apply(x, true, pass)
    }

    fn apply(&self, x: &Features, relu: bool, pass: &Pass) -> Result<Features> {
        match x {
            Features::Tensor(x) => {
                let y = self.normalise(x, pass)?;
                Ok(Features::Tensor(if relu { y.relu()? } else { y }))
            }
            Features::Traced(x) => {
                let y = self.normalise_traced(x, None, relu, pass)?;
                Ok(Features::Traced(y))
            }
            Features::Recorded(x) => {
                let (factor, shift) = self.factor_and_shift()?;
                let op = Op::Affine {
                    factor: x.weight((&self.name, "factor"), &factor)?,
                    shift: x.weight((&self.name, "shift"), &shift)?,
                    relu,
                };
                x.push(&self.name, op, &[]).map(Features::Recorded)
            }
        }
    }

    /// Computes `BN(x)` with the batch's or the running statistics, as the pass requires.
    pub(super) fn normalise(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let is_training = pass.norms_follow();
        if is_training {
            let (n, _, h, w) = x.dims4()?;
            self.check_batch(n * h * w)?;
        }
        self.bn.forward_t(x, is_training)
    }

    /// Like [`BatchNorm::normalise`], plus `other`, followed by ReLU if `relu` is set.
    pub(super) fn normalise_traced(
        &self,
        x: &Traced,
        other: Option<&Traced>,
        relu: bool,
        pass: &Pass,
    ) -> Result<Traced> {
        let of_batch = pass.norms_follow();
        let Moments { mean, variance } = if of_batch {
            let pixels = x.map().data().len() / x.map().c().max(1);
            self.check_batch(pixels)?;
            let moments = kernels::moments(x.map(), x.threads());
            self.follow(&moments, pixels)?;
            moments
        } else {
            Moments {
                mean: to_vec(self.bn.running_mean())?,
                variance: to_vec(self.bn.running_var())?,
            }
        };
        let eps = self.bn.eps() as f32;
        let norm = Norm {
            mean,
            inverse: variance.iter().map(|v| 1.0 / (v + eps).sqrt()).collect(),
            of_batch,
        };
        let (weight, bias) = self.scale()?;
        autograd::normalise(x, [weight, bias], norm, other, relu)
    }

    fn check_batch(&self, pixels: usize) -> Result<()> {
        if pixels < 2 {
            // The unbiased variance of one value is 0/0, which would make the running variance NaN
            // forever.
            candle_core::bail!(
                "{}: training needs more than one value per channel; use larger batches or inputs",
                self.name
            );
        }
        Ok(())
    }

    /// Updates the running statistics with those of a batch, with `pixels` values per channel.
    fn follow(&self, batch: &Moments, pixels: usize) -> Result<()> {
        let unbiased = pixels as f64 / (pixels as f64 - 1.0);
        let momentum = self.bn.momentum();
        for (running, batch, factor) in [
            (self.bn.running_mean(), &batch.mean, 1.0),
            (self.bn.running_var(), &batch.variance, unbiased),
        ] {
            let batch = Tensor::from_slice(batch, batch.len(), running.device())?;
            let moved = ((running.detach() * (1.0 - momentum))? + (batch * (momentum * factor))?)?;
            Var::from_tensor(running)?.set(&moved)?;
        }
        Ok(())
    }

    /// Folds the normalisation into a layer before it: returns `weight`, whose output channels are
    /// in dimension `dim`, and its bias, such that their result equals the normalised one.
    ///
    /// # Errors
    /// When the weights are trainable.
    pub(super) fn fold(
        &self,
        weight: &Tensor,
        dim: usize,
        bias: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let (factor, shift) = self.factor_and_shift()?;
        let mut dims = [1; 4];
        dims[dim] = factor.elem_count();
        if weight.is_variable() {
            candle_core::bail!("trainable weights cannot be folded; build the model from tensors");
        }
        let weight = weight.broadcast_mul(&factor.reshape(&dims)?)?;
        let bias = match bias {
            None => shift,
            Some(bias) => ((bias * factor)? + shift)?,
        };
        Ok((weight.contiguous()?, bias))
    }

    /// Returns the scale and shift of `BN(x) = factor * x + shift` with the running statistics:
    /// `factor = weight / sqrt(var + eps)`, `shift = bias - mean * factor`.
    fn factor_and_shift(&self) -> Result<(Tensor, Tensor)> {
        let (weight, bias) = self.scale()?;
        let factor = (weight / (self.bn.running_var() + self.bn.eps())?.sqrt()?)?;
        let shift = (bias - (self.bn.running_mean() * &factor)?)?;
        Ok((factor, shift))
    }

    fn scale(&self) -> Result<(&Tensor, &Tensor)> {
        match self.bn.weight_and_bias() {
            Some(both) => Ok(both),
            None => candle_core::bail!("{}: batch norm without scale", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use crate::nn::{Kernels, Mode};
    use candle_core::{DType, Device};
    use candle_nn::VarMap;
    use proptest::prelude::*;

    fn run(relu: bool, vb: &VarBuilder<'_>, x: &Features, pass: &mut Pass) -> Result<Features> {
        let bn = BatchNorm::new(vb, x.dims4()?[1])?;
        if relu {
            bn.relu(x, pass)
        } else {
            bn.forward(x, pass)
        }
    }

    /// Fails when the gradient through the batch's or the running statistics is wrong.
    #[test]
    fn has_the_right_gradient() {
        for shape in [[2, 3, 3, 4], [1, 2, 5, 1], [3, 1, 1, 1]] {
            for relu in [false, true] {
                gradcheck(&[&shape], |vb, x, pass| run(relu, vb, &x[0], pass));
            }
        }
    }

    /// Fails when training with our kernels for batch norm or ReLU differs from training with
    /// candle.
    #[test]
    fn kernel_gradients_match_candle() {
        for shape in [[2, 3, 3, 4], [1, 2, 5, 1], [3, 1, 40, 33]] {
            for relu in [false, true] {
                learn_alike(&[&shape], |vb, x, pass| run(relu, vb, &x[0], pass));
            }
        }
    }

    /// Fails when training does not move the running statistics by a tenth towards the batch's mean
    /// and unbiased variance, updates copies that a checkpoint does not contain, or sets them to
    /// NaN for a batch of one value.
    #[test]
    fn learns_running_statistics() {
        for kernels in [None, Some(Kernels::new(2).unwrap())] {
            let map = VarMap::new();
            let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
            let bn = BatchNorm::new(&vb, 1).unwrap();
            let pass = Pass {
                mode: Mode::Train,
                kernels,
                ..Pass::eval()
            };
            let train = |values: &[f32]| {
                let x = Tensor::from_slice(values, (values.len(), 1, 1, 1), &Device::Cpu).unwrap();
                let x = pass.enter(&x)?;
                bn.forward(&x, &pass)
            };
            train(&[1.0, 3.0]).unwrap();
            assert!(train(&[1.0]).is_err());
            let statistic = |name: &str| {
                let vars = map.data().lock().unwrap();
                vars[name].to_vec1::<f32>().unwrap()[0]
            };
            assert!((statistic("running_mean") - 0.2).abs() < 1e-6);
            assert!((statistic("running_var") - (0.9 + 0.2)).abs() < 1e-6);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the kernels' scale and shift differ from batch normalisation.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..40usize, h in 1..9usize, w in 1..9usize, relu: bool) {
            agree(&[&[n, c, h, w]], |vb, x, pass| run(relu, vb, &x[0], pass));
        }
    }
}

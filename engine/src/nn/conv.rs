//! Convolutions, alone and with batch normalisation.

use std::sync::OnceLock;

use candle_core::{Result, Tensor};
use candle_nn::{BatchNorm, BatchNormConfig, Init, ModuleT, VarBuilder, batch_norm};

use super::{Mode, Pass};

/// Square cross-correlation with zero padding `kernel / 2`.
/// `[N, C_in, H, W]` to `[N, C_out, ceil(H / stride), ceil(W / stride)]` for odd kernels.
#[derive(Debug)]
pub struct Conv2d {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    stride: usize,
}

impl Conv2d {
    /// Tensors `weight [C_out, C_in, k, k]` and, where `bias`, `bias [C_out]`.
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

    /// Like [`Conv2d::new`], with another distribution of fresh weights.
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

    /// The convolution.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor> {
        let y = convolve(x, &self.weight, self.bias.as_ref(), self.stride)?;
        count(pass, &self.name, &self.weight, &y);
        Ok(y)
    }
}

/// Convolution without bias, then batch normalisation (eps 1e-5, momentum 0.1).
///
/// In Eval mode with fixed weights the normalisation is folded into the convolution once;
/// with trainable weights (validation during training) it is computed as written.
#[derive(Debug)]
pub struct ConvBn {
    name: String,
    weight: Tensor,
    bn: BatchNorm,
    stride: usize,
    folded: OnceLock<(Tensor, Tensor)>,
}

impl ConvBn {
    /// Tensors `conv.weight [C_out, C_in, k, k]` and `bn.{weight,bias,running_mean,running_var} [C_out]`.
    pub fn new(
        vb: &VarBuilder<'_>,
        (c_in, c_out): (usize, usize),
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        let conv = vb.pp("conv");
        let init = candle_nn::init::DEFAULT_KAIMING_NORMAL;
        let config = BatchNormConfig {
            eps: 1e-5,
            momentum: 0.1,
            ..BatchNormConfig::default()
        };
        Ok(Self {
            name: conv.prefix(),
            weight: conv.get_with_hints((c_out, c_in, kernel, kernel), "weight", init)?,
            bn: batch_norm(c_out, config, vb.pp("bn"))?,
            stride,
            folded: OnceLock::new(),
        })
    }

    /// Convolution and normalisation; no activation.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor> {
        let is_training = pass.mode == Mode::Train;
        let y = if is_training || self.weight.is_variable() {
            let y = convolve(x, &self.weight, None, self.stride)?;
            self.bn.forward_t(&y, is_training)?
        } else {
            let (weight, bias) = self.folded()?;
            convolve(x, weight, Some(bias), self.stride)?
        };
        count(pass, &self.name, &self.weight, &y);
        Ok(y)
    }

    /// `weight * g / sqrt(var + eps)` and `beta - mean * g / sqrt(var + eps)`.
    fn folded(&self) -> Result<&(Tensor, Tensor)> {
        if self.folded.get().is_none() {
            let (gamma, beta) = match self.bn.weight_and_bias() {
                Some((gamma, beta)) => (gamma.clone(), beta.clone()),
                None => candle_core::bail!("{}: batch norm without scale", self.name),
            };
            let factor = (gamma / (self.bn.running_var() + self.bn.eps())?.sqrt()?)?;
            let weight = self
                .weight
                .broadcast_mul(&factor.reshape(((), 1, 1, 1))?)?
                .contiguous()?;
            let bias = (beta - (self.bn.running_mean() * factor)?)?;
            // A second thread may have been first: both computed the same.
            let _ = self.folded.set((weight, bias));
        }
        match self.folded.get() {
            Some(folded) => Ok(folded),
            None => candle_core::bail!("{}: folding failed", self.name),
        }
    }
}

fn convolve(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: usize) -> Result<Tensor> {
    let kernel = weight.dim(3)?;
    let y = x.conv2d(weight, kernel / 2, stride, 1, 1)?;
    match bias {
        None => Ok(y),
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
    }
}

fn count(pass: &mut Pass, name: &str, weight: &Tensor, y: &Tensor) {
    let c_out = weight.dims()[0].max(1);
    pass.count(name, || {
        (weight.elem_count() / c_out * y.elem_count()) as u64
    });
}

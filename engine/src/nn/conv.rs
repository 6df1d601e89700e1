//! Convolutions, alone and with batch normalisation and what follows it.
//!
//! Every layer has two ways to compute. With tensors it is written as the papers write it and can
//! be trained. With our kernels (inference, fixed weights) normalisation, bias, additions and
//! activation are folded into one pass over the data; the weights are packed at the first call.
//! Both give the same numbers to 1e-4.

use std::sync::{Arc, OnceLock};

use candle_core::{Result, Tensor};
use candle_nn::{BatchNorm, BatchNormConfig, Init, ModuleT, VarBuilder, batch_norm};

use super::conv_op::ConvOp;
use super::kernels::{self, ConvShape, Epilogue, Nhwc, PackedConv, Plan};
use super::upsample::upsample_nearest2;
use super::{Features, Kernels, Mode, Pass};

/// Square cross-correlation with zero padding `kernel / 2`.
/// `[N, C_in, H, W]` to `[N, C_out, ceil(H / stride), ceil(W / stride)]` for odd kernels.
pub struct Conv2d {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    stride: usize,
    packed: OnceLock<PackedConv>,
    packed_without_bias: OnceLock<PackedConv>,
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
            packed: OnceLock::new(),
            packed_without_bias: OnceLock::new(),
        })
    }

    /// The layer's tensor prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `[C_out, C_in, k, k]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// `[C_out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// The convolution.
    pub fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        self.apply(x, self.bias.as_ref(), &self.packed, pass)
    }

    /// The convolution without its bias.
    pub fn forward_without_bias(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        self.apply(x, None, &self.packed_without_bias, pass)
    }

    fn apply(
        &self,
        x: &Features,
        bias: Option<&Tensor>,
        packed: &OnceLock<PackedConv>,
        pass: &mut Pass,
    ) -> Result<Features> {
        let macs = macs(&self.weight);
        pass.layer(&self.name, macs, |pass| match x {
            Features::Tensor(x) => {
                let y = convolve(x, &self.weight, bias, self.stride, pass)?;
                Ok(Features::Tensor(y))
            }
            Features::Nhwc(x) => {
                let packed = fixed(packed, &self.weight, || {
                    pack(&self.weight, bias, self.stride, x)
                })?;
                let kernels = kernels_of(pass)?;
                let y = kernels::conv2d(packed, x, Epilogue::NONE, &kernels.threads);
                Ok(Features::Nhwc(y))
            }
        })
    }
}

/// Convolution without bias, then batch normalisation (eps 1e-5, momentum 0.1), then what the
/// method's name says.
pub struct ConvBn {
    name: String,
    weight: Tensor,
    bn: BatchNorm,
    stride: usize,
    folded: OnceLock<(Tensor, Tensor)>,
    packed: OnceLock<PackedConv>,
    /// The two halves of [`ConvBn::relu_concat`].
    halves: OnceLock<[PackedConv; 2]>,
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
            packed: OnceLock::new(),
            halves: OnceLock::new(),
        })
    }

    /// `ReLU(BN(conv(x)))`.
    pub fn relu(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        self.run(x, None, pass)
    }

    /// `ReLU(BN(conv(x)) + other)`, the other map of the output's size.
    pub fn relu_add(&self, x: &Features, other: &Features, pass: &mut Pass) -> Result<Features> {
        self.run(x, Some(other), pass)
    }

    /// `ReLU(x + BN(conv(x)))`, stride 1 and as many channels out as in.
    ///
    /// The kernels add 1 to the middle weights of the folded convolution: the identity costs
    /// nothing.
    pub fn relu_residual(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        let Features::Nhwc(map) = x else {
            return self.run(x, Some(x), pass);
        };
        let macs = macs(&self.weight);
        pass.layer(&self.name, macs, |pass| {
            let packed = fixed(&self.packed, &self.weight, || {
                let (weight, bias) = self.folded()?;
                pack(&with_identity(weight)?, Some(bias), self.stride, map)
            })?;
            convolve_fast(packed, map, Epilogue::RELU, pass)
        })
    }

    /// `ReLU(BN(conv1x1(concat(up2(low), history))))`.
    ///
    /// The kernels split the weights: the first half works at the low resolution, nothing is
    /// concatenated.
    pub fn relu_concat(
        &self,
        low: &Features,
        history: &Features,
        pass: &mut Pass,
    ) -> Result<Features> {
        let (Features::Nhwc(low), Features::Nhwc(history)) = (low, history) else {
            let both = [upsample_nearest2(&low.to_tensor()?)?, history.to_tensor()?];
            let both = Features::Tensor(Tensor::cat(&both, 1)?);
            return self.run(&both, None, pass);
        };
        let (c_low, c_history, c_out) = (low.c(), history.c(), self.weight.dim(0)?);
        let work = c_out * (low.data().len() + history.data().len());
        pass.layer(
            &self.name,
            |_| work as u64,
            |pass| {
                let [first, second] = fixed(&self.halves, &self.weight, || {
                    let (weight, bias) = self.folded()?;
                    Ok([
                        pack(&weight.narrow(1, 0, c_low)?, None, 1, low)?,
                        pack(&weight.narrow(1, c_low, c_history)?, Some(bias), 1, history)?,
                    ])
                })?;
                let kernels = kernels_of(pass)?;
                let part = kernels::conv2d(first, low, Epilogue::NONE, &kernels.threads);
                convolve_fast(second, history, Epilogue::add_up2(&part, true), pass)
            },
        )
    }

    /// `ReLU(up2(BN(conv(low))) + other)`.
    pub fn relu_up2_add(
        &self,
        low: &Features,
        other: &Features,
        pass: &mut Pass,
    ) -> Result<Features> {
        let (Features::Nhwc(low), Features::Nhwc(other)) = (low, other) else {
            let part = self.normalised(&low.to_tensor()?, pass)?;
            let sum = (upsample_nearest2(&part)? + other.to_tensor()?)?;
            return Ok(Features::Tensor(sum.relu()?));
        };
        let work = self.weight.dim(0)? * low.data().len();
        pass.layer(
            &self.name,
            |_| work as u64,
            |pass| {
                let packed = self.packed(low)?;
                let threads = &kernels_of(pass)?.threads;
                let part = kernels::conv2d(packed, low, Epilogue::NONE, threads);
                let sum = kernels::upsample_add(&part, 2, other, true, threads);
                Ok(Features::Nhwc(sum))
            },
        )
    }

    fn run(&self, x: &Features, other: Option<&Features>, pass: &mut Pass) -> Result<Features> {
        let epilogue = match other {
            None => Some(Epilogue::RELU),
            Some(Features::Nhwc(other)) => Some(Epilogue::add(other, true)),
            Some(Features::Tensor(_)) => None,
        };
        if let (Features::Nhwc(x), Some(epilogue)) = (x, epilogue) {
            let macs = macs(&self.weight);
            return pass.layer(&self.name, macs, |pass| {
                convolve_fast(self.packed(x)?, x, epilogue, pass)
            });
        }
        let y = self.normalised(&x.to_tensor()?, pass)?;
        let sum = match other {
            None => y,
            Some(other) => (y + other.to_tensor()?)?,
        };
        Ok(Features::Tensor(sum.relu()?))
    }

    /// Convolution and normalisation with tensors.
    fn normalised(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor> {
        let c_out = self.weight.dim(0)?;
        let work = self.weight.elem_count() / c_out;
        let macs = move |y: &Tensor| (work * y.elem_count()) as u64;
        pass.layer(&self.name, macs, |pass| {
            let is_training = pass.mode == Mode::Train;
            if is_training || self.weight.is_variable() {
                let y = convolve(x, &self.weight, None, self.stride, pass)?;
                self.bn.forward_t(&y, is_training)
            } else {
                let (weight, bias) = self.folded()?;
                convolve(x, weight, Some(bias), self.stride, pass)
            }
        })
    }

    fn packed(&self, x: &Nhwc) -> Result<&PackedConv> {
        fixed(&self.packed, &self.weight, || {
            let (weight, bias) = self.folded()?;
            pack(weight, Some(bias), self.stride, x)
        })
    }

    /// `weight * g / sqrt(var + eps)` and `beta - mean * g / sqrt(var + eps)`.
    fn folded(&self) -> Result<&(Tensor, Tensor)> {
        fixed(&self.folded, &self.weight, || {
            let Some((gamma, beta)) = self.bn.weight_and_bias() else {
                candle_core::bail!("{}: batch norm without scale", self.name)
            };
            let factor = (gamma / (self.bn.running_var() + self.bn.eps())?.sqrt()?)?;
            let weight = self
                .weight
                .broadcast_mul(&factor.reshape(((), 1, 1, 1))?)?
                .contiguous()?;
            let bias = (beta - (self.bn.running_mean() * factor)?)?;
            Ok((weight, bias))
        })
    }
}

/// What `make` makes from fixed weights, made once.
pub(super) fn fixed<'a, T>(
    cell: &'a OnceLock<T>,
    weight: &Tensor,
    make: impl FnOnce() -> Result<T>,
) -> Result<&'a T> {
    if cell.get().is_none() {
        if weight.is_variable() {
            candle_core::bail!("trainable weights cannot be packed; build the model from tensors");
        }
        // A second thread may have been first: both made the same.
        let _ = cell.set(make()?);
    }
    match cell.get() {
        Some(made) => Ok(made),
        None => candle_core::bail!("packing failed"),
    }
}

/// The kernels that a channels-last map came from.
pub(super) fn kernels_of(pass: &Pass) -> Result<&Kernels> {
    match pass.kernels.as_deref() {
        Some(kernels) => Ok(kernels),
        None => candle_core::bail!("a channels-last map in a pass without kernels"),
    }
}

/// All values of a tensor, row-major.
pub(super) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn pack(weight: &Tensor, bias: Option<&Tensor>, stride: usize, x: &Nhwc) -> Result<PackedConv> {
    let (c_out, c_in, kernel, _) = weight.dims4()?;
    let shape = ConvShape::same(c_in, c_out, kernel, stride);
    let bias = bias.map(values).transpose()?;
    let plan = Plan::For(x.h(), x.w());
    Ok(PackedConv::new(
        shape,
        &values(weight)?,
        bias.as_deref(),
        plan,
    ))
}

fn convolve_fast(
    packed: &PackedConv,
    x: &Nhwc,
    epilogue: Epilogue<'_>,
    pass: &Pass,
) -> Result<Features> {
    let threads = &kernels_of(pass)?.threads;
    Ok(Features::Nhwc(kernels::conv2d(
        packed, x, epilogue, threads,
    )))
}

/// `weight` plus the identity: 1 on the middle tap from each channel to itself.
fn with_identity(weight: &Tensor) -> Result<Tensor> {
    let (c_out, c_in, kernel, _) = weight.dims4()?;
    let mut sum = values(weight)?;
    for c in 0..c_out.min(c_in) {
        sum[((c * c_in + c) * kernel + kernel / 2) * kernel + kernel / 2] += 1.0;
    }
    Tensor::from_vec(sum, weight.dims(), weight.device())
}

fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    pass: &Pass,
) -> Result<Tensor> {
    let y = match &pass.kernels {
        Some(kernels) => {
            let kernels = Arc::clone(kernels);
            x.contiguous()?
                .apply_op2(weight, ConvOp { stride, kernels })?
        }
        None => x.conv2d(weight, weight.dim(3)? / 2, stride, 1, 1)?,
    };
    match bias {
        None => Ok(y),
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
    }
}

/// Multiply-accumulates of a convolution with `weight`, told from its result.
fn macs(weight: &Tensor) -> impl FnOnce(&Features) -> u64 + use<> {
    let per_value = weight.elem_count() / weight.dims()[0].max(1);
    move |y| {
        let n_values: usize = y.dims4().map_or(0, |dims| dims.iter().product());
        (per_value * n_values) as u64
    }
}

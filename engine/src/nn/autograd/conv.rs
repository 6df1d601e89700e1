//! Traced convolutions.

use candle_core::{Result, Tensor};

use super::{Grads, NONE, Source, Traced, gradient_of, record, with_values};
use crate::nn::kernels::{
    self, Activation, ConvShape, Epilogue, Nhwc, PackedConv, PackedDepthwise, PackedTransposed,
    Plan, Threads,
};

/// Operations fused into a convolution.
#[derive(Clone, Copy, Default)]
pub(in crate::nn) struct Fused<'a> {
    /// Map of half the output's size (rounded up) that is repeated 2 x 2 and added.
    pub(in crate::nn) low: Option<&'a Traced>,
    /// Whether ReLU is applied.
    pub(in crate::nn) relu: bool,
}

/// Convolves `x` with `weight [C_out, C_in, k, k]`, `bias [C_out]` and zero padding `k / 2`.
pub(in crate::nn) fn convolve(
    x: &Traced,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    fused: Fused<'_>,
) -> Result<Traced> {
    let (c_out, c_in, kernel, _) = weight.dims4()?;
    let shape = ConvShape::same(c_in, c_out, kernel, stride);
    let offsets = bias.map(Tensor::to_vec1::<f32>).transpose()?;
    let map = x.map();
    let packed = with_values(weight, |weight, _| {
        let plan = Plan::For(map.h(), map.w());
        Ok(PackedConv::new(shape, weight, offsets.as_deref(), plan))
    })?;
    let epilogue = match fused.low {
        Some(low) => Epilogue::add_up2(low.map(), fused.relu),
        None if fused.relu => Epilogue::RELU,
        None => Epilogue::NONE,
    };
    let y = kernels::conv2d(&packed, map, epilogue, x.threads());
    let (source, low) = (x.source(), fused.low.map(Traced::source));
    let (relu, has_bias) = (fused.relu, bias.is_some());
    let inputs = [x];
    let both = fused.low.map(|low| [x, low]);
    let inputs = both.as_ref().map_or(&inputs[..], |both| &both[..]);
    record(
        y,
        inputs,
        [Some(weight), bias],
        move |y, mut grad, [weight, bias]| {
            let threads = source.threads();
            if relu {
                kernels::activation_grad(Activation::Relu, &mut grad, y, threads);
            }
            let weight_grad = weight_gradient(shape, source.map(), &grad, weight, threads)?;
            let bias_grad = if has_bias {
                gradient_of(bias, kernels::bias_gradient(&grad, threads))?
            } else {
                None
            };
            if source.learns() {
                with_values(weight, |weight, _| {
                    source.give(|sum| input_gradient(shape, weight, &grad, &source, sum.as_ref()));
                    Ok(())
                })?;
            }
            if let Some(low) = &low {
                low.give(|sum| kernels::upsample_gradient(&grad, 2, sum, threads));
            }
            Ok([weight_grad, bias_grad])
        },
    )
}

fn weight_gradient(
    shape: ConvShape,
    input: &Nhwc,
    grad: &Nhwc,
    weight: &Tensor,
    threads: &Threads,
) -> Result<Option<Tensor>> {
    if !weight.track_op() {
        return Ok(None);
    }
    let mut values = vec![0.0; shape.weights()];
    kernels::conv2d_weight_gradient(shape, input, grad, &mut values, threads);
    gradient_of(weight, values)
}

/// Computes the gradient of a convolution's input, added to `sum`.
fn input_gradient(
    shape: ConvShape,
    weight: &[f32],
    grad: &Nhwc,
    input: &Source,
    sum: Option<&Nhwc>,
) -> Nhwc {
    let epilogue = sum.map_or(Epilogue::NONE, |sum| Epilogue::add(sum, false));
    if shape.stride == 1 {
        let packed = PackedConv::input_gradient(shape, weight, Plan::For(grad.h(), grad.w()));
        kernels::conv2d(&packed, grad, epilogue, input.threads())
    } else {
        let packed = PackedTransposed::new(shape, weight, None);
        let size = (input.map().h(), input.map().w());
        kernels::conv2d_transposed(&packed, grad, size, epilogue, input.threads())
    }
}

/// Computes the transpose of `shape`'s convolution: `weight` is `[shape.cout, shape.cin, k, k]`,
/// the result has `size` and `shape.cin` channels.
pub(in crate::nn) fn convolve_transposed(
    x: &Traced,
    weight: &Tensor,
    shape: ConvShape,
    size: (usize, usize),
) -> Result<Traced> {
    let packed = with_values(weight, |weight, _| {
        Ok(PackedTransposed::new(shape, weight, None))
    })?;
    let y = kernels::conv2d_transposed(&packed, x.map(), size, Epilogue::NONE, x.threads());
    let source = x.source();
    record(
        y,
        &[x],
        [Some(weight), None],
        move |_, grad, [weight, _]| {
            let threads = source.threads();
            // It is the input gradient of a convolution. The roles of input and output gradient are
            // therefore swapped here, and its own input gradient is the convolution itself.
            let weight_grad = weight_gradient(shape, &grad, source.map(), weight, threads)?;
            if source.learns() {
                let packed = with_values(weight, |weight, _| {
                    Ok(PackedConv::new(shape, weight, None, Plan::Direct))
                })?;
                source.give(|sum| {
                    let epilogue = sum
                        .as_ref()
                        .map_or(Epilogue::NONE, |sum| Epilogue::add(sum, false));
                    kernels::conv2d(&packed, &grad, epilogue, threads)
                });
            }
            Ok([weight_grad, None])
        },
    )
}

/// Computes `activation(depthwise(x) + other)` with `weight [C, 1, k, k]` and `bias [C]`.
pub(in crate::nn) fn depthwise(
    x: &Traced,
    other: Option<&Traced>,
    weight: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Traced> {
    let (channels, _, kernel, _) = weight.dims4()?;
    let offsets = bias.map(Tensor::to_vec1::<f32>).transpose()?;
    let packed = with_values(weight, |weight, _| {
        Ok(PackedDepthwise::new(
            channels,
            kernel,
            weight,
            offsets.as_deref(),
        ))
    })?;
    let residual = other.map(Traced::map);
    let y = kernels::depthwise(&packed, x.map(), residual, activation, x.threads());
    let (source, other_source) = (x.source(), other.map(Traced::source));
    let has_bias = bias.is_some();
    let inputs = [x];
    let both = other.map(|other| [x, other]);
    let inputs = both.as_ref().map_or(&inputs[..], |both| &both[..]);
    record(
        y,
        inputs,
        [Some(weight), bias],
        move |y, mut grad, [weight, bias]| -> Result<Grads> {
            let threads = source.threads();
            kernels::activation_grad(activation, &mut grad, y, threads);
            let mut grads = NONE;
            if weight.track_op() {
                let values =
                    kernels::depthwise_weight_gradient(kernel, source.map(), &grad, threads);
                grads[0] = gradient_of(weight, values)?;
            }
            if has_bias {
                grads[1] = gradient_of(bias, kernels::bias_gradient(&grad, threads))?;
            }
            if source.learns() {
                let turned = with_values(weight, |weight, _| {
                    let taps = weight.chunks_exact(kernel * kernel);
                    let turned: Vec<f32> =
                        taps.flat_map(|taps| taps.iter().rev().copied()).collect();
                    Ok(PackedDepthwise::new(channels, kernel, &turned, None))
                })?;
                source.give(|sum| {
                    kernels::depthwise(&turned, &grad, sum.as_ref(), Activation::None, threads)
                });
            }
            if let Some(other) = &other_source {
                other.give_all(grad);
            }
            Ok(grads)
        },
    )
}

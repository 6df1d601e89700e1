//! Traced normalisation layers.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::{Traced, gradient_of, record};
use crate::nn::kernels::{self, Activation};

/// Statistics used to normalise a batch.
pub(in crate::nn) struct Norm {
    /// Mean per channel.
    pub(in crate::nn) mean: Vec<f32>,
    /// `1 / sqrt(var + eps)` per channel.
    pub(in crate::nn) inverse: Vec<f32>,
    /// Whether they are the batch's own, so that gradients flow through them.
    pub(in crate::nn) of_batch: bool,
}

/// Computes `weight (x - mean) / sqrt(var + eps) + bias`, plus `other`, followed by ReLU if `relu`
/// is set.
pub(in crate::nn) fn normalise(
    x: &Traced,
    [weight, bias]: [&Tensor; 2],
    norm: Norm,
    other: Option<&Traced>,
    relu: bool,
) -> Result<Traced> {
    let mut factor = weight.to_vec1::<f32>()?;
    let mut shift = bias.to_vec1::<f32>()?;
    for (i, (factor, shift)) in factor.iter_mut().zip(&mut shift).enumerate() {
        *factor *= norm.inverse[i];
        *shift -= norm.mean[i] * *factor;
    }
    let activation = if relu {
        Activation::Relu
    } else {
        Activation::None
    };
    let residual = other.map(Traced::map);
    let y = kernels::affine(x.map(), &factor, &shift, residual, activation, x.threads());
    let (source, other_source) = (x.source(), other.map(Traced::source));
    let inputs = [x];
    let both = other.map(|other| [x, other]);
    let inputs = both.as_ref().map_or(&inputs[..], |both| &both[..]);
    record(
        y,
        inputs,
        [Some(weight), Some(bias)],
        move |y, mut grad, [weight, bias]| {
            let threads = source.threads();
            let x = source.map();
            let rectified = relu.then_some(y);
            let [sums, products] = kernels::norm_sums(&mut grad, x, &norm.mean, rectified, threads);
            if let Some(other) = &other_source {
                other.give_copy(&grad);
            }
            if source.learns() {
                let n = (x.data().len() / x.c().max(1)) as f64;
                let share = if norm.of_batch { 1.0 / n } else { 0.0 };
                let shift: Vec<f32> = sums.iter().map(|s| (s * share) as f32).collect();
                let slope: Vec<f32> = (0..factor.len())
                    .map(|i| {
                        let inverse = f64::from(norm.inverse[i]);
                        (f64::from(factor[i]) * products[i] * share * inverse * inverse) as f32
                    })
                    .collect();
                kernels::norm_gradient(
                    &mut grad,
                    x,
                    [&factor, &shift, &slope, &norm.mean],
                    threads,
                );
                source.give_all(grad);
            }
            let products = products.iter().zip(&norm.inverse);
            let weight_grad = products.map(|(p, inverse)| (p * f64::from(*inverse)) as f32);
            Ok([
                gradient_of(weight, weight_grad.collect())?,
                gradient_of(bias, sums.iter().map(|&s| s as f32).collect())?,
            ])
        },
    )
}

/// Computes `weight (token - mean) / sqrt(variance + eps) + bias` for every pixel.
pub(in crate::nn) fn layer_norm(
    x: &Traced,
    [weight, bias]: [&Tensor; 2],
    eps: f32,
) -> Result<Traced> {
    let factor: Arc<[f32]> = weight.to_vec1::<f32>()?.into();
    let mut y = kernels::copy(x.map(), x.threads());
    kernels::layer_norm(&mut y, &factor, &bias.to_vec1::<f32>()?, eps, x.threads());
    let source = x.source();
    record(
        y,
        &[x],
        [Some(weight), Some(bias)],
        move |_, mut grad, [weight, bias]| {
            let threads = source.threads();
            let [weight_grad, bias_grad] =
                kernels::layer_norm_gradient(&mut grad, source.map(), &factor, eps, threads);
            source.give_all(grad);
            Ok([
                gradient_of(weight, weight_grad)?,
                gradient_of(bias, bias_grad)?,
            ])
        },
    )
}

//! Traced pooling and upsampling.

use candle_core::Result;

use super::{NONE, Traced, record};
use crate::nn::kernels::{self, Activation};

/// Returns the maximum of each window of `kernel` pixels, with the given stride and padding.
pub(in crate::nn) fn max_pool(
    x: &Traced,
    (kernel, stride, pad): (usize, usize, usize),
) -> Result<Traced> {
    let y = kernels::max_pool(x.map(), kernel, stride, pad, x.threads());
    let source = x.source();
    record(y, &[x], [None, None], move |y, grad, _| {
        let (x, threads) = (source.map(), source.threads());
        let window = (kernel, stride, pad);
        source.give(|sum| kernels::max_pool_gradient(&grad, x, y, window, sum, threads));
        Ok(NONE)
    })
}

/// Repeats every pixel `factor` x `factor` times.
pub(in crate::nn) fn upsample_nearest(x: &Traced, factor: usize) -> Result<Traced> {
    let y = kernels::upsample_nearest(x.map(), factor);
    let source = x.source();
    record(y, &[x], [None, None], move |_, grad, _| {
        source.give(|sum| kernels::upsample_gradient(&grad, factor, sum, source.threads()));
        Ok(NONE)
    })
}

/// Computes `low` repeated `factor` x `factor` plus `other`, followed by ReLU if `relu` is set.
pub(in crate::nn) fn upsample_add(
    low: &Traced,
    factor: usize,
    other: &Traced,
    relu: bool,
) -> Result<Traced> {
    let y = kernels::upsample_add(low.map(), factor, other.map(), relu, low.threads());
    let sources = [low.source(), other.source()];
    record(y, &[low, other], [None, None], move |y, mut grad, _| {
        let [low, other] = &sources;
        if relu {
            kernels::activation_grad(Activation::Relu, &mut grad, y, low.threads());
        }
        low.give(|sum| kernels::upsample_gradient(&grad, factor, sum, low.threads()));
        other.give_all(grad);
        Ok(NONE)
    })
}

/// Doubles the size with bilinear interpolation.
pub(in crate::nn) fn upsample_bilinear2(x: &Traced, align_corners: bool) -> Result<Traced> {
    let y = kernels::upsample_bilinear2(x.map(), align_corners, x.threads());
    let source = x.source();
    record(y, &[x], [None, None], move |_, grad, _| {
        let threads = source.threads();
        source.give(|sum| kernels::upsample_bilinear2_gradient(&grad, align_corners, sum, threads));
        Ok(NONE)
    })
}

//! Upsampling with correct gradients: [`upsample_nearest`] and [`upsample_bilinear2`].
//!
//! The backward pass of candle's `upsample_nearest2d` overwrites gradients already added by other
//! consumers of the same tensor, and `upsample_bilinear2d` has no backward pass. Here, nearest is
//! written with reshapes, and bilinear as two products with a matrix of weights.

use candle_core::{Result, Tensor};

use super::features::{recorded, traced};
use super::graph::Op;
use super::{Features, autograd};

/// Repeats every pixel `factor` x `factor` times: `out[y][x] = in[y / factor][x / factor]`.
pub fn upsample_nearest(x: &Features, factor: usize) -> Result<Features> {
    match x {
        Features::Tensor(x) => Ok(Features::Tensor(repeat_tensor(x, factor)?)),
        Features::Recorded(x) => {
            let op = Op::Upsample { factor };
            x.push("", op, &[]).map(Features::Recorded)
        }
        Features::Traced(x) => autograd::upsample_nearest(x, factor).map(Features::Traced),
    }
}

/// Upsamples `low` by `factor` (nearest) and adds `other`, followed by ReLU if `relu` is set.
///
/// `low` has `other`'s size divided by `factor` and rounded up; the result has `other`'s size.
pub fn upsample_nearest_add(
    low: &Features,
    factor: usize,
    other: &Features,
    relu: bool,
) -> Result<Features> {
    if let Some([low, other]) = recorded([low, other])? {
        let op = Op::Add { factor, relu };
        return low.push("", op, &[&other]).map(Features::Recorded);
    }
    if let Some([low, other]) = traced([low, other])? {
        return autograd::upsample_add(&low, factor, &other, relu).map(Features::Traced);
    }
    let other = other.to_tensor()?;
    let sum = (repeat_to(&low.to_tensor()?, factor, &other)? + other)?;
    Ok(Features::Tensor(if relu { sum.relu()? } else { sum }))
}

/// Doubles the size with bilinear interpolation. `align_corners` aligns the centres of the corner
/// pixels, otherwise their outer edges are aligned, as in PyTorch.
pub fn upsample_bilinear2(x: &Features, align_corners: bool) -> Result<Features> {
    match x {
        Features::Tensor(x) => {
            let (_, _, h, w) = x.dims4()?;
            let y = resize_bilinear(x, (2 * h, 2 * w), align_corners)?;
            Ok(Features::Tensor(y))
        }
        Features::Recorded(x) => {
            let op = Op::Bilinear { align_corners };
            x.push("", op, &[]).map(Features::Recorded)
        }
        Features::Traced(x) => autograd::upsample_bilinear2(x, align_corners).map(Features::Traced),
    }
}

/// Resizes `[N, C, H, W]` to `[N, C, height, width]`, bilinearly between pixel centres (without
/// averaging when it shrinks). `align_corners` is as in [`upsample_bilinear2`].
pub fn resize_bilinear(
    x: &Tensor,
    (height, width): (usize, usize),
    align_corners: bool,
) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let weights = |from: usize, to: usize| {
        let matrix = bilinear_weights(from, to, align_corners);
        Tensor::from_vec(matrix, (from, to), x.device())?.to_dtype(x.dtype())
    };
    let across = x.reshape((n * c * h, w))?.matmul(&weights(w, width)?)?;
    across
        .reshape((n * c, h, width))?
        .transpose(1, 2)?
        .reshape((n * c * width, h))?
        .matmul(&weights(h, height)?)?
        .reshape((n * c, width, height))?
        .transpose(1, 2)?
        .reshape((n, c, height, width))
}

/// Returns a `[from, to]` matrix with the weight of each input pixel in each output pixel along one
/// axis.
fn bilinear_weights(from: usize, to: usize, align_corners: bool) -> Vec<f32> {
    let last = from.saturating_sub(1);
    let mut weights = vec![0.0; from * to];
    for i in 0..to.min(weights.len()) {
        let at = if align_corners {
            i as f64 * last as f64 / to.saturating_sub(1).max(1) as f64
        } else {
            ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
        };
        let low = (at as usize).min(last);
        let second = (at - low as f64) as f32;
        weights[low * to + i] += 1.0 - second;
        weights[(low + 1).min(last) * to + i] += second;
    }
    weights
}

/// [`upsample_nearest`] on a `[N, C, H, W]` tensor.
pub(super) fn repeat_tensor(x: &Tensor, factor: usize) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    x.reshape((n, c, h, 1, w, 1))?
        .broadcast_as((n, c, h, factor, w, factor))?
        .reshape((n, c, factor * h, factor * w))
}

/// [`repeat_tensor`], cropped to the size of `other` if that is not a multiple of `factor`.
pub(super) fn repeat_to(x: &Tensor, factor: usize, other: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = other.dims4()?;
    repeat_tensor(x, factor)?.narrow(2, 0, h)?.narrow(3, 0, w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use candle_core::Device;
    use proptest::prelude::*;

    /// Fails when a gradient of nearest upsampling is lost, overwritten or goes to a wrong pixel.
    #[test]
    fn nearest_has_the_right_gradient() {
        for factor in [2, 4, 8] {
            gradcheck(&[&[2, 3, 2, 3]], |_, x, _| upsample_nearest(&x[0], factor));
        }
        for shape in [[1, 2, 5, 6], [2, 1, 6, 5]] {
            gradcheck(&[&[shape[0], shape[1], 3, 3], &shape], |_, x, _| {
                upsample_nearest_add(&x[0], 2, &x[1], true)
            });
        }
    }

    /// Fails when a gradient of bilinear upsampling is lost or weighted wrongly.
    #[test]
    fn bilinear_has_the_right_gradient() {
        for align_corners in [true, false] {
            for shape in [[2, 2, 3, 4], [1, 1, 1, 5]] {
                gradcheck(&[&shape], |_, x, _| {
                    upsample_bilinear2(&x[0], align_corners)
                });
            }
        }
    }

    /// Fails when a gradient of the upsampling kernels differs from candle's.
    #[test]
    fn kernel_gradients_match_candle() {
        for shape in [[2, 3, 4, 5], [1, 17, 1, 6], [3, 1, 7, 1]] {
            for align_corners in [true, false] {
                learn_alike(&[&shape], |_, x, _| {
                    upsample_bilinear2(&x[0], align_corners)
                });
            }
            for factor in [1, 2, 3, 8] {
                learn_alike(&[&shape], |_, x, _| upsample_nearest(&x[0], factor));
                let [n, c, h, w] = shape;
                let low = [n, c, h.div_ceil(factor), w.div_ceil(factor)];
                for relu in [true, false] {
                    learn_alike(&[&low, &shape], |_, x, _| {
                        upsample_nearest_add(&x[0], factor, &x[1], relu)
                    });
                }
            }
        }
    }

    /// Fails when bilinear resizing differs from PyTorch's `interpolate` (expected values from its
    /// documentation of both conventions).
    #[test]
    fn bilinear_follows_both_conventions() {
        let x = Tensor::new(&[[[[1f32, 2.], [3., 4.]]]], &Device::Cpu).unwrap();
        let rows = |align_corners| {
            let y = resize_bilinear(&x, (4, 4), align_corners).unwrap();
            y.reshape((4, 4)).unwrap().to_vec2::<f32>().unwrap()
        };
        assert_eq!(rows(false)[0], [1., 1.25, 1.75, 2.]);
        assert_eq!(rows(false)[1], [1.5, 1.75, 2.25, 2.5]);
        for (got, want) in rows(true)[1].iter().zip([1.6667, 2., 2.3333, 2.6667]) {
            assert!((got - want).abs() < 1e-4, "{got} is not {want}");
        }
        let wide = resize_bilinear(&x, (1, 3), true).unwrap();
        assert_eq!(
            wide.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            [1., 1.5, 2.]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the upsampling kernels differ from the tensor implementation.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..20usize, h in 1..7usize, w in 1..7usize, factor in 1..9usize) {
            let shape = [n, c, h, w];
            agree(&[&shape], |_, x, _| upsample_nearest(&x[0], factor));
            for align_corners in [true, false] {
                agree(&[&shape], |_, x, _| upsample_bilinear2(&x[0], align_corners));
            }
            let low = [n, c, h.div_ceil(factor), w.div_ceil(factor)];
            agree(&[&low, &shape], |_, x, _| {
                upsample_nearest_add(&x[0], factor, &x[1], w % 2 == 0)
            });
        }
    }
}

//! Element-wise combinations of feature maps.

use candle_core::{Result, Tensor};

use super::common::{kernels_of, to_vec};
use super::features::traced;
use super::{Features, Pass, autograd, kernels};

/// Computes `a + b` of equal shapes, followed by ReLU if `relu` is set.
pub fn add(a: &Features, b: &Features, relu: bool, pass: &Pass) -> Result<Features> {
    if let Some([a, b]) = traced([a, b])? {
        return autograd::add(&a, &b, relu).map(Features::Traced);
    }
    if let (Features::Nhwc(a), Features::Nhwc(b)) = (a, b) {
        let sum = kernels::add(a, b, relu, &kernels_of(pass)?.threads);
        return Ok(Features::Nhwc(sum));
    }
    let sum = (a.to_tensor()? + b.to_tensor()?)?;
    Ok(Features::Tensor(if relu { sum.relu()? } else { sum }))
}

/// Computes `x * map`, where `map` has `x`'s height and width, and either one channel, which gates
/// all channels of `x`, or as many channels as `x`.
pub fn multiply(x: Features, map: &Features, pass: &Pass) -> Result<Features> {
    if let Some([x, map]) = traced([&x, map])? {
        return autograd::multiply(&x, &map).map(Features::Traced);
    }
    match (x, map) {
        (Features::Nhwc(mut x), Features::Nhwc(map)) => {
            if map.c() == 1 {
                kernels::scale_pixels(x.view_mut(), map, &kernels_of(pass)?.threads);
            } else if map.dims() == x.dims() {
                for (x, factor) in x.data_mut().iter_mut().zip(map.data()) {
                    *x *= factor;
                }
            } else {
                candle_core::bail!("{:?} cannot be multiplied by {:?}", x.dims(), map.dims());
            }
            Ok(Features::Nhwc(x))
        }
        (x, map) => {
            let product = x.to_tensor()?.broadcast_mul(&map.to_tensor()?)?;
            Ok(Features::Tensor(product))
        }
    }
}

/// Computes `x + bias` with one value per channel, `[C]`.
pub fn add_bias(x: Features, bias: &Tensor) -> Result<Features> {
    let channels = x.dims4()?[1];
    if bias.dims() != [channels] {
        candle_core::bail!("biases {:?} for {channels} channels", bias.dims());
    }
    match x {
        Features::Nhwc(mut x) => {
            kernels::add_bias(&mut x, &to_vec(bias)?);
            Ok(Features::Nhwc(x))
        }
        Features::Traced(x) => autograd::add_bias(&x, bias).map(Features::Traced),
        Features::Tensor(x) => {
            let sum = x.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
            Ok(Features::Tensor(sum))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, copy, gradcheck, learn_alike};
    use candle_nn::{Init, VarBuilder};
    use proptest::prelude::*;

    fn biased(vb: &VarBuilder<'_>, x: &Features) -> Result<Features> {
        let bias = vb.get_with_hints(x.dims4()?[1], "bias", Init::Const(0.0))?;
        add_bias(copy(x), &bias)
    }

    /// Fails when the gradient of a factor or summand is lost.
    #[test]
    fn have_the_right_gradient() {
        let shape = [2, 3, 3, 5];
        gradcheck(&[&shape, &shape], |_, x, pass| {
            add(&x[0], &x[1], true, pass)
        });
        gradcheck(&[&shape], |vb, x, _| biased(vb, &x[0]));
        for channels in [1, 3] {
            gradcheck(&[&shape, &[2, channels, 3, 5]], |_, x, pass| {
                multiply(copy(&x[0]), &x[1], pass)
            });
        }
    }

    /// Fails when a gradient of the sum or product kernels differs from candle's, or a map that is
    /// both operands loses one of its two gradients.
    #[test]
    fn kernel_gradients_match_candle() {
        for shape in [[2, 3, 3, 5], [1, 33, 2, 7], [3, 1, 20, 1]] {
            for relu in [true, false] {
                learn_alike(&[&shape, &shape], |_, x, pass| {
                    add(&x[0], &x[1], relu, pass)
                });
                learn_alike(&[&shape], |_, x, pass| add(&x[0], &x[0], relu, pass));
            }
            for channels in [1, shape[1]] {
                let map = [shape[0], channels, shape[2], shape[3]];
                learn_alike(&[&shape, &map], |_, x, pass| {
                    multiply(copy(&x[0]), &x[1], pass)
                });
            }
            learn_alike(&[&shape], |_, x, pass| multiply(copy(&x[0]), &x[0], pass));
            learn_alike(&[&shape], |vb, x, _| biased(vb, &x[0]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the sum and product kernels differ from the tensor implementation.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..20usize, h in 1..7usize, w in 1..7usize) {
            let shape = [n, c, h, w];
            agree(&[&shape, &shape], |_, x, pass| add(&x[0], &x[1], h % 2 == 0, pass));
            agree(&[&shape], |vb, x, _| biased(vb, &x[0]));
            for channels in [1, c] {
                agree(&[&shape, &[n, channels, h, w]], |_, x, pass| {
                    multiply(copy(&x[0]), &x[1], pass)
                });
            }
        }
    }
}

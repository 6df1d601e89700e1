//! Element-wise combinations of feature maps.

use candle_core::{Result, Tensor};

use super::features::{recorded, traced};
use super::graph::Op;
use super::{Features, autograd};

/// Computes `a + b` of equal shapes, followed by ReLU if `relu` is set.
pub fn add(a: &Features, b: &Features, relu: bool) -> Result<Features> {
    if let Some([a, b]) = recorded([a, b])? {
        let op = Op::Add { factor: 1, relu };
        return a.push("", op, &[&b]).map(Features::Recorded);
    }
    if let Some([a, b]) = traced([a, b])? {
        return autograd::add(&a, &b, relu).map(Features::Traced);
    }
    let sum = (a.to_tensor()? + b.to_tensor()?)?;
    Ok(Features::Tensor(if relu { sum.relu()? } else { sum }))
}

/// Computes `x * map`, where `map` has `x`'s height and width, and either one channel, which gates
/// all channels of `x`, or as many channels as `x`.
pub fn multiply(x: &Features, map: &Features) -> Result<Features> {
    if let Some([x, map]) = recorded([x, map])? {
        return x.push("", Op::Mul, &[&map]).map(Features::Recorded);
    }
    if let Some([x, map]) = traced([x, map])? {
        return autograd::multiply(&x, &map).map(Features::Traced);
    }
    let product = x.to_tensor()?.broadcast_mul(&map.to_tensor()?)?;
    Ok(Features::Tensor(product))
}

/// Computes `x + bias` with one value per channel, `[C]`; `name` is that of the layer.
pub fn add_bias(x: &Features, name: &str, bias: &Tensor) -> Result<Features> {
    let channels = x.dims4()?[1];
    if bias.dims() != [channels] {
        candle_core::bail!("biases {:?} for {channels} channels", bias.dims());
    }
    match x {
        Features::Recorded(x) => {
            let op = Op::Affine {
                factor: x.weight((name, "ones"), &bias.ones_like()?)?,
                shift: x.weight((name, "bias"), bias)?,
                relu: false,
            };
            x.push(name, op, &[]).map(Features::Recorded)
        }
        Features::Traced(x) => autograd::add_bias(x, bias).map(Features::Traced),
        Features::Tensor(x) => {
            let sum = x.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
            Ok(Features::Tensor(sum))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use candle_nn::{Init, VarBuilder};
    use proptest::prelude::*;

    fn biased(vb: &VarBuilder<'_>, x: &Features) -> Result<Features> {
        let bias = vb.get_with_hints(x.dims4()?[1], "bias", Init::Const(0.0))?;
        add_bias(x, "layer", &bias)
    }

    /// Fails when the gradient of a factor or summand is lost.
    #[test]
    fn have_the_right_gradient() {
        let shape = [2, 3, 3, 5];
        gradcheck(&[&shape, &shape], |_, x, _| add(&x[0], &x[1], true));
        gradcheck(&[&shape], |vb, x, _| biased(vb, &x[0]));
        for channels in [1, 3] {
            gradcheck(&[&shape, &[2, channels, 3, 5]], |_, x, _| {
                multiply(&x[0], &x[1])
            });
        }
    }

    /// Fails when a gradient of the sum or product kernels differs from candle's, or a map that is
    /// both operands loses one of its two gradients.
    #[test]
    fn kernel_gradients_match_candle() {
        for shape in [[2, 3, 3, 5], [1, 33, 2, 7], [3, 1, 20, 1]] {
            for relu in [true, false] {
                learn_alike(&[&shape, &shape], |_, x, _| add(&x[0], &x[1], relu));
                learn_alike(&[&shape], |_, x, _| add(&x[0], &x[0], relu));
            }
            for channels in [1, shape[1]] {
                let map = [shape[0], channels, shape[2], shape[3]];
                learn_alike(&[&shape, &map], |_, x, _| multiply(&x[0], &x[1]));
            }
            learn_alike(&[&shape], |_, x, _| multiply(&x[0], &x[0]));
            learn_alike(&[&shape], |vb, x, _| biased(vb, &x[0]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the sum and product kernels differ from the tensor implementation.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..20usize, h in 1..7usize, w in 1..7usize) {
            let shape = [n, c, h, w];
            agree(&[&shape, &shape], |_, x, _| add(&x[0], &x[1], h % 2 == 0));
            agree(&[&shape], |vb, x, _| biased(vb, &x[0]));
            for channels in [1, c] {
                agree(&[&shape, &[n, channels, h, w]], |_, x, _| {
                    multiply(&x[0], &x[1])
                });
            }
        }
    }
}

//! Concatenation and parts of feature maps.

use candle_core::{Result, Tensor};

use super::features::{recorded, traced};
use super::graph::{Op, Recorded};
use super::{Features, autograd};

/// Concatenates the channels of `maps`, which must have the same height and width.
/// # Errors
/// When the sizes differ, or there is no map.
pub fn concat<const N: usize>(maps: [&Features; N]) -> Result<Features> {
    let mut sizes = Vec::with_capacity(N);
    for map in maps {
        let [n, _, h, w] = map.dims4()?;
        sizes.push([n, h, w]);
    }
    if sizes.iter().any(|size| *size != sizes[0]) || sizes.is_empty() {
        candle_core::bail!("cannot concatenate maps of sizes {sizes:?} [N, H, W]");
    }
    if let Some(maps) = recorded(maps)? {
        let others: Vec<&Recorded> = maps[1..].iter().collect();
        return maps[0]
            .push("", Op::Concat, &others)
            .map(Features::Recorded);
    }
    if let Some(maps) = traced(maps)? {
        return autograd::concat(&maps.each_ref()).map(Features::Traced);
    }
    let maps: Vec<_> = maps.iter().map(|m| m.to_tensor()).collect::<Result<_>>()?;
    Ok(Features::Tensor(Tensor::cat(&maps, 1)?))
}

/// Returns channels `from..from + channels` of `x`. With kernels in training the result is a tensor:
/// only outputs are sliced.
///
/// # Errors
/// When `x` has fewer channels.
pub fn slice(x: &Features, from: usize, channels: usize) -> Result<Features> {
    if let Features::Recorded(x) = x {
        let op = Op::Slice { from, channels };
        return x.push("", op, &[]).map(Features::Recorded);
    }
    Ok(Features::Tensor(x.to_tensor()?.narrow(1, from, channels)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use crate::nn::graph::{Recorder, Shape};
    use crate::nn::{Conv2d, Kernels, Pass};
    use candle_core::{DType, Device};
    use proptest::prelude::*;

    /// Fails when a map gets the gradient of another map's channels, or none.
    #[test]
    fn has_the_right_gradient() {
        gradcheck(&[&[2, 3, 2, 3], &[2, 1, 2, 3], &[2, 5, 2, 3]], |_, x, _| {
            concat([&x[0], &x[1], &x[2]])
        });
    }

    /// Fails when a kernel gradient differs from candle's, or a map that is used twice, or also
    /// elsewhere, loses one of its gradients.
    #[test]
    fn kernel_gradients_match_candle() {
        for [n, h, w] in [[2, 3, 5], [1, 1, 7], [3, 4, 1]] {
            let [a, b, c] = [3, 17, 1].map(|c| [n, c, h, w]);
            learn_alike(&[&a, &b, &c], |_, x, _| concat([&x[0], &x[1], &x[2]]));
            learn_alike(&[&a], |_, x, _| concat([&x[0], &x[0]]));
            learn_alike(&[&a, &b], |vb, x, _| {
                let y = Conv2d::new(vb, (3, 4), 3, 1, true)?.relu(&x[0])?;
                concat([&x[1], &y, &x[0]])
            });
        }
    }

    /// Fails when maps of different sizes are accepted by any of the implementations.
    #[test]
    fn sizes_that_differ_are_refused() {
        let shapes = [[1, 2, 4, 4], [1, 2, 4, 2]];
        let refused = |[a, b]: [Features; 2]| {
            let error = concat([&a, &b]).err().unwrap().to_string();
            assert!(error.contains("[1, 4, 2]"), "{error}");
        };
        for kernels in [None, Some(Kernels::new(1).unwrap())] {
            let pass = Pass {
                kernels,
                ..Pass::eval()
            };
            refused(shapes.map(|shape| {
                let x = Tensor::zeros(&shape, DType::F32, &Device::Cpu).unwrap();
                pass.enter(&x).unwrap()
            }));
        }
        let recorder = Recorder::new();
        refused(shapes.map(|[_, c, h, w]| Features::Recorded(recorder.input(Shape { h, w, c }))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the kernels order channels differently from tensors.
        #[test]
        fn kernels_agree(
            n in 1..3usize, c in (1..20usize, 1..20usize, 1..20usize), h in 1..9usize, w in 1..9usize,
        ) {
            let [a, b, c] = [c.0, c.1, c.2].map(|c| [n, c, h, w]);
            agree(&[&a, &b, &c], |_, x, _| concat([&x[0], &x[1], &x[2]]));
            agree(&[&a], |_, x, _| slice(&x[0], a[1] / 3, a[1].div_ceil(2)));
        }
    }
}

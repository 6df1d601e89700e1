//! Concatenation of feature maps.

use candle_core::{Result, Tensor};

use super::common::kernels_of;
use super::features::traced;
use super::kernels::Nhwc;
use super::{Features, Pass, autograd, kernels};

/// Concatenates the channels of `maps`, which must have the same height and width.
/// # Errors
/// When the sizes differ, or there is no map.
pub fn concat<const N: usize>(maps: [&Features; N], pass: &Pass) -> Result<Features> {
    let mut sizes = Vec::with_capacity(N);
    for map in maps {
        let [n, _, h, w] = map.dims4()?;
        sizes.push([n, h, w]);
    }
    if sizes.iter().any(|size| *size != sizes[0]) || sizes.is_empty() {
        candle_core::bail!("cannot concatenate maps of sizes {sizes:?} [N, H, W]");
    }
    if let Some(maps) = traced(maps)? {
        return autograd::concat(&maps.each_ref()).map(Features::Traced);
    }
    let fast: Vec<&Nhwc> = maps
        .iter()
        .filter_map(|map| match map {
            Features::Nhwc(map) => Some(map),
            _ => None,
        })
        .collect();
    if fast.len() == N {
        let all = kernels::concat(&fast, &kernels_of(pass)?.threads);
        return Ok(Features::Nhwc(all));
    }
    let maps: Vec<_> = maps.iter().map(|m| m.to_tensor()).collect::<Result<_>>()?;
    Ok(Features::Tensor(Tensor::cat(&maps, 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Conv2d;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use proptest::prelude::*;

    /// Fails when a map gets the gradient of another map's channels, or none.
    #[test]
    fn has_the_right_gradient() {
        gradcheck(
            &[&[2, 3, 2, 3], &[2, 1, 2, 3], &[2, 5, 2, 3]],
            |_, x, pass| concat([&x[0], &x[1], &x[2]], pass),
        );
    }

    /// Fails when a kernel gradient differs from candle's, or a map that is used twice, or also
    /// elsewhere, loses one of its gradients.
    #[test]
    fn kernel_gradients_match_candle() {
        for [n, h, w] in [[2, 3, 5], [1, 1, 7], [3, 4, 1]] {
            let [a, b, c] = [3, 17, 1].map(|c| [n, c, h, w]);
            learn_alike(&[&a, &b, &c], |_, x, pass| {
                concat([&x[0], &x[1], &x[2]], pass)
            });
            learn_alike(&[&a], |_, x, pass| concat([&x[0], &x[0]], pass));
            learn_alike(&[&a, &b], |vb, x, pass| {
                let y = Conv2d::new(vb, (3, 4), 3, 1, true)?.relu(&x[0], pass)?;
                concat([&x[1], &y, &x[0]], pass)
            });
        }
    }

    /// Fails when maps of different sizes are accepted by any of the implementations.
    #[test]
    fn sizes_that_differ_are_refused() {
        let maps = [[1, 2, 4, 4], [1, 2, 4, 2]].map(|shape| {
            let x = Tensor::zeros(&shape, candle_core::DType::F32, &candle_core::Device::Cpu);
            x.unwrap()
        });
        for kernels in [None, Some(crate::nn::Kernels::new(1).unwrap())] {
            for mode in [crate::nn::Mode::Eval, crate::nn::Mode::Train] {
                let pass = Pass {
                    kernels: kernels.clone(),
                    mode,
                    ..Pass::eval()
                };
                let [a, b] = maps.each_ref().map(|x| Features::enter(x, &pass).unwrap());
                let error = concat([&a, &b], &pass).err().unwrap().to_string();
                assert!(error.contains("[1, 4, 2]"), "{error}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the kernels order channels differently from tensors.
        #[test]
        fn kernels_agree(
            n in 1..3usize, c in (1..20usize, 1..20usize, 1..20usize), h in 1..9usize, w in 1..9usize,
        ) {
            let [a, b, c] = [c.0, c.1, c.2].map(|c| [n, c, h, w]);
            agree(&[&a, &b, &c], |_, x, pass| concat([&x[0], &x[1], &x[2]], pass));
        }
    }
}

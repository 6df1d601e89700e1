//! [`dropout`]: random zeroing of activations during training.

use candle_core::{Result, Tensor};

use super::kernels::Dropout;
use super::{Features, Mode, Pass, autograd};

/// Draws the next layer's dropout with probability `p`. Returns `None` outside training, without a
/// generator, or if `p` is 0.
///
/// # Errors
/// When `p` is not in 0..1.
pub(super) fn drawn(p: f32, pass: &mut Pass) -> Result<Option<Dropout>> {
    if !(0.0..1.0).contains(&p) {
        candle_core::bail!("a dropout of {p} is not in 0..1");
    }
    match &mut pass.random {
        Some(random) if pass.mode == Mode::Train && p > 0.0 => {
            Ok(Some(Dropout::new(random.draw(), p)))
        }
        _ => Ok(None),
    }
}

/// Zeroes every value of `x` with probability `p` and multiplies the others by `1 / (1 - p)`, which
/// preserves the expectation (Srivastava et al., 2014, in the inverted form).
///
/// Returns `x` unchanged outside training and without a generator ([`Pass::random`]).
///
/// # Errors
/// When `p` is not in 0..1.
pub fn dropout(x: Features, p: f32, pass: &mut Pass) -> Result<Features> {
    let Some(dropout) = drawn(p, pass)? else {
        return Ok(x);
    };
    match x {
        Features::Tensor(x) => {
            let (n, c, h, w) = x.dims4()?;
            // Values are numbered channels-last, as in the kernels.
            let factors = factors(dropout, &[n, h, w, c], &x)?.permute((0, 3, 1, 2))?;
            Ok(Features::Tensor(x.mul(&factors)?))
        }
        Features::Traced(x) => autograd::apply_dropout(&x, dropout).map(Features::Traced),
        Features::Recorded(_) => candle_core::bail!("a recorded map in a training pass"),
    }
}

/// Returns the factors of values numbered in the order of `dims`, with `like`'s type and device.
pub(super) fn factors(dropout: Dropout, dims: &[usize], like: &Tensor) -> Result<Tensor> {
    let count: usize = dims.iter().product();
    let factors: Vec<f32> = (0..count as u64).map(|i| dropout.factor(i)).collect();
    Tensor::from_vec(factors, dims, like.device())?.to_dtype(like.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Kernels;
    use crate::nn::Random;
    use crate::nn::gradcheck::{gradcheck, learn_alike};
    use candle_core::Device;

    fn ones() -> Tensor {
        Tensor::ones((4, 8, 16, 16), candle_core::DType::F32, &Device::Cpu).unwrap()
    }

    fn run(x: &Tensor, p: f32, pass: &mut Pass) -> Vec<f32> {
        let x = pass.enter(x).unwrap();
        let y = dropout(x, p, pass).unwrap().to_tensor().unwrap();
        y.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn pass(random: Option<Random>, threads: Option<usize>) -> Pass {
        Pass {
            mode: Mode::Train,
            kernels: threads.map(|n| Kernels::new(n).unwrap()),
            random,
            ..Pass::default()
        }
    }

    /// Fails when gradients flow through dropped values, or are not scaled like the kept values.
    #[test]
    fn has_the_right_gradient() {
        for shape in [[2, 3, 4, 5], [1, 1, 7, 1]] {
            gradcheck(&[&shape], |_, x, pass| dropout(x[0].clone(), 0.3, pass));
            learn_alike(&[&shape], |_, x, pass| dropout(x[0].clone(), 0.3, pass));
        }
    }

    /// Fails when the fraction of dropped values is not `p`, the expectation changes, two layers or
    /// seeds drop the same values, or the result depends on the number of threads or the kernels.
    #[test]
    fn masks_depend_only_on_the_random_state() {
        let x = ones();
        for p in [0.1_f32, 0.5, 0.9] {
            let mut reference = pass(Some(Random::new(7)), None);
            let (first, second) = (run(&x, p, &mut reference), run(&x, p, &mut reference));
            assert_eq!(reference.random.unwrap().drawn, 2);
            assert_ne!(first, second);
            let dropped = first.iter().filter(|&&v| v == 0.0).count() as f32 / first.len() as f32;
            assert!((dropped - p).abs() < 0.02, "{dropped} of {p}");
            let kept = first.iter().find(|&&v| v != 0.0).unwrap();
            assert!((kept * (1.0 - p) - 1.0).abs() < 1e-6);
            for threads in [1, 2, 3] {
                // Resumed after the first draw.
                let state = Random { seed: 7, drawn: 1 };
                assert_eq!(run(&x, p, &mut pass(Some(state), Some(threads))), second);
            }
            let other = run(&x, p, &mut pass(Some(Random::new(8)), None));
            assert_ne!(first, other);
        }
    }

    /// Fails when values are dropped outside training or without a generator, or an invalid
    /// probability is accepted.
    #[test]
    fn drops_only_in_training_with_a_generator() {
        let x = ones();
        let all = vec![1.0; x.elem_count()];
        assert_eq!(run(&x, 0.5, &mut pass(None, Some(1))), all);
        let mut eval = Pass {
            mode: Mode::Eval,
            ..pass(Some(Random::new(1)), None)
        };
        assert_eq!(run(&x, 0.5, &mut eval), all);
        for p in [-0.1, 1.0, f32::NAN] {
            assert!(dropout(Features::Tensor(ones()), p, &mut eval).is_err());
        }
    }
}

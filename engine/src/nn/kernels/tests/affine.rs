//! Tests of scale and shift per channel.

use proptest::prelude::*;

use super::super::*;
use super::{all_threads, map, near, values};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Fails when a channel gets another's scale, the residual is ignored, or the last channels or
    /// pixels are skipped.
    #[test]
    fn affine_equals_plain_arithmetic(
        seed in 1_u64..1 << 32,
        dims in (1_usize..3, 1_usize..20, 1_usize..20, 1_usize..40).prop_map(<[usize; 4]>::from),
        relu: bool,
        add: bool,
    ) {
        let c = dims[3];
        let (input, residual) = (map(seed, dims), map(seed + 3, dims));
        let (factor, shift) = (values(seed + 1, c), values(seed + 2, c));
        let want: Vec<f32> = input.data().iter().enumerate().map(|(i, &v)| {
            let extra = if add { residual.data()[i] } else { 0.0 };
            let y = factor[i % c] * v + shift[i % c] + extra;
            if relu { y.max(0.0) } else { y }
        }).collect();
        let activation = if relu { Activation::Relu } else { Activation::None };
        for threads in all_threads() {
            let got = affine(&input, &factor, &shift, add.then_some(&residual), activation, threads);
            near(got.data(), &want, 1e-6, &format!("{:?}", threads.isa()))?;
        }
    }
}

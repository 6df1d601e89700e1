//! Compares attention with its reference.

use proptest::prelude::*;

use super::super::*;
use super::{all_threads, map, near};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Fails when a tile, head or image uses another's queries, keys, values or weights.
    #[test]
    fn attention_equals_the_reference(
        seed in 1_u64..1 << 32,
        (n, h, w) in (1_usize..3, 1_usize..9, 1_usize..9),
        (heads, width, value_width) in (1_usize..5, 1_usize..40, 1_usize..40),
    ) {
        let (len, d, answer) = (h * w, heads * width, heads * value_width);
        // Queries and keys share a map, as they do in a network.
        let (both, values) = (map(seed, [n, h, w, 2 * d]), map(seed + 1, [n, h, w, answer]));
        let half = |first: usize| -> Vec<f32> {
            let pixels = both.data().chunks_exact(2 * d);
            pixels.flat_map(|pixel| pixel[first..first + d].to_vec()).collect()
        };
        let inputs = [&half(0)[..], &half(d), values.data()];
        let (want, want_weights) = reference::attention(heads, [n, len, d, answer], inputs);
        let heads = Heads {
            queries: both.channels(0, d),
            keys: both.channels(d, d),
            values: values.view(),
            count: heads,
        };
        for threads in all_threads() {
            let mut got = values.buffers().map(n, h, w, answer);
            let mut weights = vec![0.0; want_weights.len()];
            let isa = format!("{:?}", threads.isa());
            attention(heads, None, got.view_mut(), Some(&mut weights), threads);
            near(got.data(), &want, 1e-5, &isa)?;
            near(&weights, &want_weights, 1e-5, &isa)?;
            got.data_mut().fill(f32::NAN);
            attention(heads, None, got.view_mut(), None, threads);
            near(got.data(), &want, 1e-5, &isa)?;
        }
    }
}

//! Compares every kernel with the scalar reference, on every instruction set of this CPU.

mod affine;
mod attention;
mod candle;
mod conv;
mod gradients;
mod ops;

use proptest::prelude::*;

use super::{Buffers, Isa, Nhwc, Threads};

/// Pools of 1 to 3 threads on every instruction set, created once, because starting a pool takes
/// longer than a test case.
fn all_threads() -> &'static [Threads] {
    static ALL: std::sync::OnceLock<Vec<Threads>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        Isa::available()
            .into_iter()
            .flat_map(|isa| (1..=3).map(move |n| Threads::with_isa(n, isa).unwrap()))
            .collect()
    })
}

/// Returns values in -1..1 that depend only on the seed.
fn values(seed: u64, len: usize) -> Vec<f32> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Returns a map of such values.
fn map(seed: u64, dims: [usize; 4]) -> Nhwc {
    let [n, h, w, c] = dims;
    Buffers::new().map_from(n, h, w, c, &values(seed, n * h * w * c))
}

/// Fails the case unless all values agree to `tolerance` times the largest expected one, but at
/// least times 1: operands lie in -1..1, and a sum that cancels keeps the rounding error of its
/// terms.
fn near(got: &[f32], want: &[f32], tolerance: f32, what: &str) -> Result<(), TestCaseError> {
    near_sums(1, got, want, tolerance, what)
}

/// Like [`near`], for sums of `terms` products, which reach about the root of `terms` before they
/// cancel.
fn near_sums(
    terms: usize,
    got: &[f32],
    want: &[f32],
    tolerance: f32,
    what: &str,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.len(), want.len());
    let floor = (terms as f32).sqrt();
    let scale = want.iter().fold(floor, |m, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        // Written so that NaN fails.
        prop_assert!(
            (g - w).abs() <= tolerance * scale,
            "{}: value {} of {} is {}, not {}",
            what,
            i,
            want.len(),
            g,
            w
        );
    }
    Ok(())
}

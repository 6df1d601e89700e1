//! [`Dropout`]: whether a value is dropped depends only on a key and the value's number, so that
//! the backward pass drops the same values on any number of threads without storing a mask.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::simd::job;
use super::threads::Threads;

/// One random mask of a dropout layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    key: u64,
    /// A value is dropped if its 32 random bits are below this.
    below: u32,
    /// Factor of the values that are kept: `1 / (1 - p)`.
    factor: f32,
}

impl Dropout {
    /// Drops each value with probability `p`, in 0..1; panics outside of that range.
    pub fn new(key: u64, p: f32) -> Self {
        assert!((0.0..1.0).contains(&p), "dropout of {p}");
        Self {
            key,
            below: (f64::from(p) * f64::from(u32::MAX)) as u32,
            factor: 1.0 / (1.0 - p),
        }
    }

    /// Returns the factor of value number `i`: 0 or `1 / (1 - p)`.
    #[inline(always)]
    pub fn factor(self, i: u64) -> f32 {
        if bits(self.key, i) < self.below {
            0.0
        } else {
            self.factor
        }
    }
}

/// Returns number `i` of the sequence of `key`: the upper half of `SplitMix64` (Steele et al.,
/// 2014).
#[inline(always)]
fn bits(key: u64, i: u64) -> u32 {
    let mut z = key.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 32) as u32
}

/// Values per task.
const BLOCK: usize = 16 * 1024;

/// Drops values of a map in place; they are numbered in memory order.
pub fn apply_dropout(map: &mut Nhwc, dropout: Dropout, threads: &Threads) {
    threads.iterate(|| {
        let blocks = map.data_mut().par_chunks_mut(BLOCK).enumerate();
        blocks.for_each(|(i, values)| {
            drop_row(values, dropout, (i * BLOCK) as u64, threads);
        });
    });
}

/// Drops values that are numbered from `first` on.
pub(super) fn drop_row(values: &mut [f32], dropout: Dropout, first: u64, threads: &Threads) {
    drop_every(values, dropout, first, 1, threads);
}

/// Drops values that are numbered `first`, `first + step`, ...
pub(super) fn drop_every(
    values: &mut [f32],
    dropout: Dropout,
    first: u64,
    step: u64,
    threads: &Threads,
) {
    threads.isa().run(DropRow {
        values,
        dropout,
        first,
        step,
    });
}

job! {
    /// One call of [`drop_every`].
    DropRow { values: &'a mut [f32], dropout: Dropout, first: u64, step: u64 }, _s => {
        for (i, v) in values.iter_mut().enumerate() {
            *v *= dropout.factor(first + i as u64 * step);
        }
    }
}

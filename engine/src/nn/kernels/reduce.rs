//! Per-channel sums over the pixels of a map that do not depend on the number of threads: blocks of
//! fixed size are summed in f32, each by one thread, and the block sums are added in f64 in their
//! order.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::simd::job;
use super::threads::Threads;

/// Floats per block, which stays in a core's cache while it is read twice.
const BLOCK: usize = 16 * 1024;

/// Returns the floats of a block of whole pixels of `c` channels, at most 512 pixels: f32 sums that
/// many values with an error of 1e-6.
pub(super) fn block_len(c: usize) -> usize {
    c.max(1) * (BLOCK / c.max(1)).clamp(1, 512)
}

/// Computes `width` sums per block, stored block by block.
pub(super) fn per_block<T: Send>(
    blocks: impl IndexedParallelIterator<Item = T>,
    width: usize,
    threads: &Threads,
    f: impl Fn(T, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let mut sums = vec![0.0; blocks.len() * width];
    threads.iterate(|| {
        let sums = sums.par_chunks_exact_mut(width.max(1));
        blocks.zip(sums).for_each(|(block, sums)| f(block, sums));
    });
    sums
}

/// Adds the sums of all blocks.
pub(super) fn total(sums: &[f32], width: usize) -> Vec<f64> {
    let mut total = vec![0.0; width];
    for sums in sums.chunks_exact(width.max(1)) {
        for (total, &sum) in total.iter_mut().zip(sums) {
            *total += f64::from(sum);
        }
    }
    total
}

/// Computes the bias gradient: the sum of `grad` over images and pixels, per channel.
pub fn bias_gradient(grad: &Nhwc, threads: &Threads) -> Vec<f32> {
    let c = grad.c();
    let blocks = grad.data().par_chunks(block_len(c));
    let sums = per_block(blocks, c, threads, |data, sums| {
        threads.isa().run(Columns { data, sums });
    });
    total(&sums, c).iter().map(|&v| v as f32).collect()
}

job! {
    /// Sums the pixels of a block per channel.
    Columns { data: &'a [f32], sums: &'a mut [f32] }, s => {
        let c = sums.len();
        let pixels = data.len() / c;
        let mut i = 0;
        while i < c {
            let mut sum = s.splat(0.0);
            // SAFETY: the block holds `pixels` times c floats, i < c.
            unsafe {
                for p in 0..pixels {
                    sum = s.add(sum, s.load_upto(data.as_ptr().add(p * c + i), c - i));
                }
                s.store_upto(sums.as_mut_ptr().add(i), sum, c - i);
            }
            i += S::LANES;
        }
    }
}

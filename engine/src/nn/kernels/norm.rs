//! Batch normalisation in training: a batch's [`Moments`], and the backward pass.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::reduce::{block_len, per_block, total};
use super::simd::job;
use super::threads::Threads;

/// Mean and variance of each channel over a batch.
pub struct Moments {
    /// Mean per channel.
    pub mean: Vec<f32>,
    /// Biased variance per channel: divided by the number of values.
    pub variance: Vec<f32>,
}

/// Computes the moments of a map with at least one pixel.
///
/// Each block is summed relative to its first pixel, and its squares are taken around its own mean
/// while it is in the cache, so the map is read once and a large mean costs no precision. Blocks
/// are combined as in Chan et al., 1979.
pub fn moments(map: &Nhwc, threads: &Threads) -> Moments {
    let c = map.c();
    let len = block_len(c);
    let pixels = (map.data().len() / c.max(1)) as f64;
    let sums = per_block(map.data().par_chunks(len), 2 * c, threads, |data, sums| {
        threads.isa().run(Block { data, sums });
    });
    let blocks = || {
        let sizes = map.data().chunks(len).map(|block| (block.len() / c) as f64);
        sums.chunks_exact((2 * c).max(1)).zip(sizes)
    };
    let mut mean = vec![0.0; c];
    for (block, n) in blocks() {
        for (mean, &of_block) in mean.iter_mut().zip(block) {
            *mean += f64::from(of_block) * (n / pixels);
        }
    }
    let mut squares = vec![0.0; c];
    for (block, n) in blocks() {
        for (i, square) in squares.iter_mut().enumerate() {
            let off = f64::from(block[i]) - mean[i];
            *square += f64::from(block[c + i]) + n * off * off;
        }
    }
    Moments {
        mean: mean.iter().map(|&m| m as f32).collect(),
        variance: squares.iter().map(|s| (s / pixels) as f32).collect(),
    }
}

job! {
    /// Computes the means of a block of pixels, then the sums of squares around them.
    Block { data: &'a [f32], sums: &'a mut [f32] }, s => {
        let c = sums.len() / 2;
        let pixels = data.len() / c;
        let scale = s.splat(1.0 / pixels as f32);
        let mut i = 0;
        while i < c {
            // SAFETY: the block holds `pixels` times c floats, i < c, the sums 2 c.
            unsafe {
                let at = |p: usize| s.load_upto(data.as_ptr().add(p * c + i), c - i);
                let first = at(0);
                let mut sum = s.splat(0.0);
                for p in 1..pixels {
                    sum = s.add(sum, s.sub(at(p), first));
                }
                let mean = s.fma(sum, scale, first);
                let mut square = s.splat(0.0);
                for p in 0..pixels {
                    let d = s.sub(at(p), mean);
                    square = s.fma(d, d, square);
                }
                s.store_upto(sums.as_mut_ptr().add(i), mean, c - i);
                s.store_upto(sums.as_mut_ptr().add(c + i), square, c - i);
            }
            i += S::LANES;
        }
    }
}

/// Returns `sum(grad)` and `sum(grad (x - mean))` per channel. If `rectified` is given, the output
/// of a ReLU, `grad` is first set to 0 wherever that output is 0.
pub fn norm_sums(
    grad: &mut Nhwc,
    x: &Nhwc,
    mean: &[f32],
    rectified: Option<&Nhwc>,
    threads: &Threads,
) -> [Vec<f64>; 2] {
    let c = x.c();
    assert_eq!(grad.dims(), x.dims(), "gradient of a norm");
    assert!(
        rectified.is_none_or(|y| y.dims() == x.dims()),
        "result of a ReLU"
    );
    assert_eq!(mean.len(), c, "one mean per channel");
    let len = block_len(c);
    let blocks = grad
        .data_mut()
        .par_chunks_mut(len)
        .zip(x.data().par_chunks(len));
    let sums = per_block(
        blocks.enumerate(),
        2 * c,
        threads,
        |(i, (grad, x)), sums| {
            let rectified = rectified.map(|y| &y.data()[i * len..][..grad.len()]);
            threads.isa().run(SumsBlock {
                grad,
                x,
                mean,
                rectified,
                sums,
            });
        },
    );
    let mut sums = total(&sums, 2 * c);
    let products = sums.split_off(c);
    [sums, products]
}

job! {
    /// One block of [`norm_sums`].
    SumsBlock {
        grad: &'a mut [f32],
        x: &'a [f32],
        mean: &'a [f32],
        rectified: Option<&'a [f32]>,
        sums: &'a mut [f32],
    }, s => {
        if let Some(y) = rectified {
            for (g, &y) in grad.iter_mut().zip(y) {
                *g = if y > 0.0 { *g } else { 0.0 };
            }
        }
        let c = mean.len();
        let pixels = x.len() / c;
        let mut i = 0;
        while i < c {
            // SAFETY: both blocks hold `pixels` times c floats, i < c, the sums 2 c.
            unsafe {
                let mean = s.load_upto(mean.as_ptr().add(i), c - i);
                let (mut sum, mut product) = (s.splat(0.0), s.splat(0.0));
                for p in 0..pixels {
                    let g = s.load_upto(grad.as_ptr().add(p * c + i), c - i);
                    let x = s.load_upto(x.as_ptr().add(p * c + i), c - i);
                    sum = s.add(sum, g);
                    product = s.fma(g, s.sub(x, mean), product);
                }
                s.store_upto(sums.as_mut_ptr().add(i), sum, c - i);
                s.store_upto(sums.as_mut_ptr().add(c + i), product, c - i);
            }
            i += S::LANES;
        }
    }
}

/// Computes `grad = factor * (grad - shift) - slope * (x - mean)`; all four coefficients are per
/// channel.
pub fn norm_gradient(
    grad: &mut Nhwc,
    x: &Nhwc,
    [factor, shift, slope, mean]: [&[f32]; 4],
    threads: &Threads,
) {
    let c = x.c();
    assert_eq!(grad.dims(), x.dims(), "gradient of a norm");
    for per_channel in [factor, shift, slope, mean] {
        assert_eq!(per_channel.len(), c, "one value per channel");
    }
    let len = block_len(c);
    threads.iterate(|| {
        let blocks = grad
            .data_mut()
            .par_chunks_mut(len)
            .zip(x.data().par_chunks(len));
        blocks.for_each(|(grad, x)| {
            threads.isa().run(GradientBlock {
                grad,
                x,
                factor,
                shift,
                slope,
                mean,
            });
        });
    });
}

job! {
    /// One block of [`norm_gradient`].
    GradientBlock {
        grad: &'a mut [f32],
        x: &'a [f32],
        factor: &'a [f32],
        shift: &'a [f32],
        slope: &'a [f32],
        mean: &'a [f32],
    }, s => {
        let c = factor.len();
        for (grad, x) in grad.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
            let mut i = 0;
            while i < c {
                // SAFETY: all slices hold c floats and i < c.
                unsafe {
                    let of = |slice: &[f32]| s.load_upto(slice.as_ptr().add(i), c - i);
                    let g = s.mul(of(factor), s.sub(of(grad), of(shift)));
                    let g = s.fnma(of(slope), s.sub(of(x), of(mean)), g);
                    s.store_upto(grad.as_mut_ptr().add(i), g, c - i);
                }
                i += S::LANES;
            }
        }
    }
}

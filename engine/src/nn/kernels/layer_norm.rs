//! Layer normalisation over the channels of every pixel, and its backward pass.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::elementwise::over_rows;
use super::reduce::{block_len, per_block, total};
use super::simd::job;
use super::threads::Threads;

/// Applies layer normalisation over the channels of every pixel in place: zero mean and unit
/// (population) variance plus `eps`, then `weight` and `bias`.
pub fn layer_norm(map: &mut Nhwc, weight: &[f32], bias: &[f32], eps: f32, threads: &Threads) {
    let c = map.c();
    assert!(
        weight.len() == c && bias.len() == c,
        "one weight and bias per channel"
    );
    let rows = map.n() * map.h() * map.w();
    let shared = map.view_mut().shared();
    over_rows(threads, rows, 2 * c, |range, _| {
        for row in range {
            threads.isa().run(NormRow {
                // SAFETY: the row lies in the map, and each belongs to one task.
                row: unsafe { std::slice::from_raw_parts_mut(shared.pixel(row), c) },
                weight,
                bias,
                eps,
            });
        }
    });
}

job! {
    /// One row of [`layer_norm`].
    NormRow { row: &'a mut [f32], weight: &'a [f32], bias: &'a [f32], eps: f32 }, s => {
        let n = row.len();
        let (full, scale) = (n / S::LANES * S::LANES, 1.0 / n as f32);
        let mut sum = s.splat(0.0);
        for chunk in row.chunks_exact(S::LANES) {
            // SAFETY: the chunk is one vector.
            sum = s.add(sum, unsafe { s.load(chunk.as_ptr()) });
        }
        let mean = (s.sum(sum) + row[full..].iter().sum::<f32>()) * scale;
        // Squares of differences instead of E[x^2] - mean^2, which cancels when the mean is large.
        let mut sum = s.splat(0.0);
        for chunk in row.chunks_exact(S::LANES) {
            // SAFETY: the chunk is one vector.
            let d = s.sub(unsafe { s.load(chunk.as_ptr()) }, s.splat(mean));
            sum = s.fma(d, d, sum);
        }
        let rest: f32 = row[full..].iter().map(|v| (v - mean) * (v - mean)).sum();
        let factor = 1.0 / ((s.sum(sum) + rest) * scale + eps).sqrt();
        let mut i = 0;
        while i < n {
            // SAFETY: all slices hold n floats, i < n.
            unsafe {
                let at = row.as_mut_ptr().add(i);
                let x = s.sub(s.load_upto(at, n - i), s.splat(mean));
                let weight = s.load_upto(weight.as_ptr().add(i), n - i);
                let bias = s.load_upto(bias.as_ptr().add(i), n - i);
                s.store_upto(at, s.fma(s.mul(x, s.splat(factor)), weight, bias), n - i);
            }
            i += S::LANES;
        }
    }
}

/// Backward pass of [`layer_norm`] of `map`: returns the gradients of weight and bias, and changes
/// `grad` to that of `map`.
///
/// With `g = grad * weight` and the normalised `x`: `(g - mean(g) - x mean(g x)) / deviation`.
pub fn layer_norm_gradient(
    grad: &mut Nhwc,
    map: &Nhwc,
    weight: &[f32],
    eps: f32,
    threads: &Threads,
) -> [Vec<f32>; 2] {
    let c = map.c();
    assert_eq!(grad.dims(), map.dims(), "gradient of a layer norm");
    assert_eq!(weight.len(), c, "one weight per channel");
    let len = block_len(c);
    let blocks = grad
        .data_mut()
        .par_chunks_mut(len)
        .zip(map.data().par_chunks(len));
    let sums = per_block(blocks, 2 * c, threads, |(grad, map), sums| {
        threads.isa().run(NormGradient {
            grad,
            map,
            weight,
            eps,
            sums,
        });
    });
    let mut sums: Vec<f32> = total(&sums, 2 * c).iter().map(|&v| v as f32).collect();
    let bias = sums.split_off(c);
    [sums, bias]
}

job! {
    /// One block of [`layer_norm_gradient`]; sums of the weight's gradient, then of the bias's.
    NormGradient {
        grad: &'a mut [f32],
        map: &'a [f32],
        weight: &'a [f32],
        eps: f32,
        sums: &'a mut [f32],
    }, s => {
        let c = weight.len();
        let scale = 1.0 / c as f32;
        let (weights, biases) = sums.split_at_mut(c);
        for (grad, row) in grad.chunks_exact_mut(c).zip(map.chunks_exact(c)) {
            // SAFETY: the row holds c floats, i < c; what lies beyond is read as 0.
            let x = |i: usize| unsafe { s.load_upto(row.as_ptr().add(i), c - i) };
            // SAFETY: as above, the weights.
            let w = |i: usize| unsafe { s.load_upto(weight.as_ptr().add(i), c - i) };
            let steps = || (0..c).step_by(S::LANES);
            let mut sum = s.splat(0.0);
            for i in steps() {
                sum = s.add(sum, x(i));
            }
            let mean = s.sum(sum) * scale;
            let centred: f32 = row.iter().map(|v| (v - mean) * (v - mean)).sum();
            let inverse = 1.0 / (centred * scale + eps).sqrt();
            let normalised = |i: usize| s.mul(s.sub(x(i), s.splat(mean)), s.splat(inverse));
            let (mut sum, mut product) = (s.splat(0.0), s.splat(0.0));
            for i in steps() {
                // SAFETY: gradient and sums hold c floats, i < c.
                unsafe {
                    let g = s.load_upto(grad.as_ptr().add(i), c - i);
                    let to = weights.as_mut_ptr().add(i);
                    s.store_upto(to, s.fma(g, normalised(i), s.load_upto(to, c - i)), c - i);
                    let to = biases.as_mut_ptr().add(i);
                    s.store_upto(to, s.add(g, s.load_upto(to, c - i)), c - i);
                    let g = s.mul(g, w(i));
                    sum = s.add(sum, g);
                    product = s.fma(g, normalised(i), product);
                }
            }
            let (sum, product) = (s.splat(s.sum(sum) * scale), s.splat(s.sum(product) * scale));
            for i in steps() {
                // SAFETY: gradient and sums hold c floats, i < c.
                unsafe {
                    let at = grad.as_mut_ptr().add(i);
                    let g = s.sub(s.mul(s.load_upto(at, c - i), w(i)), sum);
                    let g = s.mul(s.fnma(normalised(i), product, g), s.splat(inverse));
                    s.store_upto(at, g, c - i);
                }
            }
        }
    }
}

//! Transformer kernels: a map's pixels are tokens, and its channels are their features.

use rayon::prelude::*;

use super::buffer::{Nhwc, View};
use super::elementwise::over_rows;
use super::math;
use super::reduce::{block_len, per_block, total};
use super::simd::job;
use super::threads::Threads;
use super::tile::PANEL;

/// The second factor of a matrix product, given as a view whose pixels are the matrix rows.
#[derive(Clone, Copy)]
pub(super) enum Factor<'a> {
    /// K rows of N values.
    Plain(View<'a>),
    /// N rows of K values, multiplied as the transpose.
    Transposed(View<'a>),
}

impl Factor<'_> {
    /// Returns the numbers of rows and columns of the factor.
    pub(super) fn size(&self) -> (usize, usize) {
        let rows = |view: &View| view.dims[0] * view.dims[1] * view.dims[2];
        match self {
            Factor::Plain(b) => (rows(b), b.dims[3]),
            Factor::Transposed(b) => (b.dims[3], rows(b)),
        }
    }

    /// Packs the panel of columns `first..first + 16` into `dest`, with zeros beyond the last
    /// column.
    pub(super) fn pack(&self, first: usize, scale: f32, dest: &mut [f32]) {
        let (_, count) = self.size();
        let live = (count - first).min(PANEL);
        for (i, dest) in dest.chunks_exact_mut(PANEL).enumerate() {
            for (j, dest) in dest.iter_mut().enumerate() {
                *dest = match self {
                    _ if j >= live => 0.0,
                    Factor::Plain(b) => scale * b.data[i * b.stride + first + j],
                    Factor::Transposed(b) => scale * b.data[(first + j) * b.stride + i],
                };
            }
        }
    }
}

/// Computes `e^(x - max)` of `row` in place and returns the sum: a softmax without the division,
/// which attention applies at the end to fewer values.
pub(super) fn exp_row(row: &mut [f32], threads: &Threads) -> f32 {
    let mut sum = 0.0;
    let out = &mut sum;
    threads.isa().run(ExpRow { row, out });
    sum
}

/// Computes `row * factor` in place.
pub(super) fn scale_row(row: &mut [f32], factor: f32, threads: &Threads) {
    threads.isa().run(ScaleRow { row, factor });
}

job! {
    /// See [`exp_row`].
    ExpRow { row: &'a mut [f32], out: &'a mut f32 }, s => {
        let n = row.len();
        let full = n / S::LANES * S::LANES;
        let mut top = s.splat(f32::NEG_INFINITY);
        for chunk in row.chunks_exact(S::LANES) {
            // SAFETY: the chunk is one vector.
            top = s.max(top, unsafe { s.load(chunk.as_ptr()) });
        }
        let top = row[full..].iter().fold(s.max_lane(top), |m, &v| m.max(v));
        let mut sum = s.splat(0.0);
        for chunk in row.chunks_exact_mut(S::LANES) {
            // SAFETY: the chunk is one vector.
            unsafe {
                let e = math::exp(s, s.sub(s.load(chunk.as_ptr()), s.splat(top)));
                s.store(chunk.as_mut_ptr(), e);
                sum = s.add(sum, e);
            }
        }
        if full < n {
            // SAFETY: n - full values of the row are left, fewer than a vector.
            unsafe {
                let (at, left) = (row.as_mut_ptr().add(full), n - full);
                let e = math::exp(s, s.sub(s.load_n(at, left), s.splat(top)));
                s.store_n(at, e, left);
                // Only live lanes count: the others are read back as 0.
                sum = s.add(sum, s.load_n(at, left));
            }
        }
        *out = s.sum(sum);
    }
}

job! {
    /// See [`scale_row`].
    ScaleRow { row: &'a mut [f32], factor: f32 }, s => {
        let n = row.len();
        let factor = s.splat(factor);
        let mut i = 0;
        while i < n {
            // SAFETY: i < n.
            unsafe {
                let at = row.as_mut_ptr().add(i);
                s.store_upto(at, s.mul(s.load_upto(at, n - i), factor), n - i);
            }
            i += S::LANES;
        }
    }
}

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

//! Parts of a softmax over the rows of an attention matrix, and a softmax over pixels.

use super::buffer::Nhwc;
use super::math;
use super::simd::job;
use super::threads::Threads;

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

/// Computes the softmax over all pixels of each channel of each image of `map` into `out`, of the
/// same size. Scalar code: only networks for comparisons use it, for maps of few channels.
pub fn softmax_over_pixels_into(map: &Nhwc, out: &mut Nhwc) {
    let [n, h, w, c] = map.dims();
    assert_eq!(out.dims(), map.dims(), "size of the result");
    let (from, to) = (map.data(), out.data_mut());
    for first in (0..n).flat_map(|i| (0..c).map(move |channel| i * h * w * c + channel)) {
        let at = || (0..h * w).map(|pixel| first + pixel * c);
        let top = at().map(|i| from[i]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for i in at() {
            to[i] = (from[i] - top).exp();
            sum += to[i];
        }
        for i in at() {
            to[i] /= sum;
        }
    }
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

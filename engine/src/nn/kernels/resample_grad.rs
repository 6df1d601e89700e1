//! Backward passes of pooling and upsampling; images or rows are processed in parallel.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::resample::neighbours;
use super::simd::{Simd, job};
use super::threads::Threads;

/// Returns `sum`, the gradient left by other consumers of a map, or zeros if there is none.
fn begun(sum: Option<Nhwc>, like: &Nhwc, [n, h, w, c]: [usize; 4]) -> Nhwc {
    if let Some(sum) = sum {
        assert_eq!(sum.dims(), [n, h, w, c], "a sum of gradients");
        return sum;
    }
    let mut zeros = like.buffers().map(n, h, w, c);
    zeros.data_mut().fill(0.0);
    zeros
}

/// Computes `to += weight * from` for slices of equal length.
#[inline(always)]
fn add<S: Simd>(s: S, to: &mut [f32], from: &[f32], weight: f32) {
    let c = to.len().min(from.len());
    let mut i = 0;
    while i < c {
        // SAFETY: both slices hold c floats and i < c.
        unsafe {
            let at = to.as_mut_ptr().add(i);
            let from = s.load_upto(from.as_ptr().add(i), c - i);
            s.store_upto(
                at,
                s.fma(from, s.splat(weight), s.load_upto(at, c - i)),
                c - i,
            );
        }
        i += S::LANES;
    }
}

/// Backward pass of nearest-neighbour upsampling by `factor` to `grad`'s size: each pixel of `h` x
/// `w` gets the sum over its copies, added to `sum` if given.
pub fn upsample_gradient(grad: &Nhwc, factor: usize, sum: Option<Nhwc>, threads: &Threads) -> Nhwc {
    let [n, high, wide, c] = grad.dims();
    let (h, w) = (high.div_ceil(factor), wide.div_ceil(factor));
    let mut out = begun(sum, grad, [n, h, w, c]);
    let row = wide * c;
    threads.iterate(|| {
        let rows = out.data_mut().par_chunks_exact_mut((w * c).max(1));
        rows.enumerate().for_each(|(i, out)| {
            let y = i % h * factor;
            let first = (i / h * high + y) * row;
            let count = factor.min(high - y);
            let rows = &grad.data()[first..][..count * row];
            threads.isa().run(FoldRow {
                rows,
                row,
                factor,
                c,
                out,
            });
        });
    });
    out
}

job! {
    /// Computes one row of [`upsample_gradient`] from the rows that are its copies.
    FoldRow { rows: &'a [f32], row: usize, factor: usize, c: usize, out: &'a mut [f32] }, s => {
        for row in rows.chunks_exact(row) {
            for (out, copies) in out.chunks_exact_mut(c).zip(row.chunks(factor * c)) {
                for copy in copies.chunks_exact(c) {
                    add(s, out, copy, 1.0);
                }
            }
        }
    }
}

/// Backward pass of bilinear upsampling by a factor of 2, added to `sum` if given.
pub fn upsample_bilinear2_gradient(
    grad: &Nhwc,
    align_corners: bool,
    sum: Option<Nhwc>,
    threads: &Threads,
) -> Nhwc {
    let [n, high, wide, c] = grad.dims();
    let (h, w) = (high / 2, wide / 2);
    let mut out = begun(sum, grad, [n, h, w, c]);
    threads.iterate(|| {
        let grads = grad.data().par_chunks_exact((high * wide * c).max(1));
        let images = out.data_mut().par_chunks_exact_mut((h * w * c).max(1));
        images.zip(grads).for_each(|(out, grad)| {
            threads.isa().run(BilinearImage {
                grad,
                w,
                c,
                align_corners,
                out,
            });
        });
    });
    out
}

job! {
    /// One image of [`upsample_bilinear2_gradient`].
    BilinearImage { grad: &'a [f32], w: usize, c: usize, align_corners: bool, out: &'a mut [f32] }, s => {
        let h = out.len() / (w * c);
        for (y, row) in grad.chunks_exact(2 * w * c).enumerate() {
            let (top, bottom, fy) = neighbours(y, h, align_corners);
            for (x, pixel) in row.chunks_exact(c).enumerate() {
                let (left, right, fx) = neighbours(x, w, align_corners);
                for (y, fy) in [(top, 1.0 - fy), (bottom, fy)] {
                    for (x, fx) in [(left, 1.0 - fx), (right, fx)] {
                        add(s, &mut out[(y * w + x) * c..][..c], pixel, fy * fx);
                    }
                }
            }
        }
    }
}

/// Backward pass of [`super::max_pool`] from `map` to `result`: a window's gradient goes to the
/// first of its maxima in row-major order; added to `sum` if given.
pub fn max_pool_gradient(
    grad: &Nhwc,
    map: &Nhwc,
    result: &Nhwc,
    window: (usize, usize, usize),
    sum: Option<Nhwc>,
    threads: &Threads,
) -> Nhwc {
    assert_eq!(grad.dims(), result.dims(), "gradient of a pooling");
    let [_, h, w, c] = map.dims();
    let [_, oh, ow, _] = grad.dims();
    let mut out = begun(sum, map, map.dims());
    threads.iterate(|| {
        let inputs = map.data().par_chunks_exact((h * w * c).max(1));
        let area = (oh * ow * c).max(1);
        let outputs = grad
            .data()
            .par_chunks_exact(area)
            .zip(result.data().par_chunks_exact(area));
        let images = out.data_mut().par_chunks_exact_mut((h * w * c).max(1));
        images
            .zip(inputs)
            .zip(outputs)
            .for_each(|((out, map), (grad, result))| {
                // Gradients of windows not yet assigned to a pixel.
                let mut rest = grad.to_vec();
                threads.isa().run(PoolImage {
                    map,
                    size: (h, w, ow),
                    c,
                    window,
                    result,
                    rest: &mut rest,
                    out,
                });
            });
    });
    out
}

job! {
    /// One image of [`max_pool_gradient`].
    PoolImage {
        map: &'a [f32],
        size: (usize, usize, usize),
        c: usize,
        window: (usize, usize, usize),
        result: &'a [f32],
        rest: &'a mut [f32],
        out: &'a mut [f32],
    }, _s => {
        let ((h, w, ow), (kernel, stride, pad)) = (size, window);
        for (i, (top, rest)) in result.chunks_exact(c).zip(rest.chunks_exact_mut(c)).enumerate() {
            let (y, x) = (i / ow * stride, i % ow * stride);
            for y in y.saturating_sub(pad)..(y + kernel - pad).min(h) {
                for x in x.saturating_sub(pad)..(x + kernel - pad).min(w) {
                    let at = (y * w + x) * c;
                    let pixel = out[at..][..c].iter_mut().zip(&map[at..][..c]);
                    for ((out, &v), (&top, rest)) in pixel.zip(top.iter().zip(rest.iter_mut())) {
                        let given = if v == top { *rest } else { 0.0 };
                        *out += given;
                        *rest = if v == top { 0.0 } else { *rest };
                    }
                }
            }
        }
    }
}

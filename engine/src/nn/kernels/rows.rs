//! Transformer pieces: a map's pixels are tokens, its channels are their features.

use super::buffer::{Nhwc, View, ViewMut};
use super::math;
use super::pack::PanelView;
use super::point::{self, Points};
use super::pointwise::over_rows;
use super::simd::job;
use super::threads::Threads;
use super::tile::PANEL;

/// The second factor of a [`matmul`].
#[derive(Clone, Copy)]
pub enum Factor<'a> {
    /// K rows of N values.
    Plain(View<'a>),
    /// N rows of K values: multiplied as its transpose.
    Transposed(View<'a>),
}

impl Factor<'_> {
    /// Rows and columns of the factor.
    pub(super) fn size(&self) -> (usize, usize) {
        let rows = |view: &View| view.dims[0] * view.dims[1] * view.dims[2];
        match self {
            Factor::Plain(b) => (rows(b), b.dims[3]),
            Factor::Transposed(b) => (b.dims[3], rows(b)),
        }
    }

    /// The panel of columns `first..first + 16`, zeros beyond the last, into `dest`.
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

/// `out = scale * a * b` for matrices whose rows are the pixels of the views.
///
/// Attention scores are `matmul(q, Factor::Transposed(k), 1 / sqrt(d), ..)`, the weighted sum is
/// `matmul(scores, Factor::Plain(v), 1.0, ..)`; heads are channel slices of the maps.
pub fn matmul(a: View, b: Factor, scale: f32, mut out: ViewMut, threads: &Threads) {
    let rows = |dims: [usize; 4]| dims[0] * dims[1] * dims[2];
    let (m, depth) = (rows(a.dims), a.dims[3]);
    let (inner, count) = b.size();
    assert_eq!(inner, depth, "inner size of a product");
    assert_eq!(
        (rows(out.dims), out.dims[3]),
        (m, count),
        "size of a product"
    );
    if m == 0 || count == 0 {
        return;
    }
    let panels = count.div_ceil(PANEL);
    let mut packed = threads.spare.map(1, 1, panels, depth * PANEL);
    let shared = packed.view_mut().shared();
    over_rows(threads, panels, depth * PANEL, |range, _| {
        for panel in range {
            // SAFETY: the panel lies in `packed`, and each belongs to one task.
            let dest =
                unsafe { std::slice::from_raw_parts_mut(shared.pixel(panel), depth * PANEL) };
            b.pack(panel * PANEL, scale, dest);
        }
    });
    let mut zeros = threads.spare.map(1, 1, 1, panels * PANEL);
    zeros.data_mut().fill(0.0);
    point::run(
        &Points {
            input: a,
            stride: 1,
            panels: PanelView {
                floats: packed.data(),
                depth,
                count: panels,
            },
            bias: zeros.data(),
            out: out.shared(),
            dims: out.dims,
            residual: None,
            relu: false,
        },
        threads,
    );
}

/// Softmax over the channels of every pixel, in place.
pub fn softmax(map: &mut Nhwc, threads: &Threads) {
    let c = map.c();
    let rows = map.n() * map.h() * map.w();
    let shared = map.view_mut().shared();
    // The exponential makes a value cost several times a copied one.
    over_rows(threads, rows, 4 * c, |range, _| {
        for row in range {
            // SAFETY: the row lies in the map, and each belongs to one task.
            let row = unsafe { std::slice::from_raw_parts_mut(shared.pixel(row), c) };
            softmax_row(row, threads);
        }
    });
}

/// Softmax of `row`, in place.
pub(super) fn softmax_row(row: &mut [f32], threads: &Threads) {
    let factor = 1.0 / exp_row(row, threads);
    scale_row(row, factor, threads);
}

/// `e^(x - largest x)` of `row`, in place; their sum. It is the softmax but for the division,
/// which attention does at the end on fewer values.
pub(super) fn exp_row(row: &mut [f32], threads: &Threads) -> f32 {
    let mut sum = 0.0;
    let out = &mut sum;
    threads.isa().run(ExpRow { row, out });
    sum
}

/// `row * factor`, in place.
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

/// Layer norm over the channels of every pixel, in place: zero mean and unit (population)
/// variance plus `eps`, then `weight` and `bias`.
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
        // Squares of differences, not E[x^2] - mean^2, which cancels when the mean is large.
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

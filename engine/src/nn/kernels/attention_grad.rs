//! Backward pass of [`super::attention()`], by tiles: the attention weights are recomputed, so that
//! the whole matrix is never in memory (Dao et al., 2022, <https://arxiv.org/abs/2205.14135>).
//!
//! With weights `P = softmax(S)`, `S = scale Q K^T`, dropout factors `M`, `O = (M P) V` and `G =
//! dO`: `dV = (M P)^T G`, `dP = M (G V^T)`, `dS = P (dP - D)` where `D` is `sum(P dP)` of each row,
//! `dQ = scale dS K` and `dK = scale dS^T Q`. A first sweep over tiles of queries computes `dQ`,
//! `D` and the logarithm of each softmax's denominator. A second sweep over tiles of keys computes
//! `S^T`, and from it `dK` and `dV`, so that no sum is shared between tasks.

use super::attention::{Heads, SCORES, head};
use super::buffer::{Nhwc, Shared, View};
use super::conv1x1::{self, Points};
use super::dropout::{Dropout, drop_every, drop_row};
use super::factor::Factor;
use super::math;
use super::panels::PanelView;
use super::simd::{Simd, job};
use super::threads::{Scratch, Threads};
use super::tile::PANEL;

/// Computes the gradients of queries and keys (concatenated) into `query_keys`, and of values into
/// `values`, from the gradient `grad` of the output; `dropout` must be that of the forward pass.
///
/// Panics when the sizes do not match.
pub fn attention_gradient(
    heads: Heads,
    dropout: Option<Dropout>,
    grad: View,
    [query_keys, values]: [&mut Nhwc; 2],
    threads: &Threads,
) {
    let [n, h, w, d] = heads.queries.dims;
    let len = h * w;
    for dims in [heads.keys.dims, heads.values.dims, grad.dims] {
        assert_eq!(dims, [n, h, w, d], "maps of an attention");
    }
    assert_eq!(
        query_keys.dims(),
        [n, h, w, 2 * d],
        "gradients of an attention"
    );
    assert_eq!(values.dims(), [n, h, w, d], "gradients of an attention");
    assert!(
        heads.count > 0 && d.is_multiple_of(heads.count),
        "{d} channels in {} heads",
        heads.count
    );
    let products = n * heads.count;
    if products * len * d == 0 {
        return;
    }
    let width = d / heads.count;
    let (query_keys, values) = (query_keys.view_mut().shared(), values.view_mut().shared());
    // SAFETY: the keys' channels follow the queries'.
    let grads = [query_keys, unsafe { query_keys.part(0, d) }, values];
    let mut zeros = threads
        .spare
        .map(1, 1, 1, len.max(width).next_multiple_of(PANEL));
    zeros.data_mut().fill(0.0);
    threads.run(products, 7 * products * len * len * width, |i, scratch| {
        let of = |view| head(view, i, width);
        let (image, channel) = (i / heads.count, i % heads.count * width);
        let product = Product {
            number: i,
            queries: of(heads.queries),
            keys: of(heads.keys),
            values: of(heads.values),
            grad: of(grad),
            // SAFETY: the image's pixels and the head's channels lie in the gradients, and each
            // product has its own.
            grads: grads.map(|grad| unsafe { grad.part(image * len, channel) }),
            dropout,
            zeros: zeros.data(),
            len,
            width,
            threads,
        };
        product.run(scratch);
    });
}

/// One head of one image.
struct Product<'a> {
    number: usize,
    queries: View<'a>,
    keys: View<'a>,
    values: View<'a>,
    grad: View<'a>,
    /// Gradients of queries, keys and values at this image and head.
    grads: [Shared; 3],
    dropout: Option<Dropout>,
    zeros: &'a [f32],
    len: usize,
    width: usize,
    threads: &'a Threads,
}

/// The second factor of a product, packed as whole panels.
struct Packed {
    floats: Nhwc,
    depth: usize,
    count: usize,
}

impl Product<'_> {
    fn run(&self, scratch: &mut Scratch) {
        let (len, threads) = (self.len, self.threads);
        let scale = 1.0 / (self.width as f32).sqrt();
        // Per query: the logarithm of the softmax's denominator, and D.
        let mut divisors = vec![0.0; len];
        let mut dots = vec![0.0; len];
        let tile = (SCORES / len).max(1).next_multiple_of(24);
        let [mut scores, mut slopes] =
            [(); 2].map(|()| threads.spare.map(1, 1, tile.min(len), len));
        let mut run = |a: View, b: &Packed, out: Shared| self.multiply(a, b, out, scratch);

        let keys = self.pack(Factor::Transposed(self.keys), scale);
        let values = self.pack(Factor::Transposed(self.values), 1.0);
        let back = self.pack(Factor::Plain(self.keys), scale);
        for first in (0..len).step_by(tile) {
            let count = tile.min(len - first);
            run(
                part(self.queries, first, count),
                &keys,
                scores.view_mut().shared(),
            );
            run(
                part(self.grad, first, count),
                &values,
                slopes.view_mut().shared(),
            );
            let rows = scores
                .data()
                .chunks_exact(len)
                .zip(slopes.data_mut().chunks_exact_mut(len));
            for (row, (scores, slopes)) in rows.take(count).enumerate() {
                let query = first + row;
                if let Some(dropout) = self.dropout {
                    drop_row(slopes, dropout, self.place(query, 0), threads);
                }
                let (divisor, dot) = (&mut divisors[query], &mut dots[query]);
                threads.isa().run(QueryRow {
                    scores,
                    slopes,
                    divisor,
                    dot,
                });
            }
            // SAFETY: the tile's queries lie in the gradient.
            let out = unsafe { self.grads[0].part(first, 0) };
            run(part(slopes.view(), 0, count), &back, out);
        }
        std::mem::drop((keys, values, back));

        let queries = self.pack(Factor::Transposed(self.queries), scale);
        let grads = self.pack(Factor::Transposed(self.grad), 1.0);
        let query_rows = self.pack(Factor::Plain(self.queries), scale);
        let grad_rows = self.pack(Factor::Plain(self.grad), 1.0);
        for first in (0..len).step_by(tile) {
            let count = tile.min(len - first);
            run(
                part(self.keys, first, count),
                &queries,
                scores.view_mut().shared(),
            );
            run(
                part(self.values, first, count),
                &grads,
                slopes.view_mut().shared(),
            );
            let rows = scores.data_mut().chunks_exact_mut(len);
            let rows = rows.zip(slopes.data_mut().chunks_exact_mut(len));
            for (row, (scores, slopes)) in rows.take(count).enumerate() {
                // Consecutive weights of one key are a row's length apart.
                let drop = |values: &mut [f32]| {
                    if let Some(dropout) = self.dropout {
                        let place = self.place(0, first + row);
                        drop_every(values, dropout, place, len as u64, threads);
                    }
                };
                drop(slopes);
                threads.isa().run(KeyRow {
                    scores,
                    slopes,
                    divisors: &divisors,
                    dots: &dots,
                });
                drop(scores);
            }
            // SAFETY: the tile's keys lie in the gradients.
            let [to_keys, to_values] =
                unsafe { [self.grads[1].part(first, 0), self.grads[2].part(first, 0)] };
            run(part(slopes.view(), 0, count), &query_rows, to_keys);
            run(part(scores.view(), 0, count), &grad_rows, to_values);
        }
    }

    /// Returns the number of a weight, for dropout.
    fn place(&self, query: usize, key: usize) -> u64 {
        ((self.number * self.len + query) * self.len + key) as u64
    }

    fn pack(&self, factor: Factor, scale: f32) -> Packed {
        let (depth, columns) = factor.size();
        let count = columns.div_ceil(PANEL);
        let mut floats = self.threads.spare.map(1, 1, count, depth * PANEL);
        let panels = floats.data_mut().chunks_exact_mut(depth * PANEL);
        for (panel, dest) in panels.enumerate() {
            factor.pack(panel * PANEL, scale, dest);
        }
        Packed {
            floats,
            depth,
            count,
        }
    }

    /// Computes `a * b` into `out`, whose rows hold as many floats as `b` has columns.
    fn multiply(&self, a: View, b: &Packed, out: Shared, scratch: &mut Scratch) {
        let columns = if b.depth == self.width {
            self.len
        } else {
            self.width
        };
        let points = Points {
            input: a,
            stride: 1,
            panels: PanelView {
                floats: b.floats.data(),
                depth: b.depth,
                count: b.count,
            },
            bias: self.zeros,
            out,
            dims: [1, 1, a.dims[2], columns],
            residual: None,
            relu: false,
        };
        conv1x1::run_here(&points, self.threads, scratch);
    }
}

/// Returns rows `first..first + count`.
fn part(view: View<'_>, first: usize, count: usize) -> View<'_> {
    let from = (first * view.stride).min(view.data.len());
    View::new(&view.data[from..], [1, 1, count, view.dims[3]], view.stride)
}

/// Calls `f(i, live lanes)` for every vector of `len` values.
#[inline(always)]
fn vectors<S: Simd>(len: usize, mut f: impl FnMut(usize, usize)) {
    let mut i = 0;
    while i < len {
        f(i, len - i);
        i += S::LANES;
    }
}

job! {
    /// Converts one query's `dP` to `dS`, given its scores.
    QueryRow {
        scores: &'a [f32],
        slopes: &'a mut [f32],
        divisor: &'a mut f32,
        dot: &'a mut f32,
    }, s => {
        let n = scores.len();
        assert_eq!(slopes.len(), n);
        let full = n / S::LANES * S::LANES;
        let mut top = s.splat(f32::NEG_INFINITY);
        for chunk in scores.chunks_exact(S::LANES) {
            // SAFETY: the chunk is one vector.
            top = s.max(top, unsafe { s.load(chunk.as_ptr()) });
        }
        let top = scores[full..].iter().fold(s.max_lane(top), |m, &v| m.max(v));
        // SAFETY: the row holds n floats, i < n.
        let score = |i: usize, live: usize| unsafe { s.load_upto(scores.as_ptr().add(i), live) };
        let mut one = [0.0_f32; 16];
        let mut sum = s.splat(0.0);
        vectors::<S>(n, |i, live| {
            let e = math::exp(s, s.sub(score(i, live), s.splat(top)));
            // Only live lanes count: the others are read back as 0.
            // SAFETY: the array holds a vector of any instruction set.
            unsafe {
                s.store(one.as_mut_ptr(), e);
                sum = s.add(sum, s.load_upto(one.as_ptr(), live));
            }
        });
        *divisor = top + s.sum(sum).ln();
        let divisor = s.splat(*divisor);
        let weight = |i: usize, live: usize| math::exp(s, s.sub(score(i, live), divisor));
        let mut sum = s.splat(0.0);
        vectors::<S>(n, |i, live| {
            // SAFETY: the row holds n floats, i < n.
            let slope = unsafe { s.load_upto(slopes.as_ptr().add(i), live) };
            sum = s.fma(weight(i, live), slope, sum);
        });
        *dot = s.sum(sum);
        let dot = s.splat(*dot);
        vectors::<S>(n, |i, live| {
            // SAFETY: the row holds n floats, i < n.
            unsafe {
                let at = slopes.as_mut_ptr().add(i);
                let slope = s.mul(weight(i, live), s.sub(s.load_upto(at, live), dot));
                s.store_upto(at, slope, live);
            }
        });
    }
}

job! {
    /// Converts one key's scores to weights and its `dP` to `dS`, over all queries.
    KeyRow {
        scores: &'a mut [f32],
        slopes: &'a mut [f32],
        divisors: &'a [f32],
        dots: &'a [f32],
    }, s => {
        let n = scores.len();
        assert!(slopes.len() == n && divisors.len() == n && dots.len() == n);
        vectors::<S>(n, |i, live| {
            // SAFETY: all four rows hold n floats, i < n.
            unsafe {
                let of = |row: &[f32]| s.load_upto(row.as_ptr().add(i), live);
                let weight = math::exp(s, s.sub(of(scores), of(divisors)));
                let slope = s.mul(weight, s.sub(of(slopes), of(dots)));
                s.store_upto(scores.as_mut_ptr().add(i), weight, live);
                s.store_upto(slopes.as_mut_ptr().add(i), slope, live);
            }
        });
    }
}

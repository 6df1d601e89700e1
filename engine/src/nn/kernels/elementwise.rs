//! Element-wise operations: sums, gates, projections, nearest-neighbour upsampling.

use super::buffer::{Nhwc, Shared, View, ViewMut};
use super::simd::job;
use super::threads::{Scratch, Threads};

/// Splits `rows` rows of `width` values among the threads.
pub(super) fn over_rows(
    threads: &Threads,
    rows: usize,
    width: usize,
    f: impl Fn(std::ops::Range<usize>, &mut Scratch) + Sync,
) {
    // These passes are limited by memory bandwidth: a value costs about as much as 8 multiply-adds.
    let work = rows * width * 8;
    let useful = threads.useful(work);
    let block = rows
        .div_ceil(if useful > 1 { 3 * useful } else { 1 })
        .max(1);
    threads.run(rows.div_ceil(block), work, |i, scratch| {
        f(i * block..((i + 1) * block).min(rows), scratch);
    });
}

/// Computes `low` repeated `factor` x `factor` (nearest neighbour) plus `map`, followed by ReLU if
/// `relu` is set.
///
/// `low` must have `map`'s size divided by `factor`, rounded up.
pub fn upsample_add(low: &Nhwc, factor: usize, map: &Nhwc, relu: bool, threads: &Threads) -> Nhwc {
    let [n, h, w, c] = map.dims();
    let mut out = map.buffers().map(n, h, w, c);
    upsample_add_into(low, factor, map, relu, &mut out, threads);
    out
}

/// Like [`upsample_add`], into a map of the result's size.
pub fn upsample_add_into(
    low: &Nhwc,
    factor: usize,
    map: &Nhwc,
    relu: bool,
    out: &mut Nhwc,
    threads: &Threads,
) {
    let [n, h, w, c] = map.dims();
    assert_eq!(out.dims(), map.dims(), "size of the sum");
    assert_eq!(
        low.dims(),
        [n, h.div_ceil(factor), w.div_ceil(factor), c],
        "size of the map to be repeated"
    );
    let shared = out.view_mut().shared();
    over_rows(threads, n * h, w * c, |rows, _| {
        for row in rows {
            let from = (row / h * low.h() + row % h / factor) * low.w() * c;
            threads.isa().run(UpsampleRow {
                low: &low.data()[from..][..low.w() * c],
                factor,
                map: &map.data()[row * w * c..][..w * c],
                c,
                // SAFETY: the row lies in `out`, and each row belongs to one task.
                out: unsafe { std::slice::from_raw_parts_mut(shared.pixel(row * w), w * c) },
                relu,
            });
        }
    });
}

job! {
    /// One row of [`upsample_add`].
    UpsampleRow {
        low: &'a [f32],
        factor: usize,
        map: &'a [f32],
        c: usize,
        out: &'a mut [f32],
        relu: bool,
    }, s => {
        let floor = s.splat(if relu { 0.0 } else { f32::NEG_INFINITY });
        for (x, (out, map)) in out.chunks_exact_mut(c).zip(map.chunks_exact(c)).enumerate() {
            let low = &low[x / factor * c..][..c];
            let mut i = 0;
            while i < c {
                // SAFETY: all three slices hold c floats and i < c.
                unsafe {
                    let a = s.load_upto(low.as_ptr().add(i), c - i);
                    let b = s.load_upto(map.as_ptr().add(i), c - i);
                    s.store_upto(out.as_mut_ptr().add(i), s.max(floor, s.add(a, b)), c - i);
                }
                i += S::LANES;
            }
        }
    }
}

/// Computes `a + b`, followed by ReLU if `relu` is set.
pub fn add(a: &Nhwc, b: &Nhwc, relu: bool, threads: &Threads) -> Nhwc {
    upsample_add(a, 1, b, relu, threads)
}

/// Adds one value per channel in place.
pub fn add_bias(map: &mut Nhwc, bias: &[f32]) {
    assert_eq!(bias.len(), map.c(), "one bias per channel");
    for pixel in map.data_mut().chunks_exact_mut(bias.len().max(1)) {
        for (value, bias) in pixel.iter_mut().zip(bias) {
            *value += bias;
        }
    }
}

/// Computes `map + one` for each of `map`'s images.
pub fn add_to_each(map: &Nhwc, one: &Nhwc) -> Nhwc {
    let [n, h, w, c] = map.dims();
    assert_eq!(one.dims(), [1, h, w, c], "what is added to each image");
    let mut sum = map.buffers().map(n, h, w, c);
    add_to_each_into(map, one.data(), &mut sum);
    sum
}

/// Like [`add_to_each`], with the values of one image, into a map of the result's size.
pub fn add_to_each_into(map: &Nhwc, one: &[f32], sum: &mut Nhwc) {
    let [_, h, w, c] = map.dims();
    assert_eq!(sum.dims(), map.dims(), "size of the sum");
    assert_eq!(one.len(), h * w * c, "what is added to each image");
    let images = sum.data_mut().chunks_exact_mut(one.len().max(1));
    for (sum, map) in images.zip(map.data().chunks_exact(one.len().max(1))) {
        for ((sum, map), one) in sum.iter_mut().zip(map).zip(one) {
            *sum = map + one;
        }
    }
}

/// Computes `weight . pixel` for every pixel: a 1x1 convolution to one channel, without bias.
pub fn project(map: View, weight: &[f32], pool: &super::Buffers, threads: &Threads) -> Nhwc {
    let [n, h, w, _] = map.dims;
    let mut out = pool.map(n, h, w, 1);
    project_into(map, weight, &mut out, threads);
    out
}

/// Like [`project`], into a map of the same size with one channel.
pub fn project_into(map: View, weight: &[f32], out: &mut Nhwc, threads: &Threads) {
    let [n, h, w, c] = map.dims;
    assert_eq!(weight.len(), c, "one weight per channel");
    assert_eq!(out.dims(), [n, h, w, 1], "size of the projection");
    let shared = out.view_mut().shared();
    over_rows(threads, n * h * w, c, |pixels, _| {
        threads.isa().run(Project {
            map: &map.data[pixels.start * map.stride..],
            stride: map.stride,
            weight,
            // SAFETY: the pixels lie in `out`, and each belongs to one task.
            out: unsafe {
                std::slice::from_raw_parts_mut(shared.pixel(pixels.start), pixels.len())
            },
        });
    });
}

job! {
    /// Computes some pixels of [`project`].
    Project { map: &'a [f32], stride: usize, weight: &'a [f32], out: &'a mut [f32] }, s => {
        let c = weight.len();
        for (p, out) in out.iter_mut().enumerate() {
            let pixel = &map[p * stride..][..c];
            let mut sum = s.splat(0.0);
            let mut i = 0;
            while i < c {
                // SAFETY: both slices hold c floats and i < c.
                unsafe {
                    let a = s.load_upto(pixel.as_ptr().add(i), c - i);
                    sum = s.fma(a, s.load_upto(weight.as_ptr().add(i), c - i), sum);
                }
                i += S::LANES;
            }
            *out = s.sum(sum);
        }
    }
}

/// Applies the gate of high-level spatial attention in place: `f * (1 + m + m * d) + bias`, with
/// one-channel maps `m` and `d` of `f`'s size and an optional bias per channel.
pub fn gate(mut f: ViewMut, m: &Nhwc, d: &Nhwc, bias: Option<&[f32]>, threads: &Threads) {
    let (dims, at) = (f.dims, f.shared());
    scale((at, at), dims, (m, Some(d)), bias, threads);
}

/// Like [`gate`], into another map of the same size; `f` may be some of the channels of a wider map.
pub fn gate_into(
    f: View,
    [m, d]: [&Nhwc; 2],
    bias: Option<&[f32]>,
    out: &mut Nhwc,
    threads: &Threads,
) {
    assert_eq!(out.dims(), f.dims, "size of the gated map");
    let to = out.view_mut().shared();
    scale((f.shared(), to), f.dims, (m, Some(d)), bias, threads);
}

/// Computes `f * m` in place, with a one-channel map `m` of `f`'s size.
pub fn scale_pixels(mut f: ViewMut, m: &Nhwc, threads: &Threads) {
    let (dims, at) = (f.dims, f.shared());
    scale((at, at), dims, (m, None), None, threads);
}

/// Scales the pixels of `from` into `to`, both of shape `dims`; `from` is not written unless it is
/// `to`. This is [`gate`] with a second map, and [`scale_pixels`] without.
fn scale(
    (from, to): (Shared, Shared),
    [n, h, w, c]: [usize; 4],
    (m, d): (&Nhwc, Option<&Nhwc>),
    bias: Option<&[f32]>,
    threads: &Threads,
) {
    for map in [Some(m), d].into_iter().flatten() {
        assert_eq!(map.dims(), [n, h, w, 1], "attention map's size");
    }
    assert!(bias.is_none_or(|b| b.len() == c), "one bias per channel");
    over_rows(threads, n * h * w, c, |pixels, _| {
        threads.isa().run(Scale {
            from,
            to,
            c,
            first: pixels.start,
            m: &m.data()[pixels.clone()],
            d: d.map(|d| &d.data()[pixels]),
            bias,
        });
    });
}

job! {
    /// Computes some pixels of [`scale`].
    Scale {
        from: Shared,
        to: Shared,
        c: usize,
        first: usize,
        m: &'a [f32],
        d: Option<&'a [f32]>,
        bias: Option<&'a [f32]>,
    }, s => {
        for (p, &m) in m.iter().enumerate() {
            let factor = s.splat(d.map_or(m, |d| 1.0 + m + m * d[p]));
            let mut i = 0;
            while i < c {
                // SAFETY: the pixel lies in both maps, c floats of it are ours, i < c; the bias
                // has c floats.
                unsafe {
                    let at = from.pixel(first + p).add(i);
                    let add = match bias {
                        Some(bias) => s.load_upto(bias.as_ptr().add(i), c - i),
                        None => s.splat(0.0),
                    };
                    let value = s.fma(s.load_upto(at, c - i), factor, add);
                    s.store_upto(to.pixel(first + p).add(i), value, c - i);
                }
                i += S::LANES;
            }
        }
    }
}

/// Copies `map` to `out`; both may be some of the channels of a wider map.
pub fn copy_channels(map: View, mut out: ViewMut, threads: &Threads) {
    let [n, h, w, c] = map.dims;
    assert_eq!(out.dims, map.dims, "size of the copy");
    let (from, to) = (map.shared(), out.shared());
    over_rows(threads, n * h * w, c, |pixels, _| {
        for pixel in pixels {
            // SAFETY: the pixel lies in both views, and each belongs to one task.
            unsafe { std::ptr::copy_nonoverlapping(from.pixel(pixel), to.pixel(pixel), c) };
        }
    });
}

//! Pooling, bilinear upsampling, and conversion between channels-first and channels-last.

use rayon::prelude::*;

use super::buffer::{Buffers, Nhwc, View};
use super::elementwise::over_rows;
use super::simd::job;
use super::threads::Threads;

/// Computes the maximum of each `kernel` x `kernel` window; padding counts as minus infinity.
pub fn max_pool(map: &Nhwc, kernel: usize, stride: usize, pad: usize, threads: &Threads) -> Nhwc {
    let out_len = |len: usize| {
        (len + 2 * pad)
            .checked_sub(kernel)
            .map_or(0, |l| l / stride + 1)
    };
    let (oh, ow) = (out_len(map.h()), out_len(map.w()));
    let mut out = map.buffers().map(map.n(), oh, ow, map.c());
    max_pool_into(map, [kernel, stride, pad], &mut out, threads);
    out
}

/// Like [`max_pool`], into a map of the result's size.
pub fn max_pool_into(
    map: &Nhwc,
    [kernel, stride, pad]: [usize; 3],
    out: &mut Nhwc,
    threads: &Threads,
) {
    let [n, h, w, c] = map.dims();
    assert!(
        pad < kernel && stride > 0,
        "every window must touch the map"
    );
    let [out_n, oh, ow, out_c] = out.dims();
    let fits = |len: usize, out: usize| out == 0 || (out - 1) * stride + kernel <= len + 2 * pad;
    assert!(
        (out_n, out_c) == (n, c) && fits(h, oh) && fits(w, ow),
        "size of the pooled map"
    );
    let shared = out.view_mut().shared();
    over_rows(threads, n * oh, ow * c * kernel, |rows, _| {
        for row in rows {
            let y = row % oh * stride;
            let y0 = y.saturating_sub(pad);
            let y1 = (y + kernel - pad).min(h);
            let first = row / oh * h + y0;
            threads.isa().run(PoolRow {
                rows: &map.data()[first * w * c..][..(y1 - y0) * w * c],
                w,
                c,
                window: (kernel, stride, pad),
                // SAFETY: the row lies in `out`, and each row belongs to one task.
                out: unsafe { std::slice::from_raw_parts_mut(shared.pixel(row * ow), ow * c) },
            });
        }
    });
}

job! {
    /// Computes one output row of [`max_pool`] from the input rows under it.
    PoolRow {
        rows: &'a [f32],
        w: usize,
        c: usize,
        window: (usize, usize, usize),
        out: &'a mut [f32],
    }, s => {
        let (kernel, stride, pad) = window;
        for (x, out) in out.chunks_exact_mut(c).enumerate() {
            let x0 = (x * stride).saturating_sub(pad);
            let x1 = (x * stride + kernel - pad).min(w);
            let mut i = 0;
            while i < c {
                let mut top = s.splat(f32::NEG_INFINITY);
                for row in rows.chunks_exact(w * c) {
                    for pixel in row[x0 * c..x1 * c].chunks_exact(c) {
                        // SAFETY: the pixel holds c floats and i < c.
                        let v = unsafe { s.load_upto(pixel.as_ptr().add(i), c - i) };
                        top = s.max(top, v);
                    }
                }
                // SAFETY: the pixel holds c floats and i < c.
                unsafe { s.store_upto(out.as_mut_ptr().add(i), top, c - i) };
                i += S::LANES;
            }
        }
    }
}

/// Repeats every pixel `factor` x `factor` times. Limited by memory bandwidth; images are processed
/// in parallel on rayon's current threads.
pub fn upsample_nearest(map: &Nhwc, factor: usize) -> Nhwc {
    let [n, h, w, c] = map.dims();
    let mut out = map.buffers().map(n, factor * h, factor * w, c);
    upsample_nearest_into(map, factor, &mut out);
    out
}

/// Like [`upsample_nearest`], into a map of the result's size.
pub fn upsample_nearest_into(map: &Nhwc, factor: usize, out: &mut Nhwc) {
    let [n, h, w, c] = map.dims();
    assert_eq!(
        out.dims(),
        [n, factor * h, factor * w, c],
        "size of the result"
    );
    if !out.data().is_empty() {
        let rows = out.data_mut().par_chunks_exact_mut(factor * w * c);
        rows.enumerate().for_each(|(y, row)| {
            let from = &map.data()[y / factor * w * c..][..w * c];
            for (x, pixel) in row.chunks_exact_mut(c).enumerate() {
                pixel.copy_from_slice(&from[x / factor * c..][..c]);
            }
        });
    }
}

/// Returns the two neighbours of output pixel `i` and the weight of the second, for doubling the
/// size.
pub(super) fn neighbours(i: usize, len: usize, align_corners: bool) -> (usize, usize, f32) {
    let at = if align_corners {
        // Centres of the corner pixels are aligned: (len - 1) intervals become (2 len - 1).
        i as f64 * (len - 1) as f64 / (2 * len - 1) as f64
    } else {
        // Outer edges of the corner pixels are aligned.
        (i as f64 / 2.0 - 0.25).max(0.0)
    };
    let low = (at as usize).min(len - 1);
    (low, (low + 1).min(len - 1), (at - low as f64) as f32)
}

/// Doubles the size with bilinear interpolation; `align_corners` as in PyTorch.
pub fn upsample_bilinear2(map: &Nhwc, align_corners: bool, threads: &Threads) -> Nhwc {
    let [n, h, w, c] = map.dims();
    let mut out = map.buffers().map(n, 2 * h, 2 * w, c);
    upsample_bilinear2_into(map, align_corners, &mut out, threads);
    out
}

/// Like [`upsample_bilinear2`], into a map of the result's size.
pub fn upsample_bilinear2_into(map: &Nhwc, align_corners: bool, out: &mut Nhwc, threads: &Threads) {
    let [n, h, w, c] = map.dims();
    assert_eq!(out.dims(), [n, 2 * h, 2 * w, c], "size of the result");
    let shared = out.view_mut().shared();
    over_rows(threads, n * 2 * h, 2 * w * c, |rows, _| {
        for row in rows {
            let (low, high, weight) = neighbours(row % (2 * h), h, align_corners);
            let line = |y: usize| &map.data()[(row / (2 * h) * h + y) * w * c..][..w * c];
            threads.isa().run(BilinearRow {
                rows: [line(low), line(high)],
                weight,
                w,
                c,
                align_corners,
                // SAFETY: the row lies in `out`, and each row belongs to one task.
                out: unsafe {
                    std::slice::from_raw_parts_mut(shared.pixel(row * 2 * w), 2 * w * c)
                },
            });
        }
    });
}

job! {
    /// Computes one output row of [`upsample_bilinear2`].
    BilinearRow {
        rows: [&'a [f32]; 2],
        weight: f32,
        w: usize,
        c: usize,
        align_corners: bool,
        out: &'a mut [f32],
    }, s => {
        for (x, out) in out.chunks_exact_mut(c).enumerate() {
            let (low, high, fx) = neighbours(x, w, align_corners);
            let (fx, fy) = (s.splat(fx), s.splat(weight));
            let mut i = 0;
            while i < c {
                let at = |row: usize, x: usize| {
                    let pixel = &rows[row][x * c..][..c];
                    // SAFETY: the pixel holds c floats and i < c.
                    unsafe { s.load_upto(pixel.as_ptr().add(i), c - i) }
                };
                let across = |row: usize| {
                    let (a, b) = (at(row, low), at(row, high));
                    s.fma(s.sub(b, a), fx, a)
                };
                let (a, b) = (across(0), across(1));
                let v = s.fma(s.sub(b, a), fy, a);
                // SAFETY: the pixel holds c floats and i < c.
                unsafe { s.store_upto(out.as_mut_ptr().add(i), v, c - i) };
                i += S::LANES;
            }
        }
    }
}

/// Copies `n` channels-first images of `c` x `h` x `w` values to a channels-last map; images are
/// processed in parallel on rayon's current threads.
pub fn from_nchw(data: &[f32], [n, c, h, w]: [usize; 4], pool: &Buffers) -> Nhwc {
    let mut out = pool.map(n, h, w, c);
    from_nchw_into(data, &mut out);
    out
}

/// Like [`from_nchw`], into a map of the images' size.
pub fn from_nchw_into(data: &[f32], out: &mut Nhwc) {
    let [n, h, w, c] = out.dims();
    assert_eq!(data.len(), n * c * h * w, "channels-first data");
    if !data.is_empty() {
        let area = h * w;
        if n == 1 {
            // Live inference: for a single image, waking threads costs more than it saves.
            transpose(data, out.data_mut(), c, area);
            return;
        }
        let images = out.data_mut().par_chunks_exact_mut(area * c);
        images
            .zip(data.par_chunks_exact(area * c))
            .for_each(|(image, planes)| transpose(planes, image, c, area));
    }
}

/// Copies the map's values channels-first into `out`; images are processed in parallel on rayon's
/// current threads.
pub fn to_nchw(map: &Nhwc, out: &mut [f32]) {
    let [n, h, w, c] = map.dims();
    assert_eq!(out.len(), map.data().len(), "channels-first data");
    if !out.is_empty() {
        let area = h * w;
        if n == 1 {
            transpose(map.data(), out, area, c);
            return;
        }
        let images = map.data().par_chunks_exact(area * c);
        images
            .zip(out.par_chunks_exact_mut(area * c))
            .for_each(|(image, planes)| transpose(image, planes, area, c));
    }
}

/// Copies the values of image `i` channels-first: one plane per channel.
pub fn planes(map: View, i: usize) -> Vec<f32> {
    let [_, h, w, c] = map.dims;
    let mut out = vec![0.0; h * w * c];
    if map.stride == c {
        transpose(&map.data[i * out.len()..][..out.len()], &mut out, h * w, c);
    } else {
        for (p, pixel) in map.pixels(i).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                out[channel * h * w + p] = value;
            }
        }
    }
    out
}

/// Computes `to[j][i] = from[i][j]` for i < rows, j < columns, in square blocks that stay in the
/// cache.
fn transpose(from: &[f32], to: &mut [f32], rows: usize, columns: usize) {
    const SIDE: usize = 16;
    for i0 in (0..rows).step_by(SIDE) {
        for j0 in (0..columns).step_by(SIDE) {
            for j in j0..(j0 + SIDE).min(columns) {
                for i in i0..(i0 + SIDE).min(rows) {
                    to[j * rows + i] = from[i * columns + j];
                }
            }
        }
    }
}

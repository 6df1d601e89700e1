//! Scale and shift per channel, as in batch normalisation at inference.

use super::buffer::Nhwc;
use super::elementwise::over_rows;
use super::math::Activation;
use super::simd::job;
use super::threads::Threads;

/// Computes `activation(factor * map + shift + residual)` with one factor and shift per channel;
/// the residual has the map's shape.
pub fn affine(
    map: &Nhwc,
    factor: &[f32],
    shift: &[f32],
    residual: Option<&Nhwc>,
    activation: Activation,
    threads: &Threads,
) -> Nhwc {
    let [n, h, w, c] = map.dims();
    let mut out = map.buffers().map(n, h, w, c);
    affine_into(map, factor, shift, residual, activation, &mut out, threads);
    out
}

/// Like [`affine()`], into a map of the same size.
pub fn affine_into(
    map: &Nhwc,
    factor: &[f32],
    shift: &[f32],
    residual: Option<&Nhwc>,
    activation: Activation,
    out: &mut Nhwc,
    threads: &Threads,
) {
    let [n, h, w, c] = map.dims();
    assert_eq!(out.dims(), map.dims(), "size of the result");
    assert!(
        factor.len() == c && shift.len() == c,
        "one factor and shift per channel"
    );
    if let Some(residual) = residual {
        assert_eq!(residual.dims(), map.dims(), "residual's size");
    }
    let shared = out.view_mut().shared();
    over_rows(threads, n * h, w * c, |rows, _| {
        for row in rows {
            threads.isa().run(AffineRow {
                map: &map.data()[row * w * c..][..w * c],
                factor,
                shift,
                residual: residual.map_or(&[], |map| &map.data()[row * w * c..][..w * c]),
                // SAFETY: the row lies in `out`, and each row belongs to one task.
                out: unsafe { std::slice::from_raw_parts_mut(shared.pixel(row * w), w * c) },
                activation,
            });
        }
    });
}

job! {
    /// One row of [`affine`].
    AffineRow {
        map: &'a [f32],
        factor: &'a [f32],
        shift: &'a [f32],
        residual: &'a [f32],
        out: &'a mut [f32],
        activation: Activation,
    }, s => {
        let c = factor.len();
        let pixels = map.chunks_exact(c).zip(out.chunks_exact_mut(c));
        for (pixel, (map, out)) in pixels.enumerate() {
            let residual = residual.get(pixel * c..pixel * c + c);
            let mut i = 0;
            while i < c {
                // SAFETY: all slices hold c floats and i < c.
                unsafe {
                    let x = s.load_upto(map.as_ptr().add(i), c - i);
                    let factor = s.load_upto(factor.as_ptr().add(i), c - i);
                    let shift = s.load_upto(shift.as_ptr().add(i), c - i);
                    let mut y = s.fma(x, factor, shift);
                    if let Some(residual) = residual {
                        y = s.add(y, s.load_upto(residual.as_ptr().add(i), c - i));
                    }
                    let y = activation.apply(s, y);
                    s.store_upto(out.as_mut_ptr().add(i), y, c - i);
                }
                i += S::LANES;
            }
        }
    }
}

//! A factor and a shift per channel: batch normalisation with running statistics.

use super::buffer::Nhwc;
use super::math::Activation;
use super::pointwise::over_rows;
use super::simd::job;
use super::threads::Threads;

/// `activation(factor * map + shift)`, one factor and shift per channel.
pub fn affine(
    map: &Nhwc,
    factor: &[f32],
    shift: &[f32],
    activation: Activation,
    threads: &Threads,
) -> Nhwc {
    let [n, h, w, c] = map.dims();
    assert!(
        factor.len() == c && shift.len() == c,
        "one factor and shift per channel"
    );
    let mut out = map.buffers().map(n, h, w, c);
    let shared = out.view_mut().shared();
    over_rows(threads, n * h, w * c, |rows, _| {
        for row in rows {
            threads.isa().run(AffineRow {
                map: &map.data()[row * w * c..][..w * c],
                factor,
                shift,
                // SAFETY: the row lies in `out`, and each row belongs to one task.
                out: unsafe { std::slice::from_raw_parts_mut(shared.pixel(row * w), w * c) },
                activation,
            });
        }
    });
    out
}

job! {
    /// One row of [`affine`].
    AffineRow {
        map: &'a [f32],
        factor: &'a [f32],
        shift: &'a [f32],
        out: &'a mut [f32],
        activation: Activation,
    }, s => {
        let c = factor.len();
        for (map, out) in map.chunks_exact(c).zip(out.chunks_exact_mut(c)) {
            let mut i = 0;
            while i < c {
                // SAFETY: all four slices hold c floats and i < c.
                unsafe {
                    let x = s.load_upto(map.as_ptr().add(i), c - i);
                    let factor = s.load_upto(factor.as_ptr().add(i), c - i);
                    let shift = s.load_upto(shift.as_ptr().add(i), c - i);
                    let y = activation.apply(s, s.fma(x, factor, shift));
                    s.store_upto(out.as_mut_ptr().add(i), y, c - i);
                }
                i += S::LANES;
            }
        }
    }
}

//! Converts weight gradients from the kernels' order to that of tensors.

use rayon::prelude::*;

use super::threads::Threads;

/// Fills `out` `[cout, cin, area]` with `f(output channel, input channel, tap)`.
pub(super) fn unpack(
    out: &mut [f32],
    [cin, area]: [usize; 2],
    threads: &Threads,
    f: impl Fn(usize, usize, usize) -> f32 + Sync,
) {
    threads.iterate(|| {
        let rows = out.par_chunks_exact_mut(cin * area).enumerate();
        rows.for_each(|(o, row)| {
            for (c, taps) in row.chunks_exact_mut(area).enumerate() {
                for (tap, out) in taps.iter_mut().enumerate() {
                    *out = f(o, c, tap);
                }
            }
        });
    });
}

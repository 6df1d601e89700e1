//! Weight gradient of a depthwise convolution. Its input gradient is [`super::depthwise()`] with
//! the kernel rotated by 180 degrees.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::reduce::{per_block, total};
use super::simd::job;
use super::threads::Threads;

/// Rows per task: f32 sums the products of 16 rows with an error of 1e-6.
const BAND: usize = 16;
/// Taps of a kernel row that are summed at once in registers.
const TAPS: usize = 8;

/// Returns the gradient of `[c, kernel, kernel]` weights for the output gradient `grad` of `input`.
pub fn depthwise_weight_gradient(
    kernel: usize,
    input: &Nhwc,
    grad: &Nhwc,
    threads: &Threads,
) -> Vec<f32> {
    let [n, h, w, c] = input.dims();
    assert_eq!(
        grad.dims(),
        input.dims(),
        "gradient of a depthwise convolution"
    );
    assert!(kernel % 2 == 1, "odd kernels only");
    let bands = h.div_ceil(BAND);
    let area = kernel * kernel;
    let tasks = (0..n * bands).into_par_iter();
    let half = kernel / 2;
    let row = (w + 2 * half) * c;
    let sums = per_block(tasks, area * c, threads, |i, sums| {
        let (image, y0) = (i / bands, i % bands * BAND);
        let rows = BAND.min(h - y0);
        // Zero border, with room for taps beyond the kernel's and for vectors beyond the row.
        let mut strip = vec![0.0; (rows + 2 * half) * row + TAPS * (c + 16) + 16];
        for (r, dest) in strip
            .chunks_exact_mut(row)
            .take(rows + 2 * half)
            .enumerate()
        {
            let y = y0 + r;
            if (half..h + half).contains(&y) {
                let from = (image * h + y - half) * w * c;
                dest[half * c..][..w * c].copy_from_slice(&input.data()[from..][..w * c]);
            }
        }
        let grad = &grad.data()[(image * h + y0) * w * c..][..rows * w * c];
        threads.isa().run(Band {
            kernel,
            c,
            width: w,
            strip: &strip,
            row,
            grad,
            sums,
        });
    });
    let total = total(&sums, area * c);
    (0..area * c)
        .map(|i| total[i % area * c + i / area] as f32)
        .collect()
}

job! {
    /// Sums one band of rows by `[tap][channel]`.
    Band {
        kernel: usize,
        c: usize,
        width: usize,
        strip: &'a [f32],
        row: usize,
        grad: &'a [f32],
        sums: &'a mut [f32],
    }, s => {
        let rows = grad.len() / (width * c);
        // With one channel a vector holds neighbouring pixels, otherwise neighbouring channels.
        let (single, step) = if c == 1 { (true, S::LANES) } else { (false, c) };
        assert!(strip.len() >= (rows + kernel - 1) * row + TAPS * (c + 16));
        assert!(sums.len() == kernel * kernel * c);
        let mut channel = 0;
        while channel < c {
            for ky in 0..kernel {
                for first in (0..kernel).step_by(TAPS) {
                    let mut acc = [s.splat(0.0); TAPS];
                    for y in 0..rows {
                        let mut at = channel;
                        while at < width * c {
                            let live = if single { width - at } else { c - channel };
                            // SAFETY: the gradient holds `live` floats from here on; the strip
                            // has room for TAPS taps and a vector beyond its last pixel.
                            unsafe {
                                let g = s.load_upto(grad.as_ptr().add(y * width * c + at), live);
                                let from = strip.as_ptr().add((y + ky) * row + at + first * c);
                                for (tap, acc) in acc.iter_mut().enumerate() {
                                    *acc = s.fma(s.load(from.add(tap * c)), g, *acc);
                                }
                            }
                            at += step;
                        }
                    }
                    for (tap, &acc) in acc.iter().enumerate().take(kernel - first) {
                        let to = &mut sums[(ky * kernel + first + tap) * c + channel..];
                        if single {
                            to[0] = s.sum(acc);
                        } else {
                            // SAFETY: a tap's sums are c floats.
                            unsafe { s.store_upto(to.as_mut_ptr(), acc, c - channel) };
                        }
                    }
                }
            }
            channel += S::LANES;
        }
    }
}

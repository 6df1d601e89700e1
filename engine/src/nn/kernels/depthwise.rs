//! Depthwise convolutions: [`depthwise`] with any odd kernel; with one channel, also the 7x7
//! convolutions of attention maps.

use bytemuck::Zeroable;

use super::buffer::{Line, Nhwc, Shared, lines};
use super::math::Activation;
use super::simd::job;
use super::threads::Threads;

/// Packed weights of a depthwise convolution with stride 1 and padding `kernel / 2`.
pub struct PackedDepthwise {
    channels: usize,
    kernel: usize,
    /// Channels per tap, padded to whole vectors.
    pitch: usize,
    weight: Vec<Line>,
    bias: Vec<Line>,
}

impl PackedDepthwise {
    /// Packs `weight` `[channels, kernel, kernel]` (frameworks use `[channels, 1, kernel, kernel]`)
    /// and `bias` `[channels]`; panics when a length is wrong or the kernel is even.
    pub fn new(channels: usize, kernel: usize, weight: &[f32], bias: Option<&[f32]>) -> Self {
        assert!(kernel % 2 == 1 && channels > 0, "odd kernels only");
        let area = kernel * kernel;
        assert_eq!(weight.len(), channels * area, "depthwise weights");
        let pitch = channels.next_multiple_of(16);
        let mut packed = vec![Line::zeroed(); lines(pitch * area)];
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut packed);
        for (i, &v) in weight.iter().enumerate() {
            floats[i % area * pitch + i / area] = v;
        }
        let mut padded = vec![Line::zeroed(); lines(pitch)];
        if let Some(bias) = bias {
            assert_eq!(bias.len(), channels, "one bias per channel");
            bytemuck::cast_slice_mut::<_, f32>(&mut padded)[..channels].copy_from_slice(bias);
        }
        Self {
            channels,
            kernel,
            pitch,
            weight: packed,
            bias: padded,
        }
    }
}

/// Computes `activation(weights * input + bias + residual)`; the residual has the input's shape.
pub fn depthwise(
    weights: &PackedDepthwise,
    input: &Nhwc,
    residual: Option<&Nhwc>,
    activation: Activation,
    threads: &Threads,
) -> Nhwc {
    let [n, h, w, c] = input.dims();
    let mut out = input.buffers().map(n, h, w, c);
    depthwise_into(weights, input, residual, activation, &mut out, threads);
    out
}

/// Like [`depthwise()`], into a map of the input's size.
pub fn depthwise_into(
    weights: &PackedDepthwise,
    input: &Nhwc,
    residual: Option<&Nhwc>,
    activation: Activation,
    out: &mut Nhwc,
    threads: &Threads,
) {
    let [n, h, w, c] = input.dims();
    assert_eq!(out.dims(), input.dims(), "size of the result");
    assert_eq!(c, weights.channels, "channels of a depthwise convolution");
    if let Some(residual) = residual {
        assert_eq!(residual.dims(), input.dims(), "residual's size");
    }
    if input.data().is_empty() {
        return;
    }
    let shared = out.view_mut().shared();
    let work = n * h * w * c * weights.kernel * weights.kernel;
    let useful = threads.useful(work);
    // The copied band has kernel - 1 more rows than the band: 16 rows keep the overhead below a
    // half.
    let band = h
        .div_ceil(if useful > 1 { 3 * useful } else { 1 })
        .clamp(1, 32);
    let bands = h.div_ceil(band);
    threads.run(n * bands, work, |i, scratch| {
        let y0 = i % bands * band;
        let rows = y0..(y0 + band).min(h);
        let half = weights.kernel / 2;
        let row = (w + 2 * half) * c;
        // Vectors may read past the last pixel of a row.
        let (strip, _, _) = scratch.take((rows.len() + 2 * half) * row + 8 * (c + 16), 0);
        for (r, dest) in strip
            .chunks_exact_mut(row)
            .take(rows.len() + 2 * half)
            .enumerate()
        {
            let y = y0 + r;
            if y < half || y >= h + half {
                dest.fill(0.0);
                continue;
            }
            let from = ((i / bands) * h + y - half) * w * c;
            dest[..half * c].fill(0.0);
            dest[half * c..][..w * c].copy_from_slice(&input.data()[from..][..w * c]);
            dest[half * c + w * c..].fill(0.0);
        }
        threads.isa().run(Rows {
            weights,
            strip,
            row,
            width: w,
            first: (i / bands) * h + y0,
            count: rows.len(),
            residual: residual.map_or(&[], |r| r.data()),
            out: shared,
            activation,
        });
    });
}

job! {
    /// Computes some output rows from a strip of input rows with their zero border.
    Rows {
        weights: &'a PackedDepthwise,
        strip: &'a [f32],
        row: usize,
        width: usize,
        first: usize,
        count: usize,
        residual: &'a [f32],
        out: Shared,
        activation: Activation,
    }, s => {
        /// Number of independent accumulators: enough to hide the latency of a fused multiply-add.
        const N: usize = 8;
        let (c, k) = (weights.channels, weights.kernel);
        let taps: &[f32] = bytemuck::cast_slice(&weights.weight);
        let bias: &[f32] = bytemuck::cast_slice(&weights.bias);
        // With one channel a vector holds neighbouring pixels, otherwise neighbouring channels.
        let single = c == 1;
        let (step, runs) = if single { (S::LANES, 1) } else { (c, c.div_ceil(S::LANES)) };
        let values = width * c;
        assert!(strip.len() >= (count + k - 1) * row + N * (c + 16));
        for y in 0..count {
            let base = (first + y) * values;
            for run in 0..runs {
                let channel = run * S::LANES;
                let live = c - channel;
                let mut at = channel;
                while at < values {
                    // SAFETY: the strip has room for N vectors past the last pixel; taps and
                    // bias are filled up to whole vectors; writes stay below `values`.
                    unsafe {
                        let start = if single {
                            s.splat(bias[0])
                        } else {
                            s.load(bias.as_ptr().add(channel))
                        };
                        let mut acc = [start; N];
                        for tap in 0..k * k {
                            let weight = taps.as_ptr().add(tap * weights.pitch + channel);
                            let weight = if single { s.splat(*weight) } else { s.load(weight) };
                            let from = strip.as_ptr().add((y + tap / k) * row + at + tap % k * c);
                            for (v, acc) in acc.iter_mut().enumerate() {
                                *acc = s.fma(s.load(from.add(v * step)), weight, *acc);
                            }
                        }
                        let mut sums = [0.0_f32; N * 16];
                        for (v, &acc) in acc.iter().enumerate() {
                            s.store(sums.as_mut_ptr().add(v * S::LANES), acc);
                        }
                        for v in 0..N {
                            let at = at + v * step;
                            if at >= values {
                                break;
                            }
                            let live = if single { values - at } else { live };
                            let mut sum = s.load(sums.as_ptr().add(v * S::LANES));
                            if !residual.is_empty() {
                                let map = residual[base + at..][..live.min(S::LANES)].as_ptr();
                                sum = s.add(sum, s.load_upto(map, live));
                            }
                            // `out` is contiguous: its pixels are `c` floats apart.
                            let out = out.pixel(0).add(base + at);
                            s.store_upto(out, activation.apply(s, sum), live);
                        }
                    }
                    at += N * step;
                }
            }
        }
    }
}

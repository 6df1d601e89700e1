//! Weight gradients of convolutions.
//!
//! The input's gradient needs no kernel of its own: it is [`super::PackedConv::input_gradient`]
//! or a [`super::PackedTransposed`] applied to the output's gradient.

use super::buffer::{Nhwc, Shared};
use super::shape::ConvShape;
use super::simd::{Simd, job};
use super::strip::Columns;
use super::threads::{Scratch, Threads};
use super::tile::{PANEL, Post, Seg, Tile, cover, run_all};
use super::unpack::unpack;
use super::winograd_grad;

/// Bytes per strip: the strip and the output gradient's rows next to it stay in the L2.
const STRIP_BYTES: usize = 96 * 1024;

/// Computes the weight gradient of a convolution of `input`, given the output gradient `grad`, and
/// overwrites `out` `[cout, cin, kernel, kernel]` with it.
///
/// The result does not depend on the number of threads, because each sum is computed by one thread.
pub fn conv2d_weight_gradient(
    shape: ConvShape,
    input: &Nhwc,
    grad: &Nhwc,
    out: &mut [f32],
    threads: &Threads,
) {
    let ConvShape {
        cin,
        cout,
        kernel,
        stride,
        pad,
    } = shape;
    let [n, h, w, _] = input.dims();
    let (oh, ow) = (shape.out(h), shape.out(w));
    assert_eq!(input.c(), cin, "input channels of {shape:?}");
    assert_eq!(
        grad.dims(),
        [n, oh, ow, cout],
        "output gradient of {shape:?}"
    );
    assert_eq!(out.len(), shape.weights(), "weight gradient of {shape:?}");
    if grad.data().is_empty() {
        out.fill(0.0);
        return;
    }
    if winograd_grad::wins(shape, n, h, w) {
        winograd_grad::run(shape, input, grad, out, threads);
        return;
    }
    // The register tile reads whole panels of the output gradient.
    let wide = cout.next_multiple_of(PANEL);
    let mut padded = None;
    if wide != cout {
        let mut map = threads.spare.map(n, oh, ow, wide);
        for (to, from) in map
            .data_mut()
            .chunks_exact_mut(wide)
            .zip(grad.data().chunks_exact(cout))
        {
            to[..cout].copy_from_slice(from);
            to[cout..].fill(0.0);
        }
        padded = Some(map);
    }
    let grad = padded.as_ref().unwrap_or(grad);
    // Sums by kernel tap and input channel, output channels innermost.
    let mut sums = threads.spare.map(1, kernel * kernel, cin, wide);
    let shared = sums.view_mut().shared();
    let cell = if cin <= 4 { 4 } else { PANEL };
    let (blocks, pairs) = (cin.div_ceil(cell), wide.div_ceil(2 * PANEL));
    threads.run(
        blocks * pairs * kernel,
        shape.macs(h, w) * n,
        |i, scratch| {
            threads.isa().run(Part {
                shape,
                input,
                grad,
                to: shared,
                columns: &Columns {
                    stride,
                    pad: pad as isize,
                    needed: (ow - 1) * stride + kernel,
                    phase: cover(ow) + kernel.div_ceil(stride),
                },
                block: i % blocks,
                pair: i / blocks % pairs,
                ky: i / blocks / pairs,
                scratch,
            });
        },
    );
    let sums = sums.data();
    let area = kernel * kernel;
    unpack(out, [cin, area], threads, |o, c, tap| {
        sums[(tap * cin + c) * wide + o]
    });
}

job! {
    /// One row of taps, one block of input channels, and up to two panels of output channels.
    Part {
        shape: ConvShape,
        input: &'a Nhwc,
        grad: &'a Nhwc,
        to: Shared,
        columns: &'a Columns,
        block: usize,
        pair: usize,
        ky: usize,
        scratch: &'a mut Scratch,
    }, s => {
        let part = Sums { shape, input, grad, to, columns, block, pair, ky };
        if shape.cin <= 4 {
            part.compute::<S, 4>(s, scratch);
        } else {
            part.compute::<S, PANEL>(s, scratch);
        }
    }
}

/// The arguments of a [`Part`] without its scratch memory.
struct Sums<'a> {
    shape: ConvShape,
    input: &'a Nhwc,
    grad: &'a Nhwc,
    to: Shared,
    columns: &'a Columns,
    block: usize,
    pair: usize,
    ky: usize,
}

impl Sums<'_> {
    #[inline(always)]
    fn compute<S: Simd, const CELL: usize>(&self, s: S, scratch: &mut Scratch) {
        let ConvShape {
            cin,
            kernel,
            stride,
            pad,
            ..
        } = self.shape;
        let [_, h, _, _] = self.input.dims();
        let [n, oh, ow, wide] = self.grad.dims();
        let row = self.columns.phase * stride * CELL;
        let band = (STRIP_BYTES / 4 / row).clamp(1, oh);
        let (strip, _, segs) = scratch.take(band * row, 0);
        let channels = (cin - self.block * CELL).min(CELL);
        let view = self.input.view();
        let zeros = [0.0; 2 * PANEL];
        let panels = 2 * self.pair..(2 * self.pair + 2).min(wide / PANEL);
        for (image, y0) in (0..n).flat_map(|i| (0..oh).step_by(band).map(move |y| (i, y))) {
            let rows = band.min(oh - y0);
            segs.clear();
            for (r, dest) in strip.chunks_exact_mut(row).take(rows).enumerate() {
                segs.push(Seg {
                    off: (r * row) as u32,
                    len: ow as u32,
                });
                let y = (y0 + r) * stride + self.ky;
                if (pad..h + pad).contains(&y) {
                    let from = image * h + y - pad;
                    self.columns
                        .fill::<S, CELL>(s, &view, from, self.block, dest);
                } else {
                    dest.fill(0.0);
                }
            }
            let segs = &segs[..];
            for kx in 0..kernel {
                let cell = (kx % stride) * self.columns.phase + kx / stride;
                // SAFETY: a tile's channels stay in their cell, its columns in the phase; the
                // gradient's rows follow each other and hold whole panels; `to` has `tap * cin + c`
                // pixels of `wide` channels, and this part's taps, channels and panels are no
                // other's.
                unsafe {
                    run_all::<S, 1, CELL>(s, channels, panels.clone(), |c, panel, _| {
                        let tap = self.ky * kernel + kx;
                        let at = tap * cin + self.block * CELL + c;
                        let out = self.to.pixel(at).add(panel * PANEL);
                        let grad_row = (image * oh + y0) * ow * wide;
                        Tile {
                            a: strip.as_ptr().add(cell * CELL + c),
                            a_step: 1,
                            segs,
                            w: self.grad.data().as_ptr().add(grad_row + panel * PANEL),
                            w_panel: PANEL,
                            w_next: wide,
                            bias: zeros.as_ptr(),
                            out,
                            out_step: wide,
                            out_panel: PANEL,
                            pixels: channels - c,
                            channels: wide - panel * PANEL,
                            post: if (image, y0) == (0, 0) {
                                Post::NONE
                            } else {
                                Post::adding_to(out, wide)
                            },
                        }
                    });
                }
            }
        }
    }
}

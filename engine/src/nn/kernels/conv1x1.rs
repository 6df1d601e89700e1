//! 1x1 convolutions and linear layers: a matrix product that reads the map in place.

use super::buffer::{Shared, View};
use super::panels::PanelView;
use super::simd::{Job, Simd};
use super::threads::{Scratch, Threads};
use super::tile::{PANEL, Post, Seg, Tile, panels_for, pixels_for};

/// Input bytes per task, so that they stay in or near the L1 cache while the weights stream
/// through.
const BLOCK_BYTES: usize = 48 * 1024;

/// Arguments of a 1x1 convolution.
pub(super) struct Points<'a> {
    pub(super) input: View<'a>,
    pub(super) stride: usize,
    pub(super) panels: PanelView<'a>,
    pub(super) bias: &'a [f32],
    pub(super) out: Shared,
    /// `[images, rows, columns, channels]` of the output.
    pub(super) dims: [usize; 4],
    /// Residual and shift, checked against the output's shape.
    pub(super) residual: Option<(View<'a>, u32)>,
    pub(super) relu: bool,
}

/// Computes all pixels. The callers have checked the sizes.
pub(super) fn run(points: &Points, threads: &Threads) {
    let [n, h, w, cout] = points.dims;
    let cin = points.input.dims[3];
    let work = n * h * w * cin * cout;
    // If nothing depends on the row, the map is treated as one long row.
    let flat = points.stride == 1 && points.residual.is_none_or(|(_, shift)| shift == 0);
    let (rows, width) = if flat { (1, n * h * w) } else { (n * h, w) };
    let useful = threads.useful(work);
    let fit = (BLOCK_BYTES / 4 / cin).max(48);
    let share = (rows * width).div_ceil(if useful > 1 { 3 * useful } else { 1 });
    // Whole large tiles on every instruction set.
    let block = fit.min(share).next_multiple_of(24);
    let (tall, wide) = if flat {
        (1, block)
    } else {
        ((block / w).max(1), w)
    };
    let across = width.div_ceil(wide);
    threads.run(rows.div_ceil(tall) * across, work, |i, scratch| {
        let (y0, x0) = (i / across * tall, i % across * wide);
        threads.isa().run(Block {
            points,
            flat,
            rows: y0..(y0 + tall).min(rows),
            columns: x0..(x0 + wide).min(width),
            scratch,
        });
    });
}

/// Computes all pixels in the caller's task: `points` must be flat, that is, of stride 1 and
/// without a residual.
pub(super) fn run_here(points: &Points, threads: &Threads, scratch: &mut Scratch) {
    let [n, h, w, _] = points.dims;
    threads.isa().run(Block {
        points,
        flat: true,
        rows: 0..1,
        columns: 0..n * h * w,
        scratch,
    });
}

/// One task: a block of consecutive pixels.
struct Block<'a, 'b> {
    points: &'a Points<'b>,
    flat: bool,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    scratch: &'a mut Scratch,
}

impl Job for Block<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Points {
            input,
            stride,
            panels,
            bias,
            out,
            dims: [_, h, w, cout],
            residual,
            relu,
        } = self.points;
        let [_, ih, iw, cin] = input.dims;
        let (tail, _, segs) = self.scratch.take(S::MAX_PIXELS * cin, 0);
        segs.clear();
        segs.push(Seg {
            off: 0,
            len: cin as u32,
        });
        let (weights, pitch) = (panels.floats, panels.depth * PANEL);
        assert!(weights.len() >= panels.count * pitch && panels.depth == cin);
        assert!(bias.len() >= panels.count * PANEL);
        let mut panel = 0;
        while panel < panels.count {
            let wide = panels_for::<S>(panels.count - panel);
            let first = panel * PANEL;
            for row in self.rows.clone() {
                // The row's first pixel in the input, the output and the residual.
                let in_row = if self.flat {
                    0
                } else {
                    (row / h * ih + row % h * stride) * iw
                };
                let out_row = if self.flat { 0 } else { row * w };
                let mut x = self.columns.start;
                while x < self.columns.end {
                    let left = self.columns.end - x;
                    let size = pixels_for::<S>(left);
                    let step = stride * input.stride;
                    let at = (in_row + x * stride) * input.stride;
                    let source = &input.data[at..];
                    let (a, a_step) = if source.len() >= (size - 1) * step + cin {
                        (source, step)
                    } else {
                        // The tile would read past the end of the map, so it is given a copy.
                        for p in 0..left.min(size) {
                            tail[p * cin..][..cin].copy_from_slice(&source[p * step..][..cin]);
                        }
                        (&*tail, cin)
                    };
                    // SAFETY: `a` was just checked, weights and bias above; output and residual
                    // have the checked sizes and row, x, channel are inside.
                    unsafe {
                        let mut post = Post::NONE;
                        post.relu = *relu;
                        if let Some((map, shift)) = residual {
                            let res_row = if self.flat {
                                0
                            } else {
                                (row / h * map.dims[1] + ((row % h) >> shift)) * map.dims[2]
                            };
                            post.res = map.data.as_ptr().add(res_row * map.stride + first);
                            post.res_step = map.stride;
                            post.shift = *shift;
                            post.x0 = x;
                        }
                        Tile {
                            a: a.as_ptr(),
                            a_step,
                            segs,
                            w: weights.as_ptr().add(panel * pitch),
                            w_panel: pitch,
                            w_next: PANEL,
                            bias: bias.as_ptr().add(first),
                            out: out.pixel(out_row + x).add(first),
                            out_step: out.stride,
                            out_panel: PANEL,
                            pixels: left,
                            channels: cout - first,
                            post,
                        }
                        .run::<S, 0, 1>(s, size, wide);
                    }
                    x += size;
                }
            }
            panel += wide;
        }
    }
}

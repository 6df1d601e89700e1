//! Convolution with any kernel, stride and padding over copied bands of rows.
//!
//! A *strip* is a band of input rows in scratch memory, including the zero border, as
//! `[row][16-channel block][column phase][column][16]`, where phase p holds the columns p, p +
//! stride, ... The pixels of a register tile are therefore always 16 floats apart (4 for up to 4
//! input channels) for any stride, the tile's addresses are one register plus constants, and no
//! tile has to handle a border. The copy costs one load and store per 16 inputs, compared to 9 *
//! cout / 2 multiply-adds of 16 lanes for a 3x3 kernel with stride 1.

use super::buffer::{Shared, View};
use super::panels::Panels;
use super::simd::{Job, Simd};
use super::threads::{Scratch, Threads};
use super::tile::{PANEL, Post, Seg, Tile, cover, panels_for, pixels_for};

/// Bytes per strip: half of the smallest common L2 (512 KiB) minus room for weights.
const STRIP_BYTES: usize = 192 * 1024;

/// One convolution over strips; also one phase of a transposed convolution.
pub(super) struct Strips<'a> {
    pub(super) input: View<'a>,
    pub(super) panels: &'a Panels,
    pub(super) bias: &'a [f32],
    pub(super) kh: usize,
    pub(super) kw: usize,
    pub(super) stride: usize,
    pub(super) pad_y: isize,
    pub(super) pad_x: isize,
    /// `[images, rows, columns, channels]` computed here.
    pub(super) dims: [usize; 4],
    pub(super) out: Shared,
    /// Pixel (y, x) is stored at output pixel (y * scale + `out_y`, x * scale + `out_x`).
    pub(super) out_scale: usize,
    pub(super) out_y: usize,
    pub(super) out_x: usize,
    /// Height and width of an output image.
    pub(super) out_h: usize,
    pub(super) out_w: usize,
    /// Residual and shift, checked against the output's shape.
    pub(super) residual: Option<(View<'a>, u32)>,
    pub(super) relu: bool,
}

/// Dimensions of a strip.
#[derive(Clone, Copy)]
struct Layout {
    /// Floats per column cell: 16, or 4 for up to 4 channels.
    cell: usize,
    /// Cells per phase.
    phase: usize,
    /// Number of 16-channel blocks.
    blocks: usize,
    /// Floats per row.
    row: usize,
}

impl Strips<'_> {
    fn layout(&self) -> Layout {
        let cin = self.input.dims[3];
        let cell = if cin <= 4 { 4 } else { PANEL };
        let phase = cover(self.dims[2]) + self.kw.div_ceil(self.stride);
        let blocks = cin.div_ceil(cell);
        Layout {
            cell,
            phase,
            blocks,
            row: blocks * self.stride * phase * cell,
        }
    }

    /// Returns the number of input rows needed for `rows` output rows.
    fn rows_in(&self, rows: usize) -> usize {
        (rows - 1) * self.stride + self.kh
    }

    /// Computes all pixels. The callers in `conv` have checked the sizes.
    pub(super) fn run(&self, threads: &Threads) {
        let [n, h, w, _] = self.dims;
        let layout = self.layout();
        let work = n * h * w * self.panels.depth * self.dims[3];
        let useful = threads.useful(work);
        let fit = (STRIP_BYTES / 4 / layout.row.max(1)).saturating_sub(self.kh) / self.stride + 1;
        // Small deep maps are split by output channels, because their weights (0.9 MB for 160 ->
        // 160) cost more to read than their pixels. Others are split into three bands per thread,
        // so that a delayed thread holds up at most a third of its share.
        let (band, groups) = if useful > 1 && n * h <= 8 * useful {
            (fit.min(h), useful.min(self.panels.count))
        } else if useful > 1 {
            (fit.min((n * h).div_ceil(3 * useful)).min(h), 1)
        } else {
            (fit.min(h), 1)
        };
        let bands = h.div_ceil(band);
        // Equal bands: 64 rows in bands of at most 13 are 5 x 13 (12), not 4 x 13 + 12.
        let band = h.div_ceil(bands);
        let bands = h.div_ceil(band);
        threads.run(n * bands * groups, work, |i, scratch| {
            let (g, b) = (i % groups, i / groups);
            let y0 = (b % bands) * band;
            let count = self.panels.count;
            let job = Band {
                conv: self,
                layout,
                image: b / bands,
                rows: y0..(y0 + band).min(h),
                panels: g * count / groups..(g + 1) * count / groups,
                scratch,
            };
            threads.isa().run(job);
        });
    }
}

/// One task: some rows of one image and some of the output channels.
struct Band<'a, 'b> {
    conv: &'a Strips<'b>,
    layout: Layout,
    image: usize,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
    scratch: &'a mut Scratch,
}

impl Job for Band<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.layout.cell == 4 {
            self.compute::<S, 4>(s);
        } else {
            self.compute::<S, PANEL>(s);
        }
    }
}

impl Band<'_, '_> {
    #[inline(always)]
    fn compute<S: Simd, const CELL: usize>(self, s: S) {
        let Self {
            conv,
            layout,
            image,
            ..
        } = self;
        let [_, _, width, cout] = conv.dims;
        let rows_in = conv.rows_in(self.rows.len());
        let (strip, _, segs) = self.scratch.take(rows_in * layout.row, 0);
        segs.clear();
        let cin = conv.input.dims[3];
        for (ky, kx) in (0..conv.kh * conv.kw).map(|i| (i / conv.kw, i % conv.kw)) {
            for block in 0..layout.blocks {
                let cell =
                    (block * conv.stride + kx % conv.stride) * layout.phase + kx / conv.stride;
                segs.push(Seg {
                    off: (ky * layout.row + cell * CELL) as u32,
                    len: (cin - block * CELL).min(CELL) as u32,
                });
            }
        }
        for r in 0..rows_in {
            let y = (self.rows.start * conv.stride + r) as isize - conv.pad_y;
            let row = &mut strip[r * layout.row..(r + 1) * layout.row];
            fill_row::<S, CELL>(s, conv, layout, image, y, row);
        }
        let weights = conv.panels.floats();
        assert!(weights.len() >= self.panels.end * conv.panels.pitch());
        assert!(conv.bias.len() >= self.panels.end * PANEL);
        let mut panel = self.panels.start;
        while panel < self.panels.end {
            let panels = panels_for::<S>(self.panels.end - panel);
            let first = panel * PANEL;
            for y in self.rows.clone() {
                let out_row = image * conv.out_h + y * conv.out_scale + conv.out_y;
                let mut x = 0;
                while x < width {
                    let size = pixels_for::<S>(width - x);
                    // SAFETY: `layout.phase` leaves room for `cover(width)` columns, so all reads
                    // stay in the strip; weights and bias were checked above; output and
                    // residual have the checked sizes and y, x, channel are inside.
                    unsafe {
                        let mut post = Post::NONE;
                        post.relu = conv.relu;
                        if let Some((map, shift)) = &conv.residual {
                            let res_row =
                                image * map.dims[1] + ((y * conv.out_scale + conv.out_y) >> shift);
                            let pixel = res_row * map.dims[2] + conv.out_x;
                            post.res = map.data.as_ptr().add(pixel * map.stride + first);
                            post.res_step = map.stride * conv.out_scale;
                            post.shift = *shift;
                            post.x0 = x;
                        }
                        let pixel = out_row * conv.out_w + x * conv.out_scale + conv.out_x;
                        Tile {
                            a: strip.as_ptr().wrapping_add(
                                (y - self.rows.start) * conv.stride * layout.row + x * CELL,
                            ),
                            a_step: CELL,
                            segs,
                            w: weights.as_ptr().add(panel * conv.panels.pitch()),
                            w_panel: conv.panels.pitch(),
                            w_next: PANEL,
                            bias: conv.bias.as_ptr().add(first),
                            out: conv.out.pixel(pixel).add(first),
                            out_step: conv.out.stride * conv.out_scale,
                            out_panel: PANEL,
                            pixels: width - x,
                            channels: cout - first,
                            post,
                        }
                        .run::<S, CELL, 1>(s, size, panels);
                    }
                    x += size;
                }
            }
            panel += panels;
        }
    }
}

/// Copies input row `y` (zeros outside the image) into a strip row.
#[inline(always)]
fn fill_row<S: Simd, const CELL: usize>(
    s: S,
    conv: &Strips,
    layout: Layout,
    image: usize,
    y: isize,
    row: &mut [f32],
) {
    let [_, h, _, _] = conv.input.dims;
    if y < 0 || y >= h as isize {
        row.fill(0.0);
        return;
    }
    let columns = Columns {
        stride: conv.stride,
        pad: conv.pad_x,
        needed: (conv.dims[2] - 1) * conv.stride + conv.kw,
        phase: layout.phase,
    };
    let pitch = conv.stride * layout.phase * CELL;
    for (block, dest) in row.chunks_exact_mut(pitch).enumerate() {
        columns.fill::<S, CELL>(s, &conv.input, image * h + y as usize, block, dest);
    }
}

/// Distribution of a row's columns over the phases of a strip.
pub(super) struct Columns {
    pub(super) stride: usize,
    /// Columns of zeros on the left; negative: columns skipped.
    pub(super) pad: isize,
    /// Number of columns read by any tap of any output pixel, counted from the first zero.
    pub(super) needed: usize,
    /// Cells per phase.
    pub(super) phase: usize,
}

impl Columns {
    /// Copies one block of channels of an input row; `row` is counted over all images.
    #[inline(always)]
    pub(super) fn fill<S: Simd, const CELL: usize>(
        &self,
        s: S,
        input: &View,
        row: usize,
        block: usize,
        dest: &mut [f32],
    ) {
        let [_, _, w, cin] = input.dims;
        let source = &input.data[row * w * input.stride..];
        let channels = (cin - block * CELL).min(CELL);
        for phase in 0..self.stride {
            let at = phase * self.phase * CELL;
            let cells = self.needed.saturating_sub(phase).div_ceil(self.stride);
            let dest = &mut dest[at..at + cells * CELL];
            // Cell i is input column i * stride + phase - pad.
            let column = |i: usize| (i * self.stride + phase) as isize - self.pad;
            let lo = (0..cells).find(|&i| column(i) >= 0).unwrap_or(cells);
            let end = (lo..cells).rev().find(|&i| column(i) < w as isize);
            let hi = end.map_or(lo, |i| i + 1);
            dest[..lo * CELL].fill(0.0);
            dest[hi * CELL..].fill(0.0);
            if lo == hi {
                continue;
            }
            let first = column(lo) as usize * input.stride + block * CELL;
            let step = self.stride * input.stride;
            let from = &source[first..first + (hi - lo - 1) * step + channels];
            let dest = &mut dest[lo * CELL..hi * CELL];
            if CELL == PANEL && channels == CELL {
                for (i, cell) in dest.chunks_exact_mut(PANEL).enumerate() {
                    for part in (0..PANEL).step_by(S::LANES) {
                        // SAFETY: `from` holds 16 floats from i * step on, `cell` is 16 floats.
                        unsafe {
                            let v = s.load(from.as_ptr().add(i * step + part));
                            s.store(cell.as_mut_ptr().add(part), v);
                        }
                    }
                }
            } else if channels == 3 {
                // The image: with a known length the copy compiles to moves instead of one call per
                // pixel, which reduced the time of SFM's stem from 356 to 245 us.
                for (i, cell) in dest.chunks_exact_mut(CELL).enumerate() {
                    cell[..3].copy_from_slice(&from[i * step..][..3]);
                }
            } else {
                for (i, cell) in dest.chunks_exact_mut(CELL).enumerate() {
                    cell[..channels].copy_from_slice(&from[i * step..][..channels]);
                }
            }
        }
    }
}

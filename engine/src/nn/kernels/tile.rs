//! The inner loop of all dense layers: a register tile of pixels x output channels.
//!
//! A tile computes, for up to [`Simd::MAX_PIXELS`] pixels at a constant distance and 16 or 32
//! output channels, the dot product over a list of [`Seg`]ments (a segment is a run of input
//! values: up to 16 channels under one kernel tap). Sums start from the bias and stay in registers;
//! residual, ReLU and store are done once at the end.

use std::ops::Range;

use super::simd::{Job, Simd};

/// Output channels per weight panel.
pub(super) const PANEL: usize = 16;

/// A run of input values: `len` floats, `off` floats after the tile's first pixel.
#[derive(Clone, Copy)]
pub(super) struct Seg {
    pub(super) off: u32,
    pub(super) len: u32,
}

/// Residual added to a row of output pixels, and ReLU.
#[derive(Clone, Copy)]
pub(super) struct Post {
    /// The residual row's first pixel at this tile's first channel, or null.
    pub(super) res: *const f32,
    /// Floats between residual pixels.
    pub(super) res_step: usize,
    /// 1 when the residual has half the resolution, otherwise 0.
    pub(super) shift: u32,
    /// Index of the tile's first pixel in the row.
    pub(super) x0: usize,
    /// Whether ReLU is applied.
    pub(super) relu: bool,
}

impl Post {
    /// Adds to what `out` holds, with `step` floats between its pixels.
    pub(super) fn adding_to(out: *const f32, step: usize) -> Self {
        Self {
            res: out,
            res_step: step,
            ..Self::NONE
        }
    }

    /// No residual, no ReLU.
    pub(super) const NONE: Self = Self {
        res: std::ptr::null(),
        res_step: 0,
        shift: 0,
        x0: 0,
        relu: false,
    };
}

/// Arguments of one tile.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// Input of the first pixel.
    pub(super) a: *const f32,
    /// Floats between the pixels' inputs.
    pub(super) a_step: usize,
    /// Pieces of the dot product.
    pub(super) segs: &'a [Seg],
    /// First weight panel: 16 floats per input value.
    pub(super) w: *const f32,
    /// Floats from one panel to the next.
    pub(super) w_panel: usize,
    /// Floats from one input value's weights to the next's; assumed to be 16 when `NEXT` is 1.
    pub(super) w_next: usize,
    /// Bias of the first channel, padded to the panels' width.
    pub(super) bias: *const f32,
    /// First channel of the first output pixel.
    pub(super) out: *mut f32,
    /// Floats between output pixels.
    pub(super) out_step: usize,
    /// Floats between output panels: 16 for channels-last maps.
    pub(super) out_panel: usize,
    /// Pixels to write; the tile may compute more, from readable memory.
    pub(super) pixels: usize,
    /// Channels to write, from the tile's first on (may exceed the tile's width).
    pub(super) channels: usize,
    /// Residual and ReLU after the sums.
    pub(super) post: Post,
}

/// Returns the pixels of the next tile when `left` remain in a row. The sizes are the largest tile,
/// 2/3 and 1/3 of it, chosen so that the last tile is not a sliver (16 = 8 + 8, not 12 + 4: a tile
/// of 4 loads 1.5 vectors per pair of multiply-adds and has too few sums to hide latency).
pub(super) fn pixels_for<S: Simd>(left: usize) -> usize {
    let (l, m, s) = sizes::<S>();
    match left {
        _ if left > l + m => l,
        _ if left > m + m => l,
        _ if left > l => m,
        _ if left > m => l,
        _ if left > s => m,
        _ => s,
    }
}

/// Returns the large, medium and small tile.
fn sizes<S: Simd>() -> (usize, usize, usize) {
    let l = S::MAX_PIXELS;
    (l, l * 2 / 3, l / 3)
}

/// Returns the maximum number of pixels read by the tiles of a row of `width`.
pub(super) fn cover(width: usize) -> usize {
    // Any tile that starts inside the row ends less than 12 pixels after the row's end.
    width + 11
}

/// Returns the number of weight panels per tile: two on AVX-512 if two are left, otherwise one.
pub(super) fn panels_for<S: Simd>(left: usize) -> usize {
    if S::LANES == PANEL { left.min(2) } else { 1 }
}

/// Computes all tiles of a row of `pixels` by a range of `panels`. `tile` returns the tile at a
/// pixel, a panel and with the size from [`pixels_for`].
///
/// # Safety
/// As for [`Tile::run`], for every tile returned.
#[inline(always)]
pub(super) unsafe fn run_all<'a, S: Simd, const STEP: usize, const NEXT: usize>(
    s: S,
    pixels: usize,
    panels: Range<usize>,
    tile: impl Fn(usize, usize, usize) -> Tile<'a>,
) {
    let mut panel = panels.start;
    while panel < panels.end {
        let n_panels = panels_for::<S>(panels.end - panel);
        let mut pixel = 0;
        while pixel < pixels {
            let size = pixels_for::<S>(pixels - pixel);
            // SAFETY: the caller's.
            unsafe { tile(pixel, panel, size).run::<S, STEP, NEXT>(s, size, n_panels) };
            pixel += size;
        }
        panel += n_panels;
    }
}

impl Tile<'_> {
    /// Computes a tile of `size` pixels (from [`pixels_for`]) and `panels` panels (from
    /// [`panels_for`]). `STEP` is `a_step` if it is known at compile time, otherwise 0. `NEXT` is
    /// the distance between a segment's values: 1, except for weight gradients, where pixels and
    /// channels are swapped.
    ///
    /// # Safety
    /// All pointers must cover what their fields describe: `size` pixels of every segment, whole
    /// panels of weights and bias, `pixels` x `channels` of output and residual.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd, const STEP: usize, const NEXT: usize>(
        self,
        s: S,
        size: usize,
        panels: usize,
    ) {
        // Only the sizes of this instruction set are compiled, because the conditions are
        // constants.
        if S::MAX_PIXELS == 12 {
            match (size, panels) {
                (12, 2) => s.enter(Fixed::<STEP, NEXT, 12, 2>(self)),
                (8, 2) => s.enter(Fixed::<STEP, NEXT, 8, 2>(self)),
                (4, 2) => s.enter(Fixed::<STEP, NEXT, 4, 2>(self)),
                (12, _) => s.enter(Fixed::<STEP, NEXT, 12, 1>(self)),
                (8, _) => s.enter(Fixed::<STEP, NEXT, 8, 1>(self)),
                _ => s.enter(Fixed::<STEP, NEXT, 4, 1>(self)),
            }
        } else if S::LANES == 8 {
            match size {
                6 => s.enter(Fixed::<STEP, NEXT, 6, 2>(self)),
                4 => s.enter(Fixed::<STEP, NEXT, 4, 2>(self)),
                _ => s.enter(Fixed::<STEP, NEXT, 2, 2>(self)),
            }
        } else {
            match size {
                6 => s.enter(Fixed::<STEP, NEXT, 6, 4>(self)),
                4 => s.enter(Fixed::<STEP, NEXT, 4, 4>(self)),
                _ => s.enter(Fixed::<STEP, NEXT, 2, 4>(self)),
            }
        }
    }
}

/// A tile of `P` pixels and `N` vectors.
struct Fixed<'a, const STEP: usize, const NEXT: usize, const P: usize, const N: usize>(Tile<'a>);

impl<const STEP: usize, const NEXT: usize, const P: usize, const N: usize> Job
    for Fixed<'_, STEP, NEXT, P, N>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let t = self.0;
        let step = if STEP == 0 { t.a_step } else { STEP };
        // Vector j is part j % (16 / LANES) of panel j * LANES / 16.
        let panel = |j: usize| j * S::LANES / PANEL;
        let part = |j: usize| j * S::LANES % PANEL;
        // SAFETY: `Tile::run`'s contract; `pixels` and `channels` bound the writes.
        unsafe {
            let mut acc = [[s.splat(0.0); N]; P];
            for j in 0..N {
                let bias = s.load(t.bias.add(j * S::LANES));
                for row in &mut acc {
                    row[j] = bias;
                }
            }
            let mut w = t.w;
            for seg in t.segs {
                let mut a = t.a.add(seg.off as usize);
                for _ in 0..seg.len {
                    let mut wv = [s.splat(0.0); N];
                    for (j, wv) in wv.iter_mut().enumerate() {
                        *wv = s.load(w.add(panel(j) * t.w_panel + part(j)));
                    }
                    for (p, row) in acc.iter_mut().enumerate() {
                        let x = s.splat(*a.add(p * step));
                        for j in 0..N {
                            row[j] = s.fma(x, wv[j], row[j]);
                        }
                    }
                    w = w.add(if NEXT == 1 { PANEL } else { t.w_next });
                    a = a.wrapping_add(NEXT);
                }
            }
            // `max(floor, v)` instead of `max(v, floor)`, so that NaN propagates.
            let floor = s.splat(if t.post.relu { 0.0 } else { f32::NEG_INFINITY });
            if t.pixels >= P && t.channels >= N * S::LANES {
                for (p, row) in acc.iter().enumerate() {
                    let out = t.out.add(p * t.out_step);
                    let res_pixel = (t.post.x0 + p) >> t.post.shift;
                    let res = t.post.res.wrapping_add(res_pixel * t.post.res_step);
                    for (j, &v) in row.iter().enumerate() {
                        let v = if t.post.res.is_null() {
                            v
                        } else {
                            s.add(v, s.load(res.add(panel(j) * PANEL + part(j))))
                        };
                        s.store(out.add(panel(j) * t.out_panel + part(j)), s.max(floor, v));
                    }
                }
                return;
            }
            if t.post.shift == 0 && t.pixels >= P && t.channels >= N * S::LANES {
                // Whole tiles with a residual: sums of gradients.
                let res = t.post.res.add(t.post.x0 * t.post.res_step);
                for (p, row) in acc.iter().enumerate() {
                    let (out, res) = (t.out.add(p * t.out_step), res.add(p * t.post.res_step));
                    for (j, &v) in row.iter().enumerate() {
                        let v = s.add(v, s.load(res.add(panel(j) * PANEL + part(j))));
                        s.store(out.add(panel(j) * t.out_panel + part(j)), s.max(floor, v));
                    }
                }
                return;
            }
            // Through memory: indexing the accumulators by a loop variable would keep them in
            // memory during the sums as well, which halved the speed of the 12 x 32 tile.
            let mut sums = [0.0_f32; 12 * 2 * PANEL];
            for (p, row) in acc.iter().enumerate() {
                for (j, &v) in row.iter().enumerate() {
                    s.store(sums.as_mut_ptr().add((p * N + j) * S::LANES), v);
                }
            }
            for p in 0..P.min(t.pixels) {
                let out = t.out.add(p * t.out_step);
                let res_pixel = (t.post.x0 + p) >> t.post.shift;
                let res = t.post.res.wrapping_add(res_pixel * t.post.res_step);
                for j in 0..N {
                    let first = panel(j) * PANEL + part(j);
                    if first >= t.channels {
                        break;
                    }
                    let live = t.channels - first;
                    let mut v = s.load(sums.as_ptr().add((p * N + j) * S::LANES));
                    if !t.post.res.is_null() {
                        v = s.add(v, s.load_upto(res.add(first), live));
                    }
                    let out = out.add(panel(j) * t.out_panel + part(j));
                    s.store_upto(out, s.max(floor, v), live);
                }
            }
        }
    }
}

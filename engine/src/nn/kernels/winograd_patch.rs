//! Winograd's patches: their places on a map, and the transform of an input patch, `B^T d B`, or of
//! a patch of an output gradient, `A g A^T`.

use super::buffer::View;
use super::simd::{Job, Simd};
use super::tile::PANEL;

/// Side of an output patch in pixels.
pub(super) const OUT: usize = 4;
/// Side of an input patch in pixels.
pub(super) const IN: usize = 6;
/// Number of positions.
pub(super) const POSITIONS: usize = IN * IN;

/// Grid of patches on a map of `h` x `w` pixels, numbered over all images.
#[derive(Clone, Copy)]
pub(super) struct PatchGrid {
    pub(super) h: usize,
    pub(super) w: usize,
}

/// Memory for transformed patches: `[position][16-channel block][patch][16]`.
pub(super) struct Transformed<'a> {
    pub(super) floats: &'a mut [f32],
    /// Patches per block.
    pub(super) room: usize,
    /// Floats from one position to the next.
    pub(super) pitch: usize,
}

impl PatchGrid {
    /// Returns image, row and column of the first output pixel of patch `t`.
    pub(super) fn place(self, t: usize) -> (usize, usize, usize) {
        let (down, across) = (self.h.div_ceil(OUT), self.w.div_ceil(OUT));
        (
            t / (down * across),
            t / across % down * OUT,
            t % across * OUT,
        )
    }

    /// Transforms patch `t` of `map`, `SIDE` x `SIDE` pixels starting `(SIDE - 4) / 2` before its
    /// first output pixel, into place `at` of `to`; `edge` is scratch memory for a patch that
    /// overlaps the border.
    #[inline(always)]
    pub(super) fn transform<S: Simd, const SIDE: usize>(
        self,
        s: S,
        map: &View,
        t: usize,
        to: &mut Transformed,
        at: usize,
        edge: &mut [f32],
    ) {
        let Self { h, w } = self;
        let before = (SIDE - OUT) / 2;
        let channels = map.dims[3];
        let (image, y, x) = self.place(t);
        let pixel = |y: usize, x: usize| ((image * h + y) * w + x) * map.stride;
        let fits = |at: usize, len: usize| at >= before && at + SIDE <= len + before;
        let (from, row, column) = if fits(y, h) && fits(x, w) {
            let from = &map.data[pixel(y - before, x - before)..];
            (from, w * map.stride, map.stride)
        } else {
            let step = channels.next_multiple_of(PANEL);
            edge.fill(0.0);
            for i in 0..SIDE {
                for j in 0..SIDE {
                    let (y, x) = (y + i, x + j);
                    if (before..h + before).contains(&y) && (before..w + before).contains(&x) {
                        edge[(i * SIDE + j) * step..][..channels].copy_from_slice(
                            &map.data[pixel(y - before, x - before)..][..channels],
                        );
                    }
                }
            }
            (&*edge, SIDE * step, step)
        };
        assert!(from.len() >= (SIDE - 1) * (row + column) + channels);
        let blocks = channels.div_ceil(PANEL);
        assert!(at < to.room && blocks * to.room * PANEL <= to.pitch);
        assert!(to.floats.len() >= POSITIONS * to.pitch);
        let mut c = 0;
        while c < channels {
            let at = ((c / PANEL) * to.room + at) * PANEL + c % PANEL;
            // SAFETY: patch and place were just checked.
            unsafe {
                s.enter(Forward::<SIDE> {
                    from: from.as_ptr().add(c),
                    row,
                    column,
                    live: channels - c,
                    v: to.floats.as_mut_ptr().add(at),
                    pitch: to.pitch,
                });
            }
            c += S::LANES;
        }
    }
}

/// Transforms `LANES` channels of one patch of `SIDE` x `SIDE` pixels: 6 x 6 of an input, or 4 x 4
/// of an output gradient.
struct Forward<const SIDE: usize> {
    from: *const f32,
    row: usize,
    column: usize,
    live: usize,
    v: *mut f32,
    pitch: usize,
}

/// Computes `B^T` times a column.
#[inline(always)]
fn forward<S: Simd>(s: S, d: [S::V; IN]) -> [S::V; IN] {
    let [two, four, five] = [s.splat(2.0), s.splat(4.0), s.splat(5.0)];
    let even = s.fnma(four, d[2], d[4]);
    let odd = s.fnma(four, d[1], d[3]);
    let (even2, odd2) = (s.sub(d[4], d[2]), s.sub(d[3], d[1]));
    [
        s.fma(four, d[0], s.fnma(five, d[2], d[4])),
        s.add(even, odd),
        s.sub(even, odd),
        s.fma(two, odd2, even2),
        s.fnma(two, odd2, even2),
        s.fma(four, d[1], s.fnma(five, d[3], d[5])),
    ]
}

/// Computes `A` times a column: the transpose of `backward` in `winograd`.
#[inline(always)]
fn spread<S: Simd>(s: S, y: [S::V; OUT]) -> [S::V; IN] {
    let [two, four] = [s.splat(2.0), s.splat(4.0)];
    let (even, odd) = (s.add(y[0], y[2]), s.add(y[1], y[3]));
    let even2 = s.fma(four, y[2], y[0]);
    let odd2 = s.mul(two, s.fma(four, y[3], y[1]));
    [
        y[0],
        s.add(even, odd),
        s.sub(even, odd),
        s.add(even2, odd2),
        s.sub(even2, odd2),
        y[3],
    ]
}

/// Transforms a column of `SIDE` values.
#[inline(always)]
fn column<S: Simd, const SIDE: usize>(s: S, d: [S::V; SIDE]) -> [S::V; IN] {
    if SIDE == IN {
        forward(s, std::array::from_fn(|i| d[i % SIDE]))
    } else {
        spread(s, std::array::from_fn(|i| d[i % SIDE]))
    }
}

impl<const SIDE: usize> Job for Forward<SIDE> {
    type Out = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "i and j are a matrix's")]
    fn run<S: Simd>(self, s: S) {
        let zero = s.splat(0.0);
        let mut half = [[zero; SIDE]; IN];
        // SAFETY: the maker checked that the patch is readable and V writable.
        unsafe {
            for j in 0..SIDE {
                let mut d = [zero; SIDE];
                for (i, d) in d.iter_mut().enumerate() {
                    let at = self.from.add(i * self.row + j * self.column);
                    *d = s.load_upto(at, self.live);
                }
                let d = column(s, d);
                for i in 0..IN {
                    half[i][j] = d[i];
                }
            }
            for (i, row) in half.into_iter().enumerate() {
                let d = column(s, row);
                for (j, &d) in d.iter().enumerate() {
                    s.store(self.v.add((i * IN + j) * self.pitch), d);
                }
            }
        }
    }
}

//! Winograd F(4x4, 3x3): a 3x3 convolution with stride 1 using a quarter of the products.
//!
//! An output *patch* of 4 x 4 pixels needs 6 x 6 input pixels. Both are transformed so that the
//! convolution becomes 36 independent matrix products over channels, `M = V U`, one for each
//! *position* of the 6 x 6 grid (Lavin and Gray, 2015, points 0, 1, -1, 2, -2). A task takes a
//! few dozen patches through all three steps, so that V and M stay in its core's L2.

use super::buffer::{Shared, View};
use super::panels::Panels;
use super::shape::ConvShape;
use super::simd::{Job, Simd};
use super::threads::{Scratch, Threads};
use super::tile::{PANEL, Post, Seg, Tile, run_all};
use super::winograd_patch::{IN, OUT, POSITIONS, PatchGrid, Transformed};

/// Maximum number of patches per task: a multiple of every register tile's pixels. 24 measured the
/// same, 96 made the whole SFM network 5 % slower.
const PATCHES: usize = 48;
/// Maximum size of V and M together, in bytes.
const BLOCK_BYTES: usize = 768 * 1024;

/// The kernel's transform along one axis: `G` in the paper.
pub(super) const G: [[f64; 3]; IN] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// Returns whether the algorithm supports this convolution.
pub(super) fn applies(shape: ConvShape) -> bool {
    shape.kernel == 3 && shape.stride == 1 && shape.pad == 1
}

/// Returns whether Winograd is faster than the direct algorithm for an `h` x `w` input.
///
/// Measured on one core with AVX-512, equivalent GMAC/s Winograd : direct (peak 95): 32-32 @128
/// 195:83, 64-64 @64 245:82, @32 248:83, 80-80 @16 242:75, 128-128 @64 190:70, 256-256 @16 164:69,
/// @4 27:57, 64-64 @8 200:103, 160-160 @8 95:79, 16-16 @64 125:68, 8-32 @64 107:76, 32-8 @64 75:33.
/// At 8 x 8 with many channels the gain disappears inside a network, where the four times larger
/// weights (3.7 MB for 160-160) do not fit into the L2.
pub(super) fn wins(shape: ConvShape, h: usize, w: usize) -> bool {
    let patches = h.div_ceil(OUT) * w.div_ceil(OUT);
    applies(shape)
        && shape.cin >= 8
        && (patches >= 12 || patches >= 4 && shape.cin * shape.cout <= 64 * 64)
}

/// Transforms `[cout, cin, 3, 3]` weights: for each position, panels over `cin`.
pub(super) fn pack(shape: ConvShape, weight: &[f32]) -> Panels {
    let ConvShape { cin, cout, .. } = shape;
    let count = cout.div_ceil(PANEL);
    // Positions follow each other like output channels, each padded to whole panels.
    let mut panels = Panels::new(POSITIONS * count * PANEL, cin, |row, c| {
        let (position, o) = (row / (count * PANEL), row % (count * PANEL));
        if o >= cout {
            return 0.0;
        }
        let kernel = &weight[(o * cin + c) * 9..][..9];
        let (i, j) = (position / IN, position % IN);
        let mut sum = 0.0;
        for (tap, &value) in kernel.iter().enumerate() {
            sum += G[i][tap / 3] * G[j][tap % 3] * f64::from(value);
        }
        sum as f32
    });
    panels.count = count;
    panels
}

/// Arguments of a Winograd convolution.
pub(super) struct Winograd<'a> {
    pub(super) input: View<'a>,
    pub(super) panels: &'a Panels,
    pub(super) bias: &'a [f32],
    pub(super) out: Shared,
    pub(super) cout: usize,
    /// Residual and shift, checked against the output's shape.
    pub(super) residual: Option<(View<'a>, u32)>,
    pub(super) relu: bool,
}

/// Computes all pixels. The callers have checked the sizes.
pub(super) fn run(conv: &Winograd, threads: &Threads) {
    let [n, h, w, cin] = conv.input.dims;
    let patches = n * h.div_ceil(OUT) * w.div_ceil(OUT);
    let work = patches * OUT * OUT * cin * conv.cout * 9 / 3;
    let channels = cin.next_multiple_of(PANEL) + conv.cout.next_multiple_of(PANEL);
    let fit = BLOCK_BYTES / 4 / (POSITIONS * channels) / 12 * 12;
    let useful = threads.useful(work);
    let share = patches.div_ceil(if useful > 1 { 3 * useful } else { 1 });
    let block = fit.min(share.next_multiple_of(12)).clamp(12, PATCHES);
    threads.run(patches.div_ceil(block), work, |i, scratch| {
        let first = i * block;
        threads.isa().run(Patches {
            conv,
            first,
            count: block.min(patches - first),
            scratch,
        });
    });
}

/// One task: patches `first..first + count` of the batch.
struct Patches<'a, 'b> {
    conv: &'a Winograd<'b>,
    first: usize,
    count: usize,
    scratch: &'a mut Scratch,
}

impl Job for Patches<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            conv, first, count, ..
        } = self;
        let [_, h, w, cin] = conv.input.dims;
        let blocks = cin.div_ceil(PANEL);
        // Tiles may read up to the next multiple of 12 patches. An additional line per position
        // keeps all positions of a patch from sharing one cache set.
        let room = count.next_multiple_of(12);
        let layout = Layout {
            room,
            v_pitch: blocks * room * PANEL + PANEL,
            m_pitch: conv.panels.count * room * PANEL + PANEL,
        };
        // V is followed by one input patch, used for patches that overlap the border.
        let v_size = POSITIONS * layout.v_pitch;
        let edge_size = POSITIONS * cin.next_multiple_of(PANEL);
        let m_size = POSITIONS * layout.m_pitch;
        let (v, m, segs) = self.scratch.take(v_size + edge_size, m_size);
        let (v, edge) = v.split_at_mut(v_size);
        segs.clear();
        for block in 0..blocks {
            segs.push(Seg {
                off: (block * room * PANEL) as u32,
                len: (cin - block * PANEL).min(PANEL) as u32,
            });
        }
        let patches = PatchGrid { h, w };
        let mut to = Transformed {
            floats: &mut *v,
            room,
            pitch: layout.v_pitch,
        };
        for t in 0..count {
            patches.transform::<S, IN>(s, &conv.input, first + t, &mut to, t, edge);
        }
        conv.multiply(s, layout, v, m, segs, count);
        for t in 0..count {
            conv.transform_back(s, layout, m, t, patches.place(first + t));
        }
    }
}

/// Layout of a task's transformed patches V and products M.
#[derive(Clone, Copy)]
struct Layout {
    /// Patches per block of channels.
    room: usize,
    /// Floats of V from one position to the next.
    v_pitch: usize,
    /// Floats of M from one position to the next.
    m_pitch: usize,
}

impl Winograd<'_> {
    /// Multiplies the transformed patches `v` by the transformed weights, position by position.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        s: S,
        layout: Layout,
        v: &[f32],
        m: &mut [f32],
        segs: &[Seg],
        count: usize,
    ) {
        let Layout {
            room,
            v_pitch,
            m_pitch,
        } = layout;
        let weights = self.panels.floats();
        let pitch = self.panels.pitch();
        assert!(weights.len() >= POSITIONS * self.panels.count * pitch);
        let zeros = [0.0; 2 * PANEL];
        let m = m.as_mut_ptr();
        for position in 0..POSITIONS {
            // SAFETY: `room` patches of V and M exist, weights were checked above.
            unsafe {
                run_all::<S, PANEL, 1>(s, count, 0..self.panels.count, |t, panel, size| Tile {
                    a: v.as_ptr().add(position * v_pitch + t * PANEL),
                    a_step: PANEL,
                    segs,
                    w: weights
                        .as_ptr()
                        .add((position * self.panels.count + panel) * pitch),
                    w_panel: pitch,
                    bias: zeros.as_ptr(),
                    out: m.add(position * m_pitch + (panel * room + t) * PANEL),
                    w_next: PANEL,
                    out_step: PANEL,
                    out_panel: room * PANEL,
                    pixels: size,
                    channels: 2 * PANEL,
                    post: Post::NONE,
                });
            }
        }
    }

    /// Transforms the products of patch `t`, whose first output pixel is at `place`, back into
    /// output pixels.
    #[inline(always)]
    fn transform_back<S: Simd>(
        &self,
        s: S,
        layout: Layout,
        m: &[f32],
        t: usize,
        (image, y, x): (usize, usize, usize),
    ) {
        assert!(self.bias.len() >= self.panels.count * PANEL);
        let [_, h, w, _] = self.input.dims;
        let pixel = (image * h + y) * w + x;
        let mut c = 0;
        while c < self.cout {
            let at = ((c / PANEL) * layout.room + t) * PANEL + c % PANEL;
            // SAFETY: output and residual have the checked sizes, (y, x) and c are inside;
            // `rows` and `columns` keep the patch inside.
            unsafe {
                let mut post = Post::NONE;
                let mut res_row = 0;
                post.relu = self.relu;
                if let Some((map, shift)) = &self.residual {
                    let pixel = (image * map.dims[1] + (y >> shift)) * map.dims[2] + (x >> shift);
                    post.res = map.data.as_ptr().add(pixel * map.stride + c);
                    post.res_step = map.stride;
                    post.shift = *shift;
                    res_row = map.dims[2] * map.stride;
                }
                s.enter(Backward {
                    m: m.as_ptr().add(at),
                    pitch: layout.m_pitch,
                    bias: self.bias.as_ptr().add(c),
                    out: self.out.pixel(pixel).add(c),
                    row: w * self.out.stride,
                    column: self.out.stride,
                    live: self.cout - c,
                    rows: OUT.min(h - y),
                    columns: OUT.min(w - x),
                    res_row,
                    post,
                });
            }
            c += S::LANES;
        }
    }
}

/// Transforms `LANES` channels of one output patch back, `A^T m A`, and stores its pixels.
struct Backward {
    m: *const f32,
    pitch: usize,
    bias: *const f32,
    out: *mut f32,
    row: usize,
    column: usize,
    live: usize,
    rows: usize,
    columns: usize,
    /// Floats between residual rows.
    res_row: usize,
    post: Post,
}

/// Computes `A^T` times a column.
#[inline(always)]
fn backward<S: Simd>(s: S, m: [S::V; IN]) -> [S::V; OUT] {
    let [two, four, eight] = [s.splat(2.0), s.splat(4.0), s.splat(8.0)];
    let (sum, dif) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (sum2, dif2) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(sum, sum2)),
        s.fma(two, dif2, dif),
        s.fma(four, sum2, sum),
        s.add(s.fma(eight, dif2, dif), m[5]),
    ]
}

impl Job for Backward {
    type Out = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "i and j are a matrix's")]
    fn run<S: Simd>(self, s: S) {
        let zero = s.splat(0.0);
        let mut half = [[zero; IN]; OUT];
        // SAFETY: the maker checked M, the bias, the output and the residual.
        unsafe {
            for j in 0..IN {
                let mut m = [zero; IN];
                for (i, m) in m.iter_mut().enumerate() {
                    *m = s.load(self.m.add((i * IN + j) * self.pitch));
                }
                let m = backward(s, m);
                for i in 0..OUT {
                    half[i][j] = m[i];
                }
            }
            let bias = s.load(self.bias);
            for (i, row) in half.into_iter().enumerate() {
                if i >= self.rows {
                    break;
                }
                let m = backward(s, row);
                for (j, &m) in m.iter().enumerate() {
                    if j >= self.columns {
                        break;
                    }
                    let mut v = s.add(m, bias);
                    if !self.post.res.is_null() {
                        // Patches start at even pixels, so halving is exact.
                        let at = (i >> self.post.shift) * self.res_row
                            + (j >> self.post.shift) * self.post.res_step;
                        v = s.add(v, s.load_upto(self.post.res.add(at), self.live));
                    }
                    if self.post.relu {
                        v = s.max(zero, v);
                    }
                    s.store_upto(self.out.add(i * self.row + j * self.column), v, self.live);
                }
            }
        }
    }
}

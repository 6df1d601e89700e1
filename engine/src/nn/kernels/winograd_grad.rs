//! The weight gradient of a 3x3 convolution with stride 1 using a quarter of the products.
//!
//! This is the transpose of `winograd`: input patches become `V = B^T d B` as there, and patches of
//! the output gradient become `N = A g A^T`. For each of the 36 positions, `sum(V^T N)` over
//! patches is a matrix of input by output channels, and `G^T (...) G` gives the nine taps.

use rayon::prelude::*;

use super::buffer::{Nhwc, Shared};
use super::shape::ConvShape;
use super::simd::{Job, Simd};
use super::threads::{Scratch, Threads};
use super::tile::{PANEL, Post, Seg, Tile, run_all};
use super::unpack::unpack;
use super::winograd::{G, applies};
use super::winograd_patch::{IN, OUT, POSITIONS, PatchGrid, Transformed};

/// Number of tasks, each with its own sums. It is independent of the number of threads, so that the
/// result is too.
const TASKS: usize = 8;
/// Patches transformed at once.
const PATCHES: usize = 24;
/// Maximum product of channels: beyond it, a task's sums do not fit into the L2.
const CHANNELS: usize = 80 * 80;

/// Returns whether Winograd is faster for an `h` x `w` input: a batch must have enough patches to
/// pay for transforming the sums back.
pub(super) fn wins(shape: ConvShape, n: usize, h: usize, w: usize) -> bool {
    applies(shape)
        && shape.cin >= 8
        && shape.cout >= 8
        && shape.cin * shape.cout <= CHANNELS
        && n * h.div_ceil(OUT) * w.div_ceil(OUT) >= TASKS * PATCHES
}

/// Computes the weight gradient into `out` `[cout, cin, 3, 3]`. The caller has checked the sizes.
pub(super) fn run(shape: ConvShape, input: &Nhwc, grad: &Nhwc, out: &mut [f32], threads: &Threads) {
    let [n, h, w, cin] = input.dims();
    let cout = shape.cout;
    let wide = cout.next_multiple_of(PANEL);
    let patches = n * h.div_ceil(OUT) * w.div_ceil(OUT);
    let share = patches.div_ceil(TASKS);
    // Per task: by position and input channel, output channels innermost.
    let mut sums = threads.spare.map(TASKS, POSITIONS, cin, wide);
    let shared = sums.view_mut().shared();
    threads.run(TASKS, n * shape.macs(h, w), |task, scratch| {
        threads.isa().run(Part {
            input,
            grad,
            patches: task * share..((task + 1) * share).min(patches),
            // SAFETY: each task has its own POSITIONS * cin pixels.
            to: unsafe { shared.part(task * POSITIONS * cin, 0) },
            wide,
            scratch,
        });
    });
    // `G^T (...) G` of all tasks' sums, output channels innermost.
    let sums = sums.data();
    let size = POSITIONS * cin * wide;
    let mut taps = threads.spare.map(1, cin, 9, wide);
    threads.iterate(|| {
        let channels = taps.data_mut().par_chunks_exact_mut(9 * wide);
        channels.enumerate().for_each(|(c, taps)| {
            taps.fill(0.0);
            for position in 0..POSITIONS {
                let mut total = vec![0.0; wide];
                for task in 0..TASKS {
                    let from = task * size + (position * cin + c) * wide;
                    for (total, sum) in total.iter_mut().zip(&sums[from..from + wide]) {
                        *total += sum;
                    }
                }
                let (row, column) = (&G[position / IN], &G[position % IN]);
                for (tap, taps) in taps.chunks_exact_mut(wide).enumerate() {
                    let factor = (row[tap / 3] * column[tap % 3]) as f32;
                    for (tap, total) in taps.iter_mut().zip(&total) {
                        *tap += factor * total;
                    }
                }
            }
        });
    });
    let taps = taps.data();
    unpack(out, [cin, 9], threads, |o, c, tap| {
        taps[(c * 9 + tap) * wide + o]
    });
}

/// One task: some patches of the batch.
struct Part<'a> {
    input: &'a Nhwc,
    grad: &'a Nhwc,
    patches: std::ops::Range<usize>,
    to: Shared,
    wide: usize,
    scratch: &'a mut Scratch,
}

impl Job for Part<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            input,
            grad,
            patches,
            to,
            wide,
            scratch,
        } = self;
        let [_, h, w, cin] = input.dims();
        let (blocks, panels) = (cin.div_ceil(PANEL), wide / PANEL);
        // An additional line per position keeps all positions from sharing one cache set.
        let v_pitch = blocks * PATCHES * PANEL + PANEL;
        let n_pitch = panels * PATCHES * PANEL + PANEL;
        let edge_size = POSITIONS * PANEL * blocks.max(panels);
        let (v, n, segs) = scratch.take(POSITIONS * v_pitch + edge_size, POSITIONS * n_pitch);
        let (v, edge) = v.split_at_mut(POSITIONS * v_pitch);
        let zeros = [0.0; 2 * PANEL];
        let grid = PatchGrid { h, w };
        let begin = patches.start;
        if patches.is_empty() {
            // SAFETY: a task's sums are POSITIONS * cin * wide floats.
            let sums =
                unsafe { std::slice::from_raw_parts_mut(to.pixel(0), POSITIONS * cin * wide) };
            sums.fill(0.0);
        }
        for first in patches.clone().step_by(PATCHES) {
            let count = PATCHES.min(patches.end - first);
            for (side, map, floats, pitch) in
                [(IN, input, &mut *v, v_pitch), (OUT, grad, &mut *n, n_pitch)]
            {
                let mut to = Transformed {
                    floats,
                    room: PATCHES,
                    pitch,
                };
                for t in 0..count {
                    if side == IN {
                        grid.transform::<S, IN>(s, &map.view(), first + t, &mut to, t, edge);
                    } else {
                        grid.transform::<S, OUT>(s, &map.view(), first + t, &mut to, t, edge);
                    }
                }
            }
            segs.clear();
            segs.push(Seg {
                off: 0,
                len: count as u32,
            });
            let segs = &segs[..];
            for position in 0..POSITIONS {
                for c in (0..cin).step_by(PANEL) {
                    let channels = (cin - c).min(PANEL);
                    // SAFETY: a tile reads whole blocks of PATCHES patches of V and N (beyond a
                    // block's 16 channels lies the next patch); its sums lie in this task's.
                    unsafe {
                        run_all::<S, 1, PANEL>(s, channels, 0..panels, |at, panel, _| {
                            let out = to.pixel(position * cin + c + at).add(panel * PANEL);
                            let block = position * v_pitch + c * PATCHES;
                            Tile {
                                a: v.as_ptr().add(block + at),
                                a_step: 1,
                                segs,
                                w: n.as_ptr().add(position * n_pitch + panel * PATCHES * PANEL),
                                w_panel: PATCHES * PANEL,
                                w_next: PANEL,
                                bias: zeros.as_ptr(),
                                out,
                                out_step: wide,
                                out_panel: PANEL,
                                pixels: channels - at,
                                channels: wide - panel * PANEL,
                                post: if first == begin {
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
}

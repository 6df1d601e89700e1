//! Concatenation of maps, and its backward pass.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::threads::Threads;

/// Pixels per task: a few tens of kilobytes, whose copy costs more than waking a thread and which
/// fit into the L2.
const PIXELS: usize = 128;

/// Concatenates the channels of `maps` in this order; copies, limited by memory bandwidth.
pub fn concat(maps: &[&Nhwc], threads: &Threads) -> Nhwc {
    let c = maps.iter().map(|map| map.c()).sum();
    let [n, h, w] = [maps[0].n(), maps[0].h(), maps[0].w()];
    for map in maps {
        assert_eq!(map.dims(), [n, h, w, map.c()], "maps put side by side");
    }
    let mut out = maps[0].buffers().map(n, h, w, c);
    if out.data().is_empty() {
        return out;
    }
    threads.iterate(|| {
        let blocks = out.data_mut().par_chunks_mut(PIXELS * c).enumerate();
        blocks.for_each(|(i, block)| {
            let mut from = 0;
            for map in maps.iter().filter(|map| map.c() > 0) {
                let pixels = map.data()[i * PIXELS * map.c()..].chunks_exact(map.c());
                for (to, pixel) in block.chunks_exact_mut(c).zip(pixels) {
                    to[from..from + map.c()].copy_from_slice(pixel);
                }
                from += map.c();
            }
        });
    });
    out
}

/// Returns channels `from..from + c` of `map`, added to `sum` if given: the backward pass of
/// [`concat()`] for one of its maps.
pub fn concat_gradient(
    map: &Nhwc,
    (from, c): (usize, usize),
    sum: Option<Nhwc>,
    threads: &Threads,
) -> Nhwc {
    let [n, h, w, wide] = map.dims();
    assert!(from + c <= wide, "channels {from}..{} of {wide}", from + c);
    let adds = sum.is_some();
    let mut out = sum.unwrap_or_else(|| map.buffers().map(n, h, w, c));
    assert_eq!(out.dims(), [n, h, w, c], "gradient of a part");
    if out.data().is_empty() {
        return out;
    }
    threads.iterate(|| {
        let from_blocks = map.data().par_chunks(PIXELS * wide);
        let blocks = out.data_mut().par_chunks_mut(PIXELS * c).zip(from_blocks);
        blocks.for_each(|(to, block)| {
            for (to, pixel) in to.chunks_exact_mut(c).zip(block.chunks_exact(wide)) {
                let part = &pixel[from..from + c];
                if adds {
                    for (to, &v) in to.iter_mut().zip(part) {
                        *to += v;
                    }
                } else {
                    to.copy_from_slice(part);
                }
            }
        });
    });
    out
}

//! Scaled dot-product attention by tiles of queries. The scores of a tile stay in a core's cache
//! from the product with the keys through the softmax to the product with the values. The softmax's
//! division is applied last, to the output, because a head has fewer channels than there are
//! tokens.

use std::ops::Range;

use super::buffer::{Nhwc, Shared, View, ViewMut};
use super::conv1x1::{self, Points};
use super::dropout::{Dropout, drop_row};
use super::factor::Factor;
use super::panels::PanelView;
use super::softmax::{exp_row, scale_row};
use super::threads::{Scratch, Threads};
use super::tile::PANEL;

/// Inputs of attention: maps of equal size whose pixels are tokens and whose channels are those of
/// all heads concatenated. Values may have a different number of channels than queries and keys.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// Queries, `[images, h, w, d]`.
    pub queries: View<'a>,
    /// Keys, `[images, h, w, d]`.
    pub keys: View<'a>,
    /// Values, `[images, h, w, channels]`.
    pub values: View<'a>,
    /// Number of heads; divides the channels of keys and values.
    pub count: usize,
}

/// Scores per tile, 512 KiB: half of a small L2 cache. Tests have few tokens and use the smallest
/// tile.
pub(super) const SCORES: usize = if cfg!(test) { 0 } else { 1 << 17 };

/// Computes `softmax(Q K^T / sqrt(key channels per head)) V` for every head of every image into
/// `out`, which has the values' shape. The attention weights `[images, heads, queries, keys]` are
/// written to `weights` if given. `dropout` is applied to the weights, numbered in that order,
/// before the product with the values.
///
/// Panics when the sizes do not match.
pub fn attention(
    heads: Heads,
    dropout: Option<Dropout>,
    mut out: ViewMut,
    weights: Option<&mut [f32]>,
    threads: &Threads,
) {
    let [n, h, w, d] = heads.queries.dims;
    let len = h * w;
    let answer = heads.values.dims[3];
    assert_eq!(heads.keys.dims, [n, h, w, d], "keys of an attention");
    for dims in [heads.values.dims, out.dims] {
        assert_eq!(dims, [n, h, w, answer], "values of an attention");
    }
    assert!(
        heads.count > 0 && [d, answer].iter().all(|c| c.is_multiple_of(heads.count)),
        "{d} and {answer} channels in {} heads",
        heads.count
    );
    let products = n * heads.count;
    if products * len * d * answer == 0 {
        return;
    }
    if let Some(weights) = &weights {
        assert_eq!(weights.len(), products * len * len, "attention weights");
    }
    let (width, value_width) = (d / heads.count, answer / heads.count);
    let packed = Packed::new(heads, threads);
    let n_panels = packed.key_panels.max(packed.value_panels);
    let mut zeros = threads.spare.map(1, 1, 1, n_panels * PANEL);
    zeros.data_mut().fill(0.0);
    // Whole register tiles on every instruction set.
    let tile = (SCORES / len).max(1).next_multiple_of(24);
    let tiles = len.div_ceil(tile);
    let weights =
        weights.map(|weights| ViewMut::new(weights, [1, 1, products * len, len], len).shared());
    let call = Call {
        heads,
        packed: &packed,
        zeros: zeros.data(),
        out: out.shared(),
        weights,
        dropout,
        threads,
    };
    let work = products * len * len * (width + value_width);
    threads.run(products * tiles, work, |i, scratch| {
        let (product, first) = (i / tiles, i % tiles * tile);
        call.queries(product, first..(first + tile).min(len), scratch);
    });
}

/// Keys and values of every head as panels, keys first.
struct Packed {
    panels: Nhwc,
    /// Floats per head.
    pitch: usize,
    keys_size: usize,
    key_panels: usize,
    value_panels: usize,
}

impl Packed {
    /// Packs all heads; the keys are scaled by `1 / sqrt(key channels per head)`.
    fn new(heads: Heads, threads: &Threads) -> Self {
        let [n, h, w, d] = heads.keys.dims;
        let len = h * w;
        let products = n * heads.count;
        let (width, value_width) = (d / heads.count, heads.values.dims[3] / heads.count);
        let scale = 1.0 / (width as f32).sqrt();
        let (key_panels, value_panels) = (len.div_ceil(PANEL), value_width.div_ceil(PANEL));
        let keys_size = key_panels * width * PANEL;
        let pitch = keys_size + value_panels * len * PANEL;
        let mut panels = threads.spare.map(1, 1, products, pitch);
        let shared = panels.view_mut().shared();
        threads.run(products, products * pitch * 8, |i, _| {
            // SAFETY: the panels lie in `panels`, and each head's belong to one task.
            let dest = unsafe { std::slice::from_raw_parts_mut(shared.pixel(i), pitch) };
            let (keys, values) = dest.split_at_mut(keys_size);
            let factor = Factor::Transposed(head(heads.keys, i, width));
            for (panel, dest) in keys.chunks_exact_mut(width * PANEL).enumerate() {
                factor.pack(panel * PANEL, scale, dest);
            }
            let factor = Factor::Plain(head(heads.values, i, value_width));
            for (panel, dest) in values.chunks_exact_mut(len * PANEL).enumerate() {
                factor.pack(panel * PANEL, 1.0, dest);
            }
        });
        Self {
            panels,
            pitch,
            keys_size,
            key_panels,
            value_panels,
        }
    }
}

/// Arguments of the products, shared by all tiles.
struct Call<'a> {
    heads: Heads<'a>,
    packed: &'a Packed,
    /// Biases of all panels.
    zeros: &'a [f32],
    out: Shared,
    weights: Option<Shared>,
    dropout: Option<Dropout>,
    threads: &'a Threads,
}

impl Call<'_> {
    /// Computes the outputs of some queries of one head of one image: product number `product`.
    fn queries(&self, product: usize, range: Range<usize>, scratch: &mut Scratch) {
        let (heads, packed, threads) = (self.heads, self.packed, self.threads);
        let [_, h, w, d] = heads.queries.dims;
        let len = h * w;
        let (width, value_width) = (d / heads.count, heads.values.dims[3] / heads.count);
        let (first, rows) = (range.start, range.len());
        let panels = &packed.panels.data()[product * packed.pitch..][..packed.pitch];
        let queries = head(heads.queries, product, width);
        let queries = View::new(
            &queries.data[first * queries.stride..],
            [1, 1, rows, width],
            queries.stride,
        );
        let mut scores = threads.spare.map(1, 1, rows, len);
        let mut points = Points {
            input: queries,
            stride: 1,
            panels: PanelView {
                floats: &panels[..packed.keys_size],
                depth: width,
                count: packed.key_panels,
            },
            bias: self.zeros,
            out: scores.view_mut().shared(),
            dims: [1, 1, rows, len],
            residual: None,
            relu: false,
        };
        conv1x1::run_here(&points, threads, scratch);
        let mut factors = threads.spare.map(1, 1, 1, rows);
        let pairs = scores.data_mut().chunks_exact_mut(len);
        for (i, (row, factor)) in pairs.zip(factors.data_mut()).enumerate() {
            *factor = 1.0 / exp_row(row, threads);
            if let Some(weights) = self.weights {
                let at = product * len + first + i;
                // SAFETY: the row lies in the slice, and each belongs to one task.
                let dest = unsafe { std::slice::from_raw_parts_mut(weights.pixel(at), len) };
                dest.copy_from_slice(row);
                scale_row(dest, *factor, threads);
            }
        }
        if let Some(dropout) = self.dropout {
            let number = (product * len + first) * len;
            drop_row(scores.data_mut(), dropout, number as u64, threads);
        }
        let (image, channel) = (product / heads.count, product % heads.count * value_width);
        points.input = scores.view();
        points.panels = PanelView {
            floats: &panels[packed.keys_size..],
            depth: len,
            count: packed.value_panels,
        };
        // SAFETY: the rows' pixels and the head's channels lie in `out`.
        points.out = unsafe { self.out.part(image * len + first, channel) };
        points.dims = [1, 1, rows, value_width];
        conv1x1::run_here(&points, threads, scratch);
        let shared = points.out;
        for (row, &factor) in factors.data().iter().enumerate() {
            // SAFETY: the row's pixel and the head's channels lie in `out`, and belong to this
            // task alone.
            let read = unsafe { std::slice::from_raw_parts_mut(shared.pixel(row), value_width) };
            scale_row(read, factor, threads);
        }
    }
}

/// Returns the channels of one head of one image: product number `i`, with `width` channels.
pub(super) fn head(view: View<'_>, i: usize, width: usize) -> View<'_> {
    let [_, h, w, d] = view.dims;
    let count = d / width;
    let from = i / count * h * w * view.stride + i % count * width;
    View::new(&view.data[from..], [1, h, w, width], view.stride)
}

//! Weights packed as panels.
//!
//! A *panel* holds 16 output channels: for every input value of the dot product (tap by tap,
//! channels innermost) 16 consecutive weights. All instruction sets share this format.

use bytemuck::Zeroable;

use super::buffer::Line;
use super::tile::PANEL;

/// Packed panels of weights.
pub(super) struct Panels {
    data: Vec<Line>,
    /// Input values per dot product.
    pub(super) depth: usize,
    /// Number of panels (Winograd: per transformed position).
    pub(super) count: usize,
}

impl Panels {
    /// Packs `weight(o, i)` for `o < cout` and input value `i < depth`.
    pub(super) fn new(cout: usize, depth: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        let count = cout.div_ceil(PANEL);
        let mut data = vec![Line::zeroed(); count * depth];
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut data);
        for o in 0..cout {
            for i in 0..depth {
                floats[((o / PANEL) * depth + i) * PANEL + o % PANEL] = weight(o, i);
            }
        }
        Self { data, depth, count }
    }

    /// Returns all panels in order.
    pub(super) fn floats(&self) -> &[f32] {
        bytemuck::cast_slice(&self.data)
    }

    /// Returns the number of floats from one panel to the next.
    pub(super) fn pitch(&self) -> usize {
        self.depth * PANEL
    }

    pub(super) fn view(&self) -> PanelView<'_> {
        PanelView {
            floats: self.floats(),
            depth: self.depth,
            count: self.count,
        }
    }
}

/// Borrowed panels, which may also belong to a matrix packed for a single product.
#[derive(Clone, Copy)]
pub(super) struct PanelView<'a> {
    pub(super) floats: &'a [f32],
    pub(super) depth: usize,
    pub(super) count: usize,
}

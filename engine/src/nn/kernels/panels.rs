//! Weights in panels.
//!
//! A *panel* holds 16 output channels: for every input value of the dot product (kernel tap by
//! kernel tap, channels innermost) 16 weights in a row. All instruction sets share the format.

use bytemuck::Zeroable;

use super::buffer::Line;
use super::tile::PANEL;

/// Panels of weights.
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

    /// All panels in order.
    pub(super) fn floats(&self) -> &[f32] {
        bytemuck::cast_slice(&self.data)
    }

    /// Floats from a panel to the next.
    pub(super) fn pitch(&self) -> usize {
        self.depth * PANEL
    }

    /// Borrowed.
    pub(super) fn view(&self) -> PanelView<'_> {
        PanelView {
            floats: self.floats(),
            depth: self.depth,
            count: self.count,
        }
    }
}

/// Borrowed panels, also of a matrix that is packed for one product.
#[derive(Clone, Copy)]
pub(super) struct PanelView<'a> {
    pub(super) floats: &'a [f32],
    pub(super) depth: usize,
    pub(super) count: usize,
}

//! [`Factor`]: the second factor of a matrix product, packed into panels of columns.

use super::buffer::View;
use super::tile::PANEL;

/// The second factor of a matrix product, given as a view whose pixels are the matrix rows.
#[derive(Clone, Copy)]
pub(super) enum Factor<'a> {
    /// K rows of N values.
    Plain(View<'a>),
    /// N rows of K values, multiplied as the transpose.
    Transposed(View<'a>),
}

impl Factor<'_> {
    /// Returns the numbers of rows and columns of the factor.
    pub(super) fn size(&self) -> (usize, usize) {
        let rows = |view: &View| view.dims[0] * view.dims[1] * view.dims[2];
        match self {
            Factor::Plain(b) => (rows(b), b.dims[3]),
            Factor::Transposed(b) => (b.dims[3], rows(b)),
        }
    }

    /// Packs the panel of columns `first..first + 16` into `dest`, with zeros beyond the last
    /// column.
    pub(super) fn pack(&self, first: usize, scale: f32, dest: &mut [f32]) {
        let (_, count) = self.size();
        let live = (count - first).min(PANEL);
        for (i, dest) in dest.chunks_exact_mut(PANEL).enumerate() {
            for (j, dest) in dest.iter_mut().enumerate() {
                *dest = match self {
                    _ if j >= live => 0.0,
                    Factor::Plain(b) => scale * b.data[i * b.stride + first + j],
                    Factor::Transposed(b) => scale * b.data[(first + j) * b.stride + i],
                };
            }
        }
    }
}

//! Descriptions of frames by the network's own features.

use crate::nn::graph::{Graph, ValueId};
use crate::nn::kernels::View;

/// Cells per axis over which features are averaged: poses differ in where something is.
const CELLS: usize = 2;

/// Returns the feature map with the fewest pixels.
pub(super) fn coarsest(graph: &Graph, features: &[ValueId]) -> Option<ValueId> {
    let features = features.iter().copied();
    features.min_by_key(|&value| graph.shape(value).area())
}

/// Describes each input of a batch by a feature map: its means in the cells of a grid, channel by
/// channel. Inputs that look alike to the network have similar descriptions.
pub(super) fn describe(map: View<'_>) -> Vec<Vec<f32>> {
    let [n, h, w, c] = map.dims();
    let range = |cell: usize, len: usize| {
        let (first, end) = (cell * len / CELLS, (cell + 1) * len / CELLS);
        first..end.max(first + 1)
    };
    let describe = |i: usize| {
        let pixels: Vec<&[f32]> = map.pixels(i).collect();
        let mut means = Vec::with_capacity(CELLS * CELLS * c);
        for (row, column) in (0..CELLS * CELLS).map(|cell| (cell / CELLS, cell % CELLS)) {
            let mut sums = vec![0.0; c];
            let (rows, columns) = (range(row, h), range(column, w));
            let share = 1.0 / (rows.len() * columns.len()) as f32;
            for pixel in rows.flat_map(|y| columns.clone().map(move |x| y * w + x)) {
                for (sum, value) in sums.iter_mut().zip(pixels[pixel]) {
                    *sum += value;
                }
            }
            means.extend(sums.iter().map(|sum| sum * share));
        }
        means
    };
    (0..n).map(describe).collect()
}

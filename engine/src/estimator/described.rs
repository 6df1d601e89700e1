//! Descriptions of frames by the network's own features.

use crate::error::{Error, Result};
use crate::nn::Features;

/// Cells per axis over which features are averaged: poses differ in where something is.
const CELLS: usize = 2;

/// Describes each input of a batch by the feature maps of the backbone: the means of the coarsest one
/// in the cells of a grid, channel by channel. Inputs that look alike to the network have similar
/// descriptions.
pub(super) fn describe(features: &[Features]) -> Result<Vec<Vec<f32>>> {
    let mut coarsest: Option<(usize, &Features)> = None;
    for map in features {
        let [_, _, h, w] = map.dims4()?;
        if coarsest.is_none_or(|(area, _)| h * w < area) {
            coarsest = Some((h * w, map));
        }
    }
    let (_, coarsest) =
        coarsest.ok_or_else(|| Error::Internal("a backbone without features".to_owned()))?;
    let map = coarsest.to_tensor()?;
    let (n, _, h, w) = map.dims4()?;
    let mut means = vec![Vec::new(); n];
    for row in 0..CELLS {
        for column in 0..CELLS {
            let [y, x] = [(row, h), (column, w)].map(|(i, n)| i * n / CELLS);
            let [below, right] = [(row, h), (column, w)].map(|(i, n)| (i + 1) * n / CELLS);
            let cell = map.narrow(2, y, (below - y).max(1))?;
            let cell = cell.narrow(3, x, (right - x).max(1))?;
            let of_inputs = cell.mean((2, 3))?.to_vec2::<f32>()?;
            for (means, values) in means.iter_mut().zip(of_inputs) {
                means.extend(values);
            }
        }
    }
    Ok(means)
}

//! Helpers shared by several layers.

use candle_core::{Result, Tensor};

/// Copies all values of a tensor in row-major order.
pub(super) fn to_vec(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

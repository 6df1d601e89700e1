//! Helpers shared by several layers.

use std::sync::OnceLock;

use candle_core::{Result, Tensor};

use super::{Features, Kernels, Pass};

/// Returns the value of `make`, cached in `cell` if the weights are frozen.
pub(super) fn cached_if_frozen<'a, T>(
    cell: &'a OnceLock<T>,
    weight: &Tensor,
    make: impl FnOnce() -> Result<T>,
) -> Result<&'a T> {
    if cell.get().is_none() {
        if weight.is_variable() {
            candle_core::bail!("trainable weights cannot be packed; build the model from tensors");
        }
        // Another thread may have set it first; both values are equal.
        let _ = cell.set(make()?);
    }
    match cell.get() {
        Some(made) => Ok(made),
        None => candle_core::bail!("packing failed"),
    }
}

/// Returns the kernels of the pass, which must exist if a map is channels-last.
pub(super) fn kernels_of(pass: &Pass) -> Result<&Kernels> {
    match pass.kernels.as_deref() {
        Some(kernels) => Ok(kernels),
        None => candle_core::bail!("a channels-last map in a pass without kernels"),
    }
}

/// Copies all values of a tensor in row-major order.
pub(super) fn to_vec(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Returns a function that computes the MACs of a convolution with `weight` from its output.
pub(super) fn macs(weight: &Tensor) -> impl FnOnce(&Features) -> u64 + use<> {
    let per_value = weight.elem_count() / weight.dims()[0].max(1);
    move |y| {
        let n_values: usize = y.dims4().map_or(0, |dims| dims.iter().product());
        (per_value * n_values) as u64
    }
}

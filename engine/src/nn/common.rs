//! What several layers share.

use std::sync::OnceLock;

use candle_core::{Result, Tensor};

use super::{Features, Kernels, Pass};

/// What `make` makes from fixed weights, made once.
pub(super) fn cached_if_frozen<'a, T>(
    cell: &'a OnceLock<T>,
    weight: &Tensor,
    make: impl FnOnce() -> Result<T>,
) -> Result<&'a T> {
    if cell.get().is_none() {
        if weight.is_variable() {
            candle_core::bail!("trainable weights cannot be packed; build the model from tensors");
        }
        // A second thread may have been first: both made the same.
        let _ = cell.set(make()?);
    }
    match cell.get() {
        Some(made) => Ok(made),
        None => candle_core::bail!("packing failed"),
    }
}

/// The kernels that a channels-last map came from.
pub(super) fn kernels_of(pass: &Pass) -> Result<&Kernels> {
    match pass.kernels.as_deref() {
        Some(kernels) => Ok(kernels),
        None => candle_core::bail!("a channels-last map in a pass without kernels"),
    }
}

/// All values of a tensor, row-major.
pub(super) fn to_vec(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Multiply-accumulates of a convolution with `weight`, told from its result.
pub(super) fn macs(weight: &Tensor) -> impl FnOnce(&Features) -> u64 + use<> {
    let per_value = weight.elem_count() / weight.dims()[0].max(1);
    move |y| {
        let n_values: usize = y.dims4().map_or(0, |dims| dims.iter().product());
        (per_value * n_values) as u64
    }
}

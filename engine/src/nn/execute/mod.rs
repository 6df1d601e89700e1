//! Executors: what computes a [`Graph`].
//!
//! An [`Executor`] stands for a device. It prepares a graph once ([`Executor::prepare`]: packed or
//! uploaded weights, planned memory), and the resulting [`Executable`] computes any number of
//! images, any of the graph's values at a time. A graph that an executor cannot run is refused as a
//! whole.

mod cpu;
mod plan;
mod tensors;

use std::sync::Arc;
use std::time::Duration;

use candle_core::{Device, Result};

use super::Kernels;
use super::graph::{Graph, ValueId};
use super::kernels::View;

pub use cpu::CpuExecutor;
pub use tensors::TensorExecutor;

/// A device that can run graphs.
pub trait Executor: Send + Sync {
    /// Prepares a graph for any number of runs.
    ///
    /// # Errors
    /// When the device cannot run the graph; the message says why.
    fn prepare(&self, graph: &Graph) -> Result<Box<dyn Executable>>;
}

/// A prepared graph.
pub trait Executable: Send {
    /// Computes `outputs` from the inputs of the graph: channels-first values, `[n, c, h, w]`, of
    /// the same number of images each. Only operations that the outputs depend on are run. If
    /// `times` is given, it receives the index of every node that was run with its time.
    ///
    /// # Errors
    /// When an input has another size, or the device fails.
    fn run(
        &mut self,
        inputs: &[&[f32]],
        outputs: &[ValueId],
        times: Option<&mut Vec<(usize, Duration)>>,
    ) -> Result<()>;

    /// Returns an output of the last run.
    ///
    /// # Errors
    /// When the last run did not compute it.
    fn output(&self, output: ValueId) -> Result<View<'_>>;
}

/// Returns the executor of a device. `kernels` are those of the CPU; other devices use candle's
/// tensors.
pub fn executor(device: &Device, kernels: Option<&Arc<Kernels>>) -> Box<dyn Executor> {
    match kernels {
        Some(kernels) => Box::new(CpuExecutor::new(kernels.clone())),
        None => Box::new(TensorExecutor::new(device.clone())),
    }
}

/// Returns the number of images in the inputs of a graph.
///
/// # Errors
/// When the inputs do not have the sizes that the graph was recorded for, or not the same number of
/// images.
fn n_images(graph: &Graph, inputs: &[&[f32]]) -> Result<usize> {
    let mut count = None;
    if inputs.len() != graph.inputs.len() {
        let wanted = graph.inputs.len();
        candle_core::bail!("a graph with {wanted} inputs was given {}", inputs.len());
    }
    for (&id, input) in graph.inputs.iter().zip(inputs) {
        let (shape, len) = (graph.shape(id), input.len());
        let n = len.checked_div(shape.len()).unwrap_or(0);
        if n * shape.len() != len || count.is_some_and(|count| count != n) {
            candle_core::bail!("{len} values are no images of {shape:?}");
        }
        count = Some(n);
    }
    Ok(count.unwrap_or(0))
}

#[cfg(test)]
mod tests;

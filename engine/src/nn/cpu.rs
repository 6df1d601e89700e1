//! The CPU kernels' threads and buffers, carried by a pass.

use std::sync::Arc;

use candle_core::Device;

use super::kernels::{Buffers, Threads};

/// Threads and buffers of our CPU kernels.
pub struct Kernels {
    /// Thread pool on which the kernels run.
    pub threads: Threads,
    /// Pool that lends and recycles the memory of feature maps.
    pub buffers: Buffers,
}

impl Kernels {
    /// Starts `count` threads (0: one per core) with the best available instruction set.
    ///
    /// # Errors
    /// When threads cannot be started, or the environment names an unknown instruction set.
    pub fn new(count: usize) -> crate::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            threads: Threads::new(count)?,
            buffers: Buffers::new(),
        }))
    }

    /// Starts kernels as [`Kernels::new`] if `device` is the CPU; GPUs use candle's kernels.
    ///
    /// # Errors
    /// Like [`Kernels::new`].
    pub fn for_device(device: &Device, count: usize) -> crate::Result<Option<Arc<Self>>> {
        device.is_cpu().then(|| Self::new(count)).transpose()
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels")
            .field("threads", &self.threads.count())
            .finish_non_exhaustive()
    }
}

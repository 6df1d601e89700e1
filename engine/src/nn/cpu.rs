//! The CPU kernels as a value: what a pass carries to use them.

use std::sync::Arc;

use super::kernels::{Buffers, Threads};

/// Our CPU kernels with the threads they run on and the memory their maps come from.
pub struct Kernels {
    /// Who computes.
    pub threads: Threads,
    /// Where maps come from and return to.
    pub buffers: Buffers,
}

impl Kernels {
    /// `count` threads (0: one per core) on the best instruction set.
    ///
    /// # Errors
    /// When the system gives no threads, or the environment asks for an unknown instruction set.
    pub fn new(count: usize) -> crate::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            threads: Threads::new(count)?,
            buffers: Buffers::new(),
        }))
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels")
            .field("threads", &self.threads.count())
            .finish_non_exhaustive()
    }
}

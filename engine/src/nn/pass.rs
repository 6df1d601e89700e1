//! [`Pass`]: options and state of one forward call.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::autograd::Traced;
use super::{Features, Kernels, Random};

/// Training or evaluation mode, as `train()` and `eval()` in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Batch norms use batch statistics and update the running ones; training-only heads are
    /// present.
    Train,
    /// Batch norms use running statistics; nothing is updated.
    #[default]
    Eval,
}

/// Options and state of one forward call.
#[derive(Default)]
pub struct Pass {
    /// Training or evaluation mode.
    pub mode: Mode,
    /// Keeps the running statistics of batch norms fixed in training, because small batches are too
    /// small a sample for statistics.
    pub fixed_norms: bool,
    /// Whether to collect attention maps, which cost time and memory.
    pub wants_maps: bool,
    /// Our CPU kernels; `None` uses candle's operations.
    pub kernels: Option<Arc<Kernels>>,
    /// Random state of dropout. Without it nothing is dropped in any mode.
    pub random: Option<Random>,
    /// Collects every named intermediate result if set, for debugging.
    pub probes: Option<Vec<(String, Features)>>,
}

impl Pass {
    /// Converts the input of a network or layer, `[N, C, H, W]`: to a traced map if the pass has
    /// kernels, otherwise to a tensor.
    ///
    /// # Errors
    /// When `x` has other dimensions; with kernels, when it is not f32 in CPU memory.
    pub fn enter(&self, x: &Tensor) -> Result<Features> {
        match &self.kernels {
            None => Ok(Features::Tensor(x.clone())),
            Some(kernels) => Traced::enter(x, kernels).map(Features::Traced),
        }
    }

    /// Returns whether batch norms use and follow the batch's statistics.
    pub(super) fn norms_follow(&self) -> bool {
        self.mode == Mode::Train && !self.fixed_norms
    }

    /// Returns a pass for inference without maps.
    pub fn eval() -> Self {
        Self::default()
    }
}

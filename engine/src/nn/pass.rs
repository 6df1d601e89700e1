//! [`Pass`]: options and state of one forward call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Tensor;

use super::{Kernels, Random};

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

/// Cost of one layer: a row of a [`Tally`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerWork {
    /// Tensor prefix of the layer, such as `x21.down.conv`.
    pub name: String,
    /// Multiply-accumulates (MACs) for the whole batch in the textbook form of the network; our
    /// kernels need fewer in some layers.
    pub macs: u64,
    /// Wall-clock time of the layer.
    pub time: Duration,
}

/// Cost of each layer, in the order of execution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// One row per layer call.
    pub layers: Vec<LayerWork>,
}

impl Tally {
    /// Returns the MACs of all layers.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|l| l.macs).sum()
    }
}

/// Options and state of one forward call.
#[derive(Debug, Default)]
pub struct Pass {
    /// Training or evaluation mode.
    pub mode: Mode,
    /// Keeps the running statistics of batch norms fixed in training, because small batches are too
    /// small a sample for statistics.
    pub fixed_norms: bool,
    /// Whether to collect attention maps, which cost time and memory.
    pub wants_maps: bool,
    /// Our CPU kernels; `None` uses candle's operations. In evaluation mode, kernels need frozen
    /// weights.
    pub kernels: Option<Arc<Kernels>>,
    /// Random state of dropout. Without it nothing is dropped in any mode.
    pub random: Option<Random>,
    /// Collects the cost of each layer if set.
    pub tally: Option<Tally>,
    /// Collects every named intermediate result if set, for debugging.
    pub probes: Option<Vec<(String, Tensor)>>,
}

impl Pass {
    /// Returns whether batch norms use and follow the batch's statistics.
    pub(super) fn norms_follow(&self) -> bool {
        self.mode == Mode::Train && !self.fixed_norms
    }

    /// Returns a pass for inference without maps.
    pub fn eval() -> Self {
        Self::default()
    }

    /// Returns a pass for inference that collects a [`Tally`].
    pub fn counting() -> Self {
        Self {
            tally: Some(Tally::default()),
            ..Self::default()
        }
    }

    /// Runs `layer` and adds its cost to the tally as `name`; `macs` computes the MACs from the
    /// result.
    ///
    /// # Errors
    /// When `layer` fails.
    pub fn layer<T>(
        &mut self,
        name: &str,
        macs: impl FnOnce(&T) -> u64,
        layer: impl FnOnce(&Self) -> candle_core::Result<T>,
    ) -> candle_core::Result<T> {
        let begin = Instant::now();
        let result = layer(self)?;
        if let Some(tally) = &mut self.tally {
            tally.layers.push(LayerWork {
                name: name.to_owned(),
                macs: macs(&result),
                time: begin.elapsed(),
            });
        }
        Ok(result)
    }
}

//! What accompanies one forward call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Tensor;

use super::{Kernels, Random};

/// Whether a forward call learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Batch statistics, running statistics updated, training-only heads present.
    Train,
    /// Running statistics; nothing changes.
    #[default]
    Eval,
}

/// Work of one layer: a row of a [`Tally`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerWork {
    /// The layer's tensor prefix: `x21.down.conv`.
    pub name: String,
    /// Multiply-accumulates for the whole batch as the network is written; our kernels get by
    /// with fewer in some layers.
    pub macs: u64,
    /// Time it took.
    pub time: Duration,
}

/// Work per layer, in the order of execution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// One row per layer call.
    pub layers: Vec<LayerWork>,
}

impl Tally {
    /// Multiply-accumulates of all layers.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|l| l.macs).sum()
    }
}

/// State of one forward call.
#[derive(Debug, Default)]
pub struct Pass {
    /// Train or Eval.
    pub mode: Mode,
    /// Batch norms keep their running statistics in a pass that learns: small batches say too
    /// little about a picture's distribution.
    pub fixed_norms: bool,
    /// Collect attention maps: they cost time and memory.
    pub wants_maps: bool,
    /// Our CPU kernels; candle's operations without them. A pass that does not learn needs fixed
    /// weights for them.
    pub kernels: Option<Arc<Kernels>>,
    /// What dropout draws from. Without it nothing is dropped, in any mode.
    pub random: Option<Random>,
    /// Collect work per layer when set.
    pub tally: Option<Tally>,
    /// Keeps every named intermediate when set, for locating a fault.
    pub probes: Option<Vec<(String, Tensor)>>,
}

impl Pass {
    /// Whether batch norms take a batch's own statistics.
    pub(super) fn norms_follow(&self) -> bool {
        self.mode == Mode::Train && !self.fixed_norms
    }

    /// Inference without maps.
    pub fn eval() -> Self {
        Self::default()
    }

    /// Inference that counts work.
    pub fn counting() -> Self {
        Self {
            tally: Some(Tally::default()),
            ..Self::default()
        }
    }

    /// Runs `layer` and books it under `name`; `macs` is told from its result.
    ///
    /// # Errors
    /// The layer's.
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

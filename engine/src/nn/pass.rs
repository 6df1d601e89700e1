//! What accompanies one forward call.

use candle_core::Tensor;

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
    /// Multiply-accumulates for the whole batch.
    pub macs: u64,
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
    /// Collect attention maps: they cost time and memory.
    pub wants_maps: bool,
    /// Collect work per layer when set.
    pub tally: Option<Tally>,
    /// Keeps every named intermediate when set, for locating a fault.
    pub probes: Option<Vec<(String, Tensor)>>,
}

impl Pass {
    /// Inference without maps.
    pub fn eval() -> Self {
        Self::default()
    }

    /// Inference that also collects attention maps.
    pub fn eval_with_maps() -> Self {
        Self {
            wants_maps: true,
            ..Self::default()
        }
    }

    /// Inference that counts work.
    pub fn counting() -> Self {
        Self {
            tally: Some(Tally::default()),
            ..Self::default()
        }
    }

    /// Books the work of a layer call; `macs` is evaluated only when somebody counts.
    pub fn count(&mut self, name: &str, macs: impl FnOnce() -> u64) {
        if let Some(tally) = &mut self.tally {
            tally.layers.push(LayerWork {
                name: name.to_owned(),
                macs: macs(),
            });
        }
    }

    /// Keeps an intermediate when somebody looks for a fault.
    pub fn probe(&mut self, name: &str, value: &Tensor) {
        if let Some(probes) = &mut self.probes {
            probes.push((name.to_owned(), value.clone()));
        }
    }
}

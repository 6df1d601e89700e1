//! Loss and gradients of one step, and the loss of its batch under the updated weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Var};

use super::config::TrainConfig;
use super::loss::{BatchCounts, LossSpec, total};
use super::optim::ByName;
use crate::dataset::loader::{Batch, BatchTensors};
use crate::error::Result;
use crate::model::{PoseModel, RawOutput};
use crate::nn::{Kernels, Mode, Pass, Random};

/// Shared inputs of a step.
pub(super) struct Step<'a> {
    pub net: &'a dyn PoseModel,
    pub learning: &'a BTreeMap<String, Var>,
    pub config: &'a TrainConfig,
    pub loss: &'static LossSpec,
    pub kernels: Option<&'a Arc<Kernels>>,
}

/// A batch on the device.
#[derive(Debug)]
pub(super) struct DeviceBatch {
    tensors: BatchTensors,
    outputs: &'static [&'static str],
    inputs: usize,
    counts: BatchCounts,
}

impl DeviceBatch {
    /// Moves `batch` to `device`; on the CPU nothing is copied.
    pub(super) fn new(batch: Batch, device: &Device) -> Result<Self> {
        let (inputs, outputs) = (batch.len(), batch.outputs);
        Ok(Self {
            counts: BatchCounts::of(&batch.weights, inputs),
            tensors: batch.into_tensors(device)?,
            outputs,
            inputs,
        })
    }

    /// Splits the batch into parts of `at_once` inputs, 0 for all, each with its size.
    fn parts(&self, at_once: usize) -> impl Iterator<Item = Result<(BatchTensors, usize)>> {
        let at_once = match at_once {
            0 => self.inputs.max(1),
            n => n,
        };
        (0..self.inputs).step_by(at_once).map(move |first| {
            let n = at_once.min(self.inputs - first);
            let part = BatchTensors {
                input: self.tensors.input.narrow(0, first, n)?,
                targets: self.tensors.targets.narrow(0, first, n)?,
                weights: self.tensors.weights.narrow(0, first, n)?,
            };
            Ok((part, n))
        })
    }
}

/// Result of a step.
pub(super) struct StepResult {
    /// Loss of the batch.
    pub loss: f64,
    /// Gradients of all trainable parameters that were used.
    pub grads: ByName,
    /// Number of random draws made by dropout so far.
    pub drawn: u64,
    /// Sum over inputs of the mean of |M|, per attention block.
    pub gates: BTreeMap<String, f64>,
}

impl Step<'_> {
    /// Computes loss and gradients of a batch, processed in parts of `micro_batch` inputs.
    pub(super) fn learn(&self, batch: &DeviceBatch, random: Random) -> Result<StepResult> {
        let mut learned = StepResult {
            loss: 0.0,
            grads: ByName::new(),
            drawn: random.drawn,
            gates: BTreeMap::new(),
        };
        for part in batch.parts(self.config.micro_batch) {
            let (part, n) = part?;
            let mut pass = self.pass();
            pass.random = Some(Random {
                drawn: learned.drawn,
                ..random
            });
            let out = self.net.forward(&part.input, &mut pass)?;
            let wanted = (&part, batch.outputs);
            let loss = total(&self.config.loss, self.loss, &out, wanted, batch.counts)?;
            learned.loss += f64::from(loss.to_scalar::<f32>()?);
            learned.drawn = pass.random.map_or(learned.drawn, |r| r.drawn);
            gates(&out, n, &mut learned.gates)?;
            if !learned.loss.is_finite() {
                break;
            }
            let grads = loss.backward()?;
            for (name, var) in self.learning {
                if let Some(grad) = grads.get(var) {
                    let sum = match learned.grads.get(name) {
                        Some(sum) => (sum + grad)?,
                        None => grad.clone(),
                    };
                    learned.grads.insert(name.clone(), sum);
                }
            }
        }
        Ok(learned)
    }

    /// Computes the loss of a batch in inference mode: with running statistics, which are not
    /// updated, and without dropout. Training-only heads are included.
    pub(super) fn evaluate_loss(&self, batch: &DeviceBatch) -> Result<f64> {
        let mut sum = 0.0;
        for part in batch.parts(self.config.micro_batch) {
            let (part, _) = part?;
            let mut pass = Pass {
                fixed_norms: true,
                ..self.pass()
            };
            let out = self.net.forward(&part.input, &mut pass)?;
            let wanted = (&part, batch.outputs);
            let loss = total(&self.config.loss, self.loss, &out, wanted, batch.counts)?;
            sum += f64::from(loss.to_scalar::<f32>()?);
        }
        Ok(sum)
    }

    fn pass(&self) -> Pass {
        Pass {
            mode: Mode::Train,
            fixed_norms: self.config.fixed_norms,
            wants_maps: self.config.loss.zero_mean > 0.0,
            kernels: self.kernels.cloned(),
            ..Pass::default()
        }
    }
}

/// Adds the mean of |M| of every attention block, times `inputs`.
fn gates(out: &RawOutput, inputs: usize, sums: &mut BTreeMap<String, f64>) -> Result<()> {
    for map in &out.maps {
        if let Some(block) = &map.activity_of {
            let mean = map.tensor.detach().abs()?.mean_all()?.to_scalar::<f32>()?;
            *sums.entry(block.clone()).or_default() += f64::from(mean) * inputs as f64;
        }
    }
    Ok(())
}

//! Loss and gradients of one step, and the loss of its batch under the updated weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};

use super::config::TrainConfig;
use super::features::BackboneTensors;
use super::loss::{BatchCounts, LossSpec, total};
use super::optim::ByName;
use crate::dataset::loader::{Batch, BatchTargets};
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

/// Input of a network.
#[derive(Debug)]
enum StepInput {
    /// Planes of the inputs.
    Planes(Tensor),
    /// Result of the backbone for the inputs.
    Backbone(BackboneTensors),
}

/// A batch on the device.
#[derive(Debug)]
pub(super) struct DeviceBatch {
    input: StepInput,
    targets: BatchTargets,
    outputs: &'static [&'static str],
    inputs: usize,
    counts: BatchCounts,
}

/// Some inputs of a batch.
struct Part {
    input: StepInput,
    targets: BatchTargets,
    inputs: usize,
}

impl DeviceBatch {
    /// Moves `batch` to `device`; on the CPU nothing is copied.
    pub(super) fn new(mut batch: Batch, device: &Device) -> Result<Self> {
        let planes = batch.take_input(device)?;
        Self::of(StepInput::Planes(planes), batch, device)
    }

    /// Creates a batch whose inputs the backbone has processed.
    pub(super) fn of_backbone(
        backbone: BackboneTensors,
        batch: Batch,
        device: &Device,
    ) -> Result<Self> {
        Self::of(StepInput::Backbone(backbone), batch, device)
    }

    fn of(input: StepInput, batch: Batch, device: &Device) -> Result<Self> {
        let (inputs, outputs) = (batch.len(), batch.outputs);
        Ok(Self {
            input,
            counts: BatchCounts::of(&batch.weights, inputs),
            targets: batch.into_targets(device)?,
            outputs,
            inputs,
        })
    }

    /// Splits the batch into parts of `at_once` inputs, 0 for all.
    fn parts(&self, at_once: usize) -> impl Iterator<Item = Result<Part>> {
        chunks(self.inputs, at_once).map(move |(first, inputs)| {
            Ok(Part {
                input: match &self.input {
                    StepInput::Planes(planes) => {
                        StepInput::Planes(planes.narrow(0, first, inputs)?)
                    }
                    StepInput::Backbone(backbone) => {
                        StepInput::Backbone(backbone.narrow(first, inputs)?)
                    }
                },
                targets: BatchTargets {
                    targets: self.targets.targets.narrow(0, first, inputs)?,
                    weights: self.targets.weights.narrow(0, first, inputs)?,
                },
                inputs,
            })
        })
    }
}

/// Splits `n` inputs into chunks of at most `at_once`, 0 for all; returns the first and the length
/// of each.
fn chunks(n: usize, at_once: usize) -> impl Iterator<Item = (usize, usize)> {
    let at_once = match at_once {
        0 => n.max(1),
        at_once => at_once,
    };
    (0..n)
        .step_by(at_once)
        .map(move |first| (first, at_once.min(n - first)))
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
            let part = part?;
            let mut pass = self.pass();
            pass.random = Some(Random {
                drawn: learned.drawn,
                ..random
            });
            let out = self.forward(&part.input, &mut pass)?;
            let wanted = (&part.targets, batch.outputs);
            let loss = total(&self.config.loss, self.loss, &out, wanted, batch.counts)?;
            learned.loss += f64::from(loss.to_scalar::<f32>()?);
            learned.drawn = pass.random.map_or(learned.drawn, |r| r.drawn);
            gates(&out, part.inputs, &mut learned.gates)?;
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
            let part = part?;
            let mut pass = Pass {
                fixed_norms: true,
                ..self.pass()
            };
            let out = self.forward(&part.input, &mut pass)?;
            let wanted = (&part.targets, batch.outputs);
            let loss = total(&self.config.loss, self.loss, &out, wanted, batch.counts)?;
            sum += f64::from(loss.to_scalar::<f32>()?);
        }
        Ok(sum)
    }

    /// Runs the backbone on the planes of inputs, as a training step does, in parts of `micro_batch`
    /// inputs.
    pub(super) fn backbone(&self, planes: &Tensor) -> Result<BackboneTensors> {
        let n = planes.dim(0)?;
        let mut parts = Vec::new();
        for (first, inputs) in chunks(n, self.config.micro_batch) {
            let part = planes.narrow(0, first, inputs)?;
            let mut pass = self.pass();
            let output = self.net.backbone(&pass.enter(&part)?, &mut pass)?;
            parts.push(BackboneTensors::of(&output)?);
        }
        BackboneTensors::join(&parts)
    }

    fn forward(&self, input: &StepInput, pass: &mut Pass) -> Result<RawOutput> {
        Ok(match input {
            StepInput::Planes(planes) => self.net.forward(planes, pass)?,
            StepInput::Backbone(backbone) => {
                let backbone = backbone.enter(pass)?;
                self.net.head(backbone, pass)?.to_tensors()?
            }
        })
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

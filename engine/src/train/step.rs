//! One step's loss and gradients.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Var};

use super::config::TrainConfig;
use super::loss::{LossSpec, Totals, total};
use super::optim::ByName;
use crate::dataset::loader::{Batch, BatchTensors};
use crate::error::Result;
use crate::model::{PoseModel, RawOutput};
use crate::nn::{Kernels, Mode, Pass, Random};

/// What a step works with.
pub(super) struct Step<'a> {
    pub net: &'a dyn PoseModel,
    pub learning: &'a BTreeMap<String, Var>,
    pub config: &'a TrainConfig,
    pub loss: &'static LossSpec,
    pub kernels: Option<&'a Arc<Kernels>>,
    pub device: &'a Device,
}

/// What a step found out.
pub(super) struct Learned {
    /// Loss of the batch.
    pub loss: f64,
    /// Gradients of all that learns and was used.
    pub grads: ByName,
    /// Draws of dropout so far.
    pub drawn: u64,
    /// Sum over inputs of the mean of |M|, per attention block.
    pub gates: BTreeMap<String, f64>,
}

/// Loss and gradients of a batch, worked on in parts of `micro_batch` inputs.
pub(super) fn learn(step: &Step<'_>, batch: Batch, random: Random) -> Result<Learned> {
    let (inputs, outputs) = (batch.len(), batch.outputs);
    let totals = Totals::of(&batch.weights, inputs);
    let at_once = match step.config.micro_batch {
        0 => inputs,
        n => n,
    };
    let batch = batch.into_tensors(step.device)?;
    let mut learned = Learned {
        loss: 0.0,
        grads: ByName::new(),
        drawn: random.drawn,
        gates: BTreeMap::new(),
    };
    for first in (0..inputs).step_by(at_once.max(1)) {
        let n = at_once.min(inputs - first);
        let part = BatchTensors {
            input: batch.input.narrow(0, first, n)?,
            targets: batch.targets.narrow(0, first, n)?,
            weights: batch.weights.narrow(0, first, n)?,
        };
        let mut pass = Pass {
            mode: Mode::Train,
            fixed_norms: step.config.fixed_norms,
            wants_maps: step.config.loss.zero_mean > 0.0,
            kernels: step.kernels.cloned(),
            random: Some(Random {
                drawn: learned.drawn,
                ..random
            }),
            ..Pass::default()
        };
        let out = step.net.forward(&part.input, &mut pass)?;
        let loss = total(&step.config.loss, step.loss, &out, (&part, outputs), totals)?;
        learned.loss += f64::from(loss.to_scalar::<f32>()?);
        learned.drawn = pass.random.map_or(learned.drawn, |r| r.drawn);
        gates(&out, n, &mut learned.gates)?;
        if !learned.loss.is_finite() {
            break;
        }
        let grads = loss.backward()?;
        for (name, var) in step.learning {
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

/// Adds the mean of |M| of every attention block, times `inputs`.
fn gates(out: &RawOutput, inputs: usize, sums: &mut BTreeMap<String, f64>) -> Result<()> {
    for map in &out.maps {
        if let Some(block) = map.name.strip_suffix(".M") {
            let mean = map.tensor.detach().abs()?.mean_all()?.to_scalar::<f32>()?;
            *sums.entry(block.to_owned()).or_default() += f64::from(mean) * inputs as f64;
        }
    }
    Ok(())
}

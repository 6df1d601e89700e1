//! End of an epoch: validation, comparison with the best, saving.

use candle_core::{Tensor, Var};
use crossbeam::channel::Sender;

use super::Trainer;
use crate::concurrency::StopFlag;
use crate::error::Result;
use crate::estimator::NetworkOptions;
use crate::model::Weights;
use crate::train::checkpoint::{Best, EpochRecord, State};
use crate::train::event::{Event, StopReason, tell};
use crate::train::hits;
use crate::train::optim::ByName;
use crate::train::setup::{card_after, epoch_record};
use crate::train::validate::Measured;

impl Trainer {
    /// Returns whether the current weights still lack their validation: an epoch has ended, or
    /// training has not begun.
    pub(super) fn is_unmeasured(&self) -> bool {
        let noted = self.progress.history.last();
        noted.is_none_or(|record| record.epoch < self.progress.position.epoch)
    }

    /// Validates, records the finished epoch, and saves. A requested stop skips the validation,
    /// which is done on resuming. Returns the reason if the training ends here.
    pub(super) fn record(
        &mut self,
        events: &Sender<Event>,
        stop: &StopFlag,
    ) -> Result<Option<StopReason>> {
        if !self.is_sound()? {
            return Ok(Some(StopReason::Diverged));
        }
        let measured = match &self.validation {
            None => Some(Measured::default()),
            Some(validation) => {
                let epoch = self.progress.position.epoch;
                tell(events, Event::Measuring { epoch });
                let options = NetworkOptions {
                    device: self.selected.spec,
                    threads: self.hardware.threads,
                    ..NetworkOptions::bundled(self.spec)
                };
                let weights = Weights::from_tensors("these weights", self.state().deployed());
                validation.measure(&options, &self.card, &weights, stop)?
            }
        };
        let Some(mut measured) = measured else {
            return Ok(Some(self.save(events)?.unwrap_or(StopReason::Requested)));
        };
        if !measured.seen.is_empty() {
            let seen = Event::HeldOut {
                epoch: self.progress.position.epoch,
                people: std::mem::take(&mut measured.seen),
            };
            tell(events, seen);
        }
        let running = std::mem::take(&mut self.progress.running);
        let record = epoch_record(&self.progress, running, &measured);
        let best = self.progress.best;
        if let Some(score) = record.score()
            && best.is_none_or(|best| score > best.score)
        {
            self.progress.best = Some(Best {
                epoch: record.epoch,
                score,
            });
        }
        if let (1.., Some(first)) = (record.broken, self.broken.first()) {
            let broken = Event::Broken {
                pictures: record.broken,
                first: first.reason.clone(),
            };
            tell(events, broken);
        }
        let kept = self.progress.best.map(|best| best.epoch);
        hits::keep(self.folder.path(), &record, kept);
        self.progress.history.push(EpochRecord {
            hits: Vec::new(),
            ..record.clone()
        });
        tell(events, Event::Epoch(record));
        self.save(events)
    }

    /// Writes everything to the folder, unless the weights are unusable. Returns the reason if the
    /// training ends here.
    pub(super) fn save(&mut self, events: &Sender<Event>) -> Result<Option<StopReason>> {
        if !self.is_sound()? {
            return Ok(Some(StopReason::Diverged));
        }
        self.is_unsaved = true;
        let state = self.state();
        let card = card_after(self.spec, &self.card, &self.progress, &self.data)?;
        self.folder.save(&state, &card)?;
        self.is_unsaved = false;
        let is_best = state.is_best();
        tell(events, Event::Saved { is_best });
        Ok(None)
    }

    /// Returns whether the weights are usable: all values are finite, and so is the loss of the
    /// last batch after its step, with running statistics. The loss of a step belongs to the
    /// weights before it, and batch norms in training mode hide broken running statistics. Costs
    /// one forward pass per save.
    fn is_sound(&mut self) -> Result<bool> {
        let Some(batch) = &self.last_batch else {
            return Ok(true);
        };
        let moved = self.params.moving().values().map(Var::as_tensor);
        let averages = self.average.iter().flat_map(|a| a.tensors().values());
        for tensor in moved
            .chain(averages)
            .chain(self.optimizer.moments().values())
        {
            if !is_finite(tensor)? {
                return Ok(false);
            }
        }
        if !self.work().evaluate_loss(batch)?.is_finite() {
            return Ok(false);
        }
        self.last_batch = None;
        Ok(true)
    }

    pub(super) fn state(&self) -> State {
        let mut progress = self.progress.clone();
        progress.optimizer_steps = self.optimizer.steps();
        State {
            progress,
            weights: self.params.all().clone(),
            average: match &self.average {
                Some(average) => average.tensors().clone(),
                None => ByName::new(),
            },
            memory: self.optimizer.moments().clone(),
        }
    }
}

/// Returns whether all values are finite: infinity times 0 is NaN, and NaN persists in the sum.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    let zero = (tensor.detach() * 0.0)?.sum_all()?.to_scalar::<f32>()?;
    Ok(zero == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// Fails when a single NaN or infinite value passes as usable, or a large finite one does not.
    #[test]
    fn one_nan_is_found() {
        let mut values = vec![3e38f32; 5000];
        let finite = |values: &[f32]| {
            is_finite(&Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap()).unwrap()
        };
        assert!(finite(&values));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            values[3210] = bad;
            assert!(!finite(&values), "{bad}");
        }
    }
}

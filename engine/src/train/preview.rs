//! Preview of training batches, and predictions for the held-out people of a run.

use std::path::Path;

use super::config::{InitialWeights, TrainConfig};
use super::held_out::HeldOutPose;
use super::setup::{self, card_of};
use super::trainer::Hardware;
use super::validate::Validation;
use crate::dataset::loader::Position;
use crate::dataset::{ContactSheet, Split, contact_sheet};
use crate::error::Result;
use crate::estimator::{NetworkOptions, input_spec};
use crate::model::{Weights, model};

/// A batch for display.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Contact sheet of the inputs with their targets next to them.
    pub sheet: ContactSheet,
    /// Number of inputs on the sheet.
    pub shown: usize,
    /// Number of inputs in the batch.
    pub batch: usize,
    /// Total number of training people.
    pub people: usize,
    /// Position of the batch.
    pub position: Position,
    /// Position of the batch after it.
    pub next: Position,
}

/// Returns the augmented batch that the run `config` uses at `position`; at most `most` inputs are
/// drawn in rows of `columns`. Reads labels and images.
///
/// # Errors
/// When the data cannot be read or there is no such batch.
pub fn preview(
    config: &TrainConfig,
    position: Position,
    most: usize,
    columns: usize,
) -> Result<Preview> {
    let mut config = config.clone();
    let spec = config.check()?.model;
    config.prefetch = 0;
    let card = card_of(spec, &config)?;
    let skeleton = card.skeleton()?;
    let people = setup::people(&config, skeleton, |_, _, _| ())?;
    let mut loader = setup::loader(&people, &config, &card, position)?;
    let batch = loader.next_batch()?;
    let shown = batch.len().min(most.max(1));
    Ok(Preview {
        sheet: contact_sheet(&batch, &input_spec(&card), skeleton, (columns, shown)),
        shown,
        batch: batch.len(),
        people: people.len(),
        position: batch.position,
        next: loader.position(),
    })
}

/// Returns the predictions of the weights in a file, or of the initial weights of the run `config`,
/// for the selected held-out people. Empty without held-out people or if the initial weights
/// contain random initialisation, even if only in the head.
///
/// # Errors
/// When labels, images or weights cannot be read or do not match, or the device fails.
pub fn predict_held_out(
    config: &TrainConfig,
    weights: Option<&Path>,
    hardware: Hardware,
) -> Result<Vec<HeldOutPose>> {
    let Some(held_out) = &config.validation else {
        return Ok(Vec::new());
    };
    let spec = model(&config.model)?;
    let weights = match (weights, &config.init) {
        (Some(path), _) => Weights::read(path)?,
        (None, InitialWeights::File(path)) => Weights::read(path)?,
        (None, InitialWeights::Bundled) => Weights::bundled(spec)?,
        (None, InitialWeights::Backbone | InitialWeights::Scratch) => return Ok(Vec::new()),
    };
    let card = card_of(spec, config)?;
    let options = NetworkOptions {
        device: hardware.device,
        threads: hardware.threads,
        ..NetworkOptions::bundled(spec)
    };
    let held_out = held_out.load(Split::HeldOut)?;
    Validation::new(held_out, spec, card.skeleton()?)?.predict(&options, &card, &weights)
}

//! What a training is about to show its network, and what networks find in its held-out people.

use std::path::Path;
use std::sync::Arc;

use super::config::{Start, TrainConfig};
use super::seen::SeenPose;
use super::setup::{card_of, loader};
use super::trainer::Hardware;
use super::validate::Validation;
use crate::dataset::loader::{People, Position};
use crate::dataset::{Split, contact_sheet};
use crate::error::Result;
use crate::estimator::{NetworkOptions, input_spec};
use crate::frame::Frame;
use crate::model::{Weights, model};

/// A batch to look at.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Every input as it is fed and, beside it, its targets.
    pub sheet: Frame,
    /// Inputs on the sheet.
    pub shown: usize,
    /// Inputs in the batch.
    pub batch: usize,
    /// People learned from in all.
    pub people: usize,
    /// The batch.
    pub position: Position,
    /// The batch after it.
    pub next: Position,
}

/// The batch that the training `config` takes at `position`, augmented as it will be, of which at
/// most `most` inputs are drawn in rows of `columns`. Reads labels and pictures.
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
    config.check()?;
    config.prefetch = 0;
    let card = card_of(model(&config.model)?, &config)?;
    let skeleton = card.skeleton()?;
    let mut people = People::new(skeleton);
    for data in &config.data {
        let name = data.annotations.display().to_string();
        people.add(&name, data.load(Split::Learn)?, &data.people)?;
    }
    let people = Arc::new(people);
    let mut loader = loader(&people, &config, &card, position)?;
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

/// What the weights in a file, or those that the training `config` begins with, find in the
/// held-out people that are looked at; nobody without held-out people or where it begins with
/// fresh weights, be it behind a backbone.
///
/// # Errors
/// When labels, pictures or weights cannot be read or do not fit, or the device fails.
pub fn look(
    config: &TrainConfig,
    weights: Option<&Path>,
    hardware: Hardware,
) -> Result<Vec<SeenPose>> {
    let Some(held_out) = &config.validation else {
        return Ok(Vec::new());
    };
    let spec = model(&config.model)?;
    let weights = match (weights, &config.init) {
        (Some(path), _) => Weights::read(path)?,
        (None, Start::File(path)) => Weights::read(path)?,
        (None, Start::Bundled) => Weights::bundled(spec)?,
        (None, Start::Backbone | Start::Scratch) => return Ok(Vec::new()),
    };
    let card = card_of(spec, config)?;
    let options = NetworkOptions {
        device: hardware.device,
        threads: hardware.threads,
        ..NetworkOptions::bundled(spec.name)
    };
    let held_out = held_out.load(Split::HeldOut)?;
    Validation::new(held_out, spec, card.skeleton()?)?.look(&options, &card, &weights)
}

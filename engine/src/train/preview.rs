//! What a training is about to show its network, as a picture.

use std::sync::Arc;

use super::config::TrainConfig;
use super::setup::{card_of, loader};
use crate::dataset::contact_sheet;
use crate::dataset::loader::{People, Position};
use crate::error::{Error, Result};
use crate::estimator::input_spec;
use crate::frame::Frame;
use crate::model::model;

/// A batch to look at.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Every person as it is fed and, beside it, its targets.
    pub sheet: Frame,
    /// People on the sheet.
    pub shown: usize,
    /// People in the batch.
    pub batch: usize,
    /// People learned from in all.
    pub people: usize,
    /// The batch.
    pub position: Position,
    /// The batch after it.
    pub next: Position,
}

/// The batch that the training `config` takes at `position`, augmented as it will be, of which at
/// most `most` people are drawn in rows of `columns`. Reads labels and pictures.
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
        people.add(&name, data.load()?, &data.people)?;
    }
    let people = Arc::new(people);
    let mut loader = loader(&people, &config, &card, position)?;
    let mut batch = loader
        .next_batch()?
        .ok_or_else(|| Error::Invalid("the loader ended by itself".to_owned()))?;
    let n_batch = batch.len();
    batch.people.truncate(most.max(1));
    Ok(Preview {
        sheet: contact_sheet(&batch, &input_spec(&card), skeleton, columns),
        shown: batch.len(),
        batch: n_batch,
        people: people.len(),
        position: batch.position,
        next: loader.position(),
    })
}

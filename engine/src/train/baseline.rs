//! Baseline for a training run: results of the network in use on the same held-out people.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::trainer::Hardware;
use super::validate::Validation;
use crate::concurrency::StopFlag;
use crate::dataset::Split;
use crate::disk::replace;
use crate::error::{Error, Result};
use crate::estimator::NetworkOptions;
use crate::model::{Weights, model};

/// Name of the file in a checkpoint folder.
const FILE: &str = "in_use.json";

/// Metrics of the network that was in use when a run started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineResults {
    /// Display name of the network.
    pub name: String,
    /// PCK@0.2 on the held-out people, 0 to 1.
    pub pck: Option<f64>,
    /// COCO average precision on the held-out people, 0 to 1.
    pub oks_ap: Option<f64>,
}

impl BaselineResults {
    /// Evaluates the model called `row` of `MODELS`, with its own weights or those in a file, on
    /// the held-out people of the run `config`; `None` without such people, or if stopped.
    ///
    /// # Errors
    /// When labels, images or weights cannot be read or do not match, or the device fails.
    pub fn measure(
        config: &TrainConfig,
        (name, row): (&str, &str),
        weights: Option<&Path>,
        hardware: Hardware,
        stop: &StopFlag,
    ) -> Result<Option<Self>> {
        let Some(held_out) = &config.validation else {
            return Ok(None);
        };
        let spec = model(row)?;
        let card = spec.card_for(weights)?;
        let weights = match weights {
            Some(path) => Weights::read(path)?,
            None => Weights::bundled(spec)?,
        };
        let options = NetworkOptions {
            device: hardware.device,
            threads: hardware.threads,
            ..NetworkOptions::bundled(spec)
        };
        let people = held_out.load(Split::HeldOut)?;
        let measured = Validation::new(people, spec, card.skeleton()?)?
            .measure(&options, &card, &weights, stop)?;
        Ok(measured.map(|measured| Self {
            name: name.to_owned(),
            pck: measured.pck,
            oks_ap: measured.oks_ap,
        }))
    }

    /// Reads the results from a checkpoint folder; `None` if they are missing.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(FILE)).ok()?;
        let read = serde_json::from_str(&text);
        read.inspect_err(|error| tracing::warn!("{}: {error}", folder.join(FILE).display()))
            .ok()
    }

    /// Writes the results into a checkpoint folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string(self)
            .map_err(|e| Error::data(&path, format!("cannot be written: {e}")))?;
        replace(&path, text.as_bytes())
    }
}

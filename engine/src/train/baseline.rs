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
const FILE: &str = "in_use.toml";
/// Its name in earlier versions. JSON is read with an error in the last digit of a number.
const JSON: &str = "in_use.json";

/// Metrics of the network that was in use when a run started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineResults {
    /// Display name of the network.
    pub name: String,
    /// PCK@0.2 on the held-out people, 0 to 1.
    pub pck: Option<f64>,
    /// COCO average precision on the held-out people, 0 to 1.
    pub oks_ap: Option<f64>,
    /// Number of joints of which PCK is the fraction; 0 if unknown, in files of earlier versions.
    #[serde(default)]
    pub n_joints: usize,
    /// Number of found joints and of all, for each held-out image; empty in files of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<[u32; 2]>,
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
            n_joints: measured.n_joints,
            hits: measured.hits,
        }))
    }

    /// Reads the results from a checkpoint folder; `None` if they are missing.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let read = match (text(FILE), text(JSON)) {
            (Some(text), _) => toml::from_str(&text).map_err(|e| e.message().to_owned()),
            (None, Some(text)) => serde_json::from_str(&text).map_err(|e| e.to_string()),
            (None, None) => return None,
        };
        let note = |error: &String| {
            let folder = folder.display();
            tracing::warn!("{folder}: the results of the network in use cannot be read: {error}");
        };
        read.inspect_err(note).ok()
    }

    /// Writes the results into a checkpoint folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = toml::to_string(self)
            .map_err(|e| Error::data(&path, format!("cannot be written: {e}")))?;
        replace(&path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the results of the network in use differ after resuming, if only in the last
    /// digit, so that weights equal to it are called worse; or those of earlier versions are lost.
    #[test]
    fn results_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(BaselineResults::read(folder.path()), None);
        for n in 50..70_usize {
            for hits in [n / 3, n - 2] {
                let written = BaselineResults {
                    name: "sfm · 11-30 16:50".to_owned(),
                    pck: Some(hits as f64 / n as f64),
                    oks_ap: (n % 2 == 0).then_some(1.0 / n as f64),
                    n_joints: n,
                    hits: vec![[hits as u32, n as u32]; 3],
                };
                written.write(folder.path()).unwrap();
                assert_eq!(BaselineResults::read(folder.path()), Some(written));
            }
        }
        fs::remove_file(folder.path().join(FILE)).unwrap();
        let earlier = r#"{"name":"sfm","pck":0.5,"oks_ap":null}"#;
        fs::write(folder.path().join(JSON), earlier).unwrap();
        let read = BaselineResults::read(folder.path()).unwrap();
        assert_eq!(
            (read.name.as_str(), read.pck, read.n_joints),
            ("sfm", Some(0.5), 0)
        );
    }
}

//! Options of a run in plain words, and the training configuration that follows from them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::train::recipe::{RECIPES, recipe};
use crate::train::{DataConfig, FeatureCacheConfig, Freeze, InitialWeights, TrainConfig};

/// Which part of the network is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The head, on features that are computed once.
    #[default]
    Head,
    /// The head and the last blocks of the backbone.
    LastBlocks,
    /// Everything.
    All,
}

impl Part {
    /// Every part, for the command line.
    pub const ALL: [Self; 3] = [Self::Head, Self::LastBlocks, Self::All];

    /// Returns `head`, `last-blocks` or `all`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::LastBlocks => "last-blocks",
            Self::All => "all",
        }
    }

    const fn freeze(self) -> Freeze {
        match self {
            Self::Head => Freeze::Backbone,
            Self::LastBlocks => Freeze::EarlyBlocks,
            Self::All => Freeze::None,
        }
    }
}

/// How long is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effort {
    /// A first look.
    Quick,
    /// Enough for a few dozen to a few hundred frames.
    #[default]
    Normal,
    /// Longer, for many frames.
    Thorough,
}

impl Effort {
    /// Every effort, for the command line.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Normal, Self::Thorough];

    /// Returns `quick`, `normal` or `thorough`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Normal => "normal",
            Self::Thorough => "thorough",
        }
    }

    /// Returns the approximate number of steps. Small projects have short epochs, so that a number
    /// of epochs would mean something else in every project.
    const fn steps(self) -> u64 {
        match self {
            Self::Quick => 120,
            Self::Normal => 400,
            Self::Thorough => 1500,
        }
    }
}

/// Options of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct FinetuneOptions {
    /// The part that is trained.
    pub part: Part,
    /// How long is trained.
    pub effort: Effort,
    /// Share of the inputs that are replayed, 0 to 0.9.
    pub replay: f64,
    /// Seed of order, augmentation and choice of frames.
    pub seed: u32,
    /// Number of epochs instead of the one that follows from the effort.
    pub epochs: Option<u64>,
    /// People per step.
    pub batch_size: Option<usize>,
    /// Learning rate.
    pub lr: Option<f64>,
    /// Initial weights; by default those of the project's version in use, else the bundled ones.
    pub init: Option<InitialWeights>,
    /// Name of the run; by default the next number.
    pub name: Option<String>,
}

impl Default for FinetuneOptions {
    fn default() -> Self {
        Self {
            part: Part::default(),
            effort: Effort::default(),
            replay: 0.3,
            seed: 1,
            epochs: None,
            batch_size: None,
            lr: None,
            init: None,
            name: None,
        }
    }
}

/// Largest share of replayed inputs.
const MAX_REPLAY: f64 = 0.9;

/// People per step: with a few dozen frames, larger batches would leave few steps.
const BATCH: usize = 8;

/// Learning rate of the head, three times that of fine-tuning on many people. With 120 steps on 19
/// frames of two clips, whose wrists were labelled 30 % of the forearm further out, the error on a
/// third clip fell from 0.0308 to 0.0290 torso lengths (interval of the difference -0.0032 to
/// -0.0004).
const HEAD_RATE: f64 = 3e-4;

/// Fewest steps of an epoch.
const STEPS_PER_EPOCH: usize = 20;

/// Number of inputs whose features are kept: 2.1 GB for SFM at 256x256. Further ones are computed in
/// every epoch.
const KEPT_INPUTS: u64 = 600;
/// Bound of the file of features in bytes.
const MAX_CACHE_BYTES: u64 = 2_500_000_000;

impl FinetuneOptions {
    /// Checks what does not depend on the project.
    ///
    /// # Errors
    /// When the share of replayed inputs is out of range, or the name is not that of a folder.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=MAX_REPLAY).contains(&self.replay) {
            return Err(Error::Invalid(format!(
                "the share of replayed frames is {}; it must lie in 0 to {MAX_REPLAY}",
                self.replay
            )));
        }
        let is_plain = |name: &String| {
            let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            !name.is_empty() && name.len() <= 64 && name.chars().all(kept)
        };
        match &self.name {
            Some(name) if !is_plain(name) => Err(Error::Invalid(format!(
                "a run cannot be called '{name}': letters, digits, - and _, at most 64"
            ))),
            _ => Ok(()),
        }
    }

    /// Returns how many replayed inputs an epoch of `n_people` needs.
    pub(super) fn n_replayed(&self, n_people: usize) -> usize {
        (n_people as f64 * self.replay / (1.0 - self.replay)).round() as usize
    }

    /// Returns the configuration of a training on the sets.
    pub(super) fn config(
        &self,
        model: &str,
        init: InitialWeights,
        sets: &SetPaths<'_>,
    ) -> Result<TrainConfig> {
        let mut config = recipe(model, RECIPES[0].name)?;
        config.init = init;
        config.freeze = self.part.freeze();
        config.seed = self.seed;
        config.batch_size = self.batch_size.unwrap_or(BATCH);
        let lr = match self.part {
            Part::Head => HEAD_RATE,
            Part::LastBlocks | Part::All => config.optimizer.lr,
        };
        config.optimizer.lr = self.lr.unwrap_or(lr);
        // Every epoch ends with a validation, so it has some length also in a small project.
        let n_shown = self.n_replayed(sets.train.1);
        let n_once = sets.train.1 + sets.replay.map_or(0, |_| n_shown);
        let n_times = (STEPS_PER_EPOCH * config.batch_size)
            .div_ceil(n_once.max(1))
            .max(1);
        let mut train = sets.data(sets.train.0);
        train.people.weight = n_times as f64;
        config.data = vec![train];
        if let Some((replay, n_people)) = sets.replay {
            let mut data = sets.data(replay);
            data.people.weight = (n_times * n_shown) as f64 / n_people.max(1) as f64;
            config.data.push(data);
        }
        config.validation = Some(sets.data(sets.holdout));
        let per_epoch = (n_times * n_once / config.batch_size).max(1) as u64;
        let epochs = self.effort.steps().div_ceil(per_epoch).max(3);
        config.epochs = self.epochs.unwrap_or(epochs);
        if self.part == Part::Head {
            config.feature_cache = Some(FeatureCacheConfig {
                variants: (KEPT_INPUTS / n_once.max(1) as u64).clamp(2, 16),
                max_bytes: MAX_CACHE_BYTES,
            });
        }
        config.check()?;
        Ok(config)
    }
}

/// The label files of a run with their numbers of people.
pub(super) struct SetPaths<'a> {
    /// Folder of the images.
    pub images: &'a Path,
    pub train: (&'a Path, usize),
    pub replay: Option<(&'a Path, usize)>,
    pub holdout: &'a Path,
}

impl SetPaths<'_> {
    fn data(&self, labels: &Path) -> DataConfig {
        DataConfig::new(labels.to_owned(), Some(self.images.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths<'a>(train: usize, replay: Option<usize>) -> SetPaths<'a> {
        SetPaths {
            images: Path::new("i"),
            train: (Path::new("t.json"), train),
            replay: replay.map(|n| (Path::new("r.json"), n)),
            holdout: Path::new("h.json"),
        }
    }

    /// Fails when the replayed inputs are not the share that was asked for, the length of a training
    /// depends on the size of the project, or the cache of features is used where the backbone
    /// learns.
    #[test]
    fn plain_words_become_a_configuration() {
        for (n_people, pool) in [(16, 24), (100, 86), (700, 300)] {
            for part in Part::ALL {
                let options = FinetuneOptions {
                    part,
                    ..FinetuneOptions::default()
                };
                let sets = paths(n_people, Some(pool));
                let config = options
                    .config("sfm", InitialWeights::Bundled, &sets)
                    .unwrap();
                let replayed = config.data[1].people.weight * pool as f64;
                let shown = config.data[0].people.weight * n_people as f64;
                let share = replayed / (replayed + shown);
                assert!((share - 0.3).abs() < 0.02, "{n_people}: {share}");
                let per_epoch = (shown + replayed).round() as u64 / 8;
                assert!(per_epoch >= 20);
                let steps = config.epochs * per_epoch;
                assert!((400..=700).contains(&steps), "{n_people}: {steps}");
                assert_eq!(config.feature_cache.is_some(), part == Part::Head);
                assert_eq!(config.freeze == Freeze::None, part == Part::All);
            }
        }
        let none = FinetuneOptions {
            replay: 0.0,
            ..FinetuneOptions::default()
        };
        assert_eq!(none.n_replayed(100), 0);
        let config = none.config("sfm", InitialWeights::Bundled, &paths(9, None));
        assert_eq!(config.unwrap().data.len(), 1);
    }

    /// Fails when a share without a meaning, or a name that leads out of the folder, is accepted.
    #[test]
    fn mistakes_are_refused() {
        for replay in [-0.1, 0.95, f64::NAN] {
            let options = FinetuneOptions {
                replay,
                ..FinetuneOptions::default()
            };
            assert!(options.check().is_err(), "{replay}");
        }
        for (name, is_fine) in [
            ("my-run_2", true),
            ("../x", false),
            ("", false),
            ("a b", false),
        ] {
            let options = FinetuneOptions {
                name: Some(name.to_owned()),
                ..FinetuneOptions::default()
            };
            assert_eq!(options.check().is_ok(), is_fine, "{name}");
        }
    }
}

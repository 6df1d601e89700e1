//! Checkpoint folder of a training run: training resumes from it exactly, and its weights can be
//! used for inference.
//!
//! `state.safetensors` holds everything ([`State`]): weights, averaged weights, optimizer state
//! and, as TOML in the tensor `progress`, the rest including the options (paths relative to the
//! folder). The other files are derived from it: `config.toml`, `card.toml`, `best.safetensors`,
//! `last.safetensors`, `log.csv`. Each is replaced atomically ([`crate::disk`]), in the order of
//! [`FILES`]: the card is written before any weights, the state before the files derived from it.
//! Whenever the program is killed, every file is complete and all weights have their card; resuming
//! rewrites the derived files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor, safetensors};
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::optim::ByName;
use crate::dataset::loader::Position;
use crate::disk;
use crate::error::{Error, Result};
use crate::model::{Card, write_tensors};

/// The complete state.
pub const STATE: &str = "state.safetensors";
/// Weights after the last finished epoch or stop.
pub const LAST: &str = "last.safetensors";
/// Weights of the best epoch.
pub const BEST: &str = "best.safetensors";
const CONFIG: &str = "config.toml";
const LOG: &str = "log.csv";
/// Empty file; locked by the process that trains in the folder.
const LOCK: &str = "lock";

/// Files of a checkpoint folder in the order in which they are written.
const FILES: [&str; 6] = [CONFIG, Card::FILE, STATE, BEST, LAST, LOG];

/// Version of the state format; increased when older states can no longer be read.
const VERSION: u32 = 1;

/// Name of the tensor with the [`Progress`].
const PROGRESS: &str = "progress";

/// Sums over the current epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Running {
    /// Number of steps.
    pub steps: u64,
    /// Sum of losses over steps.
    pub loss: f64,
    /// Elapsed time in seconds.
    pub secs: f64,
    /// Number of people processed.
    pub people: u64,
    /// Sum over people of the mean of |M|, per attention block.
    pub gates: BTreeMap<String, f64>,
    /// Learning rate of the last step.
    #[serde(default)]
    pub lr: f64,
    /// Images that could not be read, each as `SET/NUMBER`.
    #[serde(default)]
    pub broken: BTreeSet<String>,
}

/// Metrics of one finished epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number of finished epochs; 0 is the network before training.
    pub epoch: u64,
    /// Number of finished steps.
    pub step: u64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean training loss of the epoch.
    pub loss: Option<f64>,
    /// PCK@0.2 on the validation set, 0 to 1.
    pub pck: Option<f64>,
    /// COCO average precision on the validation set, 0 to 1.
    pub oks_ap: Option<f64>,
    /// Training time without validation, in seconds.
    pub secs: f64,
    /// Training throughput in people per second.
    pub images_per_sec: f64,
    /// Number of images of the epoch that could not be read; missing in states of earlier versions.
    #[serde(default)]
    pub broken: u64,
    /// Mean |M| per attention block; below 0.02 or above 0.8 its attention map is uninformative.
    pub gates: BTreeMap<String, f64>,
    /// PCK@0.2 on each of the `validation_parts`, 0 to 1, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pck_parts: BTreeMap<String, f64>,
    /// Number of found joints and of all, for each image of the validation set; kept for the best and
    /// the last epoch in a file of their own.
    #[serde(skip)]
    pub hits: Vec<[u32; 2]>,
}

impl EpochRecord {
    /// Returns the value by which epochs are compared, higher is better: PCK, otherwise AP,
    /// otherwise the negated loss.
    pub fn score(&self) -> Option<f64> {
        self.pck.or(self.oks_ap).or(self.loss.map(|loss| -loss))
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Number of finished epochs at that time.
    pub epoch: u64,
    /// Its [`EpochRecord::score`].
    pub score: f64,
}

/// State of a training run apart from its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Version of the state format.
    pub version: u32,
    /// Position of the next batch.
    pub position: Position,
    /// Number of finished steps.
    pub step: u64,
    /// Number of optimizer steps.
    pub optimizer_steps: u64,
    /// Number of random draws made by dropout.
    pub drawn: u64,
    /// The best epoch, if any was scored.
    pub best: Option<Best>,
    /// Sums over the current epoch.
    pub running: Running,
    /// Metrics of the finished epochs.
    pub history: Vec<EpochRecord>,
    /// Options of the run.
    pub config: TrainConfig,
    /// Card of the initial weights, which may no longer exist. Missing in states of earlier
    /// versions.
    #[serde(default)]
    pub card: Option<Card>,
    /// SHA-256 of the label files, first of training, then of validation. Missing in states of
    /// earlier versions.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// Fields that every version of a [`Progress`] has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Progress {
    /// Creates the progress of a run that has not started.
    pub fn new(config: TrainConfig, card: Card) -> Self {
        Self {
            version: VERSION,
            position: Position::default(),
            step: 0,
            optimizer_steps: 0,
            drawn: 0,
            best: None,
            running: Running::default(),
            history: Vec::new(),
            config,
            card: Some(card),
            labels: Vec::new(),
        }
    }
}

/// Complete state of a training run.
#[derive(Debug, Clone)]
pub struct State {
    /// State apart from tensors.
    pub progress: Progress,
    /// Tensors of the network.
    pub weights: ByName,
    /// Averages of the trainable tensors; empty if averaging is off.
    pub average: ByName,
    /// Optimizer state by `slot.name`.
    pub memory: ByName,
}

impl State {
    /// Returns the weights for inference: the averages if there are any.
    pub fn deployed(&self) -> HashMap<String, Tensor> {
        let averaged = |(name, tensor): (&String, &Tensor)| {
            let tensor = self.average.get(name).unwrap_or(tensor);
            (name.clone(), tensor.detach())
        };
        self.weights.iter().map(averaged).collect()
    }

    /// Returns whether the weights are those of the best epoch: it is the last one, and no step has
    /// been made since.
    pub fn is_best(&self) -> bool {
        let Progress {
            best,
            history,
            running,
            ..
        } = &self.progress;
        let last = history.last().map(|record| record.epoch);
        running.steps == 0 && best.is_some_and(|best| Some(best.epoch) == last)
    }

    fn parts(&self) -> [(&'static str, &ByName); 3] {
        [
            ("net.", &self.weights),
            ("average.", &self.average),
            ("optimizer.", &self.memory),
        ]
    }
}

/// Returns whether a training is running in the folder at `path`.
pub fn is_training_in(path: &Path) -> bool {
    let lock = File::options().write(true).open(path.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Checkpoint folder, locked by one training run at a time.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Holds the lock while it is open, at most as long as the process lives.
    _lock: File,
}

impl Folder {
    /// Opens the folder at `path` and creates it if necessary.
    ///
    /// # Errors
    /// When it cannot be created, or [`Self::refuse_taken`] refuses it.
    pub fn create(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
        let folder = Self::hold(path)?;
        Self::refuse_taken(path)?;
        Ok(folder)
    }

    /// Opens the folder at `path`, which must contain a training run.
    ///
    /// # Errors
    /// When there is none, or another process trains in it.
    pub fn open(path: &Path) -> Result<Self> {
        if path.join(STATE).exists() {
            return Self::hold(path);
        }
        Err(Error::data(path, "holds no training to resume"))
    }

    /// Refuses a folder in which a new run would overwrite files.
    ///
    /// # Errors
    /// When such files exist; the message names them.
    pub fn refuse_taken(path: &Path) -> Result<()> {
        let reason = match FILES.iter().find(|name| path.join(name).exists()) {
            None => return Ok(()),
            Some(_) if path.join(STATE).exists() => {
                "already holds a training; resume it, or choose another folder".to_owned()
            }
            Some(name) => format!("already holds {name}; choose another folder"),
        };
        Err(Error::data(path, reason))
    }

    fn hold(path: &Path) -> Result<Self> {
        let file = path.join(LOCK);
        let lock = File::create(&file).map_err(Error::io("create", &file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "a training is running in it; wait for it, or choose another folder";
                return Err(Error::data(path, reason));
            }
            // Some network drives do not support locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!("{} cannot be locked: {error}", path.display());
            }
        }
        // Remove temporary files of a killed process.
        disk::remove_leftovers(path, &FILES)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all files; the best weights only if the state holds them.
    ///
    /// # Errors
    /// When the disk is full or not writable. The previous files are complete in this case; without
    /// any, none is left, so that the training can begin in this folder again.
    pub fn save(&self, state: &State, card: &Card) -> Result<()> {
        let is_new = FILES.iter().all(|name| !self.path.join(name).exists());
        let saved = self
            .describe(state, card)
            .and_then(|()| self.write_state(state));
        if saved.is_err() && is_new {
            for name in [CONFIG, Card::FILE] {
                std::fs::remove_file(self.path.join(name)).ok();
            }
        }
        saved?;
        self.hand_out(state)
    }

    fn write_state(&self, state: &State) -> Result<()> {
        let path = self.path.join(STATE);
        let progress = Progress {
            config: state.progress.config.seen_from(&self.path),
            ..state.progress.clone()
        };
        let progress = toml_of(&path, &progress)?;
        let mut all = HashMap::new();
        for (prefix, tensors) in state.parts() {
            for (name, tensor) in tensors {
                all.insert(format!("{prefix}{name}"), tensor.detach());
            }
        }
        let n = progress.len();
        let progress = Tensor::from_vec(progress.into_bytes(), n, &Device::Cpu)?;
        all.insert(PROGRESS.to_owned(), progress);
        write_tensors(&path, &all)
    }

    /// Writes the files derived from the state.
    ///
    /// # Errors
    /// When the disk is full or not writable.
    pub fn derive(&self, state: &State, card: &Card) -> Result<()> {
        self.describe(state, card)?;
        self.hand_out(state)
    }

    /// Writes the files that precede any weights.
    fn describe(&self, state: &State, card: &Card) -> Result<()> {
        let config = state.progress.config.seen_from(&self.path);
        self.text(CONFIG, &toml_of(&self.path.join(CONFIG), &config)?)?;
        self.text(Card::FILE, &toml_of(&self.path.join(Card::FILE), card)?)
    }

    /// Writes the files that follow the state.
    fn hand_out(&self, state: &State) -> Result<()> {
        let weights = state.deployed();
        if state.is_best() {
            write_tensors(&self.path.join(BEST), &weights)?;
        }
        write_tensors(&self.path.join(LAST), &weights)?;
        self.text(LOG, &log(&state.progress.history))
    }

    /// Reads the state.
    ///
    /// # Errors
    /// When it is missing, damaged or of another version.
    pub fn load(&self) -> Result<State> {
        let path = self.path.join(STATE);
        let fault = |reason: String| {
            let advice = "start again in another folder, from these weights with --init";
            Error::data(&path, format!("{reason}; {advice} {LAST}"))
        };
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let mut all = safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|e| fault(format!("cut off or damaged ({})", one_line(&e))))?;
        let progress = all
            .remove(PROGRESS)
            .ok_or_else(|| fault("not the state of a training".to_owned()))?;
        let text =
            String::from_utf8(progress.to_vec1()?).map_err(|e| fault(format!("damaged ({e})")))?;
        let damaged = |e: toml::de::Error| fault(format!("damaged ({})", e.message()));
        // The version is read first: other versions have other fields.
        let version = toml::from_str::<Version>(&text).map_err(damaged)?.version;
        if version != VERSION {
            return Err(fault(format!("of version {version}, not {VERSION}")));
        }
        let mut progress: Progress = toml::from_str(&text).map_err(damaged)?;
        progress.config.found_from(&self.path);
        let part = |prefix: &str| -> ByName {
            all.iter()
                .filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_owned(), t.clone())))
                .collect()
        };
        Ok(State {
            progress,
            weights: part("net."),
            average: part("average."),
            memory: part("optimizer."),
        })
    }

    fn text(&self, name: &str, text: &str) -> Result<()> {
        disk::replace(&self.path.join(name), text.as_bytes())
    }
}

fn one_line(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

fn toml_of(path: &Path, value: &impl Serialize) -> Result<String> {
    toml::to_string(value).map_err(|e| Error::data(path, format!("cannot be written: {e}")))
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Formats the history as CSV.
pub(super) fn log(history: &[EpochRecord]) -> String {
    let blocks = distinct(history.iter().flat_map(|r| r.gates.keys()));
    let parts = distinct(history.iter().flat_map(|r| r.pck_parts.keys()));
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    let names = "epoch,step,lr,loss,pck,oks_ap,secs,images_per_sec,broken";
    let mut head = vec![names.to_owned()];
    head.extend(parts.iter().map(|part| format!("pck_of_{part}")));
    head.extend(blocks.iter().map(|block| format!("mean_abs_m_{block}")));
    let row = |r: &EpochRecord| {
        let mut row = vec![r.epoch.to_string(), r.step.to_string(), r.lr.to_string()];
        row.extend([r.loss, r.pck, r.oks_ap].map(number));
        row.extend([r.secs, r.images_per_sec].map(|v| format!("{v:.3}")));
        row.push(r.broken.to_string());
        row.extend(
            parts
                .iter()
                .map(|part| number(r.pck_parts.get(*part).copied())),
        );
        row.extend(
            blocks
                .iter()
                .map(|block| number(r.gates.get(*block).copied())),
        );
        row.join(",")
    };
    let lines = std::iter::once(head.join(",")).chain(history.iter().map(row));
    lines.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests;

//! A training on disk: a folder from which it goes on exactly, and whose weights can be used.
//!
//! `state.safetensors` is everything ([`State`]): weights, averages, the optimizer's memory, and
//! as TOML in the tensor `progress` the rest, options included (paths as seen from the folder). The
//! others are made from it: `config.toml`, `card.toml`, `best.safetensors`, `last.safetensors`,
//! `log.csv`. Each is replaced whole or not at all ([`crate::disk`]), in the order of [`FILES`]:
//! the card lies there before any weights do, the state before what is made from it. Whenever the
//! program is killed, every file is whole and has its card, and resuming makes the others anew.

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

/// The whole training.
const STATE: &str = "state.safetensors";
/// Weights after the last finished epoch or stop.
pub const LAST: &str = "last.safetensors";
/// Weights of the best epoch.
pub const BEST: &str = "best.safetensors";
const CONFIG: &str = "config.toml";
const LOG: &str = "log.csv";
/// Empty; who is at work in the folder holds its lock.
const LOCK: &str = "lock";

/// What a folder holds, in the order in which it is written.
const FILES: [&str; 6] = [CONFIG, Card::FILE, STATE, BEST, LAST, LOG];

/// Changes when older states cannot be read any more.
const VERSION: u32 = 1;

/// Name of the tensor with the [`Progress`].
const PROGRESS: &str = "progress";

/// Sums over an epoch that has begun.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Running {
    /// Steps.
    pub steps: u64,
    /// Sum of losses over steps.
    pub loss: f64,
    /// Seconds it took so far.
    pub secs: f64,
    /// People seen.
    pub people: u64,
    /// Sum over people of the mean of |M|, per attention block.
    pub gates: BTreeMap<String, f64>,
    /// Learning rate of the last step.
    #[serde(default)]
    pub lr: f64,
    /// Pictures that could not be used, each as `SET/NUMBER`.
    #[serde(default)]
    pub broken: BTreeSet<String>,
}

/// One finished epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Finished epochs; 0 is the network before training.
    pub epoch: u64,
    /// Finished steps.
    pub step: u64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean training loss of the epoch.
    pub loss: Option<f64>,
    /// PCK@0.2 on the validation set, 0 to 1.
    pub pck: Option<f64>,
    /// COCO average precision on the validation set, 0 to 1.
    pub oks_ap: Option<f64>,
    /// Training alone, seconds.
    pub secs: f64,
    /// People per second in training.
    pub images_per_sec: f64,
    /// Pictures of the epoch that could not be used; states of an earlier version do not tell.
    #[serde(default)]
    pub broken: u64,
    /// Mean |M| per attention block; below 0.02 or above 0.8 its picture shows nothing.
    pub gates: BTreeMap<String, f64>,
}

impl EpochRecord {
    /// By what epochs are compared, more is better: PCK, else AP, else the loss.
    pub fn score(&self) -> Option<f64> {
        self.pck.or(self.oks_ap).or(self.loss.map(|loss| -loss))
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its number.
    pub epoch: u64,
    /// Its [`EpochRecord::score`].
    pub score: f64,
}

/// All of a training that is not a tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Of the state's form.
    pub version: u32,
    /// The next batch.
    pub position: Position,
    /// Finished steps.
    pub step: u64,
    /// Steps of the optimizer.
    pub optimizer_steps: u64,
    /// What dropout has drawn.
    pub drawn: u64,
    /// The best epoch.
    pub best: Option<Best>,
    /// The epoch that has begun.
    pub running: Running,
    /// Finished epochs.
    pub history: Vec<EpochRecord>,
    /// The options.
    pub config: TrainConfig,
    /// How the network is fed and what it answers; that of the first weights, which may not be
    /// there any more. States of an earlier version have none.
    #[serde(default)]
    pub card: Option<Card>,
    /// SHA-256 of the labels' files: of those learned from, then of those measured on. States of
    /// an earlier version have none.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What every version of a [`Progress`] says.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Progress {
    /// Nothing done yet.
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

/// Everything that a training consists of.
#[derive(Debug, Clone)]
pub struct State {
    /// What is not a tensor.
    pub progress: Progress,
    /// The network's tensors.
    pub weights: ByName,
    /// Averages of those that change; empty when there are none.
    pub average: ByName,
    /// The optimizer's memory, by `slot.name`.
    pub memory: ByName,
}

impl State {
    /// The weights to be used: averages where there are any.
    pub fn deployed(&self) -> HashMap<String, Tensor> {
        let averaged = |(name, tensor): (&String, &Tensor)| {
            let tensor = self.average.get(name).unwrap_or(tensor);
            (name.clone(), tensor.detach())
        };
        self.weights.iter().map(averaged).collect()
    }

    /// Whether the weights are those of the best epoch: it is the last, and nothing was learned
    /// since.
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

/// The folder of a training, which has one at work in it at a time.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked while it is open, which it is as long as the program lives and no longer.
    _lock: File,
}

impl Folder {
    /// The folder at `path`, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or [`Self::refuse_taken`] refuses it.
    pub fn create(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
        let folder = Self::hold(path)?;
        Self::refuse_taken(path)?;
        Ok(folder)
    }

    /// The folder at `path` with a training in it.
    ///
    /// # Errors
    /// When there is none, or it is at work.
    pub fn open(path: &Path) -> Result<Self> {
        if path.join(STATE).exists() {
            return Self::hold(path);
        }
        Err(Error::data(path, "holds no training to resume"))
    }

    /// Refuses a folder in which beginning would replace something.
    ///
    /// # Errors
    /// Names what lies there.
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
            // Some network drives know no locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!("{} is not guarded: {error}", path.display());
            }
        }
        // What a kill has left of half-written files.
        disk::sweep(path, &FILES)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything; the best weights only where the state's are.
    ///
    /// # Errors
    /// When the disk is full or refuses. The files that were there before are whole then.
    pub fn save(&self, state: &State, card: &Card) -> Result<()> {
        self.describe(state, card)?;
        let progress = Progress {
            config: state.progress.config.seen_from(&self.path),
            ..state.progress.clone()
        };
        let progress = toml_of(&self.path.join(STATE), &progress)?;
        let mut all = HashMap::new();
        for (prefix, tensors) in state.parts() {
            for (name, tensor) in tensors {
                all.insert(format!("{prefix}{name}"), tensor.detach());
            }
        }
        let n = progress.len();
        let progress = Tensor::from_vec(progress.into_bytes(), n, &Device::Cpu)?;
        all.insert(PROGRESS.to_owned(), progress);
        write_tensors(&self.path.join(STATE), &all)?;
        self.hand_out(state)
    }

    /// Writes what follows from the state.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn derive(&self, state: &State, card: &Card) -> Result<()> {
        self.describe(state, card)?;
        self.hand_out(state)
    }

    /// What comes before any weights.
    fn describe(&self, state: &State, card: &Card) -> Result<()> {
        let config = state.progress.config.seen_from(&self.path);
        self.text(CONFIG, &toml_of(&self.path.join(CONFIG), &config)?)?;
        self.text(Card::FILE, &toml_of(&self.path.join(Card::FILE), card)?)
    }

    /// What comes after the state.
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
    /// When there is none, or it is damaged or of another version.
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
        // The version first: the rest of another version has another form.
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

/// The history as a table.
pub(super) fn log(history: &[EpochRecord]) -> String {
    let mut blocks: Vec<&String> = history.iter().flat_map(|r| r.gates.keys()).collect();
    blocks.sort();
    blocks.dedup();
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    let names = "epoch,step,lr,loss,pck,oks_ap,secs,images_per_sec,broken";
    let mut head = vec![names.to_owned()];
    head.extend(blocks.iter().map(|block| format!("mean_abs_m_{block}")));
    let row = |r: &EpochRecord| {
        let mut row = vec![r.epoch.to_string(), r.step.to_string(), r.lr.to_string()];
        row.extend([r.loss, r.pck, r.oks_ap].map(number));
        row.extend([r.secs, r.images_per_sec].map(|v| format!("{v:.3}")));
        row.push(r.broken.to_string());
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

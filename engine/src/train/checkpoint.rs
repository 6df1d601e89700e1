//! A training on disk: a folder from which it goes on exactly, and whose weights can be used.
//!
//! `state.safetensors` is everything ([`State`]): weights, averages, the optimizer's memory, and
//! as TOML in the tensor `progress` the rest, options included (paths as seen from the folder). The others are made from it:
//! `last.safetensors`, `best.safetensors`, `config.toml`, `card.toml`, `log.csv`. Every file is
//! written beside its place, flushed and renamed, `best` first and `state` before `last`: whenever
//! the program is killed, every file is whole, and resuming makes the others anew.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor, safetensors};
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::optim::ByName;
use crate::dataset::loader::Position;
use crate::error::{Error, Result};
use crate::model::Card;

/// The whole training.
const STATE: &str = "state.safetensors";
/// Weights after the last finished epoch or stop.
pub const LAST: &str = "last.safetensors";
/// Weights of the best epoch.
pub const BEST: &str = "best.safetensors";
const CONFIG: &str = "config.toml";
const LOG: &str = "log.csv";

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

    fn parts(&self) -> [(&'static str, &ByName); 3] {
        [
            ("net.", &self.weights),
            ("average.", &self.average),
            ("optimizer.", &self.memory),
        ]
    }
}

/// The folder of a training.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
        Ok(Self(path.to_owned()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether there is a training in it.
    pub fn is_begun(&self) -> bool {
        self.0.join(STATE).exists()
    }

    /// Writes everything; the best weights only where `is_best`.
    ///
    /// # Errors
    /// When the disk is full or refuses. The files that were there before are whole then.
    pub fn save(&self, state: &State, card: &Card, is_best: bool) -> Result<()> {
        if is_best {
            self.tensors(BEST, &state.deployed())?;
        }
        let progress = Progress {
            config: state.progress.config.seen_from(&self.0),
            ..state.progress.clone()
        };
        let progress = toml_of(&self.0.join(STATE), &progress)?;
        let mut all = HashMap::new();
        for (prefix, tensors) in state.parts() {
            for (name, tensor) in tensors {
                all.insert(format!("{prefix}{name}"), tensor.detach());
            }
        }
        let n = progress.len();
        let progress = Tensor::from_vec(progress.into_bytes(), n, &Device::Cpu)?;
        all.insert(PROGRESS.to_owned(), progress);
        self.tensors(STATE, &all)?;
        self.derive(state, card)
    }

    /// Writes what follows from the state.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn derive(&self, state: &State, card: &Card) -> Result<()> {
        self.tensors(LAST, &state.deployed())?;
        let config = state.progress.config.seen_from(&self.0);
        let config = toml_of(&self.0.join(CONFIG), &config)?;
        self.text(CONFIG, &config)?;
        self.text(Card::FILE, &toml_of(&self.0.join(Card::FILE), card)?)?;
        self.text(LOG, &log(&state.progress.history))
    }

    /// Reads the state.
    ///
    /// # Errors
    /// When there is none, or it is damaged or of another version.
    pub fn load(&self) -> Result<State> {
        let path = self.0.join(STATE);
        let fault = |reason: String| {
            let advice = "start again in another folder, from these weights with --init";
            Error::data(&path, format!("{reason}; {advice} {LAST}"))
        };
        if !path.exists() {
            return Err(Error::data(&self.0, "holds no training to resume"));
        }
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let mut all = safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|e| fault(format!("cut off or damaged ({})", one_line(&e))))?;
        let progress = all
            .remove(PROGRESS)
            .ok_or_else(|| fault("not the state of a training".to_owned()))?;
        let text =
            String::from_utf8(progress.to_vec1()?).map_err(|e| fault(format!("damaged ({e})")))?;
        let mut progress: Progress =
            toml::from_str(&text).map_err(|e| fault(format!("damaged ({})", e.message())))?;
        if progress.version != VERSION {
            let found = progress.version;
            return Err(fault(format!("of version {found}, not {VERSION}")));
        }
        progress.config.found_from(&self.0);
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

    fn tensors(&self, name: &str, tensors: &HashMap<String, Tensor>) -> Result<()> {
        let cpu = tensors
            .iter()
            .map(|(name, t)| Ok((name.clone(), t.to_device(&Device::Cpu)?.contiguous()?)))
            .collect::<Result<HashMap<_, _>>>()?;
        self.replace(name, |temporary| {
            safetensors::save(&cpu, temporary).map_err(|e| std::io::Error::other(one_line(&e)))
        })
    }

    fn text(&self, name: &str, text: &str) -> Result<()> {
        self.replace(name, |temporary| std::fs::write(temporary, text))
    }

    /// Replaces a file whole or not at all.
    fn replace(&self, name: &str, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
        let path = self.0.join(name);
        let temporary = self.0.join(format!("{name}.part"));
        let written = write(&temporary)
            .and_then(|()| File::options().write(true).open(&temporary)?.sync_all())
            .and_then(|()| std::fs::rename(&temporary, &path));
        if let Err(error) = written {
            // A full disk shall not stay full of a half file; the first error is what counts.
            std::fs::remove_file(&temporary).ok();
            return Err(Error::io("write", &path)(error));
        }
        // The new name must outlast a power failure as well; Windows knows no such call.
        #[cfg(unix)]
        File::open(&self.0)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("write", &self.0))?;
        Ok(())
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
    let names = "epoch,step,lr,loss,pck,oks_ap,secs,images_per_sec";
    let mut head = vec![names.to_owned()];
    head.extend(blocks.iter().map(|block| format!("mean_abs_m_{block}")));
    let row = |r: &EpochRecord| {
        let mut row = vec![r.epoch.to_string(), r.step.to_string(), r.lr.to_string()];
        row.extend([r.loss, r.pck, r.oks_ap].map(number));
        row.extend([r.secs, r.images_per_sec].map(|v| format!("{v:.3}")));
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
mod tests {
    use super::super::recipe::recipe;
    use super::*;
    use crate::model::model;
    use candle_core::DType;

    fn state() -> (State, Card) {
        let by = |name: &str, value: f64| {
            let tensor = Tensor::full(value as f32, (2, 3), &Device::Cpu).unwrap();
            ByName::from([(name.to_owned(), tensor)])
        };
        let card = model("sfm").unwrap().card_for(None).unwrap();
        let mut progress = Progress::new(recipe("sfm", "fine-tune").unwrap(), card);
        progress.running.loss = 1.0 / 3.0;
        progress.running.gates.insert("x51".to_owned(), 0.1 + 0.2);
        progress.history.push(EpochRecord {
            epoch: 1,
            step: 7,
            lr: 1e-3,
            loss: Some(0.1),
            pck: Some(0.5),
            oks_ap: None,
            secs: 1.5,
            images_per_sec: 3.0,
            gates: BTreeMap::from([("x12".to_owned(), 0.25)]),
        });
        let state = State {
            progress,
            weights: by("a.weight", 1.0),
            average: by("a.weight", 2.0),
            memory: by("mean.a.weight", 3.0),
        };
        let mut card = model("sfm").unwrap().card().unwrap();
        // As after a training: the bundled weights' digest is not theirs.
        card.sha256 = None;
        (state, card)
    }

    fn value(t: &Tensor) -> f32 {
        t.to_dtype(DType::F32)
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar()
            .unwrap()
    }

    /// Fails when a saved training comes back changed in its last bit, the averages are not what
    /// is handed out, or the card and the log cannot be read.
    #[test]
    fn a_state_comes_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::create(&folder.path().join("new")).unwrap();
        assert!(!folder.is_begun());
        assert!(
            folder
                .load()
                .unwrap_err()
                .to_string()
                .contains("no training")
        );
        let (state, card) = state();
        folder.save(&state, &card, true).unwrap();
        let back = folder.load().unwrap();
        assert_eq!(back.progress, state.progress);
        assert_eq!(value(&back.weights["a.weight"]), 1.0);
        assert_eq!(value(&back.memory["mean.a.weight"]), 3.0);
        for name in [LAST, BEST] {
            let path = folder.path().join(name);
            let weights = safetensors::load(&path, &Device::Cpu).unwrap();
            assert_eq!(value(&weights["a.weight"]), 2.0);
            let beside = |name: &str| Card::beside(&path, model(name).unwrap());
            assert_eq!(beside("sfm").unwrap().unwrap(), card);
            assert!(beside("tp-r-a3").is_err());
        }
        let log = std::fs::read_to_string(folder.path().join(LOG)).unwrap();
        let wanted = "epoch,step,lr,loss,pck,oks_ap,secs,images_per_sec,mean_abs_m_x12\n\
                      1,7,0.001,0.1,0.5,,1.500,3.000,0.25\n";
        assert_eq!(log, wanted);
        let text = std::fs::read_to_string(folder.path().join(CONFIG)).unwrap();
        let read: TrainConfig = toml::from_str(&text).unwrap();
        assert_eq!(read, state.progress.config);
    }

    /// Fails when a state that was cut anywhere or is no state is trained on, or the complaint
    /// does not name it.
    #[test]
    fn damaged_states_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::create(folder.path()).unwrap();
        let (state, card) = state();
        folder.save(&state, &card, false).unwrap();
        let path = folder.path().join(STATE);
        let bytes = std::fs::read(&path).unwrap();
        for len in (0..bytes.len()).step_by(97) {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let message = folder.load().unwrap_err().to_string();
            assert!(message.contains(STATE), "{message}");
        }
        std::fs::copy(folder.path().join(LAST), &path).unwrap();
        let message = folder.load().unwrap_err().to_string();
        assert!(message.contains("not the state"), "{message}");
    }

    /// Fails when a disk that refuses leaves a broken file in the place of a whole one.
    #[test]
    fn a_refused_write_keeps_the_old_files() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::create(folder.path()).unwrap();
        let (mut state, card) = state();
        folder.save(&state, &card, true).unwrap();
        // Stands in the way as a full disk would.
        std::fs::create_dir(folder.path().join(format!("{STATE}.part"))).unwrap();
        state.progress.step += 1;
        let message = folder.save(&state, &card, false).unwrap_err().to_string();
        assert!(
            message.contains("cannot write") && message.contains(STATE),
            "{message}"
        );
        assert_eq!(
            folder.load().unwrap().progress.step,
            state.progress.step - 1
        );
    }
}

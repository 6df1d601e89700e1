//! The training loop: batches in, better weights out, everything on disk in between.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use crossbeam::channel::{Sender, TrySendError};

use super::checkpoint::{Best, EpochRecord, Folder, Progress, Running, State};
use super::config::{Freeze, Start, TrainConfig};
use super::loss::{LossSpec, loss};
use super::optim::{ByName, Optimizer, clip, global_norm};
use super::params::{Average, Parameters};
use super::recipe::family;
use super::step::{Step, learn};
use super::validate::{Measured, Validation};
use crate::concurrency::StopFlag;
use crate::dataset::loader::{Batch, Loader, LoaderOptions, Order, People, Position};
use crate::device::{DeviceSpec, Selected, select};
use crate::error::{Error, Result};
use crate::estimator::{NetworkOptions, input_spec};
use crate::model::{Card, ModelSpec, PoseModel, Weights, model};
use crate::nn::{Kernels, Random};

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// All epochs are done.
    Finished,
    /// As many epochs as this run was to do are done.
    EpochLimit,
    /// Somebody said "stop".
    Asked,
    /// The loss or a gradient is no number any more.
    Diverged,
}

/// News of a training.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It begins or goes on.
    Started {
        /// Epochs done before.
        epoch: u64,
        /// Epochs in all.
        epochs: u64,
        /// Steps in an epoch.
        steps_per_epoch: u64,
        /// People learned from.
        people: usize,
        /// Numbers that learn.
        n_learning: u64,
    },
    /// One step is done. Dropped where nobody reads.
    Step {
        /// Finished steps.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Loss of its batch.
        loss: f64,
        /// Its learning rate.
        lr: f64,
        /// People per second.
        images_per_sec: f64,
        /// Time left, without validation.
        eta_secs: f64,
    },
    /// An epoch is done and measured; the first is the network before training.
    Epoch(EpochRecord),
    /// The folder is up to date.
    Saved {
        /// These are the best weights so far.
        is_best: bool,
    },
    /// It has ended.
    Stopped(Reason),
}

/// Where to compute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hardware {
    /// The device.
    pub device: DeviceSpec,
    /// Threads of our kernels; 0 for one per core.
    pub threads: usize,
}

/// A training in a folder.
pub struct Trainer {
    folder: Folder,
    spec: &'static ModelSpec,
    card: Card,
    loss: &'static LossSpec,
    hardware: Hardware,
    selected: Selected,
    kernels: Option<Arc<Kernels>>,
    net: Box<dyn PoseModel>,
    params: Parameters,
    optimizer: Optimizer,
    average: Option<Average>,
    people: Arc<People>,
    validation: Option<Validation>,
    loader: Loader,
    progress: Progress,
}

/// How long the trainer waits for somebody to read news that matter.
const PATIENCE: Duration = Duration::from_secs(2);

impl Trainer {
    /// Begins the training `config` in the folder `out`.
    ///
    /// # Errors
    /// When the folder already holds a training, or options, data, weights or device cannot be
    /// used.
    pub fn begin(mut config: TrainConfig, out: &Path, hardware: Hardware) -> Result<Self> {
        config.check()?;
        config.make_absolute()?;
        let folder = Folder::create(out)?;
        if folder.is_begun() {
            let reason = "already holds a training; resume it, or choose another folder";
            return Err(Error::data(out, reason));
        }
        let spec = model(&config.model)?;
        let weights = match &config.init {
            Start::Scratch => ByName::new(),
            Start::Bundled => given(spec, &Weights::bundled(spec)?)?,
            Start::File(path) => given(spec, &Weights::read(path)?)?,
        };
        let state = State {
            progress: Progress::new(config),
            weights,
            average: ByName::new(),
            memory: ByName::new(),
        };
        Self::from_state(folder, state, hardware)
    }

    /// Goes on with the training in the folder `out`; with `epochs`, to so many.
    ///
    /// # Errors
    /// When there is none, it is damaged, or its data or device cannot be used any more.
    pub fn resume(out: &Path, epochs: Option<u64>, hardware: Hardware) -> Result<Self> {
        let folder = Folder::create(out)?;
        let mut state = folder.load()?;
        if let Some(epochs) = epochs {
            state.progress.config.epochs = epochs;
        }
        state.progress.config.check()?;
        let trainer = Self::from_state(folder, state, hardware)?;
        trainer.folder.derive(&trainer.state()?, &trainer.card)?;
        Ok(trainer)
    }

    fn from_state(folder: Folder, state: State, hardware: Hardware) -> Result<Self> {
        let progress = state.progress;
        let config = &progress.config;
        let spec = model(&config.model)?;
        let card = card_of(spec, config)?;
        let selected = select(hardware.device)?;
        let kernels = selected
            .device
            .is_cpu()
            .then(|| Kernels::new(hardware.threads))
            .transpose()?;
        let skeleton = card.skeleton()?;
        let mut people = People::new(skeleton);
        for data in &config.data {
            let name = data.annotations.display().to_string();
            people.add(&name, data.load()?, &data.people)?;
        }
        let people = Arc::new(people);
        let validation = config
            .validation
            .as_ref()
            .map(|data| Validation::new(&data.load()?, skeleton))
            .transpose()?;
        let options = card.build_options()?;
        let head = match config.freeze {
            Freeze::None => Vec::new(),
            Freeze::Backbone => (family(&config.model)?.head)(&spec.shapes(&options)?),
        };
        let seed = u64::from(config.seed);
        let device = &selected.device;
        let (params, net) = Parameters::build(spec, &options, state.weights, &head, seed, device)?;
        let on_device = |tensors: ByName| -> Result<ByName> {
            let moved = tensors
                .into_iter()
                .map(|(name, t)| Ok((name, t.to_device(device)?)));
            moved.collect()
        };
        let average = (config.average > 0.0)
            .then(|| on_device(state.average))
            .transpose()?
            .map(|tensors| Average::new(config.average, tensors));
        let loader = loader(&people, config, &card, progress.position)?;
        Ok(Self {
            folder,
            spec,
            loss: loss(&config.loss.name)?,
            hardware,
            optimizer: Optimizer::restored(
                config.optimizer.clone(),
                progress.optimizer_steps,
                on_device(state.memory)?,
            ),
            card,
            selected,
            kernels,
            net,
            params,
            average,
            people,
            validation,
            loader,
            progress,
        })
    }

    /// The options.
    pub fn config(&self) -> &TrainConfig {
        &self.progress.config
    }

    /// The network before training, then every finished epoch.
    pub fn history(&self) -> &[EpochRecord] {
        &self.progress.history
    }

    /// The best epoch so far.
    pub fn best(&self) -> Option<Best> {
        self.progress.best
    }

    /// Finished epochs.
    pub fn epochs(&self) -> u64 {
        self.progress.position.epoch
    }

    /// Finished steps.
    pub fn steps(&self) -> u64 {
        self.progress.step
    }

    /// Where it computes, and why there.
    pub fn device(&self) -> &Selected {
        &self.selected
    }

    /// Trains until the last epoch, until somebody says "stop" (then the state within the epoch
    /// is saved; a later call or run goes on exactly there), or for `epochs` epochs.
    ///
    /// # Errors
    /// When the loss is no number any more (what was saved last stays), the disk refuses, no
    /// picture can be read, or the device fails.
    pub fn run(
        &mut self,
        epochs: Option<u64>,
        events: &Sender<Event>,
        stop: &StopFlag,
    ) -> Result<Reason> {
        let reason = match self.train(epochs, events, stop) {
            Ok(Some(reason)) => reason,
            Ok(None) => {
                tell(events, Event::Stopped(Reason::Diverged));
                return Err(Error::Invalid(format!(
                    "the loss is no number any more at step {}; try a lower learning rate. What \
                     was saved before is in {}",
                    self.progress.step + 1,
                    self.folder.path().display()
                )));
            }
            Err(error) => return Err(error),
        };
        tell(events, Event::Stopped(reason));
        Ok(reason)
    }

    /// `None` when it has diverged.
    fn train(
        &mut self,
        epochs: Option<u64>,
        events: &Sender<Event>,
        stop: &StopFlag,
    ) -> Result<Option<Reason>> {
        let per_epoch = self.loader.batches_per_epoch();
        let all = self.config().epochs;
        let first = self.progress.position.epoch;
        let until = epochs.map_or(all, |n| all.min(first.saturating_add(n)));
        let learning = self.params.learning().values();
        tell(
            events,
            Event::Started {
                epoch: first,
                epochs: all,
                steps_per_epoch: per_epoch,
                people: self.people.len(),
                n_learning: learning.map(|v| v.elem_count() as u64).sum(),
            },
        );
        if !self.folder.is_begun() {
            // Something to return to exists before the first step.
            self.record(events, 0.0)?;
        }
        while self.progress.position.epoch < until {
            if stop.is_stopped() {
                self.save(events, false)?;
                return Ok(Some(Reason::Asked));
            }
            let begin = Instant::now();
            let Some(batch) = self.loader.next_batch()? else {
                return Err(Error::Invalid("the loader ended by itself".to_owned()));
            };
            if batch.position.epoch > self.progress.position.epoch {
                // Nobody was left in the epoch's last batches.
                self.progress.position = batch.position;
                self.record(events, 0.0)?;
                if self.progress.position.epoch >= until {
                    self.loader = loader(&self.people, self.config(), &self.card, batch.position)?;
                    break;
                }
            }
            let (epoch, people) = (batch.position.epoch, batch.len());
            let done = epoch * per_epoch + batch.position.batch;
            let lr =
                self.config().optimizer.lr * self.config().schedule.factor_at(done, all, per_epoch);
            let Some(loss) = self.step(batch, lr)? else {
                return Ok(None);
            };
            self.progress.position = self.loader.position();
            self.progress.running.secs += begin.elapsed().as_secs_f64();
            let running = &self.progress.running;
            let rate = running.people as f64 / running.secs.max(1e-9);
            let left = (all * per_epoch).saturating_sub(done + 1);
            let step = Event::Step {
                step: self.progress.step,
                steps: all * per_epoch,
                loss,
                lr,
                images_per_sec: rate,
                eta_secs: left as f64 * people as f64 / rate.max(1e-9),
            };
            if let Err(TrySendError::Full(lost)) = events.try_send(step) {
                tracing::trace!(?lost, "nobody reads");
            }
            let every = self.config().save_steps;
            if self.progress.position.epoch > epoch {
                self.record(events, lr)?;
            } else if every > 0 && self.progress.step.is_multiple_of(every) {
                self.save(events, false)?;
            }
        }
        Ok(Some(if self.progress.position.epoch >= all {
            Reason::Finished
        } else {
            Reason::EpochLimit
        }))
    }

    /// One step; its loss, or `None` when that is no number any more and nothing was done.
    fn step(&mut self, batch: Batch, lr: f64) -> Result<Option<f64>> {
        let people = batch.len() as u64;
        let random = Random {
            seed: u64::from(self.config().seed),
            drawn: self.progress.drawn,
        };
        let mut step = learn(
            &Step {
                net: self.net.as_ref(),
                learning: self.params.learning(),
                config: &self.progress.config,
                loss: self.loss,
                kernels: self.kernels.as_ref(),
                device: &self.selected.device,
            },
            batch,
            random,
        )?;
        let norm = global_norm(&step.grads)?;
        if !(step.loss.is_finite() && norm.is_finite()) {
            return Ok(None);
        }
        clip(&mut step.grads, norm, self.config().optimizer.clip_norm)?;
        self.optimizer
            .step(self.params.learning(), &step.grads, lr)?;
        let progress = &mut self.progress;
        progress.step += 1;
        progress.drawn = step.drawn;
        progress.running.steps += 1;
        progress.running.loss += step.loss;
        progress.running.people += people;
        for (block, sum) in step.gates {
            *progress.running.gates.entry(block).or_default() += sum;
        }
        if let Some(average) = &mut self.average {
            average.follow(self.params.moving(), progress.step)?;
        }
        Ok(Some(step.loss))
    }

    /// Measures, notes the epoch that has ended, and saves.
    fn record(&mut self, events: &Sender<Event>, lr: f64) -> Result<()> {
        let measured = match &self.validation {
            None => Measured::default(),
            Some(validation) => {
                let options = NetworkOptions {
                    device: self.selected.spec,
                    threads: self.hardware.threads,
                    ..NetworkOptions::bundled(self.spec.name)
                };
                let weights = Weights::from_tensors("these weights", self.deployed()?);
                validation.measure(&options, &self.card, &weights)?
            }
        };
        let running = std::mem::take(&mut self.progress.running);
        let record = epoch_record(&self.progress, running, lr, measured);
        let is_best = record
            .score()
            .is_some_and(|score| self.progress.best.is_none_or(|best| score > best.score));
        if let (true, Some(score)) = (is_best, record.score()) {
            self.progress.best = Some(Best {
                epoch: record.epoch,
                score,
            });
        }
        self.progress.history.push(record.clone());
        tell(events, Event::Epoch(record));
        self.save(events, is_best)
    }

    fn save(&mut self, events: &Sender<Event>, is_best: bool) -> Result<()> {
        self.folder.save(&self.state()?, &self.card()?, is_best)?;
        tell(events, Event::Saved { is_best });
        Ok(())
    }

    fn deployed(&self) -> Result<HashMap<String, Tensor>> {
        Ok(self.state()?.deployed())
    }

    fn state(&self) -> Result<State> {
        let mut progress = self.progress.clone();
        progress.optimizer_steps = self.optimizer.steps();
        Ok(State {
            progress,
            weights: self.params.all().clone(),
            average: match &self.average {
                Some(average) => average.tensors().clone(),
                None => ByName::new(),
            },
            memory: self.optimizer.memory().clone(),
        })
    }

    /// The card with what is known about the training so far.
    fn card(&self) -> Result<Card> {
        let (config, progress) = (self.config(), &self.progress);
        let mut card = self.card.clone();
        let start = match &config.init {
            Start::Scratch => "random weights".to_owned(),
            Start::Bundled => "the bundled weights".to_owned(),
            Start::File(path) => path.display().to_string(),
        };
        card.training = Some(format!(
            "poselens train from {start}: {} of {} epochs, {} steps of {} people, {} at {}, {}, \
             loss {}, seed {}",
            progress.position.epoch,
            config.epochs,
            progress.step,
            config.batch_size,
            config.optimizer.algorithm.name(),
            config.optimizer.lr,
            match config.freeze {
                Freeze::Backbone => "backbone frozen",
                Freeze::None => "everything learning",
            },
            config.loss.name,
            config.seed
        ));
        let data = config
            .data
            .iter()
            .map(|d| d.annotations.display().to_string());
        let data = data.collect::<Vec<_>>().join(", ");
        card.data = Some(format!("{} people of {data}", self.people.len()));
        card.figures = toml::Table::new();
        if let Some(record) = progress.history.last() {
            let table = toml::Table::try_from(record);
            let table = table.map_err(|e| Error::Invalid(format!("card: {e}")))?;
            card.figures.insert("last".to_owned(), table.into());
        }
        if let Some(best) = progress.best {
            let table = toml::Table::try_from(best);
            let table = table.map_err(|e| Error::Invalid(format!("card: {e}")))?;
            card.figures.insert("best".to_owned(), table.into());
        }
        Ok(card)
    }
}

/// The tensors of `weights` that belong to the network, or to its training.
fn given(spec: &ModelSpec, weights: &Weights) -> Result<ByName> {
    weights.check(&spec.shapes(&spec.card()?.build_options()?)?)?;
    let all = weights.tensors().iter();
    Ok(all.map(|(name, t)| (name.clone(), t.clone())).collect())
}

/// The model's card, for this training's input.
fn card_of(spec: &ModelSpec, config: &TrainConfig) -> Result<Card> {
    let mut card = spec.card()?;
    let input = config.input(card.input_size());
    (card.input.width, card.input.height) = (input.width, input.height);
    card.heatmap.sigma = config.target.sigma;
    card.sha256 = None;
    card.weights = None;
    Ok(card)
}

fn loader(
    people: &Arc<People>,
    config: &TrainConfig,
    card: &Card,
    position: Position,
) -> Result<Loader> {
    let mut options = LoaderOptions {
        input: input_spec(card),
        target: config.target.clone(),
        augment: config.augment.clone(),
        order: Order::Shuffled {
            seed: u64::from(config.seed),
        },
        batch: config.batch_size,
        workers: config.workers,
        prefetch: config.prefetch,
    };
    let loader = Loader::new(Arc::clone(people), options.clone(), position)?;
    if config.narrow_share == 0.0 {
        return Ok(loader);
    }
    let batches = config.epochs * loader.batches_per_epoch();
    options.target.narrow_batches = (config.narrow_share * batches as f64) as u64;
    Loader::new(Arc::clone(people), options, position)
}

fn epoch_record(progress: &Progress, running: Running, lr: f64, measured: Measured) -> EpochRecord {
    let people = running.people.max(1) as f64;
    EpochRecord {
        epoch: progress.position.epoch,
        step: progress.step,
        lr,
        loss: (running.steps > 0).then(|| running.loss / running.steps as f64),
        pck: measured.pck,
        oks_ap: measured.oks_ap,
        secs: running.secs,
        images_per_sec: running.people as f64 / running.secs.max(1e-9),
        gates: running
            .gates
            .into_iter()
            .map(|(block, sum)| (block, sum / people))
            .collect(),
    }
}

/// Sends news that matter; a reader that has gone or sleeps does not stop the training.
fn tell(events: &Sender<Event>, event: Event) {
    if let Err(lost) = events.send_timeout(event, PATIENCE) {
        tracing::warn!(
            "nobody reads the training's news: {:?} is lost",
            lost.into_inner()
        );
    }
}

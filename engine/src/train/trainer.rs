//! The training loop: batches in, better weights out, everything on disk in between.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Sender, TrySendError};

use super::checkpoint::{Best, EpochRecord, Folder, Progress, State};
use super::config::{Changes, DataConfig, Freeze, Start, TrainConfig};
use super::event::{Event, Reason, tell};
use super::loss::{LossSpec, loss};
use super::optim::{ByName, Optimizer, clip, global_norm};
use super::params::{Average, Parameters, is_among};
use super::recipe::family;
use super::setup::{backbone, card_after, card_of, epoch_record, given, loader};
use super::step::{Step, learn};
use super::validate::{Measured, Validation};
use crate::concurrency::StopFlag;
use crate::dataset::Split;
use crate::dataset::loader::{Batch, Loader, People};
use crate::device::{DeviceSpec, Selected, select};
use crate::error::{Error, Result};
use crate::estimator::NetworkOptions;
use crate::model::{Card, ModelSpec, PoseModel, Weights, model};
use crate::nn::{Kernels, Random};

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
    /// Beginnings of the names of what is no backbone.
    head: Vec<String>,
    optimizer: Optimizer,
    average: Option<Average>,
    people: Arc<People>,
    /// Them in words.
    data: String,
    validation: Option<Validation>,
    loader: Loader,
    progress: Progress,
}

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
        let card = card_of(spec, &config)?;
        let weights = match &config.init {
            Start::Scratch => ByName::new(),
            Start::Bundled => given(spec, &card, &Weights::bundled(spec)?)?,
            Start::Backbone => backbone(spec)?,
            Start::File(path) => given(spec, &card, &Weights::read(path)?)?,
        };
        let state = State {
            progress: Progress::new(config, card),
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
        let changes = Changes {
            epochs,
            ..Changes::default()
        };
        Self::resume_with(out, &changes, hardware)
    }

    /// Goes on with the training in the folder `out`, with `changes`.
    ///
    /// # Errors
    /// When there is none, it is damaged, or its data or device cannot be used any more.
    pub fn resume_with(out: &Path, changes: &Changes, hardware: Hardware) -> Result<Self> {
        let folder = Folder::create(out)?;
        let mut state = folder.load()?;
        changes.apply(&mut state.progress.config)?;
        state.progress.config.check()?;
        let trainer = Self::from_state(folder, state, hardware)?;
        let card = card_after(&trainer.card, &trainer.progress, &trainer.data)?;
        trainer.folder.derive(&trainer.state(), &card)?;
        Ok(trainer)
    }

    fn from_state(folder: Folder, state: State, hardware: Hardware) -> Result<Self> {
        let progress = state.progress;
        let config = &progress.config;
        let spec = model(&config.model)?;
        let card = match &progress.card {
            Some(card) => card.clone(),
            None => card_of(spec, config)?,
        };
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
            people.add(&name, data.load(Split::Learn)?, &data.people)?;
        }
        let people = Arc::new(people);
        let names = config.data.iter().map(DataConfig::name);
        let names = names.collect::<Result<Vec<_>>>()?.join(", ");
        let data = format!("{} people of {names}", people.len());
        let validation = config
            .validation
            .as_ref()
            .map(|data| Validation::new(data.load(Split::HeldOut)?, spec, skeleton))
            .transpose()?;
        let options = card.build_options()?;
        let head = (family(&config.model)?.head)(&spec.shapes(&options)?);
        let learns = match config.freeze {
            Freeze::None => &[][..],
            Freeze::Backbone => &head[..],
        };
        let seed = u64::from(config.seed);
        let device = &selected.device;
        let (params, net) = Parameters::build(spec, &options, state.weights, learns, seed, device)?;
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
            head,
            average,
            people,
            data,
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
            let batch = self.loader.next_batch()?;
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
        let of_backbone = lr * self.config().backbone_rate;
        let head = &self.head;
        let rate = |name: &str| {
            if is_among(head, name) {
                lr
            } else {
                of_backbone
            }
        };
        self.optimizer
            .step(self.params.learning(), &step.grads, rate)?;
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
        let mut measured = match &self.validation {
            None => Measured::default(),
            Some(validation) => {
                let options = NetworkOptions {
                    device: self.selected.spec,
                    threads: self.hardware.threads,
                    ..NetworkOptions::bundled(self.spec.name)
                };
                let weights = Weights::from_tensors("these weights", self.state().deployed());
                validation.measure(&options, &self.card, &weights)?
            }
        };
        if !measured.seen.is_empty() {
            let seen = Event::Seen {
                epoch: self.progress.position.epoch,
                people: std::mem::take(&mut measured.seen),
            };
            tell(events, seen);
        }
        let running = std::mem::take(&mut self.progress.running);
        let record = epoch_record(&self.progress, running, lr, &measured);
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
        self.folder.save(
            &self.state(),
            &card_after(&self.card, &self.progress, &self.data)?,
            is_best,
        )?;
        tell(events, Event::Saved { is_best });
        Ok(())
    }

    fn state(&self) -> State {
        let mut progress = self.progress.clone();
        progress.optimizer_steps = self.optimizer.steps();
        State {
            progress,
            weights: self.params.all().clone(),
            average: match &self.average {
                Some(average) => average.tensors().clone(),
                None => ByName::new(),
            },
            memory: self.optimizer.memory().clone(),
        }
    }
}

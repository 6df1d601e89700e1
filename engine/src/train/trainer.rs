//! The training loop: runs batches, evaluates the weights and saves checkpoints.

mod keep;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Sender, TrySendError};

use super::checkpoint::{Best, EpochRecord, Folder, Progress, State};
use super::config::{Freeze, InitialWeights, Named, ResumeOptions, TrainConfig};
use super::event::{Event, Started, StopReason, tell};
use super::features::{FeatureCache, FeatureCacheConfig};
use super::loss::LossSpec;
use super::optim::{ByName, Optimizer, clip, global_norm};
use super::params::{Average, Parameters, is_among};
use super::setup::{
    backbone, card_after, card_of, check_labels, described, given, labels, loader, on_device,
    people, validation,
};
use super::step::{DeviceBatch, Step};
use super::validate::Validation;
use crate::block_cache::KeepBlocks;
use crate::concurrency::StopFlag;
use crate::dataset::LeftOut;
use crate::dataset::loader::{Batch, BrokenPicture, Loader, People};
use crate::device::{DeviceSpec, Selected, select};
use crate::error::{Error, Result};
use crate::model::{Card, ModelSpec, PoseModel, Weights};
use crate::nn::{Kernels, Random};
use crate::words::counted;

/// Device options.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hardware {
    /// The compute device.
    pub device: DeviceSpec,
    /// Number of threads of our kernels; 0 for one per core.
    pub threads: usize,
}

/// A training run in a checkpoint folder.
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
    /// Name prefixes of tensors outside the backbone.
    head: Vec<String>,
    optimizer: Optimizer,
    average: Option<Average>,
    people: Arc<People>,
    /// Description of the training data.
    data: String,
    validation: Option<Validation>,
    loader: Loader,
    /// Features of the frozen backbone, if they are kept.
    features: Option<FeatureCache>,
    progress: Progress,
    /// Batch of the last step, until its loss under the updated weights is computed.
    last_batch: Option<DeviceBatch>,
    /// Whether writing failed, so that the folder may be out of date.
    is_unsaved: bool,
    /// Images that could not be read, each once.
    broken: Vec<BrokenPicture>,
    /// Counts of unused entries for each label file.
    left_out: BTreeMap<String, LeftOut>,
    /// Last, so that the memory of the other fields is released as well.
    _memory: KeepBlocks,
}

impl Trainer {
    /// Starts the run `config` in the folder `out`.
    ///
    /// # Errors
    /// When the folder holds files of a run, or options, data, weights or device are unusable.
    pub fn begin(mut config: TrainConfig, out: &Path, hardware: Hardware) -> Result<Self> {
        let named = config.check()?;
        config.make_absolute()?;
        Folder::refuse_taken(out)?;
        let spec = named.model;
        let card = card_of(spec, &config)?;
        let weights = match &config.init {
            InitialWeights::Scratch => ByName::new(),
            InitialWeights::Bundled => given(spec, &card, &Weights::bundled(spec)?)?,
            InitialWeights::Backbone => backbone(spec)?,
            InitialWeights::File(path) => given(spec, &card, &Weights::read(path)?)?,
        };
        let state = State {
            progress: Progress::new(config, card),
            weights,
            average: ByName::new(),
            memory: ByName::new(),
        };
        // The folder is created last: a run that cannot start leaves none behind.
        Self::from_state(|| Folder::create(out), state, named, hardware)
    }

    /// Resumes the run in the folder `out`; `epochs` changes the total number of epochs.
    ///
    /// # Errors
    /// When there is none, it is damaged, or its data or device are no longer usable.
    pub fn resume(out: &Path, epochs: Option<u64>, hardware: Hardware) -> Result<Self> {
        let changes = ResumeOptions {
            epochs,
            ..ResumeOptions::default()
        };
        Self::resume_with(out, &changes, hardware)
    }

    /// Resumes the run in the folder `out` with `changes`.
    ///
    /// # Errors
    /// When there is none, it is damaged, its labels have changed, or its data or device are no
    /// longer usable.
    pub fn resume_with(out: &Path, changes: &ResumeOptions, hardware: Hardware) -> Result<Self> {
        let folder = Folder::open(out)?;
        let mut state = folder.load()?;
        changes.apply(&mut state.progress.config)?;
        let named = state.progress.config.check()?;
        check_labels(out, &state.progress)?;
        let trainer = Self::from_state(|| Ok(folder), state, named, hardware)?;
        let Self {
            spec,
            card,
            progress,
            data,
            ..
        } = &trainer;
        let card = card_after(spec, card, progress, data)?;
        trainer.folder.derive(&trainer.state(), &card)?;
        Ok(trainer)
    }

    fn from_state(
        folder: impl FnOnce() -> Result<Folder>,
        state: State,
        named: Named,
        hardware: Hardware,
    ) -> Result<Self> {
        let Named { model: spec, loss } = named;
        let mut progress = state.progress;
        let config = &progress.config;
        let card = match &progress.card {
            Some(card) => card.clone(),
            None => card_of(spec, config)?,
        };
        let selected = select(hardware.device)?;
        let kernels = Kernels::for_device(&selected.device, hardware.threads)?;
        let skeleton = card.skeleton()?;
        let mut left_out = BTreeMap::new();
        let people = people(config, skeleton, |data, n, unused| {
            if !unused.people.is_empty() {
                let (name, reasons) = (data.annotations.display(), unused.reasons());
                let people = counted(n, "person");
                tracing::warn!("{name}: training on {people}; skipped: {reasons}");
            }
            left_out.insert(data.name(), unused);
        })?;
        let digests = labels(config)?;
        let data = described(&people, config, &digests);
        let validation = validation(config, spec, skeleton)?;
        if let Some(validation) = &validation {
            left_out.insert("validation".to_owned(), validation.left_out().clone());
        }
        let options = card.build_options()?;
        let shapes = spec.shapes(&options)?;
        let head = (spec.head)(&shapes);
        let mut learns = match config.freeze {
            Freeze::None => Vec::new(),
            Freeze::Backbone | Freeze::EarlyBlocks => head.clone(),
        };
        if config.freeze == Freeze::EarlyBlocks {
            learns.extend((spec.last_blocks)(&shapes));
        }
        let seed = u64::from(config.seed);
        let device = &selected.device;
        let (params, net) =
            Parameters::build(spec, &options, state.weights, &learns, seed, device)?;
        let average = (config.average > 0.0)
            .then(|| on_device(state.average, device))
            .transpose()?
            .map(|tensors| Average::new(config.average, tensors));
        let loader = loader(&people, config, &card, progress.position)?;
        let optimizer = Optimizer::restored(
            config.optimizer.clone(),
            progress.optimizer_steps,
            on_device(state.memory, device)?,
        );
        let folder = folder()?;
        let create =
            |cache: FeatureCacheConfig| FeatureCache::create(folder.path(), cache.max_bytes);
        let features = config.feature_cache.map(create).transpose()?;
        progress.labels = digests;
        Ok(Self {
            folder,
            spec,
            loss,
            hardware,
            optimizer,
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
            features,
            progress,
            last_batch: None,
            is_unsaved: false,
            broken: Vec::new(),
            left_out,
            _memory: KeepBlocks::new(),
        })
    }

    /// Returns the options.
    pub fn config(&self) -> &TrainConfig {
        &self.progress.config
    }

    /// Returns the metrics of the network before training, then of every finished epoch.
    pub fn history(&self) -> &[EpochRecord] {
        &self.progress.history
    }

    /// Returns the best epoch so far.
    pub fn best(&self) -> Option<Best> {
        self.progress.best
    }

    /// Returns the number of finished epochs.
    pub fn epochs(&self) -> u64 {
        self.progress.position.epoch
    }

    /// Returns the number of finished steps.
    pub fn steps(&self) -> u64 {
        self.progress.step
    }

    /// Returns the compute device and the reason for its selection.
    pub fn device(&self) -> &Selected {
        &self.selected
    }

    /// Returns the counts of unused entries for each training label file, and for `validation`.
    pub fn left_out(&self) -> &BTreeMap<String, LeftOut> {
        &self.left_out
    }

    /// Returns the images that could not be read since the run was started or resumed, each once,
    /// in order of occurrence.
    pub fn broken(&self) -> &[BrokenPicture] {
        &self.broken
    }

    /// Trains until the last epoch, until a stop is requested, or for `epochs` epochs. On a stop,
    /// the state within the epoch or before its validation is saved; a later call or process
    /// resumes exactly there.
    ///
    /// # Errors
    /// When the loss becomes NaN or infinite (the last save is kept), the disk is not writable, no
    /// image can be read, or the device fails.
    pub fn run(
        &mut self,
        epochs: Option<u64>,
        events: &Sender<Event>,
        stop: &StopFlag,
    ) -> Result<StopReason> {
        let reason = self.train(epochs, events, stop)?;
        tell(events, Event::Stopped(reason));
        if reason == StopReason::Diverged {
            return Err(Error::Failed(format!(
                "the loss became NaN or infinite after step {}; try a lower learning rate. \
                 Earlier checkpoints are in {}",
                self.progress.step,
                self.folder.path().display()
            )));
        }
        Ok(reason)
    }

    fn train(
        &mut self,
        epochs: Option<u64>,
        events: &Sender<Event>,
        stop: &StopFlag,
    ) -> Result<StopReason> {
        let per_epoch = self.loader.batches_per_epoch();
        let all = self.config().epochs;
        let first = self.progress.position.epoch;
        let until = epochs.map_or(all, |n| all.min(first.saturating_add(n)));
        let learning = self.params.learning().values();
        tell(
            events,
            Event::Started(Started {
                epoch: first,
                epochs: all,
                steps_per_epoch: per_epoch,
                warm_up_steps: self.config().schedule.warm_up_steps.steps(all * per_epoch),
                people: self.people.len(),
                n_learning: learning.map(|v| v.elem_count() as u64).sum(),
            }),
        );
        if self.is_unsaved
            && let Some(end) = self.save(events)?
        {
            return Ok(end);
        }
        loop {
            // Also before the first step, so that there is a state to return to.
            if self.is_unmeasured()
                && let Some(end) = self.record(events, stop)?
            {
                return Ok(end);
            }
            let epoch = self.progress.position.epoch;
            if epoch >= all {
                return Ok(StopReason::Finished);
            }
            if epoch >= until {
                return Ok(StopReason::EpochLimit);
            }
            if stop.is_stopped() {
                return Ok(self.save(events)?.unwrap_or(StopReason::Requested));
            }
            let begin = Instant::now();
            let batch = self.loader.next_batch()?;
            self.note_broken();
            if batch.position.epoch > epoch {
                // The remaining batches of the epoch were empty: it ended before this one.
                self.progress.position = batch.position;
                self.loader = loader(&self.people, self.config(), &self.card, batch.position)?;
                continue;
            }
            let people = batch.len();
            let done = epoch * per_epoch + batch.position.batch;
            let lr =
                self.config().optimizer.lr * self.config().schedule.factor_at(done, all, per_epoch);
            let Some(loss) = self.step(batch, lr)? else {
                return Ok(StopReason::Diverged);
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
                tracing::trace!(?lost, "the event has no receiver");
            }
            let every = self.config().save_steps;
            if every > 0
                && self.progress.step.is_multiple_of(every)
                && !self.is_unmeasured()
                && let Some(end) = self.save(events)?
            {
                return Ok(end);
            }
        }
    }

    /// Counts the images that could not be read in the current epoch.
    fn note_broken(&mut self) {
        for picture in self.loader.take_skipped() {
            if picture.epoch == self.progress.position.epoch {
                let key = format!("{}/{}", picture.set, picture.image_id);
                self.progress.running.broken.insert(key);
            }
            let is_same =
                |b: &BrokenPicture| (b.set, b.image_id) == (picture.set, picture.image_id);
            if !self.broken.iter().any(is_same) {
                self.broken.push(picture);
            }
        }
    }

    fn work(&self) -> Step<'_> {
        Step {
            net: self.net.as_ref(),
            learning: self.params.learning(),
            config: &self.progress.config,
            loss: self.loss,
            kernels: self.kernels.as_ref(),
        }
    }

    /// Moves a batch to the device, with the features of the backbone if they are kept.
    fn on_device(&mut self, mut batch: Batch) -> Result<DeviceBatch> {
        let device = &self.selected.device;
        let Some(mut cache) = self.features.take() else {
            return DeviceBatch::new(batch, device);
        };
        let planes = batch.take_input(device)?;
        let backbone = cache.backbone(&batch.inputs, &planes, |input| self.work().backbone(input));
        for input in &batch.inputs {
            if cache.holds(&input.key) {
                self.loader.set_known(input.key);
            }
        }
        self.features = Some(cache);
        DeviceBatch::of_backbone(backbone?, batch, device)
    }

    /// Makes one step and returns its loss; `None` if it is NaN or infinite and no update was made.
    fn step(&mut self, batch: Batch, lr: f64) -> Result<Option<f64>> {
        let people = batch.len() as u64;
        let random = Random {
            seed: u64::from(self.config().seed),
            drawn: self.progress.drawn,
        };
        let batch = self.on_device(batch)?;
        let mut step = self.work().learn(&batch, random)?;
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
        self.last_batch = Some(batch);
        let progress = &mut self.progress;
        progress.step += 1;
        progress.drawn = step.drawn;
        progress.running.steps += 1;
        progress.running.loss += step.loss;
        progress.running.people += people;
        progress.running.lr = lr;
        for (block, sum) in step.gates {
            *progress.running.gates.entry(block).or_default() += sum;
        }
        if let Some(average) = &mut self.average {
            average.follow(self.params.moving(), progress.step)?;
        }
        Ok(Some(step.loss))
    }
}

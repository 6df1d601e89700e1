//! Progress of a training: folds its events into a state of bounded size.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use poselens_engine::frame::Frame;
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{
    BaselineResults, EpochRecord, Event, InitialWeights, Started, StopReason, TrainConfig,
};

use crate::gui::training::series::Series;
use crate::words::{counted, figure, started_text};

/// Maximum number of log lines.
const N_LINES: usize = 200;

/// Phase of a training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Loading data and weights.
    Preparing,
    /// Training or validating.
    Running,
    /// Paused by the user.
    Paused,
    /// All epochs are finished.
    Finished,
    /// Stopped early by the user.
    Stopped,
    /// Failed; the reason, and what to do about it.
    Failed(String),
}

impl Phase {
    /// Returns whether the training has ended.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Finished | Self::Stopped | Self::Failed(_))
    }
}

/// Images of held-out people after some epoch: labels and predictions.
#[derive(Debug, Clone)]
pub struct HeldOutImages {
    /// Number of finished epochs.
    pub epoch: u64,
    /// For each person the image file name, and the images with labels and with predictions.
    pub people: Vec<(String, [Frame; 2])>,
}

/// Progress of a training.
#[derive(Debug, Clone)]
pub struct TrainProgress {
    /// Output folder.
    pub folder: PathBuf,
    /// Name of the row of `MODELS`.
    pub model: String,
    /// Current phase.
    pub phase: Phase,
    /// Total number of epochs.
    pub epochs: u64,
    /// Steps per epoch; 0 if unknown.
    pub steps_per_epoch: u64,
    /// Number of finished steps.
    pub step: u64,
    /// Total number of steps.
    pub steps: u64,
    /// Number of people in the training data.
    pub people: usize,
    /// Training throughput in people per second.
    pub images_per_sec: f64,
    /// Remaining time in seconds, excluding validation.
    pub eta_secs: f64,
    /// Loss of the last step.
    pub loss: Option<f64>,
    /// Whether a finished epoch is being validated.
    pub is_measuring: bool,
    /// Work other than training in progress: what it is, and the number of finished items and of
    /// all, 0 until it is known.
    pub aside: Option<(&'static str, usize, usize)>,
    /// Loss by step.
    pub losses: Series,
    /// Error of the first image that could not be used.
    pub first_broken: Option<String>,
    /// Learning rate by step.
    pub rates: Series,
    /// Metrics before training, then of every finished epoch.
    pub history: Vec<EpochRecord>,
    /// Predictions before training; in a resumed training whose initial weights are gone, the first
    /// of this session.
    pub before: Option<Arc<HeldOutImages>>,
    /// Latest predictions.
    pub now: Option<Arc<HeldOutImages>>,
    /// Predictions of the weights that are [`TrainProgress::judged`].
    pub after: Option<Arc<HeldOutImages>>,
    /// Whether training started from random initialisation: there are no previous weights to keep.
    pub is_fresh: bool,
    /// Metrics, on the same held-out people, of the network in use at the start.
    pub in_use: Option<BaselineResults>,
    /// Whether a training that has ended can be resumed from its folder.
    pub can_continue: bool,
    /// Log lines.
    pub log: VecDeque<String>,
}

impl TrainProgress {
    /// Creates the progress of a training that has not started.
    pub fn new(folder: PathBuf, model: String, epochs: u64) -> Self {
        Self {
            folder,
            model,
            phase: Phase::Preparing,
            epochs,
            steps_per_epoch: 0,
            step: 0,
            steps: 0,
            people: 0,
            images_per_sec: 0.0,
            eta_secs: 0.0,
            loss: None,
            is_measuring: false,
            aside: None,
            losses: Series::default(),
            first_broken: None,
            rates: Series::default(),
            history: Vec::new(),
            before: None,
            now: None,
            after: None,
            is_fresh: false,
            in_use: None,
            can_continue: false,
            log: VecDeque::new(),
        }
    }

    /// Restores the progress from an earlier training on disk.
    pub fn of_run(run: &RunEntry) -> Self {
        let (model, epochs) = (run.config.model.clone(), run.config.epochs);
        let mut progress = Self::new(run.folder.clone(), model, epochs);
        progress.is_fresh = is_fresh(&run.config);
        progress.in_use = BaselineResults::read(&run.folder);
        for record in &run.history {
            progress.step = record.step;
            progress.epoch(record.clone());
            if record.epoch > 0 {
                progress.rates.push(record.step as f64, record.lr);
            }
        }
        progress.losses = Series::recalled(&run.folder, &run.history);
        progress.can_continue = true;
        progress.phase = if run.epochs() >= epochs {
            Phase::Finished
        } else {
            Phase::Stopped
        };
        progress
    }

    fn started(&mut self, started: &Started) {
        let is_first = self.steps == 0;
        self.epochs = started.epochs;
        self.steps_per_epoch = started.steps_per_epoch;
        self.steps = started.steps();
        self.people = started.people;
        self.phase = Phase::Running;
        self.say(match (is_first, started.epoch) {
            (false, _) => "Resumed".to_owned(),
            (true, 0) => format!("Started: {}", started_text(started)),
            (true, _) => format!("Resumed: {}", started_text(started)),
        });
    }

    /// Updates the progress from an event.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Started(started) => self.started(&started),
            Event::Step {
                step,
                steps,
                loss,
                lr,
                images_per_sec,
                eta_secs,
            } => {
                self.step = step;
                self.steps = steps;
                self.loss = Some(loss);
                self.images_per_sec = images_per_sec;
                self.eta_secs = eta_secs;
                self.losses.push(step as f64, loss);
                self.rates.push(step as f64, lr);
            }
            Event::Measuring { .. } => self.is_measuring = true,
            Event::Broken { pictures, first } => {
                let n = counted(pictures, "image");
                self.say(format!("{n} could not be used; the first: {first}"));
                self.first_broken.get_or_insert(first);
            }
            Event::Epoch(record) => {
                self.is_measuring = false;
                self.epoch(record);
            }
            Event::Saved { is_best: true } => self.say(self.best_text().to_owned()),
            Event::Stopped(reason) => {
                // A validation that was stopped is repeated later.
                self.is_measuring = false;
                if reason == StopReason::Requested {
                    self.say("Saved; it can be resumed from here".to_owned());
                }
            }
            Event::Saved { .. } | Event::HeldOut { .. } => {}
        }
    }

    /// Says of the weights after the last epoch, which are the best, what they are the best of.
    fn best_text(&self) -> &'static str {
        let Some(last) = self.history.last() else {
            return "Saved; the best so far";
        };
        if last.epoch == 0 {
            return "Saved: the start, with which every epoch is compared";
        }
        let has_fallen = |of: fn(&EpochRecord) -> Option<f64>| {
            let first = self.first().filter(|_| !self.is_fresh);
            let both = first.and_then(of).zip(of(last));
            both.is_some_and(|(first, last)| last < first)
        };
        if has_fallen(|record| record.pck) {
            "Saved: best of this training, below the start"
        } else if has_fallen(|record| record.oks_ap) {
            "Saved: best of this training, with OKS AP below the start"
        } else {
            "Saved; the best so far"
        }
    }

    fn epoch(&mut self, record: EpochRecord) {
        let mut parts = vec![match record.epoch {
            0 => "Before training".to_owned(),
            epoch => format!("Epoch {epoch}"),
        }];
        for (name, value) in [("PCK@0.2", record.pck), ("OKS AP", record.oks_ap)] {
            parts.extend(value.map(|value| format!("{name} {:.1} %", 100.0 * value)));
        }
        let of_parts = record.pck_parts.iter();
        parts.extend(of_parts.map(|(part, pck)| format!("{part} {:.1} %", 100.0 * pck)));
        if let Some(loss) = record.loss {
            parts.push(format!("loss {}", figure(loss)));
            parts.push(format!("{:.1} people/s", record.images_per_sec));
        }
        self.say(parts.join(", "));
        self.history.retain(|r| r.epoch < record.epoch);
        self.history.push(record);
        self.hang();
    }

    /// Stores the predictions of an epoch's weights.
    pub fn show_held_out(&mut self, held_out_images: Arc<HeldOutImages>) {
        self.before
            .get_or_insert_with(|| Arc::clone(&held_out_images));
        let is_newer = |now: &Arc<HeldOutImages>| now.epoch <= held_out_images.epoch;
        if self.now.as_ref().is_none_or(is_newer) {
            self.now = Some(held_out_images);
        }
        self.hang();
    }

    /// Keeps the images of the judged weights: they arrive before the epoch's metrics.
    fn hang(&mut self) {
        let judged = self.judged().map(|record| record.epoch);
        if let Some(now) = self.now.as_ref().filter(|now| Some(now.epoch) == judged) {
            self.after = Some(Arc::clone(now));
        }
    }

    /// Keeps the images that `earlier` has of this training, which is being resumed.
    pub fn keep_pictures(&mut self, earlier: &Self) {
        self.before.clone_from(&earlier.before);
        self.now.clone_from(&earlier.now);
        self.after.clone_from(&earlier.after);
    }

    /// Ends the training in this phase.
    pub fn end(&mut self, phase: Phase) {
        self.is_measuring = false;
        self.aside = None;
        self.phase = phase;
    }

    /// Adds a log line.
    pub fn say(&mut self, line: String) {
        if self.log.len() >= N_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// Stores the metrics of the network in use.
    pub fn compare_with(&mut self, in_use: BaselineResults) {
        let mut parts = vec![format!("{}, the network in use", in_use.name)];
        for (name, value) in [("PCK@0.2", in_use.pck), ("OKS AP", in_use.oks_ap)] {
            parts.extend(value.map(|value| format!("{name} {:.1} %", 100.0 * value)));
        }
        self.say(parts.join(", "));
        self.in_use = Some(in_use);
    }

    /// Returns PCK and average precision of the baseline: the network in use, else the initial
    /// weights. `None` if neither was measured, or training started from random initialisation.
    pub fn baseline(&self) -> Option<(Option<f64>, Option<f64>)> {
        let first = || self.first().filter(|_| !self.is_fresh);
        let in_use = self
            .in_use
            .as_ref()
            .map(|in_use| (in_use.pck, in_use.oks_ap));
        in_use.or_else(|| first().map(|first| (first.pck, first.oks_ap)))
    }

    /// Returns the metrics before training, if measured.
    pub fn first(&self) -> Option<&EpochRecord> {
        self.history.first().filter(|r| r.epoch == 0)
    }

    /// Returns the best epoch. Epoch 0 is the network before training; its weights are kept as the
    /// best if nothing improved.
    pub fn best(&self) -> Option<&EpochRecord> {
        let scored = self.history.iter().filter_map(|r| Some((r.score()?, r)));
        // The first of equal scores, like the trainer.
        let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, record)| record)
    }

    /// Returns whether an epoch is better than the initial weights; its weights are the best.
    pub fn has_improved(&self) -> bool {
        self.best().is_some_and(|best| best.epoch > 0)
    }

    /// Returns the epoch whose weights are judged at the end: the best, or the last if nothing beat
    /// the initial weights. Their file is [`TrainProgress::file`].
    pub fn judged(&self) -> Option<&EpochRecord> {
        let best = self.best().filter(|best| best.epoch > 0);
        best.or(self.history.last().filter(|last| last.epoch > 0))
    }

    /// Returns the epoch whose weights are offered: never one that is worse than initial weights
    /// that are themselves usable.
    pub fn offered(&self) -> Option<&EpochRecord> {
        let is_beaten = self.best().is_none_or(|best| best.epoch > 0);
        self.judged().filter(|_| is_beaten || self.is_fresh)
    }

    /// Returns the file of the judged weights; the folder keeps the best weights, which may be the
    /// initial ones, and the last.
    pub fn file(&self) -> Option<PathBuf> {
        let best = self.has_improved().then_some("best.safetensors");
        let files = best.into_iter().chain(["last.safetensors"]);
        let mut files = files.map(|name| self.folder.join(name));
        files.find(|file| file.is_file())
    }

    /// Returns whether the mean loss of the last third of the epochs is clearly below that of the
    /// third before. Means are compared because single epochs fluctuate.
    pub fn is_falling(&self) -> bool {
        let losses: Vec<f64> = self.history.iter().filter_map(|r| r.loss).collect();
        let third = (losses.len() / 3).max(1);
        let mut thirds = losses.rchunks(third).map(|part| part.iter().sum::<f64>());
        match (thirds.next(), thirds.next()) {
            (Some(last), Some(before)) => last < 0.98 * before,
            _ => false,
        }
    }

    /// Returns a note about images that the last epoch could not use.
    pub fn about_broken(&self) -> Option<String> {
        let n = self.history.last().map_or(0, |record| record.broken);
        let n = (n > 0).then(|| counted(n, "image"))?;
        Some(match &self.first_broken {
            None => format!("{n} could not be used in the last epoch; Check data names them."),
            Some(first) => format!("{n} could not be used in the last epoch; the first: {first}"),
        })
    }

    /// Returns the fraction of finished steps, 0 to 1.
    pub fn share(&self) -> f32 {
        if self.phase == Phase::Finished {
            return 1.0;
        }
        self.step as f32 / self.steps.max(1) as f32
    }
}

/// Returns whether a training starts without trained weights of its network.
pub fn is_fresh(config: &TrainConfig) -> bool {
    matches!(
        config.init,
        InitialWeights::Backbone | InitialWeights::Scratch
    )
}

#[cfg(test)]
mod tests;

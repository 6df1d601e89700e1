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
            Event::Saved { is_best: true } => self.say("Saved; the best so far".to_owned()),
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

    fn epoch(&mut self, record: EpochRecord) {
        let mut parts = vec![match record.epoch {
            0 => "Before training".to_owned(),
            epoch => format!("Epoch {epoch}"),
        }];
        for (name, value) in [("PCK@0.2", record.pck), ("OKS AP", record.oks_ap)] {
            parts.extend(value.map(|value| format!("{name} {:.1} %", 100.0 * value)));
        }
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
mod tests {
    use super::*;

    fn record(epoch: u64, pck: f64, loss: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            step: 2 * epoch,
            lr: 0.1,
            loss: (epoch > 0).then_some(loss),
            pck: Some(pck),
            oks_ap: None,
            secs: 1.0,
            images_per_sec: 2.0,
            broken: 0,
            gates: std::collections::BTreeMap::new(),
        }
    }

    /// Fails when events of a training are not shown, or validation looks like a stall.
    #[test]
    fn events_update_the_progress() {
        let mut progress = TrainProgress::new("run".into(), "sfm".into(), 2);
        progress.take(Event::Started(Started {
            epoch: 0,
            epochs: 2,
            steps_per_epoch: 2,
            warm_up_steps: 0,
            people: 1234,
            n_learning: 1_234_567,
        }));
        assert_eq!(progress.phase, Phase::Running);
        progress.take(Event::Measuring { epoch: 0 });
        assert!(progress.is_measuring);
        let begun = &progress.log[0];
        assert!(begun.contains("1 234 567 trainable"), "{begun}");
        progress.take(Event::Epoch(record(0, 0.5, 0.5)));
        assert!(!progress.is_measuring);
        for step in 1..=2 {
            progress.take(Event::Step {
                step,
                steps: 4,
                loss: 0.25,
                lr: 0.1,
                images_per_sec: 3.0,
                eta_secs: 60.0,
            });
        }
        assert!(!progress.is_measuring && progress.share() == 0.5);
        assert_eq!(progress.about_broken(), None);
        progress.take(Event::Broken {
            pictures: 3,
            first: "7.png: damaged".to_owned(),
        });
        let last = progress.log.back().unwrap();
        assert!(last.starts_with("3 images could not be used") && last.contains("7.png"));
        progress.take(Event::Epoch(EpochRecord {
            broken: 3,
            ..record(1, 0.4, 0.5)
        }));
        assert!(progress.about_broken().unwrap().contains("7.png: damaged"));
        progress.take(Event::Measuring { epoch: 1 });
        progress.take(Event::Stopped(StopReason::Requested));
        assert!(!progress.is_measuring, "the measurement was cancelled");
        assert_eq!(progress.best().unwrap().epoch, 0);
        assert_eq!(progress.judged().unwrap().epoch, 1);
        assert_eq!(progress.first().unwrap().pck, Some(0.5));
        for _ in 0..N_LINES {
            progress.say("x".to_owned());
        }
        assert_eq!(progress.log.len(), N_LINES);
    }

    /// Fails when the images next to the metrics belong to other weights than those offered,
    /// nothing is offered although there are no previous weights, or worse weights are.
    #[test]
    fn images_and_metrics_are_of_the_offered_weights() {
        let of = |pck: &[f64]| {
            let mut progress = TrainProgress::new("run".into(), "sfm".into(), 3);
            for (epoch, pck) in (0..).zip(pck) {
                let held_out_images = HeldOutImages {
                    epoch,
                    people: Vec::new(),
                };
                progress.show_held_out(Arc::new(held_out_images));
                progress.take(Event::Epoch(record(epoch, *pck, 1.0 / (epoch + 1) as f64)));
            }
            progress
        };
        let shown = |progress: &TrainProgress| {
            let epoch = |p: &Option<Arc<HeldOutImages>>| p.as_ref().map(|p| p.epoch);
            let judged = progress.judged().map(|r| r.epoch);
            assert_eq!(epoch(&progress.after), judged);
            (
                judged,
                progress.offered().map(|r| r.epoch),
                epoch(&progress.now),
            )
        };
        let mut progress = of(&[0.5, 0.7, 0.6, 0.65]);
        assert_eq!(shown(&progress), (Some(1), Some(1), Some(3)));
        let before = HeldOutImages {
            epoch: 0,
            people: Vec::new(),
        };
        // Resumed: the initial weights are shown again.
        progress.show_held_out(Arc::new(before));
        assert_eq!(shown(&progress), (Some(1), Some(1), Some(3)));
        let mut progress = of(&[0.0, 0.0, 0.0]);
        assert_eq!(shown(&progress), (Some(2), None, Some(2)));
        progress.is_fresh = true;
        assert_eq!(shown(&progress), (Some(2), Some(2), Some(2)));
        assert!(progress.is_falling() && !of(&[0.5, 0.5]).is_falling());
        assert_eq!(of(&[0.5]).judged(), None);
        let last = progress.history.last().unwrap().clone();
        for (epoch, loss) in (3..).zip([0.2, 0.21, 0.1, 0.101]) {
            progress.history.push(EpochRecord {
                epoch,
                loss: Some(loss),
                ..last.clone()
            });
        }
        assert!(progress.is_falling(), "one epoch went up");
    }
}

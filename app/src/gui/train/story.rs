//! How a training goes: its news folded into what is shown, of bounded size however long it runs.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use poselens_engine::frame::Frame;
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{EpochRecord, Event, Reason};

/// Points of a curve; more are thinned out.
const N_POINTS: usize = 2000;
/// Lines of the log.
const N_LINES: usize = 200;

/// A curve over steps: every point is the mean of `stride` steps.
#[derive(Debug, Clone)]
pub struct Series {
    /// Step and value.
    pub points: Vec<[f64; 2]>,
    stride: usize,
    sum: f64,
    n: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            sum: 0.0,
            n: 0,
        }
    }
}

impl Series {
    /// Adds the value of a step.
    pub fn push(&mut self, step: f64, value: f64) {
        self.sum += value;
        self.n += 1;
        if self.n < self.stride {
            return;
        }
        self.points.push([step, self.sum / self.n as f64]);
        (self.sum, self.n) = (0.0, 0);
        if self.points.len() >= N_POINTS {
            let pairs = self.points.chunks(2);
            let last = |pair: &[[f64; 2]]| pair.last().map_or(0.0, |p| p[0]);
            let mean = |pair: &[[f64; 2]]| pair.iter().map(|p| p[1]).sum::<f64>();
            self.points = pairs
                .map(|pair| [last(pair), mean(pair) / pair.len() as f64])
                .collect();
            self.stride *= 2;
        }
    }
}

/// Where a training stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Data and weights are being read.
    Preparing,
    /// It learns, or measures what was learned.
    Running,
    /// It waits.
    Paused,
    /// All epochs are done.
    Finished,
    /// Somebody ended it early.
    Stopped,
    /// It could not go on; why, and what to do.
    Failed(String),
}

impl Phase {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Finished | Self::Stopped | Self::Failed(_))
    }
}

/// Held-out people after some epoch, as pictures: as labelled, and as found.
#[derive(Debug, Clone)]
pub struct Portraits {
    /// Finished epochs.
    pub epoch: u64,
    /// Name of the picture's file, labels, what was found.
    pub people: Vec<(String, [Frame; 2])>,
}

/// How a training goes.
#[derive(Debug, Clone)]
pub struct Story {
    /// Its folder.
    pub folder: PathBuf,
    /// Row of `MODELS`.
    pub model: String,
    /// Where it stands.
    pub phase: Phase,
    /// Epochs in all.
    pub epochs: u64,
    /// Steps in an epoch; 0 while unknown.
    pub steps_per_epoch: u64,
    /// Finished steps.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// People learned from.
    pub people: usize,
    /// People per second.
    pub images_per_sec: f64,
    /// Seconds left, without measuring.
    pub eta_secs: f64,
    /// Loss of the last step.
    pub loss: Option<f64>,
    /// An epoch is done and is being measured.
    pub is_measuring: bool,
    /// Loss over steps.
    pub losses: Series,
    /// What is wrong with the first picture that could not be used.
    pub first_broken: Option<String>,
    /// Learning rate over steps.
    pub rates: Series,
    /// The network before training, then every finished epoch.
    pub history: Vec<EpochRecord>,
    /// The network before training; of a continued training without its first weights, the first
    /// ones of this session.
    pub before: Option<Arc<Portraits>>,
    /// The last ones.
    pub now: Option<Arc<Portraits>>,
    /// What happened, in words.
    pub log: VecDeque<String>,
}

impl Story {
    /// Nothing has happened yet.
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
            losses: Series::default(),
            first_broken: None,
            rates: Series::default(),
            history: Vec::new(),
            before: None,
            now: None,
            log: VecDeque::new(),
        }
    }

    /// What a training on disk tells of itself; it rests.
    pub fn of_run(run: &RunEntry) -> Self {
        let (model, epochs) = (run.config.model.clone(), run.config.epochs);
        let mut story = Self::new(run.folder.clone(), model, epochs);
        for record in &run.history {
            story.step = record.step;
            story.epoch(record.clone());
            if record.epoch > 0 {
                story.rates.push(record.step as f64, record.lr);
            }
        }
        story.phase = if run.epochs() >= epochs {
            Phase::Finished
        } else {
            Phase::Stopped
        };
        story
    }

    /// Takes an event in.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Started {
                epoch,
                epochs,
                steps_per_epoch,
                people,
                n_learning,
            } => {
                let is_first = self.steps == 0;
                self.epochs = epochs;
                self.steps_per_epoch = steps_per_epoch;
                self.steps = epochs * steps_per_epoch;
                self.people = people;
                self.phase = Phase::Running;
                if is_first {
                    let begun = if epoch > 0 { "It goes on" } else { "It begins" };
                    self.say(format!(
                        "{begun}: {people} people, {epoch} of {epochs} epochs of \
                         {steps_per_epoch} steps done, {} numbers learn",
                        grouped(n_learning)
                    ));
                } else {
                    self.say("It goes on".to_owned());
                }
            }
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
                let n = counted(pictures as usize, "picture");
                self.say(format!("{n} could not be used; the first: {first}"));
                self.first_broken.get_or_insert(first);
            }
            Event::Epoch(record) => {
                self.is_measuring = false;
                self.epoch(record);
            }
            Event::Saved { is_best: true } => self.say("Saved; the best so far".to_owned()),
            Event::Stopped(reason) => {
                // A measurement that was stopped is made up for later.
                self.is_measuring = false;
                if reason == Reason::Asked {
                    self.say("Saved; it can go on from here".to_owned());
                }
            }
            Event::Saved { .. } | Event::Seen { .. } => {}
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
            parts.push(format!("loss {loss:.5}"));
            parts.push(format!("{:.1} people/s", record.images_per_sec));
        }
        self.say(parts.join(", "));
        self.history.retain(|r| r.epoch < record.epoch);
        self.history.push(record);
    }

    /// Shows what the weights of an epoch find.
    pub fn portray(&mut self, portraits: Arc<Portraits>) {
        self.before.get_or_insert_with(|| Arc::clone(&portraits));
        self.now = Some(portraits);
    }

    /// It ends like this.
    pub fn end(&mut self, phase: Phase) {
        self.is_measuring = false;
        self.phase = phase;
    }

    /// A line of the log.
    pub fn say(&mut self, line: String) {
        if self.log.len() >= N_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// The network before training, where it was measured.
    pub fn first(&self) -> Option<&EpochRecord> {
        self.history.first().filter(|r| r.epoch == 0)
    }

    /// The best epoch; epoch 0 is the network before training, and its weights are kept as the
    /// best where nothing became better.
    pub fn best(&self) -> Option<&EpochRecord> {
        best(self.history.iter())
    }

    /// The best epoch of learning.
    pub fn best_learned(&self) -> Option<&EpochRecord> {
        best(self.history.iter().filter(|r| r.epoch > 0))
    }

    /// What to know about pictures that the last epoch could not use.
    pub fn about_broken(&self) -> Option<String> {
        let n = self.history.last().map_or(0, |record| record.broken);
        let n = (n > 0).then(|| counted(n as usize, "picture"))?;
        Some(match &self.first_broken {
            None => format!("{n} could not be used in the last epoch; Check data names them."),
            Some(first) => format!("{n} could not be used in the last epoch; the first: {first}"),
        })
    }

    /// Share of all steps done, 0 to 1.
    pub fn share(&self) -> f32 {
        if self.phase == Phase::Finished {
            return 1.0;
        }
        self.step as f32 / self.steps.max(1) as f32
    }
}

/// The first of those with the highest score, as the trainer keeps it.
fn best<'a>(records: impl Iterator<Item = &'a EpochRecord>) -> Option<&'a EpochRecord> {
    let scored = records.filter_map(|r| Some((r.score()?, r)));
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, record)| record)
}

/// `1 error`, `3 errors`.
pub fn counted(n: usize, what: &str) -> String {
    let end = if n == 1 { "" } else { "s" };
    format!("{n} {what}{end}")
}

/// `1 234 567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a long training fills the memory, or thinning bends its curve.
    #[test]
    fn curves_stay_small_and_keep_their_course() {
        let mut series = Series::default();
        for step in 1..=100_000 {
            series.push(f64::from(step), 3.0 * f64::from(step));
        }
        assert!(series.points.len() < N_POINTS && series.points.len() > N_POINTS / 3);
        for [step, value] in &series.points {
            // The mean of a rising line over a stride lies half of it before its last step.
            let behind = (3.0 * step - value) / 3.0;
            assert!((0.0..=64.0).contains(&behind), "{step} {value}");
        }
    }

    /// Fails when news of a training are not told, or measuring is taken for standing still.
    #[test]
    fn news_become_a_story() {
        let mut story = Story::new("run".into(), "sfm".into(), 2);
        story.take(Event::Started {
            epoch: 0,
            epochs: 2,
            steps_per_epoch: 2,
            people: 1234,
            n_learning: 1_234_567,
        });
        assert_eq!(story.phase, Phase::Running);
        story.take(Event::Measuring { epoch: 0 });
        assert!(story.is_measuring);
        assert!(
            story.log[0].contains("1 234 567 numbers"),
            "{:?}",
            story.log
        );
        let record = |epoch, pck| EpochRecord {
            epoch,
            step: 2 * epoch,
            lr: 0.1,
            loss: Some(0.5),
            pck: Some(pck),
            oks_ap: None,
            secs: 1.0,
            images_per_sec: 2.0,
            broken: 0,
            gates: std::collections::BTreeMap::new(),
        };
        story.take(Event::Epoch(record(0, 0.5)));
        assert!(!story.is_measuring);
        for step in 1..=2 {
            story.take(Event::Step {
                step,
                steps: 4,
                loss: 0.25,
                lr: 0.1,
                images_per_sec: 3.0,
                eta_secs: 60.0,
            });
        }
        assert!(!story.is_measuring && story.share() == 0.5);
        assert_eq!(story.about_broken(), None);
        story.take(Event::Broken {
            pictures: 3,
            first: "7.png: damaged".to_owned(),
        });
        let last = story.log.back().unwrap();
        assert!(last.starts_with("3 pictures could not be used") && last.contains("7.png"));
        story.take(Event::Epoch(EpochRecord {
            broken: 3,
            ..record(1, 0.4)
        }));
        assert!(story.about_broken().unwrap().contains("7.png: damaged"));
        story.take(Event::Measuring { epoch: 1 });
        story.take(Event::Stopped(Reason::Asked));
        assert!(!story.is_measuring, "somebody did not want to wait");
        assert_eq!(story.best().unwrap().epoch, 0);
        assert_eq!(story.best_learned().unwrap().epoch, 1);
        assert_eq!(story.first().unwrap().pck, Some(0.5));
        for _ in 0..N_LINES {
            story.say("x".to_owned());
        }
        assert_eq!(story.log.len(), N_LINES);
    }
}

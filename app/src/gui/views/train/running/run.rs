//! A running training: one thread trains, another folds its events into the [`TrainProgress`];
//! neither waits for the window, nor the window for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{
    DataConfig, Event, Hardware, HeldOutPose, RelocatedData, ResumeOptions, StopReason,
    TrainConfig, Trainer, predict_held_out,
};
use poselens_engine::{Error, Result};

use crate::gui::views::train::running::control::{Requested, TrainControl};
use crate::gui::views::train::running::in_use::{AtWork, measure_in_use};
use crate::gui::views::train::running::progress::{HeldOutImages, Phase, TrainProgress, is_fresh};
use crate::gui::views::train::running::shared::SharedProgress;
use crate::gui::waker::Waker;

/// Capacity for events while images are drawn; the trainer drops step events beyond it.
const N_NEWS: usize = 64;
/// Height of a held-out image in pixels.
const IMAGE_HEIGHT: usize = 224;
/// Time limit for stopping: a step and saving take seconds; validation stops at once.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// What a training thread does.
#[derive(Debug, Clone)]
pub enum Job {
    /// Start a new training.
    Begin(Box<TrainConfig>),
    /// Resume the training in the folder.
    Resume {
        /// New total number of epochs, if changed.
        epochs: Option<u64>,
        /// Fallback locations of the training and validation data if they have moved.
        maybe_at: Box<[Option<DataConfig>; 2]>,
    },
}

/// A running training. Dropping it stops it and waits until its state is saved.
#[derive(Debug)]
pub struct Run {
    /// The state requested by the user.
    pub control: Arc<TrainControl>,
    /// Progress shared with the window.
    pub shared: Arc<SharedProgress>,
    worker: Option<Worker>,
    _news: Worker,
}

impl Run {
    /// Starts a training in `folder`; `shown` is the progress on display, possibly of the same
    /// training.
    ///
    /// # Errors
    /// If the operating system cannot create threads.
    pub fn start(
        job: Job,
        folder: PathBuf,
        shown: Option<&TrainProgress>,
        hardware: Hardware,
        in_use: Option<String>,
        waker: &Waker,
    ) -> Result<Self> {
        let progress = match &job {
            Job::Begin(config) => {
                let (model, epochs) = (config.model.clone(), config.epochs);
                let mut progress = TrainProgress::new(folder.clone(), model, epochs);
                progress.is_fresh = is_fresh(config);
                progress
            }
            Job::Resume { epochs, .. } => {
                let mut run = RunEntry::read(&folder)?;
                run.config.epochs = epochs.unwrap_or(run.config.epochs);
                let mut progress = TrainProgress::of_run(&run);
                progress.phase = Phase::Preparing;
                if let Some(shown) = shown.filter(|shown| shown.folder == folder) {
                    progress.keep_pictures(shown);
                }
                progress
            }
        };
        Self::spawn(progress, waker, move |events, control, shared| {
            let at_work = AtWork {
                folder: &folder,
                hardware,
                in_use,
            };
            train(job, &at_work, events, control, shared)
        })
    }

    fn spawn(
        progress: TrainProgress,
        waker: &Waker,
        work: impl FnOnce(&Sender<Event>, &TrainControl, &SharedProgress) -> Result<Phase>
        + Send
        + 'static,
    ) -> Result<Self> {
        let control = Arc::new(TrainControl::default());
        let shared = Arc::new(SharedProgress::new(progress, waker.clone()));
        let (events, reader) = bounded(N_NEWS);
        let told = Arc::clone(&shared);
        let news = Worker::spawn(
            "training events",
            StopFlag::new(),
            move |_| {
                tell(&reader, &told);
                Ok(())
            },
            |error| tracing::error!(%error, "the training sends no events"),
        )?;
        let (held, shown, failed) = (
            Arc::clone(&control),
            Arc::clone(&shared),
            Arc::clone(&shared),
        );
        let worker = Worker::spawn(
            "training",
            StopFlag::new(),
            move |_| {
                let phase = work(&events, &held, &shown)?;
                shown.update(true, |progress| progress.end(phase));
                Ok(())
            },
            move |error| {
                tracing::error!(%error, "the training failed");
                let text = explain(&error);
                failed.update(true, |progress| {
                    progress.say(text.clone());
                    progress.end(Phase::Failed(text));
                });
            },
        )?;
        Ok(Self {
            control,
            shared,
            worker: Some(worker),
            _news: news,
        })
    }

    /// Returns whether the training thread has ended.
    pub fn is_over(&self) -> bool {
        self.worker.as_ref().is_none_or(Worker::is_finished)
    }

    /// Stops the training at program exit; waits up to a time limit for its state to be saved.
    pub fn close(mut self) {
        self.control.ask(Requested::Stop);
        let start = Instant::now();
        while !self.is_over() && start.elapsed() < STOP_TIMEOUT {
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(worker) = self.worker.take_if(|w| !w.is_finished()) {
            tracing::warn!("the training did not end in time; resume it from its last checkpoint");
            worker.detach();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.control.ask(Requested::Stop);
    }
}

/// Runs the training thread: segments of training with pauses in between.
fn train(
    job: Job,
    at_work: &AtWork<'_>,
    events: &Sender<Event>,
    control: &TrainControl,
    shared: &SharedProgress,
) -> Result<Phase> {
    let AtWork {
        folder, hardware, ..
    } = *at_work;
    let mut trainer = match job {
        Job::Begin(config) => Trainer::begin(*config, folder, hardware)?,
        Job::Resume { epochs, maybe_at } => {
            let was = RunEntry::read(folder)?.config;
            let [learn, held_out] = *maybe_at;
            let changes = ResumeOptions {
                epochs,
                data: moved(was.data.first(), learn).into_iter().collect(),
                validation: moved(was.validation.as_ref(), held_out),
            };
            let trainer = Trainer::resume_with(folder, &changes, hardware)?;
            // The log is written last: after a kill it may lack an epoch.
            shared.update(false, |progress| {
                progress.history = trainer.history().to_vec();
            });
            recall(shared, |weights, epoch| {
                looked(trainer.config(), weights, epoch, hardware)
            });
            trainer
        }
    };
    measure_in_use(at_work, trainer.config(), control, shared);
    let on_pause = || shared.update(true, |progress| progress.phase = Phase::Paused);
    while let Some(stretch) = control.next_stretch(on_pause) {
        shared.update(true, |progress| progress.phase = Phase::Running);
        if trainer.run(None, events, &stretch)? == StopReason::Finished {
            return Ok(Phase::Finished);
        }
    }
    Ok(Phase::Stopped)
}

/// Shows the held-out people that are not shown yet, as `look` predicts them with the initial
/// weights (`None`) or a file of an epoch: before training, and with the weights on offer.
fn recall(shared: &SharedProgress, look: impl Fn(Option<&Path>, u64) -> Option<HeldOutImages>) {
    let Some((progress, _)) = shared.newer(0) else {
        return;
    };
    let before = progress.before.is_none().then(|| look(None, 0)).flatten();
    let judged = progress.judged().map(|record| record.epoch);
    let shown = progress.after.as_ref().map(|after| after.epoch);
    let offered = judged.filter(|_| judged != shown).zip(progress.file());
    let after = offered.and_then(|(epoch, file)| look(Some(&file), epoch));
    for held_out_images in [before, after].into_iter().flatten() {
        shared.update(true, |progress| {
            progress.show_held_out(Arc::new(held_out_images));
        });
    }
}

/// Runs the event thread.
fn tell(events: &Receiver<Event>, shared: &SharedProgress) {
    for event in events {
        match event {
            Event::HeldOut { epoch, people } => {
                let held_out_images = Arc::new(held_out_images(epoch, &people));
                shared.update(true, |progress| progress.show_held_out(held_out_images));
            }
            event => {
                let is_urgent = !matches!(event, Event::Step { .. });
                shared.update(is_urgent, |progress| progress.take(event));
            }
        }
    }
}

fn held_out_images(epoch: u64, people: &[HeldOutPose]) -> HeldOutImages {
    let image = |person: &HeldOutPose| {
        let name = person.path.file_name().unwrap_or_default();
        match person.draw(IMAGE_HEIGHT) {
            Ok([_, labels, found]) => Some((name.to_string_lossy().into_owned(), [labels, found])),
            Err(error) => {
                tracing::warn!("a held-out person is not shown: {error}");
                None
            }
        }
    };
    HeldOutImages {
        epoch,
        people: people.iter().filter_map(image).collect(),
    }
}

/// Returns the data chosen in the panel as the new location of missing data.
fn moved(was: Option<&DataConfig>, maybe_at: Option<DataConfig>) -> Option<RelocatedData> {
    was.filter(|was| !was.annotations.exists())?;
    maybe_at.map(|data| RelocatedData {
        annotations: data.annotations,
        images: data.images,
    })
}

/// Returns predictions of saved weights on the held-out people; `None` if unavailable.
fn looked(
    config: &TrainConfig,
    weights: Option<&Path>,
    epoch: u64,
    hardware: Hardware,
) -> Option<HeldOutImages> {
    match predict_held_out(config, weights, hardware) {
        Ok(people) if people.is_empty() => None,
        Ok(people) => Some(held_out_images(epoch, &people)),
        Err(error) => {
            tracing::warn!("the held-out people are not shown: {error}");
            None
        }
    }
}

/// Loads the progress of an earlier training, with its predictions before and after. Takes seconds.
///
/// # Errors
/// If the folder contains no training.
pub fn progress_of(folder: &Path, hardware: Hardware) -> Result<TrainProgress> {
    let run = RunEntry::read(folder)?;
    let shared = SharedProgress::new(TrainProgress::of_run(&run), Waker::default());
    recall(&shared, |weights, epoch| {
        looked(&run.config, weights, epoch, hardware)
    });
    Ok(shared.into_progress())
}

/// Explains an error in plain words.
fn explain(error: &Error) -> String {
    let text = error.to_string();
    let text = text.replace(
        "(--annotations, --val-annotations)",
        "on the right, then press Continue",
    );
    let is_full = matches!(error, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::StorageFull)
        || text.contains("No space left");
    if is_full {
        return format!(
            "The disk is full: {text}. Everything saved before is intact; free some space, then \
             press Continue."
        );
    }
    if let Error::Panicked { message, .. } | Error::Internal(message) = error {
        return format!(
            "An internal error ended the training: {message}. Everything saved before is intact; \
             press Continue to resume."
        );
    }
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::train::EpochRecord;

    fn until(run: &Run, done: impl Fn(&TrainProgress) -> bool) -> TrainProgress {
        let start = Instant::now();
        loop {
            let (progress, _) = run.shared.newer(0).unwrap();
            if done(&progress) {
                return progress;
            }
            assert!(start.elapsed() < Duration::from_mins(2), "{progress:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn progress() -> TrainProgress {
        TrainProgress::new("run".into(), "sfm".into(), 3)
    }

    /// Fails when a panic in the training thread crashes the window or is not reported.
    #[test]
    fn a_panic_becomes_a_message() {
        let run = Run::spawn(progress(), &Waker::default(), |_, _, _| {
            panic!("index 7 of 3")
        })
        .unwrap();
        let progress = until(&run, |s| s.phase.is_over());
        let Phase::Failed(text) = progress.phase else {
            panic!("{:?}", progress.phase);
        };
        assert!(text.contains("internal error") && text.contains("index 7 of 3"));
    }

    /// Fails when a full disk is reported as an operating system error code.
    #[test]
    fn a_full_disk_is_explained_in_plain_words() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::io("write", Path::new("state.safetensors"))(full);
        assert!(explain(&error).starts_with("The disk is full: cannot write state"));
        let error = Error::Failed("the loss became NaN".to_owned());
        assert_eq!(explain(&error), "The loss became NaN");
    }

    /// Fails when a training resumed in a new window shows the people as predicted by other weights
    /// than those on offer, or images that are shown already are predicted again.
    #[test]
    fn a_resumed_training_shows_the_weights_on_offer() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("best.safetensors"), "").unwrap();
        let mut progress = progress();
        progress.folder = folder.path().to_owned();
        let record = |epoch, pck| EpochRecord {
            epoch,
            step: epoch,
            lr: 0.1,
            loss: None,
            pck: Some(pck),
            oks_ap: None,
            secs: 1.0,
            images_per_sec: 1.0,
            broken: 0,
            gates: std::collections::BTreeMap::new(),
        };
        progress.history = vec![record(0, 0.8), record(1, 0.9), record(2, 0.85)];
        let shared = SharedProgress::new(progress, Waker::default());
        let asked = std::sync::Mutex::new(Vec::new());
        let of = |epoch| HeldOutImages {
            epoch,
            people: Vec::new(),
        };
        let look = |weights: Option<&Path>, epoch| {
            let name = weights.and_then(Path::file_name).map(ToOwned::to_owned);
            asked.lock().unwrap().push((name, epoch));
            Some(of(epoch))
        };
        recall(&shared, look);
        recall(&shared, look);
        let best = Some("best.safetensors".into());
        assert_eq!(*asked.lock().unwrap(), [(None, 0), (best, 1)]);
        // The next epoch is no better.
        shared.update(true, |progress| progress.show_held_out(Arc::new(of(3))));
        shared.update(true, |progress| progress.take(Event::Epoch(record(3, 0.9))));
        let progress = shared.into_progress();
        let epoch = |images: Option<Arc<HeldOutImages>>| images.map(|images| images.epoch);
        let shown = [progress.before, progress.now, progress.after].map(epoch);
        assert_eq!(shown, [Some(0), Some(3), Some(1)]);
    }

    /// Fails when a pause does not hold, cannot be ended, or overrides `Stop`.
    #[test]
    fn pauses_hold_until_resumed_or_stopped() {
        let work = |_: &Sender<Event>, control: &TrainControl, shared: &SharedProgress| {
            let on_pause = || shared.update(true, |s| s.phase = Phase::Paused);
            let mut n = 0;
            while let Some(flag) = control.next_stretch(on_pause) {
                n += 1;
                shared.update(true, |s| (s.phase, s.step) = (Phase::Running, n));
                while !flag.is_stopped() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Ok(Phase::Stopped)
        };
        let run = Run::spawn(progress(), &Waker::default(), work).unwrap();
        until(&run, |s| s.step == 1);
        run.control.ask(Requested::Pause);
        until(&run, |s| s.phase == Phase::Paused);
        run.control.ask(Requested::Go);
        until(&run, |s| s.step == 2 && s.phase == Phase::Running);
        run.control.ask(Requested::Stop);
        run.control.ask(Requested::Go);
        until(&run, |s| s.phase == Phase::Stopped);
        assert_eq!(run.control.requested(), Requested::Stop);
        run.close();
    }
}

//! A running training: one thread trains, another folds its events into the [`TrainProgress`];
//! neither waits for the window, nor the window for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::train::checkpoint::STATE;
use poselens_engine::train::{Event, HeldOutPose, StopReason, Trainer};
use poselens_engine::{Error, Result};

use crate::gui::training::control::{Requested, TrainControl};
use crate::gui::training::progress::{HeldOutImages, Phase, TrainProgress};
use crate::gui::training::shared::SharedProgress;
use crate::gui::waker::Waker;
use crate::gui::wording::in_window;

/// Capacity for events while images are drawn; the trainer drops step events beyond it.
const N_NEWS: usize = 64;
/// Height of a held-out image in pixels.
const IMAGE_HEIGHT: usize = 224;
/// Time limit for stopping: a step and saving take seconds; validation stops at once.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// Runs `work` on a thread. It sends its events, returns the phase in which it has ended, and
    /// shows `progress` meanwhile.
    ///
    /// # Errors
    /// If the operating system cannot create threads.
    pub fn spawn(
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
                shown.update(true, |progress| {
                    progress.can_continue = is_saved(progress);
                    progress.end(phase);
                });
                Ok(())
            },
            move |error| {
                tracing::error!(%error, "the training failed");
                failed.update(true, |progress| {
                    progress.can_continue = is_saved(progress);
                    let text = explain(&error, progress.can_continue);
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

/// Trains in segments with pauses in between. Returns the phase in which it has ended: finished or
/// stopped.
///
/// # Errors
/// Those of [`Trainer::run`].
pub fn run_segments(
    trainer: &mut Trainer,
    events: &Sender<Event>,
    control: &TrainControl,
    shared: &SharedProgress,
) -> Result<Phase> {
    let on_pause = || shared.update(true, |progress| progress.phase = Phase::Paused);
    while let Some(segment) = control.next_segment(on_pause) {
        shared.update(true, |progress| progress.phase = Phase::Running);
        if trainer.run(None, events, &segment)? == StopReason::Finished {
            return Ok(Phase::Finished);
        }
    }
    Ok(Phase::Stopped)
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
                let is_saved = matches!(event, Event::Saved { .. });
                shared.update(is_urgent, |progress| progress.take(event));
                if is_saved && let Some((progress, _)) = shared.newer(0) {
                    let stored = progress.losses.store(&progress.folder);
                    stored.unwrap_or_else(|error| tracing::warn!("no loss curve: {error}"));
                }
            }
        }
    }
}

/// Draws people of the hold-out with their labels and with the predictions after `epoch`.
pub fn held_out_images(epoch: u64, people: &[HeldOutPose]) -> HeldOutImages {
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

/// Returns whether the folder of a training has a state from which it can be resumed.
fn is_saved(progress: &TrainProgress) -> bool {
    progress.folder.join(STATE).is_file()
}

/// Explains in plain words an error that has ended a training, and what to do about it.
fn explain(error: &Error, can_continue: bool) -> String {
    let advice = if can_continue {
        "press Continue"
    } else {
        "start the training again"
    };
    let text = in_window(&error.to_string());
    let text = text.replace(
        "(--annotations, --val-annotations)",
        &format!("on the right, then {advice}"),
    );
    let kept = if can_continue {
        "Everything saved before is intact"
    } else {
        "Nothing was trained yet"
    };
    let is_full = matches!(error, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::StorageFull)
        || text.contains("No space left");
    if is_full {
        return format!("The disk is full: {text}. {kept}; free some space, then {advice}.");
    }
    if let Error::Panicked { message, .. } | Error::Internal(message) = error {
        return format!("An internal error ended the training: {message}. {kept}; {advice}.");
    }
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

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
        assert!(explain(&error, true).starts_with("The disk is full: cannot write state"));
        let error = Error::Failed("the loss became NaN".to_owned());
        assert_eq!(explain(&error, true), "The loss became NaN");
    }

    /// Fails when a training that has saved nothing is to be continued, or one that was saved is to
    /// begin again.
    #[test]
    fn only_a_saved_training_is_to_be_continued() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let errors = [
            Error::io("write", Path::new("train.coco.json"))(full),
            Error::Internal("index 7 of 3".to_owned()),
            Error::Invalid("give them (--annotations, --val-annotations)".to_owned()),
        ];
        for error in errors {
            let [saved, unsaved] = [true, false].map(|is_saved| explain(&error, is_saved));
            assert!(saved.contains("press Continue"), "{saved}");
            assert!(!unsaved.contains("Continue"), "{unsaved}");
            assert!(unsaved.contains("start the training again"), "{unsaved}");
        }
        let folder = tempfile::tempdir().unwrap();
        let fail = |is_saved: bool| {
            let progress = TrainProgress::new(folder.path().to_owned(), "sfm".into(), 3);
            if is_saved {
                std::fs::write(folder.path().join(STATE), "").unwrap();
            }
            let run = Run::spawn(progress, &Waker::default(), |_, _, _| {
                Err(Error::Internal("index 7 of 3".to_owned()))
            });
            until(&run.unwrap(), |s| s.phase.is_over())
        };
        for is_saved in [false, true] {
            let progress = fail(is_saved);
            assert_eq!(progress.can_continue, is_saved);
            let Phase::Failed(text) = progress.phase else {
                panic!("{:?}", progress.phase);
            };
            assert_eq!(text.contains("press Continue"), is_saved, "{text}");
        }
    }

    /// Fails when a pause does not hold, cannot be ended, or overrides `Stop`.
    #[test]
    fn pauses_hold_until_resumed_or_stopped() {
        let work = |_: &Sender<Event>, control: &TrainControl, shared: &SharedProgress| {
            let on_pause = || shared.update(true, |s| s.phase = Phase::Paused);
            let mut n = 0;
            while let Some(flag) = control.next_segment(on_pause) {
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

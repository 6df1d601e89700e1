//! What the thread of a training on a project does.

use std::path::PathBuf;

use crossbeam::channel::Sender;
use poselens_engine::Result;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::finetune::{
    FinetuneOptions, Prepared, RunLock, discard_unbegun, measure, prepare,
};
use poselens_engine::project::Contents;
use poselens_engine::train::{Event, Hardware, ResumeOptions, Trainer};

use crate::gui::training::control::TrainControl;
use crate::gui::training::progress::{Phase, TrainProgress};
use crate::gui::training::run::{Run, run_segments};
use crate::gui::training::series::Series;
use crate::gui::training::shared::SharedProgress;
use crate::gui::waker::Waker;

/// What a training begins with.
#[derive(Debug, Clone)]
pub enum Job {
    /// A new run.
    Begin(FinetuneOptions),
    /// The run in this folder, which was stopped.
    Continue(PathBuf),
}

/// Trains on `contents` and measures the result.
///
/// # Errors
/// If the operating system cannot create threads.
pub fn start(contents: Contents, job: Job, hardware: Hardware, waker: &Waker) -> Result<Run> {
    let folder = match &job {
        Job::Begin(_) => contents.folder(),
        Job::Continue(folder) => folder,
    };
    let model = contents.file().model.clone();
    let progress = TrainProgress::new(folder.to_owned(), model, 0);
    Run::spawn(progress, waker, move |events, control, shared| {
        train(&contents, job, hardware, (events, control, shared))
    })
}

/// Shows what is done besides training.
fn aside(shared: &SharedProgress, what: &'static str) -> impl FnMut(usize, usize) {
    move |done, all| {
        shared.update(done == 0, |progress| {
            progress.aside = Some((what, done, all));
        });
    }
}

/// Where a training reports to, and what controls it.
type Around<'a> = (&'a Sender<Event>, &'a TrainControl, &'a SharedProgress);

fn train(
    contents: &Contents,
    job: Job,
    hardware: Hardware,
    (events, control, shared): Around<'_>,
) -> Result<Phase> {
    let stop: StopFlag = control.flag();
    // The run is locked until it is measured.
    let (mut trainer, folder, _lock) = match job {
        Job::Begin(options) => {
            let mut progress = aside(shared, "Writing frames");
            progress(0, 0);
            let prepared = match prepare(contents, &options, hardware, &mut progress, &stop) {
                Err(error) if error.is_cancelled() => return Ok(Phase::Stopped),
                other => other?,
            };
            let Prepared {
                folder,
                config,
                file,
                lock,
                ..
            } = prepared;
            shared.update(true, |progress| {
                progress.folder.clone_from(&folder);
                progress.epochs = config.epochs;
                progress.aside = None;
                for remark in file.remarks {
                    progress.say(remark);
                }
            });
            let trainer = Trainer::begin(config, &folder, hardware);
            if trainer.is_err() {
                discard_unbegun(&folder);
            }
            (trainer?, folder, lock)
        }
        Job::Continue(folder) => {
            let lock = RunLock::take(&folder)?;
            let trainer = Trainer::resume_with(&folder, &ResumeOptions::default(), hardware)?;
            let losses = Series::recalled(&folder, trainer.history());
            shared.update(false, |progress| {
                progress.epochs = trainer.config().epochs;
                progress.history = trainer.history().to_vec();
                progress.losses = losses;
            });
            (trainer, folder, lock)
        }
    };
    let ended = run_segments(&mut trainer, events, control, shared);
    // Its memory is not needed any more, and its files are closed.
    drop(trainer);
    match ended {
        Ok(Phase::Finished) => {}
        ended => {
            discard_unbegun(&folder);
            return ended;
        }
    }
    let mut progress = aside(shared, "Measuring the result");
    progress(0, 0);
    match measure(contents, &folder, hardware, &mut progress, &control.flag()) {
        Err(error) if error.is_cancelled() => Ok(Phase::Stopped),
        other => other.map(|_| Phase::Finished),
    }
}

//! What the thread of a training does, and what is shown of an earlier training.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam::channel::Sender;
use poselens_engine::Result;
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{
    DataConfig, Event, Hardware, RelocatedData, ResumeOptions, TrainConfig, Trainer,
    predict_held_out,
};

use crate::gui::training::control::TrainControl;
use crate::gui::training::progress::{HeldOutImages, Phase, TrainProgress, is_fresh};
use crate::gui::training::run::{Run, held_out_images, run_segments};
use crate::gui::training::shared::SharedProgress;
use crate::gui::views::train::running::in_use::{AtWork, measure_in_use};
use crate::gui::waker::Waker;

/// What a training thread does.
#[derive(Debug, Clone)]
pub(in crate::gui::views::train) enum Job {
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

/// Starts a training in `folder`; `shown` is the progress on display, possibly of the same
/// training.
///
/// # Errors
/// If the operating system cannot create threads.
pub(in crate::gui::views::train) fn start(
    job: Job,
    folder: PathBuf,
    shown: Option<&TrainProgress>,
    hardware: Hardware,
    in_use: Option<String>,
    waker: &Waker,
) -> Result<Run> {
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
    Run::spawn(progress, waker, move |events, control, shared| {
        let at_work = AtWork {
            folder: &folder,
            hardware,
            in_use,
        };
        train(job, &at_work, events, control, shared)
    })
}

/// Runs on the thread of the training.
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
    run_segments(&mut trainer, events, control, shared)
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
pub(in crate::gui::views::train) fn progress_of(
    folder: &Path,
    hardware: Hardware,
) -> Result<TrainProgress> {
    let run = RunEntry::read(folder)?;
    let shared = SharedProgress::new(TrainProgress::of_run(&run), Waker::default());
    recall(&shared, |weights, epoch| {
        looked(&run.config, weights, epoch, hardware)
    });
    Ok(shared.into_progress())
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::train::EpochRecord;

    /// Fails when a training resumed in a new window shows the people as predicted by other weights
    /// than those on offer, or images that are shown already are predicted again.
    #[test]
    fn a_resumed_training_shows_the_weights_on_offer() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("best.safetensors"), "").unwrap();
        let mut progress = TrainProgress::new("run".into(), "sfm".into(), 3);
        progress.folder = folder.path().to_owned();
        let record = |epoch, pck| EpochRecord {
            hits: Vec::new(),
            epoch,
            step: epoch,
            lr: 0.1,
            loss: None,
            pck: Some(pck),
            oks_ap: None,
            pck_parts: std::collections::BTreeMap::new(),
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
}

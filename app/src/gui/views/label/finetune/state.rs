//! State of the page Train.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use poselens_engine::finetune::{FrameResult, Gate, RunInfo, UnusableRun};
use poselens_engine::project::FrameKey;

use crate::gui::training::progress::TrainProgress;
use crate::gui::training::run::Run;
use crate::gui::views::label::finetune::player::Player;
use crate::gui::views::label::finetune::review::Review;
use crate::gui::views::label::published::ProjectInfo;

/// State of the page Train.
#[derive(Debug, Default)]
pub struct Finetune {
    /// The project as it is on disk.
    pub review: Option<Arc<Review>>,
    /// Number of the request that starts a training, until it is answered.
    pub(in crate::gui::views::label) starting: Option<u64>,
    /// The running training, or the last one.
    pub run: Option<Run>,
    /// Folder of the project that it trains on.
    pub trained: Option<PathBuf>,
    /// What that project is called.
    pub trained_name: String,
    /// Its progress.
    pub progress: Option<TrainProgress>,
    /// Version of the displayed progress.
    pub(in crate::gui::views::label) seen: u64,
    /// Folder of the run whose result is shown.
    pub shown: Option<PathBuf>,
    /// Folder of the run that is deleted if the user says so.
    pub asking: Option<PathBuf>,
    /// The version in use has changed.
    pub(in crate::gui::views::label) is_version_new: bool,
    /// Held-out frames of that result.
    pub player: Player,
}

impl Finetune {
    /// Returns whether a training is running or paused.
    pub fn is_active(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.is_over())
    }

    /// Returns the progress of the training if it is one on the project in `folder`.
    pub fn progress_of(&self, folder: &Path) -> Option<&TrainProgress> {
        let is_of = self.trained.as_deref() == Some(folder);
        self.progress.as_ref().filter(|_| is_of)
    }

    /// Returns the run whose result is shown.
    pub fn shown_run(&self) -> Option<&RunInfo> {
        self.review.as_ref()?.run(self.shown.as_deref()?)
    }

    /// Returns the run that is shown if it can only be deleted.
    pub fn shown_unusable(&self) -> Option<&UnusableRun> {
        let shown = self.shown.as_deref()?;
        let mut unusable = self.review.as_ref()?.outcomes.runs.unusable.iter();
        unusable.find(|run| run.folder == shown)
    }

    /// Returns the measurement that is shown.
    pub fn gate(&self) -> Option<&Gate> {
        self.shown_run()?.gate.as_ref()
    }

    /// Returns the held-out frame that is shown.
    pub fn result(&self) -> Option<&FrameResult> {
        self.gate()?.frames.get(self.player.index)
    }

    /// Returns why no training can start, and what to do about it.
    pub fn obstacle(&self, folder: &Path) -> Option<String> {
        if self.is_active() {
            return Some(match self.progress_of(folder) {
                Some(_) => "a training is running".to_owned(),
                None => "a training on another project is running".to_owned(),
            });
        }
        match self.review.as_deref() {
            None => Some("the labels are being read".to_owned()),
            Some(review) => review.plan.as_ref().err().cloned(),
        }
    }

    /// Follows a training that was started on `project`.
    pub(in crate::gui::views::label) fn follow_run(&mut self, run: Run, project: &ProjectInfo) {
        self.run = Some(run);
        self.trained = Some(project.folder.clone());
        self.trained_name = project.title();
        self.progress = None;
        self.seen = 0;
        self.show_run(None);
    }

    /// Takes a review of the project that is shown.
    pub(in crate::gui::views::label) fn take_review(&mut self, review: Option<Arc<Review>>) {
        let Some(review) = review else {
            // Another project is open.
            self.review = None;
            self.show_run(None);
            return;
        };
        let is_known = self
            .shown
            .as_ref()
            .is_some_and(|shown| review.run(shown).is_some());
        let newest = review
            .outcomes
            .runs
            .known
            .iter()
            .find(|run| run.gate.is_some() || run.has_begun);
        let newest = newest.map(|run| run.folder.clone());
        let is_first = self.review.is_none();
        self.review = Some(review);
        if is_first && !is_known {
            self.show_run(newest);
        }
    }

    /// Shows the result of a run.
    pub(in crate::gui::views::label) fn show_run(&mut self, folder: Option<PathBuf>) {
        self.shown = folder;
        self.asking = None;
        self.player.show(0);
    }

    /// Returns the held-out frame of the result that is to be shown, in the project of `info`.
    pub(in crate::gui::views::label) fn wanted_frame(
        &self,
        info: &ProjectInfo,
    ) -> Option<std::result::Result<FrameKey, String>> {
        let result = self.result()?;
        let mut clips = info.file.clips.iter();
        Some(match clips.find(|clip| clip.name == result.clip) {
            Some(clip) => Ok(FrameKey::new(clip.id, result.frame)),
            None => Err(format!(
                "the clip {} is not in the project any more",
                result.clip
            )),
        })
    }
}

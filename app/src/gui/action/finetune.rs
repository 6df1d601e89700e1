//! Actions of the page Train of the Label view.

use std::path::PathBuf;

use poselens_shaders::view::Zoom;

use crate::gui::state::label::FinetuneChoices;

/// An action of the page Train.
#[derive(Debug, Clone, PartialEq)]
pub enum FinetuneAction {
    /// Set the options of the next training.
    Configure(FinetuneChoices),
    /// Start a training.
    Start,
    /// Resume the training in the folder of this run, and measure it.
    Continue(PathBuf),
    /// Pause or resume the running training.
    Pause,
    /// Stop the running training.
    Stop,
    /// Show the result of this run.
    ShowRun(PathBuf),
    /// Show this held-out frame of the result.
    ShowResult(usize),
    /// Set zoom and position of the held-out frame.
    Zoom(Zoom),
    /// Use the weights of this run from now on.
    Accept(String),
    /// Keep the weights in use; closes the result.
    KeepOld,
    /// Ask whether to delete the run in this folder; `None` withdraws the question.
    AskRemove(Option<PathBuf>),
    /// Delete the run in this folder for good.
    Remove(PathBuf),
    /// Use this version from now on; 0 for the bundled weights.
    UseVersion(u32),
    /// Use the version before the present one.
    RollBack,
    /// Hold out a part of the clips added since the last choice.
    AddHoldout,
    /// Compare the labels with the model's predictions.
    Compare,
    /// Cancel the comparison.
    CancelCompare,
    /// Show the place of this finding.
    ShowFinding(usize),
}

//! Actions of the Train view.

use std::path::PathBuf;

use poselens_engine::train::TrainConfig;

use crate::gui::state::train::Role;

/// Dialogs of the Train view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A label file.
    Labels(Role),
    /// A folder with labels and images.
    Clip(Role),
    /// The folder of the images.
    Pictures(Role),
    /// A weights file to start from.
    Weights,
    /// The output folder of the next training.
    Out,
    /// The folder of an earlier training.
    Run,
}

/// A page of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Findings of the data check.
    Data,
    /// A batch of samples exactly as the network sees them.
    Preview,
    /// Progress of the training.
    Progress,
}

/// An action of the Train view.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainAction {
    /// Set the options.
    Configure(Box<TrainConfig>),
    /// Set the model and take the options of a recipe, by their names.
    Recipe(String, String),
    /// Set the output folder; `None` creates a new one.
    Out(Option<PathBuf>),
    /// Set the number of training threads.
    Threads(usize),
    /// Turn the logarithmic scale of the loss on or off.
    LogScale(bool),
    /// Show a dialog.
    Ask(Ask),
    /// A dialog was answered, or a path was dropped on the window.
    Answer(Ask, PathBuf),
    /// Switch to this page.
    Show(Page),
    /// Check the data sets.
    Check,
    /// Preview a batch; if one is already shown, the next.
    Preview,
    /// Start the training.
    Start,
    /// Pause or resume the training.
    Pause,
    /// Stop the training; it can be resumed later.
    Stop,
    /// Search for earlier trainings on disk.
    List,
    /// Show the results of an earlier training.
    Open(PathBuf),
    /// Resume the training in this folder, optionally up to a different number of epochs.
    Continue(PathBuf, Option<u64>),
    /// Stop offering to resume the interrupted training.
    Forget,
    /// Use the trained weights in the live view.
    Use,
    /// Keep the previous weights.
    KeepOld,
}

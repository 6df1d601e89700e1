//! What the user asks of the Train view.

use std::path::PathBuf;

use poselens_engine::train::TrainConfig;

use crate::gui::state::train::Role;

/// What a dialog asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A file of labels.
    Labels(Role),
    /// A folder with labels and pictures.
    Clip(Role),
    /// The folder of the pictures.
    Pictures(Role),
    /// A file of weights to start from.
    Weights,
    /// The folder of the next training.
    Out,
    /// A training on disk.
    Run,
}

/// What is on the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// What is wrong with the data.
    Data,
    /// A batch as the network will get it.
    Preview,
    /// How the training goes.
    Progress,
}

/// What the user does in this view.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainAction {
    /// Choose these options.
    Configure(Box<TrainConfig>),
    /// Take this model with the options of this recipe.
    Recipe(String, String),
    /// Write into this folder; `None` makes a new one.
    Out(Option<PathBuf>),
    /// Train with so many threads.
    Threads(usize),
    /// Draw the loss on a logarithmic scale.
    LogScale(bool),
    /// Ask for a file or folder.
    Ask(Ask),
    /// It was answered, or dropped on the window.
    Answer(Ask, PathBuf),
    /// Look at this page.
    Show(Page),
    /// Check the data.
    Check,
    /// Show a batch; the next one where one is shown.
    Preview,
    /// Begin.
    Start,
    /// Wait, or go on.
    Pause,
    /// End; it can go on later.
    Stop,
    /// Look for trainings on disk.
    List,
    /// Show what a training on disk has learned.
    Open(PathBuf),
    /// Go on with the training in this folder; with a number, to so many epochs.
    Continue(PathBuf, Option<u64>),
    /// Do not offer the training that was interrupted any more.
    Forget,
    /// Use the weights learned.
    Use,
    /// Use the weights from before.
    KeepOld,
}

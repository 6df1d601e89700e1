//! File and folder dialogs.

use std::path::Path;
use std::time::Instant;

use poselens_engine::Result;
use poselens_engine::concurrency::Worker;

use crate::gui::action::Action;
use crate::gui::action::train::{Ask, TrainAction};
use crate::gui::tasks::{TaskResult, Tasks, UNSEEN, block_on, in_folder};

impl Tasks {
    /// Opens a file or folder dialog. It is created on this thread, as macOS requires, and awaited
    /// on another.
    pub(super) fn ask_for(&self, ask: Ask, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder);
        let dialog = match ask {
            Ask::Labels(_) => dialog
                .set_title("Choose a file of labels")
                .add_filter("Labels", &["json", "mat"])
                .add_filter("All files", &["*"]),
            Ask::Clip(_) => dialog.set_title("Choose a folder with labels and images"),
            Ask::Pictures(_) => dialog.set_title("Choose the image folder"),
            Ask::Weights => dialog
                .set_title("Choose weights to start from")
                .add_filter("Weights", &["safetensors"]),
            Ask::Out => dialog.set_title("Choose a folder for the training"),
            Ask::Run => dialog.set_title("Choose the folder of a training"),
        };
        let is_file = matches!(ask, Ask::Labels(_) | Ask::Weights);
        let (file, folder) = if is_file {
            (Some(dialog.pick_file()), None)
        } else {
            (None, Some(dialog.pick_folder()))
        };
        self.task("training dialog", move || {
            let start = Instant::now();
            let answer = match (file, folder) {
                (Some(file), _) => block_on(file),
                (_, Some(folder)) => block_on(folder),
                _ => None,
            };
            match answer {
                Some(file) => {
                    let path = file.path().to_owned();
                    let answer = TrainAction::Answer(ask, path.clone());
                    TaskResult::Picked(Some((path, Action::Train(answer))))
                }
                None if start.elapsed() < UNSEEN => TaskResult::NoDialog,
                None => TaskResult::Picked(None),
            }
        })
    }
}

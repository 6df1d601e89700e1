//! File and folder dialogs.

use std::path::Path;

use poselens_engine::Result;
use poselens_engine::concurrency::Worker;

use crate::gui::action::Action;
use crate::gui::action::train::{Ask, TrainAction};
use crate::gui::tasks::{Tasks, in_folder};

impl Tasks {
    /// Opens a dialog for a file or a folder.
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
        self.pick(dialog, is_file, move |path| {
            let action = TrainAction::Answer(ask, path.to_owned());
            (path.to_owned(), Action::Train(action))
        })
    }
}

//! File and folder dialogs.

use std::path::Path;

use poselens_engine::Result;
use poselens_engine::concurrency::Worker;
use poselens_engine::source::video;

use crate::gui::action::Action;
use crate::gui::action::label::{Ask, LabelAction};
use crate::gui::tasks::{Tasks, in_folder};

impl Tasks {
    /// Opens a dialog for a file or a folder.
    pub(super) fn ask_to_label(&self, ask: Ask, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder);
        let dialog = match ask {
            Ask::Project => dialog.set_title("Choose the folder of a label project"),
            Ask::Clip => dialog
                .set_title("Choose a video to label")
                .add_filter("Videos", video::EXTENSIONS)
                .add_filter("All files", &["*"]),
            Ask::ClipFolder => dialog.set_title("Choose a recording or a folder of images"),
        };
        self.pick(dialog, ask == Ask::Clip, move |path| {
            let path = path.to_owned();
            let action = match ask {
                Ask::Project => LabelAction::Open(path.clone()),
                Ask::Clip | Ask::ClipFolder => LabelAction::OpenPaths(vec![path.clone()]),
            };
            (path, Action::Label(action))
        })
    }
}

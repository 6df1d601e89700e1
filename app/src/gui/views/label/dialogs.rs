//! File and folder dialogs.

use std::path::Path;
use std::time::Instant;

use poselens_engine::Result;
use poselens_engine::concurrency::Worker;
use poselens_engine::source::video;

use crate::gui::action::Action;
use crate::gui::action::label::{Ask, LabelAction};
use crate::gui::tasks::{TaskResult, Tasks, UNSEEN, block_on, in_folder};

impl Tasks {
    /// Opens a file or folder dialog. It is created on this thread, as macOS requires, and awaited
    /// on another.
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
        let (file, folder) = if ask == Ask::Clip {
            (Some(dialog.pick_file()), None)
        } else {
            (None, Some(dialog.pick_folder()))
        };
        self.task("label dialog", move || {
            let start = Instant::now();
            let answer = match (file, folder) {
                (Some(file), _) => block_on(file),
                (_, Some(folder)) => block_on(folder),
                _ => None,
            };
            match answer {
                Some(file) => {
                    let path = file.path().to_owned();
                    let answer = match ask {
                        Ask::Project => LabelAction::Open(path.clone()),
                        Ask::Clip | Ask::ClipFolder => LabelAction::OpenPaths(vec![path.clone()]),
                    };
                    TaskResult::Picked(Some((path, Action::Label(answer))))
                }
                None if start.elapsed() < UNSEEN => TaskResult::NoDialog,
                None => TaskResult::Picked(None),
            }
        })
    }
}

//! File and folder dialogs.

use std::path::Path;

use poselens_engine::Result;
use poselens_engine::concurrency::Worker;

use crate::gui::dialog::{Answer, answer};
use crate::gui::tasks::{TaskResult, Tasks, in_folder, open_action};
use crate::gui::views::inspect::export::ExportPlan;

impl Tasks {
    /// Opens a dialog for a folder of images or of a recording.
    pub(super) fn choose_folder(&self, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder)
            .set_title("Open a recording or a folder of images");
        self.pick(dialog, false, open_action)
    }

    /// Asks for a destination and writes there; if the system has no dialog, writes to the plan's
    /// default path.
    pub(super) fn save_as(&self, mut plan: ExportPlan) -> Result<Worker> {
        let name = plan.path.file_name().unwrap_or_default();
        let mut dialog = rfd::AsyncFileDialog::new()
            .set_title("Save the view")
            .set_file_name(name.to_string_lossy());
        if let Some(folder) = plan.path.parent() {
            dialog = dialog.set_directory(folder);
        }
        let dialog = dialog.save_file();
        self.task("save dialog", move || {
            match answer(dialog) {
                Answer::Picked(file) => file.path().clone_into(&mut plan.path),
                Answer::NoDialog => {}
                Answer::Cancelled => return TaskResult::Picked(None),
            }
            TaskResult::Saved(plan.write())
        })
    }
}

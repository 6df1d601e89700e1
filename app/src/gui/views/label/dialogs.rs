//! File and folder dialogs.

use std::path::{Path, PathBuf};

use poselens_engine::Result;
use poselens_engine::concurrency::Worker;
use poselens_engine::source::video;

use crate::gui::action::Action;
use crate::gui::action::label::{Ask, LabelAction, LabelFormat};
use crate::gui::dialog::{Answer, answer};
use crate::gui::tasks::{TaskResult, Tasks, in_folder};

/// Folder in that of a project for exports where the system has no dialog.
const EXPORTS: &str = "exports";

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
            Ask::Import | Ask::Export(_) => dialog
                .set_title("Choose labels to import")
                .add_filter("COCO JSON, DeepLabCut CSV", &["json", "csv"])
                .add_filter("All files", &["*"]),
        };
        let is_file = !matches!(ask, Ask::Project | Ask::ClipFolder);
        self.pick(dialog, is_file, move |path| {
            let path = path.to_owned();
            let action = match ask {
                Ask::Project => LabelAction::Open(path.clone()),
                Ask::Clip | Ask::ClipFolder => LabelAction::OpenPaths(vec![path.clone()]),
                Ask::Import | Ask::Export(_) => LabelAction::Import(path.clone()),
            };
            (path, Action::Label(action))
        })
    }

    /// Asks to which file the labels of the project in `project` are exported; without a dialog, to a
    /// new one in its folder.
    pub(super) fn ask_to_export(
        &self,
        format: LabelFormat,
        folder: Option<&Path>,
        project: &Path,
    ) -> Result<Worker> {
        let (name, kind, extension) = match format {
            LabelFormat::Coco => ("labels.json", "COCO keypoints", "json"),
            LabelFormat::Dlc => ("labels.csv", "DeepLabCut table", "csv"),
        };
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder)
            .set_title("Export labels")
            .set_file_name(name)
            .add_filter(kind, &[extension])
            .save_file();
        let exports = project.join(EXPORTS);
        self.task("export dialog", move || {
            let path = match answer(dialog) {
                Answer::Picked(file) => file.path().to_owned(),
                Answer::NoDialog => unused(&exports, extension),
                Answer::Cancelled => return TaskResult::Picked(None),
            };
            let action = LabelAction::Export(format, path.clone());
            TaskResult::Picked(Some((path, Action::Label(action))))
        })
    }
}

/// Returns the path of a file in `folder`, which is created, that does not exist.
fn unused(folder: &Path, extension: &str) -> PathBuf {
    if let Err(error) = std::fs::create_dir_all(folder) {
        // Writing the file says so.
        tracing::warn!("{}: {error}", folder.display());
    }
    let numbered = (2..u32::MAX).map(|n| folder.join(format!("labels-{n}.{extension}")));
    let first = folder.join(format!("labels.{extension}"));
    let mut paths = std::iter::once(first.clone()).chain(numbered);
    paths.find(|path| !path.exists()).unwrap_or(first)
}

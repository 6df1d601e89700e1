//! Background tasks of the window: dialogs, camera lists, writing images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam::channel::Sender;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::pipeline::session::SessionEntry;
use poselens_engine::send::Streams;
use poselens_engine::source::{image, video};
use poselens_engine::{Error, Result};

use crate::gui::action::{Action, RecordAsk, WindowAction};
use crate::gui::context::SourceChoice;
use crate::gui::dialog::{Answer, answer};
use crate::gui::listing::Listing;
use crate::gui::waker::Waker;

/// Result of a background task.
pub enum TaskResult {
    Cameras(Result<Vec<SourceChoice>>),
    /// A file dialog was answered: the path, and the action to run with it.
    Picked(Option<(PathBuf, Action)>),
    /// The system has no file dialog.
    NoDialog,
    /// Files or folders that were written.
    Saved(Result<Vec<PathBuf>>),
    /// The recordings, with the serial number of the request.
    Recordings(u64, Result<Vec<SessionEntry>>),
    /// A folder for recordings was tried: the folder, or why it cannot be used. With the serial
    /// number of the request.
    Destination(u64, std::result::Result<PathBuf, String>),
    /// A recording dialog was answered.
    RecordPicked(RecordAsk, Vec<PathBuf>),
    /// Files to record one after the other.
    Queue(Listing),
    /// Targets of joints were opened, with the serial number of the request.
    Streams(u64, Result<Arc<Streams>>),
    /// A recording's folder was renamed, moved to the bin or shown.
    Changed(std::result::Result<Option<String>, String>),
    /// Recently opened files that no longer exist.
    Missing(BTreeSet<String>),
    DeviceLost(String),
}

/// Common file extensions of videos and images.
fn media_extensions() -> Vec<&'static str> {
    let all = video::EXTENSIONS.iter().chain(image::EXTENSIONS);
    all.copied().collect()
}

/// Starts tasks and sends their results to the window.
#[derive(Clone)]
pub struct Tasks {
    pub results: Sender<TaskResult>,
    pub waker: Waker,
}

impl Tasks {
    pub fn tell(&self, result: TaskResult) {
        if self.results.try_send(result).is_err() {
            tracing::debug!("a task's message has no receiver");
        }
        self.waker.wake();
    }

    /// Runs `work` on its own thread and sends the result.
    pub fn task(
        &self,
        name: &str,
        work: impl FnOnce() -> TaskResult + Send + 'static,
    ) -> Result<Worker> {
        let tasks = self.clone();
        let run = move |_: &StopFlag| {
            tasks.tell(work());
            Ok(())
        };
        let failed = |error: Error| tracing::error!(%error, "a task of the window failed");
        Worker::spawn(name, StopFlag::new(), run, failed)
    }

    /// Opens a dialog for a file or a folder; `action` becomes the action to run with the picked
    /// path. The dialog is created on this thread, as macOS requires, and awaited on another.
    pub fn pick(
        &self,
        dialog: rfd::AsyncFileDialog,
        is_file: bool,
        action: impl FnOnce(&Path) -> (PathBuf, Action) + Send + 'static,
    ) -> Result<Worker> {
        let (file, folder) = if is_file {
            (Some(dialog.pick_file()), None)
        } else {
            (None, Some(dialog.pick_folder()))
        };
        self.task("file dialog", move || {
            let picked = match (file, folder) {
                (Some(file), _) => answer(file),
                (_, Some(folder)) => answer(folder),
                _ => Answer::Cancelled,
            };
            match picked {
                Answer::Picked(picked) => TaskResult::Picked(Some(action(picked.path()))),
                Answer::NoDialog => TaskResult::NoDialog,
                Answer::Cancelled => TaskResult::Picked(None),
            }
        })
    }

    /// Opens a dialog for a video or an image.
    pub fn choose_file(&self, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder)
            .set_title("Open a video or image")
            .add_filter("Videos and images", &media_extensions())
            .add_filter("All files", &["*"]);
        self.pick(dialog, true, open_action)
    }
}

impl Tasks {
    /// Asks for files to record, for their folder, or for the recordings folder.
    pub fn ask_recording(&self, ask: RecordAsk, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder);
        let (files, folder) = match ask {
            RecordAsk::Files => {
                let dialog = dialog
                    .set_title("Videos to be recorded")
                    .add_filter("Videos", video::EXTENSIONS)
                    .add_filter("All files", &["*"]);
                (Some(dialog.pick_files()), None)
            }
            RecordAsk::Folder => {
                let dialog = dialog.set_title("Folder of videos to be recorded");
                (None, Some(dialog.pick_folder()))
            }
            RecordAsk::Destination => {
                let dialog = dialog.set_title("Folder for recordings");
                (None, Some(dialog.pick_folder()))
            }
        };
        self.task("recordings dialog", move || {
            let picked = match (files, folder) {
                (Some(files), _) => answer(files),
                (_, Some(folder)) => answer(async { folder.await.map(|folder| vec![folder]) }),
                _ => Answer::Cancelled,
            };
            match picked {
                Answer::Picked(files) => {
                    let paths = files.iter().map(|f| f.path().to_owned()).collect();
                    TaskResult::RecordPicked(ask, paths)
                }
                Answer::NoDialog => TaskResult::NoDialog,
                Answer::Cancelled => TaskResult::Picked(None),
            }
        })
    }
}

/// Returns a chosen path with the action that opens it in the active view.
pub(super) fn open_action(path: &Path) -> (PathBuf, Action) {
    let text = path.to_string_lossy().into_owned();
    (
        path.to_owned(),
        Action::Window(WindowAction::OpenPath(text)),
    )
}

/// Sets the dialog's initial folder to that of the last choice.
pub(super) fn in_folder(
    dialog: rfd::AsyncFileDialog,
    folder: Option<&Path>,
) -> rfd::AsyncFileDialog {
    match folder {
        Some(folder) => dialog.set_directory(folder),
        None => dialog,
    }
}

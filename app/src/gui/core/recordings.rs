//! Recording, snapshots, and management of finished recordings.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use poselens_engine::frame::FramePool;
use poselens_engine::pipeline::session::{
    Annotation, AnnotationPlan, AnnotationProgress, session_folder, sessions_in,
};
use poselens_engine::pipeline::{Notify, TapProgress};
use poselens_engine::record::{save_png, stamp};
use poselens_engine::{Error, Result};

use crate::gui::action::inspect::InspectAction;
use crate::gui::action::{Action, RecordAction, RecordAsk};
use crate::gui::core::Core;
use crate::gui::core::destination::writable;
use crate::gui::listing::Listing;
use crate::gui::tasks::TaskResult;
use crate::gui::titles::{folder_name, recorded_text};
use crate::gui::trained;
use crate::gui::ui_state::{Annotating, Level, Recording};
use crate::words::counted;

impl Core {
    pub(super) fn run_record(&mut self, action: RecordAction) -> Result<()> {
        match action {
            RecordAction::Snapshot => self.snapshot(),
            RecordAction::StartStop
                if self.ui_state.recording.is_some() || self.shown_in_queue().is_some() =>
            {
                self.stop_recording()
            }
            RecordAction::StartStop if self.ui_state.source.is_none() => Ok(()),
            RecordAction::StartStop => self.start_recording(),
            RecordAction::List => {
                let folder = self.recordings_folder();
                self.n_listings += 1;
                let serial = self.n_listings;
                let list = move || TaskResult::Recordings(serial, sessions_in(&folder));
                self.workers.push(self.tasks.task("recordings list", list)?);
                Ok(())
            }
            RecordAction::Open(folder, part) => {
                let raw = self.part_source(&folder, part);
                self.run_action(Action::Inspect(InspectAction::Open(raw)));
                Ok(())
            }
            RecordAction::Play(folder, part) => {
                self.play_from(&folder, part);
                Ok(())
            }
            RecordAction::Annotate(folder, model) => self.annotate(folder, model),
            RecordAction::CancelAnnotation => {
                if let (Some(work), Some(shown)) = (&self.annotation, &mut self.ui_state.annotating)
                {
                    work.cancel();
                    shown.is_cancelled = true;
                }
                Ok(())
            }
            RecordAction::ShowFolder(folder) => self.change("file manager", move || {
                open::that_detached(&folder).map_err(|error| {
                    tracing::warn!(%error, "no file manager");
                    let folder = folder.display();
                    format!("no file manager could be started; the folder is {folder}")
                })?;
                Ok(None)
            }),
            RecordAction::Rename(folder, name) => {
                self.change("rename", move || rename(&folder, &name))
            }
            RecordAction::Delete(folder) => self.change("delete", move || {
                trash::delete(&folder).map_err(|error| {
                    let folder = folder.display();
                    format!("{folder} could not be moved to the bin and is kept: {error}")
                })?;
                Ok(Some(format!("Moved to the bin: {}", folder_name(&folder))))
            }),
            RecordAction::Destination(folder) => self.choose_destination(folder),
            RecordAction::Export(name, is_on) => {
                if is_on {
                    self.state.exports.insert(name);
                } else {
                    self.state.exports.remove(&name);
                }
                Ok(())
            }
            RecordAction::Ask(_) if self.ui_state.is_choosing => Ok(()),
            RecordAction::Ask(ask) => {
                let folder = match ask {
                    RecordAsk::Destination => Some(self.recordings_folder()),
                    RecordAsk::Files | RecordAsk::Folder => self.state.last_folder.clone(),
                };
                self.workers
                    .push(self.tasks.ask_recording(ask, folder.as_deref())?);
                self.ui_state.is_choosing = true;
                Ok(())
            }
            RecordAction::Queue(paths) => {
                let list = move || TaskResult::Queue(Listing::of(&paths));
                self.workers.push(self.tasks.task("files to record", list)?);
                Ok(())
            }
            RecordAction::StopQueue => {
                self.stop_queue();
                Ok(())
            }
        }
    }

    /// Changes a recording's folder on its own thread.
    fn change(
        &mut self,
        name: &str,
        work: impl FnOnce() -> std::result::Result<Option<String>, String> + Send + 'static,
    ) -> Result<()> {
        let task = self.tasks.task(name, move || TaskResult::Changed(work()))?;
        self.workers.push(task);
        Ok(())
    }

    /// Handles the answer to a dialog about recordings.
    pub(super) fn on_picked(&mut self, ask: RecordAsk, mut paths: Vec<PathBuf>) {
        let action = match ask {
            RecordAsk::Files | RecordAsk::Folder => {
                if let Some(folder) = paths.first().and_then(|p| p.parent()) {
                    self.state.last_folder = Some(folder.to_owned());
                }
                RecordAction::Queue(paths)
            }
            RecordAsk::Destination => RecordAction::Destination(paths.pop()),
        };
        self.run_action(Action::Record(action));
    }

    /// Sets the folder of new recordings. A chosen one is first tried on its own thread, because a
    /// sleeping disk may block.
    fn choose_destination(&mut self, folder: Option<PathBuf>) -> Result<()> {
        self.n_destinations += 1;
        let Some(folder) = folder else {
            self.state.recordings_folder = None;
            return self.run_record(RecordAction::List);
        };
        let serial = self.n_destinations;
        let check = move || TaskResult::Destination(serial, writable(&folder));
        let task = self.tasks.task("recordings folder", check)?;
        self.workers.push(task);
        Ok(())
    }

    /// Returns the folder of recordings and snapshots.
    pub(in crate::gui) fn recordings_folder(&self) -> PathBuf {
        let chosen = self.state.recordings_folder.as_ref();
        chosen.unwrap_or(&self.gui.recordings_folder).clone()
    }

    fn snapshot(&mut self) -> Result<()> {
        let Some(presented) = self.ui_state.presented.clone() else {
            return Ok(());
        };
        let name = format!("{}.png", stamp(SystemTime::now()));
        let path = self.recordings_folder().join(name);
        let save = move || {
            let picture = presented.drawn(&FramePool::new());
            TaskResult::Saved(save_png(&picture, &path).map(|()| vec![path]))
        };
        self.workers.push(self.tasks.task("snapshot", save)?);
        Ok(())
    }

    fn start_recording(&mut self) -> Result<()> {
        let Some(source) = self.ui_state.running_source.clone() else {
            return Ok(());
        };
        // The synthetic source is endless: it is recorded live, like a camera.
        let is_file = !self.ui_state.is_live() && !source.spec.starts_with(&self.gui.synthetic);
        let mut folder = PathBuf::new();
        if is_file {
            self.record_file(source.clone());
        } else {
            let name = self.ui_state.source.as_ref().map_or("", |s| &s.name);
            folder = session_folder(&self.recordings_folder(), SystemTime::now(), name);
            let (start, into) = (Arc::clone(&self.gui.start_recording), folder.clone());
            let exports = self.exports();
            self.pipeline
                .start_recording(Box::new(move |first| start(&into, first, &exports)))?;
        }
        self.ui_state.recording = Some(Recording {
            source,
            is_file,
            total: None,
            started: Instant::now(),
            folder,
            progress: None,
        });
        Ok(())
    }

    /// Starts a new recording after the source changed while recording, because a recording has a
    /// single source. The pipeline has ended a camera's recording; a file is recorded to its end.
    pub(super) fn record_new_source(&mut self) {
        let running = self.ui_state.running_source.as_ref();
        let is_other = |r: &mut Recording| Some(&r.source.spec) != running.map(|s| &s.spec);
        let Some(old) = self.ui_state.recording.take_if(is_other) else {
            return;
        };
        // In the queue, it is recorded anyway.
        if self.shown_in_queue().is_none()
            && let Err(error) = self.start_recording()
        {
            self.ui_state.say(Level::Error, error.to_string());
        }
        if let Some(new) = &self.ui_state.recording {
            let end = if old.is_file {
                "recorded to its end"
            } else {
                "not recorded any more"
            };
            let text = format!(
                "Recording goes on with {}; {} is {end}",
                new.source.label, old.source.label
            );
            self.ui_state.say(Level::Info, text);
        }
    }

    /// Returns the exporters of new recordings, in addition to the poses and COCO results.
    pub(super) fn exports(&self) -> Vec<String> {
        self.state.exports.iter().cloned().collect()
    }

    fn stop_recording(&mut self) -> Result<()> {
        let file = match &self.ui_state.recording {
            Some(recording) => recording.is_file.then(|| recording.source.clone()),
            None => self.shown_in_queue(),
        };
        if let Some(file) = file {
            self.ui_state.recording = None;
            self.stop_file(&file);
            self.show_queue();
            return Ok(());
        }
        self.pipeline.stop_recording()?;
        // Nothing was recorded yet, so no event will clear it.
        self.ui_state.recording.take_if(|r| r.progress.is_none());
        Ok(())
    }

    pub(super) fn on_recorded(&mut self, progress: &TapProgress) {
        self.ui_state
            .recording
            .take_if(|r| !r.is_file && r.folder == progress.path);
        let mut text = recorded_text(progress);
        if let Some(next) = &self.ui_state.recording {
            // The message that said so may have been replaced by this one.
            let _ = write!(text, "; recording goes on with {}", next.source.label);
        }
        self.ui_state.say(Level::Info, text);
        self.run_action(Action::Record(RecordAction::List));
    }

    fn annotate(&mut self, folder: PathBuf, name: String) -> Result<()> {
        if self.annotation.is_some() {
            return Err(Error::Failed(
                "a recording is already being annotated; wait for it or cancel it".to_owned(),
            ));
        }
        let (title, look) = (trained::title(&name), self.look(Some(&name)));
        let make = self.maker(self.ui_state.device);
        let plan = AnnotationPlan {
            folder: folder.clone(),
            model: (self.gui.describe_model)(&name),
            name: title.clone(),
            make: Box::new(move || make(&name)),
            look,
            exports: self.exports(),
        };
        let waker = self.tasks.waker.clone();
        let notify: Notify = Arc::new(move || waker.wake());
        self.annotation = Some(Annotation::start(plan, notify)?);
        self.ui_state.annotating = Some(Annotating {
            folder,
            model: title,
            progress: AnnotationProgress::default(),
            is_cancelled: false,
        });
        Ok(())
    }

    /// Updates the progress of an annotation and reports its end.
    pub(super) fn follow_annotation(&mut self) {
        let (Some(work), Some(shown)) = (&self.annotation, &mut self.ui_state.annotating) else {
            return;
        };
        shown.progress = work.progress();
        let Some(outcome) = work.try_outcome() else {
            return;
        };
        let frames = shown.progress.frames;
        let model = shown.model.clone();
        self.annotation = None;
        self.ui_state.annotating = None;
        match outcome {
            Ok(video) => {
                let text = format!(
                    "Annotated {} with {model}: {} and its poses, in {}",
                    counted(frames, "frame"),
                    folder_name(&video),
                    video.parent().unwrap_or(Path::new("")).display()
                );
                self.ui_state.say(Level::Info, text);
                self.run_action(Action::Record(RecordAction::List));
            }
            Err(error) if error.is_cancelled() => {
                let text = "The annotation was cancelled; its files are removed";
                self.ui_state.say(Level::Info, text);
            }
            Err(error) => self.ui_state.say(Level::Error, error.to_string()),
        }
    }
}

/// Renames a recording's folder; returns the message for the user.
fn rename(folder: &Path, name: &str) -> std::result::Result<Option<String>, String> {
    let name = name.trim();
    let is_name = Path::new(name).file_name() == Some(name.as_ref()) && !name.starts_with('.');
    if !is_name {
        return Err(format!(
            "'{name}' is not a valid folder name; remove slashes and leading dots"
        ));
    }
    let target = folder.with_file_name(name);
    if target == folder {
        return Ok(None);
    }
    // Renaming onto an empty folder would silently replace it.
    if target.exists() {
        return Err(format!("{} exists already", target.display()));
    }
    std::fs::rename(folder, &target)
        .map_err(|error| format!("{} could not be renamed: {error}", folder.display()))?;
    Ok(Some(format!("Renamed to {name}")))
}

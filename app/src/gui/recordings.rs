//! Recording, snapshots, and what is done with recordings afterwards.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use poselens_engine::frame::FramePool;
use poselens_engine::pipeline::session::{
    Annotation, AnnotationPlan, AnnotationProgress, session_folder, sessions_in,
};
use poselens_engine::pipeline::{Notify, TapProgress, save_png};
use poselens_engine::record::stamp;
use poselens_engine::{Error, Result};

use super::action::{Action, RecordAction, SourceAction};
use super::files::News;
use super::panels::View;
use super::session::{Annotating, Level, Recording};
use super::train::trained;
use super::{App, SourceChoice, widgets};

impl App {
    pub(super) fn run_record(&mut self, action: RecordAction) -> Result<()> {
        match action {
            RecordAction::Snapshot => self.snapshot(),
            RecordAction::StartStop if self.session.recording.is_some() => self.stop_recording(),
            RecordAction::StartStop if self.session.source.is_none() => Ok(()),
            RecordAction::StartStop => self.start_recording(),
            RecordAction::List => {
                let folder = self.gui.recordings_folder.clone();
                let list = move || News::Recordings(sessions_in(&folder));
                self.tasks.push(self.desk.task("recordings list", list)?);
                Ok(())
            }
            RecordAction::Open(folder) => {
                self.show_view(View::Inspect)?;
                let name = folder_name(&folder);
                self.open_film(&name, &recording_spec(&folder))
            }
            RecordAction::Play(folder) => {
                self.show_view(View::Live)?;
                self.run_action(Action::Source(SourceAction::Open(SourceChoice {
                    label: folder_name(&folder),
                    spec: recording_spec(&folder),
                })));
                Ok(())
            }
            RecordAction::Annotate(folder, model) => self.annotate(folder, model),
            RecordAction::CancelAnnotation => {
                if let (Some(work), Some(shown)) = (&self.annotation, &mut self.session.annotating)
                {
                    work.cancel();
                    shown.is_cancelled = true;
                }
                Ok(())
            }
        }
    }

    fn snapshot(&mut self) -> Result<()> {
        let Some(presented) = self.session.presented.clone() else {
            return Ok(());
        };
        let name = format!("{}.png", stamp(SystemTime::now()));
        let path = self.gui.recordings_folder.join(name);
        let save = move || {
            let picture = presented.drawn(&FramePool::new());
            News::Saved(save_png(&picture, &path).map(|()| path))
        };
        self.tasks.push(self.desk.task("snapshot", save)?);
        Ok(())
    }

    fn start_recording(&mut self) -> Result<()> {
        let source = self.session.source.as_ref().map_or("", |s| &s.name);
        let folder = session_folder(&self.gui.recordings_folder, SystemTime::now(), source);
        let (start, into) = (Arc::clone(&self.gui.start_recording), folder.clone());
        self.pipeline
            .start_recording(Box::new(move |first| start(&into, first)))?;
        self.session.recording = Some(Recording {
            started: Instant::now(),
            folder,
            progress: None,
        });
        Ok(())
    }

    fn stop_recording(&mut self) -> Result<()> {
        self.pipeline.stop_recording()?;
        // Nothing was recorded yet: no news will come of it.
        self.session.recording.take_if(|r| r.progress.is_none());
        Ok(())
    }

    pub(super) fn on_recorded(&mut self, progress: &TapProgress) {
        self.session.recording = None;
        let drops = match progress.drops {
            0 => String::new(),
            n => format!(", {n} dropped"),
        };
        let text = format!(
            "Recorded {}, {} frames{drops} to {}",
            widgets::clock(progress.secs),
            progress.frames,
            progress.path.display()
        );
        self.session.say(Level::Info, text);
        self.run_action(Action::Record(RecordAction::List));
    }

    fn annotate(&mut self, folder: PathBuf, name: String) -> Result<()> {
        if self.annotation.is_some() {
            return Err(Error::Invalid(
                "one recording is being annotated already; wait for it or cancel it".to_owned(),
            ));
        }
        let (title, look) = (trained::title(&name), self.look(Some(&name)));
        let make = self.maker(self.session.device);
        let plan = AnnotationPlan {
            folder: folder.clone(),
            model: (self.gui.describe_model)(&name),
            name: title.clone(),
            make: Box::new(move || make(&name)),
            look,
        };
        let waker = self.desk.waker.clone();
        let notify: Notify = Arc::new(move || waker.wake());
        self.annotation = Some(Annotation::start(plan, notify)?);
        self.session.annotating = Some(Annotating {
            folder,
            model: title,
            progress: AnnotationProgress::default(),
            is_cancelled: false,
        });
        Ok(())
    }

    /// Brings the progress of an annotation to the panels, and its end to the user.
    pub(super) fn follow_annotation(&mut self) {
        let (Some(work), Some(shown)) = (&self.annotation, &mut self.session.annotating) else {
            return;
        };
        shown.progress = work.progress();
        let Some(outcome) = work.try_outcome() else {
            return;
        };
        let was_cancelled = shown.is_cancelled;
        let frames = shown.progress.frames;
        self.annotation = None;
        self.session.annotating = None;
        match outcome {
            Ok(video) => {
                let text = format!("Annotated {frames} frames: {}", video.display());
                self.session.say(Level::Info, text);
                self.run_action(Action::Record(RecordAction::List));
            }
            Err(_) if was_cancelled => {
                let text = "The annotation was cancelled; its files are removed";
                self.session.say(Level::Info, text);
            }
            Err(error) => self.session.say(Level::Error, error.to_string()),
        }
    }
}

/// The source that is a recording's raw video.
fn recording_spec(folder: &Path) -> String {
    format!("recording:{}", folder.display())
}

/// Name of a recording's folder.
pub(super) fn folder_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

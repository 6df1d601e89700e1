//! What is true at the moment: read by panels, written where actions are run, never saved.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poselens_engine::output::AttentionMap;
use poselens_engine::pipeline::session::{AnnotationProgress, FileProgress, SessionEntry};
use poselens_engine::pipeline::{Presented, Stats, TapProgress};
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::{CameraFormats, Extent, SourceInfo, SourceStatus};
use poselens_shaders::view::Zoom;

use crate::gui::action::{Action, Sheet, ViewId};
use crate::gui::context::SourceChoice;
use crate::logs::LogLine;

/// How fast files can be played.
pub const SPEEDS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0];

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something worked.
    Info,
    /// Something is not as it should be, the program goes on.
    Warning,
    /// Something failed.
    Error,
}

/// A message to the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// How much it matters.
    pub level: Level,
    /// One line: what happened, to what, and what to do.
    pub text: String,
    /// What the retry button does, where trying again makes sense.
    pub retry: Option<Action>,
    /// Since when it can be seen.
    pub since: Instant,
}

impl Status {
    /// How long it is still shown; `None` until it is put away.
    pub fn left(&self) -> Option<Duration> {
        let whole = match self.level {
            Level::Info => Duration::from_secs(8),
            Level::Warning => Duration::from_secs(16),
            Level::Error => return None,
        };
        Some(whole.saturating_sub(self.since.elapsed()))
    }
}

/// A running recording of the source that is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The source it belongs to, as it was asked for.
    pub source: SourceChoice,
    /// It is a file, which is recorded whole beside what is shown.
    pub is_file: bool,
    /// Frames of the file, as soon as that is known.
    pub total: Option<u64>,
    /// When it was asked for.
    pub started: Instant,
    /// Its folder.
    pub folder: PathBuf,
    /// How far it is; `None` until the first picture was taken.
    pub progress: Option<TapProgress>,
}

/// Files that are recorded one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueShown {
    /// The file at work.
    pub running: Option<SourceChoice>,
    /// Its folder.
    pub folder: PathBuf,
    /// How far it is.
    pub progress: FileProgress,
    /// Names of those that wait.
    pub waiting: Vec<String>,
    /// How many ended since the queue was empty.
    pub n_ended: usize,
    /// The file at work is stopped after the frame at work.
    pub is_stopping: bool,
}

/// An attention map that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapTitle {
    /// Name in the model's specification.
    pub name: String,
    /// The same in words.
    pub title: String,
    /// What its values say.
    pub meaning: &'static str,
    /// One for the whole picture, or one for each joint.
    pub n_planes: usize,
}

impl MapTitle {
    /// Of a map that a model has made.
    pub fn of(map: &AttentionMap) -> Self {
        Self {
            name: map.name.clone(),
            title: map.title.clone(),
            meaning: map.kind.meaning(),
            n_planes: map.map.n,
        }
    }
}

/// What draws the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// It is the processor, no graphics device.
    pub is_software: bool,
}

impl Adapter {
    /// One line for people.
    pub fn text(&self) -> String {
        if self.is_software {
            format!("drawn by the CPU: {}", self.name)
        } else {
            format!("drawn by {}", self.name)
        }
    }
}

/// A recording that is being annotated anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotating {
    /// Its folder.
    pub folder: PathBuf,
    /// The model that looks at it.
    pub model: String,
    /// How far it is.
    pub progress: AnnotationProgress,
    /// The user has ended it; it stops after the frame at work.
    pub is_cancelled: bool,
}

/// What is true at the moment.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each shown by a control of its own"
)]
pub struct UiState {
    /// The view that is shown.
    pub view: ViewId,
    /// Cameras found; `None` while looking.
    pub cameras: Option<Vec<SourceChoice>>,
    /// The source frames come from.
    pub source: Option<Arc<SourceInfo>>,
    /// The source last asked for.
    pub wanted_source: Option<SourceChoice>,
    /// The source frames come from, as it was asked for.
    pub running_source: Option<SourceChoice>,
    /// How the source's device does.
    pub source_status: SourceStatus,
    /// How long the file is, as far as its index has told.
    pub extent: Option<Extent>,
    /// What the camera can deliver.
    pub formats: CameraFormats,
    /// Files opened before that are gone.
    pub missing: BTreeSet<String>,
    /// The wanted source is being opened.
    pub is_opening: bool,
    /// The model poses come from.
    pub model: Option<String>,
    /// The model being loaded.
    pub loading_model: Option<String>,
    /// What models run on: a number of [`crate::gui::context::GuiContext::devices`].
    pub device: usize,
    /// What the model being loaded will run on, if that is another one.
    pub loading_device: Option<usize>,
    /// The model last asked for.
    pub wanted_model: Option<String>,
    /// A worker has crashed: the next choice starts new ones.
    pub has_crashed: bool,
    /// Not paused.
    pub is_playing: bool,
    /// The live picture goes on when its view is opened again.
    pub resumes_live: bool,
    /// How fast files play, 1 is their own speed.
    pub speed: f64,
    /// The file has reached its end.
    pub has_ended: bool,
    /// A file dialog is open.
    pub is_choosing: bool,
    /// The picture on the screen.
    pub presented: Option<Presented>,
    /// The part of the picture that is looked at.
    pub zoom: Zoom,
    /// Joint names of the running model.
    pub skeleton: Option<&'static Skeleton>,
    /// Attention maps of the running model, as far as it has shown them.
    pub attention_maps: Vec<MapTitle>,
    /// Speed.
    pub stats: Stats,
    /// The recording, if one runs.
    pub recording: Option<Recording>,
    /// Files that are recorded whole.
    pub queue: QueueShown,
    /// Finished and broken-off recordings, newest first; `None` while looking.
    pub recordings: Option<Vec<SessionEntry>>,
    /// The recording that is annotated anew, if one is.
    pub annotating: Option<Annotating>,
    /// What lies over the window.
    pub sheet: Option<Sheet>,
    /// What commands are searched for.
    pub search: String,
    /// The newest message.
    pub status: Option<Status>,
    /// What draws the window.
    pub adapter: Option<Adapter>,
    /// What the program has reported, oldest first.
    pub log: VecDeque<LogLine>,
    /// Less severe lines of it are not listed.
    pub log_level: tracing::Level,
}

impl Default for UiState {
    fn default() -> Self {
        Self {
            view: ViewId::LIVE,
            cameras: None,
            source: None,
            wanted_source: None,
            running_source: None,
            source_status: SourceStatus::Ok,
            extent: None,
            formats: CameraFormats::default(),
            missing: BTreeSet::new(),
            is_opening: false,
            model: None,
            loading_model: None,
            device: 0,
            loading_device: None,
            wanted_model: None,
            has_crashed: false,
            is_playing: true,
            resumes_live: false,
            speed: 1.0,
            has_ended: false,
            is_choosing: false,
            presented: None,
            zoom: Zoom::WHOLE,
            skeleton: None,
            attention_maps: Vec::new(),
            stats: Stats::default(),
            recording: None,
            queue: QueueShown::default(),
            recordings: None,
            annotating: None,
            sheet: None,
            search: String::new(),
            status: None,
            adapter: None,
            log: VecDeque::new(),
            log_level: tracing::Level::INFO,
        }
    }
}

impl UiState {
    /// Whether the picture comes from a camera.
    pub fn is_live(&self) -> bool {
        self.source.as_ref().is_some_and(|s| s.is_live)
    }

    /// A line for the user; the newest replaces the one before.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        self.status = Some(Status {
            level,
            text: text.into(),
            retry: None,
            since: Instant::now(),
        });
    }

    /// An error with a retry button.
    pub fn fail(&mut self, text: impl Into<String>, retry: Action) {
        self.status = Some(Status {
            level: Level::Error,
            text: text.into(),
            retry: Some(retry),
            since: Instant::now(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when what has worked is told for ever, or an error goes before it was read.
    #[test]
    fn news_end_and_errors_stay() {
        let mut ui_state = UiState::default();
        let mut left = |level| {
            ui_state.say(level, "x");
            ui_state.status.as_ref().and_then(Status::left)
        };
        let [info, warning] = [Level::Info, Level::Warning].map(|level| left(level).unwrap());
        assert!(info > Duration::from_secs(5) && warning > info);
        assert_eq!(left(Level::Error), None);
        let status = ui_state.status.insert(Status {
            level: Level::Info,
            text: "x".to_owned(),
            retry: None,
            since: Instant::now().checked_sub(Duration::from_secs(9)).unwrap(),
        });
        assert_eq!(status.left(), Some(Duration::ZERO));
    }
}

//! Transient UI state: read by panels, written by the code that runs actions, never saved.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poselens_engine::estimator::People;
use poselens_engine::output::AttentionMap;
use poselens_engine::pipeline::session::{AnnotationProgress, FileProgress, SessionEntry};
use poselens_engine::pipeline::{Presented, Stats, TapProgress};
use poselens_engine::send::Tally;
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::{CameraFormats, Extent, SourceInfo, SourceStatus};
use poselens_engine::track::Selection;
use poselens_shaders::view::Zoom;

use crate::gui::action::{Action, Sheet, ViewId};
use crate::gui::context::SourceChoice;
use crate::gui::state::AppState;
use crate::logs::LogLine;

/// Playback speeds of files.
pub(super) const SPEEDS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0];

/// Severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Success.
    Info,
    /// Warning; the program continues.
    Warning,
    /// Failure.
    Error,
}

/// A message to the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// How much it matters.
    pub level: Level,
    /// One line: what happened, to what, and what to do about it.
    pub text: String,
    /// Action of the retry button, if retrying makes sense.
    pub retry: Option<Action>,
    /// When the message was first shown.
    pub since: Instant,
}

impl Status {
    /// Returns the remaining display time; `None` if it stays until dismissed.
    pub fn left(&self) -> Option<Duration> {
        let whole = match self.level {
            Level::Info => Duration::from_secs(8),
            Level::Warning => Duration::from_secs(16),
            Level::Error => return None,
        };
        Some(whole.saturating_sub(self.since.elapsed()))
    }
}

/// A running recording of the current source.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The source as requested.
    pub source: SourceChoice,
    /// The source is a file, which is recorded in full independently of playback.
    pub is_file: bool,
    /// Number of frames of the file, once known.
    pub total: Option<u64>,
    /// When the recording was requested.
    pub started: Instant,
    /// Output folder.
    pub folder: PathBuf,
    /// Progress; `None` until the first frame is recorded.
    pub progress: Option<TapProgress>,
}

/// State of the queue of files to record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueShown {
    /// The file being recorded.
    pub running: Option<SourceChoice>,
    /// Output folder of that file.
    pub folder: PathBuf,
    /// Progress of that file.
    pub progress: FileProgress,
    /// Names of the waiting files.
    pub waiting: Vec<String>,
    /// Number of files finished since the queue was last empty.
    pub n_ended: usize,
    /// The running file stops after the current frame.
    pub is_stopping: bool,
    /// The file on the screen is being recorded or waits.
    pub has_shown: bool,
}

/// Live streams of joints.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sending {
    /// Joints are sent, or the targets are being opened.
    pub is_on: bool,
    /// Targets on other computers that are sent to, or that the user is asked about.
    pub elsewhere: Vec<String>,
    /// Counts of each target; empty until all are open.
    pub tallies: Vec<Tally>,
}

/// An attention map the user can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapTitle {
    /// Name in the model's specification.
    pub name: String,
    /// Display name.
    pub title: String,
    /// Meaning of its values.
    pub meaning: &'static str,
    /// Number of planes: 1 for the whole image, or one per joint.
    pub n_planes: usize,
}

impl MapTitle {
    /// Describes a map that a model has produced.
    pub fn of(map: &AttentionMap) -> Self {
        Self {
            name: map.name.clone(),
            title: map.title.clone(),
            meaning: map.kind.meaning(),
            n_planes: map.map.n,
        }
    }
}

/// The graphics adapter that draws the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Name reported by the driver.
    pub name: String,
    /// The adapter renders on the CPU.
    pub is_software: bool,
}

impl Adapter {
    /// Returns a one-line description.
    pub fn text(&self) -> String {
        if self.is_software {
            format!("drawn by the CPU: {}", self.name)
        } else {
            format!("drawn by {}", self.name)
        }
    }
}

/// A recording that is being annotated again.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotating {
    /// Folder of the recording.
    pub folder: PathBuf,
    /// Name of the model that annotates it.
    pub model: String,
    /// Progress in frames.
    pub progress: AnnotationProgress,
    /// The user has cancelled; it stops after the current frame.
    pub is_cancelled: bool,
}

/// Transient UI state.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags, each shown by its own control"
)]
pub struct UiState {
    /// The active view.
    pub view: ViewId,
    /// Cameras found; `None` while searching.
    pub cameras: Option<Vec<SourceChoice>>,
    /// The source that delivers frames.
    pub source: Option<Arc<SourceInfo>>,
    /// The source requested last.
    pub wanted_source: Option<SourceChoice>,
    /// The source that delivers frames, as requested.
    pub running_source: Option<SourceChoice>,
    /// Status of the source's device.
    pub source_status: SourceStatus,
    /// Length of the file, as far as it is indexed.
    pub extent: Option<Extent>,
    /// Formats the camera supports.
    pub formats: CameraFormats,
    /// Recently opened files that no longer exist.
    pub missing: BTreeSet<String>,
    /// The requested source is being opened.
    pub is_opening: bool,
    /// The user is editing the path field.
    pub is_path_edited: bool,
    /// The model that delivers poses.
    pub model: Option<String>,
    /// The model being loaded.
    pub loading_model: Option<String>,
    /// Index into [`crate::gui::context::GuiContext::devices`] of the device that models run on.
    pub device: usize,
    /// Device of the model being loaded, if it differs.
    pub loading_device: Option<usize>,
    /// The model requested last.
    pub wanted_model: Option<String>,
    /// Whether one person or several are estimated.
    pub people: People,
    /// The people that are shown.
    pub selection: Selection,
    /// The selection before its last change.
    pub selection_before: Selection,
    /// A worker thread has crashed; the next choice of a source or model starts new ones.
    pub has_crashed: bool,
    /// The source is not paused.
    pub is_playing: bool,
    /// Whether live playback resumes when its view is opened again.
    pub resumes_live: bool,
    /// Playback speed of files; 1 is normal.
    pub speed: f64,
    /// Playback has reached the end of the file.
    pub has_ended: bool,
    /// Whether files are mirrored; not saved.
    pub is_file_mirrored: bool,
    /// A file dialog is open.
    pub is_choosing: bool,
    /// The frame on the screen.
    pub presented: Option<Presented>,
    /// Zoom and position of the image.
    pub zoom: Zoom,
    /// Skeleton of the running model.
    pub skeleton: Option<&'static Skeleton>,
    /// Attention maps the running model has produced so far.
    pub attention_maps: Vec<MapTitle>,
    /// Frame rates and latencies.
    pub stats: Stats,
    /// The running recording, if any.
    pub recording: Option<Recording>,
    /// Queue of files to record.
    pub queue: QueueShown,
    /// Live streams of joints.
    pub sending: Sending,
    /// Finished and interrupted recordings, newest first; `None` while searching.
    pub recordings: Option<Vec<SessionEntry>>,
    /// The recording being annotated again, if any.
    pub annotating: Option<Annotating>,
    /// What is running, one line each; known while the user is asked whether to close the window.
    pub busy: Vec<String>,
    /// The open sheet, if any.
    pub sheet: Option<Sheet>,
    /// Search text of the command palette.
    pub search: String,
    /// The latest message.
    pub status: Option<Status>,
    /// The adapter that draws the window, once known.
    pub adapter: Option<Adapter>,
    /// Log lines, oldest first.
    pub log: VecDeque<LogLine>,
    /// Minimum severity of listed log lines.
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
            is_path_edited: false,
            model: None,
            loading_model: None,
            device: 0,
            loading_device: None,
            wanted_model: None,
            people: People::SEVERAL,
            selection: Selection::default(),
            selection_before: Selection::default(),
            has_crashed: false,
            is_playing: true,
            resumes_live: false,
            speed: 1.0,
            has_ended: false,
            is_file_mirrored: false,
            is_choosing: false,
            presented: None,
            zoom: Zoom::WHOLE,
            skeleton: None,
            attention_maps: Vec::new(),
            stats: Stats::default(),
            recording: None,
            queue: QueueShown::default(),
            sending: Sending::default(),
            recordings: None,
            annotating: None,
            busy: Vec::new(),
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
    /// Returns whether the live view is mirrored: cameras as the settings say, files on demand.
    pub fn is_mirrored(&self, state: &AppState) -> bool {
        if self.is_live() {
            state.is_mirrored
        } else {
            self.is_file_mirrored
        }
    }

    /// Returns whether the shown source is being recorded, or is a file that waits for it.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some() || self.queue.has_shown
    }

    /// Returns whether the frames come from a camera.
    pub fn is_live(&self) -> bool {
        self.source.as_ref().is_some_and(|s| s.is_live)
    }

    /// Shows a message, replacing the previous one.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        self.status = Some(Status {
            level,
            text: text.into(),
            retry: None,
            since: Instant::now(),
        });
    }

    /// Shows an error with a retry button.
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

    /// Fails when an info message never expires, or an error expires before it is dismissed.
    #[test]
    fn info_messages_expire_and_errors_stay() {
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

//! Actions requested by clicks and keys: one sub-enum per panel or view. `App` runs them all in one
//! place.

pub(super) mod finetune;
pub(super) mod inspect;
pub(super) mod label;
pub(super) mod people;
pub(super) mod stream;
pub(super) mod train;

use std::path::PathBuf;

use poselens_engine::source::SeekTo;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::track::OneEuro;
use poselens_shaders::view::Zoom;

use crate::gui::action::inspect::InspectAction;
use crate::gui::action::label::LabelAction;
use crate::gui::action::people::PeopleAction;
use crate::gui::action::stream::StreamAction;
use crate::gui::action::train::TrainAction;
use crate::gui::context::SourceChoice;

/// Identifies a view: a row of [`VIEWS`](crate::gui::views::VIEWS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ViewId(pub &'static str);

impl ViewId {
    /// The live view, which is shown at program start.
    pub const LIVE: Self = Self("live");
}

/// Every user action.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Action of the source panel.
    Source(SourceAction),
    /// Action of the model panel.
    Model(ModelAction),
    /// Action on the people in the live view.
    People(PeopleAction),
    /// Action of the overlay panel.
    Overlay(OverlayAction),
    /// Action of the stage.
    Stage(StageAction),
    /// Playback action of the transport, e.g. play or restart.
    Playback(PlaybackAction),
    /// Recording action of the transport, including snapshots.
    Record(RecordAction),
    /// Action on live streams of joints.
    Stream(StreamAction),
    /// Action of the Inspect view.
    Inspect(InspectAction),
    /// Action of the Label view.
    Label(LabelAction),
    /// Action of the Train view.
    Train(TrainAction),
    /// Action of the header, messages and sheets.
    Window(WindowAction),
}

impl Action {
    /// Returns whether the action moves by a step, so that it runs again and again while its key is
    /// held. Everything else runs once for each press.
    pub(super) fn is_step(&self) -> bool {
        match self {
            Self::Playback(action) => {
                matches!(action, PlaybackAction::Step(_) | PlaybackAction::Faster(_))
            }
            Self::Overlay(action) => matches!(action, OverlayAction::NextMap(_)),
            Self::Stage(action) => matches!(action, StageAction::ZoomBy(_)),
            Self::Window(action) => matches!(action, WindowAction::Larger(_)),
            Self::Inspect(action) => action.is_step(),
            Self::Label(action) => action.is_step(),
            Self::Source(_)
            | Self::Model(_)
            | Self::People(_)
            | Self::Record(_)
            | Self::Stream(_)
            | Self::Train(_) => false,
        }
    }
}

/// Actions that concern the source of frames.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceAction {
    /// Switch to this source.
    Open(SourceChoice),
    /// Show a dialog for a file.
    OpenDialog,
    /// Set the text of the path field, which is being edited.
    EditPath(String),
    /// The path field is no longer being edited.
    LeavePath,
    /// Open the path in the path field.
    OpenPath,
    /// Open a recent file or folder.
    OpenRecent(String),
    /// Clear the list of recent files.
    ForgetRecent,
    /// Set the format of the running camera; `None` chooses the best one automatically.
    Format(Option<CameraFormat>),
    /// Release the camera or file.
    Close,
    /// Search for cameras again.
    ListCameras,
    /// Mirror camera images.
    Mirror(bool),
    /// Mirror the shown image, or stop mirroring it: that of cameras, or of files.
    MirrorShown,
    /// Restart files at their end.
    Loop(bool),
}

/// Actions that concern the model and its joints.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelAction {
    /// Switch to this model.
    Choose(String),
    /// Run models on the n-th device.
    Device(usize),
    /// Turn temporal smoothing on or off.
    Smooth(bool),
    /// Set the smoothing parameters.
    Smoothing(OneEuro),
    /// Draw only joints with at least this score.
    Threshold(f32),
}

/// Actions that concern the overlays.
#[derive(Debug, Clone, PartialEq)]
pub enum OverlayAction {
    /// Toggle an overlay.
    Toggle(String),
    /// Turn all overlays off.
    AllOff,
    /// Set the opacity of maps.
    Opacity(f32),
    /// Set the joint whose heatmap is shown; `None` means all.
    Joint(Option<String>),
    /// Set the attention map; `None` means the model's first.
    Attention(Option<String>),
    /// Move by this many attention maps in the model's list.
    NextMap(isize),
    /// Interpolate maps smoothly, or show their pixels as squares.
    SmoothMaps(bool),
    /// Set the value below which a map is transparent.
    MapThreshold(f32),
    /// Scale the colours of attention maps to all possible values, or to those of each frame.
    FixedRange(bool),
    /// Show or hide a joint by name, together with its limbs.
    ShowJoint(String, bool),
    /// Show every joint.
    ShowAllJoints,
    /// Draw a measure by name, or not.
    Measure(String, bool),
}

/// Actions on the image.
#[derive(Debug, Clone, PartialEq)]
pub enum StageAction {
    /// Set zoom and position of the image.
    Zoom(Zoom),
    /// Magnify the image by this factor about the centre of the stage.
    ZoomBy(f64),
}

/// Playback actions.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaybackAction {
    /// Toggle between playing and paused.
    PlayPause,
    /// Go to the start of a file, or of the buffered live frames.
    First,
    /// Go to the end of a file, or follow the live source again.
    Last,
    /// Pause and move by this many frames; negative values go back.
    Step(i64),
    /// Seek to a position; a file that is playing continues from there.
    Seek(SeekTo),
    /// Pause and show this position.
    GoTo(SeekTo),
    /// Change the playback speed of files to the next faster (`true`) or slower step.
    Faster(bool),
    /// Set the playback speed of files; 1 is normal.
    Speed(f64),
}

/// Actions that write or manage files.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordAction {
    /// Start recording the shown source, or stop it; also a file that the queue records or holds.
    StartStop,
    /// Save the displayed frame as PNG.
    Snapshot,
    /// Search for finished recordings again.
    List,
    /// Open a part of the recording in this folder in Inspect; parts are counted from 1.
    Open(PathBuf, usize),
    /// Play the recording in this folder in the live view, from this part on.
    Play(PathBuf, usize),
    /// Annotate the recording in this folder again with this model: video and poses.
    Annotate(PathBuf, String),
    /// Cancel the annotation.
    CancelAnnotation,
    /// Show a folder in the system's file manager.
    ShowFolder(PathBuf),
    /// Rename a recording's folder.
    Rename(PathBuf, String),
    /// Move a recording to the bin.
    Delete(PathBuf),
    /// Set the folder of new recordings; `None` means the program's default.
    Destination(Option<PathBuf>),
    /// Turn an exporter on or off by name.
    Export(String, bool),
    /// Show a dialog.
    Ask(RecordAsk),
    /// Record these files, and the videos in these folders, in full and one after the other.
    Queue(Vec<PathBuf>),
    /// Clear the queue and stop the file being recorded.
    StopQueue,
}

/// Dialogs about recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordAsk {
    /// Files to record.
    Files,
    /// A folder of videos to record.
    Folder,
    /// The folder of new recordings.
    Destination,
}

/// Actions of the window itself.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowAction {
    /// Switch to another view.
    Show(ViewId),
    /// Open a path that was typed, picked or dropped; the active view decides how.
    OpenPath(String),
    /// Toggle full screen.
    FullScreen,
    /// Move the keyboard focus to the first control.
    FocusPanels,
    /// Open a sheet over the window.
    OpenSheet(Sheet),
    /// Close the open sheet.
    CloseSheet,
    /// Increase (`true`) or decrease the scale of the user interface.
    Larger(bool),
    /// Set the scale of the user interface; 1 is the system's.
    Scale(f32),
    /// Set the minimum severity of listed log lines.
    LogLevel(tracing::Level),
    /// Set the search text of the command palette.
    Search(String),
    /// Dismiss the message.
    DismissStatus,
    /// Start new worker threads after a crash.
    RestartWorkers,
    /// Close the window; while something is running, the user is asked first.
    Quit,
}

/// A modal sheet over the whole window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// Command palette.
    Palette,
    /// Keyboard shortcuts.
    Keys,
    /// Version and licences.
    About,
    /// First steps.
    Welcome,
    /// Log lines.
    Log,
    /// Settings of the window.
    Settings,
    /// Question whether to close the window while something is running.
    Quit,
    /// Question whether to send joints to other computers.
    SendJoints,
}

//! What a click or key asks for. One sub-enum for each panel or view; `App` runs them all in one
//! place.

pub mod inspect;
pub mod train;

use std::path::PathBuf;

use poselens_engine::source::SeekTo;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::track::OneEuro;
use poselens_shaders::view::Zoom;

use crate::gui::action::inspect::InspectAction;
use crate::gui::action::train::TrainAction;
use crate::gui::context::SourceChoice;

/// Names a view: a row of [`VIEWS`](crate::gui::views::VIEWS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ViewId(pub &'static str);

impl ViewId {
    /// The running picture, where the program begins.
    pub const LIVE: Self = Self("live");
}

/// Everything the user can do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// From the source panel.
    Source(SourceAction),
    /// From the model panel.
    Model(ModelAction),
    /// From the overlay panel.
    Overlay(OverlayAction),
    /// From the stage.
    Stage(StageAction),
    /// From the transport: play, restart.
    Playback(PlaybackAction),
    /// From the transport: recording and snapshots.
    Record(RecordAction),
    /// From the view that looks inside.
    Inspect(InspectAction),
    /// From the view that teaches.
    Train(TrainAction),
    /// From the header and the messages.
    Window(WindowAction),
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceAction {
    /// Change to this source.
    Open(SourceChoice),
    /// Ask for a file.
    OpenDialog,
    /// The path field was typed into.
    EditPath(String),
    /// Open what the path field says.
    OpenPath,
    /// Open a file or folder that was opened before.
    OpenRecent(String),
    /// Forget which files were opened.
    ForgetRecent,
    /// Let the running camera deliver in this format; `None` is what fits best.
    Format(Option<CameraFormat>),
    /// Release the camera or file.
    Close,
    /// Look for cameras again.
    ListCameras,
    /// Show cameras as in a mirror.
    Mirror(bool),
    /// Begin files again at their end.
    Loop(bool),
}

/// Which network, and what counts as a joint.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelAction {
    /// Change to this model.
    Choose(String),
    /// Run models on the n-th device.
    Device(usize),
    /// Smooth joints over time.
    Smooth(bool),
    /// Smooth them like this.
    Smoothing(OneEuro),
    /// Draw joints from this score on.
    Threshold(f32),
}

/// What is drawn over the picture.
#[derive(Debug, Clone, PartialEq)]
pub enum OverlayAction {
    /// Switch an overlay on or off.
    Toggle(String),
    /// The bare picture.
    AllOff,
    /// Strength of maps.
    Opacity(f32),
    /// Joint of the heatmap; `None` is all.
    Joint(Option<String>),
    /// Attention map; `None` is the model's first.
    Attention(Option<String>),
    /// The attention map so many further in the model's list.
    NextMap(isize),
    /// Maps are smooth between their pixels, or show them as squares.
    SmoothMaps(bool),
    /// Strength below which a map is hidden.
    MapThreshold(f32),
    /// Colours of attention maps stand for all possible values, or for those of each frame.
    FixedRange(bool),
    /// Show a joint of this name and its limbs, or leave it out.
    ShowJoint(String, bool),
    /// Show every joint.
    ShowAllJoints,
}

/// The picture.
#[derive(Debug, Clone, PartialEq)]
pub enum StageAction {
    /// Look at this part of it.
    Zoom(Zoom),
}

/// Time.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaybackAction {
    /// Play or pause.
    PlayPause,
    /// The begin: of a file, or of what is held of a live picture.
    First,
    /// The end: of a file; a live picture is followed again.
    Last,
    /// Pause and go so many frames on, or back.
    Step(i64),
    /// Go to a place.
    Seek(SeekTo),
    /// Play files the next step faster (`true`) or slower.
    Faster(bool),
    /// Play files at this speed, 1 is their own.
    Speed(f64),
}

/// Files that are written.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordAction {
    /// Start or stop recording.
    StartStop,
    /// The picture as PNG.
    Snapshot,
    /// Look for finished recordings again.
    List,
    /// Look into the recording in this folder.
    Open(PathBuf),
    /// Play it as the live picture.
    Play(PathBuf),
    /// Annotate the recording in this folder again with this model: video and poses.
    Annotate(PathBuf, String),
    /// End that.
    CancelAnnotation,
    /// Show a folder in the system's file manager.
    ShowFolder(PathBuf),
    /// Give a recording's folder another name.
    Rename(PathBuf, String),
    /// Move a recording to the bin.
    Delete(PathBuf),
    /// Write recordings here from now on; `None` is the place given by the program.
    Destination(Option<PathBuf>),
    /// Write these files as well, by the exporter's name, or no more.
    Export(String, bool),
    /// Ask for files or a folder.
    Ask(RecordAsk),
    /// Record these files whole, and the videos of these folders, one after the other.
    Queue(Vec<PathBuf>),
    /// Record none of the waiting files, and end the one at work.
    StopQueue,
}

/// What a dialog about recordings asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordAsk {
    /// Files to be recorded.
    Files,
    /// A folder whose videos are to be recorded.
    Folder,
    /// Where recordings go.
    Destination,
}

/// The window itself.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowAction {
    /// Change to another view.
    Show(ViewId),
    /// Open what the user typed, picked or dropped, as the view that is shown understands it.
    OpenPath(String),
    /// Full screen and back.
    FullScreen,
    /// The first control has the keyboard.
    FocusPanels,
    /// Open a sheet over the window.
    OpenSheet(Sheet),
    /// Put it away.
    CloseSheet,
    /// Everything larger (`true`) or smaller.
    Larger(bool),
    /// Everything this large; 1 is the system's own size.
    Scale(f32),
    /// Lines of the log less severe than this are not listed.
    LogLevel(tracing::Level),
    /// Search commands for this text.
    Search(String),
    /// Put the message away.
    DismissStatus,
    /// New worker threads after a crash.
    RestartWorkers,
}

/// Something that lies over the whole window until it is put away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// Commands by name.
    Palette,
    /// Every key.
    Keys,
    /// Version and licences.
    About,
    /// The first steps.
    Welcome,
    /// What the program has reported.
    Log,
    /// Choices about the window itself.
    Settings,
}

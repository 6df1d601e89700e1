//! What the program hands to the window: how to open sources, build models and record, and what
//! there is to choose from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use poselens_engine::Result;
use poselens_engine::estimator::Infer;
use poselens_engine::model;
use poselens_engine::output::Approach;
use poselens_engine::overlay::OverlaySpec;
use poselens_engine::pipeline::session::ModelRecord;
use poselens_engine::pipeline::{Presented, Tap};
use poselens_engine::source::FrameSource;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::train::Hardware;

use crate::gui::trained;
use crate::logs::LogBook;

/// A source offered in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceChoice {
    /// What the user reads: the camera's name.
    pub label: String,
    /// What [`GuiContext::open_source`] understands: `camera:0`.
    pub spec: String,
}

/// A model offered in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    /// What [`GuiContext::make_infer`] understands.
    pub name: String,
    /// One line about it.
    pub help: String,
}

impl ModelChoice {
    /// Whether it finds one person or everybody; `None` where its network is no row of `MODELS`.
    pub fn approach(&self) -> Option<Approach> {
        approach(&self.name)
    }
}

/// [`ModelChoice::approach`] of the model of this name.
pub(in crate::gui) fn approach(name: &str) -> Option<Approach> {
    let row = trained::split(name).0;
    model::model(row).ok().map(|spec| spec.approach)
}

/// Somewhere networks can run.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceChoice {
    /// `CPU, 2 threads`.
    pub name: String,
    /// Why it is there, for tooltips.
    pub why: String,
}

/// Opens a source by its text; a camera in this format where it offers it.
pub type OpenByName =
    Arc<dyn Fn(&str, Option<CameraFormat>) -> Result<Box<dyn FrameSource>> + Send + Sync>;
/// Builds a model by its name.
pub type MakeByName = Arc<dyn Fn(&str) -> Result<Box<dyn Infer>> + Send + Sync>;
/// Builds a model by its name on the n-th of [`GuiContext::devices`].
pub type MakeOnDevice = Arc<dyn Fn(&str, usize) -> Result<Box<dyn Infer>> + Send + Sync>;
/// What is written of a model, by its name, beside what it has found.
pub type DescribeModel = Arc<dyn Fn(&str) -> ModelRecord + Send + Sync>;
/// Names the cameras; may take seconds.
pub type ListCameras = Arc<dyn Fn() -> Result<Vec<SourceChoice>> + Send + Sync>;
/// Starts a recording in a new folder; the picture is the first one to be recorded, the names are
/// exporters beside the poses and COCO results.
pub type StartRecording =
    Arc<dyn Fn(&Path, &Presented, &[String]) -> Result<Box<dyn Tap>> + Send + Sync>;

/// What the window is given.
#[derive(Clone)]
pub struct GuiContext {
    /// The source named on the command line. Without one the remembered or first camera starts.
    pub input: Option<String>,
    /// The model named on the command line. Without one the remembered or first model starts.
    pub model: Option<String>,
    /// Every model, in the order of the list.
    pub models: Vec<ModelChoice>,
    /// Every overlay, the one on top first; the n-th is toggled by key n.
    pub overlays: &'static [OverlaySpec],
    /// What networks can run on; the first, of which there is one, is what they begin on.
    pub devices: Vec<DeviceChoice>,
    /// Source text of the sample clip, where there is one.
    pub sample_clip: Option<String>,
    /// Source text of the synthetic figure.
    pub synthetic: String,
    /// Opens sources, on loader threads.
    pub open_source: OpenByName,
    /// Builds models, on loader threads.
    pub make_infer: MakeOnDevice,
    /// Describes models that were built.
    pub describe_model: DescribeModel,
    /// Lists cameras, on a worker.
    pub list_cameras: ListCameras,
    /// Starts recordings, on the infer thread.
    pub start_recording: StartRecording,
    /// Where recordings and snapshots go.
    pub recordings_folder: PathBuf,
    /// What trainings run on.
    pub hardware: Hardware,
    /// Where trainings go, each into a folder of its own.
    pub trainings_folder: PathBuf,
    /// What the program reports, for the log; `None` where nothing collects it.
    pub log: Option<LogBook>,
    /// Where [`AppState`](crate::gui::state::AppState) is kept; `None` keeps nothing.
    pub settings_file: Option<PathBuf>,
}

impl std::fmt::Debug for GuiContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuiContext")
            .field("input", &self.input)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// The sample clip, where there is one.
pub(in crate::gui) fn sample_clip(gui: &GuiContext) -> Option<SourceChoice> {
    gui.sample_clip.as_ref().map(|spec| SourceChoice {
        label: "Sample clip".to_owned(),
        spec: spec.clone(),
    })
}

/// The camera to begin with: the only one, or else the first of all that delivers.
pub(in crate::gui) fn any_camera(cameras: &[SourceChoice]) -> Option<SourceChoice> {
    match cameras {
        [] => None,
        [only] => Some(only.clone()),
        _ => Some(SourceChoice {
            label: "First camera that works".to_owned(),
            spec: "camera:".to_owned(),
        }),
    }
}

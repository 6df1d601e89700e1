//! Everything `main` hands to the window: functions that open sources, build models and record, and
//! the available choices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use poselens_engine::Result;
use poselens_engine::estimator::{Infer, People};
use poselens_engine::model;
use poselens_engine::output::Approach;
use poselens_engine::overlay::OverlaySpec;
use poselens_engine::pipeline::session::ModelRecord;
use poselens_engine::pipeline::{Presented, Tap};
use poselens_engine::record::{EXPORTERS, ExporterSpec};
use poselens_engine::source::FrameSource;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::track::Follow;
use poselens_engine::train::Hardware;

use crate::gui::trained;
use crate::logs::LogBook;

/// A source offered in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceChoice {
    /// Display name, e.g. that of the camera.
    pub label: String,
    /// Source text for [`GuiContext::open_source`], e.g. `camera:0`.
    pub spec: String,
}

/// A model offered in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    /// Model name for [`GuiContext::make_infer`].
    pub name: String,
    /// One-line description.
    pub help: String,
}

impl ModelChoice {
    /// Returns whether the model finds one person or several; `None` if its network is not a row of
    /// `MODELS`.
    pub fn approach(&self) -> Option<Approach> {
        approach(&self.name)
    }
}

/// Returns [`ModelChoice::approach`] of the model with this name.
pub(in crate::gui) fn approach(name: &str) -> Option<Approach> {
    let row = trained::split(name).0;
    model::model(row).ok().map(|spec| spec.approach)
}

/// Returns what the user should know about a model that follows a single person; `None` if it
/// estimates several.
pub(in crate::gui) fn approach_note(model: &str, people: People) -> Option<String> {
    let is_alone = approach(model) == Some(Approach::TopDown) && people == People::One;
    let title = trained::title(model);
    is_alone.then(|| format!("{title} follows one person: People in Live allows several"))
}

/// Returns the title of the first model that finds several people.
fn of_several(models: &[ModelChoice]) -> Option<String> {
    let mut models = models.iter();
    let model = models.find(|m| m.approach() == Some(Approach::BottomUp))?;
    Some(trained::title(&model.name))
}

/// Returns why a model has no limb fields, and which one has; `None` if there are some. With several
/// people, the network that finds them has.
pub(in crate::gui) fn no_fields(
    model: &str,
    people: People,
    models: &[ModelChoice],
) -> Option<String> {
    if approach(model) != Some(Approach::TopDown) || people != People::One {
        return None;
    }
    let title = trained::title(model);
    let advice = of_several(models).map(|other| format!("; {other} has, or choose several people"));
    Some(format!(
        "{title} follows one person and has no limb fields{}",
        advice.unwrap_or_default()
    ))
}

/// A compute device for networks.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceChoice {
    /// Display name, e.g. `CPU, 2 threads`.
    pub name: String,
    /// Reason why the device is offered, for tooltips.
    pub why: String,
}

/// Opens a source by its text; a camera uses the given format if it supports it.
pub type OpenByName =
    Arc<dyn Fn(&str, Option<CameraFormat>) -> Result<Box<dyn FrameSource>> + Send + Sync>;
/// Builds a model by its name.
pub type MakeByName = Arc<dyn Fn(&str) -> Result<Box<dyn Infer>> + Send + Sync>;
/// Builds a model by its name on the n-th of [`GuiContext::devices`], for one person or several.
pub type MakeOnDevice = Arc<dyn Fn(&str, usize, People) -> Result<Box<dyn Infer>> + Send + Sync>;
/// Returns the model's description that is written with its predictions.
pub type DescribeModel = Arc<dyn Fn(&str) -> ModelRecord + Send + Sync>;
/// Lists the cameras; may take seconds.
pub type ListCameras = Arc<dyn Fn() -> Result<Vec<SourceChoice>> + Send + Sync>;
/// Starts a recording in a new folder, given its first frame and the names of exporters to run in
/// addition to the poses and COCO results.
pub type StartRecording =
    Arc<dyn Fn(&Path, &Presented, &[String]) -> Result<Box<dyn Tap>> + Send + Sync>;

/// Everything the window needs from the program.
#[derive(Clone)]
pub struct GuiContext {
    /// The source named on the command line. If `None`, the last used or first camera starts.
    pub input: Option<String>,
    /// The label project named on the command line, which is opened in the Label view.
    pub project: Option<PathBuf>,
    /// The model named on the command line. If `None`, the last used or first model starts.
    pub model: Option<String>,
    /// The number of people named on the command line. If `None`, the last chosen one applies.
    pub people: Option<People>,
    /// The person to show, named on the command line.
    pub follow: Option<Follow>,
    /// All models, in list order.
    pub models: Vec<ModelChoice>,
    /// All overlays, topmost first; key n toggles the n-th.
    pub overlays: &'static [OverlaySpec],
    /// Compute devices; never empty. The first is the default.
    pub devices: Vec<DeviceChoice>,
    /// Source text of the sample clip, if available.
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
    /// Hardware that trainings run on.
    pub hardware: Hardware,
    /// Parent folder of label projects that the window creates.
    pub projects_folder: PathBuf,
    /// Parent folder of training runs; each gets a folder of its own.
    pub trainings_folder: PathBuf,
    /// Collected log lines; `None` if logging is not collected.
    pub log: Option<LogBook>,
    /// Settings file with the [`AppState`](crate::gui::state::AppState); `None` disables saving.
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

/// Exporters that every recording uses.
const ALWAYS: [&str; 2] = ["json", "coco"];

/// Returns the exporters that recordings use on request.
pub(in crate::gui) fn extra_exporters() -> impl Iterator<Item = &'static ExporterSpec> {
    EXPORTERS.iter().filter(|spec| !ALWAYS.contains(&spec.name))
}

/// Returns the sample clip, if available.
pub(in crate::gui) fn sample_clip(gui: &GuiContext) -> Option<SourceChoice> {
    gui.sample_clip.as_ref().map(|spec| SourceChoice {
        label: "Sample clip".to_owned(),
        spec: spec.clone(),
    })
}

/// Returns the initial camera: the only one, or else the first of them that delivers frames.
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

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::model::MODELS;

    /// Fails when a network that follows one person does not say so, or one that finds
    /// several does; or when limb fields are refused although several people are estimated.
    #[test]
    fn networks_that_follow_one_person_say_so() {
        let of = |approach| MODELS.iter().find(|m| m.approach == approach).unwrap().name;
        let (one, several) = (of(Approach::TopDown), of(Approach::BottomUp));
        assert!(approach_note(one, People::One).is_some());
        assert_eq!(approach_note(one, People::SEVERAL), None);
        assert_eq!(approach_note(several, People::One), None);
        let choice = |name: &str| ModelChoice {
            name: name.to_owned(),
            help: String::new(),
        };
        let models = [one, several].map(choice);
        assert_eq!(
            no_fields(one, People::One, &models).unwrap(),
            format!(
                "{one} follows one person and has no limb fields; {several} has, or choose several \
                 people"
            )
        );
        assert!(
            no_fields(one, People::One, &models[..1])
                .unwrap()
                .ends_with("limb fields")
        );
        assert_eq!(no_fields(one, People::SEVERAL, &models), None);
        assert_eq!(no_fields(several, People::One, &models), None);
    }
}

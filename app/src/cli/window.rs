//! What the command line hands to the window: real sources, networks and recordings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use poselens_engine::Error;
use poselens_engine::device::{DeviceSpec, select};
use poselens_engine::estimator::{Estimator, Infer};
use poselens_engine::model::{MODELS, ModelSpec};
use poselens_engine::overlay::OVERLAYS;
use poselens_engine::record::{Backpressure, ExporterSpec};
use poselens_engine::source::camera::list_cameras;
use poselens_engine::source::{OpenOptions, SourceSpec};

use super::Common;
use super::args::NetworkArgs;
use crate::folders;
use crate::gui::{GuiContext, ModelChoice, SourceChoice};
use crate::outputs::{OutputPlan, Outputs, SharedFigures};

/// The window's context for these options.
pub fn context(
    common: &Common,
    input: Option<String>,
    model: Option<String>,
    weights: Option<PathBuf>,
) -> anyhow::Result<GuiContext> {
    let device = select(common.device)?;
    // A weights file belongs to the model it was given with.
    let has_weights = |spec: &ModelSpec| {
        spec.bundled.is_some() || weights.is_some() && model.as_deref() == Some(spec.name)
    };
    let models = MODELS
        .iter()
        .filter(|m| has_weights(m))
        .map(|m| ModelChoice {
            name: m.name.to_owned(),
            help: m.summary.to_owned(),
        })
        .collect();
    let threads = common.threads;
    let (common, named) = (common.clone(), model.clone());
    let make_infer = move |name: &str| {
        let args = NetworkArgs {
            model: name.to_owned(),
            weights: weights.clone().filter(|_| named.as_deref() == Some(name)),
        };
        // Joints are smoothed here; the window shows the raw ones where smoothing is off.
        let infer: Box<dyn Infer> = Box::new(Estimator::single(args.load(&common, None)?, true));
        Ok(infer)
    };
    Ok(GuiContext {
        input,
        model,
        models,
        overlays: OVERLAYS,
        device: device_name(device.spec, threads),
        device_reason: device.why,
        sample_clip: Some("sample".to_owned()),
        synthetic: "synthetic".to_owned(),
        open_source: Arc::new(|text| SourceSpec::parse(text)?.open(&OpenOptions::default())),
        make_infer: Arc::new(make_infer),
        list_cameras: Arc::new(|| {
            let choice = |index: u32, name: String| SourceChoice {
                label: name,
                spec: format!("camera:{index}"),
            };
            let cameras = list_cameras()?;
            Ok(cameras
                .into_iter()
                .map(|c| choice(c.index, c.name))
                .collect())
        }),
        start_recording: Arc::new(|folder, first| {
            let outputs = Outputs::open(&plan(folder)?, SharedFigures::default(), first)?;
            Ok(Box::new(outputs))
        }),
        recordings_folder: folders::recordings().unwrap_or_else(|| ".".into()),
        settings_file: folders::project().map(|p| p.config_dir().join("settings.toml")),
    })
}

fn device_name(spec: DeviceSpec, threads: Option<u16>) -> String {
    if spec != DeviceSpec::Cpu {
        return spec.to_string();
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    match threads.map_or_else(cores, usize::from) {
        1 => "CPU, 1 thread".to_owned(),
        n => format!("CPU, {n} threads"),
    }
}

/// A recording of the window: one folder with the annotated video and the poses.
fn plan(folder: &Path) -> Result<OutputPlan, Error> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let json = ExporterSpec::by_name("json");
    Ok(OutputPlan {
        name: folder
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        record: Some(folder.join("annotated.mp4")),
        exports: json
            .map(|spec| (spec, folder.join("poses.jsonl")))
            .into_iter()
            .collect(),
        backpressure: Backpressure::DropNewest,
    })
}

//! What the command line hands to the window: real sources, networks and recordings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use poselens_engine::Result;
use poselens_engine::device::{DeviceSpec, select};
use poselens_engine::estimator::{Estimator, Infer, Want};
use poselens_engine::frame::Frame;
use poselens_engine::model::{MODELS, ModelSpec};
use poselens_engine::output::PoseOutput;
use poselens_engine::overlay::OVERLAYS;
use poselens_engine::pipeline::session::{ModelRecord, SessionPlan, SessionTap, weights_digest};
use poselens_engine::pose::Pose;
use poselens_engine::record::Backpressure;
use poselens_engine::source::camera::list_cameras;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::train::Hardware;

use super::Common;
use super::args::NetworkArgs;
use crate::folders;
use crate::gui::train::trained;
use crate::gui::{GuiContext, ModelChoice, SourceChoice};

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
    let (threads, hardware_device) = (common.threads, common.device);
    let (common, named) = (common.clone(), model.clone());
    // Known once a model is loaded: a recording must not wait for a digest.
    let digests = Arc::new(Mutex::new(BTreeMap::new()));
    // How each source was asked for, by the name it has given itself.
    let specs = Arc::new(Mutex::new(BTreeMap::new()));
    let opened = Arc::clone(&specs);
    let device_text = device_name(device.spec, threads);
    let (known, described) = (Arc::clone(&digests), Arc::clone(&digests));
    let device_of_model = device_text.clone();
    let make_infer = move |name: &str| {
        let (model, trained_here) = trained::split(name);
        let args = NetworkArgs {
            model: model.to_owned(),
            weights: trained_here
                .or_else(|| weights.clone().filter(|_| named.as_deref() == Some(name))),
        };
        let digest = weights_digest(args.weights.as_deref())?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), digest.clone());
        known.insert(trained::title(name), digest);
        drop(known);
        // Joints are smoothed here; the window shows the raw ones where smoothing is off.
        let infer: Box<dyn Infer> = Box::new(Titled {
            estimator: Estimator::single(args.load(&common, None)?, true),
            title: trained::title(name).into(),
        });
        Ok(infer)
    };
    Ok(GuiContext {
        input,
        model,
        models,
        overlays: OVERLAYS,
        device: device_text.clone(),
        device_reason: device.why,
        sample_clip: Some("sample".to_owned()),
        synthetic: "synthetic".to_owned(),
        log: None,
        open_source: Arc::new(move |text, format| {
            let options = OpenOptions {
                format,
                is_indexed_ahead: true,
                ..OpenOptions::default()
            };
            let source = SourceSpec::parse(text)?.open(&options)?;
            let mut specs = opened.lock().unwrap_or_else(PoisonError::into_inner);
            specs.insert(source.info().name.clone(), text.to_owned());
            drop(specs);
            Ok(source)
        }),
        make_infer: Arc::new(make_infer),
        describe_model: Arc::new(move |name| model_record(name, &device_of_model, &described)),
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
        start_recording: Arc::new(move |folder, first| {
            let model =
                |output: &Arc<PoseOutput>| model_record(&output.model, &device_text, &digests);
            let specs = specs.lock().unwrap_or_else(PoisonError::into_inner);
            let spec = specs.get(&first.source.name).cloned();
            drop(specs);
            let plan = SessionPlan {
                folder: folder.to_owned(),
                source_spec: spec.unwrap_or_default(),
                model: first.output.as_ref().map(model),
                backpressure: Backpressure::DropNewest,
            };
            Ok(Box::new(SessionTap::create(plan, first)?))
        }),
        hardware: Hardware {
            device: hardware_device,
            threads: 0,
        },
        trainings_folder: folders::trainings().unwrap_or_else(|| "trainings".into()),
        recordings_folder: folders::recordings().unwrap_or_else(|| ".".into()),
        settings_file: folders::project().map(|p| p.config_dir().join("settings.toml")),
    })
}

/// Results carry the title of the weights: trained ones are not taken for the program's.
struct Titled {
    estimator: Estimator,
    title: Arc<str>,
}

impl Infer for Titled {
    fn infer(&mut self, frame: &Frame, want: Want) -> Result<PoseOutput> {
        let output = self.estimator.infer(frame, want)?;
        Ok(self.titled(output))
    }

    fn inspect(&mut self, frame: &Frame, near: &[Pose], want: Want) -> Result<PoseOutput> {
        let output = self.estimator.inspect(frame, near, want)?;
        Ok(self.titled(output))
    }
}

impl Titled {
    fn titled(&self, output: PoseOutput) -> PoseOutput {
        PoseOutput {
            model: Arc::clone(&self.title),
            ..output
        }
    }
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

/// What the manifest of a recording says of the model of this name.
fn model_record(
    name: &str,
    device: &str,
    digests: &Mutex<BTreeMap<String, String>>,
) -> ModelRecord {
    let digests = digests.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = digests.get(name).cloned();
    ModelRecord {
        name: trained::title(name),
        weights: digest.unwrap_or_default(),
        device: device.to_owned(),
    }
}

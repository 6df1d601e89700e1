//! Implements the window's context: real sources, networks and recordings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use poselens_engine::Result;
use poselens_engine::device::{DeviceSpec, compiled, select};
use poselens_engine::estimator::{Estimator, Infer, Want};
use poselens_engine::frame::Frame;
use poselens_engine::model::{MODELS, ModelSpec};
use poselens_engine::output::PoseOutput;
use poselens_engine::overlay::OVERLAYS;
use poselens_engine::pipeline::session::{ModelRecord, SessionPlan, SessionTap, weights_digest};
use poselens_engine::pose::Pose;
use poselens_engine::record::Backpressure;
use poselens_engine::source::camera::{CameraInfo, list_cameras};
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::train::Hardware;
use poselens_engine::words::counted;

use super::Common;
use super::args::NetworkArgs;
use crate::folders;
use crate::gui::trained;
use crate::gui::{DeviceChoice, GuiContext, ModelChoice, SourceChoice};

/// Returns the window's context for these options.
pub fn context(
    common: &Common,
    input: Option<OsString>,
    model: Option<String>,
    weights: Option<PathBuf>,
) -> anyhow::Result<GuiContext> {
    let device = select(common.device)?;
    // The window displays a path that is not valid UTF-8 in a lossy form.
    let given = input.map(|input| (input.to_string_lossy().into_owned(), input));
    let input = given.as_ref().map(|(shown, _)| shown.clone());
    // A weights file applies only to the model given with it.
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
    let hardware_device = common.device;
    let places = places(device.spec, common.threads);
    let devices = places.iter().enumerate().map(|(i, &place)| DeviceChoice {
        name: device_name(place),
        why: match i {
            0 => device.why.clone(),
            _ => "another choice of this build".to_owned(),
        },
    });
    let devices: Vec<_> = devices.collect();
    let (common, named) = (common.clone(), model.clone());
    // Filled when a model is loaded, because a recording must not wait for a digest.
    let digests = Arc::new(Mutex::new(BTreeMap::new()));
    // Source texts by the name each source reports.
    let specs = Arc::new(Mutex::new(BTreeMap::new()));
    let opened = Arc::clone(&specs);
    let (known, described) = (Arc::clone(&digests), Arc::clone(&digests));
    let names: Vec<_> = devices.iter().map(|d| d.name.clone()).collect();
    let make_infer = move |name: &str, place: usize| {
        let (model, trained_here) = trained::split(name);
        let args = NetworkArgs {
            model: model.to_owned(),
            weights: trained_here
                .or_else(|| weights.clone().filter(|_| named.as_deref() == Some(name))),
        };
        let digest = weights_digest(args.weights.as_deref())?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let device = names[place].clone();
        known.insert(name.to_owned(), (digest.clone(), device.clone()));
        known.insert(trained::title(name), (digest, device));
        drop(known);
        let (device, threads) = places[place];
        let on = Common {
            device,
            threads,
            ..common.clone()
        };
        // Joints are smoothed here; the window shows the raw ones if smoothing is off.
        let infer: Box<dyn Infer> = Box::new(Titled {
            estimator: Estimator::new(args.load(&on, None)?, true),
            title: trained::title(name).into(),
        });
        Ok(infer)
    };
    let parse = Arc::new(move |text: &str| match &given {
        Some((shown, exact)) if shown == text => SourceSpec::parse(exact),
        _ => SourceSpec::parse(text),
    });
    let parse_to_open = Arc::clone(&parse);
    Ok(GuiContext {
        input,
        model,
        models,
        overlays: OVERLAYS,
        devices,
        sample_clip: Some("sample".to_owned()),
        synthetic: SYNTHETIC.to_owned(),
        log: None,
        open_source: Arc::new(move |text, format| {
            let options = OpenOptions {
                format,
                is_indexed_ahead: true,
                ..OpenOptions::default()
            };
            let source = parse_to_open(text)?.open(&options)?;
            let mut specs = opened.lock().unwrap_or_else(PoisonError::into_inner);
            specs.insert(source.info().name.clone(), text.to_owned());
            drop(specs);
            Ok(source)
        }),
        make_infer: Arc::new(make_infer),
        describe_model: Arc::new(move |name| model_record(name, &described)),
        list_cameras: Arc::new(|| {
            let cameras = list_cameras()?;
            // By place: numbers change when cameras are connected or removed, and names may be
            // ambiguous.
            let choice = |camera: &CameraInfo| SourceChoice {
                spec: format!("camera:{}", camera.id),
                label: camera.label(&cameras),
            };
            Ok(cameras.iter().map(choice).collect())
        }),
        start_recording: Arc::new(move |folder, first, exports| {
            let model = |output: &Arc<PoseOutput>| model_record(&output.model, &digests);
            let specs = specs.lock().unwrap_or_else(PoisonError::into_inner);
            let spec = specs.get(&first.source.name).cloned();
            drop(specs);
            // No frame of a file may be dropped; the synthetic source is endless.
            let is_endless = spec.as_ref().is_some_and(|s| s.starts_with(SYNTHETIC));
            let is_file = !first.source.is_live && !is_endless;
            let file = spec.as_deref().filter(|_| is_file).map(|text| parse(text));
            let plan = SessionPlan {
                folder: folder.to_owned(),
                source_spec: spec.unwrap_or_default(),
                model: first.output.as_ref().map(model),
                backpressure: if is_file {
                    Backpressure::Block
                } else {
                    Backpressure::DropNewest
                },
                exports: exports.to_vec(),
                file: file.transpose()?,
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

/// Source text of the synthetic source, which is endless.
const SYNTHETIC: &str = "synthetic";

/// Sets the title of the weights on results, which distinguishes trained from bundled weights.
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

/// A device and, on the CPU, the number of threads.
type Place = (DeviceSpec, Option<u16>);

/// Returns the available devices: first the one from the command line, then the others of this
/// build. The CPU is also offered with fewer threads, which leaves cores to other programs.
fn places(spec: DeviceSpec, threads: Option<u16>) -> Vec<Place> {
    let cores = cores();
    let mut all = vec![(
        spec,
        threads.or(Some(cores)).filter(|_| spec == DeviceSpec::Cpu),
    )];
    let gpus = compiled().into_iter().filter(|d| *d != DeviceSpec::Cpu);
    all.extend(gpus.map(|gpu| (gpu, None)));
    all.extend([cores, cores / 2, 1].map(|n| (DeviceSpec::Cpu, Some(n.max(1)))));
    let mut seen = Vec::new();
    all.retain(|place| {
        let is_new = !seen.contains(place);
        seen.push(*place);
        is_new
    });
    all
}

fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX))
}

fn device_name((spec, threads): Place) -> String {
    match (spec, threads) {
        (DeviceSpec::Cpu, Some(n)) => format!("CPU, {}", counted(n, "thread")),
        (other, _) => other.to_string(),
    }
}

/// Returns the entry of a recording's manifest for the model of this name.
fn model_record(name: &str, known: &Mutex<BTreeMap<String, (String, String)>>) -> ModelRecord {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let (weights, device) = known.get(name).cloned().unwrap_or_default();
    ModelRecord {
        name: trained::title(name),
        weights,
        device,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the window starts on another device than requested, or lists one twice.
    #[test]
    fn the_requested_device_comes_first() {
        for threads in [None, Some(1), Some(3)] {
            let all = places(DeviceSpec::Cpu, threads);
            assert_eq!(all[0], (DeviceSpec::Cpu, threads.or(Some(cores()))));
            let names: std::collections::BTreeSet<_> =
                all.iter().map(|p| device_name(*p)).collect();
            assert_eq!(names.len(), all.len());
        }
    }
}

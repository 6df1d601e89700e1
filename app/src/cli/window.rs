//! Implements the window's context: real sources, networks and recordings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poselens_engine::Result;
use poselens_engine::device::{DeviceSpec, compiled, select};
use poselens_engine::estimator::{Infer, People, RequestedMaps};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::BBox;
use poselens_engine::model::{MODELS, ModelSpec};
use poselens_engine::output::PoseOutput;
use poselens_engine::overlay::OVERLAYS;
use poselens_engine::pipeline::session::{ModelRecord, SessionPlan, SessionTap, weights_digest};
use poselens_engine::pose::Pose;
use poselens_engine::record::Backpressure;
use poselens_engine::source::camera::{CameraFormat, CameraInfo, list_cameras};
use poselens_engine::source::{FrameSource, OpenOptions, SourceInfo, SourceSpec};
use poselens_engine::track::{OneEuro, Selection};
use poselens_engine::train::Hardware;
use poselens_engine::words::counted;

use super::Common;
use super::args::NetworkArgs;
use crate::folders;
use crate::gui::trained;
use crate::gui::{DeviceChoice, GuiContext, ModelChoice, SourceChoice};

/// Returns the window's context for these options.
pub(super) fn context(
    common: &Common,
    input: Option<OsString>,
    model: Option<String>,
    weights: Option<PathBuf>,
) -> anyhow::Result<GuiContext> {
    let device = select(common.device)?;
    let places = places(device.spec, common.threads);
    let devices = places.iter().enumerate().map(|(i, &place)| DeviceChoice {
        name: device_name(place),
        why: match i {
            0 => device.why.clone(),
            _ => "another option of this build".to_owned(),
        },
    });
    let devices: Vec<_> = devices.collect();
    // A weights file applies only to the model given with it.
    let has_weights = |spec: &&ModelSpec| {
        spec.bundled.is_some() || weights.is_some() && model.as_deref() == Some(spec.name)
    };
    let models = MODELS.iter().filter(has_weights).map(|m| ModelChoice {
        name: m.name.to_owned(),
        help: m.summary.to_owned(),
    });
    let models = models.collect();
    let networks = Arc::new(Networks {
        common: common.clone(),
        named: model.clone().zip(weights),
        places,
        loaded: Mutex::default(),
    });
    // The window displays a path that is not valid UTF-8 in a lossy form.
    let given = input.map(|input| (input.to_string_lossy().into_owned(), input));
    let input = given.as_ref().map(|(shown, _)| shown.clone());
    let sources = Arc::new(Sources {
        given,
        opened: Mutex::default(),
    });
    let (described, recorded) = (Arc::clone(&networks), Arc::clone(&networks));
    let to_record = Arc::clone(&sources);
    Ok(GuiContext {
        input,
        project: None,
        model,
        people: None,
        follow: None,
        models,
        overlays: OVERLAYS,
        devices,
        sample_clip: Some("sample".to_owned()),
        synthetic: SYNTHETIC.to_owned(),
        log: None,
        open_source: Arc::new(move |text, format| sources.open(text, format)),
        make_infer: Arc::new(move |name, place, people| networks.load(name, place, people)),
        describe_model: Arc::new(move |name| described.record(name)),
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
            let model = |output: &Arc<PoseOutput>| recorded.record(&output.model);
            let model = first.output.as_ref().map(model);
            let plan = to_record.plan(&first.source, folder, model, exports)?;
            Ok(Box::new(SessionTap::create(plan, first)?))
        }),
        hardware: Hardware {
            device: common.device,
            threads: 0,
        },
        projects_folder: folders::label_projects().unwrap_or_else(|| "labels".into()),
        trainings_folder: folders::trainings().unwrap_or_else(|| "trainings".into()),
        recordings_folder: folders::recordings().unwrap_or_else(|| ".".into()),
        settings_file: folders::project().map(|p| p.config_dir().join("settings.toml")),
    })
}

/// Networks as the window names them.
struct Networks {
    common: Common,
    /// The model and the weights file of the command line.
    named: Option<(String, PathBuf)>,
    places: Vec<Place>,
    /// Digest of the weights and name of the device, by name and by title. Filled when a network is
    /// loaded, because a recording must not wait for a digest.
    loaded: Mutex<BTreeMap<String, (String, String)>>,
}

impl Networks {
    /// Loads the network called `name` on the device with the index `place`.
    fn load(&self, name: &str, place: usize, people: People) -> Result<Box<dyn Infer>> {
        let (model, trained_here) = trained::split(name);
        let named = self.named.as_ref().filter(|(model, _)| model == name);
        let args = NetworkArgs {
            model: model.to_owned(),
            weights: trained_here.or_else(|| named.map(|(_, weights)| weights.clone())),
        };
        let place = self.places[place];
        let loaded = (weights_digest(args.weights.as_deref())?, device_name(place));
        let title = trained::title(name);
        let mut all = lock(&self.loaded);
        all.insert(name.to_owned(), loaded.clone());
        all.insert(title.clone(), loaded);
        drop(all);
        let (device, threads) = place;
        let on = Common {
            device,
            threads,
            ..self.common.clone()
        };
        // Joints are smoothed here; the window shows the raw ones if smoothing is off.
        Ok(Box::new(Titled {
            estimator: people.estimator(args.load(&on, None)?, true)?,
            title: title.into(),
        }))
    }

    /// Returns the entry of a recording's manifest for the network of this name or title.
    fn record(&self, name: &str) -> ModelRecord {
        let (weights, device) = lock(&self.loaded).get(name).cloned().unwrap_or_default();
        ModelRecord {
            name: trained::title(name),
            weights,
            device,
        }
    }
}

/// Sources as the window names them.
struct Sources {
    /// The input of the command line, as shown and exactly.
    given: Option<(String, OsString)>,
    /// Texts of opened sources, by the name that each source reports.
    opened: Mutex<BTreeMap<String, String>>,
}

impl Sources {
    fn parse(&self, text: &str) -> Result<SourceSpec> {
        match &self.given {
            Some((shown, exact)) if shown == text => SourceSpec::parse(exact),
            _ => SourceSpec::parse(text),
        }
    }

    fn open(&self, text: &str, format: Option<CameraFormat>) -> Result<Box<dyn FrameSource>> {
        let options = OpenOptions {
            format,
            is_indexed_ahead: true,
            ..OpenOptions::default()
        };
        let source = self.parse(text)?.open(&options)?;
        lock(&self.opened).insert(source.info().name.clone(), text.to_owned());
        Ok(source)
    }

    /// Returns the plan of a recording of `source`.
    fn plan(
        &self,
        source: &SourceInfo,
        folder: &Path,
        model: Option<ModelRecord>,
        exports: &[String],
    ) -> Result<SessionPlan> {
        let text = lock(&self.opened).get(&source.name).cloned();
        // No frame of a file may be dropped; the synthetic source is endless.
        let is_endless = text.as_ref().is_some_and(|s| s.starts_with(SYNTHETIC));
        let is_file = !source.is_live && !is_endless;
        let file = text.as_deref().filter(|_| is_file);
        let file = file.map(|text| self.parse(text)).transpose()?;
        Ok(SessionPlan {
            folder: folder.to_owned(),
            model,
            exports: exports.to_vec(),
            source_spec: text.unwrap_or_default(),
            backpressure: if is_file {
                Backpressure::Block
            } else {
                Backpressure::DropNewest
            },
            file,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Source text of the synthetic source, which is endless.
const SYNTHETIC: &str = "synthetic";

/// Sets the title of the weights on results, which distinguishes trained from bundled weights.
struct Titled {
    estimator: Box<dyn Infer>,
    title: Arc<str>,
}

impl Infer for Titled {
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput> {
        let output = self.estimator.infer(frame, requested)?;
        Ok(self.titled(output))
    }

    fn set_smoothing(&mut self, params: OneEuro) {
        self.estimator.set_smoothing(params);
    }

    fn set_selection(&mut self, selection: &Selection) {
        self.estimator.set_selection(selection);
    }

    fn set_budget(&mut self, budget: Option<Duration>) {
        self.estimator.set_budget(budget);
    }

    fn inspect(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let output = self.estimator.inspect(frame, near, requested)?;
        Ok(self.titled(output))
    }

    fn visit(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        let output = self.estimator.visit(frame, near, requested)?;
        Ok(self.titled(output))
    }

    fn look_at(&mut self, frame: &Frame, near: BBox) -> Result<PoseOutput> {
        let output = self.estimator.look_at(frame, near)?;
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

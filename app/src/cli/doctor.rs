//! `poselens doctor`: reports the hardware and software found, and runs a self-test.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use poselens_engine::device::{DeviceSpec, compiled, select};
use poselens_engine::estimator::{Estimator, Infer, Network, NetworkOptions, RequestedMaps};
use poselens_engine::model::MODELS;
use poselens_engine::nn::kernels::Isa;
use poselens_engine::source::camera::{CameraFormat, CameraInfo, camera_formats};
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::words::counted;
use serde::{Serialize, Serializer};

use super::Common;
use crate::stats::round3;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    system: String,
    cores: usize,
    #[serde(serialize_with = "value_or_error")]
    cameras: Result<Vec<String>, String>,
    devices: Vec<DeviceReport>,
    #[serde(serialize_with = "value_or_error")]
    chosen_device: Result<String, String>,
    kernels: Vec<String>,
    adapters: Vec<String>,
    display: bool,
    ffmpeg: Option<String>,
    /// Folders by name, in display order.
    #[serde(serialize_with = "as_object")]
    folders: Vec<(&'static str, Option<PathBuf>)>,
    #[serde(serialize_with = "value_or_error")]
    self_test: Result<SelfTest, String>,
}

/// Serialises the value itself, or `{"error": "..."}`.
fn value_or_error<T: Serialize, S: Serializer>(
    result: &Result<T, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match result {
        Ok(value) => value.serialize(serializer),
        Err(error) => serializer.collect_map([("error", error)]),
    }
}

fn as_object<S: Serializer>(
    pairs: &[(&'static str, Option<PathBuf>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, path)| (name, path)))
}

#[derive(Serialize)]
struct DeviceReport {
    name: String,
    works: bool,
    reason: String,
}

/// Self-test of the whole frame path on the sample clip.
#[derive(Serialize)]
struct SelfTest {
    model: String,
    frames: usize,
    frames_with_a_person: usize,
    mean_score: f64,
    millis_per_frame: f64,
}

pub(super) fn run(common: &Common, args: &DoctorArgs) -> anyhow::Result<()> {
    let report = examine(common);
    let failed = report.self_test.as_ref().err().cloned();
    if args.json {
        super::print_json(&report)?;
    } else {
        super::print_line(lines(&report))?;
    }
    match failed {
        None => Ok(()),
        Some(reason) => anyhow::bail!("the self-test failed: {reason}"),
    }
}

fn examine(common: &Common) -> Report {
    let directories = crate::folders::project();
    let folders = directories
        .as_ref()
        .map(|d| {
            vec![
                ("config", Some(d.config_dir().to_owned())),
                ("data", Some(d.data_dir().to_owned())),
                ("cache", Some(d.cache_dir().to_owned())),
                ("state", d.state_dir().map(ToOwned::to_owned)),
                ("recordings", crate::folders::recordings()),
            ]
        })
        .unwrap_or_default();
    Report {
        version: env!("CARGO_PKG_VERSION"),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        cameras: cameras(),
        devices: compiled().into_iter().map(examine_device).collect(),
        chosen_device: select(common.device)
            .map(|s| format!("{} ({})", s.spec, s.why))
            .map_err(|e| e.to_string()),
        kernels: kernels(),
        adapters: adapters(),
        display: crate::gui::display().is_available(),
        ffmpeg: ffmpeg_version(),
        folders,
        self_test: self_test(common).map_err(|e| super::one_line(&e)),
    }
}

/// Returns every camera with its formats, or the reason why none are available.
fn cameras() -> Result<Vec<String>, String> {
    let all = camera_formats().map_err(|e| e.to_string())?;
    let line = |(c, formats): &(CameraInfo, poselens_engine::Result<Vec<CameraFormat>>)| {
        let formats = match formats {
            Ok(formats) => formats_line(formats),
            Err(error) => error.to_string(),
        };
        format!(
            "camera:{} {} ({}): {formats}",
            c.index, c.name, c.description
        )
    };
    Ok(all.iter().map(line).collect())
}

/// Formats on one line, best first: `YUYV 640x480 at 30, 15 fps; MJPEG 1280x720 at 30 fps`.
fn formats_line(formats: &[CameraFormat]) -> String {
    let mut groups: Vec<(CameraFormat, Vec<String>)> = Vec::new();
    for format in formats {
        let is_same = |(f, _): &&mut (CameraFormat, Vec<String>)| {
            (f.pixels, f.size) == (format.pixels, format.size)
        };
        match groups.iter_mut().find(is_same) {
            Some((_, rates)) => rates.push(format.rate_text()),
            None => groups.push((*format, vec![format.rate_text()])),
        }
    }
    let groups = groups
        .iter()
        .map(|(f, rates)| format!("{} {} at {}", f.pixels, f.size, rates.join(", ")));
    groups.collect::<Vec<_>>().join("; ")
}

fn examine_device(spec: DeviceSpec) -> DeviceReport {
    let outcome = select(spec);
    DeviceReport {
        name: spec.to_string(),
        works: outcome.is_ok(),
        reason: match outcome {
            Ok(_) => "passed its self-test".to_owned(),
            Err(error) => error.to_string(),
        },
    }
}

/// Returns the instruction sets available to our kernels, the selected one first.
fn kernels() -> Vec<String> {
    let chosen = match Isa::from_env() {
        Ok(chosen) => chosen,
        Err(error) => return vec![error.to_string()],
    };
    let others = Isa::available()
        .into_iter()
        .filter(|isa| isa.name() != chosen.name());
    let mut rows = vec![format!("{} (chosen)", chosen.name())];
    rows.extend(others.map(|isa| isa.name().to_owned()));
    rows
}

/// Returns the graphics adapters available to the window.
fn adapters() -> Vec<String> {
    use eframe::egui_wgpu::wgpu;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found
        .iter()
        .map(|adapter| {
            let info = adapter.get_info();
            format!("{} ({}, {:?})", info.name, info.backend, info.device_type)
        })
        .collect()
}

/// Returns the first line of `ffmpeg -version` if ffmpeg is installed.
fn ffmpeg_version() -> Option<String> {
    let output = Command::new("ffmpeg").arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned)
}

fn self_test(common: &Common) -> anyhow::Result<SelfTest> {
    let model = &MODELS[0];
    let network = Network::load(&NetworkOptions {
        device: common.device,
        threads: common.n_threads(),
        ..NetworkOptions::bundled(model)
    })?;
    let mut estimator = Estimator::new(network, true);
    let mut source = SourceSpec::parse("sample")?.open(&OpenOptions::default())?;
    let mut scores = Vec::new();
    let begin = Instant::now();
    let mut seconds = 0.0;
    while let Some(frame) = source.next_frame()? {
        if scores.len() == 10 {
            break;
        }
        let output = estimator.infer(&frame, RequestedMaps::default())?;
        scores.push(output.poses.first().map_or(0.0, |p| f64::from(p.score)));
        seconds = begin.elapsed().as_secs_f64();
    }
    let frames = scores.len();
    let frames_with_a_person = scores.iter().filter(|&&s| s > 0.0).count();
    anyhow::ensure!(
        frames_with_a_person * 2 > frames,
        "a person was found in only {frames_with_a_person} of {} of the sample clip",
        counted(frames, "frame")
    );
    Ok(SelfTest {
        model: model.name.to_owned(),
        frames,
        frames_with_a_person,
        mean_score: round3(scores.iter().sum::<f64>() / frames as f64),
        millis_per_frame: round3(seconds * 1e3 / frames as f64),
    })
}

/// Formats the report as text.
fn lines(report: &Report) -> String {
    let lines = RefCell::new(Vec::new());
    let line = |name: &str, text: &str| lines.borrow_mut().push(format!("{name:12} {text}"));
    let list = |name: &str, rows: &[String], empty: &str| {
        if rows.is_empty() {
            line(name, empty);
        }
        for (i, row) in rows.iter().enumerate() {
            line(if i == 0 { name } else { "" }, row);
        }
    };
    line("poselens", report.version);
    line(
        "system",
        &format!("{}, {}", report.system, counted(report.cores, "core")),
    );
    match &report.cameras {
        Ok(cameras) => list(
            "cameras",
            cameras,
            "none found; files and the sample clip work",
        ),
        Err(error) => line("cameras", error),
    }
    for (i, device) in report.devices.iter().enumerate() {
        let name = if i == 0 { "devices" } else { "" };
        line(name, &format!("{}: {}", device.name, device.reason));
    }
    match &report.chosen_device {
        Ok(chosen) => line("chosen", chosen),
        Err(error) => line("chosen", error),
    }
    list("kernels", &report.kernels, "none");
    list(
        "adapters",
        &report.adapters,
        "none; the window needs Vulkan, Metal, DirectX or OpenGL (mesa-vulkan-drivers draws without a GPU)",
    );
    let display = if report.display {
        "available"
    } else {
        "none; `poselens run` works without one"
    };
    line("display", display);
    line(
        "ffmpeg",
        report
            .ffmpeg
            .as_deref()
            .unwrap_or("not installed; only needed for videos other than H.264 in MP4 or Matroska"),
    );
    for (name, path) in &report.folders {
        let path = path.as_ref().map(|p| p.display().to_string());
        line(
            name,
            path.as_deref().unwrap_or("no such folder on this system"),
        );
    }
    match &report.self_test {
        Ok(t) => line(
            "self-test",
            &format!(
                "ok: {} found a person in {} of {}, mean score {:.2}, {:.1} ms a frame",
                t.model,
                t.frames_with_a_person,
                counted(t.frames, "frame"),
                t.mean_score,
                t.millis_per_frame
            ),
        ),
        Err(error) => line("self-test", &format!("FAILED: {error}")),
    }
    lines.take().join("\n")
}

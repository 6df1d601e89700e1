//! `poselens run`: runs the whole frame path without a window.

mod follow;
mod measures;
mod streams;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::builder::TypedValueParser;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::overlay::{OVERLAYS, OverlayStyle};
use poselens_engine::pipeline::{Look, OpenSource, Pacing, Pipeline};
use poselens_engine::record::{Backpressure, EXPORTERS, STDOUT};
use poselens_engine::send::Tally;
use poselens_engine::source::{CameraReport, FrameSource, OpenOptions, SourceSpec, Trim, Trimmed};
use poselens_engine::words::counted;
use serde::Serialize;

use self::follow::{follow, wait_for_model};
use self::measures::MeasureArgs;
use self::streams::StreamArgs;
use super::args::{NetworkArgs, PeopleArgs, file_name, overlay_names};
use super::progress::Progress;
use super::targets::{Targets, is_stdout};
use super::{Common, wrong_usage};
use crate::option_texts::THRESHOLD;
use crate::outputs::{OutputPlan, RunTap, SharedFigures, SoundPlan};
use crate::people::PeopleSummary;
use crate::stats::{Percentiles, round3};

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// camera:0, camera:NAME, a video, an image, a folder of images, sample or synthetic
    #[arg(long, value_name = "SPEC")]
    pub input: OsString,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub people: PeopleArgs,
    /// Write an annotated video (H.264 in MP4) with the sound of a file; frames whose size differs
    /// from the first are letterboxed, frames above 3840x2160 scaled down
    #[arg(long, value_name = "out.mp4", value_parser = mp4_name())]
    pub record: Option<PathBuf>,
    /// Write one JSON line per frame; - means standard output (also for --write-coco and
    /// --write-csv)
    #[arg(long, value_name = "FILE")]
    pub write_json: Option<PathBuf>,
    /// Write COCO keypoint results
    #[arg(long, value_name = "FILE")]
    pub write_coco: Option<PathBuf>,
    /// Write OpenPose JSON files; refused if the folder holds those of an earlier run
    #[arg(long, value_name = "DIR")]
    pub write_openpose: Option<PathBuf>,
    /// Write a CSV table with one row per frame, person and joint
    #[arg(long, value_name = "FILE")]
    pub write_csv: Option<PathBuf>,
    #[command(flatten)]
    pub streams: StreamArgs,
    /// Delete OpenPose files of an earlier run from the target folder first
    #[arg(long, requires = "write_openpose")]
    pub overwrite: bool,
    #[command(flatten)]
    pub measures: MeasureArgs,
    /// Overlays to draw, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "skeleton", value_parser = overlay_names())]
    pub overlay: Vec<String>,
    /// Start at this time of the input, in seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub start: Option<f64>,
    /// Stop before this time of the input, in seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub end: Option<f64>,
    /// Stop after N frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_frames: Option<u64>,
    #[arg(long, help = THRESHOLD.help, value_name = "T", default_value_t = OverlayStyle::default().keypoint_threshold, value_parser = unit_interval)]
    pub kpt_thr: f32,
    /// Turn off temporal smoothing
    #[arg(long)]
    pub no_smooth: bool,
    /// Real-time mode, as with a camera: drop frames instead of falling behind
    #[arg(long)]
    pub live: bool,
    /// Exit with code 1 if any part of the input was skipped, damaged or unreadable
    #[arg(long)]
    pub strict: bool,
    /// Print a JSON summary of the run
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// Returns all output paths.
    fn outputs(&self) -> impl Iterator<Item = &PathBuf> {
        [
            &self.record,
            &self.write_json,
            &self.write_coco,
            &self.write_openpose,
            &self.write_csv,
        ]
        .into_iter()
        .flatten()
    }

    /// Rejects outputs that would overwrite the input or another output. Devices and pipes are
    /// exempt, but standard output takes only one list or document.
    fn check_outputs(&self, spec: &SourceSpec) -> anyhow::Result<()> {
        if self
            .write_openpose
            .as_ref()
            .is_some_and(|path| is_stdout(path))
        {
            return wrong_usage(
                "--write-openpose writes one file per frame: give a folder, not standard output",
            );
        }
        let is_drawn = self.record.is_some() && self.overlay.iter().any(|name| name == "measures");
        let is_written = self.write_csv.is_some() || self.write_json.is_some();
        self.measures.check_outputs(is_drawn || is_written)?;
        let mut targets = Targets::default();
        targets.input(Path::new(spec.argument()));
        targets.inputs(&self.network.weights);
        if self.json {
            targets.printed();
        }
        for path in self.outputs() {
            targets.output(path)?;
        }
        Ok(())
    }

    /// Annotates `input` into the video `record`; all other options have their defaults.
    pub(super) fn demo(input: OsString, network: NetworkArgs, record: PathBuf) -> Self {
        Self {
            input,
            network,
            people: PeopleArgs::default(),
            record: Some(record),
            write_json: None,
            write_coco: None,
            write_openpose: None,
            write_csv: None,
            streams: StreamArgs::default(),
            overwrite: false,
            measures: MeasureArgs::default(),
            overlay: vec!["skeleton".to_owned()],
            start: None,
            end: None,
            max_frames: None,
            kpt_thr: OverlayStyle::default().keypoint_threshold,
            no_smooth: false,
            live: false,
            strict: false,
            json: false,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if s.is_finite() && s >= 0.0 => Ok(s),
        _ => Err("not a time in seconds".to_owned()),
    }
}

/// Returns a parser of MP4 file names.
fn mp4_name() -> impl TypedValueParser<Value = PathBuf> {
    let refusal = "the video is written as MP4; give it a name that ends in .mp4";
    file_name(&["mp4", "m4v"], refusal)
}

fn unit_interval(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(t) if (0.0..=1.0).contains(&t) => Ok(t),
        _ => Err("not a number from 0 to 1".to_owned()),
    }
}

/// Summary of a run; also the `--json` document.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    input: String,
    model: String,
    device: String,
    frames: u64,
    frames_with_a_person: u64,
    people: PeopleSummary,
    seconds: f64,
    fps: f64,
    drops: u64,
    record_drops: u64,
    latency: Option<Percentiles>,
    stages: BTreeMap<&'static str, Percentiles>,
    outputs: Vec<String>,
    streams: Vec<Tally>,
    warnings: Vec<String>,
    /// Whether the whole input was read, and its sound.
    #[serde(skip)]
    is_complete: bool,
    /// Whether frames were lost or may be corrupt because the input is damaged.
    damaged: bool,
    /// For cameras: delivered and lost frames.
    camera: Option<CameraReport>,
    /// Error that ended the run before its input; the other fields cover the frames until then.
    error: Option<String>,
}

pub(super) fn run(common: &Common, args: &RunArgs) -> anyhow::Result<()> {
    let (summary, failure) = annotate(common, args)?;
    for warning in &summary.warnings {
        eprintln!("poselens: {warning}");
    }
    if args.json {
        super::print_json(&summary)?;
    } else {
        report(&summary);
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    if summary.damaged {
        bail!("the input is damaged; all that could be read of it was written");
    }
    if args.strict && !summary.is_complete {
        bail!("the input was not read completely, which --strict does not accept");
    }
    Ok(())
}

fn report(summary: &Summary) {
    eprintln!(
        "{} in {:.1} s ({:.1} frames/s), a person in {}{}{}",
        counted(summary.frames, "frame"),
        summary.seconds,
        summary.fps,
        summary.frames_with_a_person,
        match summary.people.most {
            0 | 1 => String::new(),
            n => format!(", up to {n} people"),
        },
        match summary.drops + summary.record_drops {
            0 => String::new(),
            n => format!(", {n} dropped"),
        },
    );
    for path in summary.outputs.iter().filter(|path| *path != STDOUT) {
        eprintln!("wrote {path}");
    }
    for stream in &summary.streams {
        eprintln!("{}", stream.text());
    }
}

/// Runs the pipeline to the end of the source and returns a summary, also if the source failed
/// after its first frame.
fn annotate(common: &Common, args: &RunArgs) -> anyhow::Result<(Summary, Option<anyhow::Error>)> {
    if let (Some(start), Some(end)) = (args.start, args.end)
        && start >= end
    {
        let what = format!("--end {end} is not after --start {start}");
        return wrong_usage(what);
    }
    let spec = SourceSpec::parse(&args.input)?;
    args.check_outputs(&spec)?;
    let interrupted = StopFlag::new();
    let plan = plan(args, &spec, &interrupted);
    let streams = args.streams.open()?;
    stop_on_ctrl_c(&interrupted)?;
    let network = args.network.load(common, None)?;
    args.measures.check_joints(network.skeleton())?;
    let device = network.device().spec.to_string();
    let figures = SharedFigures::default();
    let pacing = if args.live {
        Pacing::Live
    } else {
        Pacing::EveryFrame
    };
    let mut pipeline = Pipeline::start(pacing, Arc::new(|| {}))?;
    pipeline.set_look(look(args));
    pipeline.send_to(Some(Arc::clone(&streams)));
    let estimator = args.people.estimator(network, !args.no_smooth)?;
    pipeline.switch_model(&args.network.model, Box::new(|| Ok(estimator)))?;
    wait_for_model(&pipeline)?;
    let tap_figures = Arc::clone(&figures);
    pipeline.start_recording(Box::new(move |first| {
        Ok(Box::new(RunTap::open(&plan, tap_figures, first)?))
    }))?;
    let begin = Instant::now();
    pipeline.switch_source(
        &args.input.to_string_lossy(),
        opener(args, spec, &interrupted),
    )?;
    let progress = Progress::new(args.max_frames);
    let outcome = follow(&pipeline, &figures, &interrupted, &progress);
    progress.finish();
    let (stats, camera) = (pipeline.stats(), pipeline.camera());
    drop(pipeline);
    let (mut warnings, failure) = outcome?;
    let seconds = begin.elapsed().as_secs_f64();
    let figures = figures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut n_left_out = 0;
    if warnings.is_interrupted {
        // The rest of a file is not lost, but frames delivered by a camera are.
        if warnings.is_live {
            n_left_out = (stats.frames - stats.displaced).saturating_sub(figures.frames);
        }
        warnings.interrupted(n_left_out, figures.record_drops);
    }
    warnings.texts.extend(figures.sound_notes);
    let is_complete = warnings.texts.is_empty();
    warnings.texts.extend(figures.size_note.clone());
    warnings.texts.extend(figures.people.note());
    let summary = Summary {
        input: args.input.to_string_lossy().into_owned(),
        model: args.network.model.clone(),
        device,
        frames: figures.frames,
        frames_with_a_person: figures.frames_with_a_person,
        people: figures.people.summary(),
        seconds: round3(seconds),
        fps: round3(figures.frames as f64 / seconds),
        drops: stats.drops + n_left_out,
        record_drops: figures.record_drops,
        latency: figures.latencies.percentiles(),
        stages: figures.stages.report(),
        outputs: args.outputs().map(|p| p.display().to_string()).collect(),
        streams: streams.finish(),
        warnings: warnings.texts,
        is_complete,
        damaged: warnings.is_damaged,
        camera,
        error: failure.as_ref().map(super::one_line),
    };
    Ok((summary, failure))
}

fn look(args: &RunArgs) -> Look {
    Look {
        overlays: OVERLAYS
            .iter()
            .filter(|o| args.overlay.iter().any(|name| name == o.name))
            .collect(),
        style: OverlayStyle {
            keypoint_threshold: args.kpt_thr,
            measures: args.measures.drawn(),
            ..OverlayStyle::default()
        },
        is_smoothed: !args.no_smooth,
        ..Look::default()
    }
}

fn plan(args: &RunArgs, spec: &SourceSpec, interrupted: &StopFlag) -> OutputPlan {
    let target = |name: &str| match name {
        "json" => args.write_json.clone(),
        "coco" => args.write_coco.clone(),
        "openpose" => args.write_openpose.clone(),
        "csv" => args.write_csv.clone(),
        _ => None,
    };
    OutputPlan {
        name: Path::new(spec.argument())
            .file_stem()
            .map_or(spec.kind().name.to_owned(), |stem| {
                stem.to_string_lossy().into_owned()
            }),
        overwrite: args.overwrite,
        measures: args.measures.written(),
        least_score: args.kpt_thr,
        record: args.record.clone(),
        exports: EXPORTERS
            .iter()
            .filter_map(|e| Some((e, target(e.name)?)))
            .collect(),
        backpressure: if args.live {
            Backpressure::DropNewest
        } else {
            Backpressure::Block
        },
        sound: SoundPlan {
            source: spec.clone(),
            trim: trim(args),
            stop: interrupted.clone(),
        },
    }
}

/// Returns the part of the input to read.
fn trim(args: &RunArgs) -> Trim {
    Trim {
        start_secs: args.start,
        end_secs: args.end,
        max_frames: args.max_frames,
    }
}

fn opener(args: &RunArgs, spec: SourceSpec, stop: &StopFlag) -> OpenSource {
    let trim = trim(args);
    let options = OpenOptions {
        max_frames: args.max_frames,
        stop: stop.clone(),
        ..OpenOptions::default()
    };
    Arc::new(move || {
        let whole = spec.open(&options)?;
        let source: Box<dyn FrameSource> =
            Box::new(Trimmed::new(whole, trim, options.stop.clone()));
        Ok(source)
    })
}

/// Time within which repeated signals count as one: `timeout` and other supervisors signal a program
/// and its process group. What a run still has to write takes no longer.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// Makes Ctrl+C set `flag`; a second Ctrl+C ends the program.
pub(super) fn stop_on_ctrl_c(flag: &StopFlag) -> anyhow::Result<()> {
    let flag = flag.clone();
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || {
        if first.get_or_insert_with(Instant::now).elapsed() > ONE_SIGNAL {
            // Exits at once at the second Ctrl+C; recordings remain playable up to their last
            // fragment.
            std::process::exit(130);
        }
        flag.stop();
    })
    .context("cannot watch for Ctrl+C")
}

//! `poselens bench`: measures the time of each stage on the bundled sample clip.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use anyhow::ensure;
use poselens_engine::estimator::{Estimator, Infer, Network, RequestedMaps};
use poselens_engine::frame::Frame;
use poselens_engine::output::Stage;
use poselens_engine::overlay::{OverlayStyle, draw_all, overlay};
use poselens_engine::record::VideoWriter;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::words::counted;
use poselens_shaders::canvas::Canvas;
use serde::Serialize;

use super::Common;
use super::args::NetworkArgs;
use crate::stats::{Percentiles, StageTimes, peak_memory_mib, round3};

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Number of timed frames, after a short warm-up
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    iters: u32,
    /// Also time every layer of the network
    #[arg(long)]
    layers: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Warm-up frames before measuring, in which caches, page tables and clock speeds settle.
const WARM_UP: u32 = 5;

#[derive(Serialize)]
struct Report {
    model: String,
    /// The weights are random: only speed is meaningful.
    random_weights: bool,
    device: String,
    threads: usize,
    iters: u32,
    frame: [usize; 2],
    input: [usize; 2],
    params: u64,
    macs: u64,
    gmacs_per_s: f64,
    peak_memory_mib: Option<f64>,
    stages: BTreeMap<&'static str, Percentiles>,
    total: Option<Percentiles>,
    fps: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Layer>,
}

/// A layer of the network; times are medians.
#[derive(Serialize)]
struct Layer {
    name: String,
    /// Multiply-accumulates by definition; our kernels need fewer in some layers.
    macs: u64,
    p50_ms: f64,
    gmacs_per_s: f64,
    /// Share of the sum of all layers' times.
    share: f64,
}

pub(super) fn run(common: &Common, args: &BenchArgs) -> anyhow::Result<()> {
    let report = measure(common, args)?;
    if args.json {
        return super::print_json(&report);
    }
    print(&report)?;
    Ok(())
}

fn print(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} on {}, {}, {}x{} frames, {} measured",
        report.model,
        report.device,
        counted(report.threads, "thread"),
        report.frame[0],
        report.frame[1],
        report.iters
    )?;
    writeln!(out, "{:8} {:>9} {:>9}", "stage", "p50 ms", "p95 ms")?;
    for stage in Stage::ALL {
        if let Some(p) = report.stages.get(stage.name()) {
            writeln!(out, "{:8} {:9.3} {:9.3}", stage.name(), p.p50_ms, p.p95_ms)?;
        }
    }
    if let Some(p) = report.total {
        writeln!(out, "{:8} {:9.3} {:9.3}", "total", p.p50_ms, p.p95_ms)?;
    }
    writeln!(
        out,
        "{:.2} M parameters, {:.3} GMACs, {:.1} GMAC/s, {:.1} frames/s, peak memory {} MiB",
        report.params as f64 / 1e6,
        report.macs as f64 / 1e9,
        report.gmacs_per_s,
        report.fps,
        report
            .peak_memory_mib
            .map_or("?".to_owned(), |m| format!("{m:.0}")),
    )?;
    if !report.layers.is_empty() {
        writeln!(
            out,
            "{:20} {:>10} {:>8} {:>8} {:>6}",
            "layer", "MMACs", "p50 ms", "GMAC/s", "share"
        )?;
    }
    for layer in &report.layers {
        writeln!(
            out,
            "{:20} {:10.2} {:8.3} {:8.1} {:5.1}%",
            layer.name,
            layer.macs as f64 / 1e6,
            layer.p50_ms,
            layer.gmacs_per_s,
            100.0 * layer.share
        )?;
    }
    Ok(())
}

fn measure(common: &Common, args: &BenchArgs) -> anyhow::Result<Report> {
    let (mut network, random_weights) = args.network.load_or_make_up(common)?;
    if random_weights {
        eprintln!(
            "{} has no bundled weights: measured with random weights, which find no people; \
             give a file with --weights",
            network.spec().name
        );
    }
    let card = network.card().clone();
    let spec = network.spec();
    let device = network.device().spec.to_string();
    let threads = network.n_threads();
    let layers = if args.layers {
        layers(&mut network, args.iters)?
    } else {
        Vec::new()
    };
    let frames = sample_frames()?;
    let size = frames[0].size();
    let mut estimator = Estimator::new(network, true);
    let skeleton = overlay("skeleton");
    let style = OverlayStyle::default();
    let folder = tempfile::tempdir()?;
    let mut writer = VideoWriter::create(&folder.path().join("bench.mp4"), size, 30.0)?;

    let mut stages = StageTimes::default();
    let mut totals = Vec::new();
    let mut picture = Vec::new();
    let mut measured_from = Instant::now();
    for i in 0..WARM_UP + args.iters {
        if i == WARM_UP {
            measured_from = Instant::now();
        }
        let mut frame = frames[i as usize % frames.len()].clone();
        frame.time_secs = f64::from(i) / 30.0;
        let begin = Instant::now();
        let output = estimator.infer(&frame, RequestedMaps::default())?;
        let mut timings = output.timings;
        timings.measure(Stage::Overlay, || {
            picture.clear();
            picture.extend_from_slice(frame.rgba());
            let mut canvas = Canvas::new(&mut picture, size.width, size.height);
            draw_all(&mut canvas, &output, skeleton.as_slice(), &style);
        });
        timings.measure(Stage::Encode, || writer.push(&picture, frame.time_secs))?;
        if i >= WARM_UP {
            stages.push(&timings);
            totals.push(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    let seconds = measured_from.elapsed().as_secs_f64();
    writer.finish()?;
    let peak_memory_mib = peak_memory_mib();

    let options = card.build_options()?;
    let macs = spec.survey(&options, card.input_size())?.macs;
    let stages = stages.report();
    let forward_ms = stages
        .get(Stage::Forward.name())
        .map_or(f64::NAN, |p| p.p50_ms);
    Ok(Report {
        model: spec.name.to_owned(),
        random_weights,
        device,
        threads,
        iters: args.iters,
        frame: [size.width, size.height],
        input: [card.input.width, card.input.height],
        params: spec.shapes(&options)?.n_params(),
        macs,
        gmacs_per_s: round3(macs as f64 / 1e6 / forward_ms),
        peak_memory_mib,
        stages,
        total: Percentiles::of(totals),
        fps: round3(f64::from(args.iters) / seconds),
        layers,
    })
}

/// Returns medians over `iters` forward passes, which all run the same layers in the same order.
fn layers(network: &mut Network, iters: u32) -> anyhow::Result<Vec<Layer>> {
    for _ in 0..WARM_UP {
        network.layers()?;
    }
    let calls = (0..iters)
        .map(|_| network.layers())
        .collect::<Result<Vec<_>, _>>()?;
    let first = calls.first().map_or(&[][..], |layers| &layers[..]);
    let median = |i: usize| {
        let times = calls
            .iter()
            .map(|layers| layers[i].time.as_secs_f64() * 1e3);
        Percentiles::of(times.collect()).map_or(f64::NAN, |p| p.p50_ms)
    };
    let millis: Vec<f64> = (0..first.len()).map(median).collect();
    let sum: f64 = millis.iter().sum();
    Ok(first
        .iter()
        .zip(millis)
        .map(|(work, p50_ms)| Layer {
            name: work.name.clone(),
            macs: work.macs,
            p50_ms,
            gmacs_per_s: round3(work.macs as f64 / 1e6 / p50_ms),
            share: round3(p50_ms / sum),
        })
        .collect())
}

/// Decodes the bundled clip in advance, so that file reading is not measured.
fn sample_frames() -> anyhow::Result<Vec<Frame>> {
    let mut source = SourceSpec::parse("sample")?.open(&OpenOptions::default())?;
    let mut frames = Vec::new();
    while let Some(frame) = source.next_frame()? {
        frames.push(frame);
    }
    ensure!(!frames.is_empty(), "the bundled sample clip has no frames");
    Ok(frames)
}

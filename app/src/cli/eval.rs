//! `poselens eval`: accuracy on labelled pictures.

use std::path::PathBuf;

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use poselens_engine::Result;
use poselens_engine::dataset::{DATASETS, coco, picture};
use poselens_engine::estimator::{Network, Want};
use poselens_engine::eval::{EvalOptions, EvalReport, METRICS, evaluate};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::Roi;
use poselens_engine::output::Timings;
use poselens_engine::pose::Keypoint;
use poselens_engine::sample::Sample;
use serde::Serialize;

use super::Common;
use super::args::{NetworkArgs, codec_names};
use super::progress::Progress;

/// Options of `eval`.
#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// Labels (COCO keypoints JSON)
    #[arg(long, value_name = "coco.json")]
    annotations: PathBuf,
    /// Folder with the pictures
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Metric to report
    #[arg(long, default_value = "all", value_parser = metric_names())]
    metric: String,
    /// PCK counts a joint within this fraction of the torso
    #[arg(long, default_value_t = 0.2, value_name = "T")]
    pck_thr: f64,
    /// Average the heatmaps of the picture and its mirror image
    #[arg(long)]
    flip: bool,
    /// How heatmaps become joints; the model's own way when not given
    #[arg(long, value_parser = codec_names())]
    decode: Option<String>,
    /// `gt` for the labelled boxes, or a file with a detector's boxes (COCO results JSON)
    #[arg(long, default_value = "gt", value_name = "gt|FILE")]
    boxes: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn metric_names() -> PossibleValuesParser {
    PossibleValuesParser::new(METRICS.iter().map(|m| m.name).chain(["all"]))
}

#[derive(Serialize)]
struct Document {
    model: String,
    device: String,
    decode: String,
    flip: bool,
    boxes: String,
    #[serde(flatten)]
    report: EvalReport,
}

pub fn run(common: &Common, args: &EvalArgs) -> anyhow::Result<()> {
    let mut network = args.network.load(common, args.decode.as_deref())?;
    let dataset = DATASETS[0].load(&args.annotations, &args.images)?;
    if dataset.skeleton.name != network.skeleton().name {
        bail!(
            "{}: the labels are {}, model {} finds {}",
            args.annotations.display(),
            dataset.skeleton.name,
            args.network.model,
            network.skeleton().name
        );
    }
    let mut options = EvalOptions::new(*network.input());
    options.pck_threshold = args.pck_thr;
    if args.boxes != "gt" {
        let path = PathBuf::from(&args.boxes);
        options.boxes = Some(coco::read_boxes(&path, dataset.category_id)?);
    }
    let progress = Progress::new(None);
    progress.expect(Some(dataset.samples.len() as u64));
    let mut pictures = Pictures::default();
    let mut report = evaluate(
        dataset.skeleton,
        &dataset.samples,
        &options,
        &mut |sample, roi| {
            let frame = pictures.frame(sample)?;
            progress.set(pictures.n_read);
            predict(&mut network, &frame, roi, args.flip)
        },
    )?;
    progress.finish();
    if args.metric != "all" {
        report.keep_only(&args.metric);
    }
    let document = Document {
        model: args.network.model.clone(),
        device: network.device().spec.to_string(),
        decode: args
            .decode
            .clone()
            .unwrap_or_else(|| network.card().heatmap.decode.clone()),
        flip: args.flip,
        boxes: args.boxes.clone(),
        report,
    };
    if args.json {
        return super::print_json(&document);
    }
    print(&document);
    Ok(())
}

/// Joints of the one person the network sees in the region.
fn predict(network: &mut Network, frame: &Frame, roi: &Roi, flip: bool) -> Result<Vec<Keypoint>> {
    let mut timings = Timings::default();
    let people = if flip {
        network.look_twice(frame, roi, &mut timings)?
    } else {
        network
            .look(frame, roi, Want::default(), &mut timings)?
            .people
    };
    Ok(people.into_iter().next().unwrap_or_default())
}

/// The picture of the sample at hand: several people of one picture read it once.
#[derive(Default)]
struct Pictures {
    current: Option<(u64, Frame)>,
    n_read: u64,
}

impl Pictures {
    fn frame(&mut self, sample: &Sample) -> Result<Frame> {
        if let Some((id, frame)) = &self.current
            && *id == sample.image_id
        {
            return Ok(frame.clone());
        }
        let frame = picture::read(&sample.path, sample.image_id)?;
        self.n_read += 1;
        self.current = Some((sample.image_id, frame.clone()));
        Ok(frame)
    }
}

fn print(document: &Document) {
    let report = &document.report;
    println!(
        "{} on {} people, {} boxes, decode {}{}",
        document.model,
        report.n_people,
        document.boxes,
        document.decode,
        if document.flip { ", flip averaged" } else { "" }
    );
    for metric in METRICS {
        if let Some(value) = (metric.headline)(report) {
            println!(
                "{:6} {value:.4} ({}: {})",
                metric.name, metric.unit, metric.help
            );
        }
    }
    if let Some(pck) = &report.pck {
        for (joint, value) in &pck.per_joint {
            if let Some(value) = value {
                println!("       {joint:12} {value:.4}");
            }
        }
    }
}

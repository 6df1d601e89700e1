//! `poselens eval`: measures accuracy on labelled images.

mod boxes;
mod chart_file;
mod figures;
mod pictures;
mod predicted;
mod several;
mod tracks;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::builder::PossibleValuesParser;
use poselens_engine::dataset::orientation::open_note;
use poselens_engine::dataset::{Dataset, Request, Split, guess_format, usual_images};
use poselens_engine::estimator::{Averaging, FINDER, Network, People};
use poselens_engine::eval::pck::PckReport;
use poselens_engine::eval::{
    EvalOptions, EvalReport, METRICS, chart, check_people, evaluate_bottom_up, evaluate_top_down,
};
use poselens_engine::geometry::Roi;
use poselens_engine::output::{Approach, Timings};
use poselens_engine::record::save_png;
use poselens_engine::sample::{LeftOut, Sample};
use poselens_engine::skeleton::{JointMap, Skeleton};
use poselens_engine::train::orientation::{resolution_note, resolve_by_fit};
use poselens_engine::words::counted;
use serde::Serialize;

use self::figures::Figures;
use self::pictures::Pictures;
use super::args::{LabelArgs, NetworkArgs, codec_names, png_name};
use super::progress::Progress;
use super::{Common, checked, wrong_usage};
use crate::option_texts::{IMAGES, LABELS};

/// Options of `eval`.
#[derive(Debug, clap::Args)]
pub(super) struct EvalArgs {
    #[arg(long, help = format!("Labels: {LABELS}"), value_name = "FILE|DIR")]
    annotations: PathBuf,
    #[arg(long, help = format!("Image folder; {IMAGES}"), value_name = "DIR")]
    images: Option<PathBuf>,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    network: NetworkArgs,
    /// Metric to report
    #[arg(long, default_value = "all", value_parser = metric_names())]
    metric: String,
    /// PCK: a joint is correct within this fraction of the torso length
    #[arg(long, default_value_t = 0.2, value_name = "T", value_parser = fraction)]
    pck_thr: f64,
    /// PCKh: a joint is correct within this fraction of the head size: 0.6 times the diagonal of
    /// the head box where COCO labels have one (`head_box`: left, top, right, bottom), else from
    /// upper neck to head top
    #[arg(long, default_value_t = 0.5, value_name = "T", value_parser = fraction)]
    pckh_thr: f64,
    /// Average the heatmaps of the image and its mirror image (flip test)
    #[arg(long)]
    flip: bool,
    /// Average the heatmaps over these scales of the person, as MCA is tested: 0.8,1.0,1.2
    #[arg(
        long,
        value_name = "S,S,...",
        value_delimiter = ',',
        default_value = "1"
    )]
    scales: Vec<f64>,
    /// How heatmaps are decoded to joints; default: the model's own decoder
    #[arg(long, value_parser = codec_names())]
    decode: Option<String>,
    /// Person boxes: `gt` for the labelled ones, or a detector's results (COCO results JSON)
    #[arg(long, default_value = "gt", value_name = "gt|FILE")]
    boxes: String,
    /// Write a bar chart of the results per joint (PNG)
    #[arg(long, value_name = "PNG", value_parser = png_name())]
    plot: Option<PathBuf>,
    /// Measure on whole images, without given person boxes: with `several`, ssa-sfm-2 finds all people
    /// and the model refines each, or N of them; ssa-sfm-2 alone is measured as well. Where the labels
    /// have a `track_id`, identity metrics are computed too, on the images in order. `one`: the model
    /// in the labelled boxes, as without this option
    #[arg(long, value_name = "one|several[:N]", value_parser = several::people, conflicts_with_all = [
        "flip", "scales", "boxes"
    ])]
    people: Option<People>,
    /// Measure how well people keep their identities: the poses that `run --write-json` wrote for
    /// labelled video (`track_id` in COCO labels, as in PoseTrack), as a file or a folder with
    /// CLIP.jsonl for each clip; no network runs
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = [
        "model", "weights", "metric", "pck_thr", "pckh_thr", "flip", "scales", "decode", "boxes", "plot",
        "people"
    ])]
    tracks: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn metric_names() -> PossibleValuesParser {
    PossibleValuesParser::new(METRICS.iter().map(|m| m.name).chain(["all"]))
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(t) if t.is_finite() && t > 0.0 => Ok(t),
        _ => Err("not a number above 0".to_owned()),
    }
}

#[derive(Serialize)]
struct Document {
    model: String,
    device: String,
    decode: String,
    flip: bool,
    scales: Vec<f64>,
    boxes: String,
    /// Labelled joints and people that are not evaluated.
    left_out: LeftOut,
    /// Number of the detector's boxes that are not used.
    boxes_left_out: usize,
    /// Images that cannot be read, with the reason; their people are left out.
    unreadable: Vec<String>,
    /// Notes on the labels, one per line.
    notes: Vec<String>,
    #[serde(flatten)]
    report: EvalReport,
    /// The network that finds several people, measured alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    finder: Option<Alone>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Figures>,
}

/// Results of a single network on whole images.
#[derive(Serialize)]
struct Alone {
    model: String,
    #[serde(flatten)]
    report: EvalReport,
}

pub(super) fn run(common: &Common, args: &EvalArgs) -> anyhow::Result<()> {
    if let Some(tracks) = &args.tracks {
        return tracks::run(args, tracks);
    }
    let averaging = Averaging {
        flip: args.flip,
        scales: args.scales.clone(),
    };
    checked(averaging.check())?;
    if args.boxes != "gt" && ["pck", "pckh"].contains(&args.metric.as_str()) {
        return wrong_usage(format!("--metric {} needs --boxes gt", args.metric));
    }
    let mut network = checked(args.network.load(common, args.decode.as_deref()))?;
    let mut labels = args.labels(&mut network)?;
    args.check_plot(&labels.dataset.samples)?;
    let (options, boxes_left_out) = args.options(&network, &mut labels.dataset)?;
    args.require_pictures(&network, &options, &labels.dataset)?;
    let unreadable = args.leave_out_unreadable(&network, &options, &mut labels.dataset)?;
    let skeleton = labels.dataset.skeleton;
    let people = args.people.filter(|people| *people != People::One);
    // A bottom-up network finds everybody by itself.
    let is_combined = people.is_some() && network.spec().approach == Approach::TopDown;
    let (report, finder) = match people {
        Some(people) if is_combined => {
            let (report, finder) = args.measure_several(common, people, &labels, &options)?;
            (report, Some(finder))
        }
        _ => (measure(&mut network, &labels, &options, &averaging)?, None),
    };
    let report = args.chosen(report, skeleton)?;
    let finder = match finder {
        Some(report) => Some(Alone {
            model: FINDER.to_owned(),
            report: args.chosen(report, skeleton)?,
        }),
        None => None,
    };
    let identity = match people {
        Some(people) => args.identities(common, people, &labels)?,
        None => None,
    };
    let document = Document {
        model: args.network.model.clone(),
        device: network.device().spec.to_string(),
        decode: args
            .decode
            .clone()
            .unwrap_or_else(|| network.card().heatmap.decode.clone()),
        flip: args.flip,
        scales: args.scales.clone(),
        boxes: match network.spec().approach {
            Approach::TopDown if !is_combined => args.boxes.clone(),
            _ => "no".to_owned(),
        },
        left_out: labels.dataset.left_out,
        boxes_left_out,
        unreadable: unreadable.errors(),
        notes: labels.dataset.notes,
        report,
        finder,
        identity,
    };
    if let Some(path) = &args.plot {
        save_png(&chart(skeleton, &document.report, &document.title()), path)?;
    }
    if args.json {
        super::print_json(&document)?;
    } else {
        super::print_line(document.table(skeleton))?;
    }
    match unreadable.text() {
        Some(text) => bail!("{}: {text}", args.annotations.display()),
        None => Ok(()),
    }
}

/// Labels to evaluate on.
struct Labels {
    dataset: Dataset,
    /// The labels' joints among the network's, for networks whose predictions are renamed.
    names: JointMap,
}

impl EvalArgs {
    /// Reads the labels, and notes what of them is not measured.
    fn labels(&self, network: &mut Network) -> anyhow::Result<Labels> {
        let dataset = self.read(network)?;
        let n_unknown = dataset.left_out.joints.len();
        let answers = network.skeleton();
        let strangers = || {
            anyhow!(
                "{}: the labels are {}, model {} finds {}",
                self.annotations.display(),
                dataset.skeleton.name,
                self.network.model,
                answers.name
            )
        };
        // Either the labels are renamed to the model's joints, or, if the skeleton has joints
        // computed from others, the predictions to the labels' joints.
        let (names, mut dataset) = match network.spec().approach {
            Approach::TopDown => (
                Vec::new(),
                dataset.renamed_to(answers).ok_or_else(strangers)?,
            ),
            Approach::BottomUp => {
                let names = answers.map_to(&dataset.skeleton.name);
                (names.ok_or_else(strangers)?, dataset)
            }
        };
        let lost = &dataset.left_out.joints[n_unknown..];
        if !lost.is_empty() {
            let note = format!(
                "{} does not find {}: not measured",
                self.network.model,
                lost.join(", ")
            );
            tracing::warn!("{note}");
            dataset.notes.push(note);
        }
        let n_told = dataset.left_out.people.len();
        check_people(&dataset.samples, &mut dataset.left_out)
            .with_context(|| self.annotations.display().to_string())?;
        if dataset.left_out.people.len() > n_told {
            let note = format!(
                "people left out of the evaluation: {}",
                dataset.left_out.reasons()
            );
            tracing::warn!("{note}");
            dataset.notes.push(note);
        }
        Ok(Labels { dataset, names })
    }

    /// Returns the folder of the images.
    fn folder(&self) -> PathBuf {
        let images = self.images.clone();
        images.unwrap_or_else(|| usual_images(&self.annotations))
    }

    /// Reads the labels without looking at the images.
    fn load(&self) -> anyhow::Result<Dataset> {
        let format = guess_format(&self.annotations)?;
        let dataset = checked(format.load(&Request {
            category: self.labels.category.as_deref(),
            orientation: self.labels.orientation.unwrap_or_default(),
            ..Request::new(&self.annotations, &self.folder(), Split::HeldOut)
        }))?;
        if dataset.samples.iter().all(|s| s.annotations.is_empty())
            && dataset.left_out.people.is_empty()
        {
            bail!("{}: no labelled people", self.annotations.display());
        }
        Ok(dataset)
    }

    /// Reads the labels as they are; `network` decides how images are to be rotated if the labels
    /// do not say.
    fn read(&self, network: &mut Network) -> anyhow::Result<Dataset> {
        let mut dataset = self.load()?;
        dataset.require_pictures(&self.folder())?;
        let n_open = dataset.open.len();
        if n_open > 0 {
            let resolved = resolve_by_fit(&mut dataset, network)?;
            let note = resolved.map_or_else(|| open_note(n_open), |o| resolution_note(n_open, o));
            tracing::warn!("{}: {note}", self.annotations.display());
            dataset.notes.push(note);
        }
        Ok(dataset)
    }

    /// Returns the report of the chosen metric alone.
    fn chosen(&self, mut report: EvalReport, skeleton: &Skeleton) -> anyhow::Result<EvalReport> {
        if self.metric == "all" {
            return Ok(report);
        }
        report.keep_only(&self.metric);
        let needed = match self.metric.as_str() {
            "pck" if report.pck.is_none() => "labelled torsos and --boxes gt",
            "pckh" if report.pckh.is_none() => "labelled heads (or head boxes) and --boxes gt",
            "oks" if report.oks.is_none() => "a skeleton with OKS sigmas",
            _ => return Ok(report),
        };
        let (metric, joints) = (&self.metric, &skeleton.name);
        bail!("{metric} cannot be measured here: it needs {needed}; the joints are {joints}");
    }
}

/// Runs the network on all labelled people or images, and compares.
fn measure(
    network: &mut Network,
    labels: &Labels,
    options: &EvalOptions,
    averaging: &Averaging,
) -> anyhow::Result<EvalReport> {
    let approach = network.spec().approach;
    let Labels { dataset, names } = labels;
    let (skeleton, samples) = (dataset.skeleton, &dataset.samples);
    let progress = Progress::new(None);
    progress.expect(Some(samples.len() as u64));
    let mut pictures = Pictures::default();
    let mut timings = Timings::default();
    let mut look = |sample: &Sample, roi: Option<&Roi>| {
        let frame = pictures.frame(sample)?;
        progress.set(pictures.n_read);
        let whole = Roi::whole(frame.size(), options.input.size.aspect());
        let roi = roi.unwrap_or(&whole);
        network.infer_region_averaged(&frame, roi, averaging, &mut timings)
    };
    let report = match approach {
        Approach::TopDown => evaluate_top_down(skeleton, samples, options, &mut |sample, roi| {
            let found = look(sample, Some(roi))?.into_iter().next();
            Ok(found.map_or_else(Vec::new, |found| found.joints))
        }),
        Approach::BottomUp => evaluate_bottom_up(skeleton, samples, options, &mut |sample| {
            let found = look(sample, None)?;
            Ok(found.iter().map(|person| person.renamed(names)).collect())
        }),
    }?;
    progress.finish();
    Ok(report)
}

impl Document {
    /// Returns a one-line title of the evaluation.
    fn title(&self) -> String {
        let (n, boxes) = (self.report.n_people, &self.boxes);
        let asked = match boxes.as_str() {
            "gt" | "no" => format!("{}, {boxes} boxes", counted(n, "person")),
            file => format!("{} of {file}", counted(n, "box")),
        };
        let model = match &self.finder {
            Some(finder) => format!("{} where {} finds people", self.model, finder.model),
            None => self.model.clone(),
        };
        let mut title = format!("{model} on {asked}, decode {}", self.decode);
        if self.flip {
            title += ", flip averaged";
        }
        if self.scales != [1.0] {
            let scales = self.scales.iter().map(f64::to_string);
            title.push_str(", scales ");
            title.push_str(&scales.collect::<Vec<_>>().join(" "));
        }
        title
    }

    /// Formats the metrics in percent, in aligned columns; `-` if nothing was labelled.
    fn table(&self, skeleton: &Skeleton) -> String {
        let EvalReport { pck, pckh, oks, .. } = &self.report;
        let mut rows = vec![self.title()];
        let mut line = |name: &str, cells: &[String]| {
            let cells = cells.iter().map(|cell| format!(" {cell:>9}"));
            let row = std::iter::once(format!("{name:12}")).chain(cells);
            rows.push(row.collect::<Vec<_>>().concat());
        };
        let alone = self.finder.as_ref();
        let alone_oks = alone.and_then(|finder| Some((finder, finder.report.oks.as_ref()?)));
        if let Some(oks) = oks {
            for half in [0..5, 5..10] {
                let numbers = &oks.numbers()[half.clone()];
                let texts = |numbers: &[(&str, Option<f64>)]| -> Vec<String> {
                    numbers.iter().map(|n| percent(n.1)).collect()
                };
                let names: Vec<_> = numbers.iter().map(|n| n.0.to_owned()).collect();
                line("COCO", &names);
                line("", &texts(numbers));
                if let Some((finder, oks)) = alone_oks {
                    line(&finder.model, &texts(&oks.numbers()[half]));
                }
            }
        }
        let joints = skeleton.joints.iter();
        let of = |per_joint: &BTreeMap<String, Option<f64>>, limbs, all| -> Vec<Option<f64>> {
            let shares = joints.clone().map(|j| per_joint.get(j).copied().flatten());
            shares.chain([limbs, all]).collect()
        };
        let shares_of = |p: &PckReport| of(&p.per_joint, p.mean, p.mean_all);
        let pck = pck
            .as_ref()
            .map(|p| (format!("PCK@{}", p.threshold), shares_of(p)));
        let alone = alone.and_then(|finder| finder.report.pck.as_ref());
        let alone = alone.map(|p| (FINDER.to_owned(), shares_of(p)));
        let pckh = pckh.as_ref().map(|p| {
            let shares = of(&p.per_joint, None, p.mean);
            (format!("PCKh@{}", p.threshold), shares)
        });
        let columns: Vec<_> = [pck, alone, pckh].into_iter().flatten().collect();
        if !columns.is_empty() {
            line("", &columns.iter().map(|c| c.0.clone()).collect::<Vec<_>>());
            let names = joints.clone().map(String::as_str).chain(["limbs", "all"]);
            for (i, name) in names.enumerate() {
                let cells = columns.iter().map(|c| percent(c.1[i]));
                line(name, &cells.collect::<Vec<_>>());
            }
        }
        let EvalReport { pck, n_people, .. } = &self.report;
        let measured = pck.as_ref().filter(|p| p.n_people < *n_people);
        let people = |n| counted(n, "person");
        rows.extend(measured.map(|p| format!("PCK of {} with a torso", people(p.n_people))));
        rows.extend(
            self.report
                .pckh
                .as_ref()
                .map(|p| format!("PCKh by the {}", p.reference())),
        );
        rows.extend(self.identity.as_ref().map(Figures::table));
        rows.join("\n")
    }
}

/// Formats a fraction in percent: `60.13`, or `-` if nothing was measured.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |v| format!("{:.2}", 100.0 * v))
}

//! `poselens attention`: draws one attention map over an image.

mod fields;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::bail;
use poselens_engine::estimator::{Estimator, Infer, RequestedMaps};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::Point;
use poselens_engine::nn::Kernels;
use poselens_engine::output::{AttentionMap, Direction, PoseOutput, RegionOutput};
use poselens_engine::overlay::{AttentionFigure, OverlayStyle};
use poselens_engine::pose::Keypoint;
use poselens_engine::record::save_png;
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::words::counted;

use super::args::{NetworkArgs, png_name};
use super::targets::Targets;
use super::{Common, wrong_usage};

/// Options of `attention`.
#[derive(Debug, clap::Args)]
pub(super) struct AttentionArgs {
    /// An image, or any other input of `run` (its first frame)
    #[arg(long, value_name = "IMAGE")]
    input: OsString,
    #[command(flatten)]
    network: NetworkArgs,
    /// Joint whose attention is drawn: nose, l_wrist, "left wrist", ...; with --mode fields
    /// optional: only the limbs at this joint
    #[arg(long, value_name = "NAME")]
    keypoint: Option<String>,
    /// Limb whose field is drawn, by its joints: l_elbow-l_wrist; default: all (fields)
    #[arg(long, value_name = "A-B", conflicts_with = "keypoint")]
    limb: Option<String>,
    /// Layer, block or stack, counted from 0; default: the last
    #[arg(long, value_name = "L")]
    layer: Option<usize>,
    /// Mean-field iteration, counted from 1; default: the last (crf)
    #[arg(long, value_name = "T")]
    iteration: Option<usize>,
    /// Attention head, counted from 0; default: the mean over heads (dependency, affected)
    #[arg(long, value_name = "H")]
    head: Option<usize>,
    /// Kind of attention map; default: the model's own
    #[arg(long)]
    mode: Option<Mode>,
    /// Map of the layer: gate, M or M_deeper (hsa); part, att_sum, refine, att_l1, ... (crf).
    /// Default: the first of gate, part, att_sum that exists
    #[arg(long, value_name = "NAME")]
    map: Option<String>,
    /// Hide values up to T (hsa: values within T of the neutral value; fields: default 0.1)
    #[arg(long, value_name = "T", value_parser = threshold)]
    threshold: Option<f32>,
    /// PNG file to write
    #[arg(long, value_name = "PNG", value_parser = png_name())]
    out: PathBuf,
}

/// Kinds of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// TransPose: positions that the joint's position attends to
    Dependency,
    /// TransPose: positions that attend to the joint's position
    Affected,
    /// MCA: attention of the conditional random field, per part where the model has it
    Crf,
    /// SFM: high-level spatial attention
    Hsa,
    /// Networks for several people: part affinity fields, an arrow in the direction of the limb in
    /// each cell
    Fields,
}

fn threshold(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(t) if t.is_finite() && t >= 0.0 => Ok(t),
        _ => Err("not a number from 0 up".to_owned()),
    }
}

/// Maximum number of regions in which a tracker searches for a person: the whole image and, if it
/// is wide, parts of it.
const MAX_LOOKS: usize = 8;

/// Maps drawn by default, in order of preference: those by which features are multiplied.
const APPLIED: [&str; 3] = ["gate", "part", "att_sum"];

pub(super) fn run(common: &Common, args: &AttentionArgs) -> anyhow::Result<()> {
    let mut targets = Targets::default();
    targets.input(Path::new(&args.input));
    targets.inputs(&args.network.weights);
    targets.output(&args.out)?;
    if args.mode == Some(Mode::Fields) {
        return fields::run(common, args);
    }
    let Some(keypoint) = &args.keypoint else {
        return wrong_usage("--keypoint is needed: the joint whose attention is drawn");
    };
    if args.limb.is_some() {
        return wrong_usage("--limb is only available with --mode fields");
    }
    let network = args.network.load(common, None)?;
    let skeleton = network.skeleton();
    let joint = joint_of(keypoint, skeleton)?;
    let joint_name = &skeleton.joints[joint];
    let frame = first_frame(&args.input)?;
    let output = look(&mut Estimator::new(network, false), &frame, &args.input)?;
    let (Some(pose), Some(region)) = (output.poses.first(), output.regions.first()) else {
        bail!("{}: no person found", args.input.display());
    };
    let keypoint = pose.keypoints_raw.get(joint).copied().unwrap_or_default();
    let map = match direction(args, region) {
        Some(direction) => self_attention(common, args, region, direction, keypoint)?,
        None => chosen(args, region, joint)?,
    };
    let title = format!(
        "{} {} - {} {:.2}\n{}\n{} - frame {} - {:.3} s",
        args.network.model,
        map.name,
        joint_name,
        keypoint.score.max(0.0),
        map.title,
        source_name(&args.input),
        frame.id,
        frame.time_secs,
    );
    let figure = AttentionFigure {
        frame: &frame,
        map: &map,
        title: &title,
        threshold: args.threshold,
        joint: is_inside(keypoint, &frame).then(|| keypoint.point()),
    };
    save_png(&figure.draw(&OverlayStyle::default()), &args.out)?;
    eprintln!(
        "wrote {} ({})",
        args.out.display(),
        title.replace('\n', " - ")
    );
    Ok(())
}

/// Returns the index of a joint in any usual spelling.
fn joint_of(keypoint: &str, skeleton: &Skeleton) -> anyhow::Result<usize> {
    match skeleton.joint_spelled(keypoint) {
        Some(joint) => Ok(joint),
        None => wrong_usage(format!(
            "unknown keypoint '{keypoint}'; {} has {}",
            skeleton.name,
            skeleton.joints.join(", ")
        )),
    }
}

/// Returns the file name without its folders.
fn source_name(input: &OsStr) -> String {
    let name = Path::new(input).file_name().unwrap_or(input);
    name.to_string_lossy().into_owned()
}

fn first_frame(input: &OsStr) -> anyhow::Result<Frame> {
    let options = OpenOptions {
        max_frames: Some(1),
        ..OpenOptions::default()
    };
    match SourceSpec::parse(input)?.open(&options)?.next_frame()? {
        Some(frame) => Ok(frame),
        None => bail!("{}: has no frame", input.display()),
    }
}

/// Finds the person as `run` does, then runs the model on them again, cropped and with maps.
fn look(estimator: &mut Estimator, frame: &Frame, input: &OsStr) -> anyhow::Result<PoseOutput> {
    for _ in 0..MAX_LOOKS {
        if !estimator
            .infer(frame, RequestedMaps::default())?
            .poses
            .is_empty()
        {
            let requested = RequestedMaps {
                attention: true,
                ..RequestedMaps::default()
            };
            return Ok(estimator.infer(frame, requested)?);
        }
    }
    bail!(
        "{}: no person found, so there is no joint to show attention for",
        input.display()
    )
}

fn is_inside(keypoint: Keypoint, frame: &Frame) -> bool {
    let (p, size) = (keypoint.point(), frame.size());
    let inside = |v: f64, n: usize| (-0.5..n as f64 - 0.5).contains(&v);
    inside(p.x, size.width) && inside(p.y, size.height)
}

/// Returns the requested direction; `None` if the mode is not self-attention.
fn direction(args: &AttentionArgs, region: &RegionOutput) -> Option<Direction> {
    match args.mode {
        Some(Mode::Dependency) => Some(Direction::Dependency),
        Some(Mode::Affected) => Some(Direction::Affected),
        Some(Mode::Crf | Mode::Hsa | Mode::Fields) => None,
        None => (!region.query_key.is_empty()).then_some(Direction::Dependency),
    }
}

/// Returns a row or column of a self-attention layer's matrix at a joint.
fn self_attention(
    common: &Common,
    args: &AttentionArgs,
    region: &RegionOutput,
    direction: Direction,
    keypoint: Keypoint,
) -> anyhow::Result<AttentionMap> {
    let model = &args.network.model;
    let Some(last) = region.query_key.iter().map(|q| q.layer).max() else {
        return wrong_usage(format!(
            "{model} has no self-attention: choose another --mode"
        ));
    };
    if args.map.is_some() || args.iteration.is_some() {
        return wrong_usage("self-attention has no --map and no --iteration");
    }
    let layer = args.layer.unwrap_or(last);
    let Some(found) = region.query_key.iter().find(|q| q.layer == layer) else {
        return wrong_usage(format!(
            "{model} has self-attention in layers 0 to {last}, not in {layer}"
        ));
    };
    // A joint on the last row of the heatmap may lie slightly outside the region.
    let (joint, grid) = (keypoint.point(), found.grid);
    let middle = Point::new(
        (grid.width - 1) as f64 / 2.0,
        (grid.height - 1) as f64 / 2.0,
    );
    let middle = found.image_from_map.apply(middle);
    let inwards = |v: f64, to: f64| v + 0.02 * (to - v);
    let inside = Point::new(inwards(joint.x, middle.x), inwards(joint.y, middle.y));
    let Some(token) = found.token_at(joint).or_else(|| found.token_at(inside)) else {
        bail!("the joint lies outside the region that the network saw");
    };
    if let Some(head) = args.head
        && head >= found.heads
    {
        return wrong_usage(format!(
            "{model} has {} in layer {layer}, numbered from 0: not {head}",
            counted(found.heads, "head")
        ));
    }
    let kernels = Kernels::new(common.n_threads())?;
    Ok(found.as_map(direction, token, args.head, &kernels.threads)?)
}

/// Returns the requested map as one plane.
fn chosen(
    args: &AttentionArgs,
    region: &RegionOutput,
    joint: usize,
) -> anyhow::Result<AttentionMap> {
    let maps = &region.attention;
    let model = &args.network.model;
    if args.head.is_some() {
        return wrong_usage("--head is only available in the modes dependency and affected");
    }
    if maps.is_empty() {
        return wrong_usage(format!("{model} has no attention maps"));
    }
    // Only HSA's maps have a neutral value with values on both sides.
    let mode_of = |map: &AttentionMap| map.neutral().map_or(Mode::Crf, |_| Mode::Hsa);
    let mode = args.mode.unwrap_or_else(|| mode_of(&maps[0]));
    let of_mode: Vec<_> = maps.iter().filter(|m| mode_of(m) == mode).collect();
    let Some(last) = of_mode.iter().map(|m| m.place.layer).max() else {
        return wrong_usage(format!(
            "{model} has no attention of this mode; its maps are {}",
            names(maps.iter())
        ));
    };
    let layer = args.layer.unwrap_or(last);
    let wanted = |m: &AttentionMap| {
        m.place.layer == layer && args.iteration.is_none_or(|t| m.place.iteration == Some(t))
    };
    // Iterations of a map are consecutive: the last is the one applied to the features.
    let called = |name: &str| {
        let fits = |m: &&&AttentionMap| wanted(m) && short_name(m) == name;
        of_mode.iter().rfind(fits).copied()
    };
    let map = match &args.map {
        Some(name) => called(name),
        None => APPLIED.iter().find_map(|name| called(name)),
    };
    let Some(map) = map else {
        let iterations = of_mode.iter().filter_map(|m| m.place.iteration).max();
        return wrong_usage(format!(
            "{model} has no such map; it has {} in layers 0 to {last}{}",
            names(of_mode.iter().copied()),
            iterations.map_or_else(String::new, |n| format!(", iterations 1 to {n}")),
        ));
    };
    let plane = if map.map.n == 1 { 0 } else { joint };
    let Some(plane) = map.plane(plane) else {
        bail!("{} has no plane for this joint", map.name);
    };
    Ok(plane)
}

/// Lists the valid values of `--map`.
fn names<'a>(maps: impl Iterator<Item = &'a AttentionMap>) -> String {
    let names: BTreeSet<_> = maps.map(short_name).collect();
    Vec::from_iter(names).join(", ")
}

/// Strips block or stack and iteration from a name: `x13.gate` gives `gate`, `s1_part.iter2` gives
/// `part`.
fn short_name(map: &AttentionMap) -> &str {
    let name = map.name.split_once(".iter").map_or(&*map.name, |(n, _)| n);
    name.split_once(['.', '_']).map_or(name, |(_, short)| short)
}

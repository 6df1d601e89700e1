//! `poselens label`: the Label view, or suggested frames and proposed labels without a window.

use std::path::{Path, PathBuf};

use anyhow::bail;
use poselens_engine::estimator::Estimator;
use poselens_engine::project::{Version, propose};
use serde::Serialize;

use super::args::{NetworkArgs, model_names};
use super::progress::Progress;
use super::{Common, print_json, print_line, project};
use crate::logs::LogBook;
use crate::words::counted;

/// Options of `label`.
#[derive(Debug, clap::Args)]
pub(super) struct LabelArgs {
    /// Project to label in the window
    #[arg(
        value_name = "PROJECT",
        required_unless_present = "propose",
        conflicts_with = "propose"
    )]
    project: Option<PathBuf>,
    /// Project whose frames are suggested and filled with the model's poses, without a window
    #[arg(long, value_name = "PROJECT")]
    propose: Option<PathBuf>,
    /// Number of frames to suggest
    #[arg(long, value_name = "N", conflicts_with = "project", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    frames: u16,
    /// Model; default: the project's
    #[arg(long, conflicts_with = "project", value_parser = model_names())]
    model: Option<String>,
    /// Weights file (safetensors); default: the project's accepted version, else the bundled weights
    #[arg(long, value_name = "FILE", conflicts_with = "project")]
    weights: Option<PathBuf>,
    /// Print the suggested frames as JSON
    #[arg(long, conflicts_with = "project")]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    project: String,
    model: String,
    /// Number of frames that the model examined.
    examined: usize,
    suggested: Vec<SuggestedFrame>,
    /// Number of held-out frames.
    holdout: u64,
    /// What was left out, one line each.
    left_out: Vec<String>,
}

#[derive(Serialize)]
struct SuggestedFrame {
    clip: String,
    frame: u32,
    time_secs: f64,
    reason: serde_json::Value,
    explanation: &'static str,
    value: f32,
    people: usize,
}

pub(super) fn run(common: &Common, args: &LabelArgs, log: LogBook) -> anyhow::Result<()> {
    match (&args.propose, &args.project) {
        (Some(folder), _) => propose_in(folder, common, args),
        (_, Some(folder)) => super::gui::label(folder, common, log),
        _ => Ok(()),
    }
}

fn propose_in(folder: &Path, common: &Common, args: &LabelArgs) -> anyhow::Result<()> {
    let mut project = project::open(folder)?;
    let model = args.model.clone();
    let model = model.unwrap_or_else(|| project.contents().file().model.clone());
    // The accepted version of the project, unless another model is asked for.
    let is_own = model == project.contents().file().model;
    let version = if args.weights.is_none() && is_own {
        Version::current(folder)?
    } else {
        None
    };
    let accepted = version.map(|version| version.weights);
    let network = NetworkArgs {
        model: model.clone(),
        weights: args.weights.clone().or(accepted),
    };
    let mut estimator = Estimator::new(network.load(common, None)?, false);
    let progress = Progress::new(None);
    let proposed = propose(
        &mut project,
        &mut estimator,
        usize::from(args.frames),
        &mut |done, total| {
            progress.expect(Some(total as u64));
            progress.set(done as u64);
            Ok(())
        },
    );
    progress.finish();
    let proposed = proposed?;
    project.save()?;
    if proposed.frames.is_empty() {
        let reasons = proposed.left_out.join("; ");
        let but = if reasons.is_empty() {
            "every frame is suggested, confirmed or too close to one that is"
        } else {
            &reasons
        };
        bail!("{}: no frame was suggested: {but}", folder.display());
    }
    let contents = project.contents();
    let mut suggested = Vec::new();
    for frame in &proposed.frames {
        let clip = contents.file().clip(frame.at.clip);
        suggested.push(SuggestedFrame {
            clip: clip.map(|clip| clip.name.clone()).unwrap_or_default(),
            frame: frame.at.frame,
            time_secs: (frame.secs * 1e6).round() / 1e6,
            reason: serde_json::to_value(frame.suggestion.reason)?,
            explanation: frame.suggestion.reason.text(),
            value: frame.suggestion.value,
            people: frame.n_people,
        });
    }
    let document = Document {
        project: folder.display().to_string(),
        model,
        examined: proposed.n_examined,
        suggested,
        holdout: contents.n_held_out(),
        left_out: proposed.left_out,
    };
    if args.json {
        return print_json(&document);
    }
    for frame in &document.suggested {
        // Only measured reasons have a value.
        let value = (frame.value > 0.0).then(|| format!(" ({:.2})", frame.value));
        print_line(format_args!(
            "{} frame {} ({:.3} s): {}{}; {}",
            frame.clip,
            frame.frame,
            frame.time_secs,
            frame.explanation,
            value.unwrap_or_default(),
            counted(frame.people, "person"),
        ))?;
    }
    for line in &document.left_out {
        eprintln!("left out: {line}");
    }
    Ok(())
}

//! `eval --tracks`: how well people keep their identities in labelled video.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use poselens_engine::eval::identity::{
    Clip, FrameOrder, IdentityTally, PredictedFrame, TrackedPose, clips, pair_frames,
};
use poselens_engine::pose::Keypoint;
use poselens_engine::record::PosesLine;
use poselens_engine::sample::{LeftOut, Sample};
use poselens_engine::skeleton::{JointMap, JointOrigin};
use poselens_engine::words::{are, counted};
use serde::Serialize;

use super::EvalArgs;
use super::figures::Figures;
use super::predicted::{Predicted, find, joints_of, note};
use crate::cli::{print_json, print_line};

#[derive(Serialize)]
struct Document {
    annotations: PathBuf,
    tracks: PathBuf,
    skeleton: String,
    #[serde(flatten)]
    figures: Figures,
    left_out: LeftOut,
    /// Notes on labels and predictions, one per line.
    notes: Vec<String>,
}

pub(super) fn run(args: &EvalArgs, tracks: &Path) -> anyhow::Result<()> {
    let mut dataset = args.load()?;
    let people = || dataset.samples.iter().flat_map(|s| &s.annotations);
    let n_nameless = people().filter(|a| a.track_id.is_none()).count();
    if n_nameless == people().count() {
        bail!(
            "{}: no person has a `track_id`; identities are measured on labels of video with the \
             same id in all frames of a clip, as in PoseTrack",
            args.annotations.display()
        );
    }
    let mut notes = dataset.notes.clone();
    if n_nameless > 0 {
        let nameless = are(n_nameless, "labelled person");
        note(
            &mut notes,
            format!("{nameless} ignored: without a `track_id`"),
        );
    }
    let predicted = find(tracks, &clips(&dataset.samples), &mut notes)?;
    let names = joints_of(&predicted, &mut dataset, &mut notes)?;
    let all = clips(&dataset.samples);
    let mut tally = IdentityTally::new(dataset.skeleton);
    let mut missing = Vec::new();
    for (clip, predicted) in all.iter().zip(&predicted) {
        missing.push(add(
            &mut tally,
            clip,
            predicted.as_ref(),
            &names,
            &mut notes,
        )?);
    }
    let document = Document {
        annotations: args.annotations.clone(),
        tracks: tracks.to_owned(),
        skeleton: dataset.skeleton.name.clone(),
        figures: Figures::new(&tally, &missing),
        left_out: dataset.left_out,
        notes,
    };
    if args.json {
        return print_json(&document);
    }
    print_line(document.figures.table())
}

/// Adds the frames of a clip; returns the number of those without predictions.
fn add(
    tally: &mut IdentityTally,
    clip: &Clip<'_>,
    predicted: Option<&Predicted>,
    names: &JointMap,
    notes: &mut Vec<String>,
) -> anyhow::Result<usize> {
    tally.begin_clip(&clip.name);
    let lines = predicted.map_or(&[][..], |p| &p.file.lines);
    let frames = lines.iter().map(|line| PredictedFrame {
        number: line.frame,
        file: line.file.as_deref(),
    });
    let pairs = match (
        pair_frames(&clip.images, &frames.collect::<Vec<_>>()),
        predicted,
    ) {
        (Some((pairs, order)), _) => {
            // Any other order needs no explanation.
            if order == FrameOrder::Position && clip.images.iter().any(|i| i.frame.is_some()) {
                let name = &clip.name;
                let text = format!(
                    "{name}: the frame_ids are not the numbers of the predicted frames; as many \
                     frames are labelled as predicted, they are compared in order"
                );
                note(notes, text);
            }
            pairs
        }
        (None, Some(predicted)) => bail!("{}", strangers(clip, predicted)),
        (None, None) => vec![None; clip.images.len()],
    };
    for (image, at) in clip.images.iter().zip(&pairs) {
        let line = at.map(|at| &lines[at]);
        if let (Some(line), Some(predicted)) = (line, predicted) {
            check_size(image, line, &predicted.path)?;
        }
        let found = line.map_or_else(Vec::new, |line| people(line, names));
        tally
            .add_frame(image, &found)
            .with_context(|| format!("clip {}", clip.name))?;
    }
    let n_missing = pairs.iter().filter(|at| at.is_none()).count();
    let name = &clip.name;
    match predicted {
        _ if n_missing == 0 => {}
        None => {
            let text = format!(
                "{name}: there is no file with its poses; everybody in its {} counts as missed",
                counted(n_missing, "labelled frame")
            );
            note(notes, text);
        }
        Some(predicted) => {
            let frames = are(n_missing, "labelled frame");
            let path = predicted.path.display();
            let text =
                format!("{name}: {frames} not in {path}; the people in them count as missed");
            note(notes, text);
        }
    }
    Ok(n_missing)
}

fn people(line: &PosesLine, names: &JointMap) -> Vec<TrackedPose> {
    let poses = line.poses.iter();
    poses
        .map(|pose| {
            let joints: Vec<Keypoint> = pose.keypoints.iter().map(|k| Keypoint::from(*k)).collect();
            let pick = |o: &Option<JointOrigin>| o.map(|o| o.pick(&joints)).unwrap_or_default();
            TrackedPose::new(pose.track_id, &names.iter().map(pick).collect::<Vec<_>>())
        })
        .collect()
}

/// Describes a clip none of whose labelled frames were predicted.
fn strangers(clip: &Clip<'_>, predicted: &Predicted) -> String {
    let lines = &predicted.file.lines;
    let place = |line: Option<&PosesLine>| {
        let line = line?;
        Some(line.file.clone().unwrap_or_else(|| line.frame.to_string()))
    };
    let image = |image: Option<&&Sample>| {
        let image = image?;
        let name = image.path.file_name()?.to_string_lossy().into_owned();
        Some(image.frame.map_or(name, |frame| frame.to_string()))
    };
    let range = |first: Option<String>, last: Option<String>| {
        format!(
            "{} to {}",
            first.unwrap_or_default(),
            last.unwrap_or_default()
        )
    };
    format!(
        "{}: none of the labelled frames of {} was predicted: the labels are of frames {}, the \
         predictions of {}",
        predicted.path.display(),
        clip.name,
        range(image(clip.images.first()), image(clip.images.last())),
        range(place(lines.first()), place(lines.last())),
    )
}

/// Refuses predictions for an image of another size.
fn check_size(image: &Sample, line: &PosesLine, path: &Path) -> anyhow::Result<()> {
    let size = image.size;
    if size.area() > 0 && (line.width, line.height) != (size.width, size.height) {
        let (path, frame, width, height) = (path.display(), line.frame, line.width, line.height);
        bail!("{path}: frame {frame} is {width}x{height}, its labels are for {size}");
    }
    Ok(())
}

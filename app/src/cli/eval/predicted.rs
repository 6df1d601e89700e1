//! The predictions of `eval --tracks`: one poses file for each labelled clip.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use poselens_engine::dataset::Dataset;
use poselens_engine::eval::identity::Clip;
use poselens_engine::record::PosesFile;
use poselens_engine::sample::Visibility;
use poselens_engine::skeleton::{JointMap, JointOrigin, Skeleton};
use poselens_engine::words::counted;

/// The predictions of a clip.
pub(super) struct Predicted {
    pub(super) path: PathBuf,
    pub(super) file: PosesFile,
}

/// Logs a note and keeps it for the report.
pub(super) fn note(notes: &mut Vec<String>, text: String) {
    tracing::warn!("{text}");
    notes.push(text);
}

/// Reads the predictions of every clip; `None` for a clip without a file.
pub(super) fn find(
    tracks: &Path,
    clips: &[Clip<'_>],
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Option<Predicted>>> {
    let read = |path: PathBuf| -> anyhow::Result<Predicted> {
        let file = PosesFile::read(&path)?;
        let mut people = file.lines.iter().flat_map(|line| &line.poses).peekable();
        if people.peek().is_some() && people.all(|pose| pose.track_id.is_none()) {
            bail!("{}: no pose has a `track_id`", path.display());
        }
        Ok(Predicted { path, file })
    };
    let found: Vec<Option<Predicted>> = match clips {
        [_] if !tracks.is_dir() => vec![Some(read(tracks.to_owned())?)],
        _ if !tracks.is_dir() => bail!(
            "{}: the labels are of {} ({}); give a folder with one file for each, {}.jsonl",
            tracks.display(),
            counted(clips.len(), "clip"),
            listed(clips.iter().map(|clip| clip.name.as_str())),
            clips[0].name
        ),
        _ => {
            let path = |clip: &Clip<'_>| {
                let names = [&clip.name, &clip.folder].into_iter();
                let mut paths = names
                    .flat_map(|name| [format!("{name}.jsonl"), format!("{name}/poses.jsonl")])
                    .chain((clips.len() == 1).then(|| "poses.jsonl".to_owned()))
                    .map(|name| tracks.join(name));
                paths.find(|path| path.is_file())
            };
            let found = clips.iter().map(|clip| path(clip).map(read).transpose());
            found.collect::<anyhow::Result<_>>()?
        }
    };
    if found.iter().all(Option::is_none) {
        bail!(
            "{}: no poses of the labelled clips ({}); they are expected in {}.jsonl",
            tracks.display(),
            listed(clips.iter().map(|clip| clip.name.as_str())),
            clips.first().map_or("CLIP", |clip| &clip.name)
        );
    }
    for predicted in found.iter().flatten().filter(|p| p.file.is_cut) {
        let path = predicted.path.display();
        note(
            notes,
            format!("{path}: the last line is incomplete and left out"),
        );
    }
    Ok(found)
}

/// Lists the first names.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let n = names.len();
    let mut text = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if n > SHOWN {
        text = format!("{text}, ...");
    }
    text
}

/// Returns the labels' joints among the predicted ones. Joints that the predictions lack become
/// unlabelled.
pub(super) fn joints_of(
    predicted: &[Option<Predicted>],
    dataset: &mut Dataset,
    notes: &mut Vec<String>,
) -> anyhow::Result<JointMap> {
    let mut skeletons: BTreeMap<&str, &Path> = BTreeMap::new();
    for predicted in predicted.iter().flatten() {
        for line in &predicted.file.lines {
            skeletons.entry(&line.skeleton).or_insert(&predicted.path);
        }
    }
    let mut different = skeletons.into_iter();
    let first = different.next();
    if let (Some((a, path)), Some((b, other))) = (first, different.next()) {
        let (path, other) = (path.display(), other.display());
        bail!("the predictions have different joints: {a} in {path}, {b} in {other}");
    }
    let Some((name, path)) = first else {
        return Ok(JointMap::new());
    };
    let skeleton = Skeleton::by_name(name)
        .ok_or_else(|| anyhow!("{}: unknown joints '{name}'", path.display()))?;
    for line in predicted.iter().flatten().flat_map(|p| &p.file.lines) {
        let n = skeleton.n_joints();
        if let Some(pose) = line.poses.iter().find(|pose| pose.keypoints.len() != n) {
            let (path, frame) = (path.display(), line.frame);
            let found = counted(pose.keypoints.len(), "joint");
            bail!("{path}: a pose in frame {frame} has {found}, {name} has {n}");
        }
    }
    let labels = dataset.skeleton;
    let names = skeleton.map_to(&labels.name).ok_or_else(|| {
        let path = path.display();
        anyhow!("{path}: the labels are {}, the poses {name}", labels.name)
    })?;
    let lacks = |(j, origin): (usize, &Option<JointOrigin>)| origin.is_none().then_some(j);
    let lacking: Vec<usize> = names.iter().enumerate().filter_map(lacks).collect();
    let people = || dataset.samples.iter().flat_map(|s| &s.annotations);
    let is_labelled = |j: &usize| people().any(|a| a.joints[*j].labelled().is_some());
    let lost: Vec<&str> = lacking
        .iter()
        .filter(|j| is_labelled(j))
        .map(|j| labels.joints[*j].as_str())
        .collect();
    if !lost.is_empty() {
        let text = format!("the poses have no {}: not measured", lost.join(", "));
        note(notes, text);
    }
    for person in dataset.samples.iter_mut().flat_map(|s| &mut s.annotations) {
        for j in &lacking {
            person.joints[*j].visibility = Visibility::Unlabelled;
        }
    }
    Ok(names)
}

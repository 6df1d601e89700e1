//! Writes confirmed labels for other programs, on request with the images that they belong to.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use super::clip::Clip;
use super::coco::{FrameNames, document, exported};
use super::dlc::table;
use super::file::PROJECT;
use super::holdout::HOLDOUT;
use super::journal::JOURNAL;
use super::open::Contents;
use super::person::FrameKey;
use super::snapshot::SNAPSHOT;
use crate::disk::{Draft, copy, is_same_file, replace};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::record::save_png;
use crate::words::counted;

/// What was exported, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Number of frames.
    pub frames: usize,
    /// Number of people.
    pub people: usize,
    /// Number of images written.
    pub images: usize,
    /// What was left out, one line each.
    pub left_out: Vec<String>,
}

/// Writes COCO keypoints to `path` and, if `images` is a folder, the images below it: those of image
/// clips as they are, frames of videos as PNG.
///
/// # Errors
/// When nothing is confirmed, a clip whose images are requested is not there, or a file cannot be
/// written.
pub fn coco(contents: &Contents, path: &Path, images: Option<&Path>) -> Result<Exported> {
    let (mut exported, sizes) = prepare(contents, path, images)?;
    let without = omit(contents, &sizes, &mut exported);
    let document = document::<()>(&contents.parts(&sizes), None);
    let draft = Draft::write(path, |file| {
        serde_json::to_writer(&mut *file, &document)?;
        file.write_all(b"\n")
    })?;
    draft.put()?;
    if without > 0 {
        exported.people -= without;
        let people = counted(without, "confirmed person");
        let line = format!("{people} without a labelled joint in the image");
        exported.left_out.push(line);
    }
    Ok(exported)
}

/// Writes a DeepLabCut table to `path`, and the images like [`coco`].
///
/// # Errors
/// Those of [`coco`].
pub fn dlc(contents: &Contents, path: &Path, images: Option<&Path>) -> Result<Exported> {
    let (mut exported, sizes) = prepare(contents, path, images)?;
    omit(contents, &sizes, &mut exported);
    replace(path, table(contents, &sizes).as_bytes())?;
    Ok(exported)
}

/// Counts the labelled joints of confirmed people that lie outside of their images among what is left
/// out; returns the number of people without any other.
fn omit(contents: &Contents, sizes: &HashMap<FrameKey, Size>, done: &mut Exported) -> usize {
    let parts = contents.parts(sizes);
    let (mut n_outside, mut n_without) = (0usize, 0);
    for (at, frame) in contents.labels().frames() {
        let image = parts.size_of(at);
        for person in frame.people.iter().filter(|person| person.is_confirmed) {
            let labelled = || person.joints.iter().filter(|j| j.labelled().is_some());
            let n_inside = labelled().filter(|j| exported(j, image).is_some()).count();
            n_outside += labelled().count() - n_inside;
            n_without += usize::from(n_inside == 0);
        }
    }
    if n_outside > 0 {
        let joints = counted(n_outside, "joint");
        done.left_out.push(format!("{joints} outside of the image"));
    }
    n_without
}

/// Refuses to replace a file of the project itself.
fn refuse_own(contents: &Contents, path: &Path) -> Result<()> {
    let real = |folder: &Path| std::fs::canonicalize(folder).ok();
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let is_here = real(parent.unwrap_or(Path::new("."))) == real(contents.folder());
    let own = [PROJECT, JOURNAL, SNAPSHOT, HOLDOUT];
    let name = path.file_name();
    if is_here && name.is_some_and(|name| own.iter().any(|own| name == *own)) {
        let reason = "is a file of the project itself; export to another place";
        return Err(Error::data(path, reason));
    }
    let real_path = path.canonicalize();
    let is_of = |clip: &Clip| {
        let place = clip.place(contents.folder());
        let is_inside = |place: &Path| real_path.as_ref().is_ok_and(|path| path.starts_with(place));
        is_same_file(&place, path) || place.canonicalize().is_ok_and(|place| is_inside(&place))
    };
    match contents.file().clips.iter().find(|clip| is_of(clip)) {
        Some(clip) => {
            let reason = format!(
                "is the clip {} or in it; export to another place",
                clip.name
            );
            Err(Error::data(path, reason))
        }
        None => Ok(()),
    }
}

/// Writes the images and finds out their sizes.
fn prepare(
    contents: &Contents,
    path: &Path,
    images: Option<&Path>,
) -> Result<(Exported, HashMap<FrameKey, Size>)> {
    refuse_own(contents, path)?;
    let labels = contents.labels();
    let mut exported = Exported::default();
    let mut sizes = HashMap::new();
    let mut names = FrameNames::default();
    for clip in &contents.file().clips {
        let frames = labels.frames_of(clip.id).filter(|(_, f)| f.is_confirmed());
        let frames: Vec<_> = frames.collect();
        exported.frames += frames.len();
        let people = frames.iter().flat_map(|(_, frame)| &frame.people);
        exported.people += people.filter(|p| p.is_confirmed).count();
        if frames.is_empty() || (images.is_none() && !clip.has_pictures()) {
            continue;
        }
        let mut scrub = match clip.open(contents.folder()) {
            Ok(scrub) => scrub,
            Err(error) if images.is_some() => return Err(error),
            Err(error) => {
                exported.left_out.push(format!("sizes of images: {error}"));
                continue;
            }
        };
        for (at, _) in frames {
            let frame = scrub.frame(at.frame as usize)?;
            sizes.insert(at, frame.size());
            let Some(images) = images else { continue };
            let name = names.of(contents.folder(), clip, at.frame);
            let target = images.join(&clip.name).join(name);
            match scrub.file(at.frame as usize) {
                Some(file) => copy(file, &target)?,
                None => save_png(&frame, &target)?,
            }
            exported.images += 1;
        }
    }
    if exported.frames == 0 {
        let reason = "there is nothing to export: no frame is confirmed yet";
        return Err(Error::data(path, reason));
    }
    Ok((exported, sizes))
}

#[cfg(test)]
mod tests {
    use super::super::edit::Edit;
    use super::super::test_project::{FRAME, add, move_to, project};
    use super::*;

    /// Fails when a joint outside of the image is exported, that is not said, or the project loses it.
    #[test]
    fn joints_outside_of_the_image_are_not_exported() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = project(folder.path(), 1, 30);
        add(&mut project, 100.0);
        // The left ear of coco17.
        move_to(&mut project, 665.56);
        project.apply(&Edit::Accept { at: FRAME }).unwrap();
        let contents = project.contents();
        let path = folder.path().join("out.json");
        let exported = coco(contents, &path, None).unwrap();
        assert_eq!((exported.frames, exported.people), (1, 1));
        assert_eq!(exported.left_out, ["1 joint outside of the image"]);
        let text = std::fs::read_to_string(&path).unwrap();
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        let person = &written["annotations"][0];
        assert_eq!(person["num_keypoints"], 16, "{person}");
        for i in 12..15 {
            assert_eq!(person["keypoints"][i].as_f64(), Some(0.0), "{person}");
        }
        assert_eq!(person["keypoints"][0].as_f64(), Some(100.0));
        let path = folder.path().join("out.csv");
        let exported = dlc(contents, &path, None).unwrap();
        assert_eq!(exported.left_out, ["1 joint outside of the image"]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("100,30,,,100,50"), "{text}");
        let joint = contents.labels().people(FRAME)[0].joints[4];
        assert!(joint.labelled().is_some());
        let own = folder.path().join(SNAPSHOT);
        let line = coco(contents, &own, None).unwrap_err().to_string();
        assert!(line.contains("of the project itself"), "{line}");
    }
}

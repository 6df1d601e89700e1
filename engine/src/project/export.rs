//! Writes confirmed labels for other programs, on request with the images that they belong to.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use super::coco::{FrameNames, document, is_labelled};
use super::dlc::table;
use super::open::Contents;
use super::person::FrameKey;
use crate::disk::{Draft, copy, replace};
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
    let document = document::<()>(&contents.parts(&sizes), None);
    let draft = Draft::write(path, |file| {
        serde_json::to_writer(&mut *file, &document)?;
        file.write_all(b"\n")
    })?;
    draft.put()?;
    let people = contents.labels().frames().flat_map(|(_, f)| &f.people);
    let without = people.filter(|p| p.is_confirmed && !is_labelled(p)).count();
    if without > 0 {
        exported.people -= without;
        let people = counted(without, "confirmed person");
        let line = format!("{people} without a labelled joint");
        exported.left_out.push(line);
    }
    Ok(exported)
}

/// Writes a DeepLabCut table to `path`, and the images like [`coco`].
///
/// # Errors
/// Those of [`coco`].
pub fn dlc(contents: &Contents, path: &Path, images: Option<&Path>) -> Result<Exported> {
    let (exported, _) = prepare(contents, path, images)?;
    replace(path, table(contents).as_bytes())?;
    Ok(exported)
}

/// Writes the images and finds out their sizes.
fn prepare(
    contents: &Contents,
    path: &Path,
    images: Option<&Path>,
) -> Result<(Exported, HashMap<FrameKey, Size>)> {
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

//! Finds the frame of a clip that an image of a label file shows, by the image's name.

use std::collections::HashMap;
use std::path::Path;

use super::clip::Clip;
use super::open::Contents;
use super::person::FrameKey;
use crate::sample::last_number;

/// An image of a label file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ImageName<'a> {
    /// Path as written; folders may name the clip.
    pub path: &'a str,
    /// Name of the clip, if the file has one.
    pub clip: Option<&'a str>,
    /// Number of the frame, if the file has one.
    pub number: Option<u64>,
}

/// Finds frames in the clips of a project.
pub(super) struct FrameFinder<'a> {
    clips: Vec<&'a Clip>,
    /// Frames of image clips by lower-case file name without its extension.
    pictures: HashMap<u32, HashMap<String, u32>>,
    /// Image clips that are not there, one line each.
    pub remarks: Vec<String>,
}

impl<'a> FrameFinder<'a> {
    /// Creates a finder for all clips, or only for the one called `only`.
    ///
    /// # Errors
    /// When no clip is called `only`; the message lists the clips.
    pub(super) fn new(contents: &'a Contents, only: Option<&str>) -> Result<Self, String> {
        let clips = &contents.file().clips;
        let wanted = |clip: &&Clip| only.is_none_or(|only| clip.name == only);
        let mut this = Self {
            clips: clips.iter().filter(wanted).collect(),
            pictures: HashMap::new(),
            remarks: Vec::new(),
        };
        if let (Some(only), []) = (only, &this.clips[..]) {
            let names: Vec<_> = clips.iter().map(|clip| clip.name.as_str()).collect();
            let names = names.join(", ");
            return Err(format!("no clip is called {only}; there are {names}"));
        }
        for clip in this.clips.iter().filter(|clip| clip.has_pictures()) {
            match clip.open(contents.folder()) {
                Ok(scrub) => {
                    let stems =
                        (0..clip.n_frames).filter_map(|i| Some((stem(scrub.file(i as usize)?), i)));
                    this.pictures.insert(clip.id, stems.collect());
                }
                Err(error) => this.remarks.push(error.to_string()),
            }
        }
        Ok(this)
    }

    /// Returns the frame that an image shows.
    ///
    /// # Errors
    /// The reason why there is none, without the name of the image.
    pub(super) fn find(&self, image: &ImageName<'_>) -> Result<FrameKey, &'static str> {
        // Windows tools write backslashes.
        let path = image.path.replace('\\', "/");
        let stem = stem(Path::new(&path));
        let is_known = self
            .pictures
            .values()
            .any(|names| names.contains_key(&stem));
        let stem = without_hash(&stem).filter(|_| !is_known).unwrap_or(&stem);
        let clip = self.clip(image, &path, stem)?;
        let frame = match (self.pictures.get(&clip.id), image.number) {
            (Some(pictures), _) if !stem.is_empty() => pictures.get(stem).copied(),
            (_, Some(number)) => u32::try_from(number).ok(),
            _ => last_number(stem).and_then(|number| u32::try_from(number).ok()),
        };
        let known = frame.filter(|frame| *frame < clip.n_frames);
        let frame = known.ok_or("no frame of its clip")?;
        Ok(FrameKey::new(clip.id, frame))
    }

    /// Returns the clip that an image belongs to: the one that the file names, a folder in its path,
    /// the start of its name, the only one with an image of this name, or the only one at all.
    fn clip(
        &self,
        image: &ImageName<'_>,
        path: &str,
        stem: &str,
    ) -> Result<&'a Clip, &'static str> {
        let called = |name: &str| self.clips.iter().find(|clip| clip.name == name).copied();
        if let Some(clip) = image.clip.and_then(called) {
            return Ok(clip);
        }
        let mut folders = path.rsplit('/').skip(1);
        if let Some(clip) = folders.find_map(called) {
            return Ok(clip);
        }
        if let [only] = self.clips[..] {
            return Ok(only);
        }
        let starts = |clip: &&&Clip| {
            let rest = stem.strip_prefix(&clip.name.to_lowercase());
            rest.is_some_and(|rest| rest.starts_with(['_', '-', '.']))
        };
        let by_start = self.clips.iter().filter(starts);
        if let Some(clip) = by_start.max_by_key(|clip| clip.name.len()) {
            return Ok(*clip);
        }
        let has = |clip: &&&Clip| {
            let pictures = self.pictures.get(&clip.id);
            pictures.is_some_and(|pictures| pictures.contains_key(stem))
        };
        let mut with_picture = self.clips.iter().filter(has);
        match (with_picture.next(), with_picture.next()) {
            (Some(clip), None) => Ok(*clip),
            _ => Err("no clip, or it could be of several (choose one with --clip)"),
        }
    }
}

/// Returns the file name without folders and extension, in lower case.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().to_lowercase()
}

/// Returns the name without the random prefix of Label Studio: `1a2b3c4d-frame_12`.
fn without_hash(stem: &str) -> Option<&str> {
    let (hash, rest) = stem.split_once('-')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the random prefix of Label Studio is kept, or another name is cut.
    #[test]
    fn random_prefixes_are_removed() {
        assert_eq!(without_hash("1a2b3c4d-frame_12"), Some("frame_12"));
        assert_eq!(without_hash("my-frame_12"), None);
    }
}

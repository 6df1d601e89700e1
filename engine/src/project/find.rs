//! Finds the frame of a clip that an image of a label file shows, by the image's name.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::clip::Clip;
use super::open::Contents;
use super::person::FrameKey;
use crate::dataset::picture;
use crate::geometry::Size;
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
    /// Files of image clips, by frame.
    files: HashMap<FrameKey, PathBuf>,
    /// Whether the clip was chosen, so that all images belong to it.
    is_chosen: bool,
    /// Names of other clips in the label file, in the folders of its images or for its videos.
    strangers: BTreeSet<String>,
    /// Image clips that are not there, and clips that are called otherwise in the file, one line each.
    pub remarks: Vec<String>,
}

/// Folder that holds a folder for each video in projects of `DeepLabCut`.
const DLC_FOLDER: &str = "labeled-data";

/// Name that a label file has for the clip of an image.
struct Claim {
    name: String,
    /// Whether it is certainly that of a clip, not of any folder.
    is_certain: bool,
}

impl Claim {
    fn of(image: &ImageName<'_>) -> Option<Self> {
        if let Some(name) = image.clip {
            return Some(Self {
                name: name.to_owned(),
                is_certain: true,
            });
        }
        let path = image.path.replace('\\', "/");
        let (folders, _) = path.rsplit_once('/')?;
        let parts: Vec<_> = folders.split('/').collect();
        let of_dlc = parts.iter().position(|part| *part == DLC_FOLDER);
        let video = of_dlc.and_then(|at| parts.get(at + 1));
        Some(Self {
            name: (*video.or(parts.last())?).to_owned(),
            is_certain: video.is_some(),
        })
    }
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
            files: HashMap::new(),
            is_chosen: only.is_some(),
            strangers: BTreeSet::new(),
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
                    let mut stems = HashMap::new();
                    for i in 0..clip.n_frames {
                        if let Some(file) = scrub.file(i as usize) {
                            stems.insert(stem(file), i);
                            let at = FrameKey::new(clip.id, i);
                            this.files.insert(at, file.to_owned());
                        }
                    }
                    this.pictures.insert(clip.id, stems);
                }
                Err(error) => this.remarks.push(error.to_string()),
            }
        }
        Ok(this)
    }

    /// Looks at all images of a label file before the first is searched for. Where the project has a
    /// single clip, images of others must not be taken for its frames: if some have its name, or there
    /// are several names, the others are of other clips. A single other name is that of the clip.
    pub(super) fn look_at<'b>(&mut self, images: impl Iterator<Item = ImageName<'b>>) {
        let [only] = self.clips[..] else {
            return;
        };
        if self.is_chosen {
            return;
        }
        let mut is_named = false;
        let mut others = BTreeSet::new();
        for image in images {
            if self.named(&image, &image.path.replace('\\', "/")).is_some() {
                is_named = true;
            } else if let Some(claim) = Claim::of(&image) {
                others.insert(claim.name);
            }
        }
        if is_named || others.len() > 1 {
            self.strangers = others;
        } else {
            let clip = &only.name;
            let line = |name| format!("the images of `{name}` are taken for frames of {clip}");
            self.remarks.extend(others.iter().map(line));
        }
    }

    /// Returns the sizes that a frame may have, if they are known: an image may be turned by 90 degrees
    /// when it is shown.
    pub(super) fn sizes_of(&self, at: FrameKey) -> Option<[Size; 2]> {
        let clip = self.clips.iter().find(|clip| clip.id == at.clip)?;
        if let Some(size) = clip.size {
            return Some([size, size]);
        }
        let stored = picture::size(self.files.get(&at)?).ok()?;
        Some([stored, Size::new(stored.height, stored.width)])
    }

    /// Returns the clip whose name the file or a folder in the path has.
    fn named(&self, image: &ImageName<'_>, path: &str) -> Option<&'a Clip> {
        let called = |name: &str| self.clips.iter().find(|clip| clip.name == name).copied();
        let mut folders = path.rsplit('/').skip(1);
        let of_file = image.clip.and_then(called);
        of_file.or_else(|| folders.find_map(called))
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
        if let Some(clip) = self.named(image, path) {
            return Ok(clip);
        }
        if let [only] = self.clips[..] {
            let pictures = self.pictures.get(&only.id);
            let has_picture = pictures.is_some_and(|pictures| pictures.contains_key(stem));
            let is_other = |claim: &Claim| {
                self.strangers.contains(&claim.name) && (claim.is_certain || !has_picture)
            };
            return match Claim::of(image).filter(is_other) {
                None => Ok(only),
                Some(_) => Err("other clips, by their folder or clip (--clip takes all for one)"),
            };
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

    /// Fails when a folder or clip that an image belongs to is not recognised.
    #[test]
    fn images_name_their_clips() {
        let claim = |path: &str, clip: Option<&str>| {
            let image = ImageName {
                path,
                clip,
                number: None,
            };
            Claim::of(&image).map(|claim| (claim.name, claim.is_certain))
        };
        let some = |name: &str, is_certain| Some((name.to_owned(), is_certain));
        assert_eq!(claim("labeled-data/a/img1.png", None), some("a", true));
        assert_eq!(
            claim("C:\\x\\labeled-data\\a\\1.png", None),
            some("a", true)
        );
        assert_eq!(claim("data/b/1.png", None), some("b", false));
        assert_eq!(claim("data/b/1.png", Some("5")), some("5", true));
        assert_eq!(claim("1.png", None), None);
        assert_eq!(claim("", None), None);
    }

    /// Fails when the random prefix of Label Studio is kept, or another name is cut.
    #[test]
    fn random_prefixes_are_removed() {
        assert_eq!(without_hash("1a2b3c4d-frame_12"), Some("frame_12"));
        assert_eq!(without_hash("my-frame_12"), None);
    }
}

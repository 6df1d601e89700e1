//! The clips of a project: videos, recordings and folders of images, each with its identity.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::model::{sha256_of, sha256_of_file};
use crate::source::recording::RAW_VIDEO;
use crate::source::scrub::Scrub;
use crate::source::{OpenOptions, SourceSpec};

/// A clip. Its labels belong to exactly these bytes, wherever they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// Id, unique in the project and never used again.
    pub id: u32,
    /// Name, unique in the project; folder of its images in exports.
    pub name: String,
    /// File or folder, absolute or relative to the folder of the project.
    pub path: PathBuf,
    /// Kind of source: a name of `SOURCES`.
    pub kind: String,
    /// Whether it was copied into the project.
    #[serde(rename = "copied")]
    pub is_copied: bool,
    /// Size in bytes; of a folder, that of all its images.
    pub bytes: u64,
    /// SHA-256 of the file; of a folder, that of a list of its images' names and SHA-256.
    pub sha256: String,
    /// Number of frames.
    pub n_frames: u32,
    /// Nominal frames per second, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Time of the last frame in seconds since the first.
    pub seconds: f64,
    /// Size of the frames in pixels; absent for images, each of which has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}

/// Size and content of a clip.
#[derive(Debug, PartialEq)]
struct Identity {
    bytes: u64,
    sha256: String,
}

impl Clip {
    /// Examines a file or folder that is to become clip `id`: reads all of it once.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened with random access.
    pub(super) fn examine(id: u32, path: &Path, taken: &[Self]) -> Result<Self> {
        let place = fs::canonicalize(path).map_err(Error::io("open", path))?;
        let spec = SourceSpec::parse(&place)?;
        let mut scrub = Scrub::open_spec(&spec, &OpenOptions::default())?;
        let has_files = scrub.file(0).is_some();
        let n_frames = u32::try_from(scrub.n_frames())
            .map_err(|_| Error::data(path, "has too many frames to be labelled"))?;
        let size = match (has_files, scrub.size()) {
            (true, _) => None,
            (false, Some(size)) => Some(size),
            (false, None) => scrub.frame_from(0)?.map(|frame| frame.size()),
        };
        let identity = identity(&parts(&place, &scrub))?;
        Ok(Self {
            id,
            name: name(&place, taken),
            kind: spec.kind().name.to_owned(),
            is_copied: false,
            bytes: identity.bytes,
            sha256: identity.sha256,
            n_frames,
            rate: scrub.info().rate,
            seconds: scrub.times().last().copied().unwrap_or_default(),
            size,
            path: place,
        })
    }

    /// Returns whether the clip consists of images, each of which is a frame.
    pub fn has_pictures(&self) -> bool {
        self.size.is_none()
    }

    /// Returns the path of the clip; `project` is the folder of the project.
    pub fn place(&self, project: &Path) -> PathBuf {
        project.join(&self.path)
    }

    /// Checks that there is a file or folder where the clip was, without opening it.
    ///
    /// # Errors
    /// When there is none; the message says what to do.
    pub fn require(&self, project: &Path) -> Result<()> {
        let place = self.place(project);
        if place.exists() {
            return Ok(());
        }
        let reason = format!(
            "the clip '{}' is not there; if it was moved, open it at its new place (`poselens project \
             relocate`)",
            self.name
        );
        Err(Error::data(&place, reason))
    }

    /// Opens the clip for random access.
    ///
    /// # Errors
    /// When it is not where it was, or has changed.
    pub fn open(&self, project: &Path) -> Result<Scrub> {
        self.require(project)?;
        let place = self.place(project);
        let scrub = Scrub::open(&place)?;
        let bytes = total(&parts(&place, &scrub))?;
        if bytes != self.bytes || scrub.n_frames() != self.n_frames as usize {
            let reason = format!(
                "has changed since the clip {} was added ({} bytes and {} frames then, {bytes} \
                 and {} now), so that its labels do not belong to it",
                self.name,
                self.bytes,
                self.n_frames,
                scrub.n_frames()
            );
            return Err(Error::data(&place, reason));
        }
        Ok(scrub)
    }

    /// Returns whether the file or folder at `path` is this clip: the same size and content.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn is_at(&self, path: &Path) -> Result<bool> {
        let place = fs::canonicalize(path).map_err(Error::io("open", path))?;
        let scrub = Scrub::open(&place)?;
        let parts = parts(&place, &scrub);
        // The size is cheaper to compare than the content.
        Ok(total(&parts)? == self.bytes && identity(&parts)?.sha256 == self.sha256)
    }

    /// Sets the path, relative to the project where both are in one folder, so that they can be
    /// moved together.
    pub(super) fn move_to(&mut self, path: &Path, project: &Path) -> Result<()> {
        let place = fs::canonicalize(path).map_err(Error::io("open", path))?;
        let project = fs::canonicalize(project).map_err(Error::io("open", project))?;
        let inside = place.strip_prefix(&project).map(Path::to_path_buf);
        let beside = || {
            let rest = place.strip_prefix(project.parent()?).ok()?;
            // Relative to the root of a disk, nothing would be gained.
            let has_parent = project.parent()?.parent().is_some();
            has_parent.then(|| Path::new("..").join(rest))
        };
        self.path = inside.ok().or_else(beside).unwrap_or(place);
        if self.path.to_str().is_none() {
            let reason = "its name is not UTF-8, which project.toml cannot store; rename it";
            return Err(Error::data(path, reason));
        }
        Ok(())
    }

    /// Uses the copy of the clip at `place` in the project from now on.
    pub(super) fn use_copy(&mut self, place: &Path, project: &Path) -> Result<()> {
        self.is_copied = true;
        self.move_to(place, project)
    }
}

/// Returns the files that make up a clip.
pub(super) fn parts(place: &Path, scrub: &Scrub) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_owned()];
    }
    let pictures = (0..scrub.n_frames()).filter_map(|i| scrub.file(i));
    let pictures: Vec<_> = pictures.map(Path::to_path_buf).collect();
    if pictures.is_empty() {
        vec![place.join(RAW_VIDEO)]
    } else {
        pictures
    }
}

/// Returns the size of files in bytes.
pub(super) fn total(parts: &[PathBuf]) -> Result<u64> {
    let size = |path: &PathBuf| fs::metadata(path).map(|about| about.len());
    let sizes = parts
        .iter()
        .map(|path| size(path).map_err(Error::io("open", path)));
    sizes.sum()
}

fn identity(parts: &[PathBuf]) -> Result<Identity> {
    Ok(Identity {
        bytes: total(parts)?,
        sha256: content(parts, &mut sha256_of_file)?,
    })
}

/// Returns the SHA-256 of a clip by those of its files, which `hash` computes.
pub(super) fn content(
    parts: &[PathBuf],
    hash: &mut dyn FnMut(&Path) -> Result<String>,
) -> Result<String> {
    if let [file] = parts {
        return hash(file);
    }
    let mut list = String::new();
    for path in parts {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Writing to a string cannot fail.
        let _ = writeln!(list, "{} {name}", hash(path)?);
    }
    Ok(sha256_of(list.as_bytes()))
}

/// Returns a name made of letters and digits from the file name that no other clip has.
fn name(place: &Path, taken: &[Clip]) -> String {
    let is_folder = place.is_dir();
    let stem = if is_folder {
        place.file_name()
    } else {
        place.file_stem()
    };
    let stem = stem.unwrap_or_default().to_string_lossy();
    let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let plain: String = stem
        .chars()
        .map(|c| if kept(c) { c } else { '_' })
        .collect();
    let plain = if plain.is_empty() {
        "clip".to_owned()
    } else {
        plain
    };
    let is_free = |name: &String| {
        let mut names = taken.iter().map(|clip| &clip.name);
        // File systems of two systems do not distinguish case.
        !names.any(|other| other.to_lowercase() == name.to_lowercase())
    };
    let numbered = (2..).map(|n| format!("{plain}-{n}"));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names.find(is_free).unwrap_or_default()
}

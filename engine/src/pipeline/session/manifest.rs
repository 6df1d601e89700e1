//! `session.toml`: the description of a recording in its folder.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::Look;
use super::super::progress::with_last_frames;
use crate::disk::hex;
use crate::document;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::source::recording::MANIFEST;
use crate::track::OneEuro;

/// Contents of `session.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name and version of the program that wrote it.
    pub program: String,
    /// Whether everything is written and closed; otherwise it is being recorded, or was
    /// interrupted.
    pub is_finished: bool,
    /// Start time in UTC, `2026-03-01_14-05-59.250`.
    pub started: String,
    /// Reason why it ended early, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it lacks because its source is damaged or incomplete, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<String>,
    /// Other differences from the source, one line each: missing sound, scaled frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Source of the frames at the start.
    pub source: SourceRecord,
    /// Model at the start; absent if none was loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRecord>,
    /// Overlays at the start.
    pub overlay: LookRecord,
    /// The videos, one part for each frame size.
    #[serde(default)]
    pub parts: Vec<PartRecord>,
    /// Annotations made later from the raw video.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<AnnotationRecord>,
}

/// Source of the frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Name for display.
    pub name: String,
    /// Specification to open it again: `camera:0`, a path.
    pub spec: String,
    /// Whether it is a camera.
    pub is_live: bool,
    /// Nominal frames per second, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

/// A model and its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Name of the model.
    pub name: String,
    /// `bundled`, or the SHA-256 of the weights file ([`weights_digest`]).
    pub weights: String,
    /// Compute device of the model.
    pub device: String,
}

/// Overlays and smoothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookRecord {
    /// Names of the overlays, topmost first.
    pub overlays: Vec<String>,
    /// Minimum score of drawn joints.
    pub keypoint_threshold: f32,
    /// Opacity of maps, 0 to 1.
    pub opacity: f32,
    /// Whether joints are temporally smoothed.
    pub is_smoothed: bool,
    /// Parameters of the smoothing filter.
    #[serde(default)]
    pub smoothing: OneEuro,
    /// Names of the measures that are drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<String>,
}

impl From<&Look> for LookRecord {
    fn from(look: &Look) -> Self {
        let measures = look.drawn_measures().list;
        Self {
            overlays: look.overlays.iter().map(|o| o.name.to_owned()).collect(),
            keypoint_threshold: look.style.keypoint_threshold,
            opacity: look.style.opacity,
            is_smoothed: look.is_smoothed,
            smoothing: look.smoothing,
            measures: measures.iter().map(ToString::to_string).collect(),
        }
    }
}

/// One run of frames of one size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PartRecord {
    /// Width of the frames in pixels.
    pub width: usize,
    /// Height of the frames in pixels.
    pub height: usize,
    /// Time from the first frame to the last in seconds.
    pub seconds: f64,
    /// Number of frames in the raw video.
    pub frames: u64,
    /// Number of frames missing from the raw video: lost by the source, or encoding was too slow.
    pub drops: u64,
    /// Number of frames in the annotated video.
    pub annotated_frames: u64,
    /// Number of raw frames missing from the annotated video: model or encoder were too slow.
    pub annotated_drops: u64,
}

impl PartRecord {
    /// Creates the record of a part with frames of this size and nothing recorded yet.
    pub(super) fn new(size: Size) -> Self {
        Self {
            width: size.width,
            height: size.height,
            ..Self::default()
        }
    }
}

/// An annotation made later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnnotationRecord {
    /// Part of its file names: `annotated-NAME.mp4`, `poses-NAME.jsonl`, `coco-NAME.json`.
    pub name: String,
    /// Start time in UTC.
    pub started: String,
    /// Model that computed the poses.
    pub model: ModelRecord,
    /// Overlays and smoothing.
    pub overlay: LookRecord,
    /// Number of annotated frames.
    pub frames: u64,
}

impl Manifest {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        toml::from_str(&text).map_err(|e| {
            let what = e.message().to_owned();
            Error::data(&path, format!("not the manifest of a recording: {what}"))
        })
    }

    /// Returns the length of all parts in seconds, including their last frames.
    pub fn length_secs(&self) -> f64 {
        let length =
            |p: &PartRecord| with_last_frames(p.seconds, p.frames.max(p.annotated_frames), 1);
        self.parts.iter().map(length).sum()
    }

    /// Writes it into the folder atomically. Fields of the existing file that were written by a
    /// newer version and are unknown to this one are kept.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        document::write(&folder.join(MANIFEST), self)
    }
}

/// Returns the name and version of the program that writes manifests.
pub(super) fn program() -> String {
    format!("PoseLens {}", env!("CARGO_PKG_VERSION"))
}

/// Returns the value of [`ModelRecord::weights`] for a weights file: its SHA-256; `bundled` for
/// `None`. Reads the whole file: call it where the model is loaded, not where frames wait.
///
/// # Errors
/// When the file cannot be read.
pub fn weights_digest(file: Option<&Path>) -> Result<String> {
    let Some(path) = file else {
        return Ok("bundled".to_owned());
    };
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when annotating the recording of a newer version loses the fields of that version.
    #[test]
    fn what_a_newer_version_has_noted_stays() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest {
            program: program(),
            is_finished: false,
            started: String::new(),
            failure: None,
            shortfall: None,
            remarks: Vec::new(),
            source: SourceRecord {
                name: "desk".to_owned(),
                spec: "camera:0".to_owned(),
                is_live: true,
                rate: None,
            },
            model: None,
            overlay: LookRecord::from(&Look::default()),
            parts: vec![PartRecord::default()],
            annotations: Vec::new(),
        };
        manifest.write(folder.path()).unwrap();
        let path = folder.path().join(MANIFEST);
        let newer = fs::read_to_string(&path).unwrap();
        let newer = newer.replacen("[source]", "[source]\nlens = \"wide\"", 1);
        fs::write(&path, format!("hologram = 3\n{newer}")).unwrap();
        let mut read = Manifest::read(folder.path()).unwrap();
        read.is_finished = true;
        read.parts.push(PartRecord::default());
        read.write(folder.path()).unwrap();
        let file: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        assert_eq!(file["hologram"].as_integer(), Some(3));
        assert_eq!(file["source"]["lens"].as_str(), Some("wide"));
        assert_eq!(Manifest::read(folder.path()).unwrap(), read);
    }
}

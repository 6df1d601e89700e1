//! What keypoint files have in common: the trait, the table and how numbers are rounded.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::disk::create_alone;
use crate::error::{Error, Result};
use crate::output::PoseOutput;
use crate::pose::Keypoint;

/// Writes the poses of one frame after the other to a file or folder.
pub trait Exporter: Send {
    /// Writes one frame. What has been pushed survives a crash of the process.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn push(&mut self, output: &PoseOutput) -> Result<()>;

    /// Completes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What an exporter may want to know besides the poses.
#[derive(Debug, Clone, Default)]
pub struct ExportContext {
    /// Name of the source, without folder and extension: part of file names.
    pub name: String,
}

/// One kind of keypoint file: a row of [`EXPORTERS`].
#[derive(Debug)]
pub struct ExporterSpec {
    /// `json`: the flag is `--write-json`.
    pub name: &'static str,
    /// What it writes, one line for `--help`.
    pub help: &'static str,
    /// Creates the file or folder.
    pub open: fn(path: &Path, context: &ExportContext) -> Result<Box<dyn Exporter>>,
}

impl ExporterSpec {
    /// The row called `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        EXPORTERS.iter().find(|spec| spec.name == name)
    }
}

/// Every kind of keypoint file.
pub const EXPORTERS: &[ExporterSpec] = &[
    super::jsonl::SPEC,
    super::coco::SPEC,
    super::openpose::SPEC,
    super::csv::SPEC,
];

/// A file in which each write is one call: nothing pushed waits in this process.
#[derive(Debug)]
pub(super) struct Output {
    /// For messages.
    pub path: PathBuf,
    /// Open for writing.
    pub file: File,
}

impl Output {
    pub fn create(path: &Path) -> Result<Self> {
        let file = create_alone(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(Error::io("write", &self.path))
    }

    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

/// A position in pixels, to a hundredth: finer than any network resolves.
pub(super) fn pixels(value: impl Into<f64>) -> f64 {
    rounded(value.into(), 1e2)
}

/// A score, to a ten-thousandth.
pub(super) fn score(value: f32) -> f64 {
    rounded(f64::from(value), 1e4)
}

/// A time in seconds, to a microsecond.
pub(super) fn seconds(value: f64) -> f64 {
    rounded(value, 1e6)
}

/// Adding 0 turns -0 into 0.
fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit + 0.0
}

/// A keypoint as it is written: rounded `[x, y, score]`. One that is not a number has no form in
/// any of the files and is written as absent, which is three zeros in all of them.
pub(super) fn triple(k: &Keypoint) -> [f64; 3] {
    let triple = [pixels(k.x), pixels(k.y), score(k.score)];
    if triple.iter().all(|v| v.is_finite()) {
        triple
    } else {
        [0.0; 3]
    }
}

/// Keypoints one after the other.
pub(super) fn triples<'a>(keypoints: impl IntoIterator<Item = &'a Keypoint>) -> Vec<[f64; 3]> {
    keypoints.into_iter().map(triple).collect()
}

/// JSON bytes of a value.
pub(super) fn json(value: &impl serde::Serialize, path: &Path) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::Record {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

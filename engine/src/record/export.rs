//! What keypoint files have in common: the trait, the row of the table and how numbers are rounded.

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
    /// Every frame is a file of its own and is named after it.
    pub frames_are_files: bool,
    /// Number of frames where known.
    pub n_frames: Option<u64>,
    /// An older run's files may be removed from the target.
    pub overwrite: bool,
}

/// The target that means standard output.
pub const STDOUT: &str = "-";

/// Whether bytes that are written to `path` are gone: standard output, a pipe, a device. Such a
/// target cannot be corrected, renamed or synced.
pub(super) fn is_stream(path: &Path) -> bool {
    let is_special = |m: std::fs::Metadata| !m.is_file() && !m.is_dir();
    path == Path::new(STDOUT) || std::fs::metadata(path).is_ok_and(is_special)
}

/// One kind of keypoint file: a row of [`super::EXPORTERS`].
#[derive(Debug)]
pub struct ExporterSpec {
    /// `json`: the flag is `--write-json`.
    pub name: &'static str,
    /// What it writes, one line for `--help`.
    pub help: &'static str,
    /// Creates the file or folder.
    pub open: fn(path: &Path, context: &ExportContext) -> Result<Box<dyn Exporter>>,
}

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
        let file = if path == Path::new(STDOUT) {
            stdout().map_err(Error::io("create", path))?
        } else {
            create_alone(path)?
        };
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

    /// Waits until the bytes are on the disk, where there is one.
    pub fn sync(&mut self) -> Result<()> {
        if is_stream(&self.path) {
            return Ok(());
        }
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

/// Standard output without a buffer of this process.
fn stdout() -> std::io::Result<File> {
    #[cfg(windows)]
    let handle = {
        use std::os::windows::io::AsHandle;
        std::io::stdout().as_handle().try_clone_to_owned()?
    };
    #[cfg(not(windows))]
    let handle = {
        use std::os::fd::AsFd;
        std::io::stdout().as_fd().try_clone_to_owned()?
    };
    Ok(handle.into())
}

/// A position in pixels, to a hundredth: finer than any network resolves. What is not a number has
/// no form in JSON.
pub(super) fn pixels(value: impl Into<f64>) -> f64 {
    let value = value.into();
    rounded(if value.is_finite() { value } else { 0.0 }, 1e2)
}

/// A score, to a ten-thousandth. Readers take it for a share: networks overshoot a little, and
/// what is not a number is worth nothing.
pub(super) fn score(value: f32) -> f64 {
    let value = if value.is_nan() { 0.0 } else { value };
    rounded(f64::from(value.clamp(0.0, 1.0)), 1e4)
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
    if [k.x, k.y, k.score].iter().all(|v| v.is_finite()) {
        [pixels(k.x), pixels(k.y), score(k.score)]
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

//! Common parts of the keypoint exporters: the trait and the table entry.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::disk::Overwrite;
use crate::error::{Error, Result};
use crate::measure::Measures;
use crate::output::PoseOutput;

pub(crate) use crate::pose_json::seconds;
pub(super) use crate::pose_json::{pixels, score, triple, triples};

/// Writes the poses of a sequence of frames to a file or folder.
pub trait Exporter: Send {
    /// Writes one frame. Pushed frames survive a crash of the process.
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

/// Properties of the source for exporters.
#[derive(Debug, Clone, Default)]
pub struct ExportContext {
    /// Name of the source without folder and extension, used in file names.
    pub name: String,
    /// Whether every frame is an image file whose name is used.
    pub frames_are_files: bool,
    /// Whether frames have numbers of their own beside those of their source.
    pub is_renumbered: bool,
    /// Number of frames, if known.
    pub n_frames: Option<u64>,
    /// Whether files of an older run may be removed from the target.
    pub overwrite: bool,
    /// What is measured of each person, for kinds of files that can hold it.
    pub measures: Measures,
    /// Joints with a lower score are not measured.
    pub least_score: f32,
}

/// Target name of standard output.
pub const STDOUT: &str = "-";

/// Returns whether bytes written to `path` cannot be changed: standard output, a pipe, a device.
/// Such a target cannot be overwritten, renamed or synced.
pub(super) fn is_stream(path: &Path) -> bool {
    let is_special = |m: std::fs::Metadata| !m.is_file() && !m.is_dir();
    path == Path::new(STDOUT) || std::fs::metadata(path).is_ok_and(is_special)
}

/// One kind of keypoint file: an entry of [`super::EXPORTERS`].
#[derive(Debug)]
pub struct ExporterSpec {
    /// Name, e.g. `json` for the flag `--write-json`.
    pub name: &'static str,
    /// Name for display, e.g. `OpenPose`.
    pub title: &'static str,
    /// Description for `--help`, one line.
    pub help: &'static str,
    /// Creates the file or folder.
    pub open: fn(path: &Path, context: &ExportContext) -> Result<Box<dyn Exporter>>,
}

/// A file without a buffer in this process: each write is one system call.
#[derive(Debug)]
pub(super) struct Output {
    /// Path for messages.
    pub path: PathBuf,
    /// Open for writing.
    pub file: Overwrite,
}

impl Output {
    /// Creates the file; an older one stays until [`Output::keep`].
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = if path == Path::new(STDOUT) {
            Overwrite::stream(stdout().map_err(Error::io("create", path))?, path)
        } else {
            Overwrite::create(path)?
        };
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Creates the file in place of an older one, which is lost.
    pub(super) fn in_place(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: Overwrite::in_place(path)?,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(Error::io("write", &self.path))
    }

    /// Replaces an older file, now that this one has a frame.
    pub(super) fn keep(&mut self) -> Result<()> {
        self.file.keep()
    }

    /// Completes the file and waits until it is on disk, if the target is on one.
    pub(super) fn sync(&mut self) -> Result<()> {
        if is_stream(&self.path) {
            return Ok(());
        }
        self.keep()?;
        self.file.sync().map_err(Error::io("write", &self.path))
    }
}

/// Returns standard output without a buffer in this process.
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

/// Serialises a value to JSON.
pub(super) fn json(value: &impl serde::Serialize, path: &Path) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::Record {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

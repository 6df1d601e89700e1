//! Progress of a recording.

use std::path::PathBuf;

/// Progress of a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TapProgress {
    /// The file or folder being written.
    pub path: PathBuf,
    /// Number of recorded frames.
    pub frames: u64,
    /// Number of frames dropped because the encoder was too slow.
    pub drops: u64,
    /// Number of frames in the annotated video.
    pub annotated: u64,
    /// Length so far in seconds of the source.
    pub secs: f64,
    /// Number of bytes written so far.
    pub bytes: u64,
    /// Parts of the source's sound that are missing from the recording, one line each.
    pub notes: Vec<String>,
    /// Differences between the source's frames and the videos that are no loss, one line each.
    pub remarks: Vec<String>,
}

impl TapProgress {
    /// Returns the length including the last frame, which ends after [`Self::secs`].
    pub fn length_secs(&self) -> f64 {
        with_last_frame(self.secs, self.frames)
    }
}

/// Adds the duration of the last frame to the time from the first of `n` frames to the last: the
/// mean of the others.
pub(super) fn with_last_frame(secs: f64, n: u64) -> f64 {
    match n {
        0 | 1 => secs,
        n => secs + secs / (n - 1) as f64,
    }
}

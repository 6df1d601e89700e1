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
    /// Number of videos one after the other, one for each size of the frames.
    pub n_parts: usize,
    /// Number of bytes written so far.
    pub bytes: u64,
    /// Parts of the source's sound that are missing from the recording, one line each.
    pub notes: Vec<String>,
    /// Differences between the source's frames and the videos that are no loss, one line each.
    pub remarks: Vec<String>,
}

impl TapProgress {
    /// Returns the length including the last frame of each part, which ends after its time.
    pub fn length_secs(&self) -> f64 {
        with_last_frames(self.secs, self.frames, self.n_parts.max(1))
    }
}

/// Adds the durations of the last frames to the times from the first frame to the last of `n_parts`
/// videos with `n` frames together: the mean of the others.
pub(super) fn with_last_frames(secs: f64, n: u64, n_parts: usize) -> f64 {
    match n.saturating_sub(n_parts as u64) {
        0 => secs,
        others => secs + n_parts as f64 * secs / others as f64,
    }
}

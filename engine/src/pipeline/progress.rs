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
}

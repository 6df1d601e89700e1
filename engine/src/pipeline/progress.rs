//! How far a recording is.

use std::path::PathBuf;

/// State of a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TapProgress {
    /// The file or folder being written.
    pub path: PathBuf,
    /// Pictures taken.
    pub frames: u64,
    /// Pictures lost because the encoder was too slow.
    pub drops: u64,
    /// Pictures in the annotated video.
    pub annotated: u64,
    /// Length so far, seconds of the source.
    pub secs: f64,
    /// Bytes written so far.
    pub bytes: u64,
    /// What a recording lacks of the sound of its source, one line each.
    pub notes: Vec<String>,
}

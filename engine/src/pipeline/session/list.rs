//! Which recordings there are.

use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::source::recording::MANIFEST;

/// A recording on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionEntry {
    /// Its folder, which can be opened as a source.
    pub folder: PathBuf,
    /// What it says of itself. Not finished: it is being recorded, or was cut off; what was
    /// written until then is there.
    pub manifest: Manifest,
}

/// The recordings in a folder, newest first. Folders without a readable manifest are left out,
/// those with a damaged one with a line in the log.
///
/// # Errors
/// When the folder exists and cannot be read; one that does not exist holds no recordings.
pub fn sessions_in(parent: &Path) -> Result<Vec<SessionEntry>> {
    let entries = match std::fs::read_dir(parent) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io("read", parent))?,
    };
    let mut sessions = Vec::new();
    for entry in entries {
        let folder = entry.map_err(Error::io("read", parent))?.path();
        if !folder.join(MANIFEST).is_file() {
            continue;
        }
        match Manifest::read(&folder) {
            Ok(manifest) => sessions.push(SessionEntry { folder, manifest }),
            Err(error) => tracing::warn!("left out: {error}"),
        }
    }
    sessions.sort_by(|a, b| b.manifest.started.cmp(&a.manifest.started));
    Ok(sessions)
}

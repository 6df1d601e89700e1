//! Listing of recordings.

use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::source::recording::MANIFEST;

/// A recording on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionEntry {
    /// Its folder, which can be opened as a source.
    pub folder: PathBuf,
    /// Its manifest. If it is not finished, it is being recorded or was interrupted; everything
    /// written until then is available.
    pub manifest: Manifest,
}

/// Lists the recordings in a folder, newest first. Folders without a readable manifest are skipped;
/// damaged ones are logged.
///
/// # Errors
/// When the folder exists but cannot be read; a folder that does not exist has no recordings.
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

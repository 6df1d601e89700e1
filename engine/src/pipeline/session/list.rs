//! Listing of recordings.

use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::part_path;
use crate::error::{Error, Result};
use crate::source::recording::MANIFEST;
use crate::source::video;

/// A recording on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionEntry {
    /// Its folder, which can be opened as a source.
    pub folder: PathBuf,
    /// Its manifest. If it is not finished, it is being recorded or was interrupted: everything
    /// written until then is available, and the counts are those of the videos at present.
    pub manifest: Manifest,
    /// Names of the files that an interrupted recording has left under their temporary names.
    pub leftovers: Vec<String>,
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
            Ok(manifest) => sessions.push(SessionEntry::new(folder, manifest)),
            Err(error) => tracing::warn!("left out: {error}"),
        }
    }
    sessions.sort_by(|a, b| b.manifest.started.cmp(&a.manifest.started));
    Ok(sessions)
}

impl SessionEntry {
    fn new(folder: PathBuf, mut manifest: Manifest) -> Self {
        let mut leftovers = Vec::new();
        if !manifest.is_finished {
            count(&folder, &mut manifest);
            leftovers = temporary_files(&folder);
        }
        Self {
            folder,
            manifest,
            leftovers,
        }
    }
}

/// Replaces the counts of an unfinished manifest, which also counts frames on their way to the disk,
/// by those of the videos.
fn count(folder: &Path, manifest: &mut Manifest) {
    for (part, number) in manifest.parts.iter_mut().zip(1..) {
        let written = |stem| {
            let path = part_path(folder, stem, number, "mp4");
            video::extent(&path).unwrap_or_default()
        };
        let ((frames, secs), (annotated, annotated_secs)) = (written("raw"), written("annotated"));
        (part.frames, part.annotated_frames) = (frames, annotated);
        part.annotated_drops = frames.saturating_sub(annotated);
        part.seconds = secs.max(annotated_secs);
    }
}

/// Returns the names of the temporary files in a folder, in order.
fn temporary_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "part"))
        .collect();
    names.sort();
    names
}

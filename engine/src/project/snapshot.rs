//! `labels.coco.json`: the labels at one edit, and its predecessors in `history`.
//!
//! To other programs it is a COCO keypoints file of the confirmed people. Its field `poselens` has
//! everything else: all people with the state of each joint, suggestions, and the number of the
//! last edit that it contains.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::coco::{Parts, document};
use super::file::{VERSION, newer};
use super::labels::{FrameLabels, Labels};
use super::person::FrameKey;
use crate::disk::Draft;
use crate::error::{Error, Result};
use crate::record::stamp;
use crate::skeleton::Skeleton;

/// File name of the snapshot.
pub const SNAPSHOT: &str = "labels.coco.json";
/// Folder of older snapshots.
pub const HISTORY: &str = "history";
/// Number of older snapshots that are kept.
pub const N_KEPT: usize = 20;

#[derive(Serialize)]
struct Out<'a> {
    version: u32,
    /// Number of the last edit that the labels contain.
    sequence: u64,
    /// Id of the next person.
    next_person: u64,
    frames: Vec<(FrameKey, &'a FrameLabels)>,
}

#[derive(Deserialize)]
struct In {
    sequence: u64,
    next_person: u64,
    frames: Vec<(FrameKey, FrameLabels)>,
}

#[derive(Deserialize)]
struct InFile {
    poselens: Option<In>,
}

/// Labels as of one edit.
#[derive(Debug)]
pub struct Snapshot {
    /// The labels.
    pub labels: Labels,
    /// Number of the last edit that they contain; 0 for none.
    pub sequence: u64,
    /// Remarks on the file, one line each.
    pub remarks: Vec<String>,
}

/// Reads the snapshot of the project in `folder`. Without one, or where another program has
/// replaced it by labels of its own, the labels are empty and every edit is still in the journal.
///
/// # Errors
/// When the file cannot be read, is damaged or of a newer version.
pub fn read(folder: &Path, skeleton: &'static Skeleton) -> Result<Snapshot> {
    let path = folder.join(SNAPSHOT);
    let mut snapshot = Snapshot {
        labels: Labels::new(skeleton),
        sequence: 0,
        remarks: Vec::new(),
    };
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(snapshot),
        other => other.map_err(Error::io("read", &path))?,
    };
    let damaged = |reason: String| {
        let reason = format!(
            "damaged: {reason}. Nothing was changed; move it away (every edit is in the journal), \
             or replace it by the newest file of {HISTORY}"
        );
        Error::data(&path, reason)
    };
    if let Some(version) = version(&bytes).filter(|version| *version > VERSION) {
        return Err(newer(&path, version));
    }
    let read: InFile = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    let Some(state) = read.poselens else {
        snapshot.remarks.push(format!(
            "{}: written by another program; it is not used, `poselens project import` reads \
             labels of other programs",
            path.display()
        ));
        return Ok(snapshot);
    };
    snapshot.labels =
        Labels::from_frames(skeleton, state.next_person, state.frames).map_err(damaged)?;
    snapshot.sequence = state.sequence;
    Ok(snapshot)
}

/// Writes the labels as of edit `sequence` atomically; the previous snapshot moves to [`HISTORY`].
///
/// # Errors
/// When it cannot be written; the previous snapshot stays then.
pub(super) fn write(parts: &Parts<'_>, sequence: u64) -> Result<()> {
    let path = parts.folder.join(SNAPSHOT);
    let labels = parts.labels;
    let state = Out {
        version: VERSION,
        sequence,
        next_person: labels.next_id(),
        frames: labels.frames().collect(),
    };
    let document = document(parts, Some(state));
    let draft = Draft::write(&path, |file| {
        serde_json::to_writer(&mut *file, &document)?;
        file.write_all(b"\n")
    })?;
    if path.is_file() {
        keep(&path, parts.folder, sequence)?;
    }
    draft.put()
}

/// Keeps the present snapshot, which is valid until edit `sequence`, under another name, and the
/// last [`N_KEPT`] of those.
fn keep(path: &Path, folder: &Path, sequence: u64) -> Result<()> {
    let history = folder.join(HISTORY);
    fs::create_dir_all(&history).map_err(Error::io("create", &history))?;
    let name = format!(
        "until-{sequence:010}-{}.coco.json",
        stamp(SystemTime::now())
    );
    let kept = history.join(name);
    // Where the file system has no links, a copy: the snapshot must not be missing for a moment.
    if fs::hard_link(path, &kept).is_err() {
        fs::copy(path, &kept).map_err(Error::io("write", &kept))?;
    }
    let entries = fs::read_dir(&history).map_err(Error::io("read", &history))?;
    let mut names: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("until-") && name.ends_with(".coco.json")
        })
        .collect();
    names.sort();
    let n_old = names.len().saturating_sub(N_KEPT);
    for old in &names[..n_old] {
        fs::remove_file(old).map_err(Error::io("remove", old))?;
    }
    Ok(())
}

/// Returns only the version of a snapshot, whose other fields a newer version may have changed.
fn version(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    #[derive(Deserialize)]
    struct VersionFile {
        poselens: Version,
    }
    let file: VersionFile = serde_json::from_slice(bytes).ok()?;
    Some(file.poselens.version)
}

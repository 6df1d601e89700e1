//! `poses.edits.json`: the edits made, in order.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::edit::TrackEdit;
use crate::disk::hex;
use crate::error::{Error, Result};

/// Version of the format.
const VERSION: u32 = 1;

/// Size and SHA-256 of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digest {
    bytes: u64,
    sha256: String,
}

impl Digest {
    pub(super) fn new(bytes: u64, sha256: &[u8]) -> Self {
        Self {
            bytes,
            sha256: hex(sha256),
        }
    }
}

/// Contents of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EditList {
    version: u32,
    /// The recorded poses.
    pub(super) recorded: Digest,
    /// The poses with the edits.
    pub(super) edited: Digest,
    /// All edits in order, those that were undone at the end.
    pub(super) edits: Vec<TrackEdit>,
    /// Number of edits that are not undone.
    pub(super) n_applied: usize,
}

/// The version alone, as a newer file may have other contents.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl EditList {
    /// Returns a list without edits: the edited poses are those recorded.
    pub(super) fn new(recorded: Digest) -> Self {
        Self {
            version: VERSION,
            edited: recorded.clone(),
            recorded,
            edits: Vec::new(),
            n_applied: 0,
        }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// When it is damaged or of a newer version: the reason and the remedy.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let damaged = |e: serde_json::Error| {
            format!("is damaged ({e}); restore it from a copy, or move it away to start anew")
        };
        let Version { version } = serde_json::from_slice(text).map_err(damaged)?;
        if version > VERSION {
            return Err(
                "was written by a newer version of PoseLens; edit the tracks with that".to_owned(),
            );
        }
        let list: Self = serde_json::from_slice(text).map_err(damaged)?;
        if list.n_applied > list.edits.len() {
            return Err(format!(
                "is damaged ({} of {} edits are applied); restore it from a copy, or move it away \
                 to start anew",
                list.n_applied,
                list.edits.len()
            ));
        }
        Ok(list)
    }

    /// Returns the text of the file.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn text(&self, path: &Path) -> Result<Vec<u8>> {
        let text = serde_json::to_vec_pretty(self);
        text.map_err(|e| Error::data(path, format!("cannot be written: {e}")))
    }

    /// Returns the edits that are not undone.
    pub(super) fn applied(&self) -> &[TrackEdit] {
        &self.edits[..self.n_applied]
    }
}

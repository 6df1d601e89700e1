//! `project.toml`: what a project consists of.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clip::Clip;
use crate::document;
use crate::error::{Error, Result};
use crate::skeleton::Skeleton;

/// File name of the description.
pub const PROJECT: &str = "project.toml";

/// Version of the format of all files of a project. A project of a newer version is not opened, so
/// that nothing of it is lost.
pub(super) const VERSION: u32 = 1;

/// Contents of `project.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectFile {
    /// Version of the format.
    pub version: u32,
    /// Name for display; without one, the project is called like its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the skeleton of the labels.
    pub skeleton: String,
    /// Name of the model that proposes labels and is trained.
    pub model: String,
    /// Clips in the order in which they were added.
    #[serde(default, rename = "clip", skip_serializing_if = "Vec::is_empty")]
    pub clips: Vec<Clip>,
}

/// How a project begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProject {
    /// Name of the model.
    pub model: String,
    /// Videos, folders of images and recordings.
    pub clips: Vec<PathBuf>,
    /// Whether clips are copied into the project; otherwise they stay where they are.
    pub is_copied: bool,
}

impl ProjectFile {
    /// Reads the description of the project in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is damaged or of a newer version.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(PROJECT);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let reason = "not a label project: it has no project.toml; `poselens project new` \
                              creates one";
                return Err(Error::data(folder, reason));
            }
            other => other.map_err(Error::io("read", &path))?,
        };
        check_version(&path, &text)?;
        let file: Self = toml::from_str(&text).map_err(|e| {
            let what = e.message().to_owned();
            Error::data(&path, format!("not the description of a project: {what}"))
        })?;
        file.skeleton(&path)?;
        let mut ids: Vec<_> = file.clips.iter().map(|clip| clip.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::data(&path, "two clips have the same id"));
        }
        Ok(file)
    }

    /// Writes the description into `folder` atomically; unknown fields of the existing file stay.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        document::write(&folder.join(PROJECT), self)
    }

    /// Returns the skeleton; `path` is the file for the message.
    pub(super) fn skeleton(&self, path: &Path) -> Result<&'static Skeleton> {
        Skeleton::by_name(&self.skeleton).ok_or_else(|| {
            let name = &self.skeleton;
            Error::data(path, format!("no skeleton is called {name}"))
        })
    }

    /// Returns what the project in `folder` is called.
    pub fn title(&self, folder: &Path) -> String {
        self.name.clone().unwrap_or_else(|| {
            let name = folder.file_name().unwrap_or(folder.as_os_str());
            name.to_string_lossy().into_owned()
        })
    }

    /// Returns the clip with this id.
    pub fn clip(&self, id: u32) -> Option<&Clip> {
        self.clips.iter().find(|clip| clip.id == id)
    }
}

/// Refuses a TOML file of a newer version.
///
/// # Errors
/// When its `version` is greater than [`VERSION`].
pub(crate) fn check_version(path: &Path, text: &str) -> Result<()> {
    let table: Option<toml::Table> = text.parse().ok();
    let version = table.and_then(|table| table.get("version")?.as_integer());
    match version {
        Some(version) if version > i64::from(VERSION) => Err(newer(path, version)),
        _ => Ok(()),
    }
}

/// Returns the error about a file of a newer version.
pub(super) fn newer(path: &Path, version: impl std::fmt::Display) -> Error {
    let reason = format!(
        "written by a newer version of PoseLens (format {version}, this program knows {VERSION}); \
         nothing was changed, update PoseLens"
    );
    Error::data(path, reason)
}

//! `versions/N`: weights that were accepted, each with its card, and which of them is in use.
//!
//! A version is complete once its folder has its final name: it is written under another one. None
//! is ever changed or deleted; `versions/current.toml` says which one is in use, 0 for the bundled
//! weights.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::file::{VERSION, check_version};
use super::open::Project;
use crate::disk::{copy, replace, sync_name};
use crate::error::{Error, Result};
use crate::model::{Card, sha256_of_file};

/// Folder of the versions.
const VERSIONS: &str = "versions";
/// File that names the version in use.
const CURRENT: &str = "current.toml";
/// Description of a version in its folder.
const DESCRIPTION: &str = "version.toml";
/// Weights of a version in its folder.
const WEIGHTS: &str = "weights.safetensors";

/// Contents of `version.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionFile {
    /// Version of the format.
    version: u32,
    /// Number of this version, from 1.
    pub number: u32,
    /// Number of the version that the training began with; 0 for the bundled
    /// weights, absent for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Number of the version that was in use before, 0 for the bundled weights.
    pub previous: u32,
    /// Name of the model.
    pub model: String,
    /// Name of the run that made the weights.
    pub run: String,
    /// Seconds since 1970 at which it was accepted.
    pub accepted_secs: u64,
    /// SHA-256 of the weights.
    pub weights_sha256: String,
    /// What it was trained on.
    pub data: String,
    /// What it was measured on.
    pub holdout: String,
    /// Outcome of the measurement: better, worse, no clear difference.
    pub verdict: String,
    /// Measured values before and after the training.
    #[serde(default)]
    pub figures: toml::Table,
}

/// A version on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its description.
    pub file: VersionFile,
    /// Its weights, with their card next to them.
    pub weights: PathBuf,
}

/// What becomes a version.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// Name of the run.
    pub run: String,
    /// Weights of the run.
    pub weights: PathBuf,
    /// Card of the weights.
    pub card: Card,
    /// Version that the training began with, as in [`VersionFile::parent`].
    pub parent: Option<u32>,
    /// What it was trained on.
    pub data: String,
    /// What it was measured on.
    pub holdout: String,
    /// Outcome of the measurement.
    pub verdict: String,
    /// Measured values.
    pub figures: toml::Table,
}

/// Contents of `current.toml`.
#[derive(Serialize, Deserialize)]
struct Current {
    version: u32,
    /// Number of the version in use.
    current: u32,
}

impl Version {
    /// Returns the version in use of the project in `project`; `None` if it uses the bundled
    /// weights.
    ///
    /// # Errors
    /// When a file is missing, damaged or of a newer version.
    pub fn current(project: &Path) -> Result<Option<Self>> {
        let path = project.join(VERSIONS).join(CURRENT);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("read", &path))?,
        };
        check_version(&path, &text)?;
        let current: Current = toml::from_str(&text).map_err(|e| {
            let what = e.message().to_owned();
            Error::data(&path, format!("does not name a version: {what}"))
        })?;
        match current.current {
            0 => Ok(None),
            number => Self::read(project, number).map(Some),
        }
    }

    /// Returns the versions of the project in `project`, the newest first; the second list has one
    /// line for each that cannot be read.
    ///
    /// # Errors
    /// When the folder of the versions cannot be read.
    pub fn all(project: &Path) -> Result<(Vec<Self>, Vec<String>)> {
        let folder = project.join(VERSIONS);
        if !folder.exists() {
            return Ok((Vec::new(), Vec::new()));
        }
        let (mut versions, mut faults) = (Vec::new(), Vec::new());
        let mut numbers = numbers(&folder)?;
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        for number in numbers {
            match Self::read(project, number) {
                Ok(version) => versions.push(version),
                Err(error) => faults.push(error.to_string()),
            }
        }
        Ok((versions, faults))
    }

    /// Reads version `number`.
    ///
    /// # Errors
    /// When there is none, or it is damaged or of a newer version of the program.
    pub fn read(project: &Path, number: u32) -> Result<Self> {
        let folder = project.join(VERSIONS).join(number.to_string());
        let path = folder.join(DESCRIPTION);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        check_version(&path, &text)?;
        let file: VersionFile = toml::from_str(&text).map_err(|e| {
            let what = e.message().to_owned();
            Error::data(&path, format!("not the description of a version: {what}"))
        })?;
        let weights = folder.join(WEIGHTS);
        if !weights.is_file() {
            return Err(Error::data(
                &weights,
                "the weights of this version are gone",
            ));
        }
        Ok(Self { file, weights })
    }
}

impl Project {
    /// Makes the weights of a run a version and uses it from now on.
    ///
    /// # Errors
    /// When a file cannot be read or written; the version in use stays then.
    pub fn accept(&mut self, new: &NewVersion) -> Result<Version> {
        let project = self.contents().folder().to_owned();
        let versions = project.join(VERSIONS);
        fs::create_dir_all(&versions).map_err(Error::io("create", &versions))?;
        let last = numbers(&versions)?.into_iter().max();
        let number = last.unwrap_or(0) + 1;
        let draft = versions.join(format!("{number}.part"));
        if draft.exists() {
            // Left behind by a killed program.
            fs::remove_dir_all(&draft).map_err(Error::io("remove", &draft))?;
        }
        let previous = Version::current(&project)?.map_or(0, |version| version.file.number);
        let model = &self.contents().file().model;
        let written = fill(&draft, (number, previous), new, model);
        if written.is_err() {
            fs::remove_dir_all(&draft).ok();
        }
        written?;
        let folder = versions.join(number.to_string());
        fs::rename(&draft, &folder).map_err(Error::io("write", &folder))?;
        sync_name(&folder)?;
        set_current(&versions, number)?;
        Version::read(&project, number)
    }

    /// Uses version `number` from now on; 0 for the bundled weights.
    ///
    /// # Errors
    /// When there is no such version, or it is damaged.
    pub fn use_version(&mut self, number: u32) -> Result<()> {
        let project = self.contents().folder();
        if number > 0 {
            Version::read(project, number)?;
        }
        set_current(&project.join(VERSIONS), number)
    }

    /// Uses the version again that was in use before the present one was accepted; returns its
    /// number, 0 for the bundled weights.
    ///
    /// # Errors
    /// When no version is in use, or the one before it is gone.
    pub fn rollback(&mut self) -> Result<u32> {
        let project = self.contents().folder().to_owned();
        let Some(current) = Version::current(&project)? else {
            let reason = "there is nothing to roll back: no version is in use";
            return Err(Error::data(&project, reason));
        };
        let VersionFile {
            number, previous, ..
        } = current.file;
        if previous >= number {
            let reason = format!("version {number} names version {previous} as the one before it");
            return Err(Error::data(&project, reason));
        }
        if previous > 0 {
            // Must be usable.
            Version::read(&project, previous)?;
        }
        set_current(&project.join(VERSIONS), previous)?;
        Ok(previous)
    }
}

/// Returns the numbers of the versions in the folder.
fn numbers(versions: &Path) -> Result<Vec<u32>> {
    let entries = fs::read_dir(versions).map_err(Error::io("read", versions))?;
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let numbers = entries
        .filter_map(std::result::Result::ok)
        .filter_map(number);
    Ok(numbers.collect())
}

fn set_current(versions: &Path, number: u32) -> Result<()> {
    let path = versions.join(CURRENT);
    let current = Current {
        version: VERSION,
        current: number,
    };
    replace(&path, as_toml(&path, &current)?.as_bytes())
}

fn fill(
    folder: &Path,
    (number, previous): (u32, u32),
    new: &NewVersion,
    model: &str,
) -> Result<()> {
    let weights = folder.join(WEIGHTS);
    copy(&new.weights, &weights)?;
    let sha256 = sha256_of_file(&weights)?;
    let card = Card {
        sha256: Some(sha256.clone()),
        data: Some(new.data.clone()),
        figures: new.figures.clone(),
        ..new.card.clone()
    };
    let path = Card::path_beside(&weights);
    replace(&path, as_toml(&path, &card)?.as_bytes())?;
    let accepted = SystemTime::now().duration_since(UNIX_EPOCH);
    let path = folder.join(DESCRIPTION);
    let file = VersionFile {
        version: VERSION,
        number,
        parent: new.parent,
        previous,
        model: model.to_owned(),
        run: new.run.clone(),
        accepted_secs: accepted.map_or(0, |since| since.as_secs()),
        weights_sha256: sha256,
        data: new.data.clone(),
        holdout: new.holdout.clone(),
        verdict: new.verdict.clone(),
        figures: new.figures.clone(),
    };
    replace(&path, as_toml(&path, &file)?.as_bytes())
}

fn as_toml(path: &Path, value: &impl Serialize) -> Result<String> {
    toml::to_string(value).map_err(|e| Error::data(path, format!("cannot be written: {e}")))
}

#[cfg(test)]
mod tests;

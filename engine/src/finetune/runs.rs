//! The runs of a project on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::gate::Gate;
use super::run::{FILE, RUNS, RunFile};
use crate::error::{Error, Result};
use crate::train::checkpoint::STATE;

/// A run of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its description.
    pub file: RunFile,
    /// Its measurement; `None` before its training is finished and measured.
    pub gate: Option<Gate>,
    /// Whether its training can be resumed.
    pub has_begun: bool,
    changed: Option<SystemTime>,
}

impl RunInfo {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// When its description or measurement is missing, damaged or of a newer version.
    pub fn read(folder: &Path) -> Result<Self> {
        let has_begun = folder.join(STATE).is_file();
        let is_measured = Gate::path(folder).exists();
        let file = folder.join(if has_begun { STATE } else { FILE });
        Ok(Self {
            name: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            folder: folder.to_owned(),
            file: RunFile::read(folder)?,
            gate: is_measured.then(|| Gate::read(folder)).transpose()?,
            has_begun,
            changed: fs::metadata(file).and_then(|m| m.modified()).ok(),
        })
    }

    /// Returns whether its training has begun and it is not measured.
    pub fn is_unfinished(&self) -> bool {
        self.has_begun && self.gate.is_none()
    }
}

/// Returns the runs of the project in `project`, the one changed last first, and one line for each
/// run that cannot be read.
pub fn runs(project: &Path) -> (Vec<RunInfo>, Vec<String>) {
    let (mut runs, mut faults) = (Vec::new(), Vec::new());
    for folder in known_runs(project) {
        match RunInfo::read(&folder) {
            Ok(run) => runs.push(run),
            Err(error) => faults.push(error.to_string()),
        }
    }
    runs.sort_by(|a, b| b.changed.cmp(&a.changed).then(b.name.cmp(&a.name)));
    (runs, faults)
}

/// Returns the folder of a run of the project in `project`, by its name.
///
/// # Errors
/// When there is no such run; the message lists the runs.
pub fn run_folder(project: &Path, name: &str) -> Result<PathBuf> {
    let folder = project.join(RUNS).join(name);
    // A path to the folder is accepted as well.
    let given = Path::new(name);
    let is_here = given.is_dir() && given.parent().is_some_and(|p| p.ends_with(RUNS));
    for folder in [folder.as_path(), given]
        .into_iter()
        .take(1 + usize::from(is_here))
    {
        if folder.join(FILE).is_file() {
            return Ok(folder.to_owned());
        }
    }
    let known = known_runs(project);
    let names: Vec<_> = known.iter().filter_map(|path| path.file_name()).collect();
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    let reason = match &names[..] {
        [] => format!("no run is called {name}: nothing has been trained yet"),
        names => format!("no run is called {name}; there are {}", names.join(", ")),
    };
    Err(Error::data(project, reason))
}

fn known_runs(project: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.join(RUNS)) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut runs: Vec<PathBuf> = paths.filter(|path| path.join(FILE).is_file()).collect();
    runs.sort();
    runs
}

/// Returns the folder of the newest run that has begun and is not measured.
///
/// # Errors
/// When there is none.
pub fn unfinished_run(project: &Path) -> Result<PathBuf> {
    let (runs, _) = runs(project);
    let newest = runs.into_iter().find(RunInfo::is_unfinished);
    newest
        .map(|run| run.folder)
        .ok_or_else(|| Error::data(project, "there is no unfinished run to resume"))
}

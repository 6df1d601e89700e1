//! The runs of a project on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::gate::Gate;
use super::lock::is_busy;
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
    /// Whether it is being prepared, trained or measured, here or in another program.
    pub is_busy: bool,
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
            name: name_of(folder),
            folder: folder.to_owned(),
            file: RunFile::read(folder)?,
            gate: is_measured.then(|| Gate::read(folder)).transpose()?,
            has_begun,
            is_busy: is_busy(folder),
            changed: fs::metadata(file).and_then(|m| m.modified()).ok(),
        })
    }

    /// Returns how far it is: its verdict, `in use`, `not finished` or `not begun`.
    pub fn state(&self) -> &'static str {
        match (&self.gate, self.is_busy, self.has_begun) {
            (Some(gate), ..) => gate.verdict.name(),
            (None, true, _) => "in use",
            (None, false, true) => "not finished",
            (None, false, false) => "not begun",
        }
    }

    /// Returns whether its training has begun and it is not measured.
    pub fn is_unfinished(&self) -> bool {
        self.has_begun && self.gate.is_none()
    }
}

/// A run that can only be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct UnusableRun {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Why it cannot be used.
    pub reason: String,
}

/// The runs of a project.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Runs {
    /// Those that can be read, the one changed last first.
    pub known: Vec<Arc<RunInfo>>,
    /// The others, by name.
    pub unusable: Vec<UnusableRun>,
}

/// State of the files of a run by which a change is noticed.
#[derive(Debug, PartialEq)]
struct Print {
    /// Time of the last change and size of each file.
    files: [Option<(SystemTime, u64)>; 3],
    is_busy: bool,
}

impl Print {
    fn of(folder: &Path) -> Self {
        let file = |path: PathBuf| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        let files = [folder.join(FILE), Gate::path(folder), folder.join(STATE)];
        Self {
            files: files.map(file),
            is_busy: is_busy(folder),
        }
    }
}

/// Runs that were read before. A run is read again when it has changed.
#[derive(Debug, Default)]
pub struct RunCache(BTreeMap<PathBuf, (Print, Arc<RunInfo>)>);

impl RunCache {
    /// Lists the runs of the project in `project`. One that is still being prepared is left out.
    pub fn runs(&mut self, project: &Path) -> Runs {
        let mut before = std::mem::take(&mut self.0);
        let mut runs = Runs::default();
        for folder in known_runs(project) {
            let print = Print::of(&folder);
            let read = match before.remove(&folder) {
                Some((known, run)) if known == print => Ok(run),
                _ if folder.join(FILE).is_file() => {
                    let read = RunInfo::read(&folder).map(Arc::new);
                    read.map_err(|error| error.to_string())
                }
                _ => Err(format!("its preparation was cut short: it has no {FILE}")),
            };
            match read {
                Ok(run) => {
                    runs.known.push(Arc::clone(&run));
                    self.0.insert(folder, (print, run));
                }
                Err(_) if print.is_busy => {}
                Err(reason) => runs.unusable.push(UnusableRun {
                    name: name_of(&folder),
                    folder,
                    reason,
                }),
            }
        }
        runs.known
            .sort_by(|a, b| b.changed.cmp(&a.changed).then(b.name.cmp(&a.name)));
        runs
    }
}

/// Lists the runs of the project in `project`. One that is still being prepared is left out.
pub fn runs(project: &Path) -> Runs {
    RunCache::default().runs(project)
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
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
    Err(no_run(project, name))
}

/// Returns the error about a name that no run has.
pub(super) fn no_run(project: &Path, name: &str) -> Error {
    let known = known_runs(project);
    let names: Vec<String> = known.iter().map(|path| name_of(path)).collect();
    let reason = match &names[..] {
        [] => format!("no run is called {name}: nothing has been trained yet"),
        names => format!("no run is called {name}; there are {}", names.join(", ")),
    };
    Error::data(project, reason)
}

/// Returns the folders of all runs, by name.
pub(super) fn known_runs(project: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.join(RUNS)) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    // Those being removed begin with a dot.
    let is_run = |path: &PathBuf| path.is_dir() && !name_of(path).starts_with('.');
    let mut runs: Vec<PathBuf> = paths.filter(is_run).collect();
    runs.sort();
    runs
}

/// Returns the folder of the newest run that has begun and is not measured.
///
/// # Errors
/// When there is none.
pub fn unfinished_run(project: &Path) -> Result<PathBuf> {
    let known = runs(project).known;
    let newest = known.iter().find(|run| run.is_unfinished());
    newest
        .map(|run| run.folder.clone())
        .ok_or_else(|| Error::data(project, "there is no unfinished run to resume"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "version = 1\nmodel = \"sfm\"\npart = \"head\"\neffort = \"quick\"\n\
                       replay = 0.3\ndata = \"one\"\nholdout = \"2\"\n[sets]\n";

    /// Fails when a run that has not changed is read again, or one that has changed is not.
    #[test]
    fn a_run_is_read_again_when_it_has_changed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(RUNS).join("1");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(FILE);
        fs::write(&file, RUN).unwrap();
        let then = fs::metadata(&file).unwrap().modified().unwrap();
        let mut cache = RunCache::default();
        let mut data = || {
            let runs = cache.runs(root.path());
            assert_eq!(runs.unusable, []);
            runs.known[0].file.data.clone()
        };
        assert_eq!(data(), "one");
        // A change that cannot be noticed without reading.
        fs::write(&file, RUN.replace("one", "two")).unwrap();
        let opened = fs::File::options().write(true).open(&file).unwrap();
        opened.set_modified(then).unwrap();
        assert_eq!(data(), "one");
        opened.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(data(), "two");
        fs::remove_dir_all(&folder).unwrap();
        assert!(cache.runs(root.path()).known.is_empty());
    }
}

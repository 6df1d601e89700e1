//! Removes runs from a project. The versions that were made of them have their own weights and stay.

use std::fs;
use std::path::{Path, PathBuf};

use super::gate::Gate;
use super::lock::{in_use, is_busy};
use super::run::{REMOVED, RUNS, sweep};
use super::runs::{known_runs, no_run};
use crate::error::{Error, Result};
use crate::train::InitialWeights;
use crate::train::checkpoint::STATE;
use crate::train::runs::RunEntry;

/// Removes the run in `folder` if its training has saved nothing yet: it can be neither used nor
/// resumed. For a run that could not be started.
pub fn discard_unbegun(folder: &Path) {
    if folder.join(STATE).exists() {
        return;
    }
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!("{} stays: {error}", folder.display());
    }
}

/// Removes a run of the project in `project` for good: its images, weights and measurement. Returns
/// its size in bytes.
///
/// # Errors
/// When there is no such run, it is in use, a run that is not measured yet begins with its weights,
/// or a file cannot be removed.
pub fn remove_run(project: &Path, name: &str) -> Result<u64> {
    let runs = project.join(RUNS);
    let mut known = known_runs(project).into_iter();
    let is_it = |folder: &PathBuf| folder.file_name().is_some_and(|other| other == name);
    let folder = known.find(is_it).ok_or_else(|| no_run(project, name))?;
    if is_busy(&folder) {
        return Err(in_use(&folder));
    }
    if let Some(other) = user_of(project, &folder) {
        let reason = format!(
            "run {other} begins with its weights and is not measured yet; finish or remove that one \
             first"
        );
        return Err(Error::data(&folder, reason));
    }
    sweep(project);
    let n_bytes = bytes_in(&folder);
    // From here on it is no run any more, also if the program is killed.
    let away = runs.join(format!(".{name}{REMOVED}"));
    fs::rename(&folder, &away).map_err(Error::io("remove", &folder))?;
    fs::remove_dir_all(&away).map_err(Error::io("remove", &away))?;
    Ok(n_bytes)
}

/// Returns the name of a run that is not measured yet and begins with weights in `folder`.
fn user_of(project: &Path, folder: &Path) -> Option<String> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = real(folder);
    let begins_with = |run: &PathBuf| {
        let config = RunEntry::read(run).ok().map(|entry| entry.config);
        match config.map(|config| config.init) {
            Some(InitialWeights::File(weights)) => real(&weights).starts_with(&folder),
            _ => false,
        }
    };
    let mut others = known_runs(project).into_iter();
    let user = others.find(|run| {
        let is_other = real(run) != folder;
        is_other && !Gate::path(run).exists() && begins_with(run)
    })?;
    Some(user.file_name()?.to_string_lossy().into_owned())
}

/// Returns the size of the files in a folder and the folders in it.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_in(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.filter_map(std::result::Result::ok).map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finetune::lock::RunLock;
    use crate::finetune::run::FILE;
    use crate::finetune::runs::runs;
    use crate::train::recipe::recipe;

    /// Creates a run of 1000 bytes.
    fn run(project: &Path, name: &str) -> PathBuf {
        let folder = project.join(RUNS).join(name);
        fs::create_dir_all(folder.join("data/images")).unwrap();
        fs::write(folder.join("data/images/0.png"), [0; 996]).unwrap();
        fs::write(folder.join(FILE), "a=1\n").unwrap();
        folder
    }

    /// Fails when a run that could not be started stays behind, or one that can be resumed is
    /// removed.
    #[test]
    fn only_runs_without_a_state_are_discarded() {
        let root = tempfile::tempdir().unwrap();
        for (name, stays) in [("begun", true), ("not-begun", false)] {
            let folder = run(root.path(), name);
            if stays {
                fs::write(folder.join(STATE), "").unwrap();
            }
            discard_unbegun(&folder);
            assert_eq!(folder.exists(), stays, "{name}");
        }
    }

    /// Fails when a run stays, another folder is removed, or a run in use is.
    #[test]
    fn a_run_is_removed_unless_it_is_in_use() {
        let root = tempfile::tempdir().unwrap();
        let project = root.path();
        let (one, two) = (run(project, "1"), run(project, "2"));
        // Its preparation was killed.
        fs::remove_file(two.join(FILE)).unwrap();
        let left = project.join(RUNS).join(format!(".0{REMOVED}"));
        fs::create_dir(&left).unwrap();
        fs::create_dir(project.join("clips")).unwrap();
        for name in ["3", "../clips", "", ".", "..", "1/data"] {
            let line = remove_run(project, name).unwrap_err().to_string();
            assert!(line.contains("there are 1, 2"), "{name}: {line}");
        }
        let lock = RunLock::take(&one).unwrap();
        for refused in [
            remove_run(project, "1").map(|_| ()),
            RunLock::take(&one).map(|_| ()),
        ] {
            let line = refused.unwrap_err().to_string();
            assert!(line.contains("prepared, trained or measured"), "{line}");
        }
        drop(lock);
        assert_eq!(remove_run(project, "1").unwrap(), 1000);
        assert!(!one.exists() && !left.exists());
        assert_eq!(remove_run(project, "2").unwrap(), 996);
        assert!(!two.exists() && project.join("clips").exists());
        assert_eq!(fs::read_dir(project.join(RUNS)).unwrap().count(), 0);
    }

    /// Fails when a run that was killed while it was prepared is not listed, so that it can never be
    /// removed, or one that is being prepared is listed as unusable.
    #[test]
    fn half_prepared_runs_are_listed() {
        let root = tempfile::tempdir().unwrap();
        let folder = run(root.path(), "1");
        fs::remove_file(folder.join(FILE)).unwrap();
        let lock = RunLock::take(&folder).unwrap();
        assert!(runs(root.path()).unusable.is_empty());
        drop(lock);
        let listed = runs(root.path());
        assert!(listed.known.is_empty());
        let [unusable] = &listed.unusable[..] else {
            panic!("{listed:?}");
        };
        assert_eq!((unusable.name.as_str(), &unusable.folder), ("1", &folder));
        assert!(unusable.reason.contains("cut short"), "{}", unusable.reason);
    }

    /// Fails when weights are removed that a run which is not measured yet is compared with.
    #[test]
    fn weights_that_another_run_needs_stay() {
        let root = tempfile::tempdir().unwrap();
        let project = root.path();
        let (one, two) = (run(project, "1"), run(project, "2"));
        fs::write(one.join("last.safetensors"), "").unwrap();
        let mut config = recipe("sfm", "fine-tune").unwrap();
        config.init = InitialWeights::File(one.join("last.safetensors"));
        let text = toml::to_string(&config).unwrap();
        fs::write(two.join("config.toml"), text).unwrap();
        let log = "epoch,step,lr,loss,pck,oks_ap,secs,images_per_sec\n";
        fs::write(two.join("log.csv"), log).unwrap();
        let line = remove_run(project, "1").unwrap_err().to_string();
        assert!(line.contains("run 2 begins with its weights"), "{line}");
        assert!(one.exists());
        remove_run(project, "2").unwrap();
        remove_run(project, "1").unwrap();
    }
}

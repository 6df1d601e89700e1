//! Check of a folder chosen for recordings.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Returns the folder's absolute path if files can be created in it, else one line for the user.
/// Creates and removes an empty file.
pub(super) fn writable(folder: &Path) -> Result<PathBuf, String> {
    let shown = folder.display();
    let refused =
        |why: &str| format!("{shown} is not used for recordings: {why}; choose another folder");
    let folder = std::path::absolute(folder).map_err(|error| refused(&error.to_string()))?;
    if !folder.exists() {
        return Err(refused("there is no such folder"));
    }
    if !folder.is_dir() {
        return Err(refused("it is not a folder"));
    }
    let probe = folder.join(format!(".poselens-{}.part", std::process::id()));
    File::create_new(&probe)
        .map_err(|error| refused(&format!("it cannot be written to ({error})")))?;
    if let Err(error) = fs::remove_file(&probe) {
        tracing::warn!(%error, file = %probe.display(), "a temporary file remains");
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a folder that cannot be written to is accepted, the refusal does not name it or
    /// takes several lines, or a file remains in one that can be used.
    #[test]
    fn only_folders_that_can_be_written_to_are_used() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(writable(folder.path()), Ok(folder.path().to_owned()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        // No user can create files in the last one.
        let mut refused = vec![folder.path().join("missing"), file];
        refused.extend(cfg!(target_os = "linux").then(|| PathBuf::from("/proc")));
        for path in refused {
            let text = writable(&path).unwrap_err();
            let name = path.display().to_string();
            assert!(text.starts_with(&name) && !text.contains('\n'), "{text}");
        }
    }
}

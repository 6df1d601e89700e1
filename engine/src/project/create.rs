//! Creation of a project's folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::copying::CLIPS;
use super::file::{NewProject, PROJECT, ProjectFile, VERSION};
use super::journal::{JOURNAL, Journal};
use super::open::{Project, add_clip};
use crate::error::{Error, Result};
use crate::model::model;

impl Project {
    /// Creates a project in a new or empty folder.
    ///
    /// # Errors
    /// When there is a project already or the folder has files, the model is unknown, a clip cannot
    /// be read, or the disk is full or not writable; nothing of the project is left then.
    pub fn create(folder: &Path, new: &NewProject) -> Result<Self> {
        let card = model(&new.model)?.card()?;
        let skeleton = card.skeleton()?;
        if folder.join(PROJECT).exists() {
            let reason = "is a label project already; `poselens project add` adds clips to it";
            return Err(Error::data(folder, reason));
        }
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            let reason = "is not empty; give a new folder for the project";
            return Err(Error::data(folder, reason));
        }
        let made = missing(folder);
        let filled = fs::create_dir_all(folder)
            .map_err(Error::io("create", folder))
            .and_then(|()| fill(folder, new, &skeleton.name));
        if let Err(error) = filled {
            // Only folders that are empty are removed.
            for folder in made {
                fs::remove_dir(folder).ok();
            }
            return Err(error);
        }
        Self::open(folder)
    }
}

/// Returns the folder and those around it that do not exist, the innermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing = folder.ancestors().take_while(is_missing);
    missing.map(Path::to_owned).collect()
}

/// Writes the first files of a project into its empty folder, or none.
fn fill(folder: &Path, new: &NewProject, skeleton: &str) -> Result<()> {
    let journal = folder.join(JOURNAL);
    // Held until the description exists, so that no other program opens half a project.
    let _lock = Journal::lock(&journal)?;
    let described = describe(folder, new, skeleton);
    if described.is_err() {
        fs::remove_dir_all(folder.join(CLIPS)).ok();
        fs::remove_file(journal).ok();
    }
    described
}

/// Examines the clips, copies them if requested, and writes the description.
fn describe(folder: &Path, new: &NewProject, skeleton: &str) -> Result<()> {
    let mut file = ProjectFile {
        version: VERSION,
        name: None,
        skeleton: skeleton.to_owned(),
        model: new.model.clone(),
        clips: Vec::new(),
    };
    for path in &new.clips {
        add_clip(&mut file, folder, path, new.is_copied)?;
    }
    file.write(folder)
}

//! Platform-specific folders of settings and recordings.

use std::path::PathBuf;

use directories::{ProjectDirs, UserDirs};

/// Returns the config, data, cache and state folders; `None` if there is no home folder.
pub fn project() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "poselens")
}

/// Returns the parent folder of trainings; each has a folder of its own.
pub fn trainings() -> Option<PathBuf> {
    project().map(|p| p.data_dir().join("trainings"))
}

/// Returns the parent folder of label projects that the window creates.
pub fn label_projects() -> Option<PathBuf> {
    project().map(|p| p.data_dir().join("labels"))
}

/// Returns the folder of recordings: `PoseLens` in the user's videos folder, else in the home
/// folder.
pub fn recordings() -> Option<PathBuf> {
    let user = UserDirs::new()?;
    let parent = user.video_dir().unwrap_or_else(|| user.home_dir());
    Some(parent.join("PoseLens"))
}

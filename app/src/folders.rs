//! Where settings and recordings live: the platform's own places.

use std::path::PathBuf;

use directories::{ProjectDirs, UserDirs};

/// Config, data, cache and state folders; `None` when the system names no home.
pub fn project() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "poselens")
}

/// Where trainings go, each into a folder of its own.
pub fn trainings() -> Option<PathBuf> {
    project().map(|p| p.data_dir().join("trainings"))
}

/// Where recordings go: `PoseLens` in the user's videos folder, else in their home.
pub fn recordings() -> Option<PathBuf> {
    let user = UserDirs::new()?;
    let parent = user.video_dir().unwrap_or_else(|| user.home_dir());
    Some(parent.join("PoseLens"))
}

//! Platform-specific folders of settings and recordings.

use std::path::{Path, PathBuf, is_separator};

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

/// Returns a typed path without spaces around it and with the home folder for `~` at its start, as in a
/// shell.
pub fn typed_path(text: &str) -> String {
    with_home(text, UserDirs::new().as_ref().map(UserDirs::home_dir))
}

fn with_home(text: &str, home: Option<&Path>) -> String {
    let text = text.trim();
    let below = text.strip_prefix('~').zip(home);
    match below {
        Some(("", home)) => home.display().to_string(),
        // `~name` is a file in the current folder.
        Some((below, home)) if below.starts_with(is_separator) => {
            let below = below.trim_start_matches(is_separator);
            home.join(below).display().to_string()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when `~` is not the home folder, or a file whose name begins with it is not found.
    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = Path::new("/home/anna");
        let with = |text| with_home(text, Some(home));
        assert_eq!(with("~"), "/home/anna");
        let file = home.join("v/x.mp4").display().to_string();
        assert_eq!(with(" ~/v/x.mp4 "), file);
        assert_eq!(with("~//v/x.mp4"), file);
        for same in ["~x.mp4", "a/~/b", "/a b/~", "camera:0", ""] {
            assert_eq!(with(same), same);
        }
        assert_eq!(with_home("~/x", None), "~/x");
    }
}

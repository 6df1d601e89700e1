//! Names of networks with weights of their own: `sfm@/folder/best.safetensors`. Rows of `MODELS`
//! have no `@`, so a plain name stands for the weights of the program.

use std::path::{Path, PathBuf};

use crate::gui::titles::moment;

/// The name that [`split`] takes apart again.
pub fn join(model: &str, weights: &Path) -> String {
    format!("{model}@{}", weights.display())
}

/// The row of `MODELS`, and the weights where they are not the program's.
pub fn split(name: &str) -> (&str, Option<PathBuf>) {
    match name.split_once('@') {
        Some((model, weights)) => (model, Some(weights.into())),
        None => (name, None),
    }
}

/// What people read: `sfm · dance` for weights in the folder `dance` or `sfm_dance`.
pub fn title(name: &str) -> String {
    let (model, weights) = split(name);
    let folder = weights.as_deref().and_then(Path::parent);
    match folder.and_then(Path::file_name) {
        Some(folder) => folder_title(model, &folder.to_string_lossy()),
        None => name.to_owned(),
    }
}

/// [`title`] of whatever was trained in the folder called `folder`; times are told shortly.
pub fn folder_title(model: &str, folder: &str) -> String {
    let rest = folder.strip_prefix(model).unwrap_or(folder);
    let rest = rest.trim_start_matches(['_', '-']);
    format!(
        "{model} · {}",
        moment(if rest.is_empty() { folder } else { rest })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when trained weights are loaded from elsewhere, or a list shows a whole path.
    #[test]
    fn names_come_apart_as_they_were_joined() {
        let path = Path::new("/home/a@b/runs/dance/best.safetensors");
        let name = join("sfm", path);
        assert_eq!(split(&name), ("sfm", Some(path.to_owned())));
        assert_eq!(title(&name), "sfm · dance");
        let name = "sfm@/runs/sfm_2026-11-21_04-12-59.250/best.safetensors";
        assert_eq!(title(name), "sfm · 11-21 04:12");
        assert_eq!(title("sfm@/runs/sfm/best.safetensors"), "sfm · sfm");
        assert_eq!((split("sfm"), title("sfm")), (("sfm", None), "sfm".into()));
    }
}

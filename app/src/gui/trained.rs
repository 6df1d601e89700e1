//! Names of networks with custom weights: `sfm@/folder/best.safetensors`. Rows of `MODELS` contain
//! no `@`, so a plain name means the bundled weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Mutex, MutexGuard, PoisonError};

use poselens_engine::project::ProjectFile;

use crate::gui::titles::moment;

/// What label projects are called, by their folders. Each is read once; [`call_project`] keeps it up
/// to date.
static PROJECTS: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

fn projects() -> MutexGuard<'static, BTreeMap<PathBuf, String>> {
    PROJECTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls the networks of the label project in `folder` by this name of the project from now on.
pub fn call_project(folder: &Path, name: String) {
    projects().insert(folder.to_owned(), name);
}

/// Returns what the label project in `folder` is called; without its description, the name of the
/// folder.
fn project_name(folder: &Path) -> Option<String> {
    let folder = absolute(folder).ok()?;
    if let Some(name) = projects().get(&folder) {
        return Some(name.clone());
    }
    let own = folder.file_name()?.to_string_lossy().into_owned();
    let file = ProjectFile::read(&folder);
    let name = file.map_or(own, |file| file.title(&folder));
    call_project(&folder, name.clone());
    Some(name)
}

/// Joins a model name and a weights path; the inverse of [`split`].
pub fn join(model: &str, weights: &Path) -> String {
    format!("{model}@{}", weights.display())
}

/// Splits a name into the row of `MODELS` and the path of its weights, `None` if bundled.
pub fn split(name: &str) -> (&str, Option<PathBuf>) {
    match name.split_once('@') {
        Some((model, weights)) => (model, Some(weights.into())),
        None => (name, None),
    }
}

/// Returns the display name: `sfm · dance` for weights in the folder `dance` or `sfm_dance`.
pub fn title(name: &str) -> String {
    let (model, weights) = split(name);
    let folder = weights.as_deref().and_then(Path::parent);
    if let Some(version) = folder.and_then(version_title) {
        return format!("{model} · {version}");
    }
    match folder.and_then(Path::file_name) {
        Some(folder) => folder_title(model, &folder.to_string_lossy()),
        None => name.to_owned(),
    }
}

/// Returns `dance 2` for `dance/versions/2`, the second version of the label project `dance`.
fn version_title(folder: &Path) -> Option<String> {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    let versions = folder.parent()?;
    (name(versions)? == "versions").then_some(())?;
    Some(format!(
        "{} {}",
        project_name(versions.parent()?)?,
        name(folder)?
    ))
}

/// Returns the [`title`] of a network trained in the folder called `folder`; times are shortened.
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

    /// Fails when trained weights would be loaded from another path, or a list shows a whole path.
    #[test]
    fn split_is_the_inverse_of_join() {
        let path = Path::new("/home/a@b/runs/dance/best.safetensors");
        let name = join("sfm", path);
        assert_eq!(split(&name), ("sfm", Some(path.to_owned())));
        assert_eq!(title(&name), "sfm · dance");
        let name = "sfm@/runs/sfm_2026-11-21_04-12-59.250/best.safetensors";
        assert_eq!(title(name), "sfm · 11-21 04:12");
        assert_eq!(title("sfm@/runs/sfm/best.safetensors"), "sfm · sfm");
        let name = "sfm@/labels/dance/versions/2/weights.safetensors";
        assert_eq!(title(name), "sfm · dance 2");
        assert_eq!((split("sfm"), title("sfm")), (("sfm", None), "sfm".into()));
    }

    /// Fails when a network of a renamed label project is listed by the name of its folder, or by the
    /// name that the project had before.
    #[test]
    fn networks_are_called_like_their_project() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("again");
        std::fs::create_dir(&place).unwrap();
        let file = "version = 1\nname = \"Misfits\"\nskeleton = \"coco17\"\nmodel = \"sfm\"\n";
        std::fs::write(place.join("project.toml"), file).unwrap();
        let name = join("sfm", &place.join("versions/1/weights.safetensors"));
        assert_eq!(title(&name), "sfm · Misfits 1");
        call_project(&place, "Dancers".to_owned());
        assert_eq!(title(&name), "sfm · Dancers 1");
    }
}

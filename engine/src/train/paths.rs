//! Paths in a checkpoint folder. They are written relative to it, so that it can be moved together
//! with the data next to it, and are made absolute when read.

use std::path::{Path, PathBuf};

/// Returns `path` with its folder canonicalised. A path that does not exist is unchanged.
fn clean(path: &Path) -> PathBuf {
    let parts = path.parent().zip(path.file_name());
    let folder = parts.and_then(|(parent, name)| Some((parent.canonicalize().ok()?, name)));
    match folder {
        // A symbolic link as the last component is kept: it may be moved with its folder.
        Some((parent, name)) => parent.join(name),
        None => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
    }
}

/// Returns `path` relative to `folder`, which exists. Paths with no more than the root in common,
/// or on different drives, would not be moved together and stay absolute.
pub(super) fn seen_from(folder: &Path, path: &Path) -> PathBuf {
    let Ok(folder) = folder.canonicalize() else {
        return path.to_owned();
    };
    let path = clean(path);
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), path.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let names = |c: &std::path::Component<'_>| matches!(c, std::path::Component::Normal(_));
    if !from.iter().take(common).any(names) {
        return path;
    }
    let up = from.iter().skip(common).map(|_| Path::new(".."));
    let down = to.iter().skip(common).map(|c| Path::new(c.as_os_str()));
    let seen: PathBuf = up.chain(down).collect();
    if seen.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    seen
}

/// Returns the absolute path of `path`, which is relative to `folder`.
pub(super) fn found_from(folder: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() || folder.as_os_str().is_empty() {
        return path.to_owned();
    }
    clean(&folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a path is read back as another one, still points to the old place after both were
    /// moved, or needlessly goes through the root.
    #[test]
    fn paths_survive_a_move() {
        let desk = tempfile::tempdir().unwrap();
        let root = desk.path().canonicalize().unwrap();
        for folder in ["a/runs/one", "a/data/images"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("a/data/people.json"), "{}").unwrap();
        let run = root.join("a/runs/one");
        for (path, wanted) in [
            ("a/data/people.json", "../../data/people.json"),
            ("a/runs/../data/images", "../../data/images"),
            ("a/runs/one", "."),
            ("a/runs/one/labels.json", "labels.json"),
            ("a/gone/labels.json", "../../gone/labels.json"),
        ] {
            let seen = seen_from(&run, &root.join(path));
            assert_eq!(seen, Path::new(wanted), "{path}");
            let found = found_from(&run, &seen);
            assert_eq!(
                found.canonicalize().ok(),
                root.join(path).canonicalize().ok()
            );
        }
        let elsewhere = Path::new(if cfg!(windows) { "Q:\\x" } else { "/nowhere/x" });
        assert_eq!(seen_from(&run, elsewhere), elsewhere);
        assert_eq!(found_from(&run, elsewhere), elsewhere);

        std::fs::rename(root.join("a"), root.join("b")).unwrap();
        let found = found_from(
            &root.join("b/runs/one"),
            Path::new("../../data/people.json"),
        );
        assert_eq!(found, root.join("b/data/people.json"));
    }
}

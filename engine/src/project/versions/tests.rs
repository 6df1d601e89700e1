//! Tests of versions.

use super::super::test_project::{message, project};
use super::*;
use crate::model::{MODELS, Weights, write_tensors};

/// Returns what becomes a version, with random weights.
fn new_version(folder: &Path, seed: u64, parent: u32) -> NewVersion {
    let spec = &MODELS[0];
    let card = spec.card().unwrap();
    let shapes = spec.shapes(&card.build_options().unwrap()).unwrap();
    let weights = folder.join(format!("{seed}.safetensors"));
    write_tensors(&weights, Weights::random(&shapes, seed).unwrap().tensors()).unwrap();
    NewVersion {
        run: format!("run{seed}"),
        weights,
        card,
        parent: Some(parent),
        data: "16 people".to_owned(),
        holdout: "4 people".to_owned(),
        verdict: "better".to_owned(),
        figures: toml::Table::from_iter([("error".to_owned(), 0.125.into())]),
    }
}

fn current(folder: &Path) -> u32 {
    Version::current(folder)
        .unwrap()
        .map_or(0, |version| version.file.number)
}

/// Fails when a version that was rolled back cannot be used again, or one that does not exist can.
#[test]
fn any_version_can_be_used_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("p");
    std::fs::create_dir(&folder).unwrap();
    let mut project = project(&folder, 2, 30);
    for (seed, parent) in [(1, 0), (2, 1)] {
        project
            .accept(&new_version(root.path(), seed, parent))
            .unwrap();
    }
    project.rollback().unwrap();
    project.use_version(2).unwrap();
    assert_eq!(current(&folder), 2);
    assert!(project.use_version(3).is_err());
    assert_eq!(current(&folder), 2);
    project.use_version(0).unwrap();
    assert_eq!(current(&folder), 0);
    let (versions, faults) = Version::all(&folder).unwrap();
    let numbers: Vec<u32> = versions.iter().map(|version| version.file.number).collect();
    assert_eq!((numbers, faults.len()), (vec![2, 1], 0));
}

/// Fails when an accepted version is not in use, differs from the weights of its run, has no card,
/// replaces an earlier one, or a rollback does not lead back step by step.
#[test]
fn versions_go_forward_and_back() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("p");
    std::fs::create_dir(&folder).unwrap();
    let mut project = project(&folder, 2, 30);
    assert_eq!(Version::current(&folder).unwrap(), None);
    let refused = message(project.rollback());
    assert!(refused.contains("nothing to roll back"), "{refused}");

    let first = new_version(root.path(), 1, 0);
    let version = project.accept(&first).unwrap();
    assert_eq!(
        (
            version.file.number,
            version.file.parent,
            version.file.previous
        ),
        (1, Some(0), 0)
    );
    assert_eq!(current(&folder), 1);
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(read(&version.weights), read(&first.weights));
    let card = MODELS[0].card_for(Some(&version.weights)).unwrap();
    assert_eq!(card.figures, first.figures);
    assert_eq!(card.sha256, Some(version.file.weights_sha256.clone()));

    project.accept(&new_version(root.path(), 2, 1)).unwrap();
    assert_eq!(project.rollback().unwrap(), 1);
    assert_eq!(current(&folder), 1);
    // The number of a version is never used again.
    let third = project.accept(&new_version(root.path(), 3, 1)).unwrap();
    assert_eq!((third.file.number, third.file.previous), (3, 1));
    assert_eq!(project.rollback().unwrap(), 1);
    assert_eq!(project.rollback().unwrap(), 0);
    assert_eq!(current(&folder), 0);
    assert_eq!(Version::read(&folder, 2).unwrap().file.run, "run2");
}

/// Fails when a killed or failed acceptance changes the version in use or stays in the way, or a
/// version of a newer program, or without its weights, is used.
#[test]
fn damaged_versions_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("p");
    std::fs::create_dir(&folder).unwrap();
    let mut project = project(&folder, 2, 30);
    let versions = folder.join(VERSIONS);
    let left_behind = versions.join("1.part");
    std::fs::create_dir_all(&left_behind).unwrap();
    std::fs::write(left_behind.join(WEIGHTS), "half").unwrap();
    let mut missing = new_version(root.path(), 1, 0);
    missing.weights = root.path().join("none.safetensors");
    assert!(project.accept(&missing).is_err());
    assert_eq!(current(&folder), 0);
    project.accept(&new_version(root.path(), 1, 0)).unwrap();
    assert_eq!(current(&folder), 1);
    assert!(!left_behind.exists());

    let description = versions.join("1").join(DESCRIPTION);
    let text = std::fs::read_to_string(&description).unwrap();
    std::fs::write(&description, text.replace("version = 1", "version = 2")).unwrap();
    let refused = message(Version::current(&folder));
    assert!(refused.contains("newer version"), "{refused}");
    std::fs::write(&description, text).unwrap();
    std::fs::remove_file(versions.join("1").join(WEIGHTS)).unwrap();
    let refused = message(Version::current(&folder));
    assert!(refused.contains("gone"), "{refused}");
    std::fs::write(versions.join(CURRENT), "version = 2\ncurrent = 1\n").unwrap();
    let refused = message(Version::current(&folder));
    assert!(refused.contains("newer version"), "{refused}");
}

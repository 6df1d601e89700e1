//! Tests of what may happen to the files of a project.

use std::fs;
use std::path::Path;

use super::edit::{Edit, FrameProposal};
use super::file::PROJECT;
use super::holdout::HOLDOUT;
use super::journal::JOURNAL;
use super::open::{Contents, Project};
use super::person::{FrameKey, JointState};
use super::snapshot::{HISTORY, N_KEPT, SNAPSHOT};
use super::test_project::{FRAME, add, joints, message, move_to, project};
use crate::geometry::Point;

fn all_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = [PROJECT, JOURNAL, SNAPSHOT, HOLDOUT];
    let read = |name: &str| Some((name.to_owned(), fs::read(folder.join(name)).ok()?));
    names.into_iter().filter_map(read).collect()
}

/// Fails when a kill in the middle of a line loses another edit, prevents the project from being
/// opened, or damages what is written next.
#[test]
fn a_torn_line_costs_that_edit_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(JOURNAL);
    let mut project = project(folder.path(), 1, 10);
    let mut states = vec![project.labels().clone()];
    add(&mut project, 5.0);
    states.push(project.labels().clone());
    for i in 0..3 {
        move_to(&mut project, f64::from(i));
        states.push(project.labels().clone());
    }
    project.undo().unwrap();
    states.push(project.labels().clone());
    drop(project);
    let whole = fs::read(&path).unwrap();
    let mut cuts: Vec<usize> = (0..whole.len()).step_by(41).collect();
    cuts.extend([whole.len() - 1, whole.len()]);
    for cut in cuts {
        fs::write(&path, &whole[..cut]).unwrap();
        let n_whole = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
        let is_torn = whole[..cut].last().is_some_and(|byte| *byte != b'\n');
        let mut project = Project::open(folder.path()).unwrap();
        assert_eq!(*project.labels(), states[n_whole], "cut at {cut}");
        let remarks = project.contents().remarks();
        assert_eq!(remarks.len(), usize::from(is_torn), "{remarks:?}");
        add(&mut project, 9.0);
        let after = project.labels().clone();
        drop(project);
        let again = Contents::read(folder.path()).unwrap();
        assert_eq!(
            (again.labels(), again.remarks()),
            (&after, &[] as &[String])
        );
    }
    // A lost block of the last write may also be filled with zeros, up to the end of the line.
    let mut zeroed = whole.clone();
    let n = zeroed.len();
    zeroed[n - 20..n - 1].fill(0);
    fs::write(&path, &zeroed).unwrap();
    assert_eq!(*Project::open(folder.path()).unwrap().labels(), states[4]);
}

/// Fails when a damaged journal is read as if nothing were wrong, overwritten, or costs labels that
/// the snapshot has.
#[test]
fn damage_is_named_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(JOURNAL);
    let mut project = project(folder.path(), 1, 10);
    add(&mut project, 5.0);
    move_to(&mut project, 6.0);
    move_to(&mut project, 7.0);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let with = |second: &str| format!("{}\n{second}\n{}\n", lines[0], lines[2]);
    let before = project.labels().clone();
    drop(project);
    let damages = [
        with("{\"seq\":2,\"secs\":0,\"hologram\":1}"),
        with("not JSON"),
        with(&lines[1].replace("6.0", "600.0").replace("4,", "40,")),
        with(lines[2]),
        format!("{}\n{}\n", lines[0], lines[2]),
        format!("{}\n", lines[1]),
    ];
    for damage in &damages {
        fs::write(&path, damage).unwrap();
        let files = all_files(folder.path());
        let line = message(Project::open(folder.path()));
        assert!(
            line.contains(JOURNAL) && line.contains("is damaged"),
            "{line}"
        );
        assert_eq!(all_files(folder.path()), files);
    }
    fs::write(&path, &whole).unwrap();
    Project::open(folder.path()).unwrap().save().unwrap();
    for (i, damage) in damages.iter().enumerate() {
        fs::write(&path, damage).unwrap();
        let mut project = Project::open(folder.path()).unwrap();
        assert_eq!(*project.labels(), before, "{damage}");
        // Values inside lines that the snapshot contains are not read.
        let n = usize::from(i != 2);
        assert_eq!(project.contents().remarks().len(), n, "{damage}");
        // What is undone after that is what was done after it.
        move_to(&mut project, 8.0);
        let after = project.labels().clone();
        drop(project);
        let mut project = Project::open(folder.path()).unwrap();
        assert_eq!(*project.labels(), after, "{damage}");
        assert_eq!(project.contents().remarks(), &[] as &[String], "{damage}");
        project.undo().unwrap();
        assert_eq!(*project.labels(), before, "{damage}");
    }
}

/// Fails when a lost file costs more than what only that file had.
#[test]
fn each_file_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 10);
    add(&mut project, 5.0);
    move_to(&mut project, 6.0);
    project.save().unwrap();
    let before = project.labels().clone();
    drop(project);
    let snapshot = folder.path().join(SNAPSHOT);
    let kept = fs::read(&snapshot).unwrap();
    fs::remove_file(&snapshot).unwrap();
    let project = Project::open(folder.path()).unwrap();
    assert_eq!((project.labels(), project.depth()), (&before, (2, 0)));
    drop(project);
    // A snapshot of another program is not used, and kept when ours is written.
    fs::write(&snapshot, r#"{"images": [], "annotations": []}"#).unwrap();
    let mut project = Project::open(folder.path()).unwrap();
    assert_eq!(*project.labels(), before);
    assert!(project.contents().remarks()[0].contains("another program"));
    project.save().unwrap();
    assert_eq!(
        fs::read_dir(folder.path().join(HISTORY)).unwrap().count(),
        1
    );
    drop(project);
    fs::write(&snapshot, &kept[..kept.len() / 2]).unwrap();
    let line = message(Project::open(folder.path()));
    assert!(
        line.contains(SNAPSHOT) && line.contains("damaged"),
        "{line}"
    );
    fs::write(&snapshot, &kept).unwrap();
    fs::remove_file(folder.path().join(JOURNAL)).unwrap();
    let mut project = Project::open(folder.path()).unwrap();
    assert_eq!((project.labels(), project.depth()), (&before, (0, 0)));
    add(&mut project, 7.0);
    let before = project.labels().clone();
    drop(project);
    assert_eq!(*Project::open(folder.path()).unwrap().labels(), before);
    fs::remove_file(folder.path().join(PROJECT)).unwrap();
    let line = message(Project::open(folder.path()));
    assert!(line.contains("not a label project"), "{line}");
}

/// Fails when a file of a newer version is overwritten, or its version is not named.
#[test]
fn a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 200);
    add(&mut project, 5.0);
    project.save().unwrap();
    drop(project);
    for name in [PROJECT, SNAPSHOT, HOLDOUT] {
        let path = folder.path().join(name);
        let old = fs::read_to_string(&path).unwrap_or_else(|_| "version = 1\n".to_owned());
        let newer = old.replacen("version = 1", "version = 7\nhologram = true", 1);
        let newer = newer.replacen("\"version\":1", "\"hologram\":true,\"version\":7", 1);
        assert_ne!(old, newer);
        fs::write(&path, &newer).unwrap();
        let files = all_files(folder.path());
        for line in [
            message(Project::open(folder.path())),
            message(Contents::read(folder.path())),
        ] {
            assert!(line.contains(name) && line.contains("format 7"), "{line}");
        }
        assert_eq!(all_files(folder.path()), files);
        fs::write(&path, &old).unwrap();
    }
}

/// Fails when two programs write one project, or a reader is locked out.
#[test]
fn a_project_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = project(folder.path(), 1, 10);
    add(&mut first, 5.0);
    let line = message(Project::open(folder.path()));
    assert!(line.contains("another window or program"), "{line}");
    let read = Contents::read(folder.path()).unwrap();
    assert_eq!(read.labels(), first.labels());
    add(&mut first, 6.0);
    drop(first);
    let project = Project::open(folder.path()).unwrap();
    assert_eq!(project.labels().people(FRAME).len(), 2);
}

/// Fails when a project whose journal cannot be written cannot be looked at, accepts a change, or is
/// written in part.
#[test]
fn a_project_that_cannot_be_written_is_open_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let mut writable = project(folder.path(), 1, 10);
    add(&mut writable, 5.0);
    let labels = writable.labels().clone();
    drop(writable);
    let files = all_files(folder.path());
    let reason = "cannot be written: read-only";
    let mut read = Project::read_only(folder.path(), reason.to_owned()).unwrap();
    assert_eq!(*read.labels(), labels);
    let (at, joints) = (FRAME, joints(7.0));
    for line in [
        message(read.apply(&Edit::AddPerson { at, joints })),
        message(read.undo()),
        message(read.rename("other")),
        message(read.add_clip(folder.path(), false)),
        message(read.relocate(folder.path())),
        read.refusal().unwrap(),
    ] {
        assert!(line.contains(JOURNAL) && line.contains(reason), "{line}");
    }
    assert!(read.labels().frames().eq(labels.frames()));
    read.save().unwrap();
    assert_eq!(all_files(folder.path()), files);

    let path = folder.path().join(JOURNAL);
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    // The superuser may write it anyway.
    let is_refused = fs::OpenOptions::new().append(true).open(&path).is_err();
    let opened = Project::open_or_read(folder.path()).unwrap();
    assert_eq!(opened.refusal().is_some(), is_refused);
    assert_eq!(*opened.labels(), labels);
}

/// Fails when edits stay refused after the disk accepts them again, or one that was refused is kept.
#[test]
fn edits_are_accepted_again_when_the_disk_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 10);
    add(&mut project, 5.0);
    let before = project.labels().clone();
    let unwritable = fs::File::open(folder.path().join(JOURNAL)).unwrap();
    let writable = project.swap_journal_file(unwritable);
    let person = before.people(FRAME)[0].id;
    let edit = Edit::DeletePerson { at: FRAME, person };
    for _ in 0..2 {
        assert!(message(project.apply(&edit)).contains(JOURNAL));
        assert_eq!(*project.labels(), before);
    }
    drop(project.swap_journal_file(writable));
    project.apply(&edit).unwrap();
    let after = project.labels().clone();
    assert!(after.people(FRAME).is_empty());
    drop(project);
    assert_eq!(*Project::open(folder.path()).unwrap().labels(), after);
}

/// Fails when edits to a project whose folder has vanished seem to succeed.
#[cfg(unix)]
#[test]
fn a_vanished_folder_accepts_no_edits() {
    let parent = tempfile::tempdir().unwrap();
    let [folder, away] = ["here", "away"].map(|name| parent.path().join(name));
    fs::create_dir(&folder).unwrap();
    let mut project = project(&folder, 1, 10);
    add(&mut project, 5.0);
    fs::rename(&folder, &away).unwrap();
    let before = project.labels().clone();
    let person = before.people(FRAME)[0].id;
    let edit = Edit::DeletePerson { at: FRAME, person };
    assert!(message(project.apply(&edit)).contains("vanished"));
    assert!(message(project.undo()).contains(JOURNAL));
    assert_eq!(*project.labels(), before);
    assert!(message(project.save()).contains("here"));
    fs::rename(&away, &folder).unwrap();
    project.apply(&edit).unwrap();
    project.save().unwrap();
    assert!(project.labels().people(FRAME).is_empty());
}

/// Fails when older snapshots are not kept, more than the last ones are, or a snapshot is written
/// without need.
#[test]
fn the_last_snapshots_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 10);
    add(&mut project, 0.0);
    for i in 0..N_KEPT + 4 {
        move_to(&mut project, i as f64 + 1.0);
        project.save().unwrap();
        project.save().unwrap();
    }
    let history = fs::read_dir(folder.path().join(HISTORY)).unwrap();
    let mut names: Vec<_> = history.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), N_KEPT);
    // Each is a snapshot itself: the newest is the one before the present one.
    fs::copy(names.last().unwrap(), folder.path().join(SNAPSHOT)).unwrap();
    let before = project.labels().clone();
    drop(project);
    assert_eq!(*Project::open(folder.path()).unwrap().labels(), before);
}

/// Fails when only confirmed people do not end up in the part of the snapshot that other programs
/// read, or our own reader cannot read it.
#[test]
fn a_snapshot_is_coco() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 2, 10);
    add(&mut project, 5.5);
    let at = FrameKey::new(2, 9);
    let frames = vec![FrameProposal {
        at,
        suggestion: None,
        people: vec![joints(8.0)],
        is_confirmed: false,
    }];
    project.apply(&Edit::Propose { frames }).unwrap();
    project.apply(&Edit::Accept { at: FRAME }).unwrap();
    project.save().unwrap();
    let path = folder.path().join(SNAPSHOT);
    let text = fs::read_to_string(&path).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["annotations"].as_array().unwrap().len(), 1);
    assert_eq!(file["annotations"][0]["keypoints"][2], 2);
    assert_eq!(file["images"][0]["file_name"], "clip1/000003.png");
    assert_eq!(file["images"][0]["width"], 640);
    assert_eq!(file["categories"][0]["keypoints"][1], "left_eye");
    let request = crate::dataset::Request::new(&path, folder.path(), crate::dataset::Split::Learn);
    let data = crate::dataset::format("coco")
        .unwrap()
        .load(&request)
        .unwrap();
    let person = &data.samples[0].annotations[0];
    assert_eq!(
        (person.joints[1].point, person.n_keypoints),
        (Point::new(5.5, 10.0), 17)
    );
    let states = |at: FrameKey| project.labels().people(at)[0].state(0).unwrap();
    assert_eq!(
        (states(FRAME), states(at)),
        (JointState::Confirmed, JointState::Proposed)
    );
}

/// Fails when a journal that exists and cannot be written is reported as one that cannot be created,
/// or without what to do.
#[test]
fn a_journal_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(project(folder.path(), 1, 10));
    let journal = folder.path().join(JOURNAL);
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    let line = message(Project::open(folder.path()));
    assert!(line.contains("labels.journal: cannot be written"), "{line}");
    assert!(line.contains("writable") && !line.contains('\n'), "{line}");
}

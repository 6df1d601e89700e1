//! Tests of clips and of new projects.

use std::fs;
use std::path::Path;

use super::edit::{Edit, FrameProposal};
use super::file::NewProject;
use super::holdout::Role;
use super::open::{Contents, Project};
use super::person::FrameKey;
use super::test_project::{joints, message};
use crate::error::Error;

/// Returns a folder with `n` images, which differ by `seed`.
fn pictures(folder: &Path, n: u8, seed: u8) {
    fs::create_dir_all(folder).unwrap();
    for i in 0..n {
        let picture = image::RgbImage::from_pixel(8, 6, image::Rgb([i, seed, 0]));
        picture.save(folder.join(format!("shot{i}.png"))).unwrap();
    }
}

/// Fails when a clip is not recognised after it has moved, one that has changed is used, or what is
/// wrong is not named.
#[test]
fn a_clip_is_recognised_by_its_content() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    pictures(&place("a"), 3, 1);
    pictures(&place("b"), 3, 2);
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![place("a")],
        is_copied: false,
    };
    let folder = place("project");
    let mut project = Project::create(&folder, &new).unwrap();
    let clip = project.contents().file().clips[0].clone();
    assert_eq!(
        (clip.name.as_str(), clip.n_frames, clip.has_pictures()),
        ("a", 3, true)
    );
    assert_eq!(clip.path, Path::new("../a"));
    assert!(message(project.add_clip(&place("a"), false)).contains("already, as the clip a"));
    project.add_clip(&place("b"), true).unwrap();
    assert!(folder.join("clips/b/shot2.png").is_file());
    fs::rename(place("a"), place("moved")).unwrap();
    let line = message(clip.open(&folder).map(|_| ()));
    assert!(line.contains("the clip 'a' is not there"), "{line}");
    pictures(&place("other"), 3, 9);
    let line = message(project.relocate(&place("other")));
    assert!(line.contains("none of the project's clips"), "{line}");
    assert_eq!(project.relocate(&place("moved")).unwrap().id, 1);
    drop(project);
    let contents = Contents::read(&folder).unwrap();
    let [a, b] = [1, 2].map(|id| contents.file().clip(id).unwrap());
    assert_eq!(
        (a.path.as_path(), b.path.as_path()),
        (Path::new("../moved"), Path::new("clips/b"))
    );
    for clip in [a, b] {
        assert_eq!(clip.open(&folder).unwrap().n_frames(), 3);
    }
    fs::remove_file(place("moved").join("shot1.png")).unwrap();
    let line = message(a.open(&folder).map(|_| ()));
    assert!(line.contains("has changed"), "{line}");
}

/// Fails when a project cannot be renamed without its folder, a name is lost, or an old project has
/// another name than its folder.
#[test]
fn a_project_has_a_name_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("monday");
    pictures(&root.path().join("a"), 1, 1);
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![root.path().join("a")],
        is_copied: false,
    };
    let mut project = Project::create(&folder, &new).unwrap();
    let file = || Contents::read(&folder).unwrap().file().clone();
    let title = || file().title(&folder);
    assert_eq!(title(), "monday");
    project.rename("  Anna, 2nd session ").unwrap();
    assert_eq!(title(), "Anna, 2nd session");
    for bad in ["two\nlines".to_owned(), "n".repeat(101)] {
        assert!(message(project.rename(&bad)).contains("at most 100"));
    }
    assert_eq!(title(), "Anna, 2nd session");
    for same in ["", "monday"] {
        project.rename("x").unwrap();
        project.rename(same).unwrap();
        assert_eq!((title().as_str(), file().name), ("monday", None));
    }
}

/// Fails when a clip that is copied later is not used from its new place, its content is not checked,
/// another file is overwritten, or a copy that was cancelled leaves something behind.
#[test]
fn a_clip_is_copied_whole_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    pictures(&place("a"), 3, 1);
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![place("a")],
        is_copied: false,
    };
    let folder = place("project");
    let mut project = Project::create(&folder, &new).unwrap();
    let clip = project.contents().file().clips[0].clone();
    let names = || -> Vec<String> {
        let Ok(entries) = fs::read_dir(folder.join("clips")) else {
            return Vec::new();
        };
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        entries.map(|entry| name(entry.unwrap())).collect()
    };
    let mut n_steps = 0;
    let cancelled = clip.copy_to_project(&folder, &mut |_, _| {
        n_steps += 1;
        match n_steps {
            2 => Err(Error::Cancelled("enough".to_owned())),
            _ => Ok(()),
        }
    });
    assert!(cancelled.unwrap_err().is_cancelled());
    assert_eq!(names(), [""; 0]);
    // As a killed program leaves it.
    fs::create_dir_all(folder.join("clips/a.poselens.part")).unwrap();
    fs::write(folder.join("clips/a.poselens.part/shot7.png"), "half").unwrap();
    // The same size, another content.
    let shot = place("a").join("shot1.png");
    let good = fs::read(&shot).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&shot, bad).unwrap();
    let line = message(clip.copy_to_project(&folder, &mut |_, _| Ok(())));
    assert!(line.contains("another content"), "{line}");
    assert_eq!(names(), [""; 0]);
    fs::write(&shot, good).unwrap();
    let mut last = (0, 0);
    let copy = clip.copy_to_project(&folder, &mut |done, all| {
        last = (done, all);
        Ok(())
    });
    let copy = copy.unwrap();
    assert_eq!(last, (2 * clip.bytes, 2 * clip.bytes));
    assert_eq!(names(), ["a"]);
    assert!(!project.contents().file().clips[0].is_copied);
    let used = project.use_copy(&clip, &copy).unwrap();
    assert_eq!(
        (used.is_copied, used.path.as_path()),
        (true, Path::new("clips/a"))
    );
    fs::remove_dir_all(place("a")).unwrap();
    drop(project);
    let contents = Contents::read(&folder).unwrap();
    let clip = &contents.file().clips[0];
    assert_eq!(clip.open(&folder).unwrap().n_frames(), 3);
    // What is there already is found by its content, and never overwritten.
    assert_eq!(
        clip.copy_to_project(&folder, &mut |_, _| Ok(())).unwrap(),
        copy
    );
}

/// Fails when a project is created over other files, or one that could not be created stays behind.
#[test]
fn a_project_begins_in_an_empty_folder() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    pictures(&place("a"), 1, 1);
    let new = |clip: &str, model: &str| NewProject {
        model: model.to_owned(),
        clips: vec![place(clip)],
        is_copied: true,
    };
    let line = message(Project::create(&place("a"), &new("a", "sfm")));
    assert!(line.contains("is not empty"), "{line}");
    assert!(message(Project::create(&place("p"), &new("missing", "sfm"))).contains("missing"));
    assert!(message(Project::create(&place("p"), &new("a", "nosuch"))).contains("nosuch"));
    assert!(!place("p").exists());
    // The first clip has been copied when the second one is found missing.
    let mut second = new("a", "sfm");
    second.clips.push(place("missing"));
    assert!(message(Project::create(&place("d/p"), &second)).contains("missing"));
    assert!(!place("d").exists());
    fs::create_dir(place("p")).unwrap();
    assert!(message(Project::create(&place("p"), &second)).contains("missing"));
    assert_eq!(fs::read_dir(place("p")).unwrap().count(), 0);
    drop(Project::create(&place("p"), &new("a", "sfm")).unwrap());
    let line = message(Project::create(&place("p"), &new("a", "sfm")));
    assert!(line.contains("already"), "{line}");
}

/// Fails when the hold-out is chosen again, from clips that are too short without saying so, or a
/// further round changes the first or takes old clips.
#[test]
fn the_hold_out_is_chosen_once() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    pictures(&place("short"), 9, 0);
    pictures(&place("a"), 150, 1);
    pictures(&place("b"), 150, 2);
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![place("short")],
        is_copied: false,
    };
    let folder = place("project");
    let mut project = Project::create(&folder, &new).unwrap();
    let reason = project.ensure_holdout().unwrap().unwrap();
    assert!(reason.contains("add another clip"), "{reason}");
    assert_eq!(project.contents().n_held_out(), 0);
    project.add_clip(&place("a"), false).unwrap();
    assert_eq!(project.ensure_holdout().unwrap(), None);
    // A fifth of the 149 frames' times, of the long clip only.
    let n_held_out = project.contents().n_held_out();
    assert!((29..=31).contains(&n_held_out), "{n_held_out}");
    let roles = |project: &Project, clip: u32| -> Vec<Role> {
        let role = |frame| {
            project
                .contents()
                .holdout()
                .role(FrameKey::new(clip, frame))
        };
        (0..150).map(role).collect()
    };
    let before = roles(&project, 2);
    assert!(message(project.add_holdout()).contains("no clips"));
    project.add_clip(&place("b"), false).unwrap();
    let labelled = Edit::Propose {
        frames: vec![FrameProposal {
            at: FrameKey::new(3, 0),
            suggestion: None,
            people: vec![joints(1.0)],
            is_confirmed: true,
        }],
    };
    project.apply(&labelled).unwrap();
    // What may have been trained on is not held out.
    assert!(message(project.add_holdout()).contains("without confirmed people"));
    project.undo().unwrap();
    assert_eq!(project.ensure_holdout().unwrap(), None);
    assert!(roles(&project, 3).iter().all(|role| *role == Role::Train));
    project.add_holdout().unwrap();
    assert_eq!(project.contents().holdout().n_rounds(), 2);
    assert_eq!(roles(&project, 2), before);
    assert!(roles(&project, 3).contains(&Role::HoldOut(1)));
    drop(project);
    let read = Project::open(&folder).unwrap();
    assert_eq!(roles(&read, 2), before);
}

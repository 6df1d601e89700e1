//! Opening and creating projects, and frames that come from other views.

use std::fs;

use eframe::egui::{self, Key};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use poselens_engine::project::{Contents, Edit, NewProject, Project, Reason, export};

use super::{Window, key, project};
use crate::driving::{Drive, Views as _};

fn builder() -> egui_kittest::HarnessBuilder<poselens_app::gui::App> {
    Harness::builder().with_size(egui::vec2(1280.0, 1000.0))
}

fn type_path(window: &mut Window, path: &std::path::Path) {
    window.harness.get_by_label("Path").focus();
    let text = path.to_string_lossy().into_owned();
    window.harness.get_by_label("Path").type_text(&text);
    window.harness.run_steps(2);
    window.press(Key::Enter);
}

/// Fails when a project that is open elsewhere, of a newer version or not there is opened, changed,
/// or not refused in one line.
#[test]
fn projects_that_cannot_be_opened_are_refused_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = project(folder.path());
    let other = Project::open(&place).unwrap();
    let mut window = Window::with(builder(), folder, Some(place.clone()));
    window.until_says("is open in another window or program");
    assert!(window.harness.state().label().project.is_none());
    drop(other);
    let file = place.join("project.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("version = 1", "version = 9")).unwrap();
    type_path(&mut window, &place);
    window.until_says("newer version of PoseLens");
    fs::write(&file, text).unwrap();
    type_path(&mut window, &place);
    window.until_frame(2);
    let recent = &window.harness.state().state().label.recent;
    assert_eq!(recent.len(), 1);
}

/// Fails when the name of a project cannot be changed in the window, or is not that in the header and
/// in the list of recent projects.
#[test]
fn a_project_is_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let place = project(folder.path());
    let mut window = Window::with(builder(), folder, Some(place.clone()));
    window.until_frame(2);
    window.click("More about the project");
    window.harness.get_by_label("Project name").focus();
    window.harness.run_steps(2);
    window
        .harness
        .get_by_label("Project name")
        .type_text("Anna's ");
    window.harness.run_steps(2);
    window.click("Rename the project");
    window.until_says("The project is called");
    let contents = Contents::read(&place).unwrap();
    let name = contents.file().title(&place);
    assert!(
        name.contains("Anna's") && name.contains("project"),
        "{name}"
    );
    let choices = &window.harness.state().state().label;
    assert_eq!(choices.recent_name(&choices.recent[0]), name);
    assert!(
        window
            .harness
            .query_all_by_label_contains(&name)
            .next()
            .is_some()
    );
}

/// Fails when a path that is a clip does not become a project, the next one not a further clip, or
/// the same one is added twice.
#[test]
fn paths_become_projects_and_clips() {
    let folder = tempfile::tempdir().unwrap();
    drop(project(folder.path()));
    let pictures = folder.path().join("pictures");
    let more = folder.path().join("more");
    fs::create_dir(&more).unwrap();
    fs::copy(pictures.join("03.png"), more.join("a.png")).unwrap();
    let mut window = Window::with(builder(), folder, None);
    window.press(Key::L);
    assert!(window.has("Label your own clips"));
    type_path(&mut window, &pictures);
    window.until_frame(0);
    let made = window.folder.path().join("labels/pictures");
    assert!(made.join("project.toml").is_file());
    type_path(&mut window, &more);
    window.until_says("Added the clip more");
    assert!(window.has("Clip more"));
    type_path(&mut window, &more);
    window.until_says("is in the project already");
    let contents = Contents::read(&made).unwrap();
    assert_eq!(contents.file().clips.len(), 2);
}

/// Fails when the frame shown in Inspect does not join the project, or P without a project says
/// nothing.
#[test]
fn a_frame_of_inspect_joins_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let place = project(folder.path());
    let pictures = folder.path().join("pictures");
    let mut window = Window::with(builder(), folder, None);
    window.press(Key::P);
    window.until_says("no label project is open");
    window.press(Key::L);
    type_path(&mut window, &place);
    window.until_frame(2);
    window.click("Inspect");
    type_path(&mut window, &pictures);
    window.until(|app| {
        app.inspect()
            .reader
            .as_ref()
            .is_some_and(|r| r.times.len() == 12)
    });
    for _ in 0..4 {
        window.press(Key::Period);
    }
    window.press(Key::P);
    window.until_says("Frame 4 of pictures is in the project");
    let contents = Contents::read(&place).unwrap();
    let suggestion = contents.labels().frame(key(4)).unwrap().suggestion.unwrap();
    assert_eq!(suggestion.reason, Reason::ByHand);
    window.click("Label");
    window.until_frame(4);
}

/// Fails when a project cannot be labelled because the version in use is damaged or was deleted, or
/// that is not said.
#[test]
fn a_project_opens_without_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let place = super::project(folder.path());
    std::fs::create_dir(place.join("versions")).unwrap();
    let current = place.join("versions/current.toml");
    std::fs::write(&current, "version = 1\ncurrent = 7\n").unwrap();
    let mut window = Window::with(builder(), folder, Some(place));
    window.until_says("the bundled weights are used");
    window.until(|app| app.label().frame().is_some());
}

/// Fails when a gesture without a project asks for a person in a frame instead of for a project.
#[test]
fn gestures_without_a_project_ask_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::with(builder(), folder, None);
    window.press(Key::L);
    for key in [Key::X, Key::V, Key::Delete] {
        window.press(key);
        window.until_says("no label project is open");
    }
}

/// Fails when a file of labels becomes a clip instead of proposals, or labels are confirmed by being
/// imported.
#[test]
fn a_file_of_labels_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let mut labelled = Project::open(&project(folder.path())).unwrap();
    labelled.apply(&Edit::Accept { at: key(2) }).unwrap();
    let labels = folder.path().join("labels.json");
    export::coco(labelled.contents(), &labels, None).unwrap();
    drop(labelled);
    let place = folder.path().join("second");
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![folder.path().join("pictures")],
        is_copied: false,
    };
    drop(Project::create(&place, &new).unwrap());
    let mut window = Window::with(builder(), folder, Some(place.clone()));
    window.until_frame(0);
    type_path(&mut window, &labels);
    window.until_says("Imported 1 person in 1 frame from labels.json");
    let contents = Contents::read(&place).unwrap();
    let people = contents.labels().people(key(2));
    assert_eq!((people.len(), people[0].is_confirmed), (1, false));
    assert_eq!(contents.file().clips.len(), 1);
}

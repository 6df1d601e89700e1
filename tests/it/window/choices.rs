//! Settings of the window and the camera, recent files, and the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use poselens_app::folders::typed_path;
use poselens_app::gui::{App, UiState};
use poselens_app::logs::{Level, LogBook};
use poselens_engine::estimator::People;
use poselens_engine::source::camera::CameraFormat;

use super::Window;
use crate::driving::open_app;
use crate::window_fakes::gui;

fn command(window: &mut Window, key: Key) {
    window.harness.key_press_modifiers(Modifiers::COMMAND, key);
    window.harness.run_steps(3);
}

/// Returns a window that saves its settings in `folder` and shows the log `book`.
fn kept(folder: &Path, book: &LogBook, input: Option<&str>) -> Harness<'static, App> {
    let mut gui = gui(input, &[], folder);
    gui.settings_file = Some(folder.join("settings.toml"));
    gui.log = Some(book.clone());
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 800.0));
    open_app(builder, gui)
}

/// Fails when the scale cannot be changed by keys and in the settings, or is not saved.
#[test]
fn the_scale_follows_keys_and_settings_and_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let book = LogBook::default();
    let open = || Window {
        harness: kept(folder.path(), &book, Some("clip.mp4")),
        folder: tempfile::tempdir().unwrap(),
    };
    let mut window = open();
    let scale = |window: &Window| {
        let saved = window.harness.state().state().scale;
        assert_eq!(window.harness.ctx.zoom_factor(), saved);
        saved
    };
    command(&mut window, Key::Plus);
    command(&mut window, Key::Plus);
    assert_eq!(scale(&window), 1.2);
    command(&mut window, Key::Minus);
    assert_eq!(scale(&window), 1.1);
    command(&mut window, Key::Comma);
    window.click("Larger");
    assert_eq!(scale(&window), 1.2);
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    drop(window);
    let mut window = open();
    window.harness.run_steps(3);
    assert_eq!(scale(&window), 1.2);
    command(&mut window, Key::Num0);
    assert_eq!(scale(&window), 1.0);
    assert_eq!(window.overlays(), ["skeleton"], "0 alone is another key");
}

/// Fails when an opened file is not in the recent list, or a missing one can be clicked.
#[test]
fn recent_files_are_listed_and_missing_ones_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let book = LogBook::default();
    let there = folder.path().join("walk.mp4");
    let gone = folder.path().join("gone.mp4");
    std::fs::write(&there, b"not read by the fake").unwrap();
    let mut window = Window {
        harness: kept(folder.path(), &book, Some("clip.mp4")),
        folder: tempfile::tempdir().unwrap(),
    };
    window.until(|s| s.source.is_some());
    for path in [&gone, &there] {
        window.click("Path");
        window
            .harness
            .key_press_modifiers(Modifiers::COMMAND, Key::A);
        let path = path.to_str().unwrap();
        window.harness.get_by_label("Path").type_text(path);
        window.press(Key::Enter);
        window.until(|s| s.source.as_ref().is_some_and(|s| s.name == path));
    }
    // The clip given on the command line is a name that only the fake knows.
    window.until(|s| s.missing.len() == 2);
    let recent = &window.harness.state().state().recent;
    let expected = [&there, &gone].map(|p| p.to_str().unwrap().to_owned());
    assert_eq!(recent[..2], expected);
    window.click("Close source");
    window.until(|s| s.presented.is_none());
    let is_disabled = |window: &Window, name: &str| {
        let node = window.harness.get_by_label(name);
        node.accesskit_node().is_disabled()
    };
    assert!(is_disabled(&window, "gone.mp4") && !is_disabled(&window, "walk.mp4"));
    window.click("walk.mp4");
    window.until(|s| s.source.is_some());
    window.click("Menu");
    window.harness.run_steps(4);
    window.harness.get_by_label_contains("Recent files").click();
    window.harness.run_steps(4);
    let entry = window.harness.get_by_label_contains("gone.mp4   in ");
    assert!(entry.accesskit_node().is_disabled());
    let forget = window.harness.get_by_label_contains("Clear recent files");
    forget.click();
    window.harness.run_steps(3);
    assert!(window.harness.state().state().recent.is_empty());
}

/// A file dropped on the window.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window reads the path".to_owned())
    }
}

/// Fails when the path field shows another file than the open one, or typed text is replaced while
/// the user is editing it.
#[test]
fn the_path_field_follows_what_is_open() {
    let mut window = Window::open(Some("/videos/short.mp4"), &["Desk camera"]);
    window.until(|s| s.presented.is_some() && s.cameras.is_some());
    let path = |window: &Window| window.harness.state().state().path.clone();
    assert_eq!(path(&window), "/videos/short.mp4");
    window.choose("Input", "Desk camera");
    assert_eq!(path(&window), "", "a camera has no path");
    window.click("Path");
    window
        .harness
        .get_by_label("Path")
        .type_text("/videos/b.mp4");
    window.press(Key::Enter);
    window.until(|s| s.source.as_ref().unwrap().name == "/videos/b.mp4");
    // Typed text replaces the path that was there.
    window.click("Path");
    window
        .harness
        .get_by_label("Path")
        .type_text("/videos/c.mp4");
    window.harness.run_steps(2);
    assert_eq!(path(&window), "/videos/c.mp4");
    let dropped = Dropped("/videos/d.mp4".into());
    window.harness.input_mut().dropped_files = vec![Arc::new(dropped)];
    window.until(|s| s.source.as_ref().unwrap().name == "/videos/d.mp4");
    assert_eq!(path(&window), "/videos/c.mp4", "it is being edited");
    window.choose("Input", "Synthetic figure");
    assert_eq!(path(&window), "");
    // `~` is the home folder.
    let below_home = typed_path("~/short.mp4");
    assert!(!below_home.starts_with('~'), "{below_home}");
    window.click("Path");
    window.harness.get_by_label("Path").type_text("~/short.mp4");
    window.press(Key::Enter);
    window.until(|s| s.source.as_ref().unwrap().name == below_home);
}

/// Fails when the log does not open, shows lines below the chosen severity, or cannot be copied.
#[test]
fn the_log_lists_by_severity_and_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let book = LogBook::default();
    let mut window = Window {
        harness: kept(folder.path(), &book, Some("clip.mp4")),
        folder: tempfile::tempdir().unwrap(),
    };
    for (level, text) in [
        (Level::ERROR, "the disk is full"),
        (Level::INFO, "camera started"),
        (Level::DEBUG, "a try in vain"),
    ] {
        book.write(level, "poselens_engine::source", text.to_owned());
    }
    window.until(|s| s.log.len() == 3);
    command(&mut window, Key::L);
    let lists = |window: &Window, text: &str| {
        let lines = window.harness.query_all_by_label_contains(text);
        lines.count() > 0
    };
    assert!(lists(&window, "camera started") && !lists(&window, "a try in vain"));
    window.choose("List", "Errors");
    assert!(lists(&window, "the disk is full") && !lists(&window, "camera started"));
    window.choose("List", "Everything");
    assert!(lists(&window, "a try in vain"));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    window.harness.get_by_label("Copy log").click();
    window.harness.step();
    let copied = window.harness.output().platform_output.commands.iter();
    let copied = copied
        .clone()
        .any(|c| matches!(c, egui::OutputCommand::CopyText(text) if text.lines().count() == 3));
    assert!(copied, "nothing was copied");
}

/// Fails when the filter's parameters cannot be set, do not reach the workers, or cannot be reset.
#[test]
fn smoothing_is_set_and_reset() {
    let mut window = Window::running("clip.mp4");
    window.click("Filter parameters");
    // It opens with an animation.
    window.harness.run_steps(20);
    let set = |window: &mut Window, label: &str, value| {
        window
            .harness
            .get_by_label(label)
            .set_value_accesskit(value);
        window.harness.run_steps(2);
    };
    set(&mut window, "Jitter at rest", 0.5);
    set(&mut window, "Quickness", 20.0);
    let look = |s: &UiState| s.presented.as_ref().map(|p| p.look.smoothing);
    window.until(|s| look(s).is_some_and(|s| s.min_cutoff == 0.5 && s.beta == 20.0));
    window
        .harness
        .get_by_label("Reset smoothing")
        .click_accesskit();
    window.until(|s| look(s) == Some(poselens_engine::track::OneEuro::default()));
}

/// Fails when a camera's formats are not listed, or a choice is not applied or not saved for the
/// camera.
#[test]
fn a_camera_delivers_in_the_format_chosen() {
    let mut window = Window::open(None, &["Desk camera"]);
    window.until(|s| s.presented.is_some() && !s.formats.offered.is_empty());
    let rate = |s: &UiState| s.formats.current.and_then(|f: CameraFormat| f.rate);
    assert_eq!(rate(window.ui_state()), Some(30.0));
    window.choose("Format", "8 × 6, 60 fps, GREY");
    window.until(|s| rate(s) == Some(60.0) && s.presented.is_some());
    let kept = &window.harness.state().state().camera_formats;
    assert_eq!(kept["camera:0"].rate, Some(60.0));
    window.choose("Format", "Automatic");
    window.until(|s| rate(s) == Some(30.0));
    assert!(window.harness.state().state().camera_formats.is_empty());
}

/// Fails when the recordings are not visible in a window of usual size, or any control cannot be
/// reached in a very small one.
#[test]
fn important_controls_are_visible() {
    let folder = tempfile::tempdir().unwrap();
    let book = LogBook::default();
    let mut window = Window {
        harness: kept(folder.path(), &book, Some("clip.mp4")),
        folder: tempfile::tempdir().unwrap(),
    };
    window.until(|s| s.presented.as_ref().is_some_and(|p| p.output.is_some()));
    window.press(Key::R);
    window.until(|s| s.recording.as_ref().is_some_and(|r| r.progress.is_some()));
    let dropped = window.harness.get_by_label_contains("0 dropped").rect();
    let visible = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1280.0, 800.0));
    assert!(visible.contains_rect(dropped), "{dropped:?}");
    for size in [
        egui::vec2(1.0, 1.0),
        egui::Vec2::ZERO,
        egui::vec2(300.0, 40.0),
    ] {
        window.harness.set_size(size);
        window.harness.run_steps(3);
    }
    window.harness.set_size(egui::vec2(1280.0, 800.0));
    window.harness.run_steps(3);
    window.click("Stop recording");
    window.until_says("Recorded ");
}

/// Fails when limb fields can be switched on for a network that has none, cannot be switched off
/// there, have no joint to choose, or are refused although several people are estimated.
#[test]
fn limb_fields_need_a_network_that_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut gui = gui(Some("clip.mp4"), &[], folder.path());
    gui.models[0].name = "sfm".to_owned();
    gui.models[1].name = "ssa-sfm-2".to_owned();
    gui.people = Some(People::One);
    let size = egui::vec2(1280.0, 900.0);
    let mut window = Window::of(Harness::builder().with_size(size), gui, folder);
    window.until(|s| s.presented.as_ref().is_some_and(|p| p.output.is_some()));
    let is_disabled = |window: &Window| {
        let switch = window.harness.get_by_label("Limb fields");
        switch.accesskit_node().is_disabled()
    };
    assert!(is_disabled(&window));
    window.choose("Network", "ssa-sfm-2");
    window.until(|s| s.model.as_deref() == Some("ssa-sfm-2"));
    assert!(!is_disabled(&window));
    window.click("Limb fields");
    assert_eq!(window.overlays(), ["fields", "skeleton"]);
    window.choose("Joint", "Left wrist");
    assert!(window.has("Hide below") && !window.has("Smooth maps"));
    window.choose("Network", "sfm");
    window.until(|s| s.model.as_deref() == Some("sfm"));
    window.click("Limb fields");
    assert_eq!(window.overlays(), ["skeleton"]);
    assert!(is_disabled(&window));
    window.choose("People", "several");
    window.until(|s| s.people != People::One);
    assert!(!is_disabled(&window));
}

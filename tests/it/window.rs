//! The window, operated like a screen reader does, by the labels of its controls.

mod choices;
mod closing;
mod full_screen;
mod keyboard;
mod layout;
mod live;
mod lost;
mod measures;
mod notes;
mod people;
mod recordings;
mod sheets;
mod streams;

use std::time::{Duration, Instant};

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, HarnessBuilder};
use poselens_app::gui::{App, GuiContext, UiState};
use poselens_shaders::view::Zoom;
use poselens_tests::{WAIT_LIMIT, is_required};

use crate::driving::open_app;
use crate::window_fakes::gui;

struct Window {
    harness: Harness<'static, App>,
    folder: tempfile::TempDir,
}

impl Window {
    fn open(input: Option<&str>, cameras: &'static [&'static str]) -> Self {
        Self::build(Harness::builder(), input, cameras)
    }

    fn build(
        builder: HarnessBuilder<App>,
        input: Option<&str>,
        cameras: &'static [&'static str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gui = gui(input, cameras, folder.path());
        Self::of(builder.with_size(egui::vec2(1280.0, 900.0)), gui, folder)
    }

    /// Returns a window of the builder's size for a context whose folder is `folder`.
    fn of(builder: HarnessBuilder<App>, gui: GuiContext, folder: tempfile::TempDir) -> Self {
        let harness = open_app(builder, gui);
        Self { harness, folder }
    }

    /// Returns a window that shows `input` and its poses.
    fn running(input: &str) -> Self {
        let mut window = Self::open(Some(input), &[]);
        window.until(|s| s.presented.as_ref().is_some_and(|p| p.output.is_some()));
        window
    }

    fn ui_state(&self) -> &UiState {
        self.harness.state().ui_state()
    }

    #[track_caller]
    fn until(&mut self, done: impl Fn(&UiState) -> bool) {
        self.until_seen(|window| done(window.ui_state()));
    }

    /// Steps until `done`.
    #[track_caller]
    fn until_seen(&mut self, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < WAIT_LIMIT, "{:#?}", self.ui_state());
            std::thread::sleep(Duration::from_millis(2));
            self.harness.step();
        }
        self.harness.run_steps(2);
    }

    #[track_caller]
    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }

    /// Opens the list called `list` and selects `entry`.
    #[track_caller]
    fn choose(&mut self, list: &str, entry: &str) {
        self.click(list);
        self.click(entry);
    }

    fn press(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run_steps(2);
    }

    fn has(&self, label: &str) -> bool {
        self.harness.query_by_label(label).is_some()
    }

    #[track_caller]
    fn until_says(&mut self, text: &str) {
        self.until(|s| s.status.as_ref().is_some_and(|m| m.text.contains(text)));
    }

    fn overlays(&self) -> Vec<&str> {
        let state = self.harness.state().state();
        state.overlays.iter().map(String::as_str).collect()
    }
}

/// Fails when a control cannot be reached by a screen reader or a test, or a panel is missing.
#[test]
fn every_control_is_there_by_its_label() {
    let mut window = Window::running("clip.mp4");
    for key in [Key::Num2, Key::Num3] {
        window.press(key);
    }
    for label in [
        "PoseLens",
        "local only",
        "CPU",
        "Full screen",
        "Input",
        "Open file…",
        "Look for cameras",
        "Close source",
        "Path",
        "Open path",
        "Loop",
        "Network",
        "Threshold",
        "Smoothing",
        "Skeleton",
        "Heatmap",
        "Joint",
        "Attention",
        "Map",
        "Opacity",
        "Hide below",
        "Smooth maps",
        "Fixed range",
        "Image",
        "Time line",
        "Pause",
        "Restart",
        "Frame back",
        "Frame on",
        "Speed",
        "Joints shown",
        "Snapshot",
        "Record",
        "latency",
        "drops",
        "about first",
    ] {
        assert!(window.has(label), "{label} is missing");
    }
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
}

/// Fails when no frame is shown although a camera is connected, or a camera starts without being
/// requested.
#[test]
fn the_first_camera_starts_unless_a_file_was_given() {
    let mut window = Window::open(None, &["Desk camera", "Door camera"]);
    window.until(|s| s.presented.is_some());
    assert_eq!(window.ui_state().source.as_ref().unwrap().name, "camera:0");
    window.choose("Input", "Door camera");
    window.until(|s| s.source.as_ref().unwrap().name == "camera:1");
    assert_eq!(
        window.harness.state().state().camera.as_deref(),
        Some("Door camera")
    );

    let mut window = Window::open(Some("clip.mp4"), &["Desk camera"]);
    window.until(|s| s.cameras.is_some() && s.presented.is_some());
    assert_eq!(window.ui_state().source.as_ref().unwrap().name, "clip.mp4");
}

/// Fails when the window stays black if there is no camera.
#[test]
fn without_a_camera_the_sample_clip_plays() {
    let mut window = Window::open(None, &[]);
    window.until(|s| s.presented.is_some());
    assert_eq!(window.ui_state().source.as_ref().unwrap().name, "clip.mp4");
    assert!(
        window
            .ui_state()
            .status
            .as_ref()
            .unwrap()
            .text
            .contains("No camera")
    );
    window.click("Close source");
    window.until(|s| s.source.is_none() && s.presented.is_none());
    assert!(window.has("No camera found") && window.has("Open a video…"));
    window.click("Play the sample clip");
    window.until(|s| s.presented.is_some());
    assert!(!window.has("No camera found"));
    window.click("Close source");
    window.until(|s| s.source.is_none() && s.presented.is_none());
    window.choose("Input", "Synthetic figure");
    window.until(|s| s.presented.is_some());
}

/// Fails when mirroring does not apply to what is shown: cameras as the settings say, files on demand.
#[test]
fn cameras_and_files_are_mirrored() {
    let mut window = Window::open(None, &["Desk camera"]);
    window.until(|s| s.presented.is_some());
    assert!(!window.has("Loop") && !window.has("Restart") && !window.has("Speed"));
    assert!(window.harness.state().state().is_mirrored);
    window.click("Mirror");
    assert!(!window.harness.state().state().is_mirrored);
    let mut window = Window::running("clip.mp4");
    for is_on in [true, false] {
        window.click("Mirror");
        let app = window.harness.state();
        assert_eq!(app.ui_state().is_mirrored(app.state()), is_on);
        assert!(app.state().is_mirrored, "the setting of cameras");
    }
}

/// Fails when a list stays open after an entry was chosen with Enter.
#[test]
fn a_list_closes_when_an_entry_is_chosen_by_key() {
    let mut window = Window::running("clip.mp4");
    for entry in ["second", "first"] {
        window.click("Network");
        window.harness.get_by_label("blind");
        window.harness.get_by_label(entry).focus();
        window.harness.run_steps(2);
        window.press(Key::Enter);
        window.until(|s| s.wanted_model.as_deref() == Some(entry));
        window.harness.run_steps(10);
        assert!(!window.has("blind"), "{entry}");
    }
}

/// Fails when an overlay ignores its switch or key, or its settings stay hidden.
#[test]
fn overlays_follow_switches_keys_and_lists() {
    let mut window = Window::running("clip.mp4");
    assert_eq!(window.overlays(), ["skeleton"]);
    window.press(Key::Num2);
    window.click("Attention");
    assert_eq!(window.overlays(), ["attention", "heatmap", "skeleton"]);
    window.choose("Joint", "Left wrist");
    window.until(|s| !s.attention_maps.is_empty());
    window.choose("Map", "x51.gate   x51.gate in words");
    window
        .harness
        .get_by_label("Opacity")
        .set_value_accesskit(0.25);
    window.harness.run_steps(2);
    let state = window.harness.state().state();
    assert_eq!(state.joint.as_deref(), Some("l_wrist"));
    assert_eq!(state.attention.as_deref(), Some("x51.gate"));
    assert!((state.opacity - 0.25).abs() < 1e-6);
    window.harness.get_by_label("Smooth maps").click_accesskit();
    window.harness.run_steps(3);
    window
        .harness
        .get_by_label("Hide below")
        .set_value_accesskit(0.5);
    window.harness.run_steps(2);
    let state = window.harness.state().state();
    assert!(!state.is_map_smooth && (state.map_threshold - 0.5).abs() < 1e-6);
    window.press(Key::Num0);
    assert!(window.overlays().is_empty());
    window.press(Key::Num1);
    assert_eq!(window.overlays(), ["skeleton"]);
}

/// Fails when the wheel or dragging has no effect on the image, a double click does not reset the
/// zoom, or the zoom is kept for another source.
#[test]
fn the_picture_is_zoomed_dragged_and_reset() {
    // Short time steps: two clicks a quarter of a second apart are not a double click.
    let quick = Harness::builder().with_step_dt(0.02);
    let mut window = Window::build(quick, Some("clip.mp4"), &[]);
    window.until(|s| s.presented.is_some());
    let at = window.harness.get_by_label("Image").rect().center();
    window.harness.hover_at(at);
    window.harness.event(egui::Event::Zoom(4.0));
    window.until(|s| (s.zoom.factor - 4.0).abs() < 0.01);
    window.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 50.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    window.until(|s| s.zoom.factor > 4.5);
    let before = window.ui_state().zoom.center;
    window.harness.drag_at(at);
    window.harness.hover_at(at + egui::vec2(60.0, 0.0));
    window.harness.drop_at(at + egui::vec2(60.0, 0.0));
    window.until(|s| s.zoom.center[0] < before[0] - 0.01);
    let double_click = |window: &mut Window| {
        window.harness.hover_at(at);
        for pressed in [true, false, true, false] {
            window.harness.event(egui::Event::PointerButton {
                pos: at,
                button: egui::PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
        }
        window.harness.step();
    };
    double_click(&mut window);
    window.until(|s| s.zoom == Zoom::WHOLE);
    window.harness.event(egui::Event::Zoom(2.0));
    window.until(|s| s.zoom.factor > 1.9);
    window.choose("Input", "Synthetic figure");
    window.until(|s| s.zoom == Zoom::WHOLE);
}

/// Fails when the model cannot be changed while running, a broken one stops the working one, or its
/// error cannot be retried.
#[test]
fn models_change_while_running_and_errors_can_be_retried() {
    let mut window = Window::running("clip.mp4");
    window.choose("Network", "second");
    window.until(|s| s.model.as_deref() == Some("second"));
    window.choose("Network", "broken");
    window.until_says("broken: the weights are damaged");
    assert_eq!(window.ui_state().model.as_deref(), Some("second"));
    window.click("Retry");
    window.until_says("broken");
    window.click("Dismiss");
    assert!(window.ui_state().status.is_none());
    window.click("Smoothing");
    window
        .harness
        .get_by_label("Threshold")
        .set_value_accesskit(0.75);
    window.harness.run_steps(2);
    let state = window.harness.state().state();
    assert!(!state.is_smoothed && (state.keypoint_threshold - 0.75).abs() < 1e-6);
}

/// Fails when recovering from a crash in a network requires a restart of the program.
#[test]
fn after_a_crash_retry_starts_new_workers() {
    let mut window = Window::running("clip.mp4");
    window.choose("Network", "crashing");
    window.until_says("the infer thread failed: ");
    let failed_at = |s: &UiState| s.status.as_ref().map(|m| m.since);
    let first = failed_at(window.ui_state());
    window.click("Retry");
    // The new workers crash in the same way.
    window.until(|s| s.has_crashed && failed_at(s).is_some() && failed_at(s) != first);
    window.until_says("the infer thread failed: ");
    window.choose("Network", "second");
    window.until(|s| s.model.as_deref() == Some("second"));
    let is_second = |s: &UiState| {
        let output = s.presented.as_ref().and_then(|p| p.output.as_ref());
        output.is_some_and(|o| &*o.model == "second")
    };
    window.until(is_second);
}

/// Fails when playing, pausing, restarting or reaching the end of a file goes wrong.
#[test]
fn a_file_plays_pauses_ends_and_restarts() {
    let mut window = Window::running("short.mp4");
    window.until(|s| s.has_ended);
    window.click("Play");
    window.until(|s| s.has_ended);
    window.choose("Input", "Sample clip");
    window.until(|s| s.source.as_ref().unwrap().name == "clip.mp4");
    window.press(Key::Space);
    assert!(!window.ui_state().is_playing && window.has("Play"));
    window.click("Play");
    let time = |s: &UiState| s.presented.as_ref().map_or(0.0, |p| p.frame.time_secs);
    window.until(|s| s.is_playing && time(s) > 0.3);
    window.press(Key::Space);
    window.click("Restart");
    window.until(|s| time(s) == 0.0);
}

/// Fails when a snapshot is not written, or its path is not shown.
#[test]
fn a_snapshot_becomes_a_file() {
    let mut window = Window::running("clip.mp4");
    window.click("Snapshot");
    window.until_says("Saved ");
    window.click("Dismiss");
    window
        .harness
        .key_press_modifiers(Modifiers::SHIFT, Key::Enter);
    window.harness.run_steps(2);
    window.until_says("Saved ");
    let files: Vec<_> = std::fs::read_dir(window.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let picture = image::open(&file).unwrap();
        assert_eq!((picture.width(), picture.height()), (8, 6));
    }
}

/// Fails when a path cannot be typed, its letters act as shortcuts, or a wrong one cannot be
/// retried.
#[test]
fn a_typed_path_opens_and_a_wrong_one_can_be_retried() {
    let mut window = Window::running("clip.mp4");
    window.click("Path");
    window
        .harness
        .get_by_label("Path")
        .type_text("missing r 1.mp4");
    window.harness.run_steps(2);
    window.press(Key::R);
    assert!(window.ui_state().recording.is_none() && window.overlays() == ["skeleton"]);
    window.click("Open path");
    window.until_says("missing r 1.mp4: no such file; check the path");
    assert_eq!(
        window.ui_state().source.as_ref().unwrap().name,
        "clip.mp4",
        "the old one runs on"
    );
    let shown = window.ui_state().wanted_source.as_ref().unwrap();
    assert_eq!(shown.label, "clip.mp4", "the list names what is running");
    window.click("Retry");
    window.until_says("no such file");
    window.click("Dismiss");
    window.click("Path");
    window
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.harness.get_by_label("Path").type_text("other.mp4");
    window.press(Key::Enter);
    window.until(|s| s.source.as_ref().unwrap().name == "other.mp4");
}

/// Returns whether wgpu finds an adapter, possibly a software one.
fn has_adapter() -> bool {
    use eframe::egui_wgpu::wgpu;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    !adapters.is_empty()
}

/// Fails when frames never reach the screen, or stay there after the source is closed.
#[test]
fn frames_reach_the_screen() {
    if !has_adapter() {
        assert!(!is_required("adapter"), "no graphics adapter to draw with");
        println!("skipped: no graphics adapter; install mesa-vulkan-drivers");
        return;
    }
    // White frames on a dark window.
    let mut window = Window::build(Harness::builder().wgpu(), Some("clip.mp4"), &[]);
    window.until(|s| s.presented.is_some());
    let brightness = |window: &mut Window| {
        let screen = window.harness.render().unwrap();
        screen.get_pixel(150, 700).0[..3].to_vec()
    };
    assert_eq!(brightness(&mut window), [255; 3]);
    window.click("Close source");
    window.until(|s| s.presented.is_none());
    let dark = brightness(&mut window);
    assert!(dark.iter().all(|&c| c < 80), "{dark:?}");
}

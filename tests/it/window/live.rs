//! Playback: the live buffer, stepping, speed; and the choice of drawn joints.

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use poselens_app::gui::UiState;
use poselens_engine::source::SourceStatus;

use super::Window;

fn frames_back(session: &UiState) -> Option<usize> {
    Some(session.presented.as_ref()?.review?.frames_back)
}

/// Fails when the buffered frames of a camera cannot be viewed, or live playback does not resume.
#[test]
fn live_frames_can_be_stepped_back_and_followed_again() {
    let mut window = Window::open(None, &["Desk camera"]);
    window.until(|s| s.stats.held_frames > 12);
    window.press(Key::ArrowLeft);
    window.until(|s| frames_back(s).is_some_and(|n| n > 0));
    assert!(!window.ui_state().is_playing && window.has("Play"));
    let before = frames_back(window.ui_state()).unwrap();
    window.press(Key::Comma);
    window.until(|s| frames_back(s) == Some(before + 1));
    window.click("Frame on");
    window.until(|s| frames_back(s) == Some(before));
    window.press(Key::Home);
    window.until(|s| frames_back(s).is_some_and(|n| n + 1 == s.stats.held_frames));
    window
        .harness
        .get_by_label("Time line")
        .set_value_accesskit(3.0);
    window.until(|s| frames_back(s).is_some_and(|n| n + 4 == s.stats.held_frames));
    window.press(Key::End);
    window.until(|s| s.is_playing && frames_back(s).is_none());
    window.press(Key::ArrowLeft);
    window.until(|s| frames_back(s).is_some());
    window.click("Follow live");
    window.until(|s| s.is_playing && frames_back(s).is_none());
}

/// Fails when the speed keys or the list have no effect.
#[test]
fn files_play_faster_and_slower() {
    let mut window = Window::running("clip.mp4");
    window.press(Key::CloseBracket);
    assert_eq!(window.ui_state().speed, 1.5);
    window.press(Key::OpenBracket);
    window.press(Key::OpenBracket);
    assert_eq!(window.ui_state().speed, 0.5);
    window.choose("Speed", "4×");
    assert_eq!(window.ui_state().speed, 4.0);
}

/// Fails when a file that has ended stays there although looping is turned on.
#[test]
fn looping_restarts_a_file_that_has_ended() {
    let mut window = Window::running("short.mp4");
    window.until(|s| s.has_ended);
    window.click("Loop");
    assert!(!window.ui_state().has_ended && window.has("Pause"));
    let shown = |s: &UiState| s.presented.as_ref().map_or(0, |p| p.frame.id);
    window.until(|s| shown(s) < 9);
    window.click("Loop");
    window.until(|s| s.has_ended);
    // Turned on while another view is shown: it restarts in Live.
    window.press(Key::I);
    window
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    window.harness.run_steps(3);
    window.click("Play files in a loop");
    window.press(Key::Escape);
    assert!(window.ui_state().has_ended);
    window.press(Key::I);
    window.until(|s| !s.has_ended);
}

/// Fails when a joint cannot be hidden, or not shown again.
#[test]
fn joints_are_hidden_one_by_one() {
    let mut window = Window::running("clip.mp4");
    window.click("Joints shown");
    // It opens with an animation.
    window.harness.run_steps(20);
    window
        .harness
        .get_by_label("Show left ear")
        .click_accesskit();
    let is_hidden = |s: &UiState| {
        let look = s.presented.as_ref().map(|p| &p.look);
        look.is_some_and(|look| look.style.hidden_joints.len() == 1)
    };
    window.until(is_hidden);
    window
        .harness
        .get_by_label("Show all joints")
        .click_accesskit();
    window.until(|s| !is_hidden(s));
}

/// Fails when the timeline of the sample clip, a Matroska file without a stated duration, does not
/// work, or its length is not shown.
#[test]
fn a_file_without_a_duration_gets_a_timeline() {
    let mut window = Window::running("sample");
    window.until(|s| s.extent.as_ref().is_some_and(|e| e.is_complete));
    assert!(
        window.has("/ 0:02.87"),
        "86 frames after the first, at 30 a second"
    );
    window.press(Key::Space);
    window
        .harness
        .get_by_label("Time line")
        .set_value_accesskit(40.0);
    let shown = |s: &UiState| s.presented.as_ref().map(|p| p.frame.id);
    window.until(|s| shown(s) == Some(40));
    window.press(Key::Home);
    window.until(|s| shown(s) == Some(0));
    assert!(window.has("/ 0:02.87"), "beginning again does not forget");
}

/// Fails when the header names the live source while a file is inspected, or does not give the
/// frame number.
#[test]
fn the_header_names_what_is_shown() {
    let mut window = Window::open(None, &["Desk camera"]);
    window.until(|s| s.presented.is_some());
    let says = |window: &Window, text: &str| {
        let mut named = window.harness.query_all_by_label(text);
        named.any(|node| node.rect().bottom() < 52.0)
    };
    assert!(says(&window, "camera:0") && says(&window, "8 × 6"));
    window.press(Key::I);
    assert!(says(&window, "camera:0"), "the live picture is looked into");
    window.click("Path");
    window.harness.get_by_label("Path").type_text("sample");
    window.press(Key::Enter);
    let is_open = |window: &Window| says(window, "640 × 480   frame 0 / 86");
    window.until_seen(is_open);
    assert!(says(&window, "sample") && !says(&window, "camera:0"));
    // The text field has the focus.
    window.click("Live");
    assert!(says(&window, "camera:0") && !is_open(&window));
}

/// Fails when a camera that stopped delivering leaves a frozen image without a message, or cannot
/// be closed.
#[test]
fn a_silent_camera_is_reported_and_can_be_closed() {
    let mut window = Window::open(Some("camera:silent"), &[]);
    let is_silent = |s: &UiState| matches!(s.source_status, SourceStatus::Stalled { .. });
    window.until(is_silent);
    assert!(window.has("No frames from camera:silent"));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    window.click("Reconnect");
    window.until(|s| s.source_status == SourceStatus::Ok && s.presented.is_some());
    window.until(is_silent);
    window.click("Release");
    window.until(|s| s.source.is_none());
    assert!(window.has("No camera found"));
}

//! Time: looking back in a live picture, stepping, speed; and which joints are drawn.

use eframe::egui::Key;
use egui_kittest::kittest::Queryable;
use poselens_app::gui::Session;

use super::Window;

fn frames_back(session: &Session) -> Option<usize> {
    Some(session.presented.as_ref()?.review?.frames_back)
}

/// Fails when one cannot look back at what a camera has shown, or does not find back to the
/// present.
#[test]
fn a_live_picture_is_stepped_back_and_followed_again() {
    let mut window = Window::open(None, &["Desk camera"]);
    window.until(|s| s.stats.held_frames > 12);
    window.press(Key::ArrowLeft);
    window.until(|s| frames_back(s).is_some_and(|n| n > 0));
    assert!(!window.session().is_playing && window.has("Play"));
    let before = frames_back(window.session()).unwrap();
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

/// Fails when the speed keys or the list do nothing.
#[test]
fn files_play_faster_and_slower() {
    let mut window = Window::running("clip.mp4");
    window.press(Key::CloseBracket);
    assert_eq!(window.session().speed, 1.5);
    window.press(Key::OpenBracket);
    window.press(Key::OpenBracket);
    assert_eq!(window.session().speed, 0.5);
    window.choose("Speed", "4×");
    assert_eq!(window.session().speed, 4.0);
}

/// Fails when a joint cannot be left out of the drawing, or does not come back.
#[test]
fn joints_are_hidden_one_by_one() {
    let mut window = Window::running("clip.mp4");
    window.click("Joints shown");
    // It opens slowly.
    window.harness.run_steps(20);
    window
        .harness
        .get_by_label("Show left ear")
        .click_accesskit();
    let is_hidden = |s: &Session| {
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

//! Closing the window while something is running.

use eframe::egui::{Event, Key, Modifiers, ViewportCommand};
use egui_kittest::kittest::Queryable;

use super::Window;
use crate::driving::{closes, sends};

impl Window {
    /// Requests that the window be closed; returns whether it closes.
    fn closes(&mut self) -> bool {
        let closes = closes(&mut self.harness);
        self.harness.run_steps(2);
        closes
    }

    /// Returns whether Ctrl+Q, pressed or held, requests that the window be closed.
    fn quits(&mut self) -> bool {
        let mut key = |pressed| {
            self.harness.input_mut().events.push(Event::Key {
                key: Key::Q,
                physical_key: None,
                pressed,
                repeat: false,
                modifiers: Modifiers::COMMAND,
            });
            self.harness.step();
            sends(&self.harness, &ViewportCommand::Close)
        };
        let quits = key(true);
        key(false);
        quits
    }
}

/// Fails when the window closes during a recording without a question, asks although nothing runs,
/// cannot be kept open, or asks again at the second request.
#[test]
fn a_recording_is_asked_about_once() {
    let mut window = Window::running("camera:0");
    assert!(window.closes(), "nothing is running");
    assert!(window.ui_state().sheet.is_none());
    window.press(Key::R);
    window.until(|s| s.recording.as_ref().is_some_and(|r| r.progress.is_some()));
    assert!(!window.closes());
    assert!(window.has("The recording of camera:0") && window.has("Stop and close"));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    window.click("Keep open");
    assert!(window.ui_state().sheet.is_none() && window.ui_state().recording.is_some());
    assert!(!window.closes());
    window.press(Key::Escape);
    assert!(window.ui_state().sheet.is_none());
    assert!(!window.closes());
    assert!(window.closes(), "the second request");
}

/// Fails when the buttons of the question, or Ctrl+Q, do not request that the window be closed.
#[test]
fn the_question_is_answered_by_button_or_key() {
    let mut window = Window::running("camera:0");
    assert!(window.quits());
    window.press(Key::R);
    window.until(|s| s.recording.is_some());
    assert!(window.quits(), "the request, which is then asked about");
    assert!(!window.closes());
    assert!(window.quits() && window.closes(), "a second time");
    let button = window.harness.get_by_label("Stop and close");
    button.click_accesskit();
    window.harness.step();
    assert!(sends(&window.harness, &ViewportCommand::Close) && window.closes());
}

/// Fails when a signal, such as that of a logout, is answered by a question.
#[test]
fn signals_close_without_a_question() {
    let mut window = Window::running("camera:0");
    window.press(Key::R);
    window.until(|s| s.recording.is_some());
    window.harness.state().closer()();
    window.harness.step();
    assert!(sends(&window.harness, &ViewportCommand::Close));
    assert!(window.closes() && window.ui_state().sheet.is_none());
}

/// Fails when the queue of files is cut short without a question, or the waiting ones are not
/// counted.
#[test]
fn a_queue_of_files_is_asked_about() {
    let mut window = Window::running("clip.mp4");
    let videos = tempfile::tempdir().unwrap();
    for name in ["a.mp4", "b.mp4"] {
        std::fs::write(videos.path().join(name), "x").unwrap();
    }
    window.record_path(videos.path());
    window.until(|s| s.queue.running.is_some());
    assert!(!window.closes());
    assert!(window.has("The recording of the file a.mp4, 1 more waiting"));
    window.click("Keep open");
    window.click("Stop recording files");
    window.until(|s| s.queue.running.is_none());
    assert!(window.closes());
}

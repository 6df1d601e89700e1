//! Keys pressed in quick succession.

use std::time::Duration;

use poselens_engine::project::FrameLabels;

use super::*;

impl Window {
    /// Presses keys that a slow window sees in one frame.
    fn press_at_once(&mut self, keys: &[Key]) {
        let event = |key: Key, pressed| egui::Event::Key {
            key,
            physical_key: None,
            pressed,
            repeat: false,
            modifiers: Modifiers::NONE,
        };
        let events = keys
            .iter()
            .flat_map(|&key| [event(key, true), event(key, false)]);
        self.harness.input_mut().events.extend(events);
        self.harness.run_steps(3);
    }

    /// Returns whether a frame is accepted on disk.
    fn is_accepted(&mut self, frame: u32) -> bool {
        self.until(|app| !app.label().is_writing());
        let contents = Contents::read(&self.place()).unwrap();
        let frame = contents.labels().frame(key(frame));
        frame.is_some_and(|frame| frame.is_accepted)
    }
}

/// Fails when a frame is accepted without people by a key that followed a refused one at once, the
/// reason is overwritten, or edits are refused after a pause; or a frame accepted without people looks
/// like one with people.
#[test]
fn keys_after_a_refused_one_edit_nothing() {
    let mut window = Window::open();
    window.press_at_once(&[Key::Period, Key::C, Key::A]);
    window.until_says(
        "frame 3 is not shown yet; nothing was changed; the keys pressed right after it",
    );
    window.until_frame(3);
    assert!(!window.is_accepted(3));
    window.until_says("the keys pressed right after it");
    std::thread::sleep(Duration::from_millis(700));
    window.harness.run_steps(3);
    window.press(Key::A);
    window.until_says("Accepted as a frame without people");
    assert!(window.is_accepted(3));
    let contents = Contents::read(&window.place()).unwrap();
    let frame = contents.labels().frame(key(3));
    assert!(frame.is_some_and(FrameLabels::is_without_people));
    window.click("Confirmed");
    window.until(|app| {
        let project = app.label().project.as_ref();
        project.is_some_and(|project| !project.list.rows.is_empty())
    });
    window.harness.run_steps(2);
    assert!(window.has("pictures frame 3, confirmed, no people"));
    let mut counts = window
        .harness
        .query_all_by_label_contains("1 confirmed, 1 without people");
    assert!(counts.next().is_some());
}

/// Fails when a frame is accepted without people because the key before, which was to copy people into
/// it, found nothing to copy.
#[test]
fn nothing_is_accepted_when_there_was_nothing_to_copy() {
    let mut window = Window::open();
    window.press(Key::Home);
    window.until_frame(0);
    window.harness.run_steps(3);
    window.press_at_once(&[Key::C, Key::A]);
    window.until_says("people to copy; the keys pressed right after it are refused too");
    assert!(!window.is_accepted(0));
}

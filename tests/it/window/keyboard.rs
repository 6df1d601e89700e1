//! Routing of keys to shortcuts or to the focused field, however slow frames are.

use eframe::egui::{self, Event, Key, Modifiers, PointerButton};
use egui_kittest::kittest::Queryable;

use super::Window;

fn key(key: Key, modifiers: Modifiers) -> Event {
    key_event(key, modifiers, true)
}

fn key_event(key: Key, modifiers: Modifiers, pressed: bool) -> Event {
    Event::Key {
        key,
        physical_key: None,
        pressed,
        // egui finds out by itself.
        repeat: false,
        modifiers,
    }
}

/// Returns the keyboard events of these lower-case letters and digits: keys with their text.
fn typed(text: &str) -> Vec<Event> {
    let letters = text.chars().flat_map(|c| {
        let name = c.to_uppercase().to_string();
        let key = Key::from_name(&name);
        let event = |pressed| key.map(|k| key_event(k, Modifiers::NONE, pressed));
        let text = Some(Event::Text(c.to_string()));
        [event(true), text, event(false)].into_iter().flatten()
    });
    letters.collect()
}

fn click(at: egui::Pos2) -> Vec<Event> {
    let button = |pressed| Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    vec![Event::PointerMoved(at), button(true), button(false)]
}

impl Window {
    /// Runs a single slow frame that contains all of these events.
    fn slow_frame(&mut self, events: impl IntoIterator<Item = Event>) {
        self.harness.input_mut().events.extend(events);
        self.harness.step();
    }
}

/// Fails when letters typed right after Ctrl+K start a recording, switch overlays or get lost, in
/// one slow frame or in the frames that follow.
#[test]
fn keys_after_ctrl_k_go_into_the_palette() {
    let open = || key(Key::K, Modifiers::COMMAND);
    for frames in 1..4 {
        let mut window = Window::running("clip.mp4");
        let mut events = vec![open()];
        events.extend(typed("r1 over"));
        let size = events.len().div_ceil(frames);
        for part in events.chunks(size) {
            window.slow_frame(part.iter().cloned());
        }
        window.harness.run_steps(4);
        assert_eq!(window.ui_state().search, "r1 over", "in {frames} frames");
        assert!(window.ui_state().recording.is_none());
        assert_eq!(window.overlays(), ["skeleton"]);
    }
    // A whole command in one frame; keys after it are shortcuts again.
    let mut window = Window::running("clip.mp4");
    let mut events = vec![open()];
    events.extend(typed("over heat"));
    events.push(key(Key::Enter, Modifiers::NONE));
    events.extend(typed("1"));
    window.slow_frame(events);
    window.harness.run_steps(6);
    assert_eq!(window.overlays(), ["heatmap"]);
    assert!(window.ui_state().sheet.is_none());
}

/// Fails when digits, letters or spaces typed into a field act as shortcuts, including those in the
/// frame of the click that focuses it, or in the next one.
#[test]
fn text_typed_into_a_field_triggers_no_shortcuts() {
    for slow in [true, false] {
        let mut window = Window::running("clip.mp4");
        let path = window.harness.get_by_label("Path").rect().center();
        let mut events = click(path);
        events.extend(typed("r2 1"));
        if slow {
            window.slow_frame(events);
        } else {
            for event in events {
                window.slow_frame([event]);
            }
        }
        window.harness.run_steps(4);
        assert!(window.harness.state().state().path.ends_with("r2 1"));
        assert_eq!(window.overlays(), ["skeleton"]);
        assert!(window.ui_state().recording.is_none() && window.ui_state().is_playing);
        // Keys that produce no text still work.
        window.slow_frame([key(Key::K, Modifiers::COMMAND)]);
        window.harness.run_steps(3);
        assert!(window.ui_state().sheet.is_some());
    }
    // A number that becomes a field when it is clicked.
    for n_between in 0..3 {
        let mut window = Window::running("clip.mp4");
        let slider = window.harness.get_by_label("Threshold").rect();
        let number = egui::pos2(slider.right() - 12.0, slider.center().y);
        window.slow_frame(click(number));
        window.harness.run_steps(n_between);
        window.slow_frame(typed("0.2"));
        window.slow_frame([key(Key::Enter, Modifiers::NONE)]);
        window.harness.run_steps(4);
        assert_eq!(window.overlays(), ["skeleton"], "{n_between} frames later");
        let threshold = window.harness.state().state().keypoint_threshold;
        assert!((threshold - 0.2).abs() < 1e-6, "{threshold}");
    }
}

/// Fails when the key that presses a focused button also plays or pauses, or an arrow key that
/// moves a focused control also steps through the frames.
#[test]
fn keys_that_operate_a_control_trigger_no_shortcuts() {
    let mut window = Window::running("clip.mp4");
    window.harness.get_by_label("Smoothing").focus();
    window.harness.run_steps(3);
    let is_smoothed = |window: &Window| window.harness.state().state().is_smoothed;
    let before = is_smoothed(&window);
    window.press(Key::Space);
    assert_ne!(is_smoothed(&window), before);
    assert!(window.ui_state().is_playing);
    window.press(Key::ArrowLeft);
    assert!(window.ui_state().is_playing, "stepped");
    window.press(Key::Num2);
    assert_eq!(window.overlays(), ["heatmap", "skeleton"]);
}

/// Fails when shortcuts pressed in one frame run in another order than pressed.
#[test]
fn shortcuts_of_one_frame_run_in_their_order() {
    let mut window = Window::running("clip.mp4");
    window.slow_frame(typed("021"));
    window.harness.run_steps(2);
    assert_eq!(window.overlays(), ["heatmap", "skeleton"]);
    window.slow_frame(typed("210"));
    window.harness.run_steps(2);
    assert!(window.overlays().is_empty());
}

/// Fails when a held key starts, stops, toggles or presses anything more than once, or does not
/// repeat a step.
#[test]
fn a_held_key_repeats_only_steps() {
    // Without a release, all presses but the first are repeats.
    let held = |k| vec![key(k, Modifiers::NONE); 3];
    let mut window = Window::running("clip.mp4");
    for _ in 0..2 {
        window.slow_frame(held(Key::R));
        window.harness.run_steps(2);
        assert!(window.ui_state().recording.is_some());
        assert!(window.ui_state().queue.waiting.is_empty());
    }
    for _ in 0..2 {
        window.slow_frame(held(Key::Num2));
        assert_eq!(window.overlays(), ["heatmap", "skeleton"]);
    }
    window.slow_frame(held(Key::Space));
    assert!(!window.ui_state().is_playing);
    window.slow_frame([key_event(Key::Space, Modifiers::NONE, false)]);
    window.slow_frame(held(Key::CloseBracket));
    assert_eq!(window.ui_state().speed, 4.0, "three steps");

    window.harness.get_by_label("Smoothing").focus();
    window.harness.run_steps(3);
    let is_smoothed = |window: &Window| window.harness.state().state().is_smoothed;
    let before = is_smoothed(&window);
    for _ in 0..3 {
        window.slow_frame([key(Key::Space, Modifiers::NONE)]);
    }
    window.harness.run_steps(2);
    assert_ne!(is_smoothed(&window), before, "pressed once");
    for _ in 0..3 {
        window.slow_frame([key(Key::Space, Modifiers::NONE)]);
    }
    window.harness.run_steps(2);
    assert_ne!(is_smoothed(&window), before, "held on");
}

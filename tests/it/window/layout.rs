//! Layout of the window: nothing overlaps in the smallest one, nothing covers what the user reads,
//! panels keep their scroll position.

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

use super::Window;
use crate::driving::{SMALLEST, disorder};
use crate::window_fakes::gui;

/// Returns a window of `size` that shows `input` with the network `model`.
fn sized(size: egui::Vec2, input: &str, model: &str) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let mut gui = gui(Some(input), &["Desk camera"], folder.path());
    gui.model = Some(model.to_owned());
    Window::of(Harness::builder().with_size(size), gui, folder)
}

/// Fails when, in the smallest window, figures, notes, messages, clock, recording status or names
/// overlap or are cut off.
#[test]
fn nothing_overlaps_in_the_smallest_live_view() {
    let name = "a_name_that_is_much_longer_than_any_header_has_room_for_".repeat(3);
    for (size, input) in SMALLEST.into_iter().flat_map(|size| {
        let inputs = [format!("{name}.mp4"), format!("{name}short.mp4")];
        inputs.map(|input| (size, input))
    }) {
        let mut window = sized(size, &input, "blind");
        let found = |window: &Window, what: &str| {
            let found = disorder(&window.harness);
            assert!(found.is_empty(), "{input} at {size}, {what}: {found:#?}");
        };
        window.until(|s| s.presented.is_some());
        window.until_seen(|window| window.has("No person found"));
        found(&window, "playing");
        window.press(Key::OpenBracket);
        window.press(Key::R);
        window.until(|s| s.recording.is_none() || s.queue.progress.tap.is_some());
        found(&window, "recording");
        window
            .harness
            .key_press_modifiers(Modifiers::SHIFT, Key::Enter);
        window.until_says("Saved ");
        window.press(Key::Comma);
        found(&window, "paused, with a message");
    }
}

/// Fails when the cards of a camera that is silent, or of a window without a source, overlap
/// anything.
#[test]
fn nothing_overlaps_around_the_cards() {
    for size in SMALLEST {
        let mut window = sized(size, "camera:silent", "first");
        window.until_seen(|window| window.has("No frames from camera:silent"));
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "silent at {size}: {found:#?}");
        window.click("Release");
        window.until(|s| s.source.is_none());
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "closed at {size}: {found:#?}");
    }
}

/// Fails when the tooltip of a control stays over a sheet that was opened meanwhile, or appears
/// there.
#[test]
fn nothing_under_a_sheet_reacts_to_the_pointer() {
    let mut window = Window::running("clip.mp4");
    let tooltip = "Saves the frame as PNG (Shift+Enter)";
    let at = window.harness.get_by_label("Snapshot").rect().center();
    window.harness.hover_at(at);
    window.until_seen(|window| window.has(tooltip));
    for (key, modifiers) in [
        (Key::F1, Modifiers::NONE),
        (Key::K, Modifiers::COMMAND),
        (Key::Comma, Modifiers::COMMAND),
    ] {
        window.harness.key_press_modifiers(modifiers, key);
        window.harness.run_steps(1);
        assert!(window.ui_state().sheet.is_some());
        assert!(!window.has(tooltip), "{key:?}: it stays");
        window.harness.run_steps(10);
        assert!(!window.has(tooltip), "{key:?}: it appears");
        window.press(Key::Escape);
        window.until_seen(|window| window.has(tooltip));
    }
}

/// Fails when the tooltip of the time line covers the clock.
#[test]
fn the_tooltip_of_the_time_line_is_above_it() {
    let mut window = Window::running("short.mp4");
    let line = window.harness.get_by_label("Time line").rect();
    window.harness.hover_at(line.center());
    let help = "Drag to seek; , and . step one frame";
    window.until_seen(|window| window.has(help));
    let tooltip = window.harness.get_by_label(help).rect();
    assert!(tooltip.bottom() <= line.top() + 1.0, "{tooltip:?} {line:?}");
}

/// Fails when switching to another view and back loses the scroll position of the side panel.
#[test]
fn every_view_keeps_its_scroll_position() {
    let mut window = sized(egui::vec2(1280.0, 620.0), "clip.mp4", "first");
    window.until(|s| s.presented.as_ref().is_some_and(|p| p.output.is_some()));
    for key in [Key::Num2, Key::Num3] {
        window.press(key);
    }
    let top = |window: &Window| window.harness.get_by_label("Threshold").rect().top();
    let before = top(&window);
    window.harness.hover_at(egui::pos2(1120.0, 200.0));
    window.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, -90.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    window.harness.run_steps(30);
    let scrolled = top(&window);
    assert!(scrolled < before - 20.0, "{scrolled} {before}");
    window.click("Train");
    window.click("Inspect");
    window.click("Live");
    window.harness.run_steps(10);
    assert!((top(&window) - scrolled).abs() < 1.0, "{}", top(&window));
}

//! Full screen: which panels it hides, and the ways out of it.

use eframe::egui::{Event, Key, Modifiers, ViewportCommand, ViewportId, vec2};
use egui_kittest::kittest::Queryable;

use super::Window;
use crate::driving::sends;

const WAY_OUT: &str = "F11 or Esc leaves full screen";

impl Window {
    fn set_full_screen(&mut self, is_on: bool) {
        let root = self.harness.input_mut().viewports.entry(ViewportId::ROOT);
        root.or_default().fullscreen = Some(is_on);
        self.harness.run_steps(2);
    }

    /// Presses a key; returns whether it leaves full screen.
    fn leaves_by(&mut self, key: Key) -> bool {
        let mut leaves = false;
        for pressed in [true, false] {
            self.harness.input_mut().events.push(Event::Key {
                key,
                physical_key: None,
                pressed,
                repeat: false,
                modifiers: Modifiers::NONE,
            });
            self.harness.step();
            leaves |= sends(&self.harness, &ViewportCommand::Fullscreen(false));
        }
        self.harness.run_steps(4);
        leaves
    }
}

/// Fails when full screen hides the panels of a view that is operated by them, or shows those of
/// the live view.
#[test]
fn only_the_live_view_hides_its_panels() {
    let mut window = Window::running("clip.mp4");
    window.set_full_screen(true);
    assert!(!window.has("Menu") && !window.has("Snapshot"));
    window.press(Key::T);
    assert!(window.has("Menu") && window.has("Start training"));
    window.press(Key::I);
    assert!(window.has("Menu"));
    window.click("Live");
    assert!(!window.has("Menu"));
    window.press(Key::L);
    assert!(window.has("Menu"));
}

/// Fails when Escape does not leave full screen, or leaves it while a sheet or menu is open.
#[test]
fn escape_leaves_full_screen_after_sheets_and_menus() {
    let mut window = Window::running("clip.mp4");
    assert!(!window.leaves_by(Key::Escape), "it is not full screen");
    window.set_full_screen(true);
    assert!(window.leaves_by(Key::Escape) && window.leaves_by(Key::F11));
    for (modifiers, key) in [(Modifiers::COMMAND, Key::K), (Modifiers::NONE, Key::F1)] {
        window.harness.key_press_modifiers(modifiers, key);
        window.harness.run_steps(4);
        assert!(window.ui_state().sheet.is_some());
        assert!(!window.leaves_by(Key::Escape), "{key:?}");
        assert!(window.ui_state().sheet.is_none(), "{key:?}");
    }
    window.press(Key::T);
    window.click("Menu");
    assert!(!window.leaves_by(Key::Escape), "a menu");
    assert!(window.leaves_by(Key::Escape));
}

/// Fails when a user who moves the pointer in full screen does not see the way out, or it stays over
/// the image.
#[test]
fn the_way_out_is_shown_while_the_pointer_moves() {
    let mut window = Window::running("clip.mp4");
    let at = window.harness.get_by_label("Image").rect().center();
    window.harness.hover_at(at);
    window.harness.run_steps(4);
    assert!(!window.has(WAY_OUT), "it is not full screen");
    window.set_full_screen(true);
    window.until_seen(|window| !window.has(WAY_OUT));
    window.harness.hover_at(at + vec2(40.0, 0.0));
    window.until_seen(|window| window.has(WAY_OUT));
    window.until_seen(|window| !window.has(WAY_OUT));
}

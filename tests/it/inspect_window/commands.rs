//! Keyboard and command palette in the Inspect view.

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use poselens_app::gui::state::inspect::{Pick, What};

use super::Window;
use crate::driving::{Drive, Views as _};

pub(super) fn palette(window: &mut Window, text: &str) {
    let harness = &mut window.harness;
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    harness.get_by_label("Command").type_text(text);
    harness.run_steps(2);
    window.press(Key::Enter);
    window.harness.run_steps(2);
}

/// Fails when Tab does not cycle through the maps or no longer moves between controls, or a shared
/// shortcut does something else here than its name says.
#[test]
fn shortcuts_act_on_the_inspect_view() {
    let mut window = Window::reader("maps");
    let first = window.drawn(0);
    window.press(Key::Tab);
    let choices = |window: &Window| window.harness.state().state().inspect.clone();
    assert_eq!(choices(&window).maps["maps"], "b.field");
    window.press(Key::Tab);
    assert_eq!(window.drawn(0), first);
    let focused = |window: &Window| window.harness.ctx.memory(egui::Memory::focused);
    assert_eq!(focused(&window), None);
    window.press(Key::F6);
    let control = focused(&window);
    assert!(control.is_some());
    window.press(Key::Tab);
    assert_ne!(focused(&window), control);
    assert_eq!(window.drawn(0), first);
    window.harness.ctx.memory_mut(|m| {
        if let Some(id) = m.focused() {
            m.surrender_focus(id);
        }
    });

    window.press(Key::Num1);
    assert!(!choices(&window).has_skeleton);
    window.press(Key::Num2);
    assert_eq!(choices(&window).what, Some(What::Heatmap));
    window.press(Key::Num3);
    assert_eq!(choices(&window).what, None);
    window.press(Key::Num0);
    assert_eq!(choices(&window).what, Some(What::Picture));
    window
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::S);
    window.until(|app| {
        let status = app.ui_state().status.as_ref();
        status.is_some_and(|s| s.text.starts_with("Saved"))
    });
}

/// Fails when a joint, a map or a second model cannot be selected by name, or a live command
/// without meaning in Inspect is offered.
#[test]
fn the_palette_selects_joints() {
    let mut window = Window::reader("maps");
    palette(&mut window, "attention left wrist");
    let wanted = Some(Pick::Joint {
        name: "l_wrist".to_owned(),
        person: 0,
    });
    assert_eq!(window.inspect().pick, wanted);
    palette(&mut window, "compare with plain");
    window.until(|app| app.inspect().slots[1].found.is_some());
    palette(&mut window, "see: heatmap");
    let state = window.harness.state().state();
    assert_eq!(state.inspect.what, Some(What::Heatmap));
    palette(&mut window, "next frame");
    window.until_frame(1);

    let harness = &mut window.harness;
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    harness.get_by_label("Command").type_text("play or pause");
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Play or pause").is_none());
}

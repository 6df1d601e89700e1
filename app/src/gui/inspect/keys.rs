//! Keys of this view; those of the live picture that make no sense here are left out.

use eframe::egui::{Context, Key, Modifiers};

use super::InspectAction;
use crate::gui::action::{Action, WindowAction};
use crate::gui::panels::View;
use crate::gui::{GuiContext, catalog};

/// Keys that go through the frames, and how far. With Shift first: the plain key would also match.
const STEPS: &[(Modifiers, Key, i64)] = &[
    (Modifiers::SHIFT, Key::ArrowLeft, -10),
    (Modifiers::SHIFT, Key::ArrowRight, 10),
    (Modifiers::NONE, Key::ArrowLeft, -1),
    (Modifiers::NONE, Key::ArrowRight, 1),
    (Modifiers::NONE, Key::Comma, -1),
    (Modifiers::NONE, Key::Period, 1),
    (Modifiers::NONE, Key::Home, i64::MIN),
    (Modifiers::NONE, Key::End, i64::MAX),
];

/// Actions of the keys pressed now, whatever the view; none while a text field has the keyboard.
pub fn pressed(ctx: &Context, gui: &GuiContext, view: View) -> Vec<Action> {
    if ctx.text_edit_focused() {
        return Vec::new();
    }
    let (is_live, is_inspect) = (view == View::Live, view == View::Inspect);
    // Arrows move sliders and lists that have the keyboard.
    let has_focus = ctx.memory(|m| m.focused().is_some());
    let mut actions = Vec::new();
    ctx.input_mut(|input| {
        let other = if is_inspect {
            View::Live
        } else {
            View::Inspect
        };
        if input.consume_key(Modifiers::NONE, Key::I) {
            actions.push(Action::Window(WindowAction::Show(other)));
        }
        if !is_inspect {
            return;
        }
        for &(modifiers, key, n) in STEPS {
            let is_arrow = matches!(key, Key::ArrowLeft | Key::ArrowRight);
            if is_arrow && has_focus {
                continue;
            }
            // A slow frame can hold several presses.
            for _ in 0..input.count_and_consume_key(modifiers, key) {
                actions.push(Action::Inspect(InspectAction::Step(n)));
            }
        }
    });
    let others = catalog::pressed(ctx, gui);
    let makes_sense = |action: &Action| {
        is_live
            || !matches!(
                action,
                Action::Playback(_) | Action::Overlay(_) | Action::Record(_)
            )
    };
    actions.extend(others.into_iter().filter(makes_sense));
    actions
}

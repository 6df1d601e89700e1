//! Keyboard shortcuts.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::GuiContext;
use super::action::{
    Action, OverlayAction, PlaybackAction, RecordAction, SourceAction, WindowAction,
};

const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

/// Every shortcut without a row in a table of its own.
const SHORTCUTS: &[(KeyboardShortcut, Action)] = &[
    (
        KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter),
        Action::Record(RecordAction::Snapshot),
    ),
    (
        KeyboardShortcut::new(Modifiers::COMMAND, Key::O),
        Action::Source(SourceAction::OpenDialog),
    ),
    (key(Key::Space), Action::Playback(PlaybackAction::PlayPause)),
    (key(Key::Home), Action::Playback(PlaybackAction::Restart)),
    (key(Key::R), Action::Record(RecordAction::StartStop)),
    (key(Key::F11), Action::Window(WindowAction::FullScreen)),
    (key(Key::Num0), Action::Overlay(OverlayAction::AllOff)),
];

/// The n-th overlay is toggled by the n-th of these.
const OVERLAY_KEYS: [Key; 4] = [Key::Num1, Key::Num2, Key::Num3, Key::Num4];

/// Actions of the keys pressed now; none while a text field has the keyboard.
pub fn pressed(ctx: &Context, gui: &GuiContext) -> Vec<Action> {
    if ctx.text_edit_focused() {
        return Vec::new();
    }
    let mut actions = Vec::new();
    ctx.input_mut(|input| {
        for (shortcut, action) in SHORTCUTS {
            if input.consume_shortcut(shortcut) {
                actions.push(action.clone());
            }
        }
        for (overlay, overlay_key) in gui.overlays.iter().zip(OVERLAY_KEYS) {
            if input.consume_shortcut(&key(overlay_key)) {
                let toggle = OverlayAction::Toggle(overlay.name.to_owned());
                actions.push(Action::Overlay(toggle));
            }
        }
    });
    actions
}

//! What the keyboard means: shortcuts, or text for the control that has the focus.
//!
//! A slow frame holds several events, and the focus moves once a frame at most. Keys that follow
//! an event which may move it (a click, Tab, Enter, a shortcut that opens a sheet) therefore wait
//! for the next frame, and keys never meet a control that has just got the focus: only after its
//! first frame is it known whether it edits text.

use eframe::egui::{Context, Event, FocusDirection, Id, Key, KeyboardShortcut};

use crate::gui::action::{Action, OverlayAction, Sheet, WindowAction};
use crate::gui::command::Command;
use crate::gui::commands::keyed;
use crate::gui::context::GuiContext;

/// What the keys of a frame go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Nothing has the focus.
    Shortcuts,
    /// A control that is operated by some keys.
    Control,
    /// A field that edits text.
    Field,
    /// A sheet, which has no shortcuts.
    Sheet,
    /// Not known before the next frame.
    Undecided,
}

/// The keyboard's state between frames.
#[derive(Debug, Default)]
pub struct Keyboard {
    /// Events of keys for the next frame, in their order.
    waiting: Vec<Event>,
    /// What had the focus when the last frame began.
    focused: Option<Id>,
    /// The sheet that was open then.
    sheet: Option<Sheet>,
}

impl Keyboard {
    /// Takes the shortcuts out of this frame's events, in the order they were pressed, and holds
    /// back the keys that belong to the next frame.
    pub fn shortcuts(
        &mut self,
        ctx: &Context,
        gui: &GuiContext,
        sheet: Option<Sheet>,
    ) -> Vec<Action> {
        let target = self.target(ctx, sheet);
        let has_keys = |events: &[Event]| events.iter().any(is_keyboard);
        if self.waiting.is_empty() && !ctx.input(|i| has_keys(&i.events)) {
            return Vec::new();
        }
        let table = keyed(gui);
        let mut actions = Vec::new();
        let mut waits = target == Target::Undecided;
        let mut waiting = Vec::new();
        ctx.input_mut(|input| {
            let events = std::mem::take(&mut self.waiting)
                .into_iter()
                .chain(std::mem::take(&mut input.events));
            for event in events {
                if !is_keyboard(&event) {
                    waits |= moves_focus(&event);
                    input.events.push(event);
                } else if is_escape(&event) && sheet == Some(Sheet::Palette) {
                    waits = true;
                    actions.push(Action::Window(WindowAction::CloseSheet));
                } else if waits {
                    waiting.push(event);
                } else if let Some(command) = shortcut(&table, &event, target) {
                    waits = opens_something(&command.action);
                    actions.push(command.action.clone());
                } else {
                    waits = moves_focus(&event);
                    // A field that is clicked in this very frame must not get what came before.
                    if target != Target::Shortcuts || matches!(event, Event::Key { .. }) {
                        input.events.push(event);
                    }
                }
            }
        });
        if !waiting.is_empty() {
            ctx.request_repaint();
        }
        self.waiting = waiting;
        let is_next =
            |action: &Action| matches!(action, Action::Overlay(OverlayAction::NextMap(_)));
        if actions.iter().any(is_next) {
            // egui has seen the Tab key too.
            ctx.memory_mut(|m| m.move_focus(FocusDirection::None));
        }
        actions
    }

    fn target(&mut self, ctx: &Context, sheet: Option<Sheet>) -> Target {
        let before = std::mem::replace(&mut self.sheet, sheet);
        if before.is_some() && sheet != before {
            // What had the focus is gone with its sheet.
            ctx.memory_mut(eframe::egui::Memory::stop_text_input);
        }
        let focused = ctx.memory(eframe::egui::Memory::focused);
        let is_new = focused.is_some() && self.focused != focused;
        self.focused = focused;
        let is_field = ctx.text_edit_focused();
        match sheet {
            _ if is_new => Target::Undecided,
            // Its field takes the focus in its first frames.
            Some(Sheet::Palette) if !is_field => Target::Undecided,
            Some(_) => Target::Sheet,
            None if is_field => Target::Field,
            None if focused.is_some() => Target::Control,
            None => Target::Shortcuts,
        }
    }
}

fn is_escape(event: &Event) -> bool {
    let Event::Key { key, pressed, .. } = event else {
        return false;
    };
    *pressed && *key == Key::Escape
}

fn is_keyboard(event: &Event) -> bool {
    matches!(
        event,
        Event::Key { .. }
            | Event::Text(_)
            | Event::Ime(_)
            | Event::Paste(_)
            | Event::Copy
            | Event::Cut
    )
}

/// Whether something else may have the focus after this event.
fn moves_focus(event: &Event) -> bool {
    match event {
        Event::PointerButton { .. } | Event::AccessKitActionRequest(_) => true,
        Event::Key { key, pressed, .. } => {
            *pressed && matches!(key, Key::Tab | Key::Enter | Key::Escape | Key::Space)
        }
        _ => false,
    }
}

fn opens_something(action: &Action) -> bool {
    matches!(
        action,
        Action::Window(WindowAction::OpenSheet(_) | WindowAction::FocusPanels)
    )
}

/// The command that this event asks for, where its keys are free.
fn shortcut<'a>(table: &'a [Command], event: &Event, target: Target) -> Option<&'a Command> {
    let Event::Key {
        key,
        pressed: true,
        modifiers,
        ..
    } = event
    else {
        return None;
    };
    let is_free = |shortcut: &KeyboardShortcut| match target {
        Target::Shortcuts => true,
        Target::Control => !OPERATING.contains(&shortcut.logical_key),
        Target::Field => shortcut.modifiers.command || is_function_key(shortcut.logical_key),
        Target::Sheet | Target::Undecided => false,
    };
    let is_pressed = |shortcut: &KeyboardShortcut| {
        shortcut.logical_key == *key && modifiers.matches_logically(shortcut.modifiers)
    };
    table.iter().find(|command| {
        let mut shortcuts = command.keys.iter();
        shortcuts.any(|s| is_pressed(s) && is_free(s))
    })
}

/// Keys that type nothing.
fn is_function_key(key: Key) -> bool {
    (Key::F1..=Key::F35).contains(&key)
}

/// Keys that operate a control which has the focus, or move the focus.
const OPERATING: [Key; 9] = [
    Key::ArrowLeft,
    Key::ArrowRight,
    Key::ArrowUp,
    Key::ArrowDown,
    Key::Home,
    Key::End,
    Key::Tab,
    Key::Space,
    Key::Enter,
];

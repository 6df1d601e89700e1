//! Keyboard routing: a key is either a shortcut or input to the focused control.
//!
//! A slow frame collects several events, but the focus moves at most once per frame. Keys after an
//! event that may move the focus (a click, Tab, Enter, a shortcut that opens a sheet) therefore
//! wait for the next frame. Keys are also held back from a control that has just received the
//! focus, because only after its first frame is it known whether it edits text.
//!
//! A held key repeats only actions that move by a step: it must not start, stop or toggle anything
//! more than once.

use eframe::egui::{Context, Event, FocusDirection, Id, Key, KeyboardShortcut, Popup};

use crate::gui::action::label::LabelAction;
use crate::gui::action::{Action, OverlayAction, Sheet, ViewId, WindowAction};
use crate::gui::command::Command;
use crate::gui::commands::keyed;
use crate::gui::context::GuiContext;

/// Recipient of a frame's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// No control has the focus.
    Shortcuts,
    /// A control operated by some keys, e.g. a slider.
    Control,
    /// A text field.
    Field,
    /// A sheet, which has no shortcut but that of closing the window.
    Sheet,
    /// Unknown until the next frame.
    Undecided,
}

/// Keyboard state kept between frames.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    /// Key events held back for the next frame, in order.
    waiting: Vec<Event>,
    /// Focused widget at the start of the last frame.
    focused: Option<Id>,
    /// Sheet that was open at the start of the last frame.
    sheet: Option<Sheet>,
}

impl Keyboard {
    /// Removes the shortcuts from this frame's events and returns them in the order pressed; holds
    /// back the keys that belong to the next frame. `escape` is the action of Escape while neither
    /// a sheet nor a menu is open.
    pub(super) fn shortcuts(
        &mut self,
        ctx: &Context,
        gui: &GuiContext,
        view: ViewId,
        sheet: Option<Sheet>,
        escape: Option<Action>,
    ) -> Vec<Action> {
        let target = self.target(ctx, sheet);
        let escape = escape.filter(|_| sheet.is_none() && !Popup::is_any_open(ctx));
        let has_keys = |events: &[Event]| events.iter().any(is_keyboard);
        if self.waiting.is_empty() && !ctx.input(|i| has_keys(&i.events)) {
            return Vec::new();
        }
        let table = keyed(gui, view);
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
                } else if let Some(action) = escape.as_ref().filter(|_| is_escape(&event)) {
                    if !is_repeat(&event) {
                        actions.push(action.clone());
                    }
                } else if let Some(command) = shortcut(&table, &event, target) {
                    if !is_repeat(&event) || command.action.is_step() {
                        waits = opens_something(&command.action);
                        actions.push(command.action.clone());
                    }
                } else if target != Target::Field && is_repeat(&event) && presses(&event) {
                    // egui would press the focused button again and again.
                } else {
                    waits = moves_focus(&event);
                    // A field that is clicked in this frame must not receive keys pressed before
                    // the click.
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
        let uses_tab = |action: &Action| {
            matches!(
                action,
                Action::Overlay(OverlayAction::NextMap(_))
                    | Action::Label(LabelAction::NextJoint(_))
            )
        };
        if actions.iter().any(uses_tab) {
            // egui has already processed the Tab key.
            ctx.memory_mut(|m| m.move_focus(FocusDirection::None));
        }
        actions
    }

    fn target(&mut self, ctx: &Context, sheet: Option<Sheet>) -> Target {
        let before = std::mem::replace(&mut self.sheet, sheet);
        if before.is_some() && sheet != before {
            // The focused widget disappeared with its sheet.
            ctx.memory_mut(eframe::egui::Memory::stop_text_input);
        }
        let focused = ctx.memory(eframe::egui::Memory::focused);
        let is_new = focused.is_some() && self.focused != focused;
        self.focused = focused;
        let is_field = ctx.text_edit_focused();
        match sheet {
            _ if is_new => Target::Undecided,
            // The palette's field takes the focus in its first frames.
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

/// Returns whether the key is held: the event is a repeated press.
fn is_repeat(event: &Event) -> bool {
    matches!(event, Event::Key { repeat: true, .. })
}

/// Returns whether the event is a key that presses the focused button.
fn presses(event: &Event) -> bool {
    matches!(
        event,
        Event::Key {
            key: Key::Space | Key::Enter,
            pressed: true,
            ..
        }
    )
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

/// Returns whether the focus may move after this event.
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

/// Returns the command for this event, unless the target uses its keys.
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
    let is_free = |action: &Action, shortcut: &KeyboardShortcut| match target {
        Target::Shortcuts => true,
        Target::Control => !OPERATING.contains(&shortcut.logical_key),
        Target::Field => shortcut.modifiers.command || is_function_key(shortcut.logical_key),
        Target::Sheet => *action == Action::Window(WindowAction::Quit),
        Target::Undecided => false,
    };
    let is_pressed = |shortcut: &KeyboardShortcut| {
        shortcut.logical_key == *key && modifiers.matches_logically(shortcut.modifiers)
    };
    table.iter().find(|command| {
        let mut shortcuts = command.keys.iter();
        shortcuts.any(|s| is_pressed(s) && is_free(&command.action, s))
    })
}

/// Returns whether a key produces no text.
fn is_function_key(key: Key) -> bool {
    (Key::F1..=Key::F35).contains(&key)
}

/// Keys that operate the focused control or move the focus.
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

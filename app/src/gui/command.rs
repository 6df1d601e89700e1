//! Commands: named actions available from the keyboard, the command palette and the menu.

use std::path::Path;

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

use crate::gui::action::{Action, SourceAction};
use crate::gui::state::AppState;
use crate::gui::ui_state::UiState;

/// Maximum number of characters shown of a recent file's folder.
const MAX_FOLDER: usize = 40;

/// Shortcuts of the overlays: the n-th toggles the n-th overlay.
pub(super) const OVERLAY_KEYS: [&[KeyboardShortcut]; 9] = [
    &[key(Key::Num1)],
    &[key(Key::Num2)],
    &[key(Key::Num3)],
    &[key(Key::Num4)],
    &[key(Key::Num5)],
    &[key(Key::Num6)],
    &[key(Key::Num7)],
    &[key(Key::Num8)],
    &[key(Key::Num9)],
];

/// A heading under which commands are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Heading text.
    pub name: &'static str,
    /// Sort key of the groups; view-specific groups sort between the shared ones.
    pub rank: u8,
}

impl Group {
    pub const SOURCE: Self = Self::new("Source", 10);
    pub const RECENT: Self = Self::new("Recent files", 20);
    pub const MODEL: Self = Self::new("Model", 30);
    pub const OVERLAYS: Self = Self::new("Overlays", 40);
    pub const PLAYBACK: Self = Self::new("Playback", 60);
    pub const RECORDING: Self = Self::new("Recording", 70);
    pub const WINDOW: Self = Self::new("Window", 90);
    /// Groups shared by all views.
    pub const SHARED: [Self; 7] = [
        Self::SOURCE,
        Self::RECENT,
        Self::MODEL,
        Self::OVERLAYS,
        Self::PLAYBACK,
        Self::RECORDING,
        Self::WINDOW,
    ];

    pub const fn new(name: &'static str, rank: u8) -> Self {
        Self { name, rank }
    }
}

/// A command of a table, with its shortcuts.
pub(super) type FixedCommand = (Group, &'static str, &'static [KeyboardShortcut], Action);

/// Returns a shortcut without modifiers.
pub(super) const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

/// Returns a shortcut with Shift.
pub(super) const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

/// Returns a shortcut with Ctrl, or with the command key on a Mac.
pub(super) const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

/// A named action.
#[derive(Debug, Clone)]
pub struct Command {
    pub group: Group,
    pub title: String,
    /// Shortcuts; menus show the first.
    pub keys: Vec<KeyboardShortcut>,
    pub action: Action,
    /// Reason why the command is disabled; `None` if it is enabled.
    pub hindrance: Option<&'static str>,
}

impl Command {
    /// Creates an enabled command without shortcuts.
    pub fn new(group: Group, title: impl Into<String>, action: Action) -> Self {
        Self {
            group,
            title: title.into(),
            keys: Vec::new(),
            action,
            hindrance: None,
        }
    }
}

/// Formats a path with its file name first, because the name tells files apart; a long folder is
/// cut at its start.
fn shortened(path: &str) -> String {
    let place = Path::new(path);
    let (Some(name), Some(folder)) = (place.file_name(), place.parent()) else {
        return path.to_owned();
    };
    let folder = folder.to_string_lossy();
    let n = folder.chars().count();
    let end: String = folder.chars().skip(n.saturating_sub(MAX_FOLDER)).collect();
    let cut = if n > MAX_FOLDER { "…" } else { "" };
    format!("{}   in {cut}{end}", name.to_string_lossy())
}

/// Returns commands for recently opened files and folders, newest first; missing ones are disabled.
pub(super) fn recent(state: &AppState, ui_state: &UiState) -> Vec<Command> {
    let open = |path: &String| {
        let action = Action::Source(SourceAction::OpenRecent(path.clone()));
        let is_missing = ui_state.missing.contains(path);
        Command {
            hindrance: is_missing.then_some("The file no longer exists"),
            ..Command::new(Group::RECENT, shortened(path), action)
        }
    };
    let mut all: Vec<_> = state.recent.iter().map(open).collect();
    if !all.is_empty() {
        let action = Action::Source(SourceAction::ForgetRecent);
        all.push(Command::new(Group::RECENT, "Clear recent files", action));
    }
    all
}

/// Formats a shortcut with the key names printed on keyboards.
pub(super) fn key_text(ctx: &Context, shortcut: KeyboardShortcut) -> String {
    let text = ctx.format_shortcut(&shortcut);
    let key = shortcut.logical_key;
    let printed = match key {
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::Comma => ",",
        Key::Period => ".",
        Key::Questionmark => "?",
        Key::Plus => "+",
        Key::Equals => "=",
        Key::Minus => "-",
        _ => return text,
    };
    // egui spells out the names of these keys on most systems.
    let without = |name| text.strip_suffix(name);
    match without(key.name()).or_else(|| without(key.symbol_or_name())) {
        Some(modifiers) => format!("{modifiers}{printed}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a shortcut is shown without Ctrl, or a symbol key is spelled out.
    #[test]
    fn shortcuts_use_the_key_names_printed_on_keyboards() {
        let ctx = Context::default();
        ctx.set_os(eframe::egui::os::OperatingSystem::Nix);
        for (modifiers, key, text) in [
            (Modifiers::COMMAND, Key::Comma, "Ctrl+,"),
            (Modifiers::COMMAND, Key::Plus, "Ctrl++"),
            (Modifiers::NONE, Key::Period, "."),
            (Modifiers::SHIFT, Key::Enter, "Shift+Enter"),
        ] {
            assert_eq!(key_text(&ctx, KeyboardShortcut::new(modifiers, key)), text);
        }
    }
}

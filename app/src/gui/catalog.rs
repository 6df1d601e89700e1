//! Every command by its name and keys: one table feeds the keyboard, the palette, the help and
//! the menu.

mod fit;
mod fixed;
mod synonyms;

use std::path::Path;

use eframe::egui::{Context, Key, KeyboardShortcut};

use super::action::{Action, ModelAction, OverlayAction, RecordAction, SourceAction};
use super::panels::{PanelContext, View, sample_clip};
use super::recordings::folder_name;
use super::train::trained;
use super::{AppState, GuiContext, SourceChoice, inspect};

use fixed::{FIXED, OVERLAY_KEYS};
pub use synonyms::fit_command;

/// Characters of a recent file's folder that are shown.
const MAX_FOLDER: usize = 40;

/// What commands are listed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Source,
    Recent,
    Model,
    Overlays,
    Inspect,
    Playback,
    Recording,
    Training,
    Window,
}

impl Group {
    pub const ALL: [Self; 9] = [
        Self::Source,
        Self::Recent,
        Self::Model,
        Self::Overlays,
        Self::Inspect,
        Self::Playback,
        Self::Recording,
        Self::Training,
        Self::Window,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::Recent => "Recent files",
            Self::Model => "Model",
            Self::Overlays => "Overlays",
            Self::Inspect => "Look inside",
            Self::Playback => "Playback",
            Self::Recording => "Recording",
            Self::Training => "Training",
            Self::Window => "Window",
        }
    }
}

/// Something the user can ask for by name.
#[derive(Debug, Clone)]
pub struct Command {
    pub group: Group,
    pub title: String,
    /// The first is shown in menus.
    pub keys: &'static [KeyboardShortcut],
    pub action: Action,
    /// Why it cannot be done now, if so.
    pub hindrance: Option<&'static str>,
}

impl Command {
    /// One without keys that can be done now.
    pub fn new(group: Group, title: impl Into<String>, action: Action) -> Self {
        Self {
            group,
            title: title.into(),
            keys: &[],
            action,
            hindrance: None,
        }
    }
}

/// Commands with keys; those with Shift stand before the same without.
pub fn keyed(gui: &GuiContext) -> Vec<Command> {
    let fixed = FIXED.iter().map(|(group, title, keys, action)| Command {
        keys,
        ..Command::new(*group, *title, action.clone())
    });
    let overlays = gui.overlays.iter().enumerate().map(|(i, overlay)| {
        let title = format!("Overlay {}", overlay.name);
        let action = OverlayAction::Toggle(overlay.name.to_owned());
        Command {
            keys: OVERLAY_KEYS.get(i).copied().unwrap_or_default(),
            ..Command::new(Group::Overlays, title, Action::Overlay(action))
        }
    });
    fixed.chain(overlays).collect()
}

/// A choice that is on or off and has no key.
struct Switch {
    group: Group,
    title: &'static str,
    /// Changes it.
    turn: fn(&AppState) -> Action,
}

/// Every such choice.
const SWITCHES: [Switch; 5] = [
    Switch {
        group: Group::Source,
        title: "Mirror the camera's picture, or not",
        turn: |state| Action::Source(SourceAction::Mirror(!state.is_mirrored)),
    },
    Switch {
        group: Group::Playback,
        title: "Loop files, or stop at their end",
        turn: |state| Action::Source(SourceAction::Loop(!state.is_looping)),
    },
    Switch {
        group: Group::Model,
        title: "Smooth joints over time, or not",
        turn: |state| Action::Model(ModelAction::Smooth(!state.is_smoothed)),
    },
    Switch {
        group: Group::Overlays,
        title: "Smooth maps, or squares",
        turn: |state| Action::Overlay(OverlayAction::SmoothMaps(!state.is_map_smooth)),
    },
    Switch {
        group: Group::Overlays,
        title: "Fixed range of maps, or that of each frame",
        turn: |state| Action::Overlay(OverlayAction::FixedRange(!state.is_range_fixed)),
    },
];

/// What a command means in a view; `None` where it means nothing.
pub fn meant(action: Action, view: View, state: &AppState) -> Option<Action> {
    match view {
        View::Live => Some(action),
        View::Inspect => inspect::meaning(action, &state.inspect),
        View::Train => match action {
            Action::Playback(_)
            | Action::Overlay(_)
            | Action::Record(RecordAction::StartStop | RecordAction::Snapshot) => None,
            other => Some(other),
        },
    }
}

/// Every command there is now in this view.
pub fn commands(cx: &PanelContext<'_>) -> Vec<Command> {
    let mut all = keyed(cx.gui);
    let synthetic = SourceChoice {
        label: "Synthetic figure".to_owned(),
        spec: cx.gui.synthetic.clone(),
    };
    let cameras = cx.session.cameras.iter().flatten().cloned();
    let sources = cameras.chain(sample_clip(cx.gui)).chain([synthetic]);
    all.extend(sources.map(|choice| {
        let title = format!("Show {}", choice.label);
        let action = Action::Source(SourceAction::Open(choice));
        Command::new(Group::Source, title, action)
    }));
    all.extend(SWITCHES.iter().map(|switch| {
        let action = (switch.turn)(cx.state);
        Command::new(switch.group, switch.title, action)
    }));
    all.extend(recent(cx));
    all.extend(cx.gui.models.iter().map(|model| {
        let title = format!("Network {}", trained::title(&model.name));
        let action = Action::Model(ModelAction::Choose(model.name.clone()));
        Command::new(Group::Model, title, action)
    }));
    all.extend(cx.gui.devices.iter().enumerate().map(|(i, device)| {
        let title = format!("Compute on {}", device.name);
        Command::new(Group::Model, title, Action::Model(ModelAction::Device(i)))
    }));
    let recordings = cx.session.recordings.iter().flatten();
    all.extend(recordings.map(|entry| {
        let title = format!("Open recording {}", folder_name(&entry.folder));
        let action = Action::Record(RecordAction::Open(entry.folder.clone()));
        Command::new(Group::Recording, title, action)
    }));
    if cx.view == View::Inspect {
        all.extend(inspect::commands(cx));
    }
    let meant = |command: Command| {
        let action = meant(command.action.clone(), cx.view, cx.state)?;
        Some(Command { action, ..command })
    };
    all.into_iter().filter_map(meant).collect()
}

/// A path with its name first, as that tells files apart; of a long folder the end.
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

/// Files and folders opened before, the newest first; those that are gone cannot be opened.
pub fn recent(cx: &PanelContext<'_>) -> Vec<Command> {
    let open = |path: &String| {
        let action = Action::Source(SourceAction::OpenRecent(path.clone()));
        let is_missing = cx.session.missing.contains(path);
        Command {
            hindrance: is_missing.then_some("It is not there any more"),
            ..Command::new(Group::Recent, shortened(path), action)
        }
    };
    let mut all: Vec<_> = cx.state.recent.iter().map(open).collect();
    if !all.is_empty() {
        let action = Action::Source(SourceAction::ForgetRecent);
        all.push(Command::new(Group::Recent, "Forget these files", action));
    }
    all
}

/// A shortcut as it is printed on the keyboard.
pub fn key_text(ctx: &Context, shortcut: KeyboardShortcut) -> String {
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
    // egui writes these keys' names on most systems.
    let without = |name| text.strip_suffix(name);
    match without(key.name()).or_else(|| without(key.symbol_or_name())) {
        Some(modifiers) => format!("{modifiers}{printed}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::Modifiers;

    use super::*;

    /// Fails when a list of keys leaves out Ctrl, or spells a sign.
    #[test]
    fn keys_are_written_as_printed_on_them() {
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

    /// Fails when two commands fight for a key, or one with Shift is never reached.
    #[test]
    fn every_key_has_one_command() {
        let all = FIXED.iter().flat_map(|(_, _, keys, _)| keys.iter());
        let mut seen: Vec<KeyboardShortcut> = Vec::new();
        for shortcut in all.chain(OVERLAY_KEYS.into_iter().flatten()) {
            let hidden = seen.iter().any(|earlier| {
                earlier.logical_key == shortcut.logical_key
                    && shortcut.modifiers.matches_logically(earlier.modifiers)
            });
            assert!(!hidden, "{shortcut:?} is taken by an earlier command");
            seen.push(*shortcut);
        }
    }
}

//! Every command by its name and keys: one table feeds the keyboard, the palette, the help and
//! the menu.

use std::path::Path;

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::action::{
    Action, ModelAction, OverlayAction, PlaybackAction, RecordAction, SourceAction, WindowAction,
};
use super::panels::{PanelContext, sample_clip};
use super::session::Sheet;
use super::{GuiContext, SourceChoice};

/// Characters of a recent file's folder that are shown.
const MAX_FOLDER: usize = 40;

/// What commands are listed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Source,
    Recent,
    Model,
    Overlays,
    Playback,
    Recording,
    Window,
}

impl Group {
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Recent,
        Self::Model,
        Self::Overlays,
        Self::Playback,
        Self::Recording,
        Self::Window,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::Recent => "Recent files",
            Self::Model => "Model",
            Self::Overlays => "Overlays",
            Self::Playback => "Playback",
            Self::Recording => "Recording",
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

const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

/// Commands that are always there. Keys with Shift stand before the same without: egui lets the
/// latter match both.
const FIXED: &[(Group, &str, &[KeyboardShortcut], Action)] = &[
    (
        Group::Source,
        "Open a file…",
        &[command(Key::O)],
        Action::Source(SourceAction::OpenDialog),
    ),
    (
        Group::Source,
        "Look for cameras",
        &[],
        Action::Source(SourceAction::ListCameras),
    ),
    (
        Group::Source,
        "Close the source",
        &[],
        Action::Source(SourceAction::Close),
    ),
    (
        Group::Overlays,
        "All overlays off",
        &[key(Key::Num0)],
        Action::Overlay(OverlayAction::AllOff),
    ),
    (
        Group::Overlays,
        "Show all joints",
        &[],
        Action::Overlay(OverlayAction::ShowAllJoints),
    ),
    (
        Group::Playback,
        "Play or pause",
        &[key(Key::Space)],
        Action::Playback(PlaybackAction::PlayPause),
    ),
    (
        Group::Playback,
        "Ten frames back",
        &[shift(Key::ArrowLeft)],
        Action::Playback(PlaybackAction::Step(-10)),
    ),
    (
        Group::Playback,
        "Ten frames on",
        &[shift(Key::ArrowRight)],
        Action::Playback(PlaybackAction::Step(10)),
    ),
    (
        Group::Playback,
        "One frame back",
        &[key(Key::ArrowLeft), key(Key::Comma)],
        Action::Playback(PlaybackAction::Step(-1)),
    ),
    (
        Group::Playback,
        "One frame on",
        &[key(Key::ArrowRight), key(Key::Period)],
        Action::Playback(PlaybackAction::Step(1)),
    ),
    (
        Group::Playback,
        "To the beginning, or the oldest picture held",
        &[key(Key::Home)],
        Action::Playback(PlaybackAction::First),
    ),
    (
        Group::Playback,
        "To the end, or follow the live picture",
        &[key(Key::End)],
        Action::Playback(PlaybackAction::Last),
    ),
    (
        Group::Playback,
        "Slower",
        &[key(Key::OpenBracket)],
        Action::Playback(PlaybackAction::Faster(false)),
    ),
    (
        Group::Playback,
        "Faster",
        &[key(Key::CloseBracket)],
        Action::Playback(PlaybackAction::Faster(true)),
    ),
    (
        Group::Recording,
        "Start or stop recording",
        &[key(Key::R)],
        Action::Record(RecordAction::StartStop),
    ),
    (
        Group::Recording,
        "Save a snapshot",
        &[shift(Key::Enter)],
        Action::Record(RecordAction::Snapshot),
    ),
    (
        Group::Recording,
        "Look for recordings",
        &[],
        Action::Record(RecordAction::List),
    ),
    (
        Group::Window,
        "Full screen",
        &[key(Key::F11)],
        Action::Window(WindowAction::FullScreen),
    ),
    (
        Group::Window,
        "Everything larger",
        &[command(Key::Plus), command(Key::Equals)],
        Action::Window(WindowAction::Larger(true)),
    ),
    (
        Group::Window,
        "Everything smaller",
        &[command(Key::Minus)],
        Action::Window(WindowAction::Larger(false)),
    ),
    (
        Group::Window,
        "Usual size",
        &[command(Key::Num0)],
        Action::Window(WindowAction::Scale(1.0)),
    ),
    (
        Group::Window,
        "Commands…",
        &[command(Key::K)],
        Action::Window(WindowAction::OpenSheet(Sheet::Palette)),
    ),
    (
        Group::Window,
        "Keys",
        &[key(Key::F1), key(Key::Questionmark)],
        Action::Window(WindowAction::OpenSheet(Sheet::Keys)),
    ),
    (
        Group::Window,
        "Settings",
        &[command(Key::Comma)],
        Action::Window(WindowAction::OpenSheet(Sheet::Settings)),
    ),
    (
        Group::Window,
        "Log",
        &[command(Key::L)],
        Action::Window(WindowAction::OpenSheet(Sheet::Log)),
    ),
    (
        Group::Window,
        "About PoseLens",
        &[],
        Action::Window(WindowAction::OpenSheet(Sheet::About)),
    ),
    (
        Group::Window,
        "First steps",
        &[],
        Action::Window(WindowAction::OpenSheet(Sheet::Welcome)),
    ),
];

/// The n-th overlay is toggled by the n-th of these.
const OVERLAY_KEYS: [&[KeyboardShortcut]; 5] = [
    &[key(Key::Num1)],
    &[key(Key::Num2)],
    &[key(Key::Num3)],
    &[key(Key::Num4)],
    &[key(Key::Num5)],
];

/// Commands with keys.
fn keyed(gui: &GuiContext) -> Vec<Command> {
    let fixed = FIXED.iter().map(|(group, title, keys, action)| Command {
        group: *group,
        title: (*title).to_owned(),
        keys,
        action: action.clone(),
        hindrance: None,
    });
    let overlays = gui.overlays.iter().enumerate().map(|(i, overlay)| Command {
        group: Group::Overlays,
        title: format!("Overlay {}", overlay.name),
        keys: OVERLAY_KEYS.get(i).copied().unwrap_or_default(),
        action: Action::Overlay(OverlayAction::Toggle(overlay.name.to_owned())),
        hindrance: None,
    });
    fixed.chain(overlays).collect()
}

/// Every command there is now.
pub fn commands(cx: &PanelContext<'_>) -> Vec<Command> {
    let mut all = keyed(cx.gui);
    let synthetic = SourceChoice {
        label: "Synthetic figure".to_owned(),
        spec: cx.gui.synthetic.clone(),
    };
    let cameras = cx.session.cameras.iter().flatten().cloned();
    let sources = cameras.chain(sample_clip(cx.gui)).chain([synthetic]);
    all.extend(sources.map(|choice| Command {
        group: Group::Source,
        title: format!("Show {}", choice.label),
        keys: &[],
        action: Action::Source(SourceAction::Open(choice)),
        hindrance: None,
    }));
    all.extend(recent(cx));
    all.extend(cx.gui.models.iter().map(|model| Command {
        group: Group::Model,
        title: format!("Network {}", model.name),
        keys: &[],
        action: Action::Model(ModelAction::Choose(model.name.clone())),
        hindrance: None,
    }));
    all
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
    let open = |path: &String| Command {
        group: Group::Recent,
        title: shortened(path),
        keys: &[],
        action: Action::Source(SourceAction::OpenRecent(path.clone())),
        hindrance: cx
            .session
            .missing
            .contains(path)
            .then_some("It is not there any more"),
    };
    let mut all: Vec<_> = cx.state.recent.iter().map(open).collect();
    if !all.is_empty() {
        all.push(Command {
            group: Group::Recent,
            title: "Forget these files".to_owned(),
            keys: &[],
            action: Action::Source(SourceAction::ForgetRecent),
            hindrance: None,
        });
    }
    all
}

/// A shortcut as it is printed on the keyboard.
pub fn key_text(ctx: &Context, shortcut: KeyboardShortcut) -> String {
    match shortcut.logical_key {
        Key::OpenBracket => "[".to_owned(),
        Key::CloseBracket => "]".to_owned(),
        Key::Comma => ",".to_owned(),
        Key::Period => ".".to_owned(),
        Key::Questionmark => "?".to_owned(),
        _ => ctx.format_shortcut(&shortcut),
    }
}

/// Actions of the keys pressed now; none while a text field has the keyboard. Sliders and lists
/// keep the keys that move them.
pub fn pressed(ctx: &Context, gui: &GuiContext) -> Vec<Action> {
    if ctx.text_edit_focused() {
        return Vec::new();
    }
    let has_focus = ctx.memory(|m| m.focused().is_some());
    let mut actions = Vec::new();
    ctx.input_mut(|input| {
        for command in keyed(gui) {
            for shortcut in command.keys {
                let key = shortcut.logical_key;
                let is_taken = has_focus
                    && matches!(key, Key::ArrowLeft | Key::ArrowRight | Key::Home | Key::End);
                if !is_taken && input.consume_shortcut(shortcut) {
                    actions.push(command.action.clone());
                }
            }
        }
    });
    actions
}

/// How well `query` fits `title`, higher is better; `None` when its letters are not all in there
/// in this order. Letters at the begin of words and runs count more.
pub fn fit(title: &str, query: &str) -> Option<i32> {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (title, query) = (lower(title), lower(query));
    let query: Vec<char> = query.into_iter().filter(|c| !c.is_whitespace()).collect();
    let Some(&first) = query.first() else {
        return Some(0);
    };
    // The first letter may stand at several places: the best one counts.
    let starts = (0..title.len()).filter(|&i| title[i] == first);
    starts
        .filter_map(|start| fit_from(&title, &query, start))
        .max()
}

/// [`fit`] with the first letter at `start`, each further one at its next place.
fn fit_from(title: &[char], query: &[char], start: usize) -> Option<i32> {
    let (mut score, mut at, mut last) = (0, start, None);
    for &letter in query {
        let found = at + title[at..].iter().position(|&c| c == letter)?;
        let is_begin = found == 0 || !title[found - 1].is_alphanumeric();
        let is_run = last.is_some_and(|last| last + 1 == found);
        score += 1 + 8 * i32::from(is_begin) + 4 * i32::from(is_run) - (found - at).min(8) as i32;
        // The command's own beginning is what people type.
        score += 8 * i32::from(found == 0);
        (last, at) = (Some(found), found + 1);
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Fails when typing a few letters of a command does not find it, or finds another one first.
    #[test]
    fn the_beginnings_of_words_find_a_command() {
        assert_eq!(fit("Save a snapshot", "xyz"), None);
        assert_eq!(fit("Keys", "syek"), None);
        assert!(fit("Save a snapshot", "snap") > fit("Show all joints", "sa"));
        for (query, wanted) in [
            ("snap", "Save a snapshot"),
            ("full", "Full screen"),
            ("opfi", "Open a file…"),
        ] {
            let best = FIXED
                .iter()
                .max_by_key(|(_, title, ..)| fit(title, query))
                .unwrap();
            assert_eq!(best.1, wanted, "{query}");
        }
    }
}

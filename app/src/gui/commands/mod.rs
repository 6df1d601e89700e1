//! The list of all commands: one table feeds the keyboard, the palette, the shortcut sheet and the
//! menu.

mod fit;
mod fixed;
mod switches;
mod synonyms;

use eframe::egui::KeyboardShortcut;
use poselens_engine::estimator::People;
use poselens_engine::output::Approach;
use poselens_engine::track::Follow;

use crate::gui::action::people::PeopleAction;
use crate::gui::action::stream::StreamAction;
use crate::gui::action::{
    Action, ModelAction, OverlayAction, RecordAction, RecordAsk, SourceAction, ViewId,
};
use crate::gui::command::{Command, FixedCommand, Group, OVERLAY_KEYS, recent};
use crate::gui::context::{GuiContext, SourceChoice, extra_exporters, sample_clip};
use crate::gui::titles::{folder_name, format_text};
use crate::gui::trained;
use crate::gui::ui_state::UiState;
use crate::gui::view::PanelContext;
use crate::gui::views::VIEWS;

use fixed::fixed;
use switches::SWITCHES;
pub(super) use synonyms::fit_command;

/// Title of the disabled command that says where recordings are deleted.
const NO_DELETE: &str = "Delete a recording: under More, next to it in the list of Live";

/// Returns the groups in order.
pub(super) fn groups() -> Vec<Group> {
    let of_views = VIEWS.iter().filter_map(|view| view.group);
    let mut all: Vec<_> = Group::SHARED.into_iter().chain(of_views).collect();
    all.sort_by_key(|group| group.rank);
    all
}

/// Returns the commands with shortcuts while `view` is shown. Those of the view come first and
/// replace shared shortcuts; those with Shift precede the same ones without.
pub(super) fn keyed(gui: &GuiContext, view: ViewId) -> Vec<Command> {
    let own = VIEWS.iter().find(|spec| spec.id == view);
    let own = own.map_or(&[][..], |spec| spec.own_commands);
    let mut all: Vec<Command> = own.iter().map(made).collect();
    let replaced: Vec<_> = own.iter().flat_map(|(_, _, keys, _)| *keys).collect();
    let is_free = |shortcut: &KeyboardShortcut| !replaced.iter().any(|o| hides(**o, *shortcut));
    all.extend(shared(gui).map(|mut command| {
        command.keys.retain(is_free);
        command
    }));
    all
}

/// Returns whether keys pressed for `shortcut` run the command of an earlier one.
fn hides(earlier: KeyboardShortcut, shortcut: KeyboardShortcut) -> bool {
    earlier.logical_key == shortcut.logical_key
        && shortcut.modifiers.matches_logically(earlier.modifiers)
}

fn made((group, title, keys, action): &FixedCommand) -> Command {
    Command {
        keys: keys.to_vec(),
        ..Command::new(*group, *title, action.clone())
    }
}

/// Returns the commands with shortcuts that every view shares.
fn shared(gui: &GuiContext) -> impl Iterator<Item = Command> {
    let fixed = fixed().into_iter().map(made);
    let overlays = gui.overlays.iter().enumerate().map(|(i, overlay)| {
        let title = format!("Overlay {}", overlay.title);
        let action = OverlayAction::Toggle(overlay.name.to_owned());
        Command {
            keys: OVERLAY_KEYS.get(i).copied().unwrap_or_default().to_vec(),
            ..Command::new(Group::OVERLAYS, title, Action::Overlay(action))
        }
    });
    fixed.chain(overlays)
}

/// Returns all commands currently available in the active view.
pub(super) fn commands(cx: &PanelContext<'_>) -> Vec<Command> {
    let mut all = keyed(cx.gui, cx.ui_state.view);
    let synthetic = SourceChoice {
        label: "Synthetic figure".to_owned(),
        spec: cx.gui.synthetic.clone(),
    };
    let cameras = cx.ui_state.cameras.iter().flatten().cloned();
    let sources = cameras.chain(sample_clip(cx.gui)).chain([synthetic]);
    all.extend(sources.map(|choice| {
        let title = format!("Show {}", choice.label);
        let action = Action::Source(SourceAction::Open(choice));
        Command::new(Group::SOURCE, title, action)
    }));
    let formats = cx.ui_state.formats.offered.iter();
    all.extend(formats.filter(|_| cx.ui_state.is_live()).map(|format| {
        let title = format!("Camera format {}", format_text(format));
        let action = Action::Source(SourceAction::Format(Some(*format)));
        Command::new(Group::SOURCE, title, action)
    }));
    all.extend(SWITCHES.iter().map(|switch| {
        let action = (switch.turn)(cx.state);
        Command::new(switch.group, switch.title, action)
    }));
    all.extend(recent(cx.state, cx.ui_state));
    all.extend(cx.gui.models.iter().map(|model| {
        let finds = match model.approach() {
            Some(Approach::BottomUp) => ", which finds several people",
            _ => "",
        };
        let title = format!("Network {}{finds}", trained::title(&model.name));
        let action = Action::Model(ModelAction::Choose(model.name.clone()));
        Command::new(Group::MODEL, title, action)
    }));
    all.extend(of_people(cx.ui_state));
    all.extend(cx.gui.devices.iter().enumerate().map(|(i, device)| {
        let title = format!("Compute on {}", device.name);
        Command::new(Group::MODEL, title, Action::Model(ModelAction::Device(i)))
    }));
    all.extend(of_recordings(cx));
    all.extend(cx.view.commands(cx));
    let meant = |command: Command| {
        let action = cx.view.meaning(command.action.clone(), cx.state)?;
        Some(Command { action, ..command })
    };
    all.into_iter().filter_map(meant).collect()
}

/// Returns the commands about how many people are estimated and which of them are shown.
fn of_people(ui_state: &UiState) -> Vec<Command> {
    let command = |title: &str, action| Command::new(Group::MODEL, title, Action::People(action));
    let mut all = vec![
        command("People: several", PeopleAction::Estimate(People::SEVERAL)),
        command("People: one", PeopleAction::Estimate(People::One)),
    ];
    for (title, follow) in [
        ("Follow everyone", None),
        ("Follow the largest person", Some(Follow::Largest)),
        (
            "Follow the person nearest to the centre",
            Some(Follow::Nearest),
        ),
    ] {
        all.push(command(title, PeopleAction::Follow(follow)));
    }
    let is_any_hidden = !ui_state.selection.hidden.is_empty();
    all.push(Command {
        hindrance: (!is_any_hidden)
            .then_some("No person is hidden; right-click a person to hide them"),
        ..command("Show hidden people", PeopleAction::ShowHidden)
    });
    all
}

/// Returns the commands about finished recordings and what new ones contain.
fn of_recordings(cx: &PanelContext<'_>) -> Vec<Command> {
    let command =
        |title: String, action| Command::new(Group::RECORDING, title, Action::Record(action));
    let recordings = cx.ui_state.recordings.iter().flatten();
    let opened = recordings.map(|entry| {
        let title = format!("Open recording {}", folder_name(&entry.folder));
        command(title, RecordAction::Open(entry.folder.clone(), 1))
    });
    let mut all: Vec<_> = opened.collect();
    let folder = cx.recordings_folder().to_owned();
    for (title, action) in [
        (
            "Open the folder of recordings",
            RecordAction::ShowFolder(folder),
        ),
        (
            "Change the folder of recordings…",
            RecordAction::Ask(RecordAsk::Destination),
        ),
    ] {
        all.push(command(title.to_owned(), action));
    }
    all.push(Command {
        hindrance: Some("One at a time, in the list of recordings of Live: More, Delete"),
        ..command(NO_DELETE.to_owned(), RecordAction::List)
    });
    all.extend(annotate_newest(cx));
    all.extend(extra_exporters().map(|spec| {
        let is_on = cx.state.exports.contains(spec.name);
        let turn = if is_on { "off" } else { "on" };
        let title = format!("Export {} with recordings: turn {turn}", spec.title);
        command(title, RecordAction::Export(spec.name.to_owned(), !is_on))
    }));
    let is_on = cx.ui_state.sending.is_on;
    let title = format!("Send joints: turn {}", if is_on { "off" } else { "on" });
    let action = Action::Stream(StreamAction::Send(!is_on));
    all.push(Command::new(Group::RECORDING, title, action));
    all
}

/// Returns the command that annotates the newest finished recording again with the running model.
fn annotate_newest(cx: &PanelContext<'_>) -> Option<Command> {
    let model = cx.ui_state.model.clone()?;
    let mut recordings = cx.ui_state.recordings.iter().flatten();
    let newest = recordings.find(|entry| entry.manifest.is_finished)?;
    let title = trained::title(&model);
    let title = format!("Annotate the newest recording again with {title}");
    let action = RecordAction::Annotate(newest.folder.clone(), model);
    let is_busy = cx.ui_state.annotating.is_some();
    Some(Command {
        hindrance: is_busy.then_some("Not now: an annotation is running"),
        ..Command::new(Group::RECORDING, title, Action::Record(action))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when two commands share a shortcut, or one with Shift is shadowed by that without.
    #[test]
    fn every_key_has_one_command() {
        let check = |all: &mut dyn Iterator<Item = &KeyboardShortcut>| {
            let mut seen: Vec<&KeyboardShortcut> = Vec::new();
            for shortcut in all {
                let is_hidden = seen.iter().any(|earlier| hides(**earlier, *shortcut));
                assert!(!is_hidden, "{shortcut:?} is taken by an earlier command");
                seen.push(shortcut);
            }
        };
        let all = fixed().into_iter().flat_map(|(_, _, keys, _)| keys.iter());
        check(&mut all.chain(OVERLAY_KEYS.into_iter().flatten()));
        for view in VIEWS {
            check(&mut view.own_commands.iter().flat_map(|(_, _, keys, _)| *keys));
        }
    }
}

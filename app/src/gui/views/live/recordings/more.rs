//! The menu of further actions on a recording.

use eframe::egui::{Button, Id, RichText, TextEdit, Ui};
use poselens_engine::pipeline::session::{PartRecord, SessionEntry, raw_part};

use crate::gui::action::label::LabelAction;
use crate::gui::action::{Action, RecordAction};
use crate::gui::titles::folder_name;
use crate::gui::ui_state::Annotating;
use crate::gui::views::live::recordings::send::send;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, trained, widgets};
use crate::words::counted;

/// Why a recording that is running cannot be changed.
const WRITTEN: &str = "Not now: this recording is still being written";

/// Shows the menu of a recording.
pub(super) fn more_ui(
    ui: &mut Ui,
    entry: &SessionEntry,
    name: &str,
    is_running: bool,
    cx: &mut LiveContext<'_>,
) {
    let menu = widgets::menu_ui(ui, "More", |ui| {
        if ui
            .button("Play in Live")
            .on_hover_text("Plays the raw video in Live; several parts one after the other")
            .clicked()
        {
            send(cx, RecordAction::Play(entry.folder.clone(), 1));
            ui.close();
        }
        let label = Button::new("Label this clip");
        if ui
            .add_enabled(!is_running, label)
            .on_hover_text("Adds the raw video to the open label project, or creates one")
            .on_disabled_hover_text(WRITTEN)
            .clicked()
        {
            let others = (2..=entry.manifest.parts.len()).map(|part| raw_part(&entry.folder, part));
            let paths = std::iter::once(entry.folder.clone()).chain(others);
            let action = LabelAction::OpenPaths(paths.collect());
            cx.actions.push(Action::Label(action));
            ui.close();
        }
        parts_ui(ui, entry, is_running, cx);
        folder_ui(ui, entry, name, is_running, cx);
        ui.separator();
        annotate_ui(ui, entry, is_running, cx);
        ui.separator();
        delete_ui(ui, entry, is_running, cx);
    });
    menu.on_hover_text("Play, show, rename or delete it, or annotate it with another model")
        .accessible_name(format!("More about {name}"));
}

/// Shows what can be done with each part, if there are several.
fn parts_ui(ui: &mut Ui, entry: &SessionEntry, is_running: bool, cx: &mut LiveContext<'_>) {
    let (folder, parts) = (&entry.folder, &entry.manifest.parts);
    if parts.len() < 2 {
        return;
    }
    for (part, number) in parts.iter().zip(1..) {
        let PartRecord { width, height, .. } = part;
        let frames = counted(part.frames, "frame");
        let text = format!("Part {number}: {width} × {height}, {frames}");
        let label = LabelAction::OpenPaths(vec![raw_part(folder, number)]);
        let play = RecordAction::Play(folder.clone(), number);
        let inspect = RecordAction::Open(folder.clone(), number);
        let can = part.frames > 0;
        ui.horizontal(|ui| {
            ui.label(RichText::new(text).small().color(theme::WEAK));
            for (text, help, can, action) in [
                (
                    "Play",
                    "Plays the recording from this part on in Live",
                    can,
                    Action::Record(play),
                ),
                (
                    "Inspect",
                    "Opens this part in Inspect",
                    can,
                    Action::Record(inspect),
                ),
                (
                    "Label",
                    "Adds this part to the open label project, or creates one",
                    can && !is_running,
                    Action::Label(label),
                ),
            ] {
                if ui
                    .add_enabled(can, Button::new(text))
                    .on_hover_text(help)
                    .on_disabled_hover_text(if is_running {
                        WRITTEN
                    } else {
                        "It has no frames"
                    })
                    .accessible_name(format!("{text} part {number}"))
                    .clicked()
                {
                    cx.actions.push(action);
                    ui.close();
                }
            }
        });
    }
}

/// Shows the entry that moves the folder to the bin: the last one, away from the others.
fn delete_ui(ui: &mut Ui, entry: &SessionEntry, is_running: bool, cx: &mut LiveContext<'_>) {
    let annotating = cx.ui_state.annotating.as_ref();
    let is_free = !is_running && annotating.is_none_or(|a| a.folder != entry.folder);
    let delete = Button::new("Delete");
    if ui
        .add_enabled(is_free, delete)
        .on_hover_text("Moves the folder to the bin, from which it can be restored")
        .on_disabled_hover_text(WRITTEN)
        .accessible_name("Delete the recording")
        .clicked()
    {
        send(cx, RecordAction::Delete(entry.folder.clone()));
        ui.close();
    }
}

/// Shows the entries that open and rename the folder.
fn folder_ui(
    ui: &mut Ui,
    entry: &SessionEntry,
    name: &str,
    is_running: bool,
    cx: &mut LiveContext<'_>,
) {
    if ui
        .button("Open folder")
        .on_hover_text(entry.folder.display().to_string())
        .accessible_name("Open the recording's folder")
        .clicked()
    {
        send(cx, RecordAction::ShowFolder(entry.folder.clone()));
        ui.close();
    }
    let annotating = cx.ui_state.annotating.as_ref();
    let is_free = !is_running && annotating.is_none_or(|a| a.folder != entry.folder);
    ui.horizontal(|ui| {
        let id = Id::unique(("new name", &entry.folder));
        let stored = ui.data(|d| d.get_temp::<String>(id));
        let mut text = stored.unwrap_or_else(|| name.to_owned());
        // Wide enough for the time and a source's name of usual length.
        let field = TextEdit::singleline(&mut text)
            .margin(widgets::FIELD_MARGIN)
            .desired_width(270.0);
        let field = ui
            .add_enabled(is_free, field)
            .on_hover_text(format!("The folder's name: {name}"))
            .on_disabled_hover_text(WRITTEN)
            .accessible_name("New name");
        let can = is_free && !text.trim().is_empty() && text != name;
        let button = ui
            .add_enabled(can, Button::new("Rename"))
            .on_hover_text("Renames the folder")
            .accessible_name("Rename the recording");
        ui.data_mut(|d| d.insert_temp(id, text.clone()));
        if button.clicked() || (can && widgets::is_entered(ui, &field)) {
            send(cx, RecordAction::Rename(entry.folder.clone(), text));
            ui.close();
        }
    });
}

/// Returns why the recording cannot be annotated again now, if so.
fn hindrance(is_running: bool, annotating: Option<&Annotating>) -> Option<String> {
    match annotating {
        _ if is_running => Some(WRITTEN.to_owned()),
        Some(Annotating { folder, model, .. }) => Some(format!(
            "Not now: {} is being annotated with {model}; wait for it or cancel it",
            folder_name(folder)
        )),
        None => None,
    }
}

/// Shows the entries that annotate the recording again, with any network.
fn annotate_ui(ui: &mut Ui, entry: &SessionEntry, is_running: bool, cx: &mut LiveContext<'_>) {
    let overlays = cx.gui.overlays.iter().map(|o| o.name);
    let overlays: Vec<_> = overlays
        .filter(|name| cx.state.overlays.contains(*name))
        .collect();
    let drawn = match overlays.as_slice() {
        [] => "nothing (no overlay is on)".to_owned(),
        some => some.join(", "),
    };
    let text = match entry.manifest.parts.len() {
        0 | 1 => "Annotate again, keeping the existing files, with:",
        _ => "Annotate every part again, keeping the existing files, with:",
    };
    ui.label(RichText::new(text).small().color(theme::WEAK));
    let hindrance = hindrance(is_running, cx.ui_state.annotating.as_ref());
    for model in &cx.gui.models {
        let title = trained::title(&model.name);
        if ui
            .add_enabled(hindrance.is_none(), Button::new(&title))
            .on_hover_text(&model.help)
            .on_disabled_hover_text(hindrance.as_deref().unwrap_or_default())
            .accessible_name(format!("Annotate again with {title}"))
            .clicked()
        {
            let action = RecordAction::Annotate(entry.folder.clone(), model.name.clone());
            send(cx, action);
            ui.close();
        }
    }
    let text = format!("Drawn over it: {drawn}");
    ui.label(RichText::new(text).small().color(theme::WEAK))
        .on_hover_text("The overlays that are currently on, with their current style");
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use poselens_engine::pipeline::session::AnnotationProgress;

    use super::*;

    /// Fails when a greyed entry gives no reason, or the wrong one.
    #[test]
    fn a_greyed_entry_says_why() {
        let annotating = Annotating {
            folder: PathBuf::from("recordings/walk"),
            model: "sfm".to_owned(),
            progress: AnnotationProgress::default(),
            is_cancelled: false,
        };
        assert_eq!(hindrance(false, None), None);
        let text = hindrance(true, Some(&annotating)).unwrap();
        assert!(text.contains("still being written"), "{text}");
        let text = hindrance(false, Some(&annotating)).unwrap();
        assert!(text.contains("walk is being annotated with sfm"), "{text}");
    }
}

//! The menu of further actions on the project.

use eframe::egui::{Button, Id, TextEdit, Ui};

use crate::gui::action::Action;
use crate::gui::action::label::{Ask, LabelAction, LabelFormat};
use crate::gui::views::label::state::LabelContext;
use crate::gui::widgets;

/// Shows the menu: the name of the project, labels for other programs, closing.
pub(super) fn more_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let menu = widgets::menu_ui(ui, "More", |ui| {
        name_ui(ui, cx);
        ui.separator();
        let is_free = !cx.ui_state.is_choosing;
        for (text, help, ask) in [
            (
                "Import labels…",
                "COCO keypoints (also of CVAT and Label Studio) and DeepLabCut tables become \
                 proposals; dropping the file here does the same",
                Ask::Import,
            ),
            (
                "Export COCO…",
                "Writes the confirmed people as COCO keypoints",
                Ask::Export(LabelFormat::Coco),
            ),
            (
                "Export DeepLabCut CSV…",
                "Writes the confirmed people as a table of DeepLabCut",
                Ask::Export(LabelFormat::Dlc),
            ),
        ] {
            let button = ui.add_enabled(is_free, Button::new(text));
            if button.on_hover_text(help).clicked() {
                send(cx, LabelAction::Ask(ask));
                ui.close();
            }
        }
        ui.separator();
        if ui.button("Close the project").clicked() {
            send(cx, LabelAction::Close);
            ui.close();
        }
    });
    menu.on_hover_text("Renames or closes the project, imports and exports labels")
        .accessible_name("More about the project");
}

fn name_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let Some(project) = &cx.view.project else {
        return;
    };
    let name = project.info.title();
    ui.horizontal(|ui| {
        let id = Id::unique(("project name", &project.info.folder));
        let stored = ui.data(|d| d.get_temp::<String>(id));
        let mut text = stored.unwrap_or_else(|| name.clone());
        let field = TextEdit::singleline(&mut text)
            .margin(widgets::FIELD_MARGIN)
            .desired_width(200.0);
        let field = ui
            .add(field)
            .on_hover_text(
                "The folder keeps its name; without a name, the project is called like it",
            )
            .accessible_name("Project name");
        let can = text.trim() != name;
        let button = ui
            .add_enabled(can, Button::new("Rename"))
            .accessible_name("Rename the project");
        let is_done = button.clicked() || (can && widgets::is_entered(ui, &field));
        ui.data_mut(|d| {
            if is_done {
                d.remove::<String>(id);
            } else {
                d.insert_temp(id, text.clone());
            }
        });
        if is_done {
            send(cx, LabelAction::Rename(text));
            ui.close();
        }
    });
}

fn send(cx: &mut LabelContext<'_>, action: LabelAction) {
    cx.actions.push(Action::Label(action));
}

//! The menu of further actions on the project.

use eframe::egui::{Button, Id, TextEdit, Ui};

use crate::gui::action::Action;
use crate::gui::action::label::LabelAction;
use crate::gui::views::label::state::LabelContext;
use crate::gui::widgets;

/// Shows the menu, in which the project is renamed or closed.
pub(super) fn more_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let menu = widgets::menu_ui(ui, "More", |ui| {
        name_ui(ui, cx);
        ui.separator();
        if ui.button("Close the project").clicked() {
            send(cx, LabelAction::Close);
            ui.close();
        }
    });
    menu.on_hover_text("Rename or close the project")
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

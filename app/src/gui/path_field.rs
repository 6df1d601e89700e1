//! The field for the path of a source; it shows the path that is open unless it is being edited.

use eframe::egui::text::CCursorRange;
use eframe::egui::{Margin, TextEdit, Ui};

use crate::gui::action::{Action, SourceAction};
use crate::gui::ui_state::UiState;
use crate::gui::widgets;

/// Shows the field with the path `now`; returns whether Enter was pressed in it.
pub(super) fn path_field_ui(
    ui: &mut Ui,
    now: &str,
    width: f32,
    ui_state: &UiState,
    actions: &mut Vec<Action>,
) -> bool {
    let mut path = now.to_owned();
    let help = "Path of a video, an image or a folder of images; Enter opens it";
    let help = format!("{now}\n{help}");
    let help = help.trim_start();
    let field = TextEdit::singleline(&mut path)
        .hint_text("Path of a file or folder")
        .margin(Margin::symmetric(8, 6))
        .desired_width(width);
    let field = ui.add(field).on_hover_text(help).accessible_name("Path");
    if field.gained_focus() {
        // Typed or pasted text replaces the open path.
        let mut edit = TextEdit::load_state(ui.ctx(), field.id).unwrap_or_default();
        let all = CCursorRange::select_all_str(&path);
        edit.cursor.set_char_range(Some(all));
        edit.store(ui.ctx(), field.id);
    }
    if field.changed() {
        actions.push(Action::Source(SourceAction::EditPath(path)));
    } else if ui_state.is_path_edited && !field.has_focus() {
        actions.push(Action::Source(SourceAction::LeavePath));
    }
    widgets::is_entered(ui, &field)
}

//! Form rows: a label, then a control that fills the rest.

use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::{self, Align2, Button, DragValue, Id, Sense, TextEdit, TextStyle, Ui};

use crate::folders::typed_path;
use crate::gui::theme;
use crate::words::short;

/// Width of labels in points.
const LABEL: f32 = 98.0;

/// Shows a painted label of fixed width, then `content`; the control carries its own name.
pub(super) fn row_ui<R>(ui: &mut Ui, label: &str, content: impl FnOnce(&mut Ui) -> R) -> R {
    ui.horizontal(|ui| {
        let size = egui::vec2(LABEL, ui.spacing().interact_size.y);
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let font = TextStyle::Body.resolve(ui.style());
        let (at, align) = (rect.left_center(), Align2::LEFT_CENTER);
        ui.painter().text(at, align, label, font, theme::WEAK);
        content(ui)
    })
    .inner
}

/// Shows a drop-down list; returns the new index if it changed.
pub(super) fn list_ui(
    ui: &mut Ui,
    label: &str,
    help: &str,
    now: &str,
    all: &[String],
) -> Option<usize> {
    let mut chosen = None;
    row_ui(ui, label, |ui| {
        let combo = egui::ComboBox::from_id_salt(("train", label))
            .width(ui.available_width())
            .height(440.0)
            .truncate()
            .selected_text(now)
            .show_ui(ui, |ui| {
                for (i, text) in all.iter().enumerate() {
                    let is_now = text == now;
                    if ui.selectable_label(is_now, text).clicked() && !is_now {
                        chosen = Some(i);
                    }
                }
            });
        combo.response.on_hover_text(help).accessible_name(label);
    });
    chosen
}

/// Shows a number field; returns whether the value changed.
pub(super) fn number_ui(ui: &mut Ui, label: &str, help: &str, value: DragValue<'_>) -> bool {
    row_ui(ui, label, |ui| {
        let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
        ui.add_sized(size, value)
            .on_hover_text(help)
            .accessible_name(label)
            .changed()
    })
}

/// Returns a field for a small number such as a learning rate, formatted as `3e-4`.
pub(super) fn rate(value: &mut f64) -> DragValue<'_> {
    let speed = (*value * 0.02).max(1e-9);
    DragValue::new(value)
        .speed(speed)
        .range(0.0..=10.0)
        .custom_formatter(|v, _| short(v))
}

/// Shows a path field; returns the new text if it was edited.
pub(super) fn path_ui(
    ui: &mut Ui,
    name: &str,
    help: &str,
    hint: &str,
    now: &str,
) -> Option<String> {
    let mut text = now.to_owned();
    // Explicit id, because rows above may appear and disappear during typing.
    let field = TextEdit::singleline(&mut text)
        .id(Id::unique(name))
        .hint_text(hint)
        .margin(egui::Margin::symmetric(8, 6))
        .desired_width(ui.available_width() - 2.0);
    let response = ui.add(field);
    if response.changed() && text.starts_with('~') {
        text = typed_path(&text);
        let mut edit = TextEdit::load_state(ui.ctx(), response.id).unwrap_or_default();
        let end = CCursorRange::one(CCursor::new(text.chars().count()));
        edit.cursor.set_char_range(Some(end));
        edit.store(ui.ctx(), response.id);
    }
    let response = if now.is_empty() {
        response.on_hover_text(help)
    } else {
        response.on_hover_text(format!("{now}\n\n{help}"))
    };
    response.accessible_name(name).changed().then_some(text)
}

/// Result of a path field and the button next to it.
pub(super) enum Entered {
    /// The text was edited.
    Path(String),
    /// The button was clicked.
    Choose,
}

/// Shows a path field with a button named `choose`; `None` disables the button while a dialog is
/// open.
pub(super) fn path_row_ui(
    ui: &mut Ui,
    name: &str,
    help: &str,
    hint: &str,
    now: &str,
    choose: Option<&String>,
) -> Option<Entered> {
    ui.horizontal(|ui| {
        let button = egui::vec2(40.0, 30.0);
        let width = ui.available_width() - button.x - 12.0;
        let typed = ui
            .allocate_ui(egui::vec2(width, button.y), |ui| {
                path_ui(ui, name, help, hint, now)
            })
            .inner;
        let response = ui.add_enabled(choose.is_some(), Button::new("…").min_size(button));
        let name = choose.map_or("A dialog is open", String::as_str);
        let is_asked = response.on_hover_text(name).accessible_name(name).clicked();
        typed
            .map(Entered::Path)
            .or(is_asked.then_some(Entered::Choose))
    })
    .inner
}

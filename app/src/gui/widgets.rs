//! Small widgets shared by the panels.

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{
    self, Align, Button, Color32, FontId, Label, Layout, PopupCloseBehavior, Response, RichText,
    Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
};

use poselens_engine::source::Extent;

use crate::gui::theme;
use crate::words::counted;

/// Shows a titled card.
pub(super) fn section_ui(ui: &mut Ui, title: &str, content: impl FnOnce(&mut Ui)) {
    card_ui(ui, |ui| {
        title_ui(ui, title);
        content(ui);
    });
}

/// Shows a card.
pub(super) fn card_ui(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    egui::Frame::new()
        .fill(theme::CARD)
        .corner_radius(8)
        .inner_margin(egui::Margin::symmetric(14, 9))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            // Tight spacing: frequently used controls fit into a window 800 points high.
            ui.spacing_mut().item_spacing.y = 5.0;
            content(ui);
        });
    ui.add_space(1.0);
}

/// Shows the title of a card.
pub(super) fn title_ui(ui: &mut Ui, title: &str) {
    ui.label(
        RichText::new(title.to_uppercase())
            .size(11.0)
            .extra_letter_spacing(1.2)
            .color(theme::WEAK)
            .strong(),
    );
}

/// Shows a label on the left and a switch on the right; `key` is its shortcut.
pub(super) fn switch_row_ui(ui: &mut Ui, label: &str, key: Option<&str>, is_on: bool) -> Response {
    let size = egui::vec2(ui.available_width(), 26.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, ui.is_enabled(), is_on, label));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let visuals = *ui.style().interact(&response);
    let painter = ui.painter();
    let font = egui::TextStyle::Body.resolve(ui.style());
    let text = painter.text(
        rect.left_center(),
        egui::Align2::LEFT_CENTER,
        label,
        font,
        visuals.text_color(),
    );
    if let Some(key) = key {
        let at = egui::pos2(text.right() + 8.0, rect.center().y);
        key_cap(ui, at, key);
    }
    let how_on = ui.ctx().animate_bool_responsive(response.id, is_on);
    let track = egui::Rect::from_center_size(
        egui::pos2(rect.right() - 17.0, rect.center().y),
        egui::vec2(34.0, 18.0),
    );
    let fill = theme::FIELD.lerp_to_gamma(theme::LEFT, how_on);
    let edge = if response.has_focus() || response.hovered() {
        theme::WEAK
    } else {
        theme::LINE
    };
    painter.rect(
        track,
        9.0,
        fill,
        Stroke::new(1.0, edge),
        StrokeKind::Outside,
    );
    let x = egui::lerp(track.left() + 9.0..=track.right() - 9.0, how_on);
    let knob = theme::WEAK.lerp_to_gamma(Color32::WHITE, how_on);
    painter.circle_filled(egui::pos2(x, track.center().y), 6.5, knob);
    response
}

fn key_cap(ui: &Ui, left_center: egui::Pos2, key: &str) {
    let painter = ui.painter();
    let galley = painter.layout_no_wrap(key.to_owned(), theme::number_font(11.0), theme::WEAK);
    let size = galley.size() + egui::vec2(10.0, 4.0);
    let rect = egui::Rect::from_min_size(left_center - egui::vec2(0.0, size.y / 2.0), size);
    painter.rect(
        rect,
        4.0,
        theme::FIELD,
        Stroke::new(1.0, theme::LINE),
        StrokeKind::Inside,
    );
    painter.galley(rect.min + egui::vec2(5.0, 2.0), galley, theme::WEAK);
}

/// Shows a slider from 0 to 1 under its label; returns the new value if it was moved.
pub(super) fn fraction_ui(ui: &mut Ui, label: &str, help: &str, value: f32) -> Option<f32> {
    let mut moved = value;
    let response = labelled_row_ui(ui, label, |ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 58.0).max(40.0);
        ui.add(egui::Slider::new(&mut moved, 0.0..=1.0).fixed_decimals(2))
    });
    response
        .on_hover_text(help)
        .accessible_name(label)
        .changed()
        .then_some(moved)
}

/// Shows a logarithmic slider under its label; returns the new value if it was moved.
pub(super) fn magnitude_ui(
    ui: &mut Ui,
    label: &str,
    help: &str,
    range: std::ops::RangeInclusive<f64>,
    value: f64,
) -> Option<f64> {
    let mut moved = value;
    let response = labelled_row_ui(ui, label, |ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 58.0).max(40.0);
        let slider = egui::Slider::new(&mut moved, range);
        ui.add(slider.logarithmic(true).max_decimals(2))
    });
    response
        .on_hover_text(help)
        .accessible_name(label)
        .changed()
        .then_some(moved)
}

/// Shows the indexing progress of a file.
pub(super) fn counting_ui(ui: &mut Ui, extent: &Extent) {
    let text = format!("{} counted", counted(extent.frames, "frame"));
    let help = "The file does not state its length: it is read once completely";
    let bar = match extent.share {
        Some(share) => {
            egui::ProgressBar::new(share).text(format!("{text}, {:.0} %", 100.0 * share))
        }
        None => egui::ProgressBar::new(0.0).text(text),
    };
    ui.add(bar.desired_width(ui.available_width()).desired_height(16.0))
        .on_hover_text(help)
        .accessible_name("Counting frames");
}

/// Margin of text fields: that of the menus around them puts the text on the field's edge.
pub(super) const FIELD_MARGIN: egui::Margin = egui::Margin::symmetric(8, 6);

/// Shows a drop-down list under its label; returns the new index if it changed.
pub(super) fn choice_ui(
    ui: &mut Ui,
    label: &str,
    help: &str,
    selected: &str,
    choices: impl IntoIterator<Item = (String, bool)>,
) -> Option<usize> {
    let mut chosen = None;
    labelled_row_ui(ui, label, |ui| {
        let combo = egui::ComboBox::from_id_salt(label)
            .width(ui.available_width())
            .height(440.0)
            .truncate()
            .selected_text(selected)
            .show_ui(ui, |ui| {
                for (i, (text, is_current)) in choices.into_iter().enumerate() {
                    if ui.selectable_label(is_current, text).clicked() {
                        // A click closes the list anyway, Enter does not.
                        ui.close();
                        chosen = (!is_current).then_some(i);
                    }
                }
            });
        combo.response.on_hover_text(help).accessible_name(label);
    });
    chosen
}

/// Shows a label of fixed width and a control that fills the rest of the row. The label is painted,
/// not a widget: the control carries the name, and a screen reader would read it twice.
pub(super) fn labelled_row_ui<R>(
    ui: &mut Ui,
    label: &str,
    content: impl FnOnce(&mut Ui) -> R,
) -> R {
    ui.horizontal(|ui| {
        let size = egui::vec2(82.0, ui.spacing().interact_size.y);
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let font = egui::TextStyle::Body.resolve(ui.style());
        let (at, align) = (rect.left_center(), egui::Align2::LEFT_CENTER);
        ui.painter().text(at, align, label, font, theme::WEAK);
        content(ui)
    })
    .inner
}

/// Shows a small rounded badge with a coloured dot, for rows laid out right to left.
pub(super) fn badge_ui(ui: &mut Ui, text: &str, dot: Color32, help: &str) -> Response {
    egui::Frame::new()
        .fill(theme::CARD)
        .stroke(Stroke::new(1.0, theme::LINE))
        .corner_radius(11)
        .inner_margin(egui::Margin::symmetric(10, 3))
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.spacing_mut().interact_size.y = 18.0;
            // Badges of the header are laid out right to left: text first, then the dot to its
            // left.
            ui.horizontal(|ui| {
                // The tooltip has the full name.
                ui.set_max_width(150.0);
                let text = RichText::new(text).small().color(theme::TEXT);
                ui.add(egui::Label::new(text).truncate().selectable(false));
                dot_ui(ui, dot);
            });
        })
        .response
        .on_hover_text(help)
}

/// Returns the height of [`button_pair_ui`] within `width` points.
pub(super) fn button_pair_height(ui: &Ui, size: egui::Vec2, width: f32) -> f32 {
    let spacing = ui.spacing().item_spacing;
    if 2.0 * size.x + spacing.x <= width {
        size.y
    } else {
        2.0 * size.y + spacing.y
    }
}

/// Shows two buttons of `size` side by side, or below each other if there is no room.
pub(super) fn button_pair_ui(ui: &mut Ui, size: egui::Vec2, content: impl FnOnce(&mut Ui)) {
    let width = 2.0 * size.x + ui.spacing().item_spacing.x;
    if width <= ui.available_width() {
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(egui::vec2(width, size.y), layout, content);
    } else {
        content(ui);
    }
}

/// Returns the width of a text in one line, in points.
pub(super) fn text_width(ui: &Ui, text: &str, font: FontId) -> f32 {
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), font, theme::TEXT);
    galley.size().x
}

/// Shows a label if the rest of the row has room for all of it and for `reserved` points more.
pub(super) fn fitting_label_ui(
    ui: &mut Ui,
    text: &str,
    font: FontId,
    color: Color32,
    reserved: f32,
) -> Option<Response> {
    let wanted = text_width(ui, text, font.clone()) + reserved;
    let text = RichText::new(text).font(font).color(color);
    let label = egui::Label::new(text).selectable(false);
    (wanted <= ui.available_width()).then(|| ui.add(label))
}

/// Lays out a row: `start` from the left edge, in the room that `end`, from the right edge, leaves.
pub(super) fn split_row_ui<C>(
    ui: &mut Ui,
    salt: &str,
    cx: &mut C,
    start: impl FnOnce(&mut Ui, &mut C),
    end: impl FnOnce(&mut Ui, &mut C),
) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let id = ui.scope_id().with(salt);
        let known = ui.data(|d| d.get_temp::<f32>(id)).unwrap_or_default();
        let room = ui.available_width() - known - ui.spacing().item_spacing.x;
        ui.scope(|ui| {
            ui.set_max_width(room.max(0.0));
            start(ui, cx);
        });
        let width = ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            end(ui, cx);
            ui.min_rect().width()
        });
        if (width.inner - known).abs() > 0.5 {
            ui.data_mut(|d| d.insert_temp(id, width.inner));
            ui.ctx()
                .request_discard("the end of a row has another width");
        }
    });
}

/// Shows the tooltip above a control at the bottom of the window, so that it covers no controls.
pub(super) fn help_above(response: Response, help: &str) -> Response {
    let mut tooltip = egui::Tooltip::for_enabled(&response);
    tooltip.popup = tooltip.popup.align(egui::RectAlign::TOP_START);
    tooltip.show(|ui| ui.label(help));
    response
}

/// Returns whether Enter was pressed in a text field.
pub(super) fn is_entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter))
}

/// Shows a small menu button whose menu stays open while its fields and checkboxes are used; menu
/// entries close it themselves.
pub(super) fn menu_ui(ui: &mut Ui, text: &str, content: impl FnOnce(&mut Ui)) -> Response {
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let button = MenuButton::new(RichText::new(text).small()).config(config);
    button.ui(ui, content).0
}

/// Shows a filled circle in a line of text.
pub(super) fn dot_ui(ui: &mut Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(8.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 3.5, color);
}

/// Returns the label of an attention map in a list: its name in files, then its display name.
pub(super) fn map_text(name: &str, title: &str) -> String {
    format!("{name}   {title}")
}

/// Parses `3:07.4`, `1:02:03` or `187.4` into seconds, also with a decimal comma; `None` for anything
/// else.
pub(super) fn clock_secs(text: &str) -> Option<f64> {
    let mut secs = 0.0;
    for part in text.trim().split(':') {
        let value: f64 = part.trim().replace(',', ".").parse().ok()?;
        secs = 60.0 * secs + value;
    }
    (secs.is_finite() && secs >= 0.0).then_some(secs)
}

/// Formats a size: `12.3 MB`.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Shows an error below its field.
pub(crate) fn fault_ui(ui: &mut Ui, text: &str) {
    ui.add(Label::new(RichText::new(text).small().color(theme::RED)).wrap());
}

/// Shows a remark below a field.
pub(crate) fn note_ui(ui: &mut Ui, text: impl Into<String>) {
    ui.add(Label::new(RichText::new(text.into()).small().color(theme::WEAK)).wrap());
}

/// Returns the highlighted button for the next step.
pub(crate) fn main_button(text: &str) -> Button<'_> {
    Button::new(RichText::new(text).color(theme::STAGE).strong())
        .fill(theme::LEFT)
        .min_size(egui::vec2(128.0, 34.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a size is in another unit, or a typed time is not understood.
    #[test]
    fn sizes_are_formatted_and_times_are_parsed() {
        assert_eq!(megabytes(12_345_678), "12.3 MB");
        for (text, secs) in [("3:07.4", 187.4), ("1:02:03", 3723.0), (" 7 ", 7.0)] {
            assert_eq!(clock_secs(text), Some(secs));
        }
        for text in ["", "x", "1:", "-3", "inf"] {
            assert_eq!(clock_secs(text), None, "{text}");
        }
    }
}

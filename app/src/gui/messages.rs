//! The latest message, shown over the stage of every view.

use eframe::egui::text::LayoutJob;
use eframe::egui::{self, Button, Label, Stroke, TextStyle, Ui};

use crate::gui::action::{Action, WindowAction};
use crate::gui::icons::Icon;
use crate::gui::ui_state::Level;
use crate::gui::view::PanelContext;
use crate::gui::{theme, widgets};

/// Distance of the text from the upper and lower edge of its frame in points.
const PADDING: i8 = 8;

/// Shows the latest message at the top left of `ui`.
pub(super) fn messages_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let Some(status) = &cx.ui_state.status else {
        return;
    };
    let color = match status.level {
        Level::Info => theme::LEFT,
        Level::Warning => theme::RIGHT,
        Level::Error => theme::RED,
    };
    let buttons = if status.retry.is_some() { 150.0 } else { 70.0 };
    let width = (ui.available_width() - buttons).max(100.0);
    let font = TextStyle::Body.resolve(ui.style());
    // A long message ends in an ellipsis at the edge of the stage; the tooltip has all of it.
    let room = ui.available_height() - 2.0 * f32::from(PADDING);
    let n_rows = (room / ui.fonts_mut(|fonts| fonts.row_height(&font))).max(1.0) as usize;
    let mut text = LayoutJob::simple(status.text.clone(), font, theme::TEXT, width);
    text.wrap.max_rows = n_rows;
    egui::Frame::new()
        .fill(theme::CARD)
        .stroke(Stroke::new(1.0, color))
        .corner_radius(8)
        .inner_margin(egui::Margin::symmetric(12, PADDING))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                widgets::dot_ui(ui, color);
                ui.scope(|ui| {
                    ui.set_max_width(width);
                    ui.add(Label::new(text).wrap());
                });
                if let Some(retry) = &status.retry
                    && ui.button("Retry").on_hover_text("Tries again").clicked()
                {
                    cx.actions.push(retry.clone());
                }
                if ui
                    .add(Button::new(Icon::Dismiss.atom(None)).frame(false))
                    .on_hover_text("Dismisses this message")
                    .accessible_name("Dismiss")
                    .clicked()
                {
                    cx.actions.push(Action::Window(WindowAction::DismissStatus));
                }
            });
        });
}

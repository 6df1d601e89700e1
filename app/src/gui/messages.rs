//! The latest message, shown over the stage of every view.

use eframe::egui::{self, Align, Button, Label, Layout, Stroke, Ui};

use crate::gui::action::{Action, WindowAction};
use crate::gui::icons::Icon;
use crate::gui::ui_state::Level;
use crate::gui::view::{MessagePlace, PanelContext};
use crate::gui::{theme, widgets};

/// Shows the latest message at the left of the stage.
pub fn messages_ui(ui: &mut Ui, place: MessagePlace, cx: &mut PanelContext<'_>) {
    let Some(status) = &cx.ui_state.status else {
        return;
    };
    let color = match status.level {
        Level::Info => theme::LEFT,
        Level::Warning => theme::RIGHT,
        Level::Error => theme::RED,
    };
    let mut area = ui.max_rect().shrink(12.0);
    let (top, layout) = match place {
        MessagePlace::Below(top) => (top, Layout::top_down(Align::Min)),
        MessagePlace::Bottom => (0.0, Layout::bottom_up(Align::Min)),
    };
    area.min.y += top;
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(area).layout(layout));
    egui::Frame::new()
        .fill(theme::CARD)
        .stroke(Stroke::new(1.0, color))
        .corner_radius(8)
        .inner_margin(egui::Margin::symmetric(12, 8))
        .show(&mut ui, |ui| {
            ui.horizontal(|ui| {
                widgets::dot_ui(ui, color);
                let room = (area.width() - 180.0).max(120.0);
                ui.scope(|ui| {
                    ui.set_max_width(room);
                    ui.add(Label::new(&status.text).wrap());
                });
                if let Some(retry) = &status.retry
                    && ui
                        .button("Retry")
                        .on_hover_text("Tries the same again")
                        .clicked()
                {
                    cx.actions.push(retry.clone());
                }
                if ui
                    .add(Button::new(Icon::Dismiss.atom(None)).frame(false))
                    .on_hover_text("Puts this message away")
                    .accessible_name("Dismiss")
                    .clicked()
                {
                    cx.actions.push(Action::Window(WindowAction::DismissStatus));
                }
            });
        });
}

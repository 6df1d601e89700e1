//! Overlay shown while a camera delivers no frames, with the reconnection progress.

use std::time::Duration;

use eframe::egui::{self, Align, Button, Label, Layout, RichText, Spinner, Ui};
use poselens_engine::source::SourceStatus;

use crate::gui::action::{Action, SourceAction};
use crate::gui::view::card_rect;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};

/// Size of the buttons in points.
const BUTTON: egui::Vec2 = egui::vec2(150.0, 34.0);
/// Width in points below which a card is narrow.
const NARROW: f32 = 320.0;

pub(super) fn connection_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let name = cx.ui_state.source.as_ref().map_or("camera", |s| &s.name);
    let text = match cx.ui_state.source_status {
        SourceStatus::Ok => return,
        SourceStatus::Stalled { since } => {
            ui.ctx().request_repaint_after(Duration::from_secs(1));
            format!(
                "No frames for {} s; it may be unplugged, suspended, or used by another program.",
                since.elapsed().as_secs()
            )
        }
        SourceStatus::Reconnecting { attempt } => {
            format!(
                "Reconnecting, attempt {attempt}. Check the cable; the image returns \
                 automatically."
            )
        }
        SourceStatus::Lost => "The connection could not be restored.".to_owned(),
    };
    let is_trying = cx.ui_state.source_status != SourceStatus::Lost;
    let area = ui.max_rect();
    ui.painter()
        .rect_filled(area, 0.0, theme::STAGE.gamma_multiply(0.75));
    let width = 480.0_f32.min(area.width() - 32.0);
    // The text takes more lines in a narrow card, which leaves no room for the spinner.
    let is_narrow = width < NARROW;
    let text_height = if is_narrow { 140.0 } else { 120.0 };
    let height = text_height + widgets::button_pair_height(ui, BUTTON, width);
    let size = egui::vec2(width, height);
    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(card_rect(area, size))
            .layout(Layout::top_down(Align::Center)),
    );
    let title = RichText::new(format!("No frames from {name}"));
    ui.add(Label::new(title.heading().strong()).selectable(false));
    ui.add(Label::new(RichText::new(text).color(theme::TEXT)).selectable(false));
    ui.add_space(8.0);
    if is_trying && !is_narrow {
        ui.add(Spinner::new().size(18.0));
        ui.add_space(4.0);
    }
    widgets::button_pair_ui(&mut ui, BUTTON, |ui| {
        let again = Button::new("Reconnect").min_size(BUTTON);
        if let Some(wanted) = &cx.ui_state.wanted_source
            && ui
                .add(again)
                .on_hover_text("Closes the camera and opens it again")
                .clicked()
        {
            let open = SourceAction::Open(wanted.clone());
            cx.actions.push(Action::Source(open));
        }
        if ui
            .add(Button::new("Release").min_size(BUTTON))
            .on_hover_text("Closes this camera; choose another source on the right")
            .clicked()
        {
            cx.actions.push(Action::Source(SourceAction::Close));
        }
    });
}

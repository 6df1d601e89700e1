//! The question whether to send joints to other computers.

use eframe::egui::{Button, RichText, Ui, vec2};

use crate::gui::action::stream::StreamAction;
use crate::gui::action::{Action, WindowAction};
use crate::gui::sheets::send::send;
use crate::gui::theme;
use crate::gui::view::PanelContext;

pub(super) fn streams_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.label("The joints of everybody in the picture leave this computer, unencrypted:");
    for target in &cx.ui_state.sending.elsewhere {
        ui.label(RichText::new(target).strong());
    }
    let weak = "Images and recordings stay on this computer.";
    ui.label(RichText::new(weak).color(theme::WEAK));
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let button = |text: &'static str| Button::new(text).min_size(vec2(130.0, 32.0));
        if ui
            .add(button("Do not send"))
            .on_hover_text("Nothing is sent (Escape)")
            .clicked()
        {
            send(cx, WindowAction::CloseSheet);
        }
        if ui
            .add(button("Send"))
            .on_hover_text("Sends joints until it is turned off or the window is closed")
            .clicked()
        {
            cx.actions.push(Action::Stream(StreamAction::Confirm));
        }
    });
}

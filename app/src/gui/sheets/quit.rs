//! The question whether to close the window while something is running.

use eframe::egui::{Button, RichText, Ui, vec2};

use crate::gui::action::WindowAction;
use crate::gui::sheets::send::send;
use crate::gui::theme;
use crate::gui::view::PanelContext;

pub(super) fn quit_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.label(if cx.ui_state.busy.is_empty() {
        "Nothing is running any more."
    } else {
        "This is still running:"
    });
    for text in &cx.ui_state.busy {
        ui.label(RichText::new(text).strong());
    }
    let weak = "Recordings keep what is written so far, trainings are saved and can be continued. \
                Files that wait are not recorded.";
    ui.label(RichText::new(weak).color(theme::WEAK));
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let button = |text: &'static str| Button::new(text).min_size(vec2(130.0, 32.0));
        if ui
            .add(button("Keep open"))
            .on_hover_text("Nothing is stopped (Escape)")
            .clicked()
        {
            send(cx, WindowAction::CloseSheet);
        }
        if ui
            .add(button("Stop and close"))
            .on_hover_text("Stops it, saves it and closes the window")
            .clicked()
        {
            // While this sheet is open, a request to close is not asked about again.
            send(cx, WindowAction::Quit);
        }
    });
}

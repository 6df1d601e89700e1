//! Sheets: modal dialogs over the whole window.

mod about;
mod keys;
mod log;
mod palette;
mod quit;
mod send;
mod settings;
mod streams;
mod welcome;

use eframe::egui::{Button, Context, Frame, Id, Label, Modal, RichText, ScrollArea, Ui};

use crate::gui::action::{Sheet, WindowAction};
use crate::gui::sheets::send::send;
use crate::gui::view::PanelContext;

/// Height of a sheet's title, button and margins in points.
const CHROME: f32 = 150.0;

/// Shows the open sheet, if any; Escape or a click outside closes it.
pub(super) fn sheet_ui(ctx: &Context, cx: &mut PanelContext<'_>) {
    let Some(sheet) = cx.ui_state.sheet else {
        return;
    };
    let (title, show): (_, fn(&mut Ui, &mut PanelContext<'_>)) = match sheet {
        Sheet::Palette => ("Commands", palette::palette_ui),
        Sheet::Keys => ("Keys", keys::keys_ui),
        Sheet::About => ("About PoseLens", about::about_ui),
        Sheet::Welcome => ("Welcome to PoseLens", welcome::welcome_ui),
        Sheet::Log => ("Log", log::log_ui),
        Sheet::Settings => ("Settings", settings::settings_ui),
        Sheet::Quit => ("Close PoseLens?", quit::quit_ui),
        Sheet::SendJoints => ("Send joints to another computer?", streams::streams_ui),
    };
    let frame = Frame::popup(&ctx.global_style()).inner_margin(20);
    let modal = Modal::new(Id::unique("sheet"))
        .frame(frame)
        .show(ctx, |ui| {
            let width = if sheet == Sheet::Log {
                880.0
            } else {
                520.0_f32
            };
            ui.set_width(width.min(ctx.content_rect().width() - 48.0));
            ui.horizontal(|ui| {
                ui.add(Label::new(RichText::new(title).heading().strong()).selectable(false));
            });
            ui.add_space(4.0);
            if matches!(sheet, Sheet::About | Sheet::Welcome | Sheet::Settings) {
                // The other sheets have a list that scrolls.
                let height = (ctx.content_rect().height() - CHROME).max(80.0);
                ScrollArea::vertical()
                    .max_height(height)
                    .auto_shrink([false, true])
                    .show(ui, |ui| show(ui, cx));
            } else {
                show(ui, cx);
            }
            if !matches!(sheet, Sheet::Palette | Sheet::Quit | Sheet::SendJoints) {
                ui.add_space(8.0);
                let close = Button::new("Close").min_size(eframe::egui::vec2(96.0, 32.0));
                // In a horizontal layout, which centres the button's text vertically.
                let closed = ui.horizontal(|ui| {
                    ui.add(close)
                        .on_hover_text("Closes this sheet (Escape)")
                        .accessible_name("Close sheet")
                        .clicked()
                });
                if closed.inner {
                    send(cx, WindowAction::CloseSheet);
                }
            }
        });
    if modal.should_close() {
        send(cx, WindowAction::CloseSheet);
    }
}

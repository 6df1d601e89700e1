//! Layout of the window.

use eframe::egui::{self, Context, Ui};

use crate::gui::action::Action;
use crate::gui::app::App;
use crate::gui::header::header_ui;
use crate::gui::messages::messages_ui;
use crate::gui::sheets::sheet_ui;
use crate::gui::theme;
use crate::gui::view::{PanelContext, Place, ViewSpec};

impl App {
    /// Lays out the window.
    pub(super) fn window_ui(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let spec = self.spec();
        let cx = &mut self.context(actions);
        if !is_full_screen(ui.ctx()) {
            let bar = egui::Frame::new()
                .fill(theme::PANEL)
                .inner_margin(egui::Margin::symmetric(16, 0));
            egui::Panel::top("top")
                .exact_size(52.0)
                .frame(bar)
                .show(ui, |ui| header_ui(ui, &self.views, cx));
            around_ui(ui, spec, bar, cx);
        }
        let stage = egui::Frame::new().fill(theme::STAGE);
        egui::CentralPanel::default().frame(stage).show(ui, |ui| {
            let area = ui.max_rect();
            let view = cx.view;
            view.stage_ui(ui, area, cx);
            view.panels_ui(ui, Place::Stage, cx);
            let mut over = ui.new_child(egui::UiBuilder::new().max_rect(area));
            messages_ui(&mut over, spec.messages, cx);
        });
        sheet_ui(ui.ctx(), cx);
    }
}

/// Lays out the bottom bar and the side panel of the active view.
fn around_ui(ui: &mut Ui, spec: &ViewSpec, bar: egui::Frame, cx: &mut PanelContext<'_>) {
    let view = cx.view;
    egui::Panel::bottom("bottom")
        .exact_size(spec.bottom_height)
        .frame(bar)
        .show(ui, |ui| view.panels_ui(ui, Place::Bottom, cx));
    let side = egui::Frame::new()
        .fill(theme::PANEL)
        .inner_margin(egui::Margin {
            left: 12,
            right: 4,
            top: 12,
            bottom: 0,
        });
    egui::Panel::right("side")
        .exact_size(theme::SIDE_WIDTH)
        .resizable(false)
        .frame(side)
        .show(ui, |ui| {
            if view.has_panels(Place::SideBottom) {
                let frame = egui::Frame::new().inner_margin(egui::Margin {
                    top: 8,
                    right: 8,
                    bottom: 6,
                    ..egui::Margin::ZERO
                });
                egui::Panel::bottom("side bottom")
                    .frame(frame)
                    .resizable(false)
                    .show(ui, |ui| view.panels_ui(ui, Place::SideBottom, cx));
            }
            egui::ScrollArea::vertical()
                // Each view keeps its own scroll position.
                .id_salt(spec.id)
                .auto_shrink(false)
                .show(ui, |ui| {
                    egui::Frame::new()
                        .inner_margin(egui::Margin {
                            right: 8,
                            ..egui::Margin::ZERO
                        })
                        .show(ui, |ui| view.panels_ui(ui, Place::Side, cx));
                });
        });
}

/// Returns whether the window is in full-screen mode.
pub fn is_full_screen(ctx: &Context) -> bool {
    ctx.input(|i| i.viewport().fullscreen.unwrap_or(false))
}

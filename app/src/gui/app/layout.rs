//! Layout of the window.

use eframe::egui::{self, Context, Ui};

use crate::gui::action::Action;
use crate::gui::app::App;
use crate::gui::header::header_ui;
use crate::gui::messages::messages_ui;
use crate::gui::sheets::sheet_ui;
use crate::gui::theme;
use crate::gui::view::{MessagePlace, PanelContext, PanelPosition, ViewSpec};

/// Distance of a message from the edges of the stage in points.
const MARGIN: f32 = 12.0;
/// Minimum height of the side panel in points for a fixed part at its bottom; in a lower one,
/// everything scrolls.
const MIN_FIXED: f32 = 360.0;

impl App {
    /// Lays out the window.
    pub(super) fn window_ui(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let spec = self.spec();
        let cx = &mut self.context(actions);
        // Nothing under a sheet reacts to the pointer; egui alone would keep an open tooltip.
        let is_covered = cx.ui_state.sheet.is_some();
        let pointer = is_covered.then(|| ui.input_mut(|i| std::mem::take(&mut i.pointer)));
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
            if spec.messages == MessagePlace::Bottom && cx.ui_state.status.is_some() {
                let strip = egui::Panel::bottom("messages").resizable(false);
                let frame = egui::Frame::new().inner_margin(MARGIN);
                strip.frame(frame).show(ui, |ui| messages_ui(ui, cx));
            }
            let area = ui.available_rect_before_wrap();
            let view = cx.view;
            view.stage_ui(ui, area, cx);
            let mut over = ui.new_child(egui::UiBuilder::new().max_rect(area));
            view.panels_ui(&mut over, PanelPosition::Stage, cx);
            if let MessagePlace::Below(height) = spec.messages {
                let mut place = area.shrink(MARGIN);
                let used = over.min_rect().bottom() + MARGIN;
                place.min.y = used.max(area.top() + height + MARGIN);
                messages_ui(
                    &mut ui.new_child(egui::UiBuilder::new().max_rect(place)),
                    cx,
                );
            }
        });
        if let Some(pointer) = pointer {
            ui.input_mut(|i| i.pointer = pointer);
        }
        sheet_ui(ui.ctx(), cx);
    }
}

/// Lays out the bottom bar and the side panel of the active view.
fn around_ui(ui: &mut Ui, spec: &ViewSpec, bar: egui::Frame, cx: &mut PanelContext<'_>) {
    let view = cx.view;
    egui::Panel::bottom("bottom")
        .exact_size(spec.bottom_height)
        .frame(bar)
        .show(ui, |ui| view.panels_ui(ui, PanelPosition::Bottom, cx));
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
            let is_fixed = ui.available_height() >= MIN_FIXED;
            if is_fixed && view.has_panels(PanelPosition::SideBottom) {
                let frame = egui::Frame::new().inner_margin(egui::Margin {
                    top: 8,
                    right: 8,
                    bottom: 6,
                    ..egui::Margin::ZERO
                });
                egui::Panel::bottom("side bottom")
                    .frame(frame)
                    .resizable(false)
                    .show(ui, |ui| view.panels_ui(ui, PanelPosition::SideBottom, cx));
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
                        .show(ui, |ui| {
                            view.panels_ui(ui, PanelPosition::Side, cx);
                            if !is_fixed {
                                view.panels_ui(ui, PanelPosition::SideBottom, cx);
                            }
                        });
                });
        });
}

/// Returns whether the window is in full-screen mode.
pub(super) fn is_full_screen(ctx: &Context) -> bool {
    ctx.input(|i| i.viewport().fullscreen.unwrap_or(false))
}

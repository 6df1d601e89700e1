//! Layout of the window.

use std::time::Duration;

use eframe::egui::{self, Align2, Context, Id, Label, Order, RichText, Ui, vec2};

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
/// How long the way out of full screen is shown after the pointer has moved, and how long it fades
/// at the end, in seconds.
const HINT: f32 = 3.0;
const FADE: f32 = 0.6;

impl App {
    /// Lays out the window.
    pub(super) fn window_ui(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let spec = self.spec();
        let cx = &mut self.context(actions);
        // Nothing under a sheet reacts to the pointer; egui alone would keep an open tooltip.
        let is_covered = cx.ui_state.sheet.is_some();
        let pointer = is_covered.then(|| ui.input_mut(|i| std::mem::take(&mut i.pointer)));
        let is_bare = spec.hides_panels && is_full_screen(ui.ctx());
        if !is_bare {
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
            let messages = cx.view.message_place().unwrap_or(spec.messages);
            if messages == MessagePlace::Bottom && cx.ui_state.status.is_some() {
                let strip = egui::Panel::bottom("messages").resizable(false);
                let frame = egui::Frame::new().inner_margin(MARGIN);
                strip.frame(frame).show(ui, |ui| messages_ui(ui, cx));
            }
            let area = ui.available_rect_before_wrap();
            let view = cx.view;
            view.stage_ui(ui, area, cx);
            let mut over = ui.new_child(egui::UiBuilder::new().max_rect(area));
            view.panels_ui(&mut over, PanelPosition::Stage, cx);
            if let MessagePlace::Below(height) = messages {
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
        } else if is_bare {
            way_out_ui(ui.ctx());
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

/// Shows how to leave full screen when the pointer moves.
fn way_out_ui(ctx: &Context) {
    let still = ctx.input(|i| i.pointer.time_since_last_movement());
    // It is infinite before the first movement.
    if !(0.0..HINT).contains(&still) {
        return;
    }
    let left = HINT - still;
    if left > FADE {
        ctx.request_repaint_after(Duration::from_secs_f32(left - FADE));
    } else {
        ctx.request_repaint();
    }
    egui::Area::new(Id::unique("way out of full screen"))
        .order(Order::Foreground)
        .interactable(false)
        .anchor(Align2::CENTER_TOP, vec2(0.0, MARGIN))
        .show(ctx, |ui| {
            ui.set_opacity((left / FADE).min(1.0));
            let frame = egui::Frame::new().fill(theme::CARD).corner_radius(8);
            frame.inner_margin(MARGIN).show(ui, |ui| {
                let text = RichText::new("F11 or Esc leaves full screen").color(theme::TEXT);
                ui.add(Label::new(text).extend().selectable(false));
            });
        });
}

/// Returns whether the window is in full-screen mode.
pub(super) fn is_full_screen(ctx: &Context) -> bool {
    ctx.input(|i| i.viewport().fullscreen.unwrap_or(false))
}

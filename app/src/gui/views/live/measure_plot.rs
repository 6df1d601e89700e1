//! Plot of the drawn measures of one person over the last seconds.

use eframe::egui::{self, Color32, Ui, UiBuilder, pos2, vec2};
use egui_plot::{Legend, Line, Plot, PlotPoints, VLine};
use poselens_engine::source::SeekTo;

use crate::gui::action::{Action, PlaybackAction};
use crate::gui::theme;
use crate::gui::views::live::measure_series::{SPAN_SECS, Series};
use crate::gui::views::live::state::LiveContext;

/// Distance from the edges of the stage in points.
const MARGIN: f32 = 12.0;
/// Largest size of the plot in points.
const SIZE: egui::Vec2 = vec2(480.0, 150.0);
/// Smallest size of the stage that has room for the plot, in points.
const LEAST_STAGE: egui::Vec2 = vec2(360.0, 380.0);

/// Colours of the curves, which differ for colour-blind people as well.
const COLORS: [Color32; 6] = [
    theme::LEFT,
    theme::RIGHT,
    theme::GREEN,
    Color32::from_rgb(0xCC, 0x79, 0xA7),
    Color32::from_rgb(0xF0, 0xE4, 0x42),
    theme::TEXT,
];

/// Shows the plot at the bottom of the stage while measures are drawn. A click goes to that frame.
pub(super) fn measure_plot_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let series = &cx.view.measured;
    let area = ui.max_rect().shrink(MARGIN);
    let has_room = area.width() >= LEAST_STAGE.x && area.height() >= LEAST_STAGE.y;
    let is_shown = cx.state.overlays.contains("measures") && series.rows.len() > 1;
    let Some(presented) = cx.ui_state.presented.as_ref().filter(|_| is_shown) else {
        return;
    };
    if !has_room {
        return;
    }
    let now = presented.frame.time_secs;
    let size = SIZE.min(area.size());
    let corner = pos2(area.left(), area.bottom() - size.y);
    let place = egui::Rect::from_min_size(corner, size);
    // Messages stand below what this panel takes of the stage: nothing.
    let mut child = ui.new_child(UiBuilder::new().max_rect(place));
    let frame = egui::Frame::new()
        .fill(Color32::from_black_alpha(190))
        .corner_radius(8)
        .inner_margin(egui::Margin::same(6));
    let shown = frame.show(&mut child, |ui| plot_ui(ui, series, now, size.y - 12.0));
    if let Some(secs) = shown.inner {
        // Times are compared with those of frames, which are rounded.
        let to = SeekTo::Secs(secs + 1e-4);
        cx.actions.push(Action::Playback(PlaybackAction::GoTo(to)));
    }
}

/// Shows the curves and the time of the shown frame; returns the time of a frame that was clicked.
fn plot_ui(ui: &mut Ui, series: &Series, now: f64, height: f32) -> Option<f64> {
    let end = series.rows.back().map_or(now, |row| row.0);
    let shown = Plot::new("measures")
        .height(height)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .include_x(end - SPAN_SECS)
        .include_x(end)
        .legend(Legend::default())
        .show_background(false)
        .show(ui, |plot| {
            for (i, name) in series.names.iter().enumerate() {
                let title = format!("{} [{}]", name.replace('_', " "), series.unit);
                let line = Line::new(title, PlotPoints::from(series.points(i)));
                plot.line(line.color(COLORS[i % COLORS.len()]).width(1.5));
            }
            plot.vline(VLine::new("shown frame", now).color(theme::WEAK).width(1.0));
            plot.pointer_coordinate()
        });
    let at = shown.inner.filter(|_| shown.response.clicked())?;
    series.nearest(at.x)
}

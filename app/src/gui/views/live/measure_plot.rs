//! Plot of the drawn measures of one person over the last seconds.

use std::collections::VecDeque;

use eframe::egui::{self, Color32, Ui, UiBuilder, pos2, vec2};
use egui_plot::{Legend, Line, Plot, PlotPoints, VLine};
use poselens_engine::pipeline::Presented;
use poselens_engine::source::SeekTo;

use crate::gui::action::{Action, PlaybackAction};
use crate::gui::theme;
use crate::gui::views::live::state::LiveContext;

/// Length of the plot in seconds.
const SPAN_SECS: f64 = 10.0;
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

/// Values over time.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Names of the curves; all have the same unit.
    names: Vec<String>,
    unit: String,
    /// Times in the source with their values, oldest first.
    rows: VecDeque<(f64, Vec<Option<f64>>)>,
}

impl Series {
    /// Adds the measures of the person with the lowest id, if the frame is new. Only those with the
    /// unit of the first measure are kept: angles and lengths have no common axis.
    pub(super) fn push(&mut self, presented: &Presented) {
        let Some(output) = &presented.output else {
            return;
        };
        if presented.is_redraw || presented.review.is_some() {
            return;
        }
        let mut measures = presented.look.drawn_measures();
        let Some(unit) = measures.list.first().map(|spec| measures.unit(spec)) else {
            *self = Self::default();
            return;
        };
        let all = std::mem::take(&mut measures.list);
        let has_unit = all.into_iter().filter(|spec| measures.unit(spec) == unit);
        measures.list = has_unit.collect();
        let names: Vec<_> = measures.list.iter().map(ToString::to_string).collect();
        let people = output.poses.iter();
        let person = people.min_by_key(|pose| pose.track_id.unwrap_or(u64::MAX));
        let least = presented.look.style.keypoint_threshold;
        let values = person.map_or_else(
            || vec![None; names.len()],
            |pose| measures.values(output, pose, least),
        );
        if (&self.names, &self.unit) != (&names, &unit) {
            *self = Self {
                names,
                unit,
                ..Self::default()
            };
        }
        self.add(presented.frame.time_secs, values);
    }

    /// Adds the values at a time. A time among the earlier ones is a frame seen before; one beyond
    /// them begins anew.
    fn add(&mut self, secs: f64, values: Vec<Option<f64>>) {
        let times = self.rows.front().zip(self.rows.back());
        let times = times.map(|(first, last)| (first.0, last.0));
        if let Some((first, last)) = times {
            if (first..=last).contains(&secs) {
                return;
            }
            if secs < first || secs > last + SPAN_SECS {
                self.rows.clear();
            }
        }
        self.rows.push_back((secs, values));
        while self
            .rows
            .front()
            .is_some_and(|row| secs - row.0 > SPAN_SECS)
        {
            self.rows.pop_front();
        }
    }

    /// Returns the points of a curve.
    fn points(&self, curve: usize) -> Vec<[f64; 2]> {
        let rows = self.rows.iter();
        let points = rows.filter_map(|(secs, values)| Some([*secs, (*values.get(curve)?)?]));
        points.collect()
    }

    /// Returns the time of the frame nearest to a time.
    fn nearest(&self, secs: f64) -> Option<f64> {
        let times = self.rows.iter().map(|row| row.0);
        times.min_by(|a, b| (a - secs).abs().total_cmp(&(b - secs).abs()))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the plot keeps more than its span, mixes frames from before a jump with later
    /// ones, or a frame that was gone back to clears it.
    #[test]
    fn the_last_ten_seconds_are_kept() {
        let mut series = Series::default();
        for i in 0..40 {
            series.add(0.5 * f64::from(i), vec![Some(f64::from(i)), None]);
        }
        assert_eq!((series.rows[0].0, series.rows.len()), (9.5, 21));
        series.add(12.0, vec![Some(-1.0), None]);
        assert_eq!(series.rows.len(), 21);
        assert_eq!(series.points(0)[0], [9.5, 19.0]);
        assert!(series.points(1).is_empty() && series.points(2).is_empty());
        assert_eq!(series.nearest(10.3), Some(10.5));
        series.add(1.0, vec![Some(2.0), None]);
        assert_eq!(series.points(0), [[1.0, 2.0]], "the file begins again");
        series.add(90.0, vec![Some(3.0), None]);
        assert_eq!(series.points(0), [[90.0, 3.0]], "a jump forward");
    }
}

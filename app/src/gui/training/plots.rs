//! Plots of values over training steps.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use eframe::egui::{Color32, FontId, Id, Label, Rangef, RichText, Ui};
use egui_plot::{
    AxisHints, GridMark, HoverPosition, Line, LineStyle, Plot, PlotPoints, PlotUi, Points,
};
use poselens_engine::train::EpochRecord;

use crate::gui::training::progress::TrainProgress;
use crate::gui::training::ticks::{self, LINE_DISTANCE, Unit};
use crate::gui::{theme, widgets};

/// A curve in a plot.
pub struct Curve<'a> {
    /// Name in the legend.
    pub name: &'a str,
    /// Colour of the line.
    pub color: Color32,
    /// Pairs of step and value.
    pub points: Vec<[f64; 2]>,
    /// Whether the points are measurements, one per epoch.
    pub is_measured: bool,
}

/// Colours of the parts of the held-out people, which differ for colour-blind people as well.
const PARTS: [Color32; 4] = [
    theme::LEFT,
    Color32::from_rgb(0xCC, 0x79, 0xA7),
    Color32::from_rgb(0xF0, 0xE4, 0x42),
    theme::WEAK,
];

/// Returns the curve of PCK on each part of the held-out people.
fn part_curves(history: &[EpochRecord]) -> Vec<Curve<'_>> {
    let names: BTreeSet<&String> = history.iter().flat_map(|r| r.pck_parts.keys()).collect();
    let mut names: Vec<&String> = names.into_iter().collect();
    // "round 10" after "round 9".
    names.sort_by_key(|name| name.len());
    let mut curves = Vec::new();
    for (name, color) in names.into_iter().zip(PARTS.iter().cycle()) {
        let points = history.iter();
        let points = points.filter_map(|r| Some([r.step as f64, *r.pck_parts.get(name)?]));
        curves.push(Curve {
            name,
            color: *color,
            points: points.collect(),
            is_measured: true,
        });
    }
    curves
}

/// Shows PCK and average precision on the held-out people, and PCK on each part of them.
pub fn metrics_ui(ui: &mut Ui, progress: &TrainProgress, height: f32) {
    let of = |value: fn(&EpochRecord) -> Option<f64>| {
        let points = progress.history.iter();
        let points = points.filter_map(|r| Some([r.step as f64, value(r)?]));
        points.collect()
    };
    let mut curves = vec![
        Curve {
            name: "PCK@0.2",
            color: theme::GREEN,
            points: of(|r| r.pck),
            is_measured: true,
        },
        Curve {
            name: "OKS AP",
            color: theme::RIGHT,
            points: of(|r| r.oks_ap),
            is_measured: true,
        },
    ];
    curves.extend(part_curves(&progress.history));
    let help = "Accuracy on people that were not trained on; this should go up";
    ui.horizontal_wrapped(|ui| title_ui(ui, "Held-out people", help, &curves));
    let unit = Unit::Percent;
    plot_ui(ui, "Figures", curves, unit, height, progress);
}

/// Shows the title of a plot and its legend.
pub fn title_ui(ui: &mut Ui, title: &str, help: &str, curves: &[Curve<'_>]) {
    ui.spacing_mut().interact_size.y = 20.0;
    ui.spacing_mut().item_spacing.x = 5.0;
    ui.label(RichText::new(title).strong().color(theme::TEXT))
        .on_hover_text(help);
    for curve in curves.iter().filter(|c| !c.points.is_empty()) {
        ui.add_space(4.0);
        widgets::dot_ui(ui, curve.color);
        // In a narrow column a whole name moves to the next row.
        let name = RichText::new(curve.name).small().color(theme::WEAK);
        ui.add(Label::new(name).extend());
    }
    ui.add_space(4.0);
}

/// Returns the minimum range of the axis, so that flat or empty curves also get readable ticks.
fn span(curves: &[Curve<'_>], unit: Unit) -> (f64, f64) {
    let values = || curves.iter().flat_map(|c| &c.points).map(|p| p[1]);
    let (Some(low), Some(high)) = (values().reduce(f64::min), values().reduce(f64::max)) else {
        return match unit {
            Unit::Plain | Unit::Percent => (0.0, 1.0),
            Unit::Log => (-3.0, 0.0),
        };
    };
    let least = match unit {
        Unit::Percent => 0.04,
        Unit::Log => 0.5,
        Unit::Plain => (0.1 * high.abs()).max(1e-9),
    };
    let more = ((least - (high - low)) / 2.0).max(0.0);
    let (low, high) = (low - more, high + more);
    // Fractions, losses and rates are never negative.
    let below = if unit == Unit::Log {
        0.0
    } else {
        (-low).max(0.0)
    };
    // Fractions never exceed 1.
    let above = match unit {
        Unit::Percent => (high + below - 1.0).max(0.0),
        Unit::Plain | Unit::Log => 0.0,
    };
    (low + below - above, high + below - above)
}

/// Height of the labels of a step axis in points.
const AXIS_HEIGHT: f32 = 16.0;
/// Height of the name of a step axis in points.
const LABEL_HEIGHT: f32 = 24.0;

/// Returns an axis with small labels; the ticks are chosen so that all of them fit.
fn axis(hints: AxisHints<'_>) -> AxisHints<'_> {
    hints
        .tick_label_font(FontId::proportional(11.5))
        .label_spacing(Rangef::new(1.0, 2.0))
}

/// Shows a plot over the steps of `progress`. All plots share the step axis.
pub fn plot_ui(
    ui: &mut Ui,
    id: &str,
    curves: Vec<Curve<'_>>,
    unit: Unit,
    height: f32,
    progress: &TrainProgress,
) {
    let group = Id::unique("training curves");
    let per_epoch = progress.steps_per_epoch;
    let place = move |x: f64| {
        let step = format!("step {:.0}", x.max(0.0));
        match per_epoch {
            0 => step,
            n => format!("{step}, epoch {:.2}", x.max(0.0) / n as f64),
        }
    };
    let hovered = move |at: &HoverPosition<'_>| match at {
        HoverPosition::NearDataPoint {
            plot_name,
            position,
            ..
        } => Some(format!(
            "{plot_name}: {}\n{}",
            unit.text(position.y),
            place(position.x)
        )),
        HoverPosition::Elsewhere { .. } => None,
    };
    // All plots share the step axis; the bottom one names it.
    let is_last = id == "Rate";
    let height = height.max(if is_last { 84.0 } else { 64.0 });
    let below = AXIS_HEIGHT + if is_last { LABEL_HEIGHT } else { 0.0 };
    let (low, high) = span(&curves, unit);
    let low = if is_last { 0.0 } else { low };
    let values = ticks::values((low, high), unit, height - below);
    // The axis begins and ends with a label.
    let ends = [values.first(), values.last()].into_iter().flatten();
    let mut plot = Plot::new(("training", id))
        .height(height)
        .link_axis(group, [true, false])
        .link_cursor(group, [true, false])
        .allow_scroll(false)
        .allow_zoom([true, false])
        .allow_drag([true, false])
        .include_x(0.0)
        .include_x(progress.steps.max(progress.step).max(1) as f64)
        .grid_spacing(Rangef::new(LINE_DISTANCE, 200.0))
        .label_formatter(hovered)
        .show_background(false);
    for end in ends {
        plot = plot.include_y(*end);
    }
    let x_axis = axis(AxisHints::new_x())
        .label(if is_last { "step" } else { "" })
        .formatter(|mark: GridMark, _: &RangeInclusive<f64>| ticks::step_text(mark.value));
    let y_axis = axis(AxisHints::new_y())
        .min_thickness(52.0)
        .formatter(move |mark: GridMark, _: &RangeInclusive<f64>| unit.tick_text(mark.value));
    plot.custom_x_axes(vec![x_axis])
        .custom_y_axes(vec![y_axis])
        .x_grid_spacer(|input| ticks::step_marks(&input))
        .y_grid_spacer(move |input| ticks::value_marks(&values, input.bounds))
        .show(ui, |plot| {
            for curve in curves {
                draw(plot, curve);
            }
        });
}

fn draw(plot: &mut PlotUi<'_>, curve: Curve<'_>) {
    if curve.points.is_empty() {
        return;
    }
    if curve.is_measured {
        let dots = PlotPoints::from(curve.points.clone());
        plot.points(
            Points::new(curve.name, dots)
                .color(curve.color)
                .radius(3.5)
                .allow_hover(false),
        );
    }
    let line = Line::new(curve.name, PlotPoints::from(curve.points))
        .color(curve.color)
        .width(if curve.is_measured { 2.0 } else { 1.3 })
        .style(LineStyle::Solid);
    plot.line(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when an axis reaches a thousand per cent because a network detects no one, or a curve
    /// lies outside its axis.
    #[test]
    fn flat_curves_have_readable_axes() {
        let of = |values: &[f64], unit| {
            let curve = Curve {
                name: "x",
                color: Color32::WHITE,
                points: values.iter().map(|v| [0.0, *v]).collect(),
                is_measured: true,
            };
            span(&[curve], unit)
        };
        assert_eq!(of(&[], Unit::Percent), (0.0, 1.0));
        let (low, high) = of(&[0.0, 0.0], Unit::Percent);
        assert!(low == 0.0 && (high - 0.04).abs() < 1e-9, "{low} {high}");
        assert_eq!(of(&[0.25, 0.75], Unit::Percent), (0.25, 0.75));
        let (low, high) = of(&[1.0, 0.98], Unit::Percent);
        assert!(high <= 1.0 && (low - 0.96).abs() < 1e-9, "{low} {high}");
        let (low, high) = of(&[1e-4], Unit::Plain);
        assert!(low < 1e-4 && high > 1e-4 && low > 0.0 && high < 2e-4);
    }

    /// Fails when a part of the held-out people has no curve of its own, or the curves are out of
    /// order.
    #[test]
    fn every_part_has_its_curve() {
        let record = |epoch: u64| EpochRecord {
            hits: Vec::new(),
            epoch,
            step: 10 * epoch,
            lr: 0.1,
            loss: None,
            pck: Some(0.5),
            oks_ap: None,
            secs: 1.0,
            images_per_sec: 1.0,
            broken: 0,
            gates: std::collections::BTreeMap::new(),
            pck_parts: [2, 10, 1]
                .map(|n: u64| (format!("round {n}"), 0.1 * (n + epoch) as f64))
                .into(),
        };
        let history = [record(0), record(1)];
        let curves = part_curves(&history);
        let names: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
        assert_eq!(names, ["round 1", "round 2", "round 10"]);
        let steps: Vec<f64> = curves[1].points.iter().map(|p| p[0]).collect();
        assert_eq!(steps, [0.0, 10.0]);
        assert!((curves[1].points[1][1] - 0.3).abs() < 1e-9);
        assert_ne!(curves[0].color, curves[1].color);
        assert!(part_curves(&[]).is_empty());
    }
}

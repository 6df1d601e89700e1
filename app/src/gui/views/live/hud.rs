//! Frame rate and latency over the image, and next to or below them the note about the prediction.

use std::fmt::Write as _;
use std::time::Duration;

use eframe::egui::{self, Color32, RichText, TextStyle, Ui};
use poselens_engine::output::Stage;
use poselens_engine::source::SourceStatus;

use crate::gui::views::live::notes::notes_ui;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};

/// Latency above which users notice that the image lags.
const NOTICEABLE: Duration = Duration::from_millis(150);

/// Distance from the edges of the stage in points.
const MARGIN: f32 = 12.0;
/// Distance between two figures in points.
const SPACING: f32 = 18.0;

pub(super) fn hud_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let stats = &cx.ui_state.stats;
    // Without frames there are no figures, and the connection's card needs the room.
    let is_delivering = cx.ui_state.source_status == SourceStatus::Ok;
    let Some(presented) = cx.ui_state.presented.as_ref().filter(|_| is_delivering) else {
        return;
    };
    let mut stages = String::new();
    for stage in Stage::ALL {
        let time = presented.timings.get(stage);
        if !time.is_zero() {
            let _ = write!(stages, "\n{}: {:.1} ms", stage.name(), millis(time));
        }
    }
    let latency_color = match stats.latency_p50 {
        Some(p50) if p50 > NOTICEABLE => theme::RIGHT,
        _ => theme::TEXT,
    };
    let area = ui.max_rect().shrink(MARGIN);
    let figures = ui.scope_builder(egui::UiBuilder::new().max_rect(area), |ui| {
        let frame = egui::Frame::new()
            .fill(Color32::from_black_alpha(170))
            .corner_radius(8)
            .inner_margin(egui::Margin::symmetric(12, 7));
        frame.show(ui, |ui| {
            ui.spacing_mut().item_spacing = egui::vec2(SPACING, 4.0);
            ui.vertical(|ui| {
                ui.horizontal_wrapped(|ui| figures_ui(ui, cx, &stages, latency_color));
                devices_ui(ui, cx);
            });
        });
    });
    notes_ui(ui, cx, area, figures.response.rect);
}

/// Shows frames per second, latency and dropped frames.
fn figures_ui(ui: &mut Ui, cx: &LiveContext<'_>, stages: &str, latency_color: Color32) {
    let (stats, ui_state) = (&cx.ui_state.stats, cx.ui_state);
    let what = if ui_state.is_live() {
        "camera"
    } else {
        "source"
    };
    figure_ui(
        ui,
        what,
        format!("{:4.1}", stats.source_fps),
        "fps",
        theme::TEXT,
    )
    .on_hover_text("Frames per second that the source delivers");
    figure_ui(
        ui,
        "model",
        format!("{:4.1}", stats.inference_fps),
        "fps",
        theme::TEXT,
    )
    .on_hover_text(format!(
        "Frames per second through the model. The last frame:{stages}"
    ));
    let latency = match (stats.latency_p50, stats.latency_p95) {
        (Some(p50), Some(p95)) => format!("{:3.0} / {:3.0}", millis(p50), millis(p95)),
        _ => "–".to_owned(),
    };
    figure_ui(ui, "latency", latency, "ms", latency_color).on_hover_text(
        "From capture to drawing: half of the frames are faster than the first \
                     number, 95 of 100 faster than the second",
    );
    let color = if stats.drops > 0 {
        theme::WEAK
    } else {
        theme::TEXT
    };
    figure_ui(ui, "drops", stats.drops.to_string(), "", color).on_hover_text(
        "Frames skipped by the model because a newer one was available: this keeps the view live",
    );
}

/// Shows the compute device and the graphics adapter.
fn devices_ui(ui: &mut Ui, cx: &LiveContext<'_>) {
    let Some(adapter) = &cx.ui_state.adapter else {
        return;
    };
    let text = format!("{} · {}", cx.device().name, adapter.text());
    let color = if adapter.is_software {
        theme::RIGHT
    } else {
        theme::WEAK
    };
    let help = if adapter.is_software {
        "No graphics device was found: the CPU also draws the window, which leaves less time for \
         the model. Check the graphics driver; `poselens doctor` lists the adapters."
    } else {
        "Device that models run on, and device that draws the window"
    };
    let label = egui::Label::new(RichText::new(text).small().color(color));
    ui.add(label.truncate().selectable(false))
        .on_hover_text(help);
}

/// Shows a figure, on the next line if this one has no room for it.
fn figure_ui(ui: &mut Ui, name: &str, value: String, unit: &str, color: Color32) -> egui::Response {
    const GAP: f32 = 5.0;
    let small = TextStyle::Small.resolve(ui.style());
    let parts = [
        (name, small.clone()),
        (&*value, theme::number_font(13.0)),
        (unit, small),
    ];
    let widths = parts.map(|(text, font)| widgets::text_width(ui, text, font));
    if widths.iter().sum::<f32>() + 2.0 * GAP > ui.available_size_before_wrap().x {
        ui.end_row();
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        let small = |text: &str| RichText::new(text).small().color(theme::WEAK);
        let show = |ui: &mut Ui, text| ui.add(egui::Label::new(text).selectable(false));
        show(ui, small(name));
        show(
            ui,
            RichText::new(value)
                .font(theme::number_font(13.0))
                .color(color),
        );
        if !unit.is_empty() {
            show(ui, small(unit));
        }
    })
    .response
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

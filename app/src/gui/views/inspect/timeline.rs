//! The timeline along the bottom: thumbnails, time and frame number.

use eframe::egui::{
    self, Align, Button, DragValue, Image, Label, Layout, RichText, Role, Sense, Slider, Ui,
    WidgetInfo,
};

use crate::gui::action::Action;
use crate::gui::action::inspect::InspectAction;
use crate::gui::titles::{CLOCK_ROUNDING_SECS, clock};
use crate::gui::views::inspect::frame_reader::FrameReader;
use crate::gui::views::inspect::state::InspectContext;
use crate::gui::{theme, widgets};

/// Height of the thumbnail strip in points.
const STRIP: f32 = 46.0;

/// Shows the timeline.
pub(super) fn timeline_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    ui.add_space(6.0);
    match &cx.view.reader {
        Some(reader) if reader.times.len() > 1 => {
            strip_ui(ui, reader, cx.actions);
            ui.horizontal(|ui| {
                steps_ui(ui, cx.actions);
                slider_ui(ui, reader, cx.actions);
            });
        }
        Some(reader) if reader.times.len() == 1 => {
            weak_ui(ui, "A single image: there are no frames to step through.");
        }
        Some(reader) if cx.view.subject.is_none() => {
            weak_ui(ui, &format!("Opening {}…", reader.name));
            if let Some(extent) = reader.extent() {
                widgets::counting_ui(ui, &extent);
            }
        }
        _ if cx.view.subject.is_some() => {
            ui.horizontal(|ui| {
                steps_ui(ui, cx.actions);
                let back = cx.ui_state.presented.as_ref().and_then(|p| p.review);
                let text = match back {
                    Some(review) => format!("{:.2} s ago", review.secs_back),
                    None => {
                        "the live frame as it was; step back through the last seconds".to_owned()
                    }
                };
                weak_ui(ui, &text);
            });
        }
        _ => weak_ui(ui, "No file is open."),
    }
}

fn weak_ui(ui: &mut Ui, text: &str) {
    ui.add(Label::new(RichText::new(text).color(theme::WEAK)).selectable(false));
}

/// Shows evenly spaced thumbnails; a click seeks to the position.
fn strip_ui(ui: &mut Ui, reader: &FrameReader, actions: &mut Vec<Action>) {
    let (row, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), STRIP), Sense::hover());
    let n = reader.strip.len().min(reader.times.len());
    let width = row.width() / n as f32;
    for (i, picture) in reader.strip.iter().take(n).enumerate() {
        let left = egui::pos2(row.left() + width * i as f32, row.top());
        let rect = egui::Rect::from_min_size(left, egui::vec2(width - 2.0, STRIP));
        ui.painter().rect_filled(rect, 3.0, theme::CARD);
        let Some(picture) = picture else { continue };
        let id = ui.scope_id().with(("thumbnail", i));
        let response = ui.interact(rect, id, Sense::CLICK);
        let secs = reader.times.get(picture.index).copied().unwrap_or_default();
        let label = format!("Frame {} at {}", picture.index, clock(secs));
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
        Image::new(&picture.texture)
            .corner_radius(3)
            .uv(cropped(picture.texture.size_vec2(), rect.size()))
            .paint_at(ui, rect);
        if response.hovered() {
            let stroke = egui::Stroke::new(1.5, theme::LEFT);
            ui.painter()
                .rect_stroke(rect, 3.0, stroke, egui::StrokeKind::Inside);
        }
        if widgets::help_above(response, &label).clicked() {
            actions.push(Action::Inspect(InspectAction::Seek(picture.index)));
        }
    }
    let last = reader.times.last().copied().unwrap_or_default();
    let now = reader.times.get(reader.index).copied().unwrap_or_default();
    if last > 0.0 {
        let x = egui::lerp(row.left()..=row.right(), (now / last) as f32);
        ui.painter()
            .vline(x, row.y_range(), egui::Stroke::new(2.0, theme::RIGHT));
    }
}

/// Returns the central part of an image that fills a place of another aspect ratio.
fn cropped(picture: egui::Vec2, place: egui::Vec2) -> egui::Rect {
    let (a, b) = (picture.x / picture.y, place.x / place.y);
    let size = egui::vec2((b / a).min(1.0), (a / b).min(1.0));
    egui::Rect::from_center_size(egui::pos2(0.5, 0.5), size)
}

fn steps_ui(ui: &mut Ui, actions: &mut Vec<Action>) {
    for (text, label, help, n) in [
        ("−10", "Back ten frames", "Shift+Left", -10),
        ("−1", "Previous frame", "Left or ,", -1),
        ("+1", "Next frame", "Right or .", 1),
        ("+10", "Forward ten frames", "Shift+Right", 10),
    ] {
        let button = Button::new(RichText::new(text).font(theme::number_font(13.0)));
        if ui
            .add(button.min_size(egui::vec2(44.0, 28.0)))
            .on_hover_text(format!("{label} ({help})"))
            .accessible_name(label)
            .clicked()
        {
            actions.push(Action::Inspect(InspectAction::Step(n)));
        }
    }
}

/// Shows editable fields of the time and the frame number, laid out from right to left.
fn place_ui(ui: &mut Ui, reader: &FrameReader, actions: &mut Vec<Action>) {
    let last = reader.times.len().saturating_sub(1);
    let end = reader.times.last().copied().unwrap_or_default();
    let weak = |text: String| {
        let text = RichText::new(text).font(theme::number_font(13.0));
        Label::new(text.color(theme::WEAK)).selectable(false)
    };
    ui.spacing_mut().item_spacing.x = 5.0;
    let mut index = reader.index;
    ui.add(weak(format!("/ {last}")));
    let field = DragValue::new(&mut index).range(0..=last);
    if ui
        .add(field)
        .on_hover_text("Frame, counted from 0: type a number to go there")
        .accessible_name("Frame")
        .changed()
    {
        actions.push(Action::Inspect(InspectAction::Seek(index)));
    }
    ui.add(weak("frame".to_owned()));
    ui.add_space(8.0);
    ui.add(weak(format!("/ {}", clock(end))));
    let mut secs = reader.times.get(reader.index).copied().unwrap_or_default();
    let field = DragValue::new(&mut secs)
        .range(0.0..=end)
        .speed(0.02)
        .custom_formatter(|secs, _| clock(secs))
        .custom_parser(widgets::clock_secs);
    if ui
        .add(field)
        .on_hover_text("Time: type seconds or 1:23.45 to go there")
        .accessible_name("Time")
        .changed()
    {
        // The displayed time, which the field is edited from, may be rounded down.
        let index = reader.index_at(secs + CLOCK_ROUNDING_SECS);
        actions.push(Action::Inspect(InspectAction::Seek(index)));
    }
    ui.add_space(4.0);
}

fn slider_ui(ui: &mut Ui, reader: &FrameReader, actions: &mut Vec<Action>) {
    let last = reader.times.last().copied().unwrap_or_default();
    let now = reader.times.get(reader.index).copied().unwrap_or_default();
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        place_ui(ui, reader, actions);
        ui.spacing_mut().slider_width = (ui.available_width() - 12.0).max(60.0);
        let mut secs = now;
        let slider = Slider::new(&mut secs, 0.0..=last).show_value(false);
        if widgets::help_above(ui.add(slider), "Goes to another time")
            .accessible_name("Time line")
            .changed()
        {
            let index = reader.index_at(secs);
            actions.push(Action::Inspect(InspectAction::Seek(index)));
        }
    });
}

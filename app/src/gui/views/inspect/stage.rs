//! The stage: one image per model, with its overlays.

use eframe::egui::{self, Align, Color32, Label, Layout, Rect, RichText, Ui};
use poselens_engine::overlay::OverlayStyle;

use crate::gui::action::Action;
use crate::gui::action::inspect::{InspectAction, TracksAction};
use crate::gui::prediction_note::prediction_note;
use crate::gui::state::inspect::Pick;
use crate::gui::theme;
use crate::gui::views::inspect::compare::SECOND;
use crate::gui::views::inspect::state::InspectContext;
use crate::gui::views::inspect::{numbers, shown};
use crate::gui::zoom::zoom_ui;

/// Height of the line above an image.
const CAPTION: f32 = 28.0;
/// Maximum distance in points at which a click picks a joint.
const REACH: f32 = 14.0;

/// Lays out the images in `area`.
pub(super) fn stage_ui(ui: &mut Ui, area: Rect, cx: &mut InspectContext<'_>) {
    let inspect = cx.view;
    if inspect.subject.is_none() {
        empty_ui(ui, area, cx);
        return;
    }
    let n = if inspect.is_compared() && !inspect.is_overlaid() {
        2
    } else {
        1
    };
    let width = area.width() / n as f32;
    for slot in 0..n {
        let left = area.left() + width * slot as f32;
        let pane = Rect::from_min_size(
            egui::pos2(left, area.top()),
            egui::vec2(width - if slot + 1 < n { 2.0 } else { 0.0 }, area.height()),
        );
        let builder = egui::UiBuilder::new().id_salt(slot).max_rect(pane);
        pane_ui(&mut ui.new_child(builder), pane, slot, cx);
    }
}

fn pane_ui(ui: &mut Ui, pane: Rect, slot: usize, cx: &mut InspectContext<'_>) {
    let inspect = cx.view;
    let kept = inspect.kept.as_ref().filter(|_| slot == 1);
    let subject = kept.or(inspect.subject.as_ref());
    let (Some(subject), Some(model_slot)) = (subject, inspect.slots.get(slot)) else {
        return;
    };
    let (caption, area) = pane.split_top_bottom_at_y(pane.top() + CAPTION);
    let size = subject.frame.size();
    let zoomed = zoom_ui(ui, area, size, inspect.zoom, subject.is_mirrored);
    if zoomed.is_changed {
        send(cx, InspectAction::Zoom(zoomed.placed.view.zoom()));
    }
    if let Some(picture) = &inspect.pictures[slot] {
        let scene = inspect.overlaid.as_ref().unwrap_or(&model_slot.shown.scene);
        picture.show_ui(ui, area, scene, zoomed.placed.view);
    }

    let in_image = |at: egui::Pos2| {
        let point = zoomed.placed.to_image(at);
        let is_inside = (-0.5..size.width as f64 - 0.5).contains(&point.x)
            && (-0.5..size.height as f64 - 0.5).contains(&point.y);
        is_inside.then_some(point)
    };
    // egui reports a double click as a triple click if something else was clicked shortly before.
    if zoomed.response.double_clicked() || zoomed.response.triple_clicked() {
        // The first click of the double click has already changed the pick.
        send(cx, InspectAction::Unpick);
    } else if zoomed.response.clicked()
        && let Some(point) = zoomed.response.interact_pointer_pos().and_then(in_image)
    {
        let reach = zoomed.placed.length(REACH);
        let people = inspect.people.as_ref().filter(|_| kept.is_none());
        if let Some(track) = people.and_then(|people| people.track_at(point, reach)) {
            let choose = TracksAction::Choose(track);
            send(cx, InspectAction::Tracks(choose));
        }
        let joint = model_slot
            .found
            .as_ref()
            .and_then(|output| shown::joint_near(output, point, reach));
        let pick = joint.unwrap_or(Pick::Pixel(point));
        send(cx, InspectAction::Pick(Some(pick)));
    }

    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(caption.shrink2(egui::vec2(12.0, 0.0)))
            .layout(Layout::left_to_right(Align::Center)),
    );
    let threshold = OverlayStyle::default().keypoint_threshold;
    let note = || prediction_note(model_slot.found.as_ref()?, threshold);
    let state = model_slot.state().or_else(note);
    let state = state.or_else(|| model_slot.shown.hint.clone());
    let color = if model_slot.fault.is_some() {
        theme::RED
    } else {
        theme::RIGHT
    };
    // First, and limited to half of the pane, so that there is room for the status.
    name_ui(&mut ui, slot, theme::TEXT, cx);
    if inspect.is_overlaid() {
        let [r, g, b] = SECOND;
        name_ui(&mut ui, 1, Color32::from_rgb(r, g, b), cx);
    }
    if let Some(state) = state {
        ui.add(
            Label::new(RichText::new(state).color(color))
                .truncate()
                .selectable(false),
        );
    }
    let under = zoomed.response.hover_pos().and_then(in_image);
    if let Some(point) = under {
        let text = numbers::under(model_slot, inspect.pick.as_ref(), point);
        let text = RichText::new(text).font(theme::number_font(12.5));
        ui.add(
            Label::new(text.color(theme::TEXT))
                .truncate()
                .selectable(false),
        )
        .on_hover_text("Under the pointer: pixel, map value, heatmap value");
    } else if let Some(map) = &model_slot.shown.map {
        let text = RichText::new(format!("{}: {}", map.name, map.title)).color(theme::WEAK);
        ui.add(Label::new(text).truncate().selectable(false));
    }
}

/// Shows the name of the model, with its frame if that differs.
fn name_ui(ui: &mut Ui, slot: usize, color: Color32, cx: &InspectContext<'_>) {
    let model_slot = &cx.view.slots[slot];
    ui.scope(|ui| {
        ui.set_max_width(0.5 * ui.available_width());
        let text = RichText::new(cx.view.title(slot)).strong().color(color);
        let label = Label::new(text).truncate().selectable(false);
        ui.add(label)
            .on_hover_text(model_slot.wanted.as_deref().unwrap_or_default());
    });
}

/// Shows first steps while no frame is inspected.
fn empty_ui(ui: &mut Ui, area: Rect, cx: &InspectContext<'_>) {
    let (title, text) = match &cx.view.reader {
        Some(reader) if cx.ui_state.status.is_none() => (
            format!("Opening {}…", reader.name),
            "Some videos have to be read once completely; this can take a while.",
        ),
        Some(reader) => (
            format!("{} cannot be shown", reader.name),
            "The message below states the reason. Open another file on the right.",
        ),
        None => (
            "Nothing to inspect yet".to_owned(),
            "Open a file or a recording on the right,\nor press I in Live at the frame you want \
             to understand.",
        ),
    };
    let size = egui::vec2(460.0_f32.min(area.width() - 32.0), 120.0);
    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(Rect::from_center_size(area.center(), size))
            .layout(Layout::top_down(Align::Center)),
    );
    ui.add(Label::new(RichText::new(title).heading().strong()).selectable(false));
    ui.add(Label::new(RichText::new(text).color(theme::WEAK)).selectable(false));
}

fn send(cx: &mut InspectContext<'_>, action: InspectAction) {
    cx.actions.push(Action::Inspect(action));
}

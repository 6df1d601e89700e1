//! Short notes over the image about what the overlays do not show: no person detected, only one of
//! several people tracked, a person too small for the network.

use std::time::{Duration, Instant};

use eframe::egui::{
    self, Align, Color32, Id, Label, Layout, Rect, RichText, TextStyle, Ui, UiBuilder,
};

use poselens_engine::output::PeopleCount;

use crate::gui::context::approach_note;
use crate::gui::prediction_note::prediction_note;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Delay before a missing person is reported, because detections often drop out for a frame or two.
const NOTE_DELAY: Duration = Duration::from_millis(400);
/// Display time of notes on permanent properties of a network.
const ONCE: Duration = Duration::from_secs(12);
/// Margin of the note's frame in points.
const MARGIN: egui::Vec2 = egui::vec2(10.0, 5.0);
/// Width from which a note is wrapped rather than moved below the figures.
const WRAPPED: f32 = 220.0;
/// Distance from the figures in points.
const GAP: f32 = 8.0;

/// Shows the note at the right edge of `area`, or below the `figures` at its left edge if there is
/// no room beside them.
pub(super) fn notes_ui(ui: &mut Ui, cx: &mut LiveContext<'_>, area: Rect, figures: Rect) {
    let Some(text) = note(ui, cx) else {
        return;
    };
    let font = TextStyle::Small.resolve(ui.style());
    let width = widgets::text_width(ui, &text, font) + 2.0 * MARGIN.x;
    let mut place = area;
    place.min.x = figures.right() + GAP;
    let mut align = Align::Max;
    if place.width() < width.min(WRAPPED) {
        place = area;
        place.min.y = figures.bottom() + GAP;
        align = Align::Min;
    }
    let layout = Layout::top_down(align);
    ui.scope_builder(UiBuilder::new().max_rect(place).layout(layout), |ui| {
        let frame = egui::Frame::new()
            .fill(Color32::from_black_alpha(170))
            .corner_radius(8)
            .inner_margin(MARGIN);
        frame.show(ui, |ui| {
            ui.set_max_width(place.width() - 2.0 * MARGIN.x);
            let text = RichText::new(text).small().color(theme::TEXT);
            ui.add(Label::new(text).selectable(false));
        });
    });
}

fn note(ui: &Ui, cx: &LiveContext<'_>) -> Option<String> {
    let presented = cx.ui_state.presented.as_ref()?;
    let output = presented.output.as_ref()?;
    if let Some(text) = prediction_note(output, cx.state.keypoint_threshold) {
        let is_running = cx.ui_state.is_playing && !cx.ui_state.has_ended;
        let since = since(ui, "said", &text);
        let waits = is_running && since < NOTE_DELAY;
        if waits {
            ui.ctx()
                .request_repaint_after(NOTE_DELAY.saturating_sub(since));
        }
        return (!waits).then_some(text);
    }
    since(ui, "said", "");
    if output.people.left_out > 0 {
        return Some(left_out(&output.people));
    }
    let model = cx.ui_state.model.as_ref()?;
    let text = approach_note(model, cx.ui_state.people)?;
    let since = since(ui, "once", &format!("{model} {}", presented.source.name));
    let left = ONCE.checked_sub(since)?;
    ui.ctx().request_repaint_after(left);
    Some(text)
}

/// Says how many people keep the poses with which they were found.
fn left_out(people: &PeopleCount) -> String {
    format!(
        "{} of {} examined closely: the others keep coarse poses",
        people.closely,
        counted(people.closely + people.left_out, "person")
    )
}

/// Returns how long `what` has been current in this slot without interruption.
fn since(ui: &Ui, slot: &str, what: &str) -> Duration {
    let id = Id::unique(("note", slot));
    let now = Instant::now();
    ui.data_mut(|data| {
        let (known, begin) = data.get_temp_mut_or_insert_with(id, || (String::new(), now));
        if known != what {
            (*known, *begin) = (what.to_owned(), now);
        }
        begin.elapsed()
    })
}

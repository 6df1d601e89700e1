//! Short notes over the image about what the overlays do not show: no person detected, only one of
//! several people tracked, a person too small for the network.

use std::time::{Duration, Instant};

use eframe::egui::{self, Align, Color32, Id, Label, Layout, RichText, Ui};
use poselens_engine::output::Approach;

use crate::gui::context::approach;
use crate::gui::prediction_note::prediction_note;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, trained};

/// Delay before a missing person is reported, because detections often drop out for a frame or two.
const PATIENCE: Duration = Duration::from_millis(400);
/// Display time of notes on permanent properties of a network.
const ONCE: Duration = Duration::from_secs(12);
/// Shows the note.
pub fn notes_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let Some(text) = note(ui, cx) else {
        return;
    };
    let area = ui.max_rect().shrink(12.0);
    let layout = Layout::top_down(Align::Max);
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(area).layout(layout));
    egui::Frame::new()
        .fill(Color32::from_black_alpha(170))
        .corner_radius(8)
        .inner_margin(egui::Margin::symmetric(10, 5))
        .show(&mut ui, |ui| {
            ui.set_max_width(0.4 * area.width());
            let text = RichText::new(text).small().color(theme::TEXT);
            ui.add(Label::new(text).selectable(false));
        });
}

fn note(ui: &Ui, cx: &LiveContext<'_>) -> Option<String> {
    let presented = cx.ui_state.presented.as_ref()?;
    let output = presented.output.as_ref()?;
    if let Some(text) = prediction_note(output, cx.state.keypoint_threshold) {
        let is_running = cx.ui_state.is_playing && !cx.ui_state.has_ended;
        let since = since(ui, "said", &text);
        let waits = is_running && since < PATIENCE;
        if waits {
            ui.ctx()
                .request_repaint_after(PATIENCE.saturating_sub(since));
        }
        return (!waits).then_some(text);
    }
    since(ui, "said", "");
    let model = cx.ui_state.model.as_ref()?;
    if approach(model) != Some(Approach::TopDown) {
        return None;
    }
    let all = cx
        .gui
        .models
        .iter()
        .filter(|m| m.approach() == Some(Approach::BottomUp));
    let title = trained::title(model);
    let text = match all.map(|m| trained::title(&m.name)).next() {
        Some(other) => format!("{title} follows one person; {other} finds several people"),
        None => format!("{title} follows one person at a time"),
    };
    let since = since(ui, "once", &format!("{model} {}", presented.source.name));
    let left = ONCE.checked_sub(since)?;
    ui.ctx().request_repaint_after(left);
    Some(text)
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

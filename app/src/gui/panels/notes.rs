//! A few words over the picture where what is drawn does not explain itself: nobody was found, one
//! of several people is followed, somebody is too small for the network.

use std::time::{Duration, Instant};

use eframe::egui::{self, Align, Color32, Id, Label, Layout, RichText, Ui};
use poselens_engine::output::{Approach, PoseOutput};

use super::super::approach;
use super::super::theme;
use super::super::train::trained;
use super::PanelContext;

/// A running picture is without anybody for this long before it is said: people are lost for a
/// frame or two and found again.
const PATIENCE: Duration = Duration::from_millis(400);
/// What is true of a network from the beginning is said for this long.
const ONCE: Duration = Duration::from_secs(12);
/// People whose box is smaller than this many pixels are seen as a few pixels per limb.
const SMALL: f64 = 64.0;

/// Lays the note out.
pub fn notes_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
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

fn note(ui: &Ui, cx: &PanelContext<'_>) -> Option<String> {
    let presented = cx.session.presented.as_ref()?;
    let output = presented.output.as_ref()?;
    if let Some(text) = of_answer(output, cx.state.keypoint_threshold) {
        let is_running = cx.session.is_playing && !cx.session.has_ended;
        let since = since(ui, "said", &text);
        let waits = is_running && since < PATIENCE;
        if waits {
            ui.ctx()
                .request_repaint_after(PATIENCE.saturating_sub(since));
        }
        return (!waits).then_some(text);
    }
    since(ui, "said", "");
    let model = cx.session.model.as_ref()?;
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
        Some(other) => format!("{title} follows one person; {other} finds everybody"),
        None => format!("{title} follows one person at a time"),
    };
    let since = since(ui, "once", &format!("{model} {}", presented.source.name));
    let left = ONCE.checked_sub(since)?;
    ui.ctx().request_repaint_after(left);
    Some(text)
}

/// How long `what` has been asked about with nothing else in between.
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

/// What must be known of an answer that is drawn with joints from `threshold` on.
pub fn of_answer(output: &PoseOutput, threshold: f32) -> Option<String> {
    let Some(best) = output.poses.first() else {
        return Some("Nobody found".to_owned());
    };
    let is_drawn = |score: f32| score >= threshold;
    let mut joints = output.poses.iter().flat_map(|pose| &pose.keypoints);
    if !joints.any(|joint| is_drawn(joint.score)) {
        return Some(format!(
            "Somebody may be there, but every joint is below the threshold of {threshold:.2}"
        ));
    }
    let size = best.bbox.w.max(best.bbox.h);
    let is_small = size < SMALL && output.frame.size().width as f64 > 2.0 * SMALL;
    is_small.then(|| format!("Only {size:.0} pixels high: too small for the network to be exact"))
}

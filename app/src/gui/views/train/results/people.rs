//! A fixed sample of held-out people: labels, initial and current predictions.

use eframe::egui::{self, Image, RichText, Ui};

use crate::gui::theme;
use crate::gui::views::train::state::TrainContext;
use crate::gui::widgets::note_ui;

pub(crate) fn people_ui(ui: &mut Ui, cx: &TrainContext<'_>) {
    ui.label(RichText::new("A few held-out people").strong())
        .on_hover_text("The same people after every epoch; never trained on");
    let [before, now, after] = cx.view.held_out.each_ref().map(Option::as_ref);
    // The latest predictions during training; at the end those of the judged weights.
    let now = after.filter(|_| !cx.view.is_active()).or(now);
    let (Some(before), Some(now)) = (before, now) else {
        let text = if cx.view.is_active() {
            "They appear here after the first evaluation, if there are held-out people."
        } else {
            "There are none, or their images were moved."
        };
        note_ui(ui, text);
        return;
    };
    let heads = heads(before.held_out_images.epoch, now.held_out_images.epoch);
    let gap = 6.0;
    let n = heads.len() as f32;
    let width = ((ui.available_width() - (n - 1.0) * gap) / n).floor();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for head in &heads {
            let (rect, _) = ui.allocate_exact_size(egui::vec2(width, 16.0), egui::Sense::hover());
            let font = egui::FontId::proportional(12.0);
            let at = rect.center();
            ui.painter()
                .text(at, egui::Align2::CENTER_CENTER, head, font, theme::WEAK);
        }
    });
    for (i, (labels, first)) in before.textures.iter().map(|[l, f]| (l, f)).enumerate() {
        let Some([_, last]) = now.textures.get(i) else {
            continue;
        };
        let file = &before.held_out_images.people[i].0;
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for (texture, what) in [labels, first, last].into_iter().zip(&heads) {
                let [w, h] = texture.size();
                let size = egui::vec2(width, width * h as f32 / w.max(1) as f32);
                let image = Image::new((texture.id(), size)).corner_radius(4);
                ui.add(image.alt_text(format!("{file}, {what}")))
                    .on_hover_text(format!("{file}: {what}"));
            }
        });
    }
}

/// Returns the headings: labels, predictions before training (or of the first epoch known), and the
/// latest predictions if they are of other weights.
fn heads(before: u64, now: u64) -> Vec<String> {
    let name = |epoch: u64| match epoch {
        0 => "before training".to_owned(),
        epoch => format!("after epoch {epoch}"),
    };
    let mut heads = vec!["as labelled".to_owned(), name(before)];
    if now != before {
        heads.push(name(now));
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when two columns have the same heading, or the same predictions are shown twice.
    #[test]
    fn headings_are_distinct() {
        let labels = "as labelled".to_owned();
        let before = "before training".to_owned();
        assert_eq!(heads(0, 0), [labels.clone(), before.clone()]);
        assert_eq!(
            heads(0, 4),
            [labels.clone(), before, "after epoch 4".to_owned()]
        );
        // Resumed without the initial weights.
        assert_eq!(heads(3, 3), [labels, "after epoch 3".to_owned()]);
    }
}

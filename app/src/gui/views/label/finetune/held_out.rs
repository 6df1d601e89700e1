//! A held-out frame with the predictions before and after a training, side by side.

use std::sync::Arc;

use eframe::egui::{
    self, Align, Button, Color32, Label as TextLabel, Layout, Painter, Rect, RichText, Stroke, Ui,
};
use poselens_engine::finetune::{FrameResult, MeasuredJoints};
use poselens_engine::geometry::Point;
use poselens_engine::skeleton::{Side, Skeleton};

use crate::gui::action::Action;
use crate::gui::action::finetune::FinetuneAction;
use crate::gui::action::label::LabelAction;
use crate::gui::theme;
use crate::gui::views::label::state::LabelContext;
use crate::gui::zoom::{Placed, zoom_ui};

/// Smallest height of the images in points.
const HEIGHT: f32 = 220.0;
/// Distance between the images in points.
const GAP: f32 = 8.0;
/// Dark outline that keeps lines visible on bright images.
const SHADOW: Color32 = Color32::from_rgba_premultiplied(0, 0, 0, 140);

/// Shows the list's position, and the frame before and after.
pub(super) fn held_out_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let view = cx.view;
    let (Some(gate), Some(result)) = (view.finetune.gate(), view.finetune.result()) else {
        return;
    };
    let n = gate.frames.len();
    ui.horizontal(|ui| position_ui(ui, result, n, cx));
    let height = (ui.available_height() - 4.0).max(HEIGHT);
    let size = egui::vec2(ui.available_width(), height);
    let (area, _) = ui.allocate_exact_size(size, egui::Sense::hover());
    let player = &view.finetune.player;
    let Some(picture) = player.picture() else {
        let text = player.fault.as_deref().unwrap_or("Reading the frame…");
        let builder = egui::UiBuilder::new()
            .max_rect(area)
            .layout(Layout::top_down(Align::Center));
        let text = RichText::new(text).color(theme::WEAK);
        ui.new_child(builder)
            .add(TextLabel::new(text).selectable(false));
        return;
    };
    let skeleton = view.project.as_ref().map(|project| project.info.skeleton);
    let half = egui::vec2((area.width() - GAP) / 2.0, area.height());
    let sides = [
        ("Before", result.before, area.min),
        (
            "After",
            result.after,
            area.min + egui::vec2(half.x + GAP, 0.0),
        ),
    ];
    for (i, (name, error, corner)) in sides.into_iter().enumerate() {
        let area = Rect::from_min_size(corner, half);
        let builder = egui::UiBuilder::new().id_salt(name).max_rect(area);
        let mut ui = ui.new_child(builder);
        let zoomed = zoom_ui(&mut ui, area, picture.frame.size(), player.zoom, false);
        if zoomed.is_changed {
            send(cx, FinetuneAction::Zoom(zoomed.placed.view.zoom()));
        }
        if let Some(canvases) = &player.canvases {
            canvases[i].show_ui(&ui, area, &Arc::default(), zoomed.placed.view);
        }
        let painter = ui.painter().with_clip_rect(area.intersect(ui.clip_rect()));
        if let Some(skeleton) = skeleton {
            for person in &result.people {
                let found = if i == 0 {
                    &person.before
                } else {
                    &person.after
                };
                let drawing = Drawing {
                    painter: &painter,
                    placed: zoomed.placed,
                    skeleton,
                };
                drawing.person(&person.labels, found);
            }
        }
        let text = format!("{name}: error {error:.3} torso lengths");
        let font = egui::FontId::proportional(13.0);
        let galley = painter.layout_no_wrap(text, font, Color32::WHITE);
        let rect = Rect::from_min_size(area.min + egui::vec2(6.0, 6.0), galley.size());
        painter.rect_filled(rect.expand2(egui::vec2(5.0, 3.0)), 4.0, SHADOW);
        painter.galley(rect.min, galley, Color32::WHITE);
    }
}

fn position_ui(ui: &mut Ui, result: &FrameResult, n: usize, cx: &mut LabelContext<'_>) {
    let index = cx.view.finetune.player.index;
    ui.label(RichText::new("Held-out frames, the worst first").strong());
    for (text, label, to, key) in [
        ("‹", "Previous held-out frame", index.checked_sub(1), "S"),
        (
            "›",
            "Next held-out frame",
            Some(index + 1).filter(|i| *i < n),
            "D",
        ),
    ] {
        let button = Button::new(text).min_size(egui::vec2(30.0, 24.0));
        let button = ui.add_enabled(to.is_some(), button);
        let button = button.on_hover_text(format!("{label} ({key})"));
        if button.accessible_name(label).clicked()
            && let Some(to) = to
        {
            send(cx, FinetuneAction::ShowResult(to));
        }
    }
    let text = format!(
        "{} of {n} · {} frame {}",
        index + 1,
        result.clip,
        result.frame
    );
    ui.label(RichText::new(text).color(theme::TEXT));
    let help = "A white line joins a prediction with its label. The error is the mean distance in \
                torso lengths; a joint that was not found counts as one.";
    let legend = RichText::new("ring: label · disc: prediction").small();
    ui.add(TextLabel::new(legend.color(theme::WEAK)).truncate())
        .on_hover_text(help);
}

fn send(cx: &mut LabelContext<'_>, action: FinetuneAction) {
    cx.actions
        .push(Action::Label(LabelAction::Finetune(action)));
}

/// Draws labels and predictions over an image.
struct Drawing<'a> {
    painter: &'a Painter,
    placed: Placed,
    skeleton: &'static Skeleton,
}

impl Drawing<'_> {
    fn at(&self, joints: &MeasuredJoints, j: usize) -> Option<egui::Pos2> {
        let [x, y] = (*joints.get(j)?)?;
        Some(self.placed.to_window(Point::new(x, y)))
    }

    fn person(&self, labels: &MeasuredJoints, found: &MeasuredJoints) {
        for (limb, [a, b]) in self.skeleton.limbs.iter().enumerate() {
            if let (Some(a), Some(b)) = (self.at(found, *a), self.at(found, *b)) {
                let color = color(self.skeleton.limb_side(limb));
                self.painter.line_segment([a, b], Stroke::new(4.5, SHADOW));
                self.painter.line_segment([a, b], Stroke::new(2.5, color));
            }
        }
        for j in 0..self.skeleton.joints.len() {
            let (label, found) = (self.at(labels, j), self.at(found, j));
            let color = color(self.skeleton.side(j));
            if let (Some(label), Some(found)) = (label, found) {
                self.painter
                    .line_segment([label, found], Stroke::new(1.5, Color32::WHITE));
            }
            if let Some(found) = found {
                self.painter.circle_filled(found, 4.5, SHADOW);
                self.painter.circle_filled(found, 3.5, color);
            }
            if let Some(label) = label {
                self.painter
                    .circle_stroke(label, 5.5, Stroke::new(3.0, SHADOW));
                self.painter
                    .circle_stroke(label, 5.5, Stroke::new(1.5, Color32::WHITE));
            }
        }
    }
}

fn color(side: Side) -> Color32 {
    match side {
        Side::Left => theme::LEFT,
        Side::Right => theme::RIGHT,
        Side::Center => Color32::WHITE,
    }
}

//! The stage: the frame with its labels.

use std::sync::Arc;

use eframe::egui::{self, Align, Label as TextLabel, Layout, Rect, RichText, Ui};
use poselens_engine::project::Role;

use crate::gui::action::Action;
use crate::gui::action::label::{Held, LabelAction, Page};
use crate::gui::theme;
use crate::gui::titles::clock;
use crate::gui::views::label::draw::Drawing;
use crate::gui::views::label::finetune::page_ui;
use crate::gui::views::label::loupe::loupe_ui;
use crate::gui::views::label::pointer::Gestures;
use crate::gui::views::label::start::start_ui;
use crate::gui::views::label::state::LabelContext;
use crate::gui::zoom::{Placed, image_ui};
use crate::words::counted;

/// Height of the line above the image.
const CAPTION: f32 = 28.0;

/// Lays out the stage in `area`.
pub(super) fn stage_ui(ui: &mut Ui, area: Rect, cx: &mut LabelContext<'_>) {
    let Some(project) = &cx.view.project else {
        return start_ui(ui, area, cx);
    };
    if cx.view.page == Page::Train {
        return page_ui(ui, area, cx);
    }
    let (caption, area) = area.split_top_bottom_at_y(area.top() + CAPTION);
    caption_ui(ui, caption, cx);
    let (Some(picture), Some(_)) = (cx.view.shown_picture(), cx.view.frame()) else {
        return waiting_ui(ui, area, cx);
    };
    let size = picture.frame.size();
    let response = image_ui(ui, area);
    let placed = Placed::new(ui, area, size, cx.view.zoom, false);
    let skeleton = project.info.skeleton;
    let gestures = Gestures {
        response: &response,
        placed,
        grab_id: ui.scope_id().with("grab"),
    };
    let held = gestures.run_ui(ui, cx);
    let placed = match gestures.zoom(ui, cx) {
        Some(zoom) => {
            let placed = Placed::new(ui, area, size, zoom, false);
            // The view's zoom, because panning stops at the image's edges.
            send(cx, LabelAction::Zoom(placed.view.zoom()));
            placed
        }
        None => placed,
    };
    if let Some(canvas) = &cx.view.canvas {
        canvas.show_ui(ui, area, &Arc::default(), placed.view);
    }
    let drawing = Drawing {
        people: cx.view.people(),
        skeleton,
        pick: cx.view.pick,
        held: held.or(cx.view.preview.map(|preview| preview.held)),
        placed,
    };
    drawing.show_ui(ui, area);
    if let (Some(Held::Joint { to, .. }), Some(loupe)) = (held, &cx.view.loupe) {
        loupe_ui(ui, area, loupe, &placed, to);
    }
    if let Some(at) = cx.view.at
        && cx.view.drawn != Some(at)
    {
        send(cx, LabelAction::Drawn(at));
    }
    let pointer = response.hover_pos().map(|at| placed.to_image(at));
    if pointer != cx.view.pointer {
        send(cx, LabelAction::Point(pointer));
    }
}

/// Shows the frame, its role and how far it is labelled above the image.
fn caption_ui(ui: &mut Ui, area: Rect, cx: &LabelContext<'_>) {
    let view = cx.view;
    let builder = egui::UiBuilder::new()
        .max_rect(area.shrink2(egui::vec2(12.0, 0.0)))
        .layout(Layout::left_to_right(Align::Center));
    let mut ui = ui.new_child(builder);
    let (Some(at), Some(clip)) = (view.at, view.clip()) else {
        return;
    };
    let mut parts = vec![format!("frame {}", at.frame)];
    if let Some(picture) = view.shown_picture()
        && !clip.has_pictures()
    {
        parts.push(clock(picture.secs));
    }
    let mut color = theme::WEAK;
    if let Some(frame) = view.frame() {
        let n_people = frame.labels.people.len();
        parts.push(counted(n_people, "person"));
        let n_confirmed = frame
            .labels
            .people
            .iter()
            .filter(|p| p.is_confirmed)
            .count();
        if frame.labels.is_accepted && n_confirmed == n_people {
            color = theme::GREEN;
            parts.push("accepted".to_owned());
        } else if n_people > 0 {
            parts.push(format!("{n_confirmed} confirmed"));
        }
        match frame.role {
            Role::Train => {}
            Role::HoldOut(_) => parts.push("held out: label it, it measures training".to_owned()),
            Role::Guard => parts.push("next to held-out frames: not trained on".to_owned()),
        }
    }
    if view.is_writing() {
        parts.push("saving…".to_owned());
    }
    if view
        .project
        .as_ref()
        .is_some_and(|project| project.is_adding)
    {
        parts.push("looking for a person…".to_owned());
    }
    let name = RichText::new(&clip.name).strong().color(theme::TEXT);
    ui.scope(|ui| {
        ui.set_max_width(0.4 * ui.available_width());
        ui.add(TextLabel::new(name).truncate().selectable(false))
            .on_hover_text(clip.path.display().to_string());
    });
    let text = RichText::new(parts.join(" · ")).color(color);
    ui.add(TextLabel::new(text).truncate().selectable(false));
}

/// Shows why there is no image yet.
fn waiting_ui(ui: &mut Ui, area: Rect, cx: &LabelContext<'_>) {
    let text = match (&cx.view.fault, cx.view.at) {
        (Some(fault), _) => fault.clone(),
        (None, Some(at)) => format!("Frame {}…", at.frame),
        (None, None) => "This project has no clips. Add one on the right.".to_owned(),
    };
    let size = egui::vec2(460.0_f32.min(area.width() - 32.0), 90.0);
    let builder = egui::UiBuilder::new()
        .max_rect(Rect::from_center_size(area.center(), size))
        .layout(Layout::top_down(Align::Center));
    let mut ui = ui.new_child(builder);
    let text = RichText::new(text).color(theme::WEAK);
    ui.add(TextLabel::new(text).selectable(false));
}

fn send(cx: &mut LabelContext<'_>, action: LabelAction) {
    cx.actions.push(Action::Label(action));
}

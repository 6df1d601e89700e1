//! The bottom bar: where the shown frame is in its clip, and the most frequent buttons.

use eframe::egui::{
    Align, Button, DragValue, Label as TextLabel, Layout, RichText, Slider, Ui, Vec2,
};

use crate::gui::action::Action;
use crate::gui::action::label::{LabelAction, Page};
use crate::gui::views::label::finetune;
use crate::gui::views::label::state::LabelContext;
use crate::gui::{theme, widgets};

/// Smallest size of the buttons on the right.
const SIZE: Vec2 = Vec2::new(56.0, 28.0);
/// Width of the bar in points from which it has room for the buttons that undo and redo.
const WITH_HISTORY: f32 = 680.0;

/// Shows the time line and the buttons.
pub(super) fn bar_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    if cx.view.page == Page::Train {
        return finetune::bar_ui(ui, cx);
    }
    ui.add_space(6.0);
    let (Some(at), Some(clip)) = (cx.view.at, cx.view.clip()) else {
        let text = RichText::new("No frame is shown.").color(theme::WEAK);
        ui.add(TextLabel::new(text).selectable(false));
        return;
    };
    let last = clip.n_frames.saturating_sub(1);
    ui.horizontal(|ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 16.0).max(60.0);
        let mut frame = at.frame;
        let slider = Slider::new(&mut frame, 0..=last).show_value(false);
        let help = "Goes to another frame; , and . step by one";
        if widgets::help_above(ui.add(slider), help)
            .accessible_name("Time line")
            .changed()
        {
            send(cx, LabelAction::Seek(frame));
        }
    });
    let has_history = ui.available_width() >= WITH_HISTORY;
    ui.horizontal(|ui| {
        steps_ui(ui, cx);
        frame_ui(ui, at.frame, last, cx);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            decide_ui(ui, cx);
            if has_history {
                history_ui(ui, cx);
            }
        });
    });
}

fn steps_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    for (text, label, help, action) in [
        (
            "‹ list",
            "Previous in list",
            "S",
            LabelAction::NextSuggested(-1),
        ),
        ("−1", "Previous frame", ",", LabelAction::Step(-1)),
        ("+1", "Next frame", ".", LabelAction::Step(1)),
        ("list ›", "Next in list", "D", LabelAction::NextSuggested(1)),
    ] {
        let button = Button::new(RichText::new(text).font(theme::number_font(13.0)));
        let button = ui.add(button.min_size(eframe::egui::vec2(40.0, 28.0)));
        let help = format!("{label} ({help})");
        if widgets::help_above(button, &help)
            .accessible_name(label)
            .clicked()
        {
            send(cx, action);
        }
    }
}

fn frame_ui(ui: &mut Ui, frame: u32, last: u32, cx: &mut LabelContext<'_>) {
    let mut wanted = frame;
    let field = ui.add(DragValue::new(&mut wanted).range(0..=last));
    if widgets::help_above(field, "Frame, counted from 0: type a number to go there")
        .accessible_name("Frame")
        .changed()
    {
        send(cx, LabelAction::Seek(wanted));
    }
    let text = RichText::new(format!("/ {last}")).font(theme::number_font(13.0));
    ui.add(TextLabel::new(text.color(theme::WEAK)).selectable(false));
}

/// Shows the buttons that accept, from right to left.
fn decide_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    for (label, help, goes_on) in [
        (
            "Accept, next",
            "All people in this frame are right; goes on to the next one (Shift+Enter)",
            true,
        ),
        ("Accept", "All people in this frame are right (A)", false),
    ] {
        let button = Button::new(label).min_size(SIZE);
        if widgets::help_above(ui.add(button), help).clicked() {
            send(cx, LabelAction::Accept(goes_on));
        }
    }
}

/// Shows the buttons that undo and redo, from right to left.
fn history_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let (n_undo, n_redo) = cx.view.project.as_ref().map_or((0, 0), |p| p.depth);
    for (label, help, n, action) in [
        ("Redo", "Redo (Ctrl+Y)", n_redo, LabelAction::Redo),
        ("Undo", "Undo (Ctrl+Z)", n_undo, LabelAction::Undo),
    ] {
        let button = ui.add_enabled(n > 0, Button::new(label).min_size(SIZE));
        if widgets::help_above(button, help).clicked() {
            send(cx, action);
        }
    }
}

fn send(cx: &mut LabelContext<'_>, action: LabelAction) {
    cx.actions.push(Action::Label(action));
}

//! The bottom bar of the page Train: start, pause, stop and progress.

use eframe::egui::{self, Align, Button, Label as TextLabel, Layout, RichText, Ui};

use crate::gui::action::Action;
use crate::gui::action::finetune::FinetuneAction;
use crate::gui::action::label::LabelAction;
use crate::gui::theme;
use crate::gui::training::bar::{BUTTON, control_ui, numbers};
use crate::gui::training::control::Requested;
use crate::gui::views::label::state::LabelContext;
use crate::gui::widgets::main_button;
use crate::words::counted;

/// Shows Start and Continue, or Pause and Stop with the progress.
pub fn bar_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let view = cx.view;
    let Some(folder) = view.folder() else {
        return;
    };
    ui.add_space(10.0);
    let size = egui::vec2(ui.available_width(), BUTTON.y);
    let tuning = &view.finetune;
    let progress = tuning.progress_of(&folder).filter(|_| tuning.is_active());
    if let (Some(progress), Some(run)) = (progress, &tuning.run) {
        let requested = run.control.requested();
        let layout = Layout::right_to_left(Align::Center);
        let asked = ui
            .allocate_ui_with_layout(size, layout, |ui| control_ui(ui, requested, Some(progress)));
        match asked.inner {
            None => {}
            Some(Requested::Stop) => send(cx, FinetuneAction::Stop),
            Some(Requested::Go | Requested::Pause) => send(cx, FinetuneAction::Pause),
        }
        text_ui(ui, &numbers(progress));
        return;
    }
    let obstacle = tuning.obstacle(&folder);
    let layout = Layout::left_to_right(Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        let start = ui.add_enabled(obstacle.is_none(), main_button("Start training"));
        let help = "Trains on this machine; the window stays usable, the old weights in use";
        if start.on_hover_text(help).clicked() {
            send(cx, FinetuneAction::Start);
        }
        let unfinished = tuning.shown_run();
        let unfinished = unfinished.filter(|run| run.is_unfinished() && !run.is_busy);
        if let Some(run) = unfinished {
            let button = Button::new("Continue").min_size(BUTTON);
            let help = format!(
                "Resumes run {} where it was saved, and measures it",
                run.name
            );
            let can = !tuning.is_active();
            if ui.add_enabled(can, button).on_hover_text(help).clicked() {
                send(cx, FinetuneAction::Continue(run.folder.clone()));
            }
            ui.label(RichText::new(format!("of run {}", run.name)).color(theme::WEAK));
        }
    });
    let text = match (obstacle, tuning.review.as_deref()) {
        (Some(obstacle), _) => format!("Start is not possible: {obstacle}"),
        (None, Some(review)) => review.plan.as_ref().map_or_else(Clone::clone, |plan| {
            format!(
                "Ready: {} in {} to train on, {} held out, {} replayed.",
                counted(plan.train.people, "person"),
                counted(plan.train.frames, "frame"),
                counted(plan.holdout.people, "person"),
                counted(plan.n_replayed, "frame")
            )
        }),
        (None, None) => String::new(),
    };
    text_ui(ui, &text);
}

fn text_ui(ui: &mut Ui, text: &str) {
    ui.add_space(2.0);
    let label = RichText::new(text).small().color(theme::WEAK);
    ui.add(TextLabel::new(label).truncate()).on_hover_text(text);
}

fn send(cx: &mut LabelContext<'_>, action: FinetuneAction) {
    cx.actions
        .push(Action::Label(LabelAction::Finetune(action)));
}

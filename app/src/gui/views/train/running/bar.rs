//! The bar along the bottom: start, pause, stop and progress.

use eframe::egui::{self, Align, Button, Label, Layout, RichText, TextStyle, Ui};
use poselens_engine::train::TrainConfig;
use poselens_engine::train::schedule::WarmUp;

use crate::gui::action::train::{Page, TrainAction};
use crate::gui::state::train::{Role, n_steps};
use crate::gui::training::bar::{BUTTON, numbers};
use crate::gui::training::control::Requested;
use crate::gui::training::progress::Phase;
use crate::gui::views::train::state::{TrainContext, send};
use crate::gui::widgets::main_button;
use crate::gui::{theme, trained, training, widgets};
use crate::words::{counted, shared_text};

/// Shows Start at the left, or Pause and Stop at the right next to the progress, so that no button
/// is replaced by another one under the pointer when a training starts or ends.
pub(in crate::gui::views::train) fn bar_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    ui.add_space(10.0);
    let size = egui::vec2(ui.available_width(), BUTTON.y);
    if cx.view.is_active() {
        let layout = Layout::right_to_left(Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| control_ui(ui, cx));
    } else {
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| start_ui(ui, cx));
    }
    ui.add_space(4.0);
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let text = match (&cx.view.progress, cx.view.obstacle(&cx.state.train)) {
            (Some(progress), _) if cx.view.is_active() => format!(
                "{}  ·  changes on the right apply to the next training",
                numbers(progress)
            ),
            (_, Some(obstacle)) => format!("Start is not possible: {obstacle}."),
            (_, None) => ready(cx),
        };
        let text = RichText::new(text).small().color(theme::WEAK);
        ui.add(Label::new(text).truncate());
    });
}

/// Returns what the user should know before a training starts.
fn ready(cx: &TrainContext<'_>) -> String {
    let plan = &cx.state.train;
    let report = plan.config.as_ref().and_then(|c| cx.view.report_of(c));
    let mut parts = vec!["Ready.".to_owned()];
    if let (Some(config), Some(report)) = (&plan.config, report) {
        parts.extend(endless_warm_up(config, report.people()));
    }
    let shared = report.map_or(0, |report| report.shared);
    parts.push(if shared > 0 {
        shared_text(shared)
    } else if plan.data(Role::HeldOut).is_none() {
        "Without held-out people, improvement cannot be measured.".to_owned()
    } else {
        "The old weights stay in use while it runs.".to_owned()
    });
    parts.join(" ")
}

/// Returns the warning that all steps are warm-up, if the user chose so.
fn endless_warm_up(config: &TrainConfig, people: usize) -> Option<String> {
    let WarmUp::Steps(warm_up) = config.schedule.warm_up_steps else {
        return None;
    };
    let steps = n_steps(config, people);
    (steps <= warm_up).then(|| {
        format!(
            "Warm-up ({}) lasts the whole training ({}): the full learning rate is never \
             reached. Shorten it under More options.",
            counted(warm_up, "step"),
            counted(steps, "step")
        )
    })
}

/// Returns the minimum size of the buttons next to the main one.
fn button_size(ui: &Ui) -> egui::Vec2 {
    /// Width of the row from which all buttons have the same size.
    const WIDE: f32 = 640.0;
    let is_wide = ui.available_width() >= WIDE;
    egui::vec2(if is_wide { BUTTON.x } else { 0.0 }, BUTTON.y)
}

fn start_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let size = button_size(ui);
    let obstacle = cx.view.obstacle(&cx.state.train);
    let start = ui.add_enabled(obstacle.is_none(), main_button("Start training"));
    let start = start.on_hover_text("Trains on this machine; the window stays usable");
    let start = match &obstacle {
        Some(text) => start.on_disabled_hover_text(format!("Not possible: {text}")),
        None => start,
    };
    if start.clicked() {
        send(cx, TrainAction::Start);
    }
    let has_data = cx.state.train.data(Role::Learn).is_some();
    for (text, help, action) in [
        (
            "Check data",
            "Checks for missing or damaged images and suspicious labels",
            TrainAction::Check,
        ),
        (
            "Preview",
            "Shows training samples exactly as the network will see them, with their targets",
            TrainAction::Show(Page::Preview),
        ),
    ] {
        let button = Button::new(text).min_size(size);
        let button = ui.add_enabled(has_data, button).on_hover_text(help);
        if button
            .on_disabled_hover_text("Choose training labels first")
            .clicked()
        {
            send(cx, action);
        }
    }
    if let Some(progress) = &cx.view.progress {
        let is_open = matches!(progress.phase, Phase::Stopped | Phase::Failed(_));
        // The state is first saved together with the first metrics.
        let has_state = !progress.history.is_empty();
        if is_open
            && has_state
            && ui
                .add(Button::new("Continue").min_size(size))
                .on_hover_text(format!(
                    "Resumes {} exactly where it was saved",
                    progress.folder.display()
                ))
                .clicked()
        {
            send(cx, TrainAction::Continue(progress.folder.clone(), None));
        }
        let more = cx.state.train.config.as_ref().map_or(1, |c| c.epochs);
        if progress.phase == Phase::Finished
            && has_state
            && ui
                .add(Button::new(format!("{} more", counted(more, "epoch"))).min_size(size))
                .on_hover_text(format!(
                    "Resumes {} with its own data and options; the number of epochs is the one \
                     on the right",
                    progress.folder.display()
                ))
                .clicked()
        {
            let epochs = Some(progress.epochs.saturating_add(more));
            send(cx, TrainAction::Continue(progress.folder.clone(), epochs));
        }
        if has_state && (is_open || progress.phase == Phase::Finished) {
            // The panel on the right may show another network or other data by now.
            let folder = progress.folder.file_name().unwrap_or_default();
            let title = trained::folder_title(&progress.model, &folder.to_string_lossy());
            let font = TextStyle::Small.resolve(ui.style());
            let text = format!("of {title}");
            if let Some(label) = widgets::fitting_label_ui(ui, &text, font, theme::WEAK, 0.0) {
                label.on_hover_text("With its original data and options");
            }
        }
    }
}

fn control_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let requested = cx
        .view
        .run
        .as_ref()
        .map_or(Requested::Go, |r| r.control.requested());
    match training::bar::control_ui(ui, requested, cx.view.progress.as_ref()) {
        None => {}
        Some(Requested::Stop) => send(cx, TrainAction::Stop),
        Some(Requested::Go | Requested::Pause) => send(cx, TrainAction::Pause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a training whose chosen warm-up never ends starts without a warning, one whose
    /// warm-up ends causes it, or a default is blamed on the user.
    #[test]
    fn warns_if_the_warm_up_never_ends() {
        let mut config = poselens_engine::train::recipe::recipe("sfm", "fine-tune").unwrap();
        (config.epochs, config.batch_size) = (3, 16);
        assert_eq!(endless_warm_up(&config, 96), None, "the default adapts");
        config.schedule.warm_up_steps = WarmUp::Steps(20);
        let text = endless_warm_up(&config, 96).unwrap();
        assert!(
            text.contains("Warm-up (20 steps) lasts the whole training (18 steps)"),
            "{text}"
        );
        assert!(endless_warm_up(&config, 20).unwrap().contains("3 steps"));
        config.epochs = 4;
        assert_eq!(endless_warm_up(&config, 96), None);
    }
}

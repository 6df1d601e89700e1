//! Across the bottom: start, pause, stop, and how far it is.

use eframe::egui::{self, Align, Button, Layout, ProgressBar, RichText, Ui};
use poselens_engine::train::TrainConfig;

use super::data::send;
use super::fields::main_button;
use super::run::Wish;
use super::story::{Phase, Story};
use super::words::{counted, figure};
use super::{Page, TrainAction, trained};
use crate::gui::icons::Icon;
use crate::gui::panels::PanelContext;
use crate::gui::theme;

const BUTTON: egui::Vec2 = egui::vec2(104.0, 34.0);

/// Start at the left, or pause and stop at the right with how far it is: no button turns into
/// another one under the pointer when a training begins or ends.
pub fn bar_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.add_space(10.0);
    let size = egui::vec2(ui.available_width(), BUTTON.y);
    if cx.train.is_active() {
        let layout = Layout::right_to_left(Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| reins_ui(ui, cx));
    } else {
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| start_ui(ui, cx));
    }
    ui.add_space(4.0);
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let text = match (&cx.train.story, cx.train.obstacle(&cx.state.train)) {
            (Some(story), _) if cx.train.is_active() => numbers(story),
            (_, Some(obstacle)) => format!("Start is not possible: {obstacle}."),
            (_, None) => ready(cx),
        };
        ui.label(RichText::new(text).small().color(theme::WEAK));
    });
}

/// What is to be known before a training begins.
fn ready(cx: &PanelContext<'_>) -> String {
    let plan = &cx.state.train;
    let report = plan.config.as_ref().and_then(|c| cx.train.report_of(c));
    let mut parts = vec!["Ready.".to_owned()];
    if let (Some(config), Some(report)) = (&plan.config, report)
        && let Some(steps) = steps_of_warm_up(config, report.people())
    {
        let warm_up = config.schedule.warm_up_steps;
        parts.push(format!(
            "The learning rate is never reached: {} in all, {warm_up} of warm-up (More options).",
            counted(steps as usize, "step")
        ));
    }
    let shared = report.map_or(0, |report| report.shared);
    parts.push(if shared > 0 {
        format!(
            "{} in both sets: what is measured on them flatters.",
            match shared {
                1 => "1 picture is".to_owned(),
                n => format!("{n} pictures are"),
            }
        )
    } else if plan.data(super::Role::HeldOut).is_none() {
        "Without held-out people nobody can tell whether it gets better.".to_owned()
    } else {
        "The old weights stay in use while it runs.".to_owned()
    });
    parts.join(" ")
}

/// The most steps that such a training can have, where all of them are warm-up.
fn steps_of_warm_up(config: &TrainConfig, people: usize) -> Option<u64> {
    let weight = config.data.first().map_or(1.0, |data| data.people.weight);
    let inputs = (people as f64 * weight).round() as u64;
    // Who is left over waits for the next epoch; fewer than a batch are one.
    let steps = config.epochs * (inputs / config.batch_size.max(1) as u64).max(1);
    (steps <= config.schedule.warm_up_steps).then_some(steps)
}

fn start_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let obstacle = cx.train.obstacle(&cx.state.train);
    let start = ui.add_enabled(obstacle.is_none(), main_button("Start training"));
    let start = start.on_hover_text("Trains on this machine; the window stays usable");
    let start = match &obstacle {
        Some(text) => start.on_disabled_hover_text(format!("Not possible: {text}")),
        None => start,
    };
    if start.clicked() {
        send(cx, TrainAction::Start);
    }
    let has_data = cx.state.train.data(super::Role::Learn).is_some();
    for (text, help, action) in [
        (
            "Check data",
            "Looks for missing or damaged pictures and doubtful labels",
            TrainAction::Check,
        ),
        (
            "Preview",
            "Shows people as the network will get them, with what it shall answer",
            TrainAction::Show(Page::Preview),
        ),
    ] {
        let button = Button::new(text).min_size(BUTTON);
        let button = ui.add_enabled(has_data, button).on_hover_text(help);
        if button
            .on_disabled_hover_text("Choose the labelled people to learn from first")
            .clicked()
        {
            send(cx, action);
        }
    }
    if let Some(story) = &cx.train.story {
        let is_open = matches!(story.phase, Phase::Stopped | Phase::Failed(_));
        // It is saved for the first time with its first figures.
        let has_state = !story.history.is_empty();
        if is_open
            && has_state
            && ui
                .add(Button::new("Continue").min_size(BUTTON))
                .on_hover_text(format!(
                    "Goes on with {} exactly where it was saved",
                    story.folder.display()
                ))
                .clicked()
        {
            send(cx, TrainAction::Continue(story.folder.clone(), None));
        }
        let more = cx.state.train.config.as_ref().map_or(1, |c| c.epochs);
        if story.phase == Phase::Finished
            && has_state
            && ui
                .add(
                    Button::new(format!("{} more", counted(more as usize, "epoch")))
                        .min_size(BUTTON),
                )
                .on_hover_text(format!(
                    "Goes on with {}, with its own people and options; the number is that at the \
                     right",
                    story.folder.display()
                ))
                .clicked()
        {
            let epochs = Some(story.epochs.saturating_add(more));
            send(cx, TrainAction::Continue(story.folder.clone(), epochs));
        }
        if has_state && (is_open || story.phase == Phase::Finished) {
            // The panel at the right may name another network or other people by now.
            let folder = story.folder.file_name().unwrap_or_default();
            let title = trained::folder_title(&story.model, &folder.to_string_lossy());
            let text = RichText::new(format!("of {title}")).small();
            ui.label(text.color(theme::WEAK))
                .on_hover_text("With the people and options it began with");
        }
    }
}

fn reins_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let wish = cx.train.run.as_ref().map_or(Wish::Go, |r| r.reins.wish());
    let (icon, text, help) = if wish == Wish::Pause {
        (Icon::Play, "Go on", "Goes on where it waits")
    } else {
        (
            Icon::Pause,
            "Pause",
            "Saves and waits after this step: the machine is free for something else",
        )
    };
    let stop = Button::new((Icon::Stop.atom(None), "Stop")).min_size(BUTTON);
    if ui
        .add_enabled(wish != Wish::Stop, stop)
        .on_hover_text("Saves and ends after this step; 'Continue' goes on later")
        .accessible_name("Stop")
        .clicked()
    {
        send(cx, TrainAction::Stop);
    }
    let pause = Button::new((icon.atom(None), text)).min_size(BUTTON);
    if ui
        .add_enabled(wish != Wish::Stop, pause)
        .on_hover_text(help)
        .accessible_name(text)
        .clicked()
    {
        send(cx, TrainAction::Pause);
    }
    if let Some(story) = &cx.train.story {
        let state = state(story, wish);
        let name = format!("Progress: {state}");
        let bar = ProgressBar::new(story.share())
            .desired_width(ui.available_width())
            .desired_height(22.0)
            .fill(theme::LEFT.gamma_multiply(0.6))
            .text(RichText::new(state).color(theme::TEXT));
        ui.add(bar)
            .on_hover_text("Steps done of all")
            .accessible_name(name);
    }
}

/// What it is doing.
fn state(story: &Story, wish: Wish) -> String {
    let percent = format!("{:.0} %", (100.0 * story.share()).floor());
    match (&story.phase, wish) {
        (Phase::Preparing, _) => "Reading data and weights…".to_owned(),
        (Phase::Paused, _) => format!("Paused at {percent}; saved"),
        (_, Wish::Pause) => "Pausing after this step…".to_owned(),
        (_, Wish::Stop) => "Stopping after this step…".to_owned(),
        _ if story.is_measuring && story.step == 0 => {
            "Measuring the network before training…".to_owned()
        }
        _ if story.is_measuring => format!("{percent} · measuring on the held-out people…"),
        _ => percent,
    }
}

/// Where it is, how fast, and how long it takes.
fn numbers(story: &Story) -> String {
    if story.steps_per_epoch == 0 {
        return story.folder.display().to_string();
    }
    let per_epoch = story.steps_per_epoch;
    let epoch = (story.step / per_epoch + 1).min(story.epochs);
    let batch = story.step % per_epoch;
    let mut parts = vec![
        format!("Epoch {epoch} of {}", story.epochs),
        format!("batch {batch} of {per_epoch}"),
    ];
    if let Some(loss) = story.loss {
        parts.push(format!("{:.1} people/s", story.images_per_sec));
        parts.push(format!("{} left", time_left(story.eta_secs)));
        parts.push(format!("loss {}", figure(loss)));
    }
    parts.push("what is chosen at the right is for the next training".to_owned());
    parts.join("  ·  ")
}

/// `2 h 5 min`, `4 min`, `20 s`.
fn time_left(secs: f64) -> String {
    let secs = secs.max(0.0).ceil() as u64;
    match secs {
        0..=90 => format!("{secs} s"),
        91..=5400 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the time left is told in a way nobody reads.
    #[test]
    fn times_are_told_in_their_unit() {
        let all = [0.2, 75.0, 100.0, 7500.0].map(time_left);
        assert_eq!(all, ["1 s", "75 s", "2 min", "2 h 5 min"]);
    }

    /// Fails when a training that never reaches its learning rate begins without a word, or one
    /// that does is warned of.
    #[test]
    fn a_warm_up_without_an_end_is_told() {
        let mut config = poselens_engine::train::recipe::recipe("sfm", "fine-tune").unwrap();
        (config.epochs, config.batch_size) = (3, 16);
        config.schedule.warm_up_steps = 20;
        assert_eq!(steps_of_warm_up(&config, 96), Some(18));
        assert_eq!(steps_of_warm_up(&config, 20), Some(3));
        config.epochs = 4;
        assert_eq!(steps_of_warm_up(&config, 96), None);
    }
}

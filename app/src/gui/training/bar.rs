//! The buttons that control a running training, and its progress.

use eframe::egui::{Button, ProgressBar, RichText, Ui, Vec2};

use crate::gui::icons::Icon;
use crate::gui::theme;
use crate::gui::training::control::Requested;
use crate::gui::training::progress::{Phase, TrainProgress};
use crate::words::figure;

/// Size of the buttons.
pub const BUTTON: Vec2 = Vec2::new(104.0, 34.0);

/// Shows Stop, Pause or Resume, and the progress, from right to left; returns the state that the
/// user asks for.
pub fn control_ui(
    ui: &mut Ui,
    requested: Requested,
    progress: Option<&TrainProgress>,
) -> Option<Requested> {
    let mut asked = None;
    let (icon, text, help, next) = if requested == Requested::Pause {
        let help = "Continues from where it paused";
        (Icon::Play, "Resume", help, Requested::Go)
    } else {
        let help = "Saves and waits after this step, so that the computer is free for other work";
        (Icon::Pause, "Pause", help, Requested::Pause)
    };
    let stop = Button::new((Icon::Stop.atom(None), "Stop")).min_size(BUTTON);
    if ui
        .add_enabled(requested != Requested::Stop, stop)
        .on_hover_text(stop_help(progress))
        .accessible_name("Stop")
        .clicked()
    {
        asked = Some(Requested::Stop);
    }
    // Only the steps of a training can be continued.
    let can_pause = progress.is_none_or(|progress| progress.aside.is_none());
    let pause = Button::new((icon.atom(None), text)).min_size(BUTTON);
    if ui
        .add_enabled(requested != Requested::Stop && can_pause, pause)
        .on_hover_text(help)
        .accessible_name(text)
        .clicked()
    {
        asked = Some(next);
    }
    if let Some(progress) = progress {
        let state = state(progress, requested);
        let name = format!("Progress: {state}");
        let share = match progress.aside {
            Some((_, done, all)) if all > 0 => done as f32 / all as f32,
            _ => progress.share(),
        };
        let bar = ProgressBar::new(share)
            .desired_width(ui.available_width())
            .desired_height(22.0)
            .fill(theme::LEFT.gamma_multiply(0.6))
            .text(RichText::new(state).color(theme::TEXT));
        ui.add(bar)
            .on_hover_text("Finished steps of all")
            .accessible_name(name);
    }
    asked
}

/// Returns what happens when the training is stopped now.
fn stop_help(progress: Option<&TrainProgress>) -> &'static str {
    match progress {
        Some(TrainProgress {
            aside: Some(_),
            history,
            ..
        }) if history.is_empty() => "Ends the preparation, of which nothing is kept",
        _ => "Saves and stops after this step; 'Continue' resumes later",
    }
}

/// Returns the current activity.
fn state(progress: &TrainProgress, requested: Requested) -> String {
    if let Some((what, done, all)) = progress.aside {
        return match (requested, all) {
            (Requested::Stop, _) => "Stopping…".to_owned(),
            (_, 0) => format!("{what}…"),
            _ => format!("{what}: {done} of {all}"),
        };
    }
    let percent = format!("{:.0} %", (100.0 * progress.share()).floor());
    match (&progress.phase, requested) {
        (Phase::Preparing, _) => "Reading data and weights…".to_owned(),
        (Phase::Paused, _) => format!("Paused at {percent}; saved"),
        (_, Requested::Pause) => "Pausing after this step…".to_owned(),
        (_, Requested::Stop) => "Stopping after this step…".to_owned(),
        _ if progress.is_measuring && progress.step == 0 => {
            "Measuring the network before training…".to_owned()
        }
        _ if progress.is_measuring => format!("{percent} · measuring on the held-out people…"),
        _ => percent,
    }
}

/// Returns `what` with its progress: `The training, 42 % done`.
pub fn in_a_line(what: &str, progress: Option<&TrainProgress>) -> String {
    let Some(progress) = progress.filter(|progress| !progress.phase.is_over()) else {
        return what.to_owned();
    };
    let percent = (100.0 * progress.share()).floor();
    let state = if progress.phase == Phase::Paused {
        ", paused and saved"
    } else {
        ""
    };
    format!("{what}, {percent:.0} % done{state}")
}

/// Returns step, speed and remaining time.
pub fn numbers(progress: &TrainProgress) -> String {
    if progress.aside.is_some() && !progress.history.is_empty() {
        return "All steps are done; old and new weights are compared.".to_owned();
    }
    if progress.steps_per_epoch == 0 || progress.aside.is_some() {
        return progress.folder.display().to_string();
    }
    let per_epoch = progress.steps_per_epoch;
    let epoch = (progress.step / per_epoch + 1).min(progress.epochs);
    let batch = progress.step % per_epoch;
    let mut parts = vec![
        format!("Epoch {epoch} of {}", progress.epochs),
        format!("batch {batch} of {per_epoch}"),
    ];
    if let Some(loss) = progress.loss {
        parts.push(format!("{:.1} people/s", progress.images_per_sec));
        parts.push(format!("{} left", time_left(progress.eta_secs)));
        parts.push(format!("loss {}", figure(loss)));
    }
    parts.join("  ·  ")
}

/// Formats a duration: `2 h 5 min`, `4 min`, `20 s`.
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
    use std::collections::BTreeMap;

    use poselens_engine::train::EpochRecord;

    use super::*;

    /// Fails when steps are shown as running while the result is measured.
    #[test]
    fn a_measurement_has_no_steps() {
        let mut progress = TrainProgress::new("run".into(), "sfm".into(), 2);
        progress.aside = Some(("Writing frames", 1, 9));
        assert_eq!(numbers(&progress), "run");
        progress.aside = None;
        (progress.steps_per_epoch, progress.step, progress.steps) = (20, 40, 40);
        progress.loss = Some(0.5);
        assert!(numbers(&progress).contains("Epoch 2 of 2"));
        progress.history.push(EpochRecord {
            hits: Vec::new(),
            epoch: 2,
            step: 40,
            lr: 0.1,
            loss: Some(0.5),
            pck: None,
            oks_ap: None,
            secs: 1.0,
            images_per_sec: 1.0,
            broken: 0,
            gates: BTreeMap::new(),
            pck_parts: BTreeMap::new(),
        });
        progress.aside = Some(("Measuring the result", 59, 88));
        let text = numbers(&progress);
        assert!(!text.contains("batch") && !text.contains("left"), "{text}");
    }

    /// Fails when the remaining time is not shown in its natural unit.
    #[test]
    fn remaining_time_is_shown_in_its_natural_unit() {
        let all = [0.2, 75.0, 100.0, 7500.0].map(time_left);
        assert_eq!(all, ["1 s", "75 s", "2 min", "2 h 5 min"]);
    }
}

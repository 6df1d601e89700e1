//! The outcome of a training: its metrics, and whether its weights are used.

use eframe::egui::{self, Button, Grid, RichText, Stroke, Ui};

use crate::gui::action::train::TrainAction;
use crate::gui::theme;
use crate::gui::ui_state::Level;
use crate::gui::views::train::fields::{main_button, note_ui};
use crate::gui::views::train::running::progress::{Phase, TrainProgress};
use crate::gui::views::train::state::{Decision, TrainContext, send};

/// Differences in PCK below half a point count as equal.
const SAME: f64 = 0.005;
/// Drop in average precision that counts as significant, in points.
const MUCH: f64 = 2.0;

/// Summarises the outcome in one line.
pub(crate) fn in_a_line(progress: &TrainProgress) -> (Level, String) {
    match &progress.phase {
        Phase::Failed(text) => (Level::Error, text.clone()),
        Phase::Finished => (
            Level::Info,
            format!("The training has ended. {}", verdict(progress).1),
        ),
        _ => (
            Level::Info,
            "The training was stopped; Continue resumes it.".to_owned(),
        ),
    }
}

/// Returns whether the new weights are better, and a sentence about it.
fn verdict(progress: &TrainProgress) -> (Option<bool>, String) {
    let Some(judged) = progress.judged() else {
        return (None, "No epoch is done yet.".to_owned());
    };
    let Some(after) = judged.pck else {
        let text = "Without held-out people, improvement cannot be measured.";
        return (None, text.to_owned());
    };
    let (pck, oks_ap) = progress.baseline().unwrap_or_default();
    let Some(before) = pck else {
        if progress.first().and_then(|first| first.pck) >= Some(after) {
            return unbeaten(progress);
        }
        let text = "It was not compared with the network in use; check the people below before \
         you decide.";
        return (None, text.to_owned());
    };
    let points = 100.0 * (after - before);
    if points <= 0.0 {
        return match &progress.in_use {
            Some(in_use) if points < 0.0 => worse(progress, &in_use.name, before, after),
            _ => unbeaten(progress),
        };
    }
    let precision = oks_ap.and_then(|before| Some(100.0 * (judged.oks_ap? - before)));
    if let Some(precision) = precision.filter(|p| *p < -MUCH) {
        let text = format!(
            "Mixed: {points:.1} points more joints are found, but poses are less precise (OKS AP \
             {precision:.1}). Check the people below before you decide."
        );
        return (None, text);
    }
    let how = if after - before < SAME {
        "Hardly better"
    } else {
        "Better"
    };
    let than = progress.in_use.as_ref().map_or_else(String::new, |in_use| {
        format!(" than {}, the network in use,", in_use.name)
    });
    // Drops that round to 0.0 are not reported.
    let fallen = precision.filter(|p| *p <= -0.05);
    let fallen = fallen.map_or_else(String::new, |precision| {
        format!(", though whole people a little less exactly (OKS AP {precision:.1})")
    });
    let text = format!(
        "{how}{than} on the held-out people: {points:.1} points more joints found{fallen}."
    );
    (Some(true), text)
}

/// Returns the sentence for a training whose weights are worse than the network in use.
fn worse(progress: &TrainProgress, name: &str, before: f64, after: f64) -> (Option<bool>, String) {
    let advice = if progress.is_falling() {
        "The loss was still falling: train longer."
    } else {
        "More varied images may help."
    };
    let text = format!(
        "{name}, the network in use, is better on the held-out people: PCK@0.2 {:.1} % against \
         {:.1} % of the new weights. Keep it. {advice}",
        100.0 * before,
        100.0 * after
    );
    (Some(false), text)
}

/// Returns the sentence for a training that did not improve on its initial weights.
fn unbeaten(progress: &TrainProgress) -> (Option<bool>, String) {
    let is_falling = progress.is_falling();
    if progress.is_fresh {
        let advice = if is_falling {
            "The loss was still falling: train longer."
        } else {
            "The loss no longer falls: more varied images or another learning rate may help."
        };
        let text = format!(
            "It is not yet better on the held-out people than the untrained network, and there \
             are no earlier weights to keep. {advice}"
        );
        return (None, text);
    }
    let advice = if is_falling {
        "The loss was still falling: more epochs or more varied images may help."
    } else {
        "More varied images or a lower learning rate may help."
    };
    let text = format!(
        "No epoch was better on the held-out people than the network before training: keep the \
         old weights. {advice}"
    );
    (Some(false), text)
}

/// Shows the card at the top of the page after the training has ended.
pub(crate) fn outcome_ui(ui: &mut Ui, cx: &mut TrainContext<'_>, progress: &TrainProgress) {
    let (is_better, sentence) = verdict(progress);
    let (color, title) = match (&progress.phase, is_better) {
        (Phase::Failed(_), _) => (theme::RED, "The training ended with an error"),
        (Phase::Stopped, _) => (theme::RIGHT, "The training was stopped"),
        (_, Some(false)) => (theme::RIGHT, "The training has ended"),
        (_, None) => (theme::LINE, "The training has ended"),
        (_, Some(true)) => (theme::GREEN, "The training has ended"),
    };
    egui::Frame::new()
        .fill(theme::CARD)
        .stroke(Stroke::new(1.0, color))
        .corner_radius(8)
        .inner_margin(14)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.label(RichText::new(title).heading().strong());
            if let Phase::Failed(text) = &progress.phase {
                ui.label(RichText::new(text).color(theme::TEXT));
            }
            ui.label(sentence);
            if let Some(text) = progress.about_broken() {
                ui.label(RichText::new(text).color(theme::RED));
            }
            figures_ui(ui, progress);
            ui.add_space(6.0);
            decision_ui(ui, cx, progress, is_better);
            note_ui(ui, format!("Saved in {}", progress.folder.display()));
        });
    ui.add_space(12.0);
}

fn figures_ui(ui: &mut Ui, progress: &TrainProgress) {
    let (Some((pck, oks_ap)), Some(judged)) = (progress.baseline(), progress.judged()) else {
        return;
    };
    let rows = [
        (
            "PCK@0.2",
            "Share of joints found to within a fifth of the torso",
            pck.zip(judged.pck),
        ),
        (
            "OKS AP",
            "COCO's average precision: how exactly whole people are found",
            oks_ap.zip(judged.oks_ap),
        ),
    ];
    if rows.iter().all(|(.., figures)| figures.is_none()) {
        return;
    }
    ui.add_space(4.0);
    Grid::new("outcome").spacing([28.0, 4.0]).show(ui, |ui| {
        let weak = |text: &str| RichText::new(text).small().color(theme::WEAK);
        ui.label("");
        match &progress.in_use {
            Some(in_use) => ui
                .label(weak("in use"))
                .on_hover_text(format!("{}, at the start of the training", in_use.name)),
            None => ui.label(weak("before")),
        };
        ui.label(weak(&format!("epoch {}", judged.epoch)));
        ui.label(weak("points"));
        ui.end_row();
        for (name, help, figures) in rows {
            let Some((before, after)) = figures else {
                continue;
            };
            ui.label(name).on_hover_text(help);
            for value in [before, after] {
                let text = format!("{:.1} %", 100.0 * value);
                ui.label(RichText::new(text).font(theme::number_font(16.0)));
            }
            let points = 100.0 * (after - before);
            let color = if points > 0.0 {
                theme::GREEN
            } else {
                theme::WEAK
            };
            let text = format!("{points:+.1}");
            ui.label(
                RichText::new(text)
                    .font(theme::number_font(16.0))
                    .color(color),
            );
            ui.end_row();
        }
    });
}

fn decision_ui(
    ui: &mut Ui,
    cx: &mut TrainContext<'_>,
    progress: &TrainProgress,
    is_better: Option<bool>,
) {
    if progress.history.is_empty() {
        return;
    }
    match &cx.view.decision {
        Some(Decision::Used(_)) => {
            ui.label("The new weights are in use; they stay in the list of networks.");
        }
        Some(Decision::Kept) => {
            ui.label("The old weights are in use; the new ones stay in their folder.");
        }
        None => {}
    }
    ui.horizontal_wrapped(|ui| {
        let is_used = matches!(cx.view.decision, Some(Decision::Used(_)));
        let size = egui::vec2(150.0, 34.0);
        let is_offered = progress.offered().is_some();
        let take = if is_better == Some(true) {
            main_button("Use these weights").min_size(size)
        } else {
            Button::new("Use these weights").min_size(size)
        };
        let can = !is_used && is_offered && !cx.view.is_active();
        let epoch = progress.judged().map_or(0, |judged| judged.epoch);
        let take = ui.add_enabled(can, take).on_hover_text(format!(
            "The weights of epoch {epoch} are used from now on, the old ones until these are \
             loaded"
        ));
        let take = if is_offered {
            take
        } else {
            take.on_disabled_hover_text(
                "Nothing improved: the best weights of this training are the initial ones",
            )
        };
        if take.clicked() {
            send(cx, TrainAction::Use);
        }
        let keep = if is_better == Some(false) {
            main_button("Keep the old weights").min_size(size)
        } else {
            Button::new("Keep the old weights").min_size(size)
        };
        let is_kept = cx.view.decision == Some(Decision::Kept);
        if ui
            .add_enabled(!is_kept, keep)
            .on_hover_text("Returns to the previous network; nothing is deleted")
            .clicked()
        {
            send(cx, TrainAction::KeepOld);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::train::{BaselineResults, EpochRecord};
    use std::collections::BTreeMap;

    fn after(pck: &[Option<f64>]) -> TrainProgress {
        let mut progress = TrainProgress::new("run".into(), "sfm".into(), 3);
        progress.history = (0..)
            .zip(pck)
            .map(|(epoch, pck)| EpochRecord {
                epoch,
                step: epoch,
                lr: 0.1,
                loss: (epoch > 0).then_some(0.5),
                pck: *pck,
                oks_ap: None,
                secs: 1.0,
                images_per_sec: 1.0,
                broken: 0,
                gates: BTreeMap::new(),
            })
            .collect();
        progress
    }

    /// Fails when worse weights are recommended, or better ones are not.
    #[test]
    fn the_verdict_follows_the_held_out_people() {
        let of = |pck: &[f64]| verdict(&after(&pck.iter().map(|v| Some(*v)).collect::<Vec<_>>()));
        assert_eq!(of(&[0.8, 0.7, 0.75]).0, Some(false));
        assert_eq!(of(&[0.8, 0.8]).0, Some(false));
        let (better, text) = of(&[0.8, 0.85, 0.84]);
        assert!(
            better == Some(true) && text.contains("5.0 points"),
            "{text}"
        );
        assert!(of(&[0.8, 0.801]).1.starts_with("Hardly"));
        assert_eq!(verdict(&after(&[None, None])).0, None);
        let mut mixed = after(&[Some(0.8), Some(0.9)]);
        (mixed.history[0].oks_ap, mixed.history[1].oks_ap) = (Some(0.5), Some(0.4));
        let (better, text) = verdict(&mixed);
        assert!(
            better.is_none() && text.starts_with("Mixed: 10.0"),
            "{text}"
        );
        mixed.history[1].oks_ap = Some(0.492);
        let (better, text) = verdict(&mixed);
        assert!(
            better == Some(true)
                && text.contains("10.0 points more")
                && text.contains("OKS AP -0.8"),
            "{text}"
        );
        assert_eq!(verdict(&after(&[])).0, None);
    }

    /// Fails when new weights are called better because they beat the untrained network they
    /// started from, although the network in use is far better on the same people.
    #[test]
    fn new_weights_are_compared_with_the_network_in_use() {
        let mut progress = after(&[Some(0.02), Some(0.1), Some(0.15)]);
        progress.is_fresh = true;
        let (better, text) = verdict(&progress);
        assert!(better.is_none() && text.contains("not compared"), "{text}");
        progress.compare_with(BaselineResults {
            name: "sfm".to_owned(),
            pck: Some(0.8),
            oks_ap: None,
        });
        let (better, text) = verdict(&progress);
        assert_eq!(better, Some(false));
        assert!(
            text.starts_with("sfm, the network in use, is better")
                && text.contains("80.0 % against 15.0 %"),
            "{text}"
        );
        progress.history[2].pck = Some(0.85);
        let (better, text) = verdict(&progress);
        assert_eq!(better, Some(true));
        assert!(text.contains("than sfm, the network in use"), "{text}");
    }

    /// Fails when the advice is to keep initial weights that were never trained, or to lower the
    /// learning rate while the loss still falls.
    #[test]
    fn without_initial_weights_the_advice_is_to_train_longer() {
        let mut progress = after(&[Some(0.0), Some(0.0), Some(0.0)]);
        progress.history[2].loss = Some(0.4);
        assert!(verdict(&progress).1.contains("keep the old"));
        progress.is_fresh = true;
        let (better, text) = verdict(&progress);
        assert_eq!(better, None);
        assert!(
            text.contains("train longer") && !text.contains("keep the old"),
            "{text}"
        );
        progress.history[2].loss = Some(0.6);
        assert!(!verdict(&progress).1.contains("train longer"));
    }
}

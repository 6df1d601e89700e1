//! The outcome of a training: its metrics, and whether its weights are used.

use eframe::egui::{self, Button, Grid, RichText, Stroke, Ui};

use crate::gui::action::train::TrainAction;
use crate::gui::scale::Scale;
use crate::gui::theme;
use crate::gui::training::progress::{Phase, TrainProgress};
use crate::gui::ui_state::Level;
use crate::gui::views::train::results::verdict::{points, verdict};
use crate::gui::views::train::state::{Decision, TrainContext, send};
use crate::gui::widgets::{main_button, note_ui};

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
            Some(in_use) => ui.label(weak("so far")).on_hover_text(format!(
                "{}, in use at the start of the training",
                in_use.name
            )),
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
                let text = Scale::PERCENT.text(value);
                ui.label(RichText::new(text).font(theme::number_font(16.0)));
            }
            let points = points(before, after);
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

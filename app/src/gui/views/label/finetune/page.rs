//! The stage of the page Train: what will be trained on, the running training, or its result.

use eframe::egui::{self, Label as TextLabel, Rect, RichText, ScrollArea, Ui};
use poselens_engine::finetune::{RunInfo, SetCount, UnusableRun};

use crate::gui::theme;
use crate::gui::training::Unit;
use crate::gui::training::plots::{Curve, metrics_ui, plot_ui, title_ui};
use crate::gui::training::progress::{Phase, TrainProgress};
use crate::gui::views::label::finetune::gate::gate_ui;
use crate::gui::views::label::finetune::held_out::held_out_ui;
use crate::gui::views::label::finetune::removal::removal_ui;
use crate::gui::views::label::state::LabelContext;
use crate::gui::widgets::{fault_ui, note_ui};
use crate::words::counted;

/// Lays out the page in `area`.
pub fn page_ui(ui: &mut Ui, area: Rect, cx: &mut LabelContext<'_>) {
    let Some(folder) = cx.view.folder() else {
        return;
    };
    let area = area.shrink2(egui::vec2(14.0, 10.0));
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(area));
    let height = area.height();
    ScrollArea::vertical()
        .id_salt("train page")
        .auto_shrink(false)
        .show(&mut ui, |ui| {
            ui.set_min_height(height);
            let tuning = &cx.view.finetune;
            let progress = tuning.progress_of(&folder);
            let running = progress.filter(|_| tuning.is_active());
            if let Some(progress) = running {
                return progress_ui(ui, progress);
            }
            if let Some(Phase::Failed(text)) = progress.map(|progress| &progress.phase) {
                fault_ui(ui, text);
            }
            match tuning.shown_run() {
                Some(run) => match &run.gate {
                    Some(gate) => {
                        gate_ui(ui, run, gate, cx);
                        held_out_ui(ui, cx);
                    }
                    None => unfinished_ui(ui, run, cx),
                },
                None => match tuning.shown_unusable() {
                    Some(run) => unusable_ui(ui, run, cx),
                    None => intro_ui(ui, cx),
                },
            }
        });
}

fn heading_ui(ui: &mut Ui, text: &str) {
    let text = RichText::new(text).heading().strong();
    ui.add(TextLabel::new(text).selectable(false));
}

fn intro_ui(ui: &mut Ui, cx: &LabelContext<'_>) {
    heading_ui(ui, "Train on these labels");
    let text = "The network is trained on the confirmed people and measured on the held-out frames, \
                which it never sees. Then you compare both and decide; the old weights stay in use \
                until you accept the new ones, and every version can be rolled back.";
    ui.label(RichText::new(text).color(theme::WEAK));
    ui.add_space(8.0);
    let Some(review) = cx.view.finetune.review.as_deref() else {
        return note_ui(ui, "Reading the labels…");
    };
    let plan = match &review.plan {
        Ok(plan) => plan,
        Err(obstacle) => {
            ui.label(RichText::new(format!("Not possible yet: {obstacle}.")).color(theme::RIGHT));
            return;
        }
    };
    let set = |count: SetCount| {
        format!(
            "{} in {}",
            counted(count.people, "confirmed person"),
            counted(count.frames, "frame")
        )
    };
    egui::Grid::new("sets").spacing([18.0, 5.0]).show(ui, |ui| {
        for (name, value, help) in [
            (
                "Trained on",
                set(plan.train),
                "Confirmed people outside of the hold-out",
            ),
            (
                "Held out",
                set(plan.holdout),
                "Confirmed people that only measure the result",
            ),
            (
                "Replayed",
                counted(plan.n_replayed, "frame"),
                "Predictions of the old network on other frames, so that it keeps what it knew",
            ),
            (
                "Retention",
                counted(plan.n_retained, "frame"),
                "Other frames on which the old behaviour is compared",
            ),
        ] {
            ui.label(RichText::new(name).color(theme::WEAK));
            ui.label(RichText::new(value).strong()).on_hover_text(help);
            ui.end_row();
        }
    });
    for remark in &plan.remarks {
        note_ui(ui, remark);
    }
    match review.findings.len() {
        0 => {}
        n => {
            let text = format!(
                "{} in the labels: look at the list on the right first.",
                counted(n, "possible mistake")
            );
            ui.label(RichText::new(text).color(theme::RIGHT));
        }
    }
}

fn unfinished_ui(ui: &mut Ui, run: &RunInfo, cx: &mut LabelContext<'_>) {
    let (title, text) = match (run.is_busy, run.has_begun) {
        (true, _) => (
            "is in use",
            "It is being trained or measured in another window or program.",
        ),
        (false, true) => (
            "is not finished",
            "Continue resumes it where it was saved, then measures the result.",
        ),
        (false, false) => (
            "has not begun",
            "It was ended before its first epoch was saved: there is nothing to resume. Delete it, \
             and start a new training.",
        ),
    };
    heading_ui(ui, &format!("Run {} {title}", run.name));
    ui.label(RichText::new(text).color(theme::WEAK));
    ui.horizontal_wrapped(|ui| removal_ui(ui, (&run.name, &run.folder), run.is_busy, cx));
}

fn unusable_ui(ui: &mut Ui, run: &UnusableRun, cx: &mut LabelContext<'_>) {
    heading_ui(ui, &format!("Run {} cannot be used", run.name));
    fault_ui(ui, &run.reason);
    ui.horizontal_wrapped(|ui| removal_ui(ui, (&run.name, &run.folder), false, cx));
}

fn progress_ui(ui: &mut Ui, progress: &TrainProgress) {
    let title = match &progress.phase {
        Phase::Preparing => "Preparing the training",
        Phase::Paused => "Paused",
        _ => "Training",
    };
    heading_ui(ui, title);
    let improved = progress.best().filter(|best| best.epoch > 0);
    let text = match (progress.first().and_then(|first| first.pck), improved) {
        (Some(before), Some(best)) => format!(
            "PCK@0.2 on the hold-out was {:.1} % before the training; the best epoch so far is {} \
             with {:.1} %. The weights after the last epoch are measured at the end.",
            100.0 * before,
            best.epoch,
            100.0 * best.pck.unwrap_or_default()
        ),
        _ => "The hold-out is measured before the training and after every epoch.".to_owned(),
    };
    ui.label(RichText::new(text).color(theme::WEAK));
    ui.add_space(6.0);
    if !progress.history.is_empty() {
        let height = ((ui.available_height() - 150.0) / 2.0).clamp(110.0, 260.0);
        metrics_ui(ui, progress, height);
        let curves = [Curve {
            name: "each step",
            color: theme::LEFT,
            points: progress.losses.points.clone(),
            is_measured: false,
        }];
        let help = "How far predictions are from the labels; this should go down";
        ui.horizontal(|ui| title_ui(ui, "Loss", help, &curves));
        plot_ui(ui, "Loss", curves.into(), Unit::Plain, height, progress);
    }
    for line in progress.log.iter().rev() {
        let text = RichText::new(line).font(theme::number_font(11.5));
        ui.add(TextLabel::new(text.color(theme::WEAK)).wrap());
    }
}

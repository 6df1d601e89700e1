//! The result of a training: its figures, and whether its weights are used.

use eframe::egui::{self, Button, Color32, Grid, RichText, Stroke, Ui};
use poselens_engine::finetune::{Comparison, Figures, Gate, Interval, RunInfo, TOLERANCE, Verdict};

use crate::gui::action::Action;
use crate::gui::action::finetune::FinetuneAction;
use crate::gui::action::label::LabelAction;
use crate::gui::scale::Scale;
use crate::gui::theme;
use crate::gui::views::label::finetune::removal::removal_ui;
use crate::gui::views::label::state::LabelContext;
use crate::gui::widgets::{main_button, note_ui};
use crate::words::counted;

/// A figure: its name, tooltip, whether a smaller value is better, value with interval, and scale.
type Row = (
    &'static str,
    &'static str,
    bool,
    fn(&Figures) -> (f64, Interval),
    Scale,
);

/// Name of the set on which the old behaviour is measured.
const RETENTION: &str = "Retention";

const ROWS: [Row; 3] = [
    (
        "error, torso lengths",
        "Mean distance from the labels, in torso lengths; a joint that was not found counts as one",
        true,
        |figures| (figures.error_torso, figures.intervals.error_torso),
        Scale::TORSO,
    ),
    (
        "PCK@0.1",
        "Share of joints within a tenth of the torso length",
        false,
        |figures| (figures.pck_0_1, figures.intervals.pck_0_1),
        Scale::PERCENT,
    ),
    (
        "PCK@0.2",
        "Share of joints within a fifth of the torso length",
        false,
        |figures| (figures.pck_0_2, figures.intervals.pck_0_2),
        Scale::PERCENT,
    ),
];

/// Returns the verdict in a sentence, with its colour.
pub(super) fn sentence(gate: &Gate) -> (Color32, String) {
    let has_losses = !gate.losses.is_empty();
    match gate.verdict {
        Verdict::Better if has_losses => {
            let text = "Better on the hold-out, but worse elsewhere";
            (theme::RIGHT, text.to_owned())
        }
        Verdict::Better => (theme::GREEN, "Better on the hold-out".to_owned()),
        Verdict::Worse => (theme::RED, "Worse on the hold-out".to_owned()),
        Verdict::NoClearDifference if has_losses => {
            let text = "No clear difference on the hold-out, and worse elsewhere";
            (theme::RED, text.to_owned())
        }
        Verdict::NoClearDifference => (theme::WEAK, "No clear difference".to_owned()),
    }
}

/// Shows the result of a run, and asks whether to use its weights.
pub(super) fn gate_ui(ui: &mut Ui, run: &RunInfo, gate: &Gate, cx: &mut LabelContext<'_>) {
    let (color, title) = sentence(gate);
    egui::Frame::new()
        .fill(theme::CARD)
        .stroke(Stroke::new(1.0, color))
        .corner_radius(8)
        .inner_margin(12)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(title).heading().strong().color(color));
                let text = format!("run {}, trained on {}", run.name, run.file.data);
                ui.label(RichText::new(text).small().color(theme::WEAK));
            });
            for loss in &gate.losses {
                ui.label(RichText::new(format!("{loss}.")).color(theme::RED));
            }
            Grid::new("gate")
                .spacing([22.0, 3.0])
                .show(ui, |ui| table_ui(ui, gate));
            for remark in gate.remarks.iter().chain(&run.file.remarks) {
                note_ui(ui, remark);
            }
            ui.add_space(2.0);
            decision_ui(ui, run, gate, cx);
        });
    ui.add_space(6.0);
}

fn table_ui(ui: &mut Ui, gate: &Gate) {
    let weak = |text: &str| RichText::new(text).small().color(theme::WEAK);
    ui.label("");
    for (text, help) in [
        ("", ""),
        ("before", "The network that the training began with"),
        ("after", "The network after the last epoch"),
        (
            "change (95 % interval)",
            "From 2000 resampled sets of frames, paired by frame; a change is clear when the \
             interval does not contain 0",
        ),
    ] {
        ui.label(weak(text)).on_hover_text(help);
    }
    ui.end_row();
    let mut sets = vec![("Hold-out".to_owned(), &gate.holdout)];
    sets.extend(gate.named_rounds());
    for (name, compared) in sets {
        set_ui(ui, &name, compared, [0.0; 2]);
    }
    if let Some(retention) = &gate.retention {
        set_ui(ui, RETENTION, retention, TOLERANCE);
    }
}

/// Shows the figures of a set. A change for the worse that is smaller than the tolerance, of the
/// error and of PCK, is none.
fn set_ui(ui: &mut Ui, set: &str, compared: &Comparison, [error, share]: [f64; 2]) {
    for (i, (name, help, is_less_better, get, scale)) in ROWS.into_iter().enumerate() {
        if i == 0 {
            let help = match set {
                RETENTION => format!(
                    "{} that were not labelled: how far the old behaviour has changed",
                    counted(compared.frames, "frame")
                ),
                _ => format!(
                    "{} in {} that are not trained on",
                    counted(compared.people, "confirmed person"),
                    counted(compared.frames, "frame")
                ),
            };
            ui.label(format!("{set} ({})", counted(compared.frames, "frame")))
                .on_hover_text(help);
        } else {
            ui.label("");
        }
        ui.label(name).on_hover_text(help);
        for figures in [&compared.before, &compared.after] {
            let number = RichText::new(scale.text(get(figures).0));
            ui.label(number.font(theme::number_font(13.5)));
        }
        let (by, [low, high]) = get(&compared.difference);
        let (gain, tolerance) = if is_less_better {
            ([-high, -low], error)
        } else {
            ([low, high], share)
        };
        let color = match gain {
            [low, _] if low > 0.0 => theme::GREEN,
            [_, high] if high < 0.0 && by.abs() > tolerance => theme::RED,
            _ => theme::WEAK,
        };
        let change = scale.signed_difference(get(&compared.before).0, get(&compared.after).0);
        let [low, high] = [low, high].map(|limit| scale.signed(limit));
        let change = format!("{change} ({low} to {high})");
        let change = RichText::new(change).font(theme::number_font(13.5));
        let change = ui.label(change.color(color));
        if tolerance > 0.0 {
            change.on_hover_text(format!(
                "Up to {} for the worse is no loss: the labels of this set are predictions of the \
                 old network, from which every other one differs a little",
                scale.text(tolerance)
            ));
        }
        ui.end_row();
    }
}

fn decision_ui(ui: &mut Ui, run: &RunInfo, gate: &Gate, cx: &mut LabelContext<'_>) {
    let review = cx.view.finetune.review.clone();
    let outcomes = review.as_ref().map(|review| &review.outcomes);
    let versions = outcomes.map_or(&[][..], |outcomes| &outcomes.versions);
    let accepted = versions.iter().find(|version| version.file.run == run.name);
    ui.horizontal_wrapped(|ui| {
        if let Some(version) = accepted {
            let number = version.file.number;
            let is_current = outcomes.is_some_and(|outcomes| outcomes.current == number);
            let state = if is_current { "in use" } else { "not in use" };
            ui.label(format!("Accepted as version {number}, {state}."));
        } else {
            accept_ui(ui, run, gate, cx);
        }
        removal_ui(ui, (&run.name, &run.folder), run.is_busy, cx);
    });
}

fn accept_ui(ui: &mut Ui, run: &RunInfo, gate: &Gate, cx: &mut LabelContext<'_>) {
    let size = egui::vec2(150.0, 32.0);
    let is_good = gate.verdict == Verdict::Better && gate.losses.is_empty();
    let (take, keep) = ("Use these weights", "Keep the old weights");
    let button = |text: &'static str, is_main: bool| {
        let button = if is_main {
            main_button(text)
        } else {
            Button::new(text)
        };
        button.min_size(size)
    };
    let help = "Makes them a version of the project, which Live and proposals use from now on; it \
                can be rolled back at any time";
    let can = !cx.view.finetune.is_active();
    if ui
        .add_enabled(can, button(take, is_good))
        .on_hover_text(help)
        .clicked()
    {
        send(cx, FinetuneAction::Accept(run.name.clone()));
    }
    let help = "Nothing changes; the run stays in the folder of the project";
    if ui.add(button(keep, !is_good)).on_hover_text(help).clicked() {
        send(cx, FinetuneAction::KeepOld);
    }
}

fn send(cx: &mut LabelContext<'_>, action: FinetuneAction) {
    cx.actions
        .push(Action::Label(LabelAction::Finetune(action)));
}

//! The panels of the page Train on the right: options, possible mistakes, versions.

use std::path::Path;

use eframe::egui::{
    Button, CollapsingHeader, ComboBox, DragValue, ProgressBar, RichText, ScrollArea, Ui,
};
use poselens_engine::finetune::{Effort, Part, Runs};
use poselens_engine::project::check::Finding;

use crate::gui::action::Action;
use crate::gui::action::finetune::FinetuneAction;
use crate::gui::action::label::LabelAction;
use crate::gui::state::label::FinetuneChoices;
use crate::gui::theme;
use crate::gui::titles::joint_title;
use crate::gui::views::label::side::frames::row_height;
use crate::gui::views::label::state::LabelContext;
use crate::gui::widgets::{self, fault_ui, note_ui};
use crate::words::counted;

/// Height of the lists in points.
const LIST: f32 = 132.0;
/// Width of labels in points.
const LABEL: f32 = 84.0;

/// Returns what is trained, and what that means.
const fn part_text(part: Part) -> (&'static str, &'static str) {
    match part {
        Part::Head => (
            "the output layers",
            "Fast: what the rest of the network computes is stored on disk during the training (the \
             head, in terms of the command line)",
        ),
        Part::LastBlocks => (
            "the last blocks",
            "Slower; for people or pictures that look different",
        ),
        Part::All => (
            "the whole network",
            "Slowest; for hundreds of labelled frames",
        ),
    }
}

/// Returns how long is trained, and what that means.
const fn effort_text(effort: Effort) -> (&'static str, &'static str) {
    match effort {
        Effort::Quick => ("quick", "A first look, about 120 steps"),
        Effort::Normal => (
            "normal",
            "For dozens to hundreds of frames, about 400 steps",
        ),
        Effort::Thorough => ("thorough", "For many frames, about 1500 steps"),
    }
}

/// Shows the options of the next training.
pub fn options_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let before = &cx.state.label.finetune;
    let mut choices = before.clone();
    widgets::section_ui(ui, "Training", |ui| {
        let all = Part::ALL.map(|part| (part, part_text(part)));
        choice_ui(ui, "Train", &all, &mut choices.part);
        let all = Effort::ALL.map(|effort| (effort, effort_text(effort)));
        choice_ui(ui, "Effort", &all, &mut choices.effort);
        ui.horizontal(|ui| {
            label_ui(ui, "Replay");
            let mut percent = (100.0 * choices.replay).round();
            let value = DragValue::new(&mut percent).range(0.0..=90.0).suffix(" %");
            let help = "Share of the images with predictions of the old network, so that it keeps \
                        what it knew";
            if ui
                .add(value)
                .on_hover_text(help)
                .accessible_name("Replayed share")
                .changed()
            {
                choices.replay = percent / 100.0;
            }
            ui.label(
                RichText::new("against forgetting")
                    .small()
                    .color(theme::WEAK),
            );
        });
        CollapsingHeader::new(RichText::new("More options").small())
            .id_salt("more finetune options")
            .show(ui, |ui| more_ui(ui, &mut choices));
        let review = cx.view.finetune.review.as_deref();
        if let Some(n) = review.map(|review| review.n_undecided).filter(|n| *n > 0) {
            let help = "Chooses a further round of the hold-out from the clips that were added since \
                        the last one and have no confirmed people; earlier rounds stay as they are";
            let text = match n {
                1 => "Hold out a part of the new clip".to_owned(),
                n => format!("Hold out some of the {n} new clips"),
            };
            if ui.button(text).on_hover_text(help).clicked() {
                send(cx, FinetuneAction::AddHoldout);
            }
        }
    });
    if choices != *before {
        send(cx, FinetuneAction::Configure(choices));
    }
}

fn label_ui(ui: &mut Ui, text: &str) {
    let size = eframe::egui::vec2(LABEL, ui.spacing().interact_size.y);
    ui.allocate_ui(size, |ui| {
        ui.set_min_width(LABEL);
        ui.label(RichText::new(text).color(theme::WEAK));
    });
}

fn choice_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    all: &[(T, (&'static str, &'static str))],
    value: &mut T,
) {
    ui.horizontal(|ui| {
        label_ui(ui, name);
        let now = all.iter().find(|(other, _)| other == value);
        let (text, help) = now.map_or(("", ""), |(_, texts)| *texts);
        let combo = ComboBox::from_id_salt(("finetune", name))
            .width(ui.available_width())
            .truncate()
            .selected_text(text)
            .show_ui(ui, |ui| {
                for (other, (text, help)) in all {
                    ui.selectable_value(value, *other, *text)
                        .on_hover_text(*help);
                }
            });
        combo.response.on_hover_text(help).accessible_name(name);
    });
}

/// Shows a number that follows from the other options unless it is set.
fn number_ui<T: eframe::egui::emath::Numeric>(
    ui: &mut Ui,
    (name, help): (&str, &str),
    value: &mut Option<T>,
    (usual, field): (T, fn(&mut T) -> DragValue<'_>),
) {
    ui.horizontal(|ui| {
        let mut is_set = value.is_some();
        if ui
            .checkbox(&mut is_set, RichText::new(name).color(theme::WEAK))
            .on_hover_text(help)
            .changed()
        {
            *value = is_set.then_some(usual);
        }
        match value {
            Some(value) => {
                ui.add(field(value))
                    .on_hover_text(help)
                    .accessible_name(name);
            }
            None => {
                ui.label(RichText::new("by itself").small().color(theme::WEAK));
            }
        }
    });
}

fn more_ui(ui: &mut Ui, choices: &mut FinetuneChoices) {
    number_ui(
        ui,
        (
            "Epochs",
            "Passes over the data; otherwise they follow from the effort",
        ),
        &mut choices.epochs,
        (20, |value| DragValue::new(value).range(1..=1000)),
    );
    number_ui(
        ui,
        ("Batch size", "People per step; 8 unless it is set"),
        &mut choices.batch_size,
        (8, |value| DragValue::new(value).range(1..=256)),
    );
    number_ui(
        ui,
        (
            "Learning rate",
            "Step size of the optimizer; 3e-4 for the head unless it is set",
        ),
        &mut choices.lr,
        (1e-4, |value| {
            let speed = (*value * 0.02).max(1e-9);
            DragValue::new(value)
                .speed(speed)
                .range(1e-7..=1.0)
                .custom_formatter(|value, _| crate::words::short(value))
        }),
    );
}

/// Shows possible mistakes in the labels.
pub fn check_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let Some(review) = cx.view.finetune.review.clone() else {
        return;
    };
    widgets::section_ui(ui, "Check", |ui| {
        let n = review.findings.len();
        let text = match n {
            0 => "No mistakes found in the confirmed labels.".to_owned(),
            n => format!("{} to look at:", counted(n, "possible mistake")),
        };
        ui.label(RichText::new(text).color(theme::TEXT));
        if n > 0 {
            let height = row_height(ui);
            ScrollArea::vertical()
                .id_salt("findings")
                .max_height(LIST)
                .show_rows(ui, height, n, |ui, rows| {
                    for i in rows {
                        finding_ui(ui, i, &review.findings[i], height, cx);
                    }
                });
        }
        compare_ui(ui, cx);
    });
}

fn finding_ui(ui: &mut Ui, i: usize, finding: &Finding, height: f32, cx: &mut LabelContext<'_>) {
    let Some(project) = &cx.view.project else {
        return;
    };
    let info = &project.info;
    let clip = info.clip(finding.at).map_or("", |clip| clip.name.as_str());
    let joints = &info.skeleton.joints;
    let joint = finding.joint.and_then(|j| joints.get(j));
    let joint = joint.map_or(String::new(), |joint| format!("{}: ", joint_title(joint)));
    let text = format!("{joint}{}", finding.text);
    let title = format!("{clip} {}: {text}", finding.at.frame);
    let size = eframe::egui::vec2(ui.available_width(), height);
    let button = Button::selectable(false, RichText::new(title).small()).truncate();
    if ui
        .add_sized(size, button)
        .on_hover_text(&text)
        .accessible_name(format!("{clip} frame {}: {text}", finding.at.frame))
        .clicked()
    {
        send(cx, FinetuneAction::ShowFinding(i));
    }
}

fn compare_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let comparing = cx.view.project.as_ref().and_then(|p| p.comparing.clone());
    let Some(progress) = comparing else {
        let help = "Lists joints that are far from the model's own prediction, and frames accepted \
                    without people in which it sees somebody";
        let button = Button::new("Compare with the model");
        if ui.add(button).on_hover_text(help).clicked() {
            send(cx, FinetuneAction::Compare);
        }
        let project = cx.view.project.as_ref();
        if let Some(text) = project.and_then(|project| project.comparison.as_deref()) {
            note_ui(ui, format!("{text}."));
        }
        return;
    };
    ui.horizontal(|ui| {
        let (done, all) = progress.get();
        let text = match all {
            0 => "loading the model…".to_owned(),
            all => format!("{done} of {all} compared"),
        };
        let bar = ProgressBar::new(done as f32 / all.max(1) as f32).text(text);
        ui.add(bar.desired_width((ui.available_width() - 84.0).max(60.0)))
            .accessible_name("Comparison");
        if ui
            .button("Cancel")
            .accessible_name("Cancel the comparison")
            .clicked()
        {
            send(cx, FinetuneAction::CancelCompare);
        }
    });
}

/// Shows the accepted versions and the runs.
pub fn versions_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let Some(review) = cx.view.finetune.review.clone() else {
        return;
    };
    let outcomes = &review.outcomes;
    widgets::section_ui(ui, "Versions", |ui| {
        for fault in &outcomes.faults {
            fault_ui(ui, fault);
        }
        let mut rows: Vec<(u32, String, String)> = outcomes
            .versions
            .iter()
            .map(|version| {
                let file = &version.file;
                let help = format!(
                    "From run {}, trained on {}, measured on {}",
                    file.run, file.data, file.holdout
                );
                (
                    file.number,
                    format!("{}: {}", file.number, file.verdict),
                    help,
                )
            })
            .collect();
        let help = "The weights that are part of the program".to_owned();
        rows.push((0, "bundled weights".to_owned(), help));
        for (number, text, help) in rows {
            let is_current = number == outcomes.current;
            let state = if is_current { "in use" } else { "" };
            ui.horizontal(|ui| {
                ui.label(RichText::new(&text).color(if is_current {
                    theme::TEXT
                } else {
                    theme::WEAK
                }))
                .on_hover_text(help);
                ui.label(RichText::new(state).small().color(theme::GREEN));
                if !is_current
                    && ui
                        .small_button("Use")
                        .on_hover_text("Live and proposals use it from now on")
                        .accessible_name(format!("Use {text}"))
                        .clicked()
                {
                    send(cx, FinetuneAction::UseVersion(number));
                }
            });
        }
        if outcomes.current > 0 {
            let help = "Uses the version again that was in use before this one was accepted";
            if ui.button("Roll back").on_hover_text(help).clicked() {
                send(cx, FinetuneAction::RollBack);
            }
        }
        runs_ui(ui, &outcomes.runs, cx);
    });
}

fn runs_ui(ui: &mut Ui, runs: &Runs, cx: &mut LabelContext<'_>) {
    let Runs { known, unusable } = runs;
    let n = known.len() + unusable.len();
    if n == 0 {
        return note_ui(ui, "No run yet.");
    }
    note_ui(ui, "Runs, the latest first:");
    let height = row_height(ui);
    ScrollArea::vertical()
        .id_salt("runs")
        .max_height(LIST)
        .show_rows(ui, height, n, |ui, rows| {
            for index in rows {
                if let Some(run) = known.get(index) {
                    let help = format!("Trained on {}", run.file.data);
                    let row = (run.name.as_str(), run.state(), help.as_str());
                    run_ui(ui, row, &run.folder, height, cx);
                } else if let Some(run) = unusable.get(index - known.len()) {
                    let row = (run.name.as_str(), "unusable", run.reason.as_str());
                    run_ui(ui, row, &run.folder, height, cx);
                }
            }
        });
}

fn run_ui(
    ui: &mut Ui,
    (name, state, help): (&str, &str, &str),
    folder: &Path,
    height: f32,
    cx: &mut LabelContext<'_>,
) {
    let is_shown = cx.view.finetune.shown.as_deref() == Some(folder);
    let size = eframe::egui::vec2(ui.available_width(), height);
    let button = Button::selectable(is_shown, format!("run {name}"))
        .shortcut_text(RichText::new(state).small())
        .truncate();
    if ui
        .add_sized(size, button)
        .on_hover_text(help)
        .accessible_name(format!("Run {name}, {state}"))
        .clicked()
    {
        send(cx, FinetuneAction::ShowRun(folder.to_owned()));
    }
}

fn send(cx: &mut LabelContext<'_>, action: FinetuneAction) {
    cx.actions
        .push(Action::Label(LabelAction::Finetune(action)));
}

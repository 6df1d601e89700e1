//! The panel of training and validation data.

use std::path::PathBuf;

use eframe::egui::{Button, RichText, Spinner, Ui};
use poselens_engine::dataset::Severity;
use poselens_engine::train::data_check::SetReport;
use poselens_engine::train::{DataConfig, TrainConfig};

use crate::gui::action::train::{Ask, TrainAction};
use crate::gui::state::train::{Role, set_data};
use crate::gui::views::train::fields::{Entered, path_row_ui, path_ui};
use crate::gui::views::train::setup::check::Check;
use crate::gui::views::train::setup::findings::n_stopping;
use crate::gui::views::train::state::{TrainContext, send};
use crate::gui::widgets::{fault_ui, note_ui};
use crate::gui::{theme, widgets};
use crate::option_texts::{IMAGES, LABELS};
use crate::words::{counted, grouped_count};

/// Texts for a role.
struct Words {
    title: &'static str,
    about: &'static str,
    labels: &'static str,
    pictures: &'static str,
    /// Suffix that distinguishes buttons present for both roles.
    of: &'static str,
}

const LEARN: Words = Words {
    title: "Training data",
    about: "Images with labelled joints: COCO, MPII or LSP labels, or a clip folder.",
    labels: "Training labels",
    pictures: "Training images",
    of: "training",
};

const HELD_OUT: Words = Words {
    title: "Held-out people",
    about: "Never trained on, to measure improvement. Use other clips.",
    labels: "Held-out labels",
    pictures: "Held-out images",
    of: "held out",
};

/// Shows the training and validation data.
pub(crate) fn data_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let Some(config) = &cx.state.train.config else {
        return;
    };
    for (role, words) in [(Role::Learn, &LEARN), (Role::HeldOut, &HELD_OUT)] {
        widgets::section_ui(ui, words.title, |ui| set_ui(ui, cx, config, role, words));
    }
}

fn set_ui(ui: &mut Ui, cx: &mut TrainContext<'_>, config: &TrainConfig, role: Role, words: &Words) {
    let data = cx.state.train.data(role).cloned();
    let report = cx.view.report_of(config);
    let report = match role {
        Role::Learn => report.map(|r| &r.learn),
        Role::HeldOut => report.and_then(|r| r.held_out.as_ref()),
    };
    // Always shown, so that the fields keep their place.
    note_ui(ui, words.about);
    let Some(data) = data else {
        labels_ui(ui, cx, config, role, words, None);
        return;
    };
    labels_ui(ui, cx, config, role, words, Some(&data));
    pictures_ui(ui, cx, config, role, words, &data);
    if cx.view.check.is_some() {
        let (looked, all) = cx.view.check.as_ref().map_or((0, 0), Check::looked);
        ui.horizontal(|ui| {
            ui.add(Spinner::new().size(14.0));
            note_ui(
                ui,
                format!("Checking: {looked} of {}", counted(all as u64, "image")),
            );
        });
    } else if let Some(report) = report {
        report_ui(ui, report, role);
    }
}

fn labels_ui(
    ui: &mut Ui,
    cx: &mut TrainContext<'_>,
    config: &TrainConfig,
    role: Role,
    words: &Words,
    data: Option<&DataConfig>,
) {
    let now = data.map_or_else(String::new, |d| d.annotations.display().to_string());
    let help = format!("Labels: {LABELS}; drop the file or folder here or paste its path");
    if let Some(text) = path_ui(ui, words.labels, &help, "Path of the labels", &now) {
        let mut config = config.clone();
        let mut data = data.cloned();
        let data = data.get_or_insert_with(|| DataConfig::new(PathBuf::new(), None));
        data.annotations = text.trim().into();
        data.format = None;
        set_data(&mut config, role, Some(data.clone()));
        send(cx, TrainAction::Configure(Box::new(config)));
    }
    ui.horizontal(|ui| {
        for (text, help, ask) in [
            (
                "File…",
                "A file of labels: COCO keypoints (.json), MPII or LSP",
                Ask::Labels(role),
            ),
            (
                "Folder…",
                "A folder with labels and images, such as a captured clip with corrected joints",
                Ask::Clip(role),
            ),
        ] {
            let button = ui.add_enabled(!cx.ui_state.is_choosing, Button::new(text));
            let button = button.on_hover_text(help);
            if button
                .accessible_name(format!("{text} {}", words.of))
                .clicked()
            {
                send(cx, TrainAction::Ask(ask));
            }
        }
        if data.is_some()
            && ui
                .button("Clear")
                .on_hover_text("Removes this data set from the training; no file is changed")
                .accessible_name(format!("Clear {}", words.of))
                .clicked()
        {
            let mut config = config.clone();
            set_data(&mut config, role, None);
            send(cx, TrainAction::Configure(Box::new(config)));
        }
    });
}

fn pictures_ui(
    ui: &mut Ui,
    cx: &mut TrainContext<'_>,
    config: &TrainConfig,
    role: Role,
    words: &Words,
    data: &DataConfig,
) {
    let now = data.images.as_ref();
    let now = now.map_or_else(String::new, |p| p.display().to_string());
    let help = format!("Image folder; {IMAGES}");
    let hint = "Images: next to the labels";
    let choose = (!cx.ui_state.is_choosing).then(|| format!("Choose images {}", words.of));
    match path_row_ui(ui, words.pictures, &help, hint, &now, choose.as_ref()) {
        Some(Entered::Path(text)) => {
            let mut data = data.clone();
            let text = text.trim();
            data.images = (!text.is_empty()).then(|| text.into());
            let mut config = config.clone();
            set_data(&mut config, role, Some(data));
            send(cx, TrainAction::Configure(Box::new(config)));
        }
        Some(Entered::Choose) => send(cx, TrainAction::Ask(Ask::Pictures(role))),
        None => {}
    }
}

fn report_ui(ui: &mut Ui, report: &SetReport, role: Role) {
    if let Some(fault) = &report.fault {
        fault_ui(ui, fault);
        return;
    }
    let [notes, warnings, errors] = Severity::ALL.map(|s| report.count(s));
    let stopping = n_stopping(report, role);
    let (color, odd) = match (stopping, errors - stopping, warnings + notes) {
        (0, 0, 0) => (theme::GREEN, String::new()),
        (0, 0, n) => (theme::GREEN, format!(", {}", counted(n as u64, "remark"))),
        (0, n, _) => (theme::RIGHT, format!(", {n} left out")),
        (n, ..) => (theme::RED, format!(", {}", counted(n as u64, "error"))),
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        widgets::dot_ui(ui, color);
        let text = format!(
            "{} in {}{odd}",
            grouped_count(report.people as u64, "person"),
            grouped_count(report.pictures as u64, "image")
        );
        ui.label(RichText::new(text).small().color(theme::WEAK))
            .on_hover_text(format!("Labels in the form '{}'", report.format));
    });
}

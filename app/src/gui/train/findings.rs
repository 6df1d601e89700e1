//! What a check has found, in words, the worst first.

use eframe::egui::{self, Label, RichText, ScrollArea, Ui};
use poselens_engine::dataset::{Finding, Severity};
use poselens_engine::train::data_check::{Report, SetReport};

use super::fields::{fault_ui, note_ui};
use super::words::{counted, grouped};
use crate::gui::{theme, widgets};

/// Findings listed of each set.
const N_LISTED: usize = 200;

/// Both sets, and what they have in common.
pub fn report_ui(ui: &mut Ui, report: &Report) {
    set_ui(ui, "People to learn from", &report.learn);
    if let Some(held_out) = &report.held_out {
        set_ui(ui, "Held-out people", held_out);
    }
    if report.shared > 0 {
        let text = format!(
            "{} pictures are in both sets: what is measured on them flatters. Hold out other \
             pictures, best of other clips.",
            report.shared
        );
        ui.label(RichText::new(text).color(theme::RIGHT));
    }
}

fn set_ui(ui: &mut Ui, title: &str, report: &SetReport) {
    widgets::section_ui(ui, title, |ui| {
        if let Some(fault) = &report.fault {
            fault_ui(ui, fault);
            return;
        }
        ui.label(format!(
            "{} people in {} pictures, labels in the form '{}'.",
            grouped(report.people as u64),
            grouped(report.pictures as u64),
            report.format
        ));
        let [notes, warnings, errors] = Severity::ALL.map(|s| report.count(s));
        if report.findings.is_empty() {
            ui.label(RichText::new("Nothing odd was found.").color(theme::GREEN));
            return;
        }
        let errors_text = format!("{} (left out)", counted(errors, "error"));
        ui.horizontal(|ui| {
            for (n, text, severity) in [
                (errors, errors_text, Severity::Error),
                (warnings, format!("{warnings} doubtful"), Severity::Warning),
                (notes, counted(notes, "note"), Severity::Note),
            ] {
                if n > 0 {
                    ui.label(RichText::new(text).color(color(severity)).strong());
                }
            }
        });
        let listed = report.worst_first();
        ScrollArea::vertical()
            .id_salt(title)
            .max_height(220.0)
            .min_scrolled_height(220.0)
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.spacing_mut().item_spacing.y = 2.0;
                for finding in listed.iter().take(N_LISTED) {
                    finding_ui(ui, finding);
                }
                if listed.len() > N_LISTED {
                    note_ui(ui, format!("and {} more", listed.len() - N_LISTED));
                }
            });
    });
}

fn color(severity: Severity) -> egui::Color32 {
    match severity {
        Severity::Note => theme::WEAK,
        Severity::Warning => theme::RIGHT,
        Severity::Error => theme::RED,
    }
}

fn finding_ui(ui: &mut Ui, finding: &Finding) {
    let file = finding.file.file_name().unwrap_or_default();
    let person = finding.annotation.map(|id| format!(", person {id}"));
    let text = format!(
        "{}{}: {}",
        file.to_string_lossy(),
        person.unwrap_or_default(),
        finding.text
    );
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.spacing_mut().interact_size.y = 16.0;
        widgets::dot_ui(ui, color(finding.severity));
        let label = Label::new(RichText::new(text).small()).wrap();
        ui.add(label)
            .on_hover_text(finding.file.display().to_string());
    });
}

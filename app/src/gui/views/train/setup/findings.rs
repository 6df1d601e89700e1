//! Findings of a data check, most severe first.

use std::collections::HashMap;
use std::path::Path;

use eframe::egui::{self, Label, RichText, ScrollArea, Ui};
use poselens_engine::dataset::{Finding, Severity};
use poselens_engine::train::data_check::{Report, SetReport};

use crate::gui::state::train::Role;
use crate::gui::widgets::{fault_ui, note_ui};
use crate::gui::{theme, widgets};
use crate::words::{counted, grouped_count, shared_text};

/// Maximum number of findings listed per data set.
const N_LISTED: usize = 200;

/// Prepared lines of a report: a data set may have thousands of findings, and the window is redrawn
/// many times per second.
#[derive(Debug, Default)]
pub struct Listed {
    /// In the order of [`Report::learned`].
    learn: Vec<Lines>,
    held_out: Lines,
}

impl Listed {
    /// Prepares the lines of `report`.
    pub fn of(report: &Report) -> Self {
        let held_out = report.held_out.as_ref();
        Self {
            learn: report
                .learned()
                .map(|set| Lines::of(set, Role::Learn))
                .collect(),
            held_out: held_out.map_or_else(Lines::default, |set| Lines::of(set, Role::HeldOut)),
        }
    }
}

/// Lines of one data set.
#[derive(Debug, Default)]
struct Lines {
    shown: Vec<Line>,
    /// Number of findings not listed.
    more: usize,
}

#[derive(Debug)]
struct Line {
    severity: Severity,
    text: String,
    /// Location of the first finding.
    file: String,
}

impl Lines {
    fn of(report: &SetReport, role: Role) -> Self {
        let groups = groups(report, role);
        let shown = groups.iter().take(N_LISTED).map(|group| Line {
            severity: group.first.severity,
            text: group.text(),
            file: group.first.file.display().to_string(),
        });
        Self {
            shown: shown.collect(),
            more: groups.len().saturating_sub(N_LISTED),
        }
    }
}

/// Shows the findings of both data sets, and what they have in common.
pub(crate) fn report_ui(ui: &mut Ui, report: &Report, listed: &Listed) {
    for (i, (set, lines)) in report.learned().zip(&listed.learn).enumerate() {
        let title = match report.more.len() {
            0 => "Training data".to_owned(),
            _ => format!("Training data, {}", set.annotations.display()),
        };
        set_ui(ui, &title, (set, lines), Role::Learn, i == 0);
    }
    if let Some(held_out) = &report.held_out {
        let title = "Held-out people";
        set_ui(ui, title, (held_out, &listed.held_out), Role::HeldOut, true);
    }
    if report.shared > 0 {
        let text = format!(
            "{} Hold out other images, preferably of other clips.",
            shared_text(report.shared)
        );
        ui.label(RichText::new(text).color(theme::RIGHT));
    }
}

/// Returns the number of findings that prevent a training. Unusable training images are skipped;
/// every held-out person must be usable, otherwise metrics could not be compared.
pub(crate) fn n_stopping(report: &SetReport, role: Role) -> usize {
    match role {
        Role::Learn => report.broken_labels,
        Role::HeldOut => report.count(Severity::Error),
    }
}

/// Findings of the same kind.
struct Group<'a> {
    first: &'a Finding,
    n: usize,
    /// Whether they prevent a training.
    is_stopping: bool,
}

impl Group<'_> {
    fn text(&self) -> String {
        let file = self.first.file.file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        let text = &self.first.text;
        let what = match (self.n, self.first.annotation) {
            (1, None) => format!("{file}: {text}"),
            (1, Some(id)) => format!("{file}, person {id}: {text}"),
            (n, None) => {
                let folder = self.first.file.parent().unwrap_or(Path::new(""));
                format!("{n} files, such as {file} in {}: {text}", folder.display())
            }
            (n, Some(id)) => format!("{n} people, such as person {id} in {file}: {text}"),
        };
        match (self.first.severity, self.is_stopping) {
            (Severity::Error, true) => format!("Prevents training: {what}"),
            (Severity::Error, false) => format!("Left out: {what}"),
            _ => what,
        }
    }
}

/// Groups the findings by kind, most severe first.
fn groups(report: &SetReport, role: Role) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    // Findings from reading the labels precede those from checking the images.
    let n_stopping = n_stopping(report, role);
    for (i, first) in report.worst_first().into_iter().enumerate() {
        let is_stopping = i < n_stopping;
        let folder = first.file.parent();
        let is_of_person = first.annotation.is_some();
        let key = (
            first.severity as u8,
            is_stopping,
            is_of_person,
            folder,
            &first.text,
        );
        if let Some(&place) = places.get(&key) {
            let group: &mut Group<'_> = &mut groups[place];
            group.n += 1;
        } else {
            places.insert(key, groups.len());
            groups.push(Group {
                first,
                n: 1,
                is_stopping,
            });
        }
    }
    groups
}

/// Shows the findings of a set; `has_path` says whether the panel on the right has its path, and
/// the fault below it.
fn set_ui(
    ui: &mut Ui,
    title: &str,
    (report, lines): (&SetReport, &Lines),
    role: Role,
    has_path: bool,
) {
    widgets::section_ui(ui, title, |ui| {
        if let Some(fault) = &report.fault {
            let elsewhere = "It cannot be used; the reason is below its path on the right.";
            fault_ui(ui, if has_path { elsewhere } else { fault.as_str() });
            return;
        }
        ui.label(format!(
            "{} in {}, label format '{}'.",
            grouped_count(report.people as u64, "person"),
            grouped_count(report.pictures as u64, "image"),
            report.format
        ));
        let [notes, warnings, errors] = Severity::ALL.map(|s| report.count(s));
        if report.findings.is_empty() {
            ui.label(RichText::new("No problems were found.").color(theme::GREEN));
            return;
        }
        let stopping = n_stopping(report, role);
        let verb = if stopping == 1 { "stops" } else { "stop" };
        let stopping_text = format!("{} {verb} training", counted(stopping as u64, "error"));
        let left_out = errors - stopping;
        ui.horizontal(|ui| {
            for (n, text, severity) in [
                (stopping, stopping_text, Severity::Error),
                (left_out, format!("{left_out} left out"), Severity::Error),
                (
                    warnings,
                    format!("{warnings} suspicious"),
                    Severity::Warning,
                ),
                (notes, counted(notes as u64, "note"), Severity::Note),
            ] {
                if n > 0 {
                    ui.label(RichText::new(text).color(color(severity)).strong());
                }
            }
        });
        ScrollArea::vertical()
            .id_salt(title)
            .max_height(220.0)
            .min_scrolled_height(220.0)
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.spacing_mut().item_spacing.y = 2.0;
                for line in &lines.shown {
                    line_ui(ui, line);
                }
                if lines.more > 0 {
                    note_ui(ui, format!("and {} more", lines.more));
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

fn line_ui(ui: &mut Ui, line: &Line) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.spacing_mut().interact_size.y = 16.0;
        widgets::dot_ui(ui, color(line.severity));
        let label = Label::new(RichText::new(&line.text).small()).wrap();
        ui.add(label).on_hover_text(&line.file);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when twenty missing images give twenty lines, or findings that prevent a training look
    /// like those that only skip images.
    #[test]
    fn equal_findings_are_grouped_with_their_consequence() {
        let missing = |i: u64| {
            let file = format!("/data/{i}.jpg");
            Finding::of_file(Severity::Error, Path::new(&file), "is missing")
        };
        let labels = Path::new("/data/people.json");
        let broken = Finding::of_annotation(Severity::Error, labels, 7, "has no box");
        let report = SetReport {
            findings: [broken].into_iter().chain((0..20).map(missing)).collect(),
            broken_labels: 1,
            pictures: 30,
            ..SetReport::default()
        };
        let texts = |role| -> Vec<String> {
            let lines = Lines::of(&report, role).shown.into_iter();
            lines.map(|line| line.text).collect()
        };
        let missing = "20 files, such as 0.jpg in /data: is missing";
        let broken = "Prevents training: people.json, person 7: has no box".to_owned();
        assert_eq!(
            texts(Role::Learn),
            [broken.clone(), format!("Left out: {missing}")]
        );
        let both = [broken, format!("Prevents training: {missing}")];
        assert_eq!(texts(Role::HeldOut), both);
    }
}

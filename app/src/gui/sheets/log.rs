//! The log sheet, for troubleshooting and bug reports.

use std::fmt::Write as _;

use eframe::egui::{Button, Color32, RichText, ScrollArea, Ui};
use tracing::Level;

use crate::gui::action::WindowAction;
use crate::gui::sheets::send::send;
use crate::gui::view::PanelContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Selectable levels, least verbose first.
const LEVELS: [(Level, &str); 4] = [
    (Level::ERROR, "Errors"),
    (Level::WARN, "Warnings and errors"),
    (Level::INFO, "All messages"),
    (Level::DEBUG, "Everything"),
];

pub(super) fn log_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let ui_state = cx.ui_state;
    let lines: Vec<_> = ui_state
        .log
        .iter()
        // `Level` is ordered by verbosity.
        .filter(|line| line.level <= ui_state.log_level)
        .collect();
    let current = LEVELS
        .iter()
        .find(|(level, _)| *level == ui_state.log_level);
    ui.horizontal(|ui| {
        ui.scope(|ui| {
            ui.set_max_width(300.0);
            let choices = LEVELS
                .iter()
                .map(|(level, name)| ((*name).to_owned(), *level == ui_state.log_level));
            let shown = current.map_or("", |(_, name)| name);
            let help = "Minimum level of the lines shown; all lines are kept";
            if let Some(i) = widgets::choice_ui(ui, "List", help, shown, choices) {
                send(cx, WindowAction::LogLevel(LEVELS[i].0));
            }
        });
        if ui
            .add_enabled(!lines.is_empty(), Button::new("Copy"))
            .on_hover_text("Copies the listed lines to the clipboard")
            .accessible_name("Copy log")
            .clicked()
        {
            let mut text = String::new();
            for line in &lines {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{line}");
            }
            ui.ctx().copy_text(text);
        }
        let all = counted(ui_state.log.len() as u64, "line");
        let text = format!("{} of {all}", lines.len());
        ui.label(RichText::new(text).small().color(theme::WEAK));
    });
    if lines.is_empty() {
        let nothing = "Nothing of this level has been logged since the program started.";
        ui.label(RichText::new(nothing).color(theme::WEAK));
        return;
    }
    let height = (ui.ctx().content_rect().height() - 240.0).max(160.0);
    let row = ui.text_style_height(&eframe::egui::TextStyle::Monospace);
    ui.spacing_mut().item_spacing.y = 3.0;
    ScrollArea::both()
        .max_height(height)
        .min_scrolled_height(height)
        .auto_shrink([false, false])
        .stick_to_bottom(true)
        .show_rows(ui, row, lines.len(), |ui, rows| {
            for line in &lines[rows] {
                let text = RichText::new(line.to_string()).font(theme::number_font(12.0));
                let label = eframe::egui::Label::new(text.color(color(line.level)));
                ui.add(label.extend());
            }
        });
}

fn color(level: Level) -> Color32 {
    match level {
        Level::ERROR => theme::RED,
        Level::WARN => theme::RIGHT,
        Level::INFO => theme::TEXT,
        _ => theme::WEAK,
    }
}

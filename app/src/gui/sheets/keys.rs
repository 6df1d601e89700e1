//! The sheet of keyboard shortcuts.

use eframe::egui::{Grid, RichText, ScrollArea, Ui};

use crate::gui::command::key_text;
use crate::gui::commands::{commands, groups};
use crate::gui::theme;
use crate::gui::view::PanelContext;

pub(super) fn keys_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let all = commands(cx);
    let height = (ui.ctx().content_rect().height() - 200.0).max(160.0);
    ScrollArea::vertical()
        .max_height(height)
        // Full height from the start: a growing sheet would move its button away from the pointer.
        .min_scrolled_height(height)
        .show(ui, |ui| {
            Grid::new("keys")
                .num_columns(2)
                .spacing([28.0, 5.0])
                .show(ui, |ui| {
                    for group in groups() {
                        let keyed = all
                            .iter()
                            .filter(|c| c.group == group && !c.keys.is_empty());
                        for (i, command) in keyed.enumerate() {
                            if i == 0 {
                                ui.label(RichText::new(group.name).strong().color(theme::LEFT));
                                ui.end_row();
                            }
                            let keys: Vec<_> = command
                                .keys
                                .iter()
                                .map(|k| key_text(ui.ctx(), *k))
                                .collect();
                            ui.label(&command.title);
                            ui.label(RichText::new(keys.join("  or  ")).monospace());
                            ui.end_row();
                        }
                    }
                });
            ui.add_space(6.0);
            let mouse = "Over the image: the wheel zooms, dragging pans, a double click resets \
             the view. After F6, Tab moves between controls. Escape leaves full screen.";
            ui.label(RichText::new(mouse).color(theme::WEAK));
        });
}

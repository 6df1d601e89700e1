//! The command palette: type a few letters, press Enter.

use std::cmp::Reverse;

use eframe::egui::{Button, Id, Key, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use super::super::super::action::WindowAction;
use super::super::super::catalog::{commands, fit, key_text};
use super::super::super::theme;
use super::super::PanelContext;
use super::send;

pub fn palette_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let mut found: Vec<_> = commands(cx)
        .into_iter()
        .filter_map(|c| Some((fit(&c.title, &cx.session.search)?, c)))
        .collect();
    // Stable: commands that fit equally well keep the table's order.
    found.sort_by_key(|(score, _)| Reverse(*score));

    let row_id = Id::unique("palette row");
    let row = ui.data(|d| d.get_temp::<usize>(row_id)).unwrap_or(0);
    let last = found.len().saturating_sub(1);
    let pressed = |ui: &Ui, key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
    let down = usize::from(pressed(ui, Key::ArrowDown));
    let up = usize::from(pressed(ui, Key::ArrowUp));
    let mut row = (row + down).saturating_sub(up).min(last);
    let is_moved = down + up > 0;
    let is_entered = pressed(ui, Key::Enter);

    let mut search = cx.session.search.clone();
    let field = ui
        .add(
            TextEdit::singleline(&mut search)
                .hint_text("Type a few letters of what you want to do")
                .desired_width(f32::INFINITY),
        )
        .accessible_name("Command");
    field.request_focus();
    if field.changed() {
        row = 0;
        send(cx, WindowAction::Search(search));
    }
    let mut chosen = None;
    ScrollArea::vertical()
        .max_height(360.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for (i, (_, command)) in found.iter().enumerate() {
                let keys = command.keys.first();
                let keys = keys.map(|k| key_text(ui.ctx(), *k)).unwrap_or_default();
                let entry = Button::new(command.title.as_str())
                    .shortcut_text(keys)
                    .selected(i == row)
                    .frame_when_inactive(i == row)
                    .min_size(eframe::egui::vec2(ui.available_width(), 28.0));
                let can = command.hindrance.is_none();
                let response = ui.add_enabled(can, entry);
                let response = response.on_disabled_hover_text(command.hindrance.unwrap_or(""));
                if i == row && is_moved {
                    response.scroll_to_me(None);
                }
                if response.clicked() || (can && i == row && is_entered) {
                    chosen = Some(command.action.clone());
                }
            }
            if found.is_empty() {
                ui.label(RichText::new("No command is called like this").color(theme::WEAK));
            }
        });
    if let Some(action) = chosen {
        row = 0;
        // First away with this sheet: the command may open another one.
        send(cx, WindowAction::CloseSheet);
        cx.actions.push(action);
    }
    ui.data_mut(|d| d.insert_temp(row_id, row));
}

//! The command palette: type a few letters and press Enter.

use std::cmp::Reverse;

use eframe::egui::scroll_area::ScrollBarVisibility;
use eframe::egui::style::ScrollStyle;
use eframe::egui::{Button, Id, Key, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use crate::gui::action::WindowAction;
use crate::gui::command::key_text;
use crate::gui::commands::{commands, fit_command};
use crate::gui::sheets::send::send;
use crate::gui::theme;
use crate::gui::view::PanelContext;
use crate::gui::views::VIEWS;

/// Height of the list in points, if the window is tall enough.
const LIST: f32 = 360.0;

pub(super) fn palette_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let pressed = |ui: &Ui, key| ui.input_mut(|i| i.count_and_consume_key(Modifiers::NONE, key));
    let down = pressed(ui, Key::ArrowDown);
    let up = pressed(ui, Key::ArrowUp);
    let is_entered = pressed(ui, Key::Enter) > 0;

    // The field comes first, so that Enter also applies to text typed in this frame.
    let mut search = cx.ui_state.search.clone();
    let field = ui
        .add(
            TextEdit::singleline(&mut search)
                .hint_text("Type a few letters of what you want to do")
                .desired_width(f32::INFINITY),
        )
        .accessible_name("Command");
    field.request_focus();

    let mut found: Vec<_> = commands(cx)
        .into_iter()
        .filter_map(|c| Some((fit_command(&c, &search)?, c)))
        .collect();
    let own = VIEWS.iter().find(|spec| spec.id == cx.ui_state.view);
    let own = own.and_then(|spec| spec.group);
    // Commands with equal scores: those of the active view, then in the table's order.
    let is_searched = !search.trim().is_empty();
    found.sort_by_key(|(score, c)| (Reverse(*score), is_searched && Some(c.group) != own));
    let row_id = Id::unique("palette row");
    let mut row = ui.data(|d| d.get_temp::<usize>(row_id)).unwrap_or(0);
    if field.changed() {
        row = 0;
        send(cx, WindowAction::Search(search));
    }
    let last = found.len().saturating_sub(1);
    row = (row + down).saturating_sub(up).min(last);
    let is_moved = down + up > 0;

    let mut chosen = None;
    let height = LIST.min(ui.ctx().content_rect().height() - 180.0).max(84.0);
    ui.spacing_mut().scroll = ScrollStyle::solid();
    ScrollArea::vertical()
        .max_height(height)
        // Constant size: the sheet does not move or resize with the number of matches.
        .min_scrolled_height(height)
        .auto_shrink(false)
        .scroll_bar_visibility(ScrollBarVisibility::AlwaysVisible)
        .show(ui, |ui| {
            for (i, (_, command)) in found.iter().enumerate() {
                let keys = command.keys.first();
                let keys = keys.map(|k| key_text(ui.ctx(), *k)).unwrap_or_default();
                let entry = Button::new(command.title.as_str())
                    .truncate()
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
                ui.label(RichText::new("No matching command").color(theme::WEAK));
            }
        });
    if let Some(action) = chosen {
        row = 0;
        // Close this sheet first, because the command may open another one.
        send(cx, WindowAction::CloseSheet);
        cx.actions.push(action);
    }
    ui.data_mut(|d| d.insert_temp(row_id, row));
}

//! The header: what is shown, the views, and the note that images stay on this computer.

use eframe::egui::{Align, Button, Id, Label, Layout, RichText, ScrollArea, TextStyle, Ui};

use crate::gui::action::{Action, WindowAction};
use crate::gui::command::key_text;
use crate::gui::commands::{commands, groups};
use crate::gui::icons::Icon;
use crate::gui::view::{AppView, HeaderText, PanelContext};
use crate::gui::views::VIEWS;
use crate::gui::{theme, widgets};

/// Lays out the header; `views` are in the order of [`VIEWS`].
pub fn header_ui(ui: &mut Ui, views: &[Box<dyn AppView>], cx: &mut PanelContext<'_>) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.add(Label::new(RichText::new("PoseLens").size(18.0).strong()).selectable(false));
        ui.add_space(10.0);
        for (spec, view) in VIEWS.iter().zip(views) {
            let title = view.title();
            let name = title.as_deref().unwrap_or(spec.name);
            let button = Button::selectable(cx.ui_state.view == spec.id, name);
            if ui.add(button).on_hover_text(spec.help).clicked() {
                cx.actions.push(Action::Window(WindowAction::Show(spec.id)));
            }
        }
        ui.add_space(10.0);
        if let Some(shown) = cx.view.header(cx) {
            widgets::dot_ui(ui, shown.color);
            shown_ui(ui, &shown);
        }
        let right = ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            menu_ui(ui, cx);
            if ui
                .add(Button::new(Icon::FullScreen.atom(None)).frame(false))
                .on_hover_text("Full screen (F11)")
                .accessible_name("Full screen")
                .clicked()
            {
                cx.actions.push(Action::Window(WindowAction::FullScreen));
            }
            widgets::badge_ui(
                ui,
                "local only",
                theme::GREEN,
                "Images, poses and recordings stay on this computer: no account, no upload, no \
                 telemetry.",
            );
            let drawn_by = match &cx.ui_state.adapter {
                Some(adapter) => format!("\nThe window is {}.", adapter.text()),
                None => String::new(),
            };
            widgets::badge_ui(
                ui,
                &cx.device().name,
                theme::LEFT,
                &format!(
                    "The networks run on {}: {}. Settings (Ctrl+,) has the others.{drawn_by}",
                    cx.device().name,
                    cx.device().why
                ),
            );
            ui.min_rect().width()
        });
        ui.data_mut(|d| d.insert_temp(right_id(), right.inner));
    });
}

/// Id under which the width of the right-hand end is stored between frames.
fn right_id() -> Id {
    Id::unique("width of the header's right end")
}

/// Shows the name, truncated if the header is too narrow; the tooltip has the full name.
fn shown_ui(ui: &mut Ui, shown: &HeaderText) {
    let right = ui.data(|d| d.get_temp::<f32>(right_id())).unwrap_or(320.0);
    let more = RichText::new(&shown.more).small().color(theme::WEAK);
    let font = TextStyle::Small.resolve(ui.style());
    let more_width = ui
        .painter()
        .layout_no_wrap(shown.more.clone(), font, theme::WEAK)
        .size()
        .x;
    let spacing = 3.0 * ui.spacing().item_spacing.x;
    let room = ui.available_width() - right - more_width - spacing;
    ui.scope(|ui| {
        ui.set_max_width(room.max(40.0));
        let name = RichText::new(&shown.name).color(theme::TEXT);
        ui.add(
            Label::new(name)
                .truncate()
                .show_tooltip_when_elided(false)
                .selectable(false),
        )
        .on_hover_text(format!("{}\n{}", shown.name, shown.help));
    });
    ui.add(Label::new(more).truncate().selectable(false));
}

/// Lists every command by group.
fn menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let menu = ui.menu_button("Menu", |ui| {
        // Only while the menu is open: the list is rebuilt every frame.
        let all = commands(cx);
        for group in groups() {
            let group_menu = ui.menu_button(group.name, |ui| {
                // With the palette's joints and models the list is taller than a screen.
                let height = ui.ctx().content_rect().height() - 80.0;
                ScrollArea::vertical().max_height(height).show(ui, |ui| {
                    for command in all.iter().filter(|c| c.group == group) {
                        let keys = command.keys.first();
                        let keys = keys.map(|k| key_text(ui.ctx(), *k)).unwrap_or_default();
                        let entry = Button::new(command.title.as_str()).shortcut_text(keys);
                        let can = command.hindrance.is_none();
                        if ui
                            .add_enabled(can, entry)
                            .on_disabled_hover_text(command.hindrance.unwrap_or_default())
                            .accessible_name(&command.title)
                            .clicked()
                        {
                            cx.actions.push(command.action.clone());
                            ui.close();
                        }
                    }
                    if all.iter().all(|c| c.group != group) {
                        ui.label(RichText::new("None yet").color(theme::WEAK));
                    }
                });
            });
            group_menu.response.accessible_name(group.name);
        }
    });
    menu.response
        .on_hover_text("Everything the program can do, by group (Ctrl+K searches it)");
}

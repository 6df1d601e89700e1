//! The header: what is shown, the views, and the note that images stay on this computer.

use eframe::egui::{Button, Label, RichText, ScrollArea, TextStyle, Ui};

use crate::gui::action::{Action, WindowAction};
use crate::gui::command::{Group, key_text};
use crate::gui::commands::{commands, groups};
use crate::gui::icons::Icon;
use crate::gui::view::{AppView, HeaderText, PanelContext};
use crate::gui::views::VIEWS;
use crate::gui::{theme, widgets};

/// Width of the header in points from which it has room for the badges.
const WITH_BADGES: f32 = 780.0;

/// Lays out the header; `views` are in the order of [`VIEWS`].
pub(super) fn header_ui(ui: &mut Ui, views: &[Box<dyn AppView>], cx: &mut PanelContext<'_>) {
    let has_badges = ui.available_width() >= WITH_BADGES;
    let start = |ui: &mut Ui, cx: &mut PanelContext<'_>| {
        ui.add(Label::new(RichText::new("PoseLens").size(18.0).strong()).selectable(false));
        ui.add_space(10.0);
        for (spec, view) in VIEWS.iter().zip(views) {
            let title = view.title();
            let name = title.as_deref().unwrap_or(spec.name);
            let button = Button::selectable(cx.ui_state.view == spec.id, name);
            let button = ui.add(button).on_hover_text(spec.help);
            if button.clicked() {
                // Its focus frame would mark a second view once another one is opened by key.
                button.surrender_focus();
                cx.actions.push(Action::Window(WindowAction::Show(spec.id)));
            }
        }
        ui.add_space(10.0);
        if let Some(shown) = cx.view.header(cx) {
            shown_ui(ui, &shown);
        }
    };
    let end = |ui: &mut Ui, cx: &mut PanelContext<'_>| {
        menu_ui(ui, cx);
        if ui
            .add(Button::new(Icon::FullScreen.atom(None)).frame(false))
            .on_hover_text("Full screen (F11; F11 or Escape leaves it)")
            .accessible_name("Full screen")
            .clicked()
        {
            cx.actions.push(Action::Window(WindowAction::FullScreen));
        }
        if has_badges {
            badges_ui(ui, cx);
        }
    };
    widgets::split_row_ui(ui, "header", cx, start, end);
}

/// Shows where images stay and what the networks run on; the About sheet says so as well.
fn badges_ui(ui: &mut Ui, cx: &PanelContext<'_>) {
    place_ui(ui, cx);
    let drawn_by = match &cx.ui_state.adapter {
        Some(adapter) => format!("\nThe window is {}.", adapter.text()),
        None => String::new(),
    };
    widgets::badge_ui(
        ui,
        &cx.device().name,
        theme::LEFT,
        &format!(
            "Models run on {}: {}. Others can be chosen in Settings (Ctrl+,).{drawn_by}",
            cx.device().name,
            cx.device().why
        ),
    );
}

/// Shows where joints go, if they leave this computer.
fn place_ui(ui: &mut Ui, cx: &PanelContext<'_>) {
    let sending = &cx.ui_state.sending;
    if sending.is_on
        && let Some(first) = sending.elsewhere.first()
    {
        let more = match sending.elsewhere.len() {
            1 => String::new(),
            n => format!(" + {}", n - 1),
        };
        let help = format!(
            "Joints are sent to {}. Images and recordings stay on this computer.",
            sending.elsewhere.join(", ")
        );
        widgets::badge_ui(ui, &format!("joints to {first}{more}"), theme::RIGHT, &help);
        return;
    }
    widgets::badge_ui(
        ui,
        "local only",
        theme::GREEN,
        "Images, poses and recordings stay on this computer: no account, no upload, no telemetry.",
    );
}

/// Shows the name, truncated if the header is too narrow, and what else fits; the tooltip has all.
fn shown_ui(ui: &mut Ui, shown: &HeaderText) {
    const MIN_NAME: f32 = 40.0;
    if ui.available_width() < MIN_NAME {
        return;
    }
    widgets::dot_ui(ui, shown.color);
    let font = TextStyle::Small.resolve(ui.style());
    let spacing = ui.spacing().item_spacing.x;
    let more = widgets::text_width(ui, &shown.more, font.clone()) + spacing;
    let room = ui.available_width();
    ui.scope(|ui| {
        ui.set_max_width(if room - more < MIN_NAME {
            room
        } else {
            room - more
        });
        let name = RichText::new(&shown.name).color(theme::TEXT);
        ui.add(
            Label::new(name)
                .truncate()
                .show_tooltip_when_elided(false)
                .selectable(false),
        )
        .on_hover_text(format!("{}\n{}\n{}", shown.name, shown.more, shown.help));
    });
    widgets::fitting_label_ui(ui, &shown.more, font, theme::WEAK, 0.0);
}

/// Lists every command by group.
fn menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let menu = ui.menu_button("Menu", |ui| {
        // Only while the menu is open: the list is rebuilt every frame.
        let all = commands(cx);
        for group in groups() {
            let is_empty = all.iter().all(|c| c.group != group);
            // Some views have no commands of a group.
            if is_empty && group != Group::RECENT {
                continue;
            }
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
                    if is_empty {
                        ui.label(RichText::new("None yet").color(theme::WEAK));
                    }
                });
            });
            group_menu.response.accessible_name(group.name);
        }
    });
    menu.response
        .on_hover_text("All commands by group (Ctrl+K searches them)");
}

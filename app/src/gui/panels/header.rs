//! Across the top: what is running, and that it stays on this computer.

use eframe::egui::{Align, Button, Label, Layout, RichText, Ui};

use super::super::action::{Action, WindowAction};
use super::super::catalog::{Group, commands, key_text};
use super::super::icons::Icon;
use super::super::{theme, widgets};
use super::{PanelContext, View};

pub fn header_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.add(Label::new(RichText::new("PoseLens").size(18.0).strong()).selectable(false));
        ui.add_space(10.0);
        let train = cx.train.title();
        for (view, name, help) in [
            (View::Live, "Live", "The running picture (I)"),
            (
                View::Inspect,
                "Inspect",
                "Look inside the network at this frame (I)",
            ),
            (
                View::Train,
                train.as_str(),
                "Teach a network your own people (T)",
            ),
        ] {
            let button = Button::selectable(cx.view == view, name);
            if ui.add(button).on_hover_text(help).clicked() {
                cx.actions.push(Action::Window(WindowAction::Show(view)));
            }
        }
        ui.add_space(10.0);
        if let Some(source) = &cx.session.source {
            widgets::dot_ui(ui, source_color(cx));
            let name = RichText::new(&source.name).color(theme::TEXT);
            ui.add(Label::new(name).truncate().selectable(false))
                .on_hover_text("Where the pictures come from");
            if let Some(presented) = &cx.session.presented {
                let size = presented.frame.size();
                let text = format!("{} × {}", size.width, size.height);
                ui.label(RichText::new(text).small().color(theme::WEAK));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
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
                "Pictures, poses and recordings stay on this computer: no account, no upload, \
                 no telemetry.",
            );
            let drawn_by = match &cx.session.adapter {
                Some(adapter) => format!("\nThe window is drawn by {adapter}."),
                None => String::new(),
            };
            widgets::badge_ui(
                ui,
                &cx.gui.device,
                theme::LEFT,
                &format!(
                    "The networks run on {}: {}.{drawn_by}",
                    cx.gui.device, cx.gui.device_reason
                ),
            );
        });
    });
}

/// Every command, by group.
fn menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let all = commands(cx);
    let menu = ui.menu_button("Menu", |ui| {
        for group in Group::ALL {
            let group_menu = ui.menu_button(group.name(), |ui| {
                for command in all.iter().filter(|c| c.group == group) {
                    let keys = command.keys.first();
                    let keys = keys.map(|k| key_text(ui.ctx(), *k)).unwrap_or_default();
                    let entry = Button::new(command.title.as_str()).shortcut_text(keys);
                    if ui.add(entry).clicked() {
                        cx.actions.push(command.action.clone());
                        ui.close();
                    }
                }
            });
            group_menu.response.accessible_name(group.name());
        }
    });
    menu.response
        .on_hover_text("Everything the program can do, by group (Ctrl+K searches it)");
}

fn source_color(cx: &PanelContext<'_>) -> eframe::egui::Color32 {
    match (cx.session.is_live(), cx.session.is_playing) {
        (_, false) => theme::RIGHT,
        (true, true) => theme::GREEN,
        (false, true) => theme::LEFT,
    }
}

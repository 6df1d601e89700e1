//! First steps, shown while there is no frame.

use std::path::Path;

use eframe::egui::{self, Align, Button, Label, Layout, RichText, Ui};

use crate::gui::action::{Action, SourceAction};
use crate::gui::command::{Command, recent};
use crate::gui::context::sample_clip;
use crate::gui::theme;
use crate::gui::views::live::state::LiveContext;

/// Number of recent files offered here; the menu has the others.
const N_RECENT_SHOWN: usize = 5;

/// Shows the first steps while there is no frame.
pub fn empty_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let ui_state = cx.ui_state;
    if ui_state.presented.is_some() {
        return;
    }
    let (title, text) = match (&ui_state.wanted_source, &ui_state.cameras) {
        (Some(wanted), _) if ui_state.is_opening => (
            format!("Opening {}…", wanted.label),
            "This can take a few seconds.",
        ),
        (None, None) => (
            "Looking for cameras…".to_owned(),
            "You can open a file in the meantime.",
        ),
        (_, Some(cameras)) if cameras.is_empty() => (
            "No camera found".to_owned(),
            "Plug one in and search again, or use a video:\neverything stays on this computer.",
        ),
        _ => (
            "Nothing to show yet".to_owned(),
            "Choose a camera on the right, or open a video or image.",
        ),
    };
    if ui_state.sheet.is_some() {
        return;
    }
    let area = ui.max_rect();
    let recent = recent(cx.state, cx.ui_state);
    let rows = cx.state.recent.len().min(N_RECENT_SHOWN) as f32;
    let height = 170.0 + if rows > 0.0 { 34.0 + 30.0 * rows } else { 0.0 };
    let size = egui::vec2(440.0_f32.min(area.width() - 32.0), height);
    let card = egui::Rect::from_center_size(area.center(), size);
    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(card)
            .layout(Layout::top_down(Align::Center)),
    );
    ui.add(Label::new(RichText::new(title).heading().strong()).selectable(false));
    ui.add(Label::new(RichText::new(text).color(theme::WEAK)).selectable(false));
    ui.add_space(14.0);
    let size = egui::vec2(190.0, 36.0);
    let row = 2.0 * size.x + 8.0;
    ui.allocate_ui_with_layout(
        egui::vec2(row, size.y),
        Layout::left_to_right(Align::Center),
        |ui| {
            let primary = Button::new(RichText::new("Open a video…").color(theme::STAGE).strong())
                .fill(theme::LEFT)
                .min_size(size);
            if ui
                .add_enabled(!ui_state.is_choosing, primary)
                .on_hover_text("Your own video or image (Ctrl+O)")
                .clicked()
            {
                send(cx, SourceAction::OpenDialog);
            }
            if let Some(clip) = sample_clip(cx.gui)
                && ui
                    .add(Button::new("Play the sample clip").min_size(size))
                    .on_hover_text("A short bundled clip")
                    .clicked()
            {
                send(cx, SourceAction::Open(clip));
            }
        },
    );
    recent_ui(&mut ui, recent, cx);
}

/// Shows the most recently opened files; missing ones are disabled.
fn recent_ui(ui: &mut Ui, recent: Vec<Command>, cx: &mut LiveContext<'_>) {
    if recent.is_empty() {
        return;
    }
    ui.add_space(14.0);
    ui.add(Label::new(RichText::new("Opened before").small().color(theme::WEAK)).selectable(false));
    let n = cx.state.recent.len().min(N_RECENT_SHOWN);
    for (command, path) in recent.into_iter().zip(&cx.state.recent).take(n) {
        let name = Path::new(path).file_name();
        let name = name.map_or(path.clone(), |n| n.to_string_lossy().into_owned());
        let entry = Button::new(name).truncate().frame_when_inactive(false);
        if ui
            .add_enabled(command.hindrance.is_none(), entry)
            .on_hover_text(path)
            .on_disabled_hover_text(format!("{path}\n{}", command.hindrance.unwrap_or_default()))
            .clicked()
        {
            cx.actions.push(command.action);
        }
    }
}

fn send(cx: &mut LiveContext<'_>, action: SourceAction) {
    cx.actions.push(Action::Source(action));
}

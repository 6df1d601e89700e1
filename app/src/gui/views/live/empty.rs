//! First steps, shown while there is no frame.

use std::path::Path;

use eframe::egui::{self, Align, Button, Label, Layout, RichText, Ui};

use crate::gui::action::{Action, SourceAction};
use crate::gui::command::{Command, recent};
use crate::gui::context::sample_clip;
use crate::gui::view::{MESSAGE, card_rect};
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};

/// Number of recent files offered here; the menu has the others.
const N_RECENT_SHOWN: usize = 5;
/// Size of the buttons in points.
const BUTTON: egui::Vec2 = egui::vec2(190.0, 36.0);
/// Heights in points: of the text, of the heading of the recent files, and of each file.
const CARD: f32 = 134.0;
const HEADING: f32 = 34.0;
const ROW: f32 = 30.0;

/// Shows the first steps while there is no frame.
pub(super) fn empty_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
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
    let width = 440.0_f32.min(area.width() - 32.0);
    let card = CARD + widgets::button_pair_height(ui, BUTTON, width);
    let room = area.height() - card - HEADING - MESSAGE;
    let n_fitting = (room / ROW).max(0.0) as usize;
    let n = cx.state.recent.len().min(N_RECENT_SHOWN).min(n_fitting);
    let height = card + if n > 0 { HEADING + ROW * n as f32 } else { 0.0 };
    let size = egui::vec2(width, height);
    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(card_rect(area, size))
            .layout(Layout::top_down(Align::Center)),
    );
    ui.add(Label::new(RichText::new(title).heading().strong()).selectable(false));
    ui.add(Label::new(RichText::new(text).color(theme::WEAK)).selectable(false));
    ui.add_space(14.0);
    widgets::button_pair_ui(&mut ui, BUTTON, |ui| {
        let primary = Button::new(RichText::new("Open a video…").color(theme::STAGE).strong())
            .fill(theme::LEFT)
            .min_size(BUTTON);
        if ui
            .add_enabled(!ui_state.is_choosing, primary)
            .on_hover_text("Your own video or image (Ctrl+O)")
            .clicked()
        {
            send(cx, SourceAction::OpenDialog);
        }
        if let Some(clip) = sample_clip(cx.gui)
            && ui
                .add(Button::new("Play the sample clip").min_size(BUTTON))
                .on_hover_text("A short bundled clip")
                .clicked()
        {
            send(cx, SourceAction::Open(clip));
        }
    });
    recent_ui(&mut ui, recent, n, cx);
}

/// Shows the `n` most recently opened files; missing ones are disabled.
fn recent_ui(ui: &mut Ui, recent: Vec<Command>, n: usize, cx: &mut LiveContext<'_>) {
    if n == 0 {
        return;
    }
    ui.add_space(14.0);
    ui.add(Label::new(RichText::new("Recent").small().color(theme::WEAK)).selectable(false));
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

//! Across the bottom: time, snapshots, recording.

use eframe::egui::{self, Align, Button, Label, Layout, RichText, Ui};

use super::super::action::{Action, PlaybackAction, RecordAction};
use super::super::icons::Icon;
use super::super::session::Recording;
use super::super::{theme, widgets};
use super::PanelContext;

pub fn transport_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let has_source = cx.session.source.is_some();
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        playback_ui(ui, cx, has_source);
        time_ui(ui, cx);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            record_ui(ui, cx, has_source);
            let snapshot = Button::new("Snapshot").min_size(egui::vec2(0.0, 34.0));
            if ui
                .add_enabled(cx.session.presented.is_some(), snapshot)
                .on_hover_text("Saves the picture as PNG (Shift+Enter)")
                .clicked()
            {
                cx.actions.push(Action::Record(RecordAction::Snapshot));
            }
            if let Some(recording) = &cx.session.recording {
                progress_ui(ui, recording);
            }
        });
    });
}

fn playback_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, has_source: bool) {
    let (icon, name) = if cx.session.is_playing && !cx.session.has_ended {
        (Icon::Pause, "Pause")
    } else {
        (Icon::Play, "Play")
    };
    let play = Button::new(icon.atom(None)).min_size(egui::vec2(44.0, 34.0));
    if ui
        .add_enabled(has_source, play)
        .on_hover_text(format!("{name} (Space)"))
        .accessible_name(name)
        .clicked()
    {
        cx.actions.push(Action::Playback(PlaybackAction::PlayPause));
    }
    let restart = Button::new(Icon::Restart.atom(None)).min_size(egui::vec2(40.0, 34.0));
    if !cx.session.is_live()
        && ui
            .add_enabled(has_source, restart)
            .on_hover_text("From the beginning (Home)")
            .accessible_name("Restart")
            .clicked()
    {
        cx.actions.push(Action::Playback(PlaybackAction::Restart));
    }
}

fn time_ui(ui: &mut Ui, cx: &PanelContext<'_>) {
    let Some(presented) = &cx.session.presented else {
        return;
    };
    let source = &presented.source;
    let total = match (source.n_frames, source.rate) {
        (Some(n), Some(rate)) if rate > 0.0 && !source.is_live => Some(n as f64 / rate),
        _ => None,
    };
    ui.add_space(6.0);
    let number = |text: String, color| {
        RichText::new(text)
            .font(theme::number_font(15.0))
            .color(color)
    };
    let now = widgets::clock(presented.frame.time_secs);
    ui.add(Label::new(number(now, theme::TEXT)).selectable(false))
        .on_hover_text("Time within the source");
    if let Some(total) = total {
        let text = number(format!("/ {}", widgets::clock(total)), theme::WEAK);
        ui.add(Label::new(text).selectable(false));
    }
    let state = match (cx.session.has_ended, cx.session.is_playing) {
        (true, _) => "ended",
        (false, false) => "paused",
        (false, true) => return,
    };
    ui.add(Label::new(RichText::new(state).color(theme::RIGHT)).selectable(false));
}

fn record_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, has_source: bool) {
    let is_on = cx.session.recording.is_some();
    let (text, fill, color) = if is_on {
        ("Stop recording", theme::RED, theme::STAGE)
    } else {
        ("Record", theme::FIELD, theme::TEXT)
    };
    let icon = if is_on {
        Icon::Stop.atom(Some(theme::STAGE))
    } else {
        Icon::Record.atom(Some(theme::RED))
    };
    let button = Button::new((icon, RichText::new(text).color(color).strong()))
        .fill(fill)
        .min_size(egui::vec2(0.0, 34.0));
    if ui
        .add_enabled(has_source || is_on, button)
        .on_hover_text("Writes the picture, the raw video and the poses into a folder (R)")
        .accessible_name(text)
        .clicked()
    {
        cx.actions.push(Action::Record(RecordAction::StartStop));
    }
}

fn progress_ui(ui: &mut Ui, recording: &Recording) {
    let elapsed = widgets::clock(recording.started.elapsed().as_secs_f64());
    let text = match &recording.progress {
        Some(p) => format!(
            "{elapsed}   {} frames   {} dropped   {}",
            p.frames,
            p.drops,
            widgets::megabytes(p.bytes)
        ),
        None => format!("{elapsed}   waiting for a picture"),
    };
    ui.add_space(6.0);
    ui.add(
        Label::new(
            RichText::new(text)
                .font(theme::number_font(12.5))
                .color(theme::TEXT),
        )
        .selectable(false),
    )
    .on_hover_text(format!("Recording to {}", recording.folder.display()));
    widgets::dot_ui(ui, theme::RED);
}
